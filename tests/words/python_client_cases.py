"""Examples of the errors of the Python client's executor and batches, for `test_errors`."""

from collections.abc import Callable

from herder.client.batch import BatchFailedError, SubmittedBatch
from herder.client.executor import JobFailedError, RemoteError
from herder.client.executor.outcome import outcome_of
from herder.wire.api.work import BatchView, EndedJob, JobView
from tests.words.error_cases import Case


def _ended(**how: object) -> Callable[[], None]:
    """What the executor raises of a job that ended so."""
    given = {
        "id": 7,
        "key": None,
        "state": "failed",
        "exit_code": 1,
        "cause": "exit_code",
        "message": "Exit code 1.",
        "attempts": 1,
    }

    def ask() -> None:
        error = outcome_of(EndedJob(**{**given, **how}))[1]  # type: ignore[arg-type]
        assert error is not None
        raise error

    return ask


class _Failed(SubmittedBatch):
    def jobs(self, *, state: str | None = None, limit: int | None = None) -> list[JobView]:
        return []


def _batch_failed() -> None:
    view = BatchView(
        id=3,
        name="nightly",
        user="u",
        project="p",
        state="failed",
        jobs=2,
        counts={"failed": 1, "succeeded": 1},
        cost_usd="0",
        created_at="",
        committed_at=None,
        ended_at=None,
        attributes={},
    )
    raise BatchFailedError(_Failed(3), view)


CASES = (
    Case(JobFailedError, _ended(), "Job 7 failed. Exit code 1."),
    Case(JobFailedError, _ended(state="cancelled", message="", cause="cancelled"), "Job 7 was cancelled."),
    Case(JobFailedError, _ended(state="succeeded", message=""), "Job 7 has no result. It wrote no result."),
    Case(
        RemoteError,
        _ended(result={"type": "ValueError", "text": "The value is 3.", "trace": "", "data": ""}),
        "ValueError: The value is 3.",
    ),
    Case(
        BatchFailedError,
        _batch_failed,
        "Batch 3 failed: 1 failed, 1 succeeded. See `herder job logs --batch 3 --state failed`.",
    ),
)
