"""What is counted and timed while the server runs, for metrics only: commits, plans, calls, events, jobs. In memory; gone with the server.

Filled by the kernel at each hand-over, by the scale loop and by the HTTP front; read by `control/reads/metrics/`. Nothing may be decided on it.
"""

from collections import Counter, deque
from collections.abc import Callable, Iterable, Mapping, Set

from prometheus_client import CollectorRegistry, Histogram

from herder.control.kernel.trace_queue import TraceQueue
from herder.engine.memory.state import EngineState
from herder.model.ids import PoolName, WorkerName
from herder.model.stored.changes import Changes
from herder.model.stored.records import EventRecord
from herder.model.work.job import AttemptState, JobState
from herder.observability.metrics import FAMILIES
from herder.ports.clock import Clock

#: Of the rate of ended jobs: over how long, and how finely it is remembered.
RATE_MS, STEP_MS = 60_000, 2_000
#: Events by which a pool grows and shrinks.
DIRECTIONS = {"worker.requested": "up", "worker.draining": "down"}
METHODS = frozenset({"GET", "POST", "PUT", "DELETE", "PATCH"})


def histogram(name: str, registry: CollectorRegistry) -> Histogram:
    """As the catalogue describes it."""
    family = FAMILIES[name]
    return Histogram(name, family.text, family.labels, buckets=family.buckets, registry=registry)


class Tallies:
    def __init__(self, counts: Mapping[int, int], now_ms: int) -> None:
        """`counts`: jobs by state at the start."""
        self.registry = CollectorRegistry()
        self.commit = histogram("herder_commit_seconds", self.registry)
        self.plan = histogram("herder_plan_seconds", self.registry)
        self.begun_ms = now_ms
        """On the monotonic clock, when the commit under way was handed over."""
        self.planned_at_ms: int | None = None
        self.traces: TraceQueue | None = None
        """None: no traces are made."""
        self.events: Counter[str] = Counter()
        self.scaling: Counter[tuple[PoolName, str]] = Counter()
        self.ended = {state: 0 for state in JobState if state.ended}
        self.costs: dict[PoolName, int] = {}
        """By pool, pico-USD as shown last: a counter may not decrease."""
        self._started_at_ms = now_ms
        self._wait = histogram("herder_job_wait_seconds", self.registry)
        self._attempts = histogram("herder_attempt_seconds", self.registry)
        self._attempt = {each: self._attempts.labels(each.label) for each in AttemptState if each.ended}
        self._starts = histogram("herder_worker_start_seconds", self.registry)
        self._pools: set[PoolName] = set()
        self._requests = histogram("herder_http_request_seconds", self.registry)
        self._request: dict[tuple[str, str, int], Histogram] = {}
        self._known = {state: counts.get(state, 0) for state in self.ended}
        self._steps: deque[tuple[int, int]] = deque([(now_ms, 0)])

    def note(self, state: EngineState, changes: Changes, clock: Clock) -> None:
        """Of a commit that is durable."""
        self.commit.observe((clock.monotonic_ms() - self.begun_ms) / 1000)
        for record in changes.attempts.values():
            if record.state == AttemptState.ASSIGNED:
                live = state.live.get(record.job_id) if record.attempt == 1 else None  # type: ignore[call-overload]
                if live is not None:
                    self._wait.observe(max(0, live.assigned_at_ms - live.ready_at_ms) / 1000)
            elif record.started_at_ms is not None and record.ended_at_ms is not None:
                took_ms = max(0, record.ended_at_ms - record.started_at_ms)
                self._attempt[AttemptState(record.state)].observe(took_ms / 1000)
        if self.traces is not None and changes.ended_jobs:
            self.traces.note(changes.ended_jobs)
        events = changes.rows.get(EventRecord)
        if events:
            self._note_events(state, events.values())  # type: ignore[arg-type]
        self._note_counts(state.counts, clock.now_ms())

    def _note_events(self, state: EngineState, records: Iterable[EventRecord]) -> None:
        for record in records:
            self.events[record.kind] += 1
            direction = DIRECTIONS.get(record.kind)
            if direction is None and record.kind != "worker.ready":
                continue
            worker = state.workers.get(WorkerName(record.object.partition("/")[2]))
            if worker is None:
                continue
            pool = worker.spec.pool
            if direction is not None:
                self.scaling[pool, direction] += 1
            elif worker.ready_at_ms is not None and pool in state.pools:
                self._pools.add(pool)
                self._starts.labels(pool).observe(max(0, worker.ready_at_ms - worker.requested_at_ms) / 1000)

    def _note_counts(self, counts: Mapping[int, int], now_ms: int) -> None:
        """Jobs that are tried again leave their ended state: a counter does not follow them down."""
        for state, known in self._known.items():
            count = counts.get(state, 0)
            if count != known:
                self.ended[state] += max(0, count - known)
                self._known[state] = count
        steps, total = self._steps, sum(self.ended.values())
        if now_ms - steps[-1][0] >= STEP_MS and total != steps[-1][1]:
            steps.append((now_ms, total))
            while len(steps) > 1 and steps[1][0] <= now_ms - RATE_MS:
                steps.popleft()

    def per_minute(self, now_ms: int) -> float:
        """Jobs that ended in the last minute; of a server that has run for less, since its start."""
        since_ms = max(self._started_at_ms, now_ms - RATE_MS)
        before = max((total for at_ms, total in self._steps if at_ms <= since_ms), default=0)
        span_ms = max(STEP_MS, now_ms - since_ms)
        return (sum(self.ended.values()) - before) * RATE_MS / span_ms

    def call_begun(self, clock: Clock) -> Callable[[str, str, int], None]:
        """Answers what is to be told when its answer begins: area, method and status."""
        since_ms = clock.monotonic_ms()

        def answered(area: str, method: str, status: int) -> None:
            self.note_request(area, method, status, (clock.monotonic_ms() - since_ms) / 1000)

        return answered

    def note_request(self, area: str, method: str, status: int, seconds: float) -> None:
        key = (area, method if method in METHODS else "other", status // 100)
        found = self._request.get(key)
        if found is None:
            found = self._request[key] = self._requests.labels(key[0], key[1], f"{key[2]}xx")
        found.observe(seconds)

    def forget_pools(self, pools: Set[PoolName]) -> None:
        """Before the metrics are read: only pools that exist are labels."""
        for name in self._pools - pools:
            self._starts.remove(name)
        self._pools &= pools
        for key in [key for key in self.scaling if key[0] not in pools]:
            del self.scaling[key]
        for name in self.costs.keys() - pools:
            del self.costs[name]
