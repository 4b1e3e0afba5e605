"""Routes for batches and jobs."""

import asyncio
from collections import Counter
from collections.abc import AsyncIterator
from typing import Any

from fastapi import Request
from fastapi.responses import PlainTextResponse, StreamingResponse

from herder.api.bodies import SUBMISSION_BYTES_MAX
from herder.api.front import Front, Write
from herder.api.replies import flag, is_number, number
from herder.control import submission
from herder.control.auth import Principal
from herder.control.core import Core, Waiters
from herder.control.errors import Invalid, Overloaded
from herder.control.explain import explain_job
from herder.control.fleet import cancel_job
from herder.control.reads import jobs as reads
from herder.model.ids import BatchId, ClassId, JobId
from herder.model.job import JobState
from herder.wire.resources import (
    BatchCreate,
    BatchView,
    Done,
    Explanation,
    JobDetail,
    JobsAdd,
    JobsAdded,
    JobSubmission,
    JobView,
    Page,
    Said,
)

#: Longest that a wait call is held open; clients ask again.
WAIT_LONGEST_S = 30
#: The longest between two looks at the output of a running job; new output is sent at once.
FOLLOW_S = 2.0
#: Outputs that are followed at a time, in all and by one user.
FOLLOWERS_MAX = 500
FOLLOWERS_EACH_MAX = 50

_PAGES = ("after", "limit")


def add(front: Front) -> None:
    core = front.core

    def create_batch(write: Write) -> Any:
        """Make a batch, with up to 10,000 jobs along, and commit it if asked for."""
        return submission.create(core, write.who, write.body, write.changes, write.now_ms)

    def add_jobs(write: Write) -> JobsAdded:
        """Add up to 10,000 jobs to an open batch."""
        batch = _id(write.request, "batch")
        return submission.add(core, write.who, batch, write.body.jobs, write.changes, write.now_ms)

    def commit_batch(write: Write) -> Any:
        """Start a batch."""
        return submission.commit(core, write.who, _id(write.request, "batch"), write.changes, write.now_ms)

    def cancel_batch(write: Write) -> Done:
        """Cancel what has not ended."""
        batch = _id(write.request, "batch")
        text = submission.cancel(
            core, write.who, batch, write.changes, write.now_ms, message=write.body.message
        )
        return Done(object=f"batch/{batch}", text=text)

    def submit_job(write: Write) -> JobsAdded:
        """Submit one job."""
        return submission.submit(core, write.who, write.body, write.changes, write.now_ms)

    big = SUBMISSION_BYTES_MAX
    front.write(
        "POST", "/batches", create_batch, BatchCreate, BatchView, then=reads.live_batch, bytes_max=big
    )
    front.write("POST", "/batches/{batch}/jobs", add_jobs, JobsAdd, JobsAdded, bytes_max=big)
    front.write("POST", "/batches/{batch}/commit", commit_batch, None, BatchView, then=reads.live_batch)
    front.write("POST", "/batches/{batch}/cancel", cancel_batch, Said, Done)
    front.write("POST", "/jobs", submit_job, JobSubmission, JobsAdded)
    _add_batch_reads(front)
    _add_job_reads(front)
    _add_job_questions(front)
    _add_cancel(front)


def _add_batch_reads(front: Front) -> None:
    core = front.core

    async def list_batches(request: Request, who: Principal) -> Page:
        """Batches, newest first."""
        query = request.query_params
        return await reads.batch_page(
            core,
            user=query.get("user"),
            state=query.get("state"),
            after=number(request, "after"),
            limit=number(request, "limit", reads.PAGE) or reads.PAGE,
        )

    async def get_batch(request: Request, who: Principal) -> BatchView:
        """One batch."""
        return await reads.batch_view(core, _id(request, "batch"))

    async def wait_batch(request: Request, who: Principal) -> BatchView:
        """One batch, when it has ended or the time is up."""
        batch = _id(request, "batch")
        view = await reads.batch_view(core, batch)
        if view.ended_at is None:
            await _wait(core.batches_ended, batch, request, lambda: BatchId(batch) not in core.state.batches)
            view = await reads.batch_view(core, batch)
        return view

    front.read("/batches", list_batches, Page, query=("user", "state", *_PAGES))
    front.read("/batches/{batch}", get_batch, BatchView)
    front.read("/batches/{batch}/wait", wait_batch, BatchView, query=("timeout_s",))


