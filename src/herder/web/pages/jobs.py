"""The pages of jobs: `/jobs` is a search, `/jobs/N` one job with its attempts, why it is where it is, and the end of its output."""

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from herder.control.kernel.bounds.errors import NotKnown, Unauthenticated
from herder.control.reads.work.followed_output import How
from herder.control.reads.work.jobs import JobFilter
from herder.control.reads.work.output_events import EVENTS, place_of
from herder.model.permissions import Principal
from herder.web.actions.buttons import of_job
from herder.web.job_use import use_of
from herder.web.output_tail import LINES_MAX, tail_of
from herder.web.pages.search import ROWS, add_search
from herder.web.pages.site import Shown, Site, number_in
from herder.web.session import visitor
from herder.wire.api.resources import Page

#: Parents of a job that the page names.
PARENTS_SHOWN = 20


def add(site: Site) -> None:
    reads = site.reads

    async def find(who: Principal, query: str | None, after: int | None) -> Page:
        return await reads.jobs(who, JobFilter(query=query, after=after, limit=ROWS))

    async def show(who: Principal, request: Request) -> Shown:
        number = number_in(request, "job")
        job = await reads.job(who, number)
        output = None
        if job.attempts:
            try:
                output = tail_of(await reads.log(who, number, None, 0))
            except NotKnown:  # its output was removed by age
                output = None
        why = await reads.explain(who, number)
        return Shown(
            template="jobs/one.html",
            command=f"herder job get {number}",
            api=f"/api/v1/jobs/{number}",
            values={
                "job": job,
                "buttons": of_job(who, job),
                "why": why,
                "expected": next((each.text for each in why.facts if each.kind == "eta"), ""),
                "uses": use_of(job),
                "output": output,
                "parents": job.parents[:PARENTS_SHOWN],
            },
        )

    async def follow(who: Principal, request: Request) -> Response:
        """The end of the output, then what comes, as server-sent events; a browser that comes back goes on where it was."""
        number = number_in(request, "job")
        place = place_of(request.headers.get("last-event-id", ""))
        begin, offset = place or (None, 0)
        how = How(begin=begin, tail=LINES_MAX if place is None else None, form=EVENTS)
        pieces = await reads.follow_log(lambda: _again(site, request), number, None, offset, how)
        headers = {"X-Accel-Buffering": "no"}  # a proxy that buffers would keep the stream back
        return StreamingResponse(pieces, media_type="text/event-stream", headers=headers)

    add_search(site, "/jobs", "jobs/list.html", "herder job list", find)
    site.add("/jobs/{number}", "jobs", "job", show)
    site.add("/jobs/{number}/output/stream", "jobs", "output", follow)


def _again(site: Site, request: Request) -> Principal:
    """Who follows, looked up anew: a session that has ended ends the stream. Raises Unauthenticated."""
    who = visitor(site.commands, request)
    if who is None:
        raise Unauthenticated("Your session has ended.", hint="Sign in again at /login.")
    return who
