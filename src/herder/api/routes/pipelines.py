"""Routes for configurations of pipelines: under `/api/v1` with all that is known of them, and as the documented text under `/api`."""

from fastapi import Request, Response
from starlette.routing import Route

from herder.api.http.replies import bearer, problem
from herder.api.http.route_table import Again, Repeat, RouteTable, Write
from herder.control.access.known_caller import trust
from herder.control.kernel.bounds.errors import NotReady, Refused
from herder.model.permissions import Action, Kind, Principal
from herder.ports.store import StoreDown
from herder.wire.api.resources import Page, Result
from herder.wire.pipelines import PipelineSet, PipelineView

TEXT = "application/yaml"
#: Of a configuration as JSON, with room for its escapes.
BYTES_MAX = 2 * 2**20
_SEE, _CREATE, _CHANGE = (Action.SEE, Kind.BATCH), (Action.CREATE, Kind.BATCH), (Action.CHANGE, Kind.BATCH)


def add(front: RouteTable) -> None:
    commands, reads = front.commands, front.reads

    async def list_pipelines(request: Request, who: Principal) -> Page:
        """Pipelines that the caller may read, without their configurations."""
        return reads.pipelines(who)

    async def get_pipeline(request: Request, who: Principal) -> PipelineView:
        """One pipeline with its configuration."""
        return await reads.pipeline(who, _name(request))

    def set_pipeline(write: Write) -> PipelineView:
        """Store the configuration of a pipeline, for jobs that read it from now on."""
        return commands.set_pipeline(write.who, _name(write.request), write.body, write.changes, write.now_ms)

    def delete_pipeline(write: Write) -> Result:
        """Delete a pipeline."""
        return commands.delete_pipeline(write.who, _name(write.request), write.changes, write.now_ms)

    front.read("/pipelines", list_pipelines, Page, _SEE)
    front.read("/pipelines/{pipeline}", get_pipeline, PipelineView, _SEE)
    front.write(
        "PUT", "/pipelines/{pipeline}", set_pipeline, PipelineSet, PipelineView, _CREATE, again=_again(front), bytes_max=BYTES_MAX
    )  # fmt: skip
    front.write("DELETE", "/pipelines/{pipeline}", delete_pipeline, None, Result, _CHANGE)


def add_documented(table: RouteTable) -> None:
    """The documented `PUT`: the body is the text itself."""
    commands = table.commands

    def put_config(write: Write) -> PipelineView:
        """Store the configuration of a pipeline."""
        body = PipelineSet(config=write.body, project=write.request.query_params.get("project"))
        return commands.set_pipeline(write.who, _name(write.request), body, write.changes, write.now_ms)

    table.write(
        "PUT", "/pipelines/{pipeline}/config", put_config, bytes, PipelineView, _CREATE, query=("project",), again=_again(table)
    )  # fmt: skip


def _again(table: RouteTable) -> Again:
    async def again(repeat: Repeat) -> PipelineView:
        found = await table.reads.pipeline(repeat.who, _name(repeat.request))
        found.config = ""
        return found

    return again


def config_route(front: RouteTable, prefix: str) -> Route:
    """The documented `GET`, for users and for attempts with their own token."""
    commands, reads = front.commands, front.reads

    async def config(request: Request) -> Response:
        try:
            token = bearer(request)
            of_attempt = token.startswith("attempt-")
            who = commands.user_of_attempt(token) if of_attempt else commands.principal(token)
            trust(request.scope, who.actor)
            found = await reads.pipeline(who, _name(request))
        except Refused as refused:
            return problem(refused)
        except StoreDown as error:
            return problem(NotReady(str(error), hint="Send the request again."))
        return Response(found.config, media_type=TEXT)

    return Route(f"{prefix}/pipelines/{{pipeline}}/config", config, methods=["GET"])


def _name(request: Request) -> str:
    return str(request.path_params["pipeline"])
