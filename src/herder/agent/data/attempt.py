"""Attempts with data by URL: their inputs come before they start, their outputs go after they have ended. Used by `attempts`.

To those who stop attempts, one whose data is copied is one that runs. Whatever happens, `brought` or `sent` is called once, the job's folder
is removed at last, and a fault in here costs this attempt and no other.
"""

import asyncio
import errno
import logging
import os
from collections.abc import Callable, Coroutine
from contextlib import suppress
from typing import Any

import msgspec
from msgspec import structs

from herder.agent.data import checkpoints
from herder.agent.data.transfers import Brought, Copying, Transfers
from herder.agent.environment.settings import AgentSettings
from herder.agent.machine.ports import AgentPorts
from herder.agent.processes import shredding
from herder.agent.processes.run_as import identity_of
from herder.agent.processes.scratch import make_work_folder, remove_folder, staged_folder
from herder.agent.runtimes import Verdict, fault
from herder.model.values.phrases import sentence
from herder.model.work.job import CONTAINER, Cause
from herder.remote.object_stores.opening import DataFault, DataLacking, DataLater
from herder.wire.data import JobData
from herder.wire.worker.exchange import Assignment, Finished, JobPayload

_LOG = logging.getLogger(__name__)
_PAYLOAD = msgspec.json.Decoder(JobPayload)
Key = tuple[int, int]
_NOTHING = JobData()
_GONE = Verdict("failed", Cause.DRAINED, "The worker stopped.")


class CopiesData:
    """One phase of one attempt: a `Running`."""

    def __init__(self, copying: Copying, now_ms: int, done: Callable[[Verdict | None], None]) -> None:
        self.started_at_ms = now_ms
        self.copying = copying
        self._done: Callable[[Verdict | None], None] | None = done
        self.task: asyncio.Task[None] | None = None
        timeout_ms = copying.assignment.timeout_ms
        self._limit = (
            asyncio.get_running_loop().call_later(timeout_ms / 1000, self._too_long)
            if timeout_ms is not None
            else None
        )

    def stop(self, verdict: Verdict, *, at_once: bool = False) -> None:
        self.copying.stopped.set()
        # Never from inside `stop`: who stops many attempts is walking over them. And after the first step of the task, which cleans up.
        loop = asyncio.get_running_loop()
        if self.task is not None:
            loop.call_soon(self.task.cancel)
        loop.call_soon(self.end, verdict)

    def end(self, verdict: Verdict | None) -> None:
        """The first word counts."""
        done, self._done = self._done, None
        if self._limit is not None:
            self._limit.cancel()
        if done is not None:
            done(verdict)

    def _too_long(self) -> None:
        timeout_ms = self.copying.assignment.timeout_ms or 0
        text = f"Its data was copied for longer than its timeout of {timeout_ms / 1000:g} s."
        self.stop(Verdict("failed", Cause.TIMEOUT, text))


