"""Routes for events (pages and the stream), health, readiness, invariants and metrics."""

from collections.abc import AsyncIterator

import msgspec
from fastapi import Request, Response
from fastapi.responses import StreamingResponse
from prometheus_client import CONTENT_TYPE_LATEST

from herder.api.http.replies import bearer, flag, is_number, number, page_size, problem, reply
from herder.api.http.route_table import RouteTable
from herder.control.kernel.bounds.errors import NotReady, Refused
from herder.control.reads.port import Reads
from herder.model.permissions import Action, Kind, Principal
from herder.ports.store import StoreDown
from herder.wire.api.resources import EventView, Page

_SEE = (Action.SEE, Kind.EVENT)
_encode = msgspec.json.Encoder().encode


def add(front: RouteTable) -> None:
    reads = front.reads

    async def list_events(request: Request, who: Principal) -> Page:
        """Events, oldest first; with newest=true newest first."""
        query = request.query_params
        return await reads.events(
            who,
            after=number(request, "after"),
            kind=query.get("kind"),
            subject=query.get("object"),
            limit=page_size(request),
            newest=flag(request, "newest"),
        )

    async def stream(request: Request, who: Principal) -> Response:
        """Events as they happen, as server-sent events. Last-Event-ID resumes the stream."""
        text = request.headers.get("last-event-id", "")
        after = int(text) if is_number(text) else number(request, "after")
        events = reads.event_stream(lambda: front.commands.principal(bearer(request)), after)
        return StreamingResponse(
            _frames(events), media_type="text/event-stream", headers={"Cache-Control": "no-store"}
        )

    async def invariants(request: Request, who: Principal) -> Response:
        """Recompute every count from the rows, and check the engine's memory."""
        return reply({"violations": await reads.invariants(who)})

    front.read("/events", list_events, Page, _SEE, query=("after", "kind", "object", "limit", "newest"))
    front.read("/events/stream", stream, "text/event-stream", _SEE, query=("after",))
    front.read("/invariants", invariants, "application/json", (Action.SEE, Kind.BOOKS))


async def _frames(events: AsyncIterator[EventView | None]) -> AsyncIterator[bytes]:
    yield b": herder\n\n"
    async for view in events:
        yield b": still here\n\n" if view is None else _frame(view)


def _frame(view: EventView) -> bytes:
    return b"id: %d\nevent: %s\ndata: %s\n\n" % (view.sequence, view.kind.encode(), _encode(view))


def health(reads: Reads):  # type: ignore[no-untyped-def]
    async def endpoint(request: Request) -> Response:
        """The process answers, and says whether it leads."""
        return reply({"status": "ok", "role": "leader" if reads.leads() else "unknown"})

    return endpoint


def ready(reads: Reads):  # type: ignore[no-untyped-def]
    async def endpoint(request: Request) -> Response:
        """The store takes writes."""
        try:
            await reads.ready()
        except Refused as refused:
            return problem(refused)
        except StoreDown as error:
            return problem(NotReady(str(error)))
        return reply({"status": "ready"})

    return endpoint


def metrics(front: RouteTable):  # type: ignore[no-untyped-def]
    async def endpoint(request: Request) -> Response:
        """Prometheus' text format."""
        try:
            who = front.commands.principal(bearer(request))
            text = front.reads.metrics(who)
        except Refused as refused:
            return problem(refused)
        return Response(text, media_type=CONTENT_TYPE_LATEST)

    return endpoint
