"""The pages of batches: `/batches` is a search, `/batches/N` one batch with its jobs by state, its groups and what failed."""

from starlette.requests import Request

from herder.control.reads.search.batches import BatchFilter
from herder.control.reads.work.jobs import JobFilter
from herder.model.permissions import Principal
from herder.web.actions.buttons import of_batch
from herder.web.batch_graph import DRAWN_MAX, counts_by_depth, drawing
from herder.web.pages.search import ROWS, add_search
from herder.web.pages.site import Shown, Site, number_in
from herder.web.timeline import bars
from herder.wire.api.resources import Page
from herder.wire.api.work import JobView

#: Failed jobs on the page of a batch.
FAILED_SHOWN = 20
GROUPS_SHOWN = 20


def add(site: Site) -> None:
    reads = site.reads

    async def find(who: Principal, query: str | None, after: int | None) -> Page:
        return await reads.batches(who, BatchFilter(query=query, after=after, limit=ROWS))

    async def show(who: Principal, request: Request) -> Shown:
        number = number_in(request, "batch")
        batch = await reads.batch(who, number)
        failed: Page | None = None
        if batch.counts.get("failed"):
            wanted = JobFilter(batch=number, state="failed", limit=FAILED_SHOWN)
            failed = await reads.jobs(who, wanted)
        graph = await reads.job_graph(who, number)
        jobs: list[JobView] = []
        if batch.jobs <= DRAWN_MAX:
            jobs = (await reads.jobs(who, JobFilter(batch=number, limit=DRAWN_MAX))).items
        drawn = drawing(jobs, graph.dependencies) if jobs and graph.dependencies else None
        groups = await reads.groups(who, number, after=None, limit=GROUPS_SHOWN)
        depths = counts_by_depth(batch.jobs, graph.dependencies) if graph.whole else []
        return Shown(
            template="batches/one.html",
            command=f"herder batch get {number}",
            api=f"/api/v1/batches/{number}",
            values={
                "batch": batch,
                "buttons": of_batch(who, batch),
                "failed": failed,
                "groups": groups,
                "graph": graph,
                "drawn": drawn,
                "depths": depths,
                "bars": bars(jobs, reads.now_ms()),
            },
        )

    add_search(site, "/batches", "batches/list.html", "herder batch list", find)
    site.add("/batches/{number}", "batches", "batch", show)
