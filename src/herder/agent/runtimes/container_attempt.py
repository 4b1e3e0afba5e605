"""One attempt in a container: image, container, output, limits, end, and its removal, as one task on the event loop.

Made by the container runtime. It reports its end exactly once, whatever the engine does, and leaves no container that it can reach.
"""

import asyncio
import logging
import os
import signal
from collections.abc import Sequence
from contextlib import suppress
from typing import Protocol

from msgspec import structs

from herder.agent.containers import request
from herder.agent.containers.engine import Engine, EngineDown, EngineRefused, State
from herder.agent.containers.images import ImageMissing, Images
from herder.agent.containers.measure import Measured, killed_by_the_kernel
from herder.agent.environment import clock
from herder.agent.environment.settings import AgentSettings
from herder.agent.processes.outcome import judge
from herder.agent.processes.output import Output
from herder.agent.processes.redaction import Redaction
from herder.agent.processes.scratch import Scratch
from herder.agent.runtimes import Report, Verdict, fault
from herder.model.values.phrases import sentence
from herder.model.work.job import Cause
from herder.wire.api.secrets import Delivered
from herder.wire.worker.exchange import Assignment, Finished, JobPayload

_LOG = logging.getLogger(__name__)
SAMPLE_S = 1.0
OUTPUT_BYTES_AHEAD = 4 * 2**20
"""Written to the output file between two looks, before one is taken at once: a container that prints without end fills no disk."""
BACK_S = 60.0
"""How long an engine that went away may take until it is known what became of the container."""
_AGAIN_S = 1.0
_LOOK_S = 30.0
"""Between two looks at one whose output goes on, in case its end is lost."""
_LOOKS_S = (0.01, 0.02, 0.04, 0.08, 0.16)
"""Pauses after the looks at a container whose output has ended: that and its end are a few milliseconds apart."""
KILLED = 128 + signal.SIGKILL
_TAIL_S = 5.0
"""For the rest of the output after the end."""
_LOST = Verdict("failed", Cause.INFRASTRUCTURE, "The container was removed by another program.")
_UNKNOWN_END = Verdict("failed", Cause.INFRASTRUCTURE, "The engine does not know how the container ended.")
_OF_THE_MACHINE = (
    "no space left",
    "disk quota",
    "input/output error",
    "cannot allocate memory",
    "resource temporarily unavailable",
    "device or resource busy",
    "too many open files",
    "database is locked",
    "deadline exceeded",
    "timed out",
)
"""Words of refusals that another try, or another worker, does not meet."""


class Machine(Protocol):
    """What attempts on one machine share. Implemented by the container runtime."""

    settings: AgentSettings
    report: Report
    engine: Engine
    images: Images
    labels: dict[str, str]
    names: dict[str, str]
    loop: asyncio.AbstractEventLoop

    def ended(self, attempt: "ContainerAttempt", finished: Finished) -> None: ...

    def engine_is_down(self, error: EngineDown) -> None: ...

    def refused(self, payload: JobPayload) -> str: ...

    def remove(self, scratch: Scratch) -> None: ...