def _add_job_reads(front: Front) -> None:
    core = front.core

    async def list_jobs(request: Request, who: Principal) -> Page:
        """Jobs, newest first; those of one batch in its order."""
        query = request.query_params
        wanted = reads.JobFilter(
            batch=number(request, "batch"),
            state=query.get("state"),
            user=query.get("user"),
            pool=query.get("pool"),
            after=number(request, "after"),
            limit=number(request, "limit", reads.PAGE) or reads.PAGE,
        )
        return await reads.job_page(core, wanted)

    async def get_job(request: Request, who: Principal) -> JobDetail:
        """One job with its attempts, its command and its result."""
        return await reads.job_detail(core, _id(request, "job"))

    async def wait_job(request: Request, who: Principal) -> JobView:
        """One job, when it has ended or the time is up."""
        job = _id(request, "job")
        with core.jobs_ended.wait(job) as waiting:  # before looking, so that its end cannot be missed
            view = await reads.job_view(core, job)
            if not JobState[view.state.upper()].ended:
                await asyncio.wait({waiting}, timeout=_seconds(request))
                view = await reads.job_view(core, job)
        return view

    front.read("/jobs", list_jobs, Page, query=("batch", "state", "user", "pool", *_PAGES))
    front.read("/jobs/{job}", get_job, JobDetail)
    front.read("/jobs/{job}/wait", wait_job, JobView, query=("timeout_s",))


def _add_job_questions(front: Front) -> None:
    core = front.core
    followers: Counter[str] = Counter()

    async def explain(request: Request, who: Principal) -> Explanation:
        """Why a job is in the state it is in."""
        return await explain_job(core, _id(request, "job"))

    async def logs(request: Request, who: Principal) -> PlainTextResponse | StreamingResponse:
        """What a job printed; with follow=true until it has ended."""
        job, attempt, offset = (
            _id(request, "job"),
            number(request, "attempt"),
            max(0, number(request, "offset", 0) or 0),
        )
        text, offset, over = await reads.log_text(core, job, attempt, offset)
        if not flag(request, "follow"):
            return PlainTextResponse(text)

        if followers[who.user] >= FOLLOWERS_EACH_MAX or followers.total() >= FOLLOWERS_MAX:
            raise Overloaded(
                f"{followers[who.user]} outputs are followed by {who.user}, {followers.total()} in all",
                hint="end some of them, or read it without following",
            )
        pieces = _follow(core, job, attempt, (text, offset, over), followers, who.user)
        return StreamingResponse(pieces, media_type="text/plain; charset=utf-8")

    front.read("/jobs/{job}/explain", explain, Explanation)
    front.read("/jobs/{job}/logs", logs, "text/plain", query=("attempt", "offset", "follow"))


async def _follow(
    core: Core,
    job: int,
    attempt: int | None,
    had: tuple[str, int, bool],
    followers: Counter[str],
    user: str,
) -> AsyncIterator[str]:
    """What a job prints from `had` on (text, next offset, whether it has ended), until it has ended."""
    text, at, ended = had
    followers[user] += 1
    try:
        while True:
            with core.output_came.wait(job) as came:  # before looking, so that nothing is missed
                if text:
                    yield text
                if ended or core.closing:
                    return
                text, at, ended = await reads.log_text(core, job, attempt, at)
                if not text and not ended:
                    await asyncio.wait({came}, timeout=FOLLOW_S)
    finally:
        followers[user] -= 1
        if not followers[user]:
            del followers[user]


def _add_cancel(front: Front) -> None:
    """A job's class and batch never change, so they may be read before the step that cancels it."""
    core = front.core

    async def look_up(request: Request) -> None:
        row = await reads.job_row(core, _id(request, "job"))
        request.state.job = (JobId(row.id), ClassId(row.class_id), row.batch_id)

    def cancel(write: Write) -> Done:
        """Cancel one job."""
        job, class_id, batch = write.request.state.job
        batch_id = BatchId(batch) if batch is not None else None
        text = cancel_job(
            core, write.who, job, class_id, batch_id, write.changes, write.now_ms, message=write.body.message
        )
        return Done(object=f"job/{job}", text=text)

    front.write("POST", "/jobs/{job}/cancel", cancel, Said, Done, before=look_up)


async def _wait(waiters: Waiters, key: int, request: Request, over: Any) -> None:
    seconds = _seconds(request)
    with waiters.wait(key) as waiting:
        if not over():
            await asyncio.wait({waiting}, timeout=seconds)


def _seconds(request: Request) -> float:
    text = request.query_params.get("timeout_s", "")
    try:
        return min(WAIT_LONGEST_S, max(0.0, float(text or WAIT_LONGEST_S)))
    except ValueError:
        raise Invalid(f"{text!r} is not a number of seconds", field="timeout_s") from None


def _id(request: Request, name: str) -> int:
    text = request.path_params[name]
    if not is_number(text):
        raise Invalid(f"{text!r} is not a {name}'s number", field=name)
    return int(text)
