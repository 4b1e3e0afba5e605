"""The attempts that this worker has, from assignment until the server has acknowledged their end. Called by `exchange` with assignments,
and by the runtimes with ends.

It never runs more than the worker may (`ActivateAnswer`), starts what waits in the order in which it came, recognises a
repeated assignment by (job, attempt), and reports every attempt exactly once: also when a runtime raises, which is a fault of
this agent and must cost that attempt, not the others. It does not know how things are sent.
"""

import asyncio
import logging
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass

from msgspec import structs

from herder.agent.attempts.fetching import Fetched, FetchInputs
from herder.agent.attempts.outbox import Key, Outbox
from herder.agent.data.attempt import AttemptsData
from herder.agent.environment.settings import AgentSettings
from herder.agent.machine.health import Health
from herder.agent.machine.ports import AgentPorts
from herder.agent.runtimes import (
    Report,
    Running,
    Runtime,
    RuntimeLacking,
    TellsDeadline,
    TellsTroubles,
    UnknownRuntime,
    Verdict,
    ended_now,
    fault,
)
from herder.model.values.phrases import clause
from herder.model.values.resources import Resources
from herder.model.work.job import Cause
from herder.observability.logs import of_attempt
from herder.wire.data import has_data
from herder.wire.worker.exchange import Assignment, Finished, LogChunk

_LOG = logging.getLogger(__name__)
#: A deadline that is earlier by less says nothing new.
_EARLIER_S = 1.0
_DRAINED = Verdict("failed", Cause.DRAINED, "The worker was stopping before this attempt started.")
_NOT_COPIED = Verdict("failed", Cause.DRAINED, "The worker was stopping before the outputs were copied.")
_CANCELLED = Verdict("cancelled", Cause.CANCELLED, "")
NOTHING = Fetched(None)


@dataclass(slots=True)
class _Held:
    assignment: Assignment
    running: Running | None = None


