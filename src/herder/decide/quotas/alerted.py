"""Jobs that wait because of an alert: no workers are made for them, and the plan says so."""

from collections.abc import Sequence

from herder.decide.quotas.reasons import HeldBack, held_back
from herder.model.planning.budgets import RestrictedClass
from herder.model.planning.observed import Observed
from herder.model.planning.plan import Reason, ReasonKind
from herder.model.values.phrases import agree
from herder.model.values.times import iso
from herder.model.work.demand import DemandGroup


def allowed_demand(
    observed: Observed, waiting: Sequence[DemandGroup]
) -> tuple[list[DemandGroup], tuple[HeldBack, ...]]:
    """What of it alerts let start, and what not. `waiting`: within the quotas."""
    restricted = {each.class_id: each for each in observed.restricted}
    counts = {class_id: each.count for class_id, each in restricted.items()}
    return held_back(
        observed, waiting, counts, lambda queued, n: _reason(queued, restricted[queued.class_id], n)
    )


def _reason(queued: DemandGroup, mine: RestrictedClass, count: int) -> Reason:
    until = "until the use falls" if mine.until_ms is None else f"until {iso(mine.until_ms)} at the latest"
    text = (
        f"{count:,} of {queued.count:,} such jobs {agree(count, 'waits', 'wait')} because of {mine.alert} ({mine.policy}, "
        f"{mine.action.replace('_', ' ')}), {until}: their priority is below {mine.below}."
    )
    evidence = (
        ("alert", mine.alert),
        ("policy", mine.policy),
        ("action", mine.action),
        ("held_back", count),
        (
            "flips",
            f"a priority of {mine.below} or more, less use, or a higher limit: herder alert show {mine.alert}",
        ),
    )
    return Reason(kind=ReasonKind.ALERT, text=text, evidence=evidence)
