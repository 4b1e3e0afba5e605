"""Jobs that wait because no budget of their user or project pays for them: no workers are made for them, and the plan says so."""

from collections.abc import Sequence

from herder.decide.quotas.reasons import HeldBack, held_back
from herder.model.planning.budgets import UnpaidClass
from herder.model.planning.observed import Observed
from herder.model.planning.plan import Reason, ReasonKind
from herder.model.values.money import PICO_PER_CENT, dollars, limit_text, usd_text
from herder.model.values.phrases import agree
from herder.model.work.demand import DemandGroup


def paid_demand(
    observed: Observed, waiting: Sequence[DemandGroup]
) -> tuple[list[DemandGroup], tuple[HeldBack, ...]]:
    """What of it is paid, and what is not. `waiting`: within the quotas."""
    unpaid = {each.class_id: each for each in observed.unpaid}
    counts = {class_id: each.count for class_id, each in unpaid.items()}
    return held_back(observed, waiting, counts, lambda queued, n: _reason(queued, unpaid[queued.class_id], n))


def _reason(queued: DemandGroup, mine: UnpaidClass, count: int) -> Reason:
    has = "nothing" if mine.left <= 0 else dollars(mine.left)
    text = (
        f"{count:,} of {queued.count:,} such jobs {agree(count, 'waits', 'wait')} for budget {mine.budget}: it has {has} of "
        f"{limit_text(mine.limit_cents, mine.left)} left, and each job needs up to {dollars(mine.needs)} for its next quantum."
    )
    evidence = (
        ("budget", mine.budget),
        ("left_usd", usd_text(mine.left)),
        ("limit_usd", usd_text(mine.limit_cents * PICO_PER_CENT)),
        ("needs_usd", usd_text(mine.needs)),
        ("held_back", count),
        ("flips", f"a higher limit of budget {mine.budget}, or its next period"),
    )
    return Reason(kind=ReasonKind.BUDGET, text=text, evidence=evidence)
