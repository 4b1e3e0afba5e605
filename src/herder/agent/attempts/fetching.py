"""Downloads the results of an attempt's parents into a file before the attempt starts, when they are too large for an exchange.

Used by `attempts`: it begins a download for an assignment and is told the path, or why there is none. A few run at a time, each is
tried again while the server cannot be reached, and nothing of a file is ever whole in memory.
"""

import asyncio
import errno
import logging
import os
from collections.abc import Callable
from contextlib import suppress

from herder.agent.environment.clock import BackOff
from herder.agent.environment.connection import Rejected, Unreachable
from herder.agent.environment.settings import AgentSettings
from herder.agent.machine.ports import AgentPorts
from herder.agent.processes.scratch import make_work_folder
from herder.agent.runtimes import Verdict, fault
from herder.model.values.phrases import clause
from herder.model.work.job import Cause
from herder.wire.exchange import Assignment

_LOG = logging.getLogger(__name__)

Done = Callable[[str | Verdict], None]


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

    def end(self, outcome: str | Verdict) -> bool:
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
        outcome: str | Verdict
        try:
            async with self._places:
                outcome = await self._tried(assignment, path)
        except asyncio.CancelledError:
            self.discard(path)
            raise
        except Exception as error:  # noqa: BLE001 - a fault of ours costs one attempt, not the worker
            _LOG.exception("The inputs of job %s could not be downloaded.", assignment.job)
            outcome = fault("downloading its inputs", error)
        if isinstance(outcome, Verdict):
            self.discard(path)
        if not fetching.end(outcome):
            self.discard(path)

    async def _tried(self, assignment: Assignment, path: str) -> str | Verdict:
        back_off = BackOff(self._settings.retry_first_s, self._settings.retry_most_s, self._ports.chance)
        for left in reversed(range(self._settings.fetch_tries)):
            try:
                await self._into_file(assignment, path)
            except Unreachable as error:
                if not left:
                    return _not_fetched(str(error))
                _LOG.warning(
                    "The inputs of job %s cannot be downloaded yet: %s.", assignment.job, clause(error)
                )
                await asyncio.sleep(back_off.next_s())
            except Rejected as error:
                return _not_fetched(str(error))
            except OSError as error:
                return _not_fetched(f"{error.strerror or errno.errorcode.get(error.errno or 0, 'no file')}")
            else:
                return path
        return _not_fetched("all tries failed")

    async def _into_file(self, assignment: Assignment, path: str) -> None:
        make_work_folder(self._settings)
        flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_NOFOLLOW | os.O_CLOEXEC
        descriptor = os.open(path, flags, 0o600)
        try:
            await self._ports.network.fetch(
                f"/attempts/{assignment.job}/{assignment.attempt}/inputs", descriptor
            )
        finally:
            os.close(descriptor)


def _not_fetched(why: str) -> Verdict:
    return Verdict(
        "failed", Cause.INFRASTRUCTURE, f"The results of the parents could not be downloaded: {clause(why)}."
    )
