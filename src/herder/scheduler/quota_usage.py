"""Quotas in placement: limits the waiting jobs of a pass to what quotas allow, and remembers reserved quota.

Used by `placement.py`. `decide.quotas.allowed_starts` decides; here the engine's counts are put before it. Room that is kept for a job that has
waited long is remembered in memory only: after a restart it is kept anew.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from herder.decide.placement.reservations import Reservation
from herder.decide.quotas.allowed_starts import QuotaInput, allow
from herder.decide.quotas.usage import remaining_quota
from herder.engine.memory.restrictions import NONE
from herder.engine.memory.state import EngineState, WorkerLife
from herder.model.ids import ClassId
from herder.model.planning.observed import QueuedClass
from herder.model.work.sharing import amounts_of
from herder.scheduler.queue_index import QueueIndex


@dataclass(slots=True)
class QuotaUsage:
    held_back: bool = False
    """Whether quotas kept anything back in the last placement."""
    kept: set[ClassId] = field(default_factory=set)
    """Classes that room is being kept for."""

    def dirty(self, state: EngineState) -> bool:
        """Whether what ended may let a job start elsewhere than where it ended."""
        return self.held_back and bool(state.open_workers)

    def capped(
        self,
        state: EngineState,
        waiting: QueueIndex,
        pending: Sequence[QueuedClass],
        workers: Iterable[WorkerLife],
        reservations: Iterable[Reservation],
        aged_ms: int,
    ) -> list[QueuedClass]:
        """What of it may start on these workers."""
        firsts: dict[ClassId, int] = {}
        for reservation in reservations:
            firsts[reservation.class_id] = firsts.get(reservation.class_id, 0) + 1
        for class_id in sorted(self.kept):
            firsts.setdefault(class_id, 1)
        quota_input = QuotaInput(
            sharing=state.sharing,
            held=state.held,
            running_types=state.running_types,
            weights=state.weights,
            last_served=waiting.last_served(item.job_class.user for item in pending),
            firsts=firsts,
            aged_ms=aged_ms,
            unfit=waiting.unfit(state, pending, workers),
        )
        allowance = allow(pending, quota_input)
        there = {item.class_id for item in pending}
        self.kept = {class_id for class_id in self.kept if class_id in there} | set(allowance.kept)
        self.held_back = allowance.short
        return allowance.capped()

    def served(self, class_id: ClassId) -> None:
        """One of its jobs has started."""
        self.kept.discard(class_id)


def may_start(state: EngineState, heads: Iterable[QueuedClass]) -> list[QueuedClass]:
    """Those of which one job is within the quotas, paid and kept back by no alert now: for others no place is to be kept."""
    if state.funds is not None:
        heads = [head for head in heads if state.funds.pays(head.job_class)]
    if state.restrictions is not None:
        heads = [head for head in heads if state.restrictions.allow(head.job_class)]
    if not state.sharing.has_quotas:
        return list(heads)
    remaining = remaining_quota(state.sharing, state.held, state.resources, state.running_types)
    return [
        head
        for head in heads
        if (asked := amounts_of(head.job_class.request)).fits_in(remaining.of_project(head.job_class.project))
        and asked.fits_in(remaining.of_user(head.job_class.user))
        and remaining.types.room(head.job_class.type)
    ]


def within_caps(
    state: EngineState, pending: list[QueuedClass], unfit: Mapping[ClassId, int] = NONE
) -> list[QueuedClass]:
    """What of it alerts and budgets let start now. `unfit`: by class, how many jobs have no place."""
    if state.restrictions is not None:
        funds = state.funds
        unpaid = [] if funds is None else [each for each in pending if not funds.pays(each.job_class)]
        unfit = {**unfit, **{each.class_id: each.count for each in unpaid}}
        pending = state.restrictions.capped(pending, _with_count, unfit)
    return pending if state.funds is None else state.funds.capped(pending, _with_count)


def _with_count(item: QueuedClass, count: int) -> QueuedClass:
    return replace(item, count=count)
