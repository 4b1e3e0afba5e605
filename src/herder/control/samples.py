"""What was expected of a few waiting jobs, until they start: `decide.eta_record` learns from it.

Used by `placing.py` after each pass. Which jobs are watched follows from counters, not from chance, so that a replay watches
the same. It must cost next to nothing: one answer every `EVERY_MS`, and a look at the open ones after each pass.
"""

from dataclasses import dataclass, field

from herder.control.starts import Starts
from herder.decide.eta import Eta
from herder.decide.eta_record import EtaRecord
from herder.decide.run_times import RunTimes
from herder.engine.state import EngineState
from herder.model.ids import JobId

#: Jobs watched at one time.
OPEN_MAX = 64
#: So long lies between two answers that are noted.
EVERY_MS = 20_000
#: Who has not started after so many times the upper end was taken out of the queue, or teaches nothing more.
LATE_TIMES = 100
#: Steps through the queue that come everywhere (the golden section).
STRIDE = 0.6180339887498949


@dataclass(slots=True)
class Samples:
    record: EtaRecord = field(default_factory=EtaRecord)
    _open: dict[JobId, tuple[int, Eta]] = field(default_factory=dict)
    _next_ms: int = 0
    _number: int = 0

    def look(self, state: EngineState, run_times: RunTimes, now_ms: int) -> None:
        """After a pass: who has started, and perhaps one more to watch."""
        live = state.live
        for job in [job for job in self._open if job in live]:
            at_ms, expected = self._open.pop(job)
            self.record.learn(expected, now_ms - at_ms)
        if now_ms >= self._next_ms:
            self._next_ms = now_ms + EVERY_MS
            self._note(state, run_times, now_ms)

    def _note(self, state: EngineState, run_times: RunTimes, now_ms: int) -> None:
        for job, (at_ms, expected) in list(self._open.items()):
            if now_ms - at_ms > LATE_TIMES * expected.p90_ms:
                del self._open[job]
        self.record.still_waiting(
            (expected, now_ms - at_ms)
            for at_ms, expected in self._open.values()
            if now_ms - at_ms > expected.p50_ms
        )
        waiting = [class_id for class_id, queue in state.queues.items() if queue.count]
        if not waiting or len(self._open) >= OPEN_MAX:
            return
        self._number += 1
        class_id = waiting[self._number % len(waiting)]
        queue = state.queues[class_id]
        before = int(self._number * STRIDE % 1.0 * queue.count)
        watched = queue.at(before)
        model = Starts(state, run_times, now_ms).model(class_id, before)
        if watched is not None and model is not None and model.p50_ms > 0:
            self._open.setdefault(JobId(watched), (now_ms, model))
