"""What every route has in common: who calls, errors as problems, writes that commit before they answer.

Routes are plain functions; `read` and `write` turn them into endpoints and remember what OpenAPI needs to know of them.
"""

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Any

from fastapi import APIRouter, FastAPI, Request, Response

from herder.api.replies import bearer, decode, problem, read_body, reply
from herder.control.auth import Principal, Role
from herder.control.core import Core
from herder.control.errors import NotReady, Refused
from herder.control.requests import Kind, Made, Requests, fingerprint_of
from herder.model.changes import Changes
from herder.ports.store import StoreDown
from herder.wire.resources import Done, JobsAdded

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
Again = Callable[[Request, Made], Awaitable[Any]]


def _again(made: Made) -> Any:
    """What a repeated request is answered where nothing else is said."""
    if made.kind in (Kind.JOB, Kind.BUNCH):
        return JobsAdded(batch=made.batch, first_job=made.number, count=made.count)
    return Done(object=made.object, text=made.text)


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
    requests: Requests = field(default_factory=Requests)
    router: APIRouter = field(default_factory=APIRouter)
    operations: list[Operation] = field(default_factory=list)
    endpoints: dict[tuple[str, str], Callable[[Request], Awaitable[Response]]] = field(default_factory=dict)
    """By (method, path)."""

    def read(
        self, path: str, run: Reading, answer: Any, *, query: tuple[str, ...] = (), role: Role = Role.VIEWER
    ) -> None:
        """A GET. `run` answers a struct, or a Response of its own."""

        async def endpoint(request: Request) -> Response:
            try:
                who = self.core.directory.principal(bearer(request))
                who.require(role)
                value = await run(request, who)
            except Refused as refused:
                return problem(refused)
            except StoreDown as error:
                return problem(NotReady(str(error)))
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
        again: Again | None = None,
        makes_batch: bool = False,
    ) -> None:
        """A change. `run` is synchronous and all or nothing; the answer leaves when the commit holds.

        `before` may look things up that never change; `then` turns what `run` answered into the body. `again` answers a request
        that is repeated, from what it made the first time. Where nothing can (a `secret`, an answer of its own form without `again`)
        the key is not kept: `run` must give the same answer again by itself.
        """
        keyed = not secret and (again is not None or answer in (Done, JobsAdded))

        async def endpoint(request: Request) -> Response:
            try:
                if before is not None:
                    self.core.directory.principal(bearer(request))
                    await before(request)
                return await self._write(
                    request, run, body, role, then, keyed=keyed, again=again, makes_batch=makes_batch
                )
            except Refused as refused:
                return problem(refused)
            except StoreDown as error:
                return problem(NotReady(str(error), hint="send it again with the same Idempotency-Key"))

        self._add(method, path, endpoint, run, body, answer, query, role, writes=True)

    async def _write(
        self,
        request: Request,
        run: Writing,
        kind: Any,
        role: Role,
        then: Callable[[Any], Any] | None,
        *,
        keyed: bool,
        again: Again | None,
        makes_batch: bool,
    ) -> Response:
        who = self.core.directory.principal(bearer(request))
        who.require(role)
        self.core.take_in_work()
        data = await read_body(request)
        key = request.headers.get("idempotency-key") if keyed else None
        said = fingerprint_of(f"{request.method} {request.url.path}?{request.url.query}", data) if key else ""
        if key:
            known = await self.requests.find(self.core, who.user, key, said)
            if known is not None:
                await self.core.settle()  # the first may still be on its way to the disk
                return reply(await again(request, known) if again is not None else _again(known))
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
        if key:
            batch = value if makes_batch else None
            self.requests.keep(changes, who.user, key, said, self.core.clock.now_ms(), batch)
        answer = reply(then(value) if then is not None else value)
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
