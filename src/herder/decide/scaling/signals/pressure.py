"""The measured CPU and memory use of a pool, from the samples of its agents, and its effect by the pool's rules.

Called by the triggers `cpu` and `memory`, by scale-down (through `utilisation`) and, for `pressed_since`, by the scaling loop. A worker
that has sent no sample is unknown: its load is not taken for zero, and its capacity not for free when workers are to go; when
workers are to be made, it counts as coming capacity, so that nothing is made twice. It never acts on a pool most of
whose workers are unknown.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from functools import partial

from herder.decide.scaling.failed_triggers import Failures
from herder.decide.scaling.proposals import TriggerResult, WorkerRequest
from herder.decide.scaling.snapshot import PoolView, snapshot_of
from herder.model.fleet.pool import PoolSpec
from herder.model.fleet.pressure import Measured, Pressure
from herder.model.ids import PoolName
from herder.model.planning.observed import Observed, ObservedWorker
from herder.model.planning.plan import Reason, ReasonKind
from herder.model.values.phrases import agree, counted, sentences
from herder.model.values.resources import Resources
from herder.model.values.times import iso

_KINDS = {Measured.CPU: ReasonKind.CPU_PRESSURE, Measured.MEMORY: ReasonKind.MEMORY_PRESSURE}
_WORDS = {Measured.CPU: "CPU", Measured.MEMORY: "memory"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Gauge:
    """`used` and `capacity` of the workers that were `seen`; `coming`: capacity of which nothing is known, in flight or ready.
    In thousandths of a core or MiB."""

    measured: Measured
    rule: Pressure
    used: int = 0
    capacity: int = 0
    coming: int = 0
    seen: int = 0
    unseen: int = 0
    """Ready workers without a sample."""

    @property
    def use(self) -> float:
        return self.used / self.capacity if self.capacity else 0.0

    @property
    def known(self) -> bool:
        """At least half of what is ready was seen."""
        return self.seen > 0 and self.seen >= self.unseen

    @property
    def blind(self) -> bool:
        """There are workers, and nothing is known of any."""
        return self.seen == 0 and self.unseen > 0

    @property
    def above(self) -> bool:
        return self.known and self.used > self.rule.above * self.capacity

    @property
    def over_target(self) -> bool:
        return self.used > self.rule.leads_to * self.capacity

    @property
    def lacking(self) -> int:
        """Capacity that brings the use down to the target, beyond what is there and coming."""
        wanted = -(-self.used * 1000 // max(1, round(self.rule.leads_to * 1000)))
        return max(0, wanted - self.capacity - self.coming)

    def counting(self, worker: ObservedWorker) -> "Gauge":
        size = _amount(worker.spec.allocatable, self.measured)
        if worker.state.in_flight:
            return replace(self, coming=self.coming + size)
        if worker.use is None:
            return replace(self, coming=self.coming + size, unseen=self.unseen + 1)
        used = self.used + worker.use.of(self.measured)
        return replace(self, used=used, capacity=self.capacity + size, seen=self.seen + 1)

    def without(self, worker: ObservedWorker) -> "Gauge":
        """The load of one that works stays with the pool; what an idle one uses goes with it."""
        size = _amount(worker.spec.allocatable, self.measured)
        if worker.use is None or worker.state.in_flight:
            ready = not worker.state.in_flight
            return replace(self, coming=self.coming - size, unseen=self.unseen - ready)
        gone = 0 if worker.live_attempts else worker.use.of(self.measured)
        return replace(self, used=self.used - gone, capacity=self.capacity - size, seen=self.seen - 1)

    def with_room(self, room: Resources) -> "Gauge":
        return replace(self, coming=self.coming + _amount(room, self.measured))


def rules(spec: PoolSpec) -> Iterator[Gauge]:
    """An empty gauge for each rule of the pool."""
    if spec.scale_up.cpu_pressure is not None:
        yield Gauge(measured=Measured.CPU, rule=spec.scale_up.cpu_pressure)
    if spec.scale_up.memory_pressure is not None:
        yield Gauge(measured=Measured.MEMORY, rule=spec.scale_up.memory_pressure)


def pressed_since(
    observed: Observed, now_ms: int, failures: Failures | None = None
) -> dict[PoolName, dict[Measured, int]]:
    """Since when each rule's threshold is passed without a break; to be part of the next observation. Not known is a break."""
    found: dict[PoolName, dict[Measured, int]] = {}
    failures = Failures() if failures is None else failures
    if not any(True for spec in observed.pools for _ in rules(spec)):
        return found
    for view in snapshot_of(observed, now_ms).pools:
        since = failures.attempt(
            (view.spec.name,), "pressure", partial(_since, view, now_ms), dict[Measured, int]
        )
        if since:
            found[view.spec.name] = since
    return found


def _since(view: PoolView, now_ms: int) -> dict[Measured, int]:
    before = dict(view.history.pressed_since_ms)
    return {gauge.measured: before.get(gauge.measured, now_ms) for gauge in _all_in(view) if gauge.above}


