"""The thread that submits calls: what waits at a time goes as one batch. Also cancels the jobs of futures that were cancelled.

Owned by `executor`. A call that the server refuses ends its future with the error, and the others of its batch are sent again without it.
"""

import queue
import re
import threading
from collections.abc import Callable
from concurrent.futures import Future, InvalidStateError
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

import msgspec

from herder.client.client import HerderClient
from herder.client.errors import ClientError, ConflictError, InvalidError, NotFoundError
from herder.wire.api.work import BatchCreate, JobSubmission

CALLS_MAX = 1_000
CHARACTERS_MAX = 8 * 2**20
"""Of one batch: below what the server takes in one body."""
_PLACE = re.compile(r"jobs\[(\d+)\]")


@dataclass(eq=False, slots=True)
class Sent:
    """A call on its way: `job` is known once the server has it."""

    future: "Future[Any]"
    submission: JobSubmission
    single: bool
    """Its future is of one call, not of a chunk of them."""
    job: int = 0

    def characters(self) -> int:
        return sum(map(len, self.submission.inputs.values()))


@dataclass(eq=False, slots=True)
class Sender:
    connect: Callable[[], HerderClient]
    batch: BatchCreate
    arrived: Callable[[list[Sent]], None]
    """Called with the calls that the server has taken."""
    closed: Callable[[], None] = lambda: None
    """Called when nothing more will be sent."""
    _queue: "queue.SimpleQueue[Sent | int | None]" = field(default_factory=queue.SimpleQueue)
    _thread: threading.Thread | None = None
    _ahead: "list[Sent | int | None]" = field(default_factory=list)
    """At most one item, which was taken from the queue and is next."""

    def cancel(self, job: int) -> None:
        self.send(job)

    def close(self, *, wait: bool = True) -> None:
        """Sends what waits; with `wait` it returns when that is sent."""
        if self._thread is None:
            self.closed()
            return
        self._queue.put(None)
        if wait:
            self._thread.join()

    def send(self, item: "Sent | int") -> None:
        """A call to submit, or the number of a job to cancel. Not from two threads at once before the first call was sent."""
        self._queue.put(item)
        if self._thread is None:
            self._thread = threading.Thread(target=self._run, name="herder-executor-send", daemon=True)
            self._thread.start()

    def _run(self) -> None:
        try:
            while (item := self._next()) is not None:
                try:
                    with self.connect() as client:
                        self._serve(client, item)
                    return
                except Exception as error:  # noqa: BLE001 - no thread is left to see it: it is the outcome of the call
                    if isinstance(item, Sent):
                        end(item.future, None, error)
        finally:
            self.closed()

    def _serve(self, client: HerderClient, item: "Sent | int | None") -> None:
        while item is not None:
            if isinstance(item, int):
                _cancel(client, item)
            else:
                self._submit(client, self._together(item))
            item = self._next()

    def _next(self) -> "Sent | int | None":
        return self._ahead.pop() if self._ahead else self._queue.get()

    def _together(self, first: Sent) -> list[Sent]:
        """`first` and what waits behind it, as far as one batch takes it."""
        calls, characters = [first], first.characters()
        while len(calls) < CALLS_MAX:
            try:
                item = self._queue.get_nowait()
            except queue.Empty:
                break
            if isinstance(item, Sent):
                characters += item.characters()
            if not isinstance(item, Sent) or characters > CHARACTERS_MAX:
                self._ahead.append(
                    item
                )  # not back into the queue: a cancellation behind the end would be lost
                break
            calls.append(item)
        return calls

    def _submit(self, client: HerderClient, calls: list[Sent]) -> None:
        while calls := [each for each in calls if not each.future.cancelled()]:
            try:
                with client.http.patient():
                    first = self._first_job(client, [each.submission for each in calls])
            except Exception as error:  # noqa: BLE001 - it is the outcome of the calls that it is about
                refused = _refused(error, calls)
                for each in refused:
                    end(each.future, None, error)
                calls = [each for each in calls if each not in refused]
                continue
            for place, each in enumerate(calls):
                each.job = first + place
                if each.future.cancelled():
                    _cancel(client, each.job)
            self.arrived(calls)
            return

    def _first_job(self, client: HerderClient, jobs: list[JobSubmission]) -> int:
        """The number of the first of these jobs; the others have the next ones."""
        if len(jobs) == 1:
            return client.jobs.submit(jobs[0]).first_job
        made = client.batches.create(msgspec.structs.replace(self.batch, jobs=jobs, commit=True))
        try:
            return next(client.jobs.list(batch=made.id, limit=1)).id
        except Exception:
            # Nobody would get the outcome of its jobs.
            client.batches.cancel(made.id, "The numbers of its jobs could not be read.")
            raise


def _refused(error: Exception, calls: list[Sent]) -> list[Sent]:
    """The one call that the server names, or all of them."""
    found = _PLACE.match(error.field) if isinstance(error, InvalidError) else None
    place = int(found[1]) if found else -1
    return [calls[place]] if 0 <= place < len(calls) else calls


def end(future: "Future[Any]", value: Any, error: BaseException | None) -> None:
    """Gives a future its outcome, unless it was cancelled meanwhile."""
    with suppress(InvalidStateError):
        if error is None:
            future.set_result(value)
        else:
            future.set_exception(error)


def _cancel(client: HerderClient, job: int) -> None:
    try:
        client.jobs.cancel(job, "Its future was cancelled.")
    except (ConflictError, NotFoundError):
        pass  # it has ended meanwhile
    except ClientError as error:
        client.http.told(error.message)
