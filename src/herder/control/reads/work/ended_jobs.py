"""Which of many jobs have ended, with their results: for programs that wait for the first of them.

Called by the port of reads. Bounded in jobs and in bytes of results: what does not fit is found by the next call.
"""

import asyncio
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from functools import partial
from itertools import accumulate
from typing import Any

import msgspec
from sqlalchemy import Connection, and_, bindparam, func, select

from herder.control.access.access_check import check, not_known
from herder.control.jobs.submitting.submission import job_thing
from herder.control.kernel.bounds.errors import Invalid
from herder.control.kernel.core import Core
from herder.control.reads.work.jobs import effective_state, job_view
from herder.model.permissions import Action, Kind, Principal
from herder.model.stored.incarnation import tries
from herder.model.work.job import JobState
from herder.store.rows import tables as t
from herder.wire.api.work import EndedJob, JobView

#: Jobs that one call may ask about.
JOBS_MAX = 1_000
#: Characters of the results in one answer; one result is in it whatever its size (at most 1 MiB).
RESULT_CHARACTERS_MAX = 4 * 2**20


_last = and_(t.attempts.c.job_id == t.jobs.c.id, t.attempts.c.attempt == t.jobs.c.attempts)
#: Built once: that takes longer than to run them.
_ROWS = (
    select(
        *(column for column in t.jobs.c if column.name != "payload"),
        t.attempts.c.exit_code,
        t.attempts.c.message,
        func.coalesce(func.length(t.attempts.c.result), 0).label("characters"),
        t.batches.c.state.label("batch_state"),
        t.batches.c.hold.label("batch_hold"),
        t.batches.c.committed_at_ms.is_not(None).label("batch_committed"),
        t.job_classes.c.spec.label("class_spec"),
    )
    .join(t.job_classes, t.job_classes.c.id == t.jobs.c.class_id)
    .outerjoin(t.attempts, _last)
    .outerjoin(t.batches, t.batches.c.id == t.jobs.c.batch_id)
    .where(t.jobs.c.id.in_(bindparam("jobs", expanding=True)))
)
_RESULTS = (
    select(t.jobs.c.id, t.attempts.c.result)
    .join(t.attempts, _last)
    .where(t.jobs.c.id.in_(bindparam("jobs", expanding=True)))
)


async def wait_job(core: Core, again: Callable[[], Principal], job: int, seconds: float) -> JobView:
    """One job, as soon as it has ended or the time is over. Raises NotKnown."""
    # The wait begins before the look, so that the end of the job cannot be missed between them.
    with core.jobs_ended.wait(job) as waiting:
        view = await job_view(core, again(), job)
        if not JobState[view.state.upper()].ended:
            await asyncio.wait({waiting}, timeout=seconds)
            view = await job_view(core, again(), job)
    return view


async def wait_ended(
    core: Core, again: Callable[[], Principal], jobs: Sequence[int], seconds: float
) -> list[EndedJob]:
    """Those of `jobs` that have ended, as soon as there is one or the time is over. Raises NotKnown and Invalid."""
    if len(jobs) > JOBS_MAX:
        raise Invalid(
            f"The call names {len(jobs):,} jobs, but may name {JOBS_MAX:,}.",
            field="jobs",
            hint="Ask about them in several calls.",
        )
    with ExitStack() as waits:
        # The wait begins before the look, so that the end of a job cannot be missed between them.
        waiting = {waits.enter_context(core.jobs_ended.wait(job)): job for job in jobs}
        found = await _ended(core, again(), jobs)
        if not found and waiting and seconds > 0:
            done, _ = await asyncio.wait(waiting, timeout=seconds, return_when=asyncio.FIRST_COMPLETED)
            found = await _ended(core, again(), [waiting[each] for each in done])
    return found


async def _ended(core: Core, who: Principal, jobs: Sequence[int]) -> list[EndedJob]:
    rows, results = await core.read(partial(_read, jobs=jobs)) if jobs else ({}, {})
    ended = []
    for job in sorted(jobs):
        row = rows.get(job)
        if row is None:
            raise not_known(Kind.JOB, job)
        check(who, Action.SEE, job_thing(row.id, row.user, row.project))
        state = effective_state(core, row)
        if state.ended and (job in results or not row.characters):
            view = EndedJob(
                id=row.id,
                key=row.key,
                state=state.label,
                exit_code=row.exit_code,
                cause=row.cause,
                message=row.message or "",
                attempts=tries(row.attempts),
                result=results.get(job),
            )
            ended.append(view)
    return ended


def _read(connection: Connection, jobs: Sequence[int]) -> tuple[dict[int, Any], dict[int, msgspec.Raw]]:
    """The rows of these jobs, and the results that one answer holds."""
    rows = {row.id: row for row in connection.execute(_ROWS, {"jobs": jobs})}
    fit = _that_fit([(job, rows[job].characters) for job in sorted(rows) if rows[job].characters])
    if not fit:
        return rows, {}
    found = connection.execute(_RESULTS, {"jobs": fit})
    return rows, {job: msgspec.Raw(result.encode()) for job, result in found}


def _that_fit(sizes: Sequence[tuple[int, int]]) -> list[int]:
    """At least the first one."""
    sums = accumulate(characters for _, characters in sizes)
    return [
        job
        for place, ((job, _), total) in enumerate(zip(sizes, sums, strict=True))
        if not place or total <= RESULT_CHARACTERS_MAX
    ]
