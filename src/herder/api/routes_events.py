"""Routes for events (pages and the stream), health, readiness, invariants and metrics."""

import asyncio
from collections.abc import AsyncIterator

import msgspec
from fastapi import Request, Response
from fastapi.responses import StreamingResponse
from prometheus_client import CONTENT_TYPE_LATEST, generate_latest

from herder.api.front import Front
from herder.api.replies import bearer, is_number, number, problem, reply
from herder.control.auth import Principal, Role
from herder.control.core import Core
from herder.control.errors import NotReady, Refused
from herder.control.metrics import registry_of
from herder.control.reads import fleet as reads
from herder.engine.invariants import violations
from herder.model.records import EventRecord
from herder.ports.store import StoreDown
from herder.store.invariants import violations as stored_violations
from herder.wire.resources import EventView, Page

#: A comment goes out this often when nothing happens, so that proxies and clients know the stream lives.
HEARTBEAT_S = 15.0
#: Events read at a time when a stream catches up.
CATCH_UP = 500

#: A store that has not written for longer than this is not ready.
READY_S = 5.0

_encode = msgspec.json.Encoder().encode


def add(front: Front) -> None:
    core = front.core

    async def list_events(request: Request, who: Principal) -> Page:
        """What happened, in order; newest=true turns it round."""
        query = request.query_params
        return await reads.event_page(
            core,
            after=number(request, "after"),
            kind=query.get("kind"),
            subject=query.get("object"),
            limit=number(request, "limit", 100) or 100,
            newest=query.get("newest", "") in ("1", "true"),
        )

    async def stream(request: Request, who: Principal) -> Response:
        """Events as they happen (server-sent events); Last-Event-ID resumes."""
        text = request.headers.get("last-event-id", "")
        after = int(text) if is_number(text) else number(request, "after")
        return StreamingResponse(
            _stream(core, after), media_type="text/event-stream", headers={"Cache-Control": "no-store"}
        )

    async def invariants(request: Request, who: Principal) -> Response:
        """Recompute every count from the rows, and check the engine's memory."""
        await core.settle()
        found = violations(core.state)
        return reply({"violations": found + await core.read(stored_violations)})

    front.read("/events", list_events, Page, query=("after", "kind", "object", "limit", "newest"))
    front.read("/events/stream", stream, "text/event-stream", query=("after",))
    front.read("/invariants", invariants, "application/json", role=Role.OPERATOR)


async def _stream(core: Core, after: int | None) -> AsyncIterator[bytes]:
    """First what is in the table, then what is published; a number at or below the last one sent is not sent again."""
    queue = core.events.watch()
    try:
        last = core.state.next_event - 1 if after is None else after
        yield b": herder\n\n"
        while True:
            page = await reads.event_page(core, after=last, limit=CATCH_UP)
            for view in page.items:
                last = view.sequence
                yield _frame(view)
            if page.next is None:
                break
        while True:
            try:
                record: EventRecord | None = await asyncio.wait_for(queue.get(), HEARTBEAT_S)
            except TimeoutError:
                yield b": still here\n\n"
                continue
            if record is None:
                return  # too slow; the client resumes from the table
            if record.sequence > last:
                last = record.sequence
                yield _frame(reads.event_view(record))
    finally:
        core.events.unwatch(queue)


def _frame(view: EventView) -> bytes:
    return b"id: %d\nevent: %s\ndata: %s\n\n" % (view.sequence, view.kind.encode(), _encode(view))


async def health(request: Request) -> Response:
    """The process answers."""
    return reply({"status": "ok"})


def ready(core: Core):  # type: ignore[no-untyped-def]
    async def endpoint(request: Request) -> Response:
        """The store takes writes."""
        try:
            core.take_in_work()
            await asyncio.wait_for(core.settle(), READY_S)
        except Refused as refused:
            return problem(refused)
        except StoreDown as error:
            return problem(NotReady(str(error)))
        except TimeoutError:
            return problem(NotReady(f"the store has not taken a write within {READY_S:g} s"))
        return reply({"status": "ready"})

    return endpoint


def metrics(core: Core):  # type: ignore[no-untyped-def]
    registry = registry_of(core)

    async def endpoint(request: Request) -> Response:
        """Prometheus' text format."""
        try:
            core.directory.principal(bearer(request))
        except Refused as refused:
            return problem(refused)
        return Response(generate_latest(registry), media_type=CONTENT_TYPE_LATEST)

    return endpoint
