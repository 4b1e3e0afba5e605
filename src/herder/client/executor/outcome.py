"""The outcome of a call: its value, its exception, or the reason why its job has neither.

Called by `receiving` when a job has ended. The exception of a call keeps its class; its cause is the traceback of the worker.
"""

import base64
import pickle
import zlib
from typing import Any

from herder.model.values.phrases import clause
from herder.wire.api.work import EndedJob


class JobFailedError(Exception):
    """The job of a call ended without a value or an exception: it was killed or cancelled, or exceeded its memory or time.

    `job` is its number (`herder job get`), `state`, `cause` and `exit_code` are those of `herder job get`.
    """

    def __init__(self, message: str, job: int, state: str, cause: str, exit_code: int | None) -> None:
        super().__init__(message)
        self.job = job
        self.state = state
        self.cause = cause
        self.exit_code = exit_code


class RemoteError(Exception):
    """The type and text of an exception that cannot be pickled; also the traceback of the worker, as the cause of an exception."""


def outcome_of(ended: EndedJob) -> tuple[list[Any], BaseException | None]:
    """(the values of its calls, None) or ([], error). What a worker sends is unpickled: it ran the caller's code with the caller's rights."""
    answer = ended.result if isinstance(ended.result, dict) else {}
    if ended.state == "succeeded" and "type" not in answer and isinstance(answer.get("data"), str):
        try:
            return _unpickled(answer["data"]), None
        except Exception as error:  # noqa: BLE001 - whatever unpickling raises is the outcome of this call
            failed = RemoteError(f"The result of job {ended.id} cannot be unpickled here: {clause(error)}.")
            failed.__cause__ = error
            return [], failed
    if ended.state == "failed" and ended.cause == "exit_code" and "type" in answer:
        return [], _raised(answer)
    return [], _without_outcome(ended)


def _raised(answer: dict[str, Any]) -> BaseException:
    trace = RemoteError(f"\n{answer.get('trace', '')}")
    text = f"{answer['type']}: {answer.get('text', '')}"
    if not answer.get("data"):
        error: BaseException = RemoteError(text)
    else:
        try:
            error = _unpickled(answer["data"])
        except Exception:  # noqa: BLE001 - its class is not here, or refuses to be made: its text is left
            error = RemoteError(text)
    if not isinstance(error, Exception):
        error = RemoteError(text)  # SystemExit and KeyboardInterrupt of a worker end nothing here
    error.__cause__ = trace
    return error


def _without_outcome(ended: EndedJob) -> JobFailedError:
    why = ended.message or {"succeeded": "It wrote no result."}.get(ended.state, "")
    text = f"Job {ended.id} {'has no result' if ended.state == 'succeeded' else f'was {ended.state}'}."
    if ended.state == "failed":
        text = f"Job {ended.id} failed."
    return JobFailedError(
        " ".join(filter(None, (text, why))), ended.id, ended.state, ended.cause, ended.exit_code
    )


def _unpickled(text: str) -> Any:
    return pickle.loads(zlib.decompress(base64.b64decode(text)))  # noqa: S301 - written by the caller's own job