def _all_in(view: PoolView) -> list[Gauge]:
    gauges = list(rules(view.spec))
    for worker in (*view.staying, *view.ahead):
        if worker.usable:
            gauges = [gauge.counting(worker) for gauge in gauges]
    return gauges


def gauge_of(gauges: Iterable[Gauge], measured: Measured) -> Gauge | None:
    return next((gauge for gauge in gauges if gauge.measured is measured), None)


def ask(view: PoolView, gauge: Gauge, size: Resources, now_ms: int) -> TriggerResult:
    """`gauge` with what this plan makes for the queue; `size` of the workers that would be made."""
    if not gauge.known:
        return TriggerResult(notes=(_unknown(view, gauge),)) if gauge.unseen else TriggerResult()
    since = dict(view.history.pressed_since_ms).get(gauge.measured)
    if not gauge.above or since is None:
        return TriggerResult()
    due = since + int(gauge.rule.for_s * 1000)
    if now_ms < due:
        return TriggerResult(notes=(_reason(view, gauge, since, f"It grows at {iso(due)} if this lasts"),))
    amount = _amount(size, gauge.measured)
    if gauge.lacking <= 0 or amount <= 0:
        return TriggerResult(
            notes=(
                _reason(
                    view,
                    gauge,
                    since,
                    "Capacity that is starting or not yet measured is enough to bring it down",
                ),
            )
        )
    count = min(view.spec.size.max_workers, -(-gauge.lacking // amount))
    what = f"Adding {counted(count, 'worker')} brings it to {gauge.rule.leads_to:.0%} or less"
    return TriggerResult(
        asks=(WorkerRequest(pool=view.spec.name, count=count, reason=_reason(view, gauge, since, what)),)
    )


def behind(view: PoolView, answer: TriggerResult, first: PoolName | None) -> TriggerResult:
    """What a pool wants because of pressure waits as long as another pool grows first."""
    waits = [ask for ask in answer.asks if first is not None and ask.reason.kind in _KINDS.values()]
    notes = [
        replace(
            ask.reason,
            text=f"Pool {view.spec.name} grows for pressure after pool {first}, which can still grow (grows_after).",
        )
        for ask in waits
    ]
    asks = tuple(ask for ask in answer.asks if ask not in waits)
    return replace(answer, asks=asks, notes=(*answer.notes, *notes)) if waits else answer


def kept_for(view: PoolView, gauge: Gauge) -> Reason | None:
    """Why the pool cannot do with what `gauge` has left."""
    if gauge.blind:
        return _unknown(view, gauge)
    if not gauge.over_target:
        return None
    word, target = _WORDS[gauge.measured], gauge.rule.leads_to
    text = (
        f"Idle workers of pool {view.spec.name} are kept: with one less, its {word} use would be {_percent(gauge)}, above "
        f"{target:.0%}."
    )
    evidence = (*_figures(gauge), ("flips", f"{word} use of {target:.0%} or less"))
    return Reason(kind=_KINDS[gauge.measured], text=text, evidence=evidence)


def _amount(resources: Resources, measured: Measured) -> int:
    return resources.cpu_milli if measured is Measured.CPU else resources.memory_mib


def _percent(gauge: Gauge) -> str:
    return f"{gauge.use:.0%}" if gauge.capacity else "more than its capacity"


def _figures(gauge: Gauge) -> tuple[tuple[str, int | float | str], ...]:
    return (
        ("use", round(gauge.use, 3)),
        ("threshold", gauge.rule.above),
        ("target", round(gauge.rule.leads_to, 3)),
        ("seen_workers", gauge.seen),
        ("unknown_workers", gauge.unseen),
    )


def _reason(view: PoolView, gauge: Gauge, since_ms: int, what: str) -> Reason:
    word, rule = _WORDS[gauge.measured], gauge.rule
    unseen = f" ({gauge.unseen} more {agree(gauge.unseen, 'is', 'are')} not measured)" if gauge.unseen else ""
    text = sentences(
        f"Pool {view.spec.name} uses {gauge.use:.0%} of the {word} of {counted(gauge.seen, 'worker')}{unseen}, "
        f"above {rule.above:.0%} since {iso(since_ms)}",
        what,
    )
    flips = f"{word} use of {rule.above:.0%} or less, or {word.lower()}_pressure above {gauge.use:.0%}"
    evidence = (*_figures(gauge), ("since_ms", since_ms), ("for_s", rule.for_s), ("flips", flips))
    return Reason(kind=_KINDS[gauge.measured], text=text, evidence=evidence)


def _unknown(view: PoolView, gauge: Gauge) -> Reason:
    word = _WORDS[gauge.measured]
    text = (
        f"The {word} use of pool {view.spec.name} is unknown: {gauge.seen} of {counted(gauge.seen + gauge.unseen, 'ready worker')} "
        "sent a recent sample. Until at least half of them do, the pool creates no workers for it; while none does, it keeps its idle "
        "workers."
    )
    flips = f"samples of {max(1, gauge.unseen - gauge.seen)} more workers"
    return Reason(
        kind=ReasonKind.WAITING_ON_OBSERVATION, text=text, evidence=(*_figures(gauge), ("flips", flips))
    )
