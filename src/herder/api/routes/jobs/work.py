"""Routes for batches and jobs."""

from collections.abc import Awaitable, Callable
from typing import Any

from fastapi import Request

from herder.api.http.bodies import SUBMISSION_BYTES_MAX
from herder.api.http.replies import held_s, number, page_size, path_number
from herder.api.http.route_table import DRY_RUN, Repeat, RouteTable, Write
from herder.api.routes.jobs import ended_jobs, groups, output
from herder.control.reads.search.batches import BatchFilter
from herder.control.reads.work.jobs import PAGE, JobFilter
from herder.model.permissions import Action, Kind, Principal
from herder.wire.api.resources import Explanation, Message, Page, Result
from herder.wire.api.work import BatchCreate, BatchView, JobDetail, JobsAdd, JobsAdded, JobSubmission, JobView

_SEE_BATCH, _SEE_JOB = (Action.SEE, Kind.BATCH), (Action.SEE, Kind.JOB)
_CHANGE_BATCH, _CHANGE_JOB = (Action.CHANGE, Kind.BATCH), (Action.CHANGE, Kind.JOB)
_PAGES = ("after", "limit")
_JOB_FILTER = ("batch", "state", "user", "pool", "name", "group", "q", *_PAGES)


def add(front: RouteTable) -> None:
    _add_batch_writes(front)
    _add_batch_states(front)
    _add_batch_holds(front)
    _add_batch_deletion(front)
    _add_batch_reads(front)
    groups.add(front)
    _add_job_writes(front)
    _add_job_holds(front)
    ended_jobs.add(front)  # before the reads, whose path of one job would take its name
    _add_job_reads(front)
    _add_job_questions(front)


def _finds_batch(front: RouteTable) -> Callable[[Request, Principal], Awaitable[None]]:
    async def find(request: Request, who: Principal) -> None:
        await front.commands.find_batch(who, path_number(request, "batch"))

    return find


def _add_batch_writes(front: RouteTable) -> None:
    commands, find = front.commands, _finds_batch(front)

    def create_batch(write: Write) -> Any:
        """Create a batch with up to 10,000 jobs, and commit it if requested."""
        if write.dry_run:
            return commands.try_batch(write.who, write.body)
        return commands.create_batch(write.who, write.body, write.changes, write.now_ms)

    def add_jobs(write: Write) -> JobsAdded | Result:
        """Add up to 10,000 jobs to a batch that accepts jobs."""
        batch = path_number(write.request, "batch")
        if write.dry_run:
            return commands.try_jobs(write.who, batch, write.body)
        return commands.add_jobs(write.who, batch, write.body, write.changes, write.now_ms)

    async def made_batch(repeat: Repeat) -> BatchView:
        return await front.reads.batch(repeat.who, repeat.made.number)

    creates = (Action.CREATE, Kind.BATCH)
    front.write(
        "POST",
        "/batches",
        create_batch,
        BatchCreate,
        BatchView,
        creates,
        then=front.reads.live_batch,
        again=made_batch,
        query=DRY_RUN,
        makes_batch=True,
        bytes_max=SUBMISSION_BYTES_MAX,
    )
    front.write(
        "POST",
        "/batches/{batch}/jobs",
        add_jobs,
        JobsAdd,
        JobsAdded,
        _CHANGE_BATCH,
        before=find,
        query=DRY_RUN,
        bytes_max=SUBMISSION_BYTES_MAX,
    )


def _add_batch_states(front: RouteTable) -> None:
    commands, find = front.commands, _finds_batch(front)

    def commit_batch(write: Write) -> Any:
        """Start a batch."""
        return commands.commit_batch(
            write.who, path_number(write.request, "batch"), write.changes, write.now_ms
        )

    def cancel_batch(write: Write) -> Result:
        """Cancel all jobs of a batch that have not ended."""
        batch = path_number(write.request, "batch")
        said, dry = write.body.message, write.dry_run
        return commands.cancel_batch(write.who, batch, write.changes, write.now_ms, message=said, dry_run=dry)

    async def same_batch(repeat: Repeat) -> BatchView:
        return await front.reads.batch(repeat.who, path_number(repeat.request, "batch"))

    front.write(
        "POST",
        "/batches/{batch}/commit",
        commit_batch,
        None,
        BatchView,
        _CHANGE_BATCH,
        before=find,
        then=front.reads.live_batch,
        again=same_batch,
    )
    front.write(
        "POST",
        "/batches/{batch}/cancel",
        cancel_batch,
        Message,
        Result,
        _CHANGE_BATCH,
        before=find,
        query=DRY_RUN,
    )


