"""Jobs that wait because no budget of their user or project pays for them: no workers are made for them, and the plan says so."""

from collections.abc import Sequence
from dataclasses import replace

from herder.decide.quotas.reasons import HeldBack
from herder.model.planning.budgets import UnpaidClass
from herder.model.planning.observed import Observed
from herder.model.planning.plan import Reason, ReasonKind
from herder.model.values.money import dollars, usd_text
from herder.model.values.phrases import agree
from herder.model.work.demand import DemandGroup


def paid_demand(
    observed: Observed, waiting: Sequence[DemandGroup]
) -> tuple[list[DemandGroup], tuple[HeldBack, ...]]:
    """What of it is paid, and what is not. `waiting`: within the quotas."""
    unpaid = {each.class_id: each for each in observed.unpaid}
    if not unpaid:
        return list(waiting), ()
    counts = {queued.class_id: queued.count for queued in observed.demand}
    paid, held_back = [], []
    for queued in waiting:
        mine = unpaid.get(queued.class_id)
        most = queued.count if mine is None else min(queued.count, counts[queued.class_id] - mine.count)
        if most > 0:
            paid.append(queued if most == queued.count else replace(queued, count=most))
        if mine is not None and most < queued.count:
            count = queued.count - max(0, most)
            held_back.append(HeldBack(queued=queued, count=count, reason=_reason(queued, mine, count)))
    return paid, tuple(held_back)


def _reason(queued: DemandGroup, mine: UnpaidClass, count: int) -> Reason:
    has = "nothing" if mine.left <= 0 else dollars(mine.left)
    text = (
        f"{count:,} of {queued.count:,} such jobs {agree(count, 'waits', 'wait')} for budget {mine.budget}: it has {has} of "
        f"{dollars(mine.limit)} left, and each job needs up to {dollars(mine.needs)} for its next quantum."
    )
    evidence = (
        ("budget", mine.budget),
        ("left_usd", usd_text(mine.left)),
        ("limit_usd", usd_text(mine.limit)),
        ("needs_usd", usd_text(mine.needs)),
        ("held_back", count),
        ("flips", f"a higher limit of budget {mine.budget}, or its next period"),
    )
    return Reason(kind=ReasonKind.BUDGET, text=text, evidence=evidence)
