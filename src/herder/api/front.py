"""What every route has in common: who calls, errors as problems, writes that commit before they answer.

Routes are plain functions; `read` and `write` turn them into endpoints and remember what OpenAPI needs to know of them.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from fastapi import APIRouter, FastAPI, Request, Response

from herder.api.bodies import BODY_BYTES_MAX, read_body
from herder.api.replies import bearer, decode, problem, reply
from herder.control.access import OF_KIND, check
from herder.control.commands import Commands
from herder.control.core import Core
from herder.control.errors import NotReady, Refused
from herder.control.reads.port import Reads
from herder.control.requests import Kind as MadeKind
from herder.control.requests import Made, Requests, fingerprint_of
from herder.control.standing import trust
from herder.model.changes import Changes
from herder.model.principal import LEAST, Action, Kind, Principal
from herder.ports.store import StoreDown
from herder.wire.resources import Done, JobsAdded

#: What a route does to what kind of object; whose it is, the command or read asks itself.
Needs = tuple[Action, Kind]
SEE_FLEET: Needs = (Action.SEE, Kind.FLEET)
CHANGE_FLEET: Needs = (Action.CHANGE, Kind.FLEET)

#: Larger bodies than this take the event loop milliseconds: they are carried out one after the other, with room for others between.
LARGE_BYTES = 256 * 2**10

Reading = Callable[[Request, Principal], Awaitable[Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Write:
    """What a writing route is given."""

    request: Request
    who: Principal
    body: Any
    changes: Changes
    now_ms: int


Writing = Callable[[Write], Any]
Again = Callable[[Request, Principal, Made], Awaitable[Any]]


def _again(made: Made) -> Any:
    """What a repeated request is answered where nothing else is said."""
    if made.kind in (MadeKind.JOB, MadeKind.BUNCH):
        return JobsAdded(batch=made.batch, first_job=made.number, count=made.count)
    return Done(object=made.object, text=made.text)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Route:
    """How one write is carried out; see `Front.write`."""

    run: Writing
    body: Any
    needs: Needs
    then: Callable[[Any], Any] | None
    keyed: bool
    again: Again | None
    makes_batch: bool
    bytes_max: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation:
    """One route as OpenAPI shows it."""

    method: str
    path: str
    summary: str
    body: Any
    answer: Any
    query: tuple[str, ...]
    role: str
    writes: bool


@dataclass(slots=True)
class Front:
    core: Core
    commands: Commands
    reads: Reads
    requests: Requests = field(default_factory=Requests)
    router: APIRouter = field(default_factory=APIRouter)
    operations: list[Operation] = field(default_factory=list)
    endpoints: dict[tuple[str, str], Callable[[Request], Awaitable[Response]]] = field(default_factory=dict)
    """By (method, path)."""
    _large: asyncio.Lock = field(default_factory=asyncio.Lock)

    def read(
        self, path: str, run: Reading, answer: Any, needs: Needs = SEE_FLEET, *, query: tuple[str, ...] = ()
    ) -> None:
        """A GET. `run` answers a struct, or a Response of its own."""

        async def endpoint(request: Request) -> Response:
            try:
                who = self._caller(request, needs)
                value = await run(request, who)
            except Refused as refused:
                return problem(refused)
            except StoreDown as error:
                return problem(NotReady(str(error)))
            return value if isinstance(value, Response) else reply(value)

        self._add("GET", path, endpoint, run, None, answer, query, needs, writes=False)

    def _caller(self, request: Request, needs: Needs) -> Principal:
        """Who calls; refused here when the role alone is too low, before a body is read."""
        who = self.commands.principal(bearer(request))
        trust(request.scope, who.actor)
        check(who, needs[0], OF_KIND[needs[1]])
        return who

    def write(
        self,
        method: str,
        path: str,
        run: Writing,
        body: Any,
        answer: Any,
        needs: Needs,
        *,
        query: tuple[str, ...] = (),
        then: Callable[[Any], Any] | None = None,
        before: Callable[[Request, Principal], Awaitable[None]] | None = None,
        secret: bool = False,
        again: Again | None = None,
        makes_batch: bool = False,
        bytes_max: int = BODY_BYTES_MAX,
    ) -> None:
        """A change. `run` is synchronous and all or nothing; the answer leaves when the commit holds.

        `before` may look things up that never change; `then` turns what `run` answered into the body. `again` answers a request
        that is repeated, from what it made the first time. Where nothing can (a `secret`, an answer of its own form without `again`)
        the key is not kept: `run` must give the same answer again by itself.
        """
        keyed = not secret and (again is not None or answer in (Done, JobsAdded))

        route = _Route(
            run=run,
            body=body,
            needs=needs,
            then=then,
            keyed=keyed,
            again=again,
            makes_batch=makes_batch,
            bytes_max=bytes_max,
        )

        async def endpoint(request: Request) -> Response:
            try:
                if before is not None:
                    await before(request, self._caller(request, needs))
                return await self._write(request, route)
            except Refused as refused:
                return problem(refused)
            except StoreDown as error:
                return problem(NotReady(str(error), hint="send it again with the same Idempotency-Key"))

        self._add(method, path, endpoint, run, body, answer, query, needs, writes=True)

    async def _write(self, request: Request, route: "_Route") -> Response:
        who = self._caller(request, route.needs)
        self.core.take_in_work()
        data = await read_body(request, route.bytes_max, who.actor)
        if len(data) <= LARGE_BYTES:
            return await self._carry_out(request, who, data, route)
        async with self._large:
            await asyncio.sleep(0)  # others come first who have waited meanwhile
            return await self._carry_out(request, who, data, route)

    async def _carry_out(self, request: Request, who: Principal, data: bytes, route: "_Route") -> Response:
        key = request.headers.get("idempotency-key") if route.keyed else None
        said = fingerprint_of(f"{request.method} {request.url.path}?{request.url.query}", data) if key else ""
        if key:
            known = await self.requests.find(self.core, who.user, key, said)
            if known is not None:
                await self.core.settle()  # the first may still be on its way to the disk
                return reply(
                    await route.again(request, who, known) if route.again is not None else _again(known)
                )
        body = decode(data, route.body) if route.body is not None else None
        with self.core.change(Changes()) as changes:
            now_ms = self.core.clock.now_ms()
            value = route.run(Write(request=request, who=who, body=body, changes=changes, now_ms=now_ms))
            if key:
                batch = value if route.makes_batch else None
                self.requests.keep(changes, who.user, key, said, now_ms, batch)
            answer = reply(route.then(value) if route.then is not None else value)
        await self.core.commit(changes)
        return answer

    def _add(
        self,
        method: str,
        path: str,
        endpoint: Callable[[Request], Awaitable[Response]],
        run: Callable[..., Any],
        body: Any,
        answer: Any,
        query: tuple[str, ...],
        needs: Needs,
        *,
        writes: bool,
    ) -> None:
        self.endpoints[method, path] = endpoint
        self.router.add_route(path, endpoint, methods=[method], include_in_schema=False)
        summary = (run.__doc__ or run.__name__.strip("_").replace("_", " ")).strip().splitlines()[0]
        self.operations.append(
            Operation(
                method=method.lower(),
                path=path,
                summary=summary,
                body=body,
                answer=answer,
                query=query,
                role=LEAST[needs].label,
                writes=writes,
            )
        )

    def mount(self, app: FastAPI, prefix: str) -> None:
        app.include_router(self.router, prefix=prefix)
