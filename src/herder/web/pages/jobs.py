"""The pages of jobs: `/jobs` is a search, `/jobs/N` one job with its attempts, why it is where it is, and the end of its output."""

from starlette.requests import Request

from herder.control.kernel.bounds.errors import NotKnown
from herder.control.reads.work.jobs import JobFilter
from herder.model.permissions import Principal
from herder.web.output_tail import tail_of
from herder.web.pages.search import ROWS, add_search
from herder.web.pages.site import Shown, Site, number_in
from herder.wire.api.resources import Page


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
        return Shown(
            template="jobs/one.html",
            command=f"herder job get {number}",
            api=f"/api/v1/jobs/{number}",
            values={"job": job, "why": await reads.explain(who, number), "output": output},
        )

    add_search(site, "/jobs", "jobs/list.html", "herder job list", find)
    site.add("/jobs/{number}", "jobs", "job", show)
