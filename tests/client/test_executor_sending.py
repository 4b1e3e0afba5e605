"""What the threads of an executor do with calls, cancellations, errors and its end, with a played client."""

import threading
from collections.abc import Callable, Iterator
from concurrent.futures import Future
from contextlib import contextmanager, nullcontext
from types import SimpleNamespace
from typing import Any

import pytest

from herder.client import UnreachableError
from herder.client.executor.receiving import Receiver
from herder.client.executor.sending import Sender, Sent
from herder.wire.api.work import BatchCreate, EndedJob, JobSubmission


class Played:
    """The parts of a client that the threads of an executor use."""

    def __init__(self) -> None:
        self.cancelled: list[int] = []
        self.cancelled_batches: list[int] = []
        self.submitted: list[JobSubmission] = []
        self.patient_now = False
        self.batches_made = 0
        self.list_fails = False
        self.http = SimpleNamespace(patient=self._patient, told=lambda text: None)
        self.jobs = SimpleNamespace(
            submit=self._submit,
            cancel=lambda job, message: self.cancelled.append(job),
            list=self._list,
            ended=self._ended,
        )
        self.batches = SimpleNamespace(
            create=self._create, cancel=lambda batch, message: self.cancelled_batches.append(batch)
        )

    @contextmanager
    def _patient(self) -> Iterator[None]:
        self.patient_now = True
        try:
            yield
        finally:
            self.patient_now = False

    def _submit(self, job: JobSubmission) -> Any:
        assert self.patient_now, "a server that starts again costs no call"
        self.submitted.append(job)
        return SimpleNamespace(first_job=9)

    def _create(self, batch: BatchCreate) -> Any:
        assert self.patient_now
        self.submitted += batch.jobs
        self.batches_made += 1
        return SimpleNamespace(id=70 + self.batches_made)

    def _list(self, *, batch: int, limit: int) -> Iterator[Any]:
        if self.list_fails:
            raise UnreachableError("No answer.")
        return iter([SimpleNamespace(id=100)])

    @staticmethod
    def _ended(jobs: list[int], seconds: float) -> list[EndedJob]:
        return [
            EndedJob(
                id=job,
                key=None,
                state="failed",
                exit_code=1,
                cause="exit_code",
                message="Exit code 1.",
                attempts=1,
            )
            for job in jobs
        ]


def connecting(client: object) -> Callable[[], Any]:
    return lambda: nullcontext(client)


def call() -> Sent:
    return Sent(Future(), JobSubmission(command=["true"]), True)


def run(sender: Sender, *items: Sent | int | None) -> None:
    for item in items:
        sender._queue.put(item)
    sender._run()


def test_a_cancellation_between_a_call_and_the_end_is_sent() -> None:
    played, one = Played(), call()
    run(Sender(connecting(played), BatchCreate(), lambda calls: None), one, 5, None)
    assert (len(played.submitted), one.job, played.cancelled) == (1, 9, [5])


def test_calls_that_wait_together_are_one_batch() -> None:
    played, some = Played(), [call() for _ in range(3)]
    run(Sender(connecting(played), BatchCreate(), lambda calls: None), *some, None)
    assert (played.batches_made, [each.job for each in some]) == (1, [100, 101, 102])


def test_a_batch_whose_numbers_cannot_be_read_is_cancelled_and_its_calls_end() -> None:
    played, some = Played(), [call() for _ in range(3)]
    played.list_fails = True
    run(Sender(connecting(played), BatchCreate(), lambda calls: None), *some, None)
    assert played.cancelled_batches == [71]
    assert all(isinstance(each.future.exception(0), UnreachableError) for each in some)


def test_calls_end_with_the_error_when_no_connection_can_be_made() -> None:
    played, answers = Played(), [UnreachableError("No answer."), UnreachableError("No answer.")]

    def connect() -> Any:
        if answers:
            raise answers.pop()
        return nullcontext(played)

    some, closed = [call() for _ in range(3)], threading.Event()
    run(Sender(connect, BatchCreate(), lambda calls: None, closed.set), *some, None)
    assert all(isinstance(each.future.exception(0), UnreachableError) for each in some[:2])
    assert (some[2].job, closed.is_set()) == (9, True), "the next call tries again"


@pytest.mark.parametrize("failures", [1, 4])
def test_outcomes_that_nobody_can_ask_for_are_the_error(failures: int) -> None:
    left = [UnreachableError("No answer.") for _ in range(failures)]

    def connect() -> Any:
        raise left[0]

    receiver = Receiver(connect)
    some = [call() for _ in range(failures)]
    for number, each in enumerate(some, 1):
        each.job = number
        receiver.add([each])
    for each in some:
        assert isinstance(each.future.exception(10), UnreachableError)
    receiver.close()


def test_threads_end_by_themselves_when_nobody_waits_for_them() -> None:
    played = Played()
    receiver = Receiver(connecting(played))
    sender = Sender(connecting(played), BatchCreate(), receiver.add, receiver.finish)
    one = call()
    sender.send(one)
    sender.close(wait=False)
    assert one.future.exception(10) is not None
    for each in (sender._thread, *receiver._threads):
        assert each is not None
        each.join(10)
        assert not each.is_alive()


def test_an_executor_without_calls_is_closed_at_once() -> None:
    receiver = Receiver(connecting(Played()))
    Sender(connecting(Played()), BatchCreate(), receiver.add, receiver.finish).close(wait=False)
    receiver.close()
    assert receiver._closed