class Attempts(Report):
    def __init__(
        self,
        settings: AgentSettings,
        outbox: Outbox,
        ports: AgentPorts,
        *,
        allocatable: Resources,
        slots: int,
        health: Health | None = None,
    ) -> None:
        self._ports = ports
        self._fetching = FetchInputs(settings, ports)
        self._data = AttemptsData(settings, ports)
        self._health = health
        self._settings = settings
        self._outbox = outbox
        self._allocatable = self._free = allocatable
        self._slots_free = slots
        self._held: dict[Key, _Held] = {}
        self._queue: deque[_Held] = deque()
        self._runtimes: dict[str, Runtime] = {}
        self._silent = False
        self._deadline_s: float | None = None
        self.draining = False
        self._stopping = False

    def is_idle(self) -> bool:
        """Whether nothing runs or waits here."""
        return not self._held

    def held(self) -> list[Key]:
        """Everything that the server has not been told the end of, or has not receipted."""
        return [*self._held, *self._outbox.finished]

    def troubles(self) -> list[str]:
        """What keeps its runtimes from starting anything, as sentences."""
        return [
            each
            for runtime in self._runtimes.values()
            if isinstance(runtime, TellsTroubles)
            for each in runtime.troubles()
        ]

    # --- from the server

    def take(self, assignments: Iterable[Assignment]) -> None:
        for assignment in assignments:
            key = (assignment.job, assignment.attempt)
            if key in self._held or self._outbox.knows_end_of(key):
                continue
            ask = _ask(assignment)
            if self.draining:
                self._report_unstarted(assignment, _DRAINED)
            elif not ask.fits_in(self._allocatable):
                self._report_unstarted(assignment, self._too_big(assignment))
            elif self._queue or not self._has_room_for(ask):
                self._held[key] = held = _Held(assignment)
                self._queue.append(held)
            else:
                self._start(key, _Held(assignment))

    def cancel(self, keys: Iterable[Key]) -> None:
        """Unknown ones are ignored: they have ended, and their end is on its way."""
        for key in keys:
            held = self._held.get(key)
            if held is None:
                continue
            if held.running is not None:
                self._stop(held, held.running, _CANCELLED)
            else:
                self._drop_unstarted(held, _CANCELLED)
        self._start_waiting()

    def drain(self) -> None:
        """Start nothing more. What has not started goes back, what runs may end."""
        self.draining = True
        for held in list(self._queue):
            self._drop_unstarted(held, _DRAINED)

    def resume(self) -> None:
        """The server has taken its drain back. A worker that stops by itself goes on stopping."""
        self.draining = self._stopping

    def tell_deadline(self, left_s: float) -> None:
        """They may run for so long. Only the first and earlier ones are told."""
        at_s = asyncio.get_running_loop().time() + left_s
        if self._deadline_s is not None and at_s > self._deadline_s - _EARLIER_S:
            return
        self._deadline_s = at_s
        for runtime in self._runtimes.values():
            self._tell(runtime, left_s)

    def stop_all(self, verdict: Verdict, *, at_once: bool = False) -> None:
        self._stopping = True
        self.drain()
        for held in list(self._held.values()):
            if held.running is not None:
                self._stop(held, held.running, verdict, at_once=at_once)

    def abandon_all(self, verdict: Verdict) -> None:
        """Kill everything and report nothing: the attempts are somebody else's."""
        self._silent = True
        self.stop_all(verdict, at_once=True)

    async def close(self) -> None:
        await self._fetching.close()
        await self._data.close()
        for name, runtime in self._runtimes.items():
            try:
                await runtime.close()
            except Exception:  # noqa: BLE001 - a fault of ours costs one attempt, not the worker
                _LOG.exception("Runtime %s could not be closed.", name)

    # --- from the runtimes

    def ended(self, finished: Finished) -> None:
        key = (finished.job, finished.attempt)
        if self._data.knows(key):
            finished = self._judged(finished)
            self._held[key].running = sending = self._data.send(finished, self._closed)
            if self._stopping:
                sending.stop(_NOT_COPIED)
            return
        self._closed(self._judged(finished))

    def _closed(self, finished: Finished) -> None:
        """Its outputs are where they belong."""
        key = (finished.job, finished.attempt)
        held = self._held.pop(key, None)
        if held is None:
            _LOG.error("Job %s, attempt %s ended twice; the first end counts.", *key, extra=of_attempt(*key))
            return
        _LOG.debug("Job %s, attempt %s has ended: %s.", *key, finished.state, extra=of_attempt(*key))
        self._free = self._free.plus(_ask(held.assignment))
        self._slots_free += 1
        if not self._silent:
            self._outbox.add_finished(finished)
        self._one_has_ended()
        self._start_waiting()

    def output(self, chunks: list[LogChunk]) -> None:
        if not self._silent:
            self._outbox.add_logs(chunks)

    def output_waits(self, job: int, attempt: int) -> bool:
        return self._outbox.has_logs_of((job, attempt))

    # --- inside

    def _one_has_ended(self) -> None:
        """A worker for one job takes no other; it leaves when the server knows of the end."""
        if self._settings.one_job and not self._stopping:
            _LOG.info("The one attempt of this worker has ended. The worker leaves.")
            self._stopping = True
            self.drain()

    def _judged(self, finished: Finished) -> Finished:
        """Who fails by its exit code while the machine has run out of something has not failed by itself."""
        if self._health is None or finished.cause != Cause.EXIT_CODE:
            return finished
        troubles = self._health.troubles_at_end(asyncio.get_running_loop().time())
        if not troubles:
            return finished
        text = f"Exit code {finished.exit_code} on a worker that has a problem: {'; '.join(clause(each) for each in troubles)}."
        return structs.replace(finished, cause=Cause.INFRASTRUCTURE.value, message=text)

    def _stop(self, held: _Held, running: Running, verdict: Verdict, *, at_once: bool = False) -> None:
        try:
            running.stop(verdict, at_once=at_once)
        except Exception as error:  # noqa: BLE001 - a fault of ours costs one attempt, not the worker
            key = (held.assignment.job, held.assignment.attempt)
            _LOG.exception("Job %s could not be stopped.", held.assignment.job, extra=of_attempt(*key))
            if key in self._held:
                self.ended(
                    ended_now(held.assignment, fault("stopping it", error), self._ports.clock.now_ms())
                )

    def _tell(self, runtime: Runtime, left_s: float) -> None:
        try:
            if isinstance(runtime, TellsDeadline):
                runtime.tell_deadline(left_s)
        except Exception:  # noqa: BLE001 - attempts that are not told end at the deadline all the same
            _LOG.exception("The attempts could not be informed of their deadline.")

    def _has_room_for(self, ask: Resources) -> bool:
        return self._slots_free > 0 and ask.fits_in(self._free)

    def _start_waiting(self) -> None:
        while self._queue and self._has_room_for(_ask(self._queue[0].assignment)):
            held = self._queue.popleft()
            self._start((held.assignment.job, held.assignment.attempt), held)

    def _start(self, key: Key, held: _Held) -> None:
        if has_data(held.assignment.payload):
            held.running = self._data.bring(held.assignment, lambda why: self._brought(key, held, why))
            self._take_place(key, held)
            return
        if held.assignment.fetch or held.assignment.secrets:
            self._fetch(key, held)
            self._take_place(key, held)
            return
        outcome = self._outcome(held.assignment, NOTHING)
        if isinstance(outcome, Finished):
            self._held.pop(key, None)
            self._outbox.add_finished(outcome)
            self._one_has_ended()
            return
        self._take_place(key, held)
        self._runs(key, held, outcome)

    def _brought(self, key: Key, held: _Held, why: Verdict | None) -> None:
        """`why`: its inputs are not there."""
        if why is None and (held.assignment.fetch or held.assignment.secrets):
            self._fetch(key, held)
        else:
            self._fetched(key, held, why or NOTHING)

    def _fetch(self, key: Key, held: _Held) -> None:
        held.running = self._fetching.begin(
            held.assignment, lambda outcome: self._fetched(key, held, outcome)
        )

    def _fetched(self, key: Key, held: _Held, fetched: Fetched | Verdict) -> None:
        """`fetched`: what came, or why nothing did."""
        if isinstance(fetched, Verdict):
            self.ended(ended_now(held.assignment, fetched, self._ports.clock.now_ms()))
            return
        outcome = self._outcome(held.assignment, fetched)
        if fetched.inputs is not None:
            self._fetching.discard(fetched.inputs)
        if isinstance(outcome, Finished):
            self.ended(outcome)
        else:
            self._runs(key, held, outcome)

    def _take_place(self, key: Key, held: _Held) -> None:
        self._held[key] = held
        self._free = self._free.minus(_ask(held.assignment))
        self._slots_free -= 1

    def _runs(self, key: Key, held: _Held, running: Running) -> None:
        held.running = running
        asyncio.get_running_loop().call_later(self._settings.started_delay_s, self._note_start, key, running)

    def _outcome(self, assignment: Assignment, fetched: Fetched) -> Finished | Running:
        outcome = self._start_in_runtime(assignment, fetched)
        if (
            self._health is not None
            and isinstance(outcome, Finished)
            and outcome.cause == Cause.INFRASTRUCTURE
        ):
            self._health.start_failed()
        return outcome

    def _start_in_runtime(self, assignment: Assignment, fetched: Fetched) -> Finished | Running:
        try:
            runtime = self._runtimes.get(assignment.runtime) or self._open(assignment.runtime)
            return runtime.start(assignment, *fetched)
        except UnknownRuntime as error:
            return ended_now(
                assignment,
                Verdict("failed", Cause.START_FAILED, str(error)),
                self._ports.clock.now_ms(),
            )
        except RuntimeLacking as error:
            return ended_now(
                assignment, Verdict("failed", Cause.INFRASTRUCTURE, str(error)), self._ports.clock.now_ms()
            )
        except Exception as error:  # noqa: BLE001 - a fault of ours costs one attempt, not the worker
            key = (assignment.job, assignment.attempt)
            _LOG.exception("Job %s, attempt %s could not be started.", *key, extra=of_attempt(*key))
            return ended_now(assignment, fault("starting it", error), self._ports.clock.now_ms())

    def _note_start(self, key: Key, running: Running) -> None:
        held = self._held.get(key)
        if held is not None and held.running is running:
            self._outbox.add_started(key, running.started_at_ms)
            _LOG.debug("Job %s, attempt %s has started.", *key, extra=of_attempt(*key))

    def _open(self, name: str) -> Runtime:
        runtime = self._runtimes[name] = self._ports.open_runtime(name, self._settings, self)
        if self._deadline_s is not None:
            self._tell(runtime, max(0.0, self._deadline_s - asyncio.get_running_loop().time()))
        return runtime

    def _drop_unstarted(self, held: _Held, verdict: Verdict) -> None:
        self._queue.remove(held)
        del self._held[held.assignment.job, held.assignment.attempt]
        self._report_unstarted(held.assignment, verdict)

    def _report_unstarted(self, assignment: Assignment, verdict: Verdict) -> None:
        if self._silent:
            return
        self._outbox.add_finished(ended_now(assignment, verdict, self._ports.clock.now_ms()))

    def _too_big(self, assignment: Assignment) -> Verdict:
        lacking = ", ".join(_ask(assignment).lacking_in(self._allocatable))
        text = f"Requests more {lacking} than this worker has ({self._allocatable})."
        return Verdict("failed", Cause.INFRASTRUCTURE, text)


def _ask(assignment: Assignment) -> Resources:
    return Resources(assignment.cpu_milli, assignment.memory_mib, assignment.disk_mib, assignment.gpu)
