"""The spans of a job that has ended: the job, its waiting, and each attempt with its parts. Pure.

Called by the loop of traces with the rows of the store. Ids are derived (`trace_ids.py`), so that the same job gives the same spans.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from herder.model.work.job import AttemptState, JobState
from herder.observability.trace_ids import span_id, trace_id

Attributes = Mapping[str, str | int]


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """Times in milliseconds since 1970. `error`: why it failed; None: it did not."""

    name: str
    trace_id: str
    span_id: str
    parent_id: str | None
    start_ms: int
    end_ms: int
    attributes: Attributes
    error: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class EndedJob:
    id: int
    state: JobState
    cause: str
    created_at_ms: int
    ended_at_ms: int
    user: str = ""
    project: str = ""
    batch: int | None = None
    key: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class EndedAttempt:
    number: int
    state: AttemptState
    cause: str
    worker: str
    pool: str | None
    """None: the row of the worker is no longer kept."""
    exit_code: int | None
    assigned_at_ms: int
    started_at_ms: int | None
    ended_at_ms: int | None
    cpu_ms: int = 0
    memory_peak_mib: int = 0


def spans_of(installation: str, job: EndedJob, attempts: Sequence[EndedAttempt]) -> list[Span]:
    """The job's first. Attempts in the order of their numbers."""
    maker = _Maker(installation, job.id)
    error = (job.cause or job.state.label) if job.state is JobState.FAILED else None
    root = maker.span(
        "job", "job", None, job.created_at_ms, job.ended_at_ms, _of_job(job, len(attempts)), error
    )
    spans, free_ms = [root], job.created_at_ms
    for each in attempts:
        spans.append(
            maker.span("waiting", f"waiting/{each.number}", root, free_ms, each.assigned_at_ms, _number(each))
        )
        spans += _of_attempt(maker, root, each)
        free_ms = spans[-1].end_ms if each.ended_at_ms is None else each.ended_at_ms
    if not attempts:
        spans.append(maker.span("waiting", "waiting/1", root, free_ms, job.ended_at_ms, {}))
    return spans


@dataclass(frozen=True, slots=True)
class _Maker:
    installation: str
    job: int

    def span(
        self,
        name: str,
        part: str,
        parent: Span | None,
        start_ms: int,
        end_ms: int,
        attributes: Attributes,
        error: str | None = None,
    ) -> Span:
        """No span ends before it begins: workers have clocks of their own."""
        return Span(
            name=name,
            trace_id=trace_id(self.installation, self.job),
            span_id=span_id(self.installation, self.job, part),
            parent_id=None if parent is None else parent.span_id,
            start_ms=start_ms,
            end_ms=max(start_ms, end_ms),
            attributes={"herder.job.id": self.job, **attributes},
            error=error,
        )


def _of_attempt(maker: _Maker, root: Span, attempt: EndedAttempt) -> Iterator[Span]:
    end_ms = root.end_ms if attempt.ended_at_ms is None else attempt.ended_at_ms
    failed = attempt.state in (AttemptState.FAILED, AttemptState.LOST)
    error = (attempt.cause or attempt.state.label) if failed else None
    part = f"attempt/{attempt.number}"
    whole = maker.span(
        "attempt", part, root, attempt.assigned_at_ms, end_ms, _facts_of_attempt(attempt), error
    )
    yield whole
    started_ms = attempt.started_at_ms
    until_ms = end_ms if started_ms is None else started_ms
    yield maker.span(
        "assigned", f"{part}/assigned", whole, attempt.assigned_at_ms, until_ms, _number(attempt)
    )
    if started_ms is not None:
        yield maker.span("running", f"{part}/running", whole, started_ms, end_ms, _number(attempt), error)


def _number(attempt: EndedAttempt) -> Attributes:
    return {"herder.attempt": attempt.number}


def _of_job(job: EndedJob, attempts: int) -> Attributes:
    known: dict[str, str | int | None] = {
        "herder.job.state": job.state.label,
        "herder.job.cause": job.cause,
        "herder.job.attempts": attempts,
        "herder.job.key": job.key,
        "herder.user": job.user,
        "herder.project": job.project,
        "herder.batch.id": job.batch,
    }
    return {name: value for name, value in known.items() if value is not None and value != ""}


def _facts_of_attempt(attempt: EndedAttempt) -> Attributes:
    known: dict[str, str | int | None] = {
        "herder.attempt": attempt.number,
        "herder.attempt.state": attempt.state.label,
        "herder.attempt.cause": attempt.cause,
        "herder.worker": attempt.worker,
        "herder.pool": attempt.pool,
        "process.exit.code": attempt.exit_code,
        "herder.attempt.cpu_ms": attempt.cpu_ms,
        "herder.attempt.memory_peak_mib": attempt.memory_peak_mib,
    }
    return {name: value for name, value in known.items() if value is not None and value != ""}
