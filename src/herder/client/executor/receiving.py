"""The threads that wait for the ends of jobs and give futures their outcome.

Owned by `executor`. Each thread holds one call of the server open for the jobs that it has; jobs that arrive meanwhile are waited for by
another thread, so that the end of a short job is not seen late because a long one was submitted before it.
"""

import threading
from collections.abc import Callable
from dataclasses import dataclass, field

from herder.client.client import HerderClient
from herder.client.errors import ClientError
from herder.client.executor.outcome import outcome_of
from herder.client.executor.sending import Sent, end

THREADS_MAX = 4
JOBS_MAX = 1_000
"""Of one call, as the API allows."""
HELD_S = 20.0
"""How long one call is held open when another thread is free for jobs that arrive; and when none is."""
HELD_BUSY_S = 1.0


@dataclass(eq=False, slots=True)
class Receiver:
    connect: Callable[[], HerderClient]
    _waiting: dict[int, Sent] = field(default_factory=dict)
    """Jobs for which no thread waits."""
    _changed: threading.Condition = field(default_factory=threading.Condition)
    _threads: list[threading.Thread] = field(default_factory=list)
    _idle: int = 0
    _closed: bool = False

    def add(self, calls: list[Sent]) -> None:
        with self._changed:
            self._waiting.update((each.job, each) for each in calls if not each.future.done())
            if not self._idle and len(self._threads) < THREADS_MAX and not self._closed:
                name = f"herder-executor-receive-{len(self._threads) + 1}"
                self._threads.append(threading.Thread(target=self._run, name=name, daemon=True))
                self._threads[-1].start()
            self._changed.notify()

    def finish(self) -> None:
        """The threads end when no job is waited for any more."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def close(self) -> None:
        """Returns when they have ended."""
        self.finish()
        for each in list(self._threads):
            each.join()

    def _run(self) -> None:
        try:
            client = self.connect()
        except Exception as error:  # noqa: BLE001 - no thread is left to see it: it is the outcome of the calls
            self._cannot_receive(error)
            return
        with client:
            while mine := self._take():
                left = mine
                try:
                    left = self._receive(client, mine)
                except Exception as error:  # noqa: BLE001 - no thread is left to see it: it is the outcome of the calls
                    for each in mine.values():
                        end(each.future, None, error)
                    left = {}
                finally:
                    self._give_back(left)

    def _cannot_receive(self, error: Exception) -> None:
        """This thread ends. What waits is for another thread, if there is one."""
        with self._changed:
            self._threads.remove(threading.current_thread())
            lost = {} if self._threads else self._waiting
            if lost:
                self._waiting = {}
            self._changed.notify_all()
        for each in lost.values():
            end(each.future, None, error)

    def _take(self) -> dict[int, Sent]:
        """What this thread waits for next; empty when all is over."""
        with self._changed:
            self._idle += 1
            while not self._waiting and not (self._closed and self._idle == len(self._threads)):
                self._changed.wait()
            self._idle -= 1
            mine = {job: self._waiting.pop(job) for job in sorted(self._waiting)[:JOBS_MAX]}
            if not mine:
                self._idle += 1  # counts as idle for the others, which end too
                self._changed.notify_all()
            return mine

    def _give_back(self, left: dict[int, Sent]) -> None:
        with self._changed:
            self._waiting.update(left)
            self._changed.notify_all()

    def _receive(self, client: HerderClient, mine: dict[int, Sent]) -> dict[int, Sent]:
        """Those of `mine` that have not ended after one call."""
        mine = {job: each for job, each in mine.items() if not each.future.done()}
        if not mine:
            return {}
        with self._changed:
            others = bool(self._waiting) or (not self._idle and len(self._threads) == THREADS_MAX)
        try:
            with client.http.patient():
                ended = client.jobs.ended(list(mine), HELD_BUSY_S if others else HELD_S)
        except ClientError as error:
            for each in mine.values():
                end(each.future, None, error)
            return {}
        for found in ended:
            each, (values, failure) = mine.pop(found.id), outcome_of(found)
            end(each.future, values[0] if values and each.single else values, failure)
        return mine
