"""What the sender of an executor does with calls, cancellations and its end, in their order, with a played client."""

from concurrent.futures import Future
from contextlib import nullcontext
from types import SimpleNamespace
from typing import Any

from herder.client.executor.sending import Sender, Sent
from herder.wire.work import BatchCreate, JobSubmission


def test_a_cancellation_between_a_call_and_the_end_is_sent() -> None:
    cancelled: list[int] = []
    submitted: list[JobSubmission] = []

    def submit(job: JobSubmission) -> Any:
        submitted.append(job)
        return SimpleNamespace(first_job=9)

    jobs = SimpleNamespace(submit=submit, cancel=lambda job, message: cancelled.append(job))
    sender = Sender(lambda: nullcontext(SimpleNamespace(jobs=jobs)), BatchCreate(), lambda calls: None)  # type: ignore[arg-type,return-value]
    call = Sent(Future(), JobSubmission(command=["true"]), True)
    for item in (call, 5, None):
        sender._queue.put(item)
    sender._run()
    assert (len(submitted), call.job, cancelled) == (1, 9, [5])
