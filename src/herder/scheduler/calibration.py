"""What was expected of a few waiting jobs, until they start: `decide.forecast.calibration` learns from it.

Used by `placement.py`: each pass says which classes have new jobs and which were placed; when a plan has been made and applied
(it may have asked for workers), one of the new jobs that still wait is perhaps watched. New ones, since that is when most
people ask. Which of them follows from counters, not from chance, so that a replay watches the same. It must cost next to
nothing: one answer every `EVERY_MS` at most, and a look at those watched in classes that were just placed.
"""

from collections.abc import Collection, Iterable
from dataclasses import dataclass, field

from herder.decide.forecast.calibration import End, EtaRecord
from herder.decide.forecast.run_times import RunTimes
from herder.decide.forecast.start_time import Eta
from herder.engine.state import EngineState
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
    _open: dict[ClassId, dict[JobId, _Watched]] = field(default_factory=dict)
    _count: int = 0
    _next_ms: int = 0
    _number: int = 0
    _came: dict[ClassId, None] = field(default_factory=dict)
    """Classes that got jobs since the last one was watched."""

    def came(self, stirred: Collection[ClassId]) -> None:
        """These classes have new jobs; before the pass that may place them."""
        for class_id in sorted(stirred):
            self._came[class_id] = None

    def placed(self, state: EngineState, classes: Iterable[ClassId], now_ms: int) -> None:
        """Jobs of these classes have just started."""
        for class_id in classes:
            if class_id in self._open:
                self._learn(state, class_id, now_ms)

    def watch(self, state: EngineState, run_times: RunTimes, now_ms: int) -> None:
        """After a plan: perhaps one more to watch."""
        if now_ms < self._next_ms:
            self._came.clear()
        elif self._came:
            self._next_ms = now_ms + EVERY_MS
            self._settle(state, now_ms)
            self._note(state, run_times, now_ms)

    def _learn(self, state: EngineState, class_id: ClassId, now_ms: int) -> None:
        watched = self._open[class_id]
        for job in [job for job in watched if job in state.live]:
            one = watched[job]
            self._drop(class_id, job)
            one.settle(self.record, now_ms - one.at_ms, started=True)
            self.record.learn(one.model, now_ms - one.at_ms)

    def _drop(self, class_id: ClassId, job: JobId) -> None:
        del self._open[class_id][job]
        self._count -= 1
        if not self._open[class_id]:
            del self._open[class_id]

    def _settle(self, state: EngineState, now_ms: int) -> None:
        """What time alone says of those who wait."""
        late: list[tuple[Eta, int]] = []
        for class_id, watched in list(self._open.items()):
            queue = state.queues.get(class_id)
            for job, one in list(watched.items()):
                waited_ms = now_ms - one.at_ms
                if queue is None or job not in queue or waited_ms > LATE_TIMES * one.model.p90_ms:
                    self._drop(class_id, job)
                    continue
                one.settle(self.record, waited_ms, started=False)
                if waited_ms > one.model.p50_ms:
                    late.append((one.model, waited_ms))
        self.record.still_waiting(late)

    def _note(self, state: EngineState, run_times: RunTimes, now_ms: int) -> None:
        came, self._came = self._came, {}
        waiting = [class_id for class_id in came if (q := state.queues.get(class_id)) is not None and q.count]
        if not waiting or self._count >= OPEN_MAX:
            return
        self._number += 1
        class_id = waiting[self._number % len(waiting)]
        queue = state.queues[class_id]
        newest = queue.at(queue.count - 1)
        model = Starts(state, run_times, now_ms).model(class_id, queue.count - 1)
        watched = self._open.setdefault(class_id, {})
        if newest is not None and newest not in watched and model is not None and model.p50_ms > 0:
            self._next_ms = now_ms + max(EVERY_MS, model.p50_ms // PART_OF_WAIT)
            watched[JobId(newest)] = _Watched(
                at_ms=now_ms, model=model, told=self.record.correct(model), open=set(End)
            )
            self._count += 1
        elif not watched:
            del self._open[class_id]
