"""Records the expected start of a few waiting jobs until they start; `decide.forecast.calibration` learns from the difference.

Called after each plan, never by a placement pass: it looks which of the watched jobs have started meanwhile, and watches perhaps one
more, the last of a class that has got jobs since the plan before. New ones, since that is when most people ask, and after the
plan, which may have asked for workers. Which class it is follows from counters, not from chance, so that a replay watches the
same. It decides nothing; one answer every `EVERY_MS` at most is worked out. A job that starts and ends between two plans teaches nothing.
"""

from dataclasses import dataclass, field

from herder.decide.forecast.calibration import End, EtaRecord
from herder.decide.forecast.run_times import RunTimes
from herder.decide.forecast.start_time import Eta
from herder.engine.memory.state import EngineState
from herder.model.ids import ClassId, JobId
from herder.scheduler.start_times import Starts

#: Jobs watched at one time.
OPEN_MAX = 512
#: So long lies between two answers that are noted, at least.
EVERY_MS = 20_000
#: And so large a part of the wait that was expected: where waits are long, one answer says little more than the one before.
PART_OF_WAIT = 64
#: Who has not started after so many times the upper end was taken out of the queue, or teaches nothing more.
LATE_TIMES = 100


@dataclass(slots=True, kw_only=True)
class _Watched:
    at_ms: int
    model: Eta
    told: Eta
    """The same as people were told it."""
    open: set[End]
    """Ends of the interval of which is not known yet whether they hold."""

    def settle(self, record: EtaRecord, waited_ms: int, *, started: bool) -> None:
        if End.EARLY in self.open and (started or waited_ms > self.told.p10_ms):
            self.open.discard(End.EARLY)
            record.settle(End.EARLY, waited_ms < self.told.p10_ms)
        if End.LATE in self.open and (started or waited_ms > self.told.p90_ms):
            self.open.discard(End.LATE)
            record.settle(End.LATE, waited_ms > self.told.p90_ms)


@dataclass(slots=True)
class CalibrationSamples:
    record: EtaRecord = field(default_factory=EtaRecord)
    _open: dict[JobId, tuple[ClassId, _Watched]] = field(default_factory=dict)
    _looked_ms: int = 0
    _next_ms: int = 0
    _number: int = 0

    def look(self, state: EngineState, run_times: RunTimes, now_ms: int) -> None:
        """After a plan."""
        before_ms, self._looked_ms = self._looked_ms, now_ms
        for job in [job for job in self._open if job in state.live]:
            _, watched = self._open.pop(job)
            waited_ms = state.live[job].assigned_at_ms - watched.at_ms
            watched.settle(self.record, waited_ms, started=True)
            self.record.learn(watched.model, waited_ms)
        if now_ms < self._next_ms:
            return
        new = [
            class_id
            for class_id, queue in sorted(state.queues.items())
            if queue.count and queue.newest_ready_at_ms > before_ms
        ]
        if new:
            self._next_ms = now_ms + EVERY_MS
            self._settle(state, now_ms)
            if len(self._open) < OPEN_MAX:
                self._number += 1
                self._watch(state, run_times, new[self._number % len(new)], now_ms)

    def _settle(self, state: EngineState, now_ms: int) -> None:
        """What time alone says of those who wait."""
        for job, (class_id, watched) in list(self._open.items()):
            queue = state.queues.get(class_id)
            waited_ms = now_ms - watched.at_ms
            if queue is None or job not in queue or waited_ms > LATE_TIMES * watched.model.p90_ms:
                del self._open[job]
                continue
            watched.settle(self.record, waited_ms, started=False)

    def _watch(self, state: EngineState, run_times: RunTimes, class_id: ClassId, now_ms: int) -> None:
        queue = state.queues[class_id]
        newest = queue.at(queue.count - 1)
        model = Starts(state, run_times, now_ms).model(class_id, queue.count - 1)
        if newest is None or newest in self._open or model is None or model.p50_ms <= 0:
            return
        self._next_ms = now_ms + max(EVERY_MS, model.p50_ms // PART_OF_WAIT)
        watched = _Watched(at_ms=now_ms, model=model, told=self.record.correct(model), open=set(End))
        self._open[JobId(newest)] = class_id, watched