def _add_batch_holds(front: RouteTable) -> None:
    commands, find = front.commands, _finds_batch(front)

    def hold_batch(write: Write) -> Result:
        """Hold the jobs of a batch that have not started."""
        return change(write, hold=True)

    def release_batch(write: Write) -> Result:
        """Release a batch that is held."""
        return change(write, hold=False)

    def change(write: Write, *, hold: bool) -> Result:
        batch, said = path_number(write.request, "batch"), write.body.message
        return commands.hold_batch(write.who, batch, write.changes, write.now_ms, message=said, hold=hold)

    def close_batch(write: Write) -> Result:
        """Accept no more jobs in a batch that was created with keep_open."""
        return commands.close_batch(
            write.who, path_number(write.request, "batch"), write.changes, write.now_ms
        )

    front.write("POST", "/batches/{batch}/close", close_batch, None, Result, _CHANGE_BATCH, before=find)
    for verb, run in (("hold", hold_batch), ("release", release_batch)):
        front.write("POST", f"/batches/{{batch}}/{verb}", run, Message, Result, _CHANGE_BATCH, before=find)

    async def find_ended(request: Request, who: Principal) -> None:
        request.state.ended = await commands.find_ended(who, path_number(request, "batch"))

    def retry_batch(write: Write) -> Result:
        """Retry the failed jobs of a batch, and those that were skipped because of them."""
        found = write.request.state.ended
        return commands.retry_batch(write.who, found, write.changes, write.now_ms, dry_run=write.dry_run)

    front.write(
        "POST",
        "/batches/{batch}/retry",
        retry_batch,
        None,
        Result,
        _CHANGE_BATCH,
        before=find_ended,
        query=DRY_RUN,
        planned=lambda write, answer: commands.state_of_retry(write.request.state.ended, answer),
    )


def _add_batch_deletion(front: RouteTable) -> None:
    commands = front.commands

    async def find(request: Request, who: Principal) -> None:
        request.state.stored = await commands.find_stored(who, path_number(request, "batch"))

    def delete_batch(write: Write) -> Result:
        """Delete a batch that has ended, with its jobs, their attempts and their output."""
        batch, found = path_number(write.request, "batch"), write.request.state.stored
        said = write.request.query_params.get("message", "")
        return commands.delete_batch(
            write.who, batch, found, write.changes, write.now_ms, message=said, dry_run=write.dry_run
        )

    front.write(
        "DELETE",
        "/batches/{batch}",
        delete_batch,
        None,
        Result,
        _CHANGE_BATCH,
        before=find,
        query=("dry_run", "message"),
    )


def _add_batch_reads(front: RouteTable) -> None:
    reads = front.reads

    async def list_batches(request: Request, who: Principal) -> Page:
        """Batches, newest first."""
        query = request.query_params
        wanted = BatchFilter(
            user=query.get("user"),
            state=query.get("state"),
            query=query.get("q"),
            after=number(request, "after"),
            limit=page_size(request, PAGE),
        )
        return await reads.batches(who, wanted)

    async def get_batch(request: Request, who: Principal) -> BatchView:
        """One batch."""
        return await reads.batch(who, path_number(request, "batch"))

    async def wait_batch(request: Request, who: Principal) -> BatchView:
        """One batch, as soon as it has ended or the time is over."""
        return await reads.wait_batch(front.again(request), path_number(request, "batch"), held_s(request))

    front.read("/batches", list_batches, Page, _SEE_BATCH, query=("user", "state", "q", *_PAGES))
    front.read("/batches/{batch}", get_batch, BatchView, _SEE_BATCH)
    front.read("/batches/{batch}/wait", wait_batch, BatchView, _SEE_BATCH, query=("timeout_s",))