class AttemptsData:
    def __init__(self, settings: AgentSettings, ports: AgentPorts) -> None:
        self._settings = settings
        self._ports = ports
        self._transfers: Transfers | None = None
        self._live: dict[Key, tuple[Assignment, JobPayload, Brought]] = {}
        """Brought and not sent."""
        self._tasks: set[asyncio.Task[None]] = set()

    def knows(self, key: Key) -> bool:
        return key in self._live

    def bring(self, assignment: Assignment, done: Callable[[Verdict | None], None]) -> CopiesData:
        """`done` gets None when all inputs are where the runtime takes them from, else how the attempt has ended."""
        key = (assignment.job, assignment.attempt)
        try:
            payload = _PAYLOAD.decode(assignment.payload)
            assert payload.data is not None
        except (msgspec.MsgspecError, UnicodeDecodeError, AssertionError):
            payload = JobPayload()  # the runtime says what is wrong with it
        folder = staged_folder(self._settings.folder, assignment.job, assignment.attempt)
        copying = self._copying(assignment, payload, folder)
        received = Brought()

        def ended(verdict: Verdict | None) -> None:
            if verdict is None:
                self._live[key] = assignment, payload, received
            done(verdict)

        async def work() -> None:
            nonlocal received
            if copying.data.checkpoint:
                who = None if assignment.runtime == CONTAINER else identity_of(self._settings)
                allowed, contained = self._settings.data_folders, copying.contained
                await asyncio.to_thread(
                    checkpoints.prepare, copying.data, key, allowed, who, contained=contained
                )
            if copying.data.inputs:
                make_work_folder(self._settings)
                os.mkdir(folder, 0o700)
                received = await self._opened().bring(copying)

        phase = CopiesData(copying, self._ports.clock.now_ms(), ended)
        self._run(phase, work, "downloading its inputs", Cause.START_FAILED, folder, shred=payload.shred)
        return phase

    def send(self, finished: Finished, done: Callable[[Finished], None]) -> CopiesData:
        """`done` gets the end with what its outputs make of it."""
        assignment, payload, received = self._live.pop((finished.job, finished.attempt))
        folder = f"{self._settings.folder}/{finished.job}-{finished.attempt}"
        copying = self._copying(assignment, payload, folder)
        succeeded = finished.state == "succeeded"
        clock, sent, note = self._ports.clock, 0, ""
        began_ms = clock.monotonic_ms()

        def ended(verdict: Verdict | None) -> None:
            end = structs.replace(
                finished,
                bytes_in=received.size,
                bytes_out=sent,
                bytes_cached=received.from_cache,
                bytes_in_cache=received.in_cache,
                ended_at_ms=finished.ended_at_ms + clock.monotonic_ms() - began_ms,
            )
            if verdict is not None and succeeded:
                end.state, end.cause, end.message = verdict.state, verdict.cause.value, verdict.message
            elif verdict is not None:
                end.message = f"{end.message} {verdict.message}".strip()
            elif note:
                end.message = f"{end.message} {note}".strip()
            done(end)

        async def work() -> None:
            nonlocal sent, note
            if copying.data.outputs and (succeeded or copying.data.always_copy_output):
                owner = identity_of(self._settings) if assignment.runtime != CONTAINER else None
                uid = None if owner is None else owner.uid
                sent, note = await self._opened().send(copying, uid, lax=not succeeded)
            if copying.data.checkpoint and succeeded:
                key = finished.job, finished.attempt
                left = await asyncio.to_thread(
                    checkpoints.discard, copying.data, key, self._settings.data_folders
                )
                note = f"{note} {left}".strip()

        phase = CopiesData(copying, clock.now_ms(), ended)
        self._run(
            phase, work, "copying its outputs", Cause.EXIT_CODE, folder, always=True, shred=payload.shred
        )
        return phase

    async def close(self) -> None:
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._transfers is not None:
            self._transfers.close()

    # --- inside

    def _opened(self) -> Transfers:
        if self._transfers is None:
            self._transfers = Transfers(self._settings, self._ports)
        return self._transfers

    def _copying(self, assignment: Assignment, payload: JobPayload, folder: str) -> Copying:
        data = payload.data or _NOTHING
        return Copying(assignment, data, folder, contained=bool(payload.image), user=payload.user)

    def _run(
        self,
        phase: CopiesData,
        work: Callable[[], Coroutine[Any, Any, None]],
        doing: str,
        jobs_fault: Cause,
        folder: str,
        *,
        always: bool = False,
        shred: bool = False,
    ) -> None:
        """`folder` is removed when it did not work, or `always`. `shred`: its files are overwritten before."""

        async def run() -> None:
            verdict: Verdict | None = _GONE
            try:
                verdict = await self._judged(work, doing, jobs_fault)
            finally:
                if always or verdict is not None:
                    for each in (folder, f"{folder}.data") if always else (folder,):
                        await _removed(each, shred=shred)
            phase.end(verdict)

        phase.task = task = asyncio.get_running_loop().create_task(run())
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _judged(
        self, work: Callable[[], Coroutine[Any, Any, None]], doing: str, jobs_fault: Cause
    ) -> Verdict | None:
        try:
            await work()
        except DataFault as error:
            return Verdict("failed", jobs_fault, str(error))
        except (DataLater, DataLacking) as error:
            return Verdict("failed", Cause.INFRASTRUCTURE, str(error))
        except OSError as error:
            why = error.strerror or errno.errorcode.get(error.errno or 0, type(error).__name__)
            text = f"This worker failed while {doing}: {sentence(why)}"
            return Verdict("failed", Cause.INFRASTRUCTURE, text)
        except Exception as error:  # noqa: BLE001 - a fault of the agent costs this attempt and no other
            _LOG.exception("The agent failed while %s.", doing)
            return fault(doing, error)
        return None


async def _removed(folder: str, *, shred: bool) -> None:
    """Also when the agent stops meanwhile. It may have many files."""

    def remove() -> None:
        if shred:
            shredding.shred(folder)
        with suppress(OSError):
            remove_folder(folder)

    work = asyncio.ensure_future(asyncio.to_thread(remove))
    while not work.done():
        with suppress(asyncio.CancelledError):
            await asyncio.shield(work)
