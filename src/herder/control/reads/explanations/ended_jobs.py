"""Explains the state of a job that no longer waits: its attempts; for a cancelled or skipped job also the user, the reason and the
parent. Called by `explain.py`. It must never guess at a cause.
"""

from typing import Any

from sqlalchemy import Connection, Row, select

from herder.control.kernel.core import Core
from herder.control.reads.explanations.cached_inputs import mebibytes
from herder.model.values.phrases import counted, sentence, sentences
from herder.model.values.times import iso
from herder.model.work.job import AttemptState, Cause, JobState
from herder.store.rows import tables as t
from herder.wire.api.resources import Explanation, ReasonView

#: Parents that are named one by one.
PARENTS_MAX = 20


async def history_of(core: Core, row: Row[Any], state: JobState) -> Explanation:
    def read(connection: Connection) -> list[ReasonView]:
        facts = _attempts(connection, row.id)
        if state is JobState.SKIPPED:
            facts += _parents_that_failed(connection, row.id)
        if state is JobState.CANCELLED:
            facts += _cancelled_by(connection, row)
        return facts

    facts = await core.read(read)
    summary = sentence(f"Job {row.id} {_became(state.label, row.cause)}")
    if state in (JobState.SKIPPED, JobState.CANCELLED) and facts:
        summary = sentences(summary, facts[-1].text)
    return Explanation(subject=f"job/{row.id}", summary=summary, facts=facts)


def by_whom(actor: str) -> str:
    """`user/ann` as `ann`; Herder itself by name."""
    return actor.removeprefix("user/")


def _attempts(connection: Connection, job: int) -> list[ReasonView]:
    query = select(t.attempts).where(t.attempts.c.job_id == job).order_by(t.attempts.c.attempt)
    return [
        ReasonView(
            kind="attempt",
            text=_attempt(each),
            evidence={
                "worker": each.worker,
                "assigned_at": iso(each.assigned_at_ms),
                "exit_code": each.exit_code,
            },
        )
        for each in connection.execute(query)
    ]


def _attempt(row: Row[Any]) -> str:
    state = AttemptState(row.state).label
    if row.cause == Cause.PREEMPTED:
        return sentences(f"Attempt {row.attempt} on {row.worker} was stopped", row.message)
    said = sentences(f"Attempt {row.attempt} on {row.worker} {_became(state, row.cause)}", row.message or "")
    if not row.bytes_cached:
        return said
    of_all = f"{mebibytes(row.bytes_cached)} of {mebibytes(row.bytes_in)}"
    return sentences(said, f"The cache of the worker had {of_all} of its inputs")


def _became(state: str, cause: str | None) -> str:
    """`has failed (timeout)`, `is cancelled`"""
    return f"{'has' if state in ('succeeded', 'failed') else 'is'} {_because(state, cause)}"


def _because(state: str, cause: str | None) -> str:
    return state if cause in (None, "", state) else f"{state} ({cause})"


def _parents_that_failed(connection: Connection, job: int) -> list[ReasonView]:
    """A skipped parent was skipped for one above it, so those that failed or were cancelled come first."""
    query = (
        select(t.jobs.c.id, t.jobs.c.key, t.jobs.c.state, t.jobs.c.cause)
        .join(t.job_parents, t.job_parents.c.parent_id == t.jobs.c.id)
        .where(t.job_parents.c.child_id == job)
        .order_by(t.jobs.c.id)
    )
    ended = [
        each
        for each in connection.execute(query)
        if JobState(each.state) in (JobState.FAILED, JobState.CANCELLED, JobState.SKIPPED)
    ]
    ended.sort(key=lambda each: JobState(each.state) is JobState.SKIPPED)
    facts = [
        ReasonView(
            kind="parent_failed",
            text=f"{_called(each)} {_ENDED[JobState(each.state)]}{f' ({each.cause})' if each.cause else ''}, so this job was skipped: "
            "it is not always_run.",
            evidence={"job": each.id},
        )
        for each in reversed(ended[:PARENTS_MAX])
    ]
    if len(ended) > PARENTS_MAX:
        more = len(ended) - PARENTS_MAX
        facts.insert(
            0,
            ReasonView(
                kind="parent_failed", text=f"{counted(more, 'more parent')} did not succeed.", evidence={}
            ),
        )
    return facts


_ENDED = {
    JobState.FAILED: "failed",
    JobState.CANCELLED: "was cancelled",
    JobState.SKIPPED: "was skipped",
}


def _called(row: Row[Any]) -> str:
    return f"Parent job {row.id}" + (f" ({row.key})" if row.key else "")


def _cancelled_by(connection: Connection, row: Row[Any]) -> list[ReasonView]:
    """The event of the job itself, else that of its batch."""
    objects = [("job.cancelled", f"job/{row.id}")]
    if row.batch_id is not None:
        objects.append(("batch.cancelled", f"batch/{row.batch_id}"))
    for kind, name in objects:
        query = select(t.events).where(t.events.c.object == name, t.events.c.kind == kind)
        event = connection.execute(query.order_by(t.events.c.sequence).limit(1)).first()
        if event is not None:
            text = f"Cancelled by {by_whom(event.actor)} at {iso(event.at_ms)}: {event.text}"
            return [
                ReasonView(
                    kind=kind.replace(".", "_"),
                    text=sentence(text),
                    evidence={"actor": event.actor, "at": iso(event.at_ms)},
                )
            ]
    return []