def _add_job_writes(front: RouteTable) -> None:
    commands = front.commands

    def submit_job(write: Write) -> JobsAdded | Result:
        """Submit one job."""
        if write.dry_run:
            return commands.try_job(write.who, write.body)
        return commands.submit_job(write.who, write.body, write.changes, write.now_ms)

    async def find(request: Request, who: Principal) -> None:
        request.state.job = await commands.find_job(who, path_number(request, "job"))

    def cancel(write: Write) -> Result:
        """Cancel one job."""
        found, said = write.request.state.job, write.body.message
        return commands.cancel_job(
            write.who, found, write.changes, write.now_ms, message=said, dry_run=write.dry_run
        )

    async def find_again(request: Request, who: Principal) -> None:
        request.state.again = await commands.job_again(who, path_number(request, "job"))

    def retry(write: Write) -> JobsAdded | Result:
        """Submit a job that has ended again, as a new job."""
        again = write.request.state.again
        if write.dry_run:
            return commands.try_job(write.who, again)
        return commands.submit_job(write.who, again, write.changes, write.now_ms)

    creates = (Action.CREATE, Kind.JOB)
    front.write(
        "POST", "/jobs/{job}/retry", retry, None, JobsAdded, creates, before=find_again, query=DRY_RUN
    )
    front.write("POST", "/jobs", submit_job, JobSubmission, JobsAdded, creates, query=DRY_RUN)
    front.write(
        "POST",
        "/jobs/{job}/cancel",
        cancel,
        Message,
        Result,
        _CHANGE_JOB,
        before=find,
        query=DRY_RUN,
        planned=lambda write, answer: commands.state_of_job(write.request.state.job[0], answer),
    )


def _add_job_holds(front: RouteTable) -> None:
    commands = front.commands

    async def find(request: Request, who: Principal) -> None:
        request.state.job = await commands.find_job(who, path_number(request, "job"))

    def hold(write: Write) -> Result:
        """Hold one job that has not started."""
        return change(write, hold=True)

    def release(write: Write) -> Result:
        """Release one job that is held."""
        return change(write, hold=False)

    def change(write: Write, *, hold: bool) -> Result:
        found, said = write.request.state.job, write.body.message
        return commands.hold_job(write.who, found, write.changes, write.now_ms, message=said, hold=hold)

    for verb, run in (("hold", hold), ("release", release)):
        front.write("POST", f"/jobs/{{job}}/{verb}", run, Message, Result, _CHANGE_JOB, before=find)


def _add_job_reads(front: RouteTable) -> None:
    reads = front.reads

    async def list_jobs(request: Request, who: Principal) -> Page:
        """Jobs, newest first; with batch, the jobs of this batch in their order."""
        query = request.query_params
        wanted = JobFilter(
            batch=number(request, "batch"),
            state=query.get("state"),
            user=query.get("user"),
            pool=query.get("pool"),
            name=query.get("name"),
            group=query.get("group"),
            query=query.get("q"),
            after=number(request, "after"),
            limit=page_size(request, PAGE),
        )
        return await reads.jobs(who, wanted)

    async def get_job(request: Request, who: Principal) -> JobDetail:
        """One job with its attempts, its command and its result."""
        return await reads.job(who, path_number(request, "job"))

    async def wait_job(request: Request, who: Principal) -> JobView:
        """One job, as soon as it has ended or the time is over."""
        return await reads.wait_job(front.again(request), path_number(request, "job"), held_s(request))

    front.read("/jobs", list_jobs, Page, _SEE_JOB, query=_JOB_FILTER)
    front.read("/jobs/{job}", get_job, JobDetail, _SEE_JOB)
    front.read("/jobs/{job}/wait", wait_job, JobView, _SEE_JOB, query=("timeout_s",))


def _add_job_questions(front: RouteTable) -> None:
    reads = front.reads

    async def explain(request: Request, who: Principal) -> Explanation:
        """Why a job is in the state it is in."""
        return await reads.explain(who, path_number(request, "job"))

    front.read("/jobs/{job}/explain", explain, Explanation, _SEE_JOB)
    output.add(front)
