"""Downloads what an attempt needs beyond its assignment: results of its parents that are too large for an exchange, into a file, and its
secrets, which are in no exchange and on no disk.

Used by `attempts`: it begins a download for an assignment and is told what came, or why nothing did. A few run at a time, each is
tried again while the server cannot be reached, and nothing of a file is ever whole in memory.
"""

import asyncio
import errno
import logging
import os
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from functools import partial
from typing import NamedTuple, TypeVar

import msgspec

from herder.agent.environment.clock import BackOff
from herder.agent.environment.connection import Rejected, Unreachable
from herder.agent.environment.settings import AgentSettings
from herder.agent.machine.ports import AgentPorts
from herder.agent.processes.scratch import make_work_folder
from herder.agent.runtimes import Verdict, fault
from herder.model.values.phrases import clause
from herder.model.work.job import Cause
from herder.observability.logs import of_attempt
from herder.wire.api.secrets import Delivered, SecretsAnswer
from herder.wire.worker.exchange import Assignment

_LOG = logging.getLogger(__name__)
T = TypeVar("T")


class Fetched(NamedTuple):
    inputs: str | None
    """The path of the file."""
    secrets: Sequence[Delivered] = ()


Done = Callable[[Fetched | Verdict], None]


class Fetching:
    """An attempt whose inputs are on their way: to those who stop attempts it is one that runs."""

    def __init__(self, done: Done, now_ms: int) -> None:
        self.started_at_ms = now_ms
        self._done: Done | None = done
        self.task: asyncio.Task[None] | None = None

    def stop(self, verdict: Verdict, *, at_once: bool = False) -> None:
        if self.task is not None:
            self.task.cancel()
        # Never from inside `stop`: who stops many attempts is walking over them.
        asyncio.get_running_loop().call_soon(self.end, verdict)

    def end(self, outcome: Fetched | Verdict) -> bool:
        """The first word counts."""
        done, self._done = self._done, None
        if done is None:
            return False
        done(outcome)
        return True


class FetchInputs:
    def __init__(self, settings: AgentSettings, ports: AgentPorts) -> None:
        self._settings = settings
        self._ports = ports
        self._places = asyncio.Semaphore(settings.fetches_most)
        self._tasks: set[asyncio.Task[None]] = set()

    def begin(self, assignment: Assignment, done: Done) -> Fetching:
        fetching = Fetching(done, self._ports.clock.now_ms())
        fetching.task = task = asyncio.get_running_loop().create_task(self._run(assignment, fetching))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return fetching

    def discard(self, path: str) -> None:
        """Not wanted any more, or moved to where it belongs."""
        with suppress(OSError):
            os.unlink(path)

    async def close(self) -> None:
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _run(self, assignment: Assignment, fetching: Fetching) -> None:
        path = f"{self._settings.folder}/{assignment.job}-{assignment.attempt}.inputs"
        outcome: Fetched | Verdict
        try:
            async with self._places:
                outcome = await self._all(assignment, path)
        except asyncio.CancelledError:
            self.discard(path)
            raise
        except Exception as error:  # noqa: BLE001 - a fault of ours costs one attempt, not the worker
            _LOG.exception(
                "The inputs of job %s could not be downloaded.",
                assignment.job,
                extra=of_attempt(assignment.job, assignment.attempt),
            )
            outcome = fault("downloading its inputs", error)
        if isinstance(outcome, Verdict):
            self.discard(path)
        if not fetching.end(outcome):
            self.discard(path)

    async def _all(self, assignment: Assignment, path: str) -> Fetched | Verdict:
        fetched = Fetched(None)
        if assignment.secrets:
            values = await self._tried(assignment, "The secrets", partial(self._secrets_of, assignment))
            if isinstance(values, Verdict):
                return values
            fetched = Fetched(None, values)
        if assignment.fetch:
            into_file = partial(self._into_file, assignment, path)
            inputs = await self._tried(assignment, "The results of the parents", into_file)
            if isinstance(inputs, Verdict):
                return inputs
            fetched = fetched._replace(inputs=inputs)
        return fetched

    async def _tried(
        self, assignment: Assignment, what: str, download: Callable[[], Awaitable[T | Verdict]]
    ) -> T | Verdict:
        back_off = BackOff(self._settings.retry_first_s, self._settings.retry_most_s, self._ports.chance)
        for left in reversed(range(self._settings.fetch_tries)):
            try:
                return await download()
            except Unreachable as error:
                if not left:
                    return _not_fetched(what, str(error))
                _LOG.warning(
                    "%s of job %s cannot be downloaded yet: %s.",
                    what,
                    assignment.job,
                    clause(error),
                    extra=of_attempt(assignment.job, assignment.attempt),
                )
                await asyncio.sleep(back_off.next_s())
            except Rejected as error:
                return _not_fetched(what, str(error))
            except OSError as error:
                text = error.strerror or errno.errorcode.get(error.errno or 0, "no file")
                return _not_fetched(what, text)
        return _not_fetched(what, "all tries failed")

    async def _secrets_of(self, assignment: Assignment) -> Sequence[Delivered] | Verdict:
        """Through memory only: an answer that stood in a file might stay on the disk."""
        descriptor = os.memfd_create("secrets", os.MFD_CLOEXEC)
        try:
            path = f"/attempts/{assignment.job}/{assignment.attempt}/secrets"
            await self._ports.network.fetch(path, descriptor)
            content = os.pread(descriptor, os.fstat(descriptor).st_size, 0)
        finally:
            os.close(descriptor)
        try:
            answer = msgspec.json.decode(content, type=SecretsAnswer)
        except (msgspec.MsgspecError, UnicodeDecodeError):
            raise Unreachable("The answer of the server is incomplete.") from None
        if answer.missing:
            return Verdict("failed", Cause.START_FAILED, answer.missing)
        return answer.values

    async def _into_file(self, assignment: Assignment, path: str) -> str:
        make_work_folder(self._settings)
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC
        descriptor = os.open(path, flags, 0o600)
        try:
            await self._ports.network.fetch(
                f"/attempts/{assignment.job}/{assignment.attempt}/inputs", descriptor
            )
        finally:
            os.close(descriptor)
        return path


def _not_fetched(what: str, why: str) -> Verdict:
    return Verdict("failed", Cause.INFRASTRUCTURE, f"{what} could not be downloaded: {clause(why)}.")
