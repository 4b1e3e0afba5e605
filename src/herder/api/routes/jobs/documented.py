"""The routes that Mimir documents, under `/api` instead of `/api/v1`. Nothing here is in `openapi.json`; the page about Mimir describes it."""

from typing import Any

from fastapi import Request, Response
from starlette.routing import Route

from herder.api.http.bodies import BODY_BYTES_MAX, read_body
from herder.api.http.replies import bearer, decode, is_number, number, page_size, problem, reply
from herder.api.http.route_table import Repeat, RouteTable, Write
from herder.api.routes import alerts, budgets, documented_costs, pipelines, recommendations
from herder.control.access.known_caller import trust
from herder.control.kernel.bounds.errors import NotReady, Refused
from herder.control.reads.work.jobs import PAGE
from herder.model.permissions import Action, Kind, Principal
from herder.ports.store import StoreDown
from herder.wire.api.documented import (
    Completed,
    Completion,
    DocumentedJob,
    DocumentedJobs,
    DocumentedSubmission,
)
from herder.wire.api.work import JobsAdded

PREFIX = "/api"


def documented_front(front: RouteTable) -> RouteTable:
    """A table of its own that remembers repeated requests together with `front`."""
    table = RouteTable(front.core, front.commands, front.reads, requests=front.requests)
    commands, reads = table.commands, table.reads

    def submit(write: Write) -> JobsAdded:
        """Submit one job with a type."""
        return commands.submit_documented(write.who, write.body, write.changes, write.now_ms)

    def submitted(made: JobsAdded) -> Completed:
        return Completed(job_id=str(made.first_job), status="queued")

    async def again(repeat: Repeat) -> Completed:
        return Completed(job_id=str(repeat.made.number), status="queued")

    async def list_jobs(request: Request, who: Principal) -> DocumentedJobs:
        """Jobs, newest first."""
        return await reads.documented_jobs(who, number(request, "after"), page_size(request, PAGE))

    async def get_job(request: Request, who: Principal) -> DocumentedJob:
        """One job with what was submitted."""
        text = request.path_params["job"]
        if not is_number(text):
            return await reads.documented_named(who, text)
        return await reads.documented_job(who, int(text))

    creates, sees = (Action.CREATE, Kind.JOB), (Action.SEE, Kind.JOB)
    table.write(
        "POST", "/jobs", submit, DocumentedSubmission, Completed, creates, then=submitted, again=again
    )
    table.read("/jobs", list_jobs, DocumentedJobs, sees, query=("after", "limit"))
    table.read("/jobs/{job}", get_job, DocumentedJob, sees)
    pipelines.add_documented(table)
    alerts.add_documented(table)
    documented_costs.add_documented(table)
    recommendations.add_documented(table)
    budgets.add_documented(table)
    return table


def complete_route(front: RouteTable) -> Route:
    """Called by attempts with their own token."""
    commands = front.commands

    async def completing(request: Request) -> Response:
        try:
            token = bearer(request)
            job = commands.job_of_attempt(token)
            trust(request.scope, f"attempt/{job}")
            body: Any = decode(await read_body(request, BODY_BYTES_MAX), Completion)
            status = await commands.complete_attempt(token, request.path_params["job"], body)
        except Refused as refused:
            return problem(refused)
        except StoreDown as error:
            return problem(NotReady(str(error), hint="Send the request again."))
        return reply(Completed(job_id=str(job), status=status))  # type: ignore[arg-type]

    return Route(f"{PREFIX}/jobs/{{job}}/complete", completing, methods=["POST"])
