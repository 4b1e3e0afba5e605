"""Counts failed triggers and finds the new failures: each is reported once, not with every plan.

Called by the scale loop with each plan; read by the metrics. It must never grow with the number of plans.
"""

from collections import Counter
from collections.abc import Iterable, Iterator, Set

from herder.model.ids import PoolName
from herder.model.planning.plan import Plan, Reason, ReasonKind

#: Failures that are remembered as told; beyond that the oldest may be told again.
TOLD_MAX = 1_000


class TriggerFaults:
    def __init__(self) -> None:
        self.counts: Counter[tuple[PoolName, str]] = Counter()
        """By pool and trigger: plans in which it failed."""
        self._told: dict[tuple[str, ...], None] = {}

    def note(
        self, plan: Plan, pools: Set[PoolName], others: Iterable[tuple[PoolName, Reason]] = ()
    ) -> list[tuple[PoolName, Reason]]:
        """Those that were not told before. Two errors of one type at one line are the same. `pools`: those there are; `others`: what
        failed outside of the plan."""
        for key in [key for key in self.counts if key[0] not in pools]:
            del self.counts[key]
        fresh, counted = [], set()
        for pool, reason in (*_failed(plan), *others):
            facts = {name: str(value) for name, value in reason.evidence}
            counted.add((pool, facts["trigger"]))
            error = (pool, facts["trigger"], facts["error"].partition(":")[0], facts["at"])
            if error not in self._told:
                self._told[error] = None
                fresh.append((pool, reason))
        self.counts.update(counted)
        while len(self._told) > TOLD_MAX:
            del self._told[next(iter(self._told))]
        return fresh


def _failed(plan: Plan) -> Iterator[tuple[PoolName, Reason]]:
    for report in plan.pools:
        for reason in report.reasons:
            if reason.kind is ReasonKind.TRIGGER_FAILED:
                yield report.pool, reason
