"""What every route has in common: who calls, errors as problems, writes that commit before they answer.

Routes are plain functions; `read` and `write` turn them into endpoints and remember what OpenAPI needs to know of them.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from fastapi import APIRouter, FastAPI, Request, Response

from herder.api.bodies import BODY_BYTES_MAX, read_body
from herder.api.idempotency import Answers, fingerprint
from herder.api.replies import bearer, decode, problem, reply
from herder.control.auth import Principal, Role
from herder.control.core import Core
from herder.control.errors import Refused
from herder.control.standing import trust
from herder.model.changes import Changes
from herder.model.records import IdempotencyRecord

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
    answers: Answers
    router: APIRouter = field(default_factory=APIRouter)
    operations: list[Operation] = field(default_factory=list)
    endpoints: dict[tuple[str, str], Callable[[Request], Awaitable[Response]]] = field(default_factory=dict)
    """By (method, path)."""
    _large: asyncio.Lock = field(default_factory=asyncio.Lock)

    def read(
        self, path: str, run: Reading, answer: Any, *, query: tuple[str, ...] = (), role: Role = Role.VIEWER
    ) -> None:
        """A GET. `run` answers a struct, or a Response of its own."""

        async def endpoint(request: Request) -> Response:
            try:
                who = self.core.directory.principal(bearer(request))
                trust(request.scope, who.actor)
                who.require(role)
                value = await run(request, who)
            except Refused as refused:
                return problem(refused)
            return value if isinstance(value, Response) else reply(value)

        self._add("GET", path, endpoint, run, None, answer, query, role, writes=False)

    def write(
        self,
        method: str,
        path: str,
        run: Writing,
        body: Any,
        answer: Any,
        *,
        query: tuple[str, ...] = (),
        role: Role = Role.USER,
        then: Callable[[Any], Any] | None = None,
        before: Callable[[Request], Awaitable[None]] | None = None,
        secret: bool = False,
        bytes_max: int = BODY_BYTES_MAX,
    ) -> None:
        """A change. `run` is synchronous and all or nothing; the answer leaves when the commit holds.

        `before` may look things up that never change; `then` turns what `run` answered into the body. A `secret` answer is
        not kept for its Idempotency-Key: `run` must give the same one again by itself.
        """

        async def endpoint(request: Request) -> Response:
            try:
                if before is not None:
                    self.core.directory.principal(bearer(request))
                    await before(request)
                return await self._write(request, run, body, role, then, secret=secret, bytes_max=bytes_max)
            except Refused as refused:
                return problem(refused)

        self._add(method, path, endpoint, run, body, answer, query, role, writes=True)

    async def _write(
        self,
        request: Request,
        run: Writing,
        kind: Any,
        role: Role,
        then: Callable[[Any], Any] | None,
        *,
        secret: bool,
        bytes_max: int,
    ) -> Response:
        who = self.core.directory.principal(bearer(request))
        trust(request.scope, who.actor)
        who.require(role)
        data = await read_body(request, bytes_max, who.actor)
        if len(data) <= LARGE_BYTES:
            return await self._carry_out(request, who, data, run, kind, then, secret=secret)
        async with self._large:
            await asyncio.sleep(0)  # others come first who have waited meanwhile
            return await self._carry_out(request, who, data, run, kind, then, secret=secret)

    async def _carry_out(
        self,
        request: Request,
        who: Principal,
        data: bytes,
        run: Writing,
        kind: Any,
        then: Callable[[Any], Any] | None,
        *,
        secret: bool,
    ) -> Response:
        key = None if secret else request.headers.get("idempotency-key")
        route = f"{request.method} {request.url.path}?{request.url.query}"
        if key:
            known = self.answers.find(who.user, key, route, data)
            if known is not None:
                await self.core.settle()  # the first may still be on its way to the disk
                return Response(known.body, known.status, media_type="application/json")
        changes = Changes()
        value = run(
            Write(
                request=request,
                who=who,
                body=decode(data, kind) if kind is not None else None,
                changes=changes,
                now_ms=self.core.clock.now_ms(),
            )
        )
        if then is not None:
            value = then(value)
        answer = reply(value)
        if key:
            text = bytes(answer.body).decode()
            record = IdempotencyRecord(
                who.user, key, fingerprint(route, data), 200, text, self.core.clock.now_ms()
            )
            self.answers.keep(changes, record)
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
        role: Role,
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
                role=role.label,
                writes=writes,
            )
        )

    def mount(self, app: FastAPI, prefix: str) -> None:
        app.include_router(self.router, prefix=prefix)