class ContainerAttempt:
    def __init__(
        self,
        runtime: Machine,
        assignment: Assignment,
        payload: JobPayload,
        scratch: Scratch,
        started_at_ms: int,
        secrets: Sequence[Delivered] = (),
    ) -> None:
        self.job = assignment.job
        self.attempt = assignment.attempt
        self.started_at_ms = started_at_ms
        self._began_ms = clock.CLOCK.monotonic_ms()
        self._runtime = runtime
        self._assignment = assignment
        self._payload = payload
        self._scratch = scratch
        redaction = Redaction(each.value for each in secrets) if secrets else None
        self._output = Output(
            self.job, self.attempt, scratch.output, runtime.settings.log_most_bytes, redaction
        )
        self._secrets = secrets
        self._measured = Measured()
        self._verdict: Verdict | None = None
        self._container = ""
        self._runs = False
        self._stopping: asyncio.Task[None] | None = None
        self._over = False
        self.task = runtime.loop.create_task(self._live())

    def stop(self, verdict: Verdict, *, at_once: bool = False) -> None:
        if self._over:
            return  # its container is being removed, and its end is reported after that
        if self._verdict is None:
            self._verdict = verdict
            if not self._runs:
                self._runtime.loop.call_soon(
                    self._abandon
                )  # a task that is cancelled before its first step reports no end
                return
        if self._runs and (at_once or self._stopping is None):
            if self._stopping is not None:
                self._stopping.cancel()
            self._stopping = self._runtime.loop.create_task(self._end_it(at_once=at_once))

    def _abandon(self) -> None:
        """While an image is pulled or the container is created."""
        if not (self._runs or self._over):
            self.task.cancel()

    # --- its life

    async def _live(self) -> None:
        """Never raises."""
        try:
            finished = await self._run()
        except asyncio.CancelledError:
            finished = self._said(self._verdict or Verdict("failed", Cause.DRAINED, "The worker stopped."))
        except ImageMissing as error:
            finished = self._said(Verdict("failed", Cause.START_FAILED, str(error)))
        except EngineRefused as error:
            finished = self._said(self._of_refusal(error))
        except EngineDown as error:
            self._runtime.engine_is_down(error)
            finished = self._said(Verdict("failed", Cause.INFRASTRUCTURE, sentence(str(error))))
        except Exception as error:  # noqa: BLE001 - a fault of the agent costs this attempt and no other
            _LOG.exception("Job %s, attempt %s could not be run.", self.job, self.attempt)
            finished = self._said(fault("running the container", error))
        await self._tidy_up()
        self._runtime.ended(self, finished)

    async def _run(self) -> Finished:
        engine, settings = self._runtime.engine, self._runtime.settings
        await self._runtime.images.ensure(self._payload.image, self._payload.options().pull)
        refused = self._runtime.refused(self._payload)
        if refused:
            return self._said(Verdict("failed", Cause.START_FAILED, refused))
        body = request.container_of(
            self._assignment,
            _resolved(self._payload),
            scratch=self._scratch.folder,
            result=os.path.dirname(self._scratch.result_path),
            labels=self._runtime.labels,
            names=self._runtime.names,
            secrets=self._secrets,
            secrets_folder=self._scratch.secrets_folder,
        )
        self._secrets = ()
        name = request.name_of(settings.installation, settings.worker, self._assignment)
        self._container = name  # known before the call, so that one that was made all the same is found
        self._container = await engine.create(name, body)
        attached = asyncio.Event()
        printing = asyncio.create_task(self._print(attached))
        looking: asyncio.Task[None] | None = None
        try:
            ready = asyncio.create_task(attached.wait())
            await asyncio.wait((ready, printing), return_when=asyncio.FIRST_COMPLETED)
            ready.cancel()
            await engine.start(self._container)
            self._runs = True
            if self._verdict is not None:  # it was stopped in this very moment
                self._stopping = self._runtime.loop.create_task(self._end_it(at_once=True))
            self._measured.find((await engine.state(self._container)).pid, self._container)
            looking = asyncio.create_task(self._look())
            state = await self._ended(printing)
            self._measured.look()
            with suppress(TimeoutError, EngineDown, EngineRefused):
                await asyncio.wait_for(printing, _TAIL_S)
        finally:
            for each in (printing, looking):
                if each is not None:
                    each.cancel()
            await asyncio.gather(*filter(None, (printing, looking)), return_exceptions=True)
        return self._said(_LOST) if state is None else self._finished(state)

    async def _ended(self, printing: "asyncio.Task[None]") -> State | None:
        """Its state when it has ended; None: it is gone. An engine that goes away meanwhile may come back. Raises EngineDown."""
        loop = self._runtime.loop
        timeout_ms = self._assignment.timeout_ms
        limit = loop.call_later(timeout_ms / 1000, self._too_long) if timeout_ms is not None else None
        give_up_s: float | None = None
        try:
            while True:
                try:
                    state = await self._state_at_end(printing)
                    if not state.running:
                        return state
                    give_up_s = None
                except EngineRefused as error:
                    if error.status == 404:
                        return None
                    raise
                except EngineDown as error:
                    self._runtime.engine_is_down(error)
                    give_up_s = loop.time() + BACK_S if give_up_s is None else give_up_s
                    if loop.time() >= give_up_s:
                        raise
                await asyncio.sleep(_AGAIN_S)
        finally:
            if limit is not None:
                limit.cancel()

    async def _state_at_end(self, printing: "asyncio.Task[None]") -> State:
        """Of a container that has ended, or may have. Its output ends with it; to wait for it costs Podman as much as to run it, so only one
        that has closed its output and runs on is waited for."""
        engine = self._runtime.engine
        state = State(running=True)
        while state.running and not printing.done():
            await asyncio.wait((printing,), timeout=_LOOK_S)
            state = await engine.state(self._container)
        for pause_s in _LOOKS_S:
            if not state.running:
                return state
            await asyncio.sleep(pause_s)
            state = await engine.state(self._container)
        if state.running:
            await engine.wait(self._container)
            state = await engine.state(self._container)
        return state

    async def _print(self, attached: asyncio.Event) -> None:
        """What it prints, into its output file: read as fast as that takes it, so that the container waits and nothing piles up."""
        written = 0
        async for piece in self._runtime.engine.attach(self._container):
            attached.set()
            if piece is None:
                continue
            view = memoryview(piece)
            while view:
                view = view[os.write(self._scratch.output, view) :]
            written += len(piece)
            if written >= OUTPUT_BYTES_AHEAD:
                written = 0
                self._runtime.report.output(self._output.news())

    async def _look(self) -> None:
        while True:
            await asyncio.sleep(SAMPLE_S)
            try:
                self._look_once()
            except Exception as error:  # noqa: BLE001 - nobody would see its limits any more
                _LOG.exception("Job %s, attempt %s could not be supervised.", self.job, self.attempt)
                self.stop(fault("supervising the attempt", error), at_once=True)

    def _look_once(self) -> None:
        settings = self._runtime.settings
        self._measured.look()
        if not self._runtime.report.output_waits(self.job, self.attempt):
            self._runtime.report.output(self._output.news())
        most_mib = self._assignment.disk_mib
        used_mib = self._scratch.size_bytes(settings.disk_entries_most) / 2**20 if most_mib else 0
        if used_mib > most_mib:
            text = f"The scratch folder has {used_mib:.0f} MiB; the limit is {most_mib} MiB."
            self.stop(Verdict("failed", Cause.OUT_OF_DISK, text), at_once=True)

    def _too_long(self) -> None:
        timeout_ms = self._assignment.timeout_ms or 0
        text = f"Ran longer than its timeout of {timeout_ms / 1000:g} s."
        self.stop(Verdict("failed", Cause.TIMEOUT, text))

    async def _end_it(self, *, at_once: bool) -> None:
        """TERM, and KILL after the grace; KILL again until the end is seen."""
        engine = self._runtime.engine
        with suppress(EngineRefused, EngineDown):
            if not at_once:
                await engine.kill(self._container, "TERM")
                await asyncio.sleep(self._runtime.settings.kill_grace_s)
        while True:
            with suppress(EngineRefused, EngineDown):
                await engine.kill(self._container, "KILL")
            await asyncio.sleep(_AGAIN_S)

    async def _tidy_up(self) -> None:
        self._over = True
        if self._stopping is not None:
            self._stopping.cancel()
        if self._container:
            try:
                await self._runtime.engine.remove(self._container)
            except (EngineDown, EngineRefused) as error:
                _LOG.warning(
                    "Container %s of job %s cannot be removed: %s", self._container[:12], self.job, error
                )
                if isinstance(error, EngineDown):
                    self._runtime.engine_is_down(error)
        self._scratch.close()
        self._runtime.remove(self._scratch)

    # --- its end

    def _finished(self, state: State) -> Finished:
        measured = self._measured
        peak_kib = measured.memory_peak_kib or 0
        code = state.exit_code
        limit_mib = self._assignment.memory_mib
        if self._verdict is not None:
            return self._said(self._verdict, code)
        killed = state.oom_killed or measured.killed_for_memory
        if not killed and code == KILLED:
            killed = killed_by_the_kernel(self._container)
        if not killed and not 0 <= code <= 255:  # Podman's -1: it found no file with the exit code
            return self._said(_UNKNOWN_END)
        end = judge(
            code,
            limit_mib * 1024 if killed else min(peak_kib, limit_mib * 1024 or peak_kib),
            limit_mib,
            held_kib=0,
            killed_for_memory=killed,
        )
        message = end.message
        if state.error and code:
            message = f"{message} {sentence(state.error)}"
        return (
            self._report(Verdict(end.state, end.cause, message), code)
            if end.state != "succeeded"
            else self._report(None, code)
        )

    def _of_refusal(self, error: EngineRefused) -> Verdict:
        """The engine's own words. A command or an image that cannot be started is the job's; a full disk or a busy device is the machine's."""
        text = str(error)
        if any(words in text.lower() for words in _OF_THE_MACHINE):
            return Verdict("failed", Cause.INFRASTRUCTURE, f"The container cannot be made: {text}.")
        return Verdict("failed", Cause.START_FAILED, f"The container cannot be started: {text}.")

    def _said(self, verdict: Verdict, code: int | None = None) -> Finished:
        return self._report(self._verdict or verdict, code)

    def _report(self, verdict: Verdict | None, code: int | None) -> Finished:
        result, complaint = self._scratch.result()
        try:
            self._runtime.report.output(self._output.news(final=True))
        except OSError as error:
            complaint += f" The output cannot be read: {error.strerror}."
        return Finished(
            job=self.job,
            attempt=self.attempt,
            state="succeeded" if verdict is None else verdict.state,
            started_at_ms=self.started_at_ms,
            ended_at_ms=self.started_at_ms + clock.CLOCK.monotonic_ms() - self._began_ms,
            exit_code=code,
            cause="" if verdict is None else verdict.cause.value,
            message=" ".join(filter(None, ("" if verdict is None else verdict.message, complaint.strip()))),
            result=result,
            cpu_ms=self._measured.cpu_ms,
            memory_peak_mib=-(-(self._measured.memory_peak_kib or 0) // 1024),
        )


def _resolved(payload: JobPayload) -> JobPayload:
    """With mounts by the paths that were checked, without links."""
    if payload.container is None or not payload.container.mounts:
        return payload
    mounts = [
        structs.replace(each, source=os.path.realpath(each.source)) for each in payload.container.mounts
    ]
    return structs.replace(payload, container=structs.replace(payload.container, mounts=mounts))
