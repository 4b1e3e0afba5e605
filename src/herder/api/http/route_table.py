"""What every route does: authenticate the caller, turn errors into problem details, commit a write before answering it.

Routes are plain functions; `read` and `write` turn them into endpoints and remember what OpenAPI needs to know of them.
"""

from collections.abc import Awaitable, Callable
from contextlib import AbstractAsyncContextManager, nullcontext
from dataclasses import dataclass, field, replace
from typing import Any

from fastapi import APIRouter, FastAPI, Request, Response

from herder.api.http.bodies import BODY_BYTES_MAX, read_body
from herder.api.http.in_flight import InFlight, weight_of
from herder.api.http.plan_hashes import check_plan, plan_hash
from herder.api.http.replies import bearer, decode, flag, problem, refuse_nul, refuse_unknown, reply
from herder.control.access.access_check import OF_KIND, check
from herder.control.access.idempotency import Kind as MadeKind
from herder.control.access.idempotency import Made, Requests, fingerprint_of
from herder.control.access.known_caller import trust
from herder.control.commands import Commands
from herder.control.kernel.bounds.errors import NotReady, Refused
from herder.control.kernel.core import Core
from herder.control.reads.port import Reads
from herder.model.permissions import LEAST, Action, Kind, Principal
from herder.model.stored.changes import Changes
from herder.observability.logs import REQUEST
from herder.ports.store import StoreDown
from herder.wire.api.resources import Page, Result
from herder.wire.api.work import JobsAdded

#: What a route does to what kind of object; whose it is, the command or read asks itself.
Needs = tuple[Action, Kind]
SEE_FLEET: Needs = (Action.SEE, Kind.FLEET)
CHANGE_FLEET: Needs = (Action.CHANGE, Kind.FLEET)

#: What the client asks of every list, also of those that are always whole.
PAGE_QUERY = ("after", "limit")
#: Of routes that can say what they would do.
DRY_RUN = ("dry_run",)
#: Of those whose dry run answers a hash.
IF_PLAN = "if_plan"

Reading = Callable[[Request, Principal], Awaitable[Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Write:
    """What a writing route is given."""

    request: Request
    who: Principal
    body: Any
    changes: Changes
    now_ms: int
    found: Any = None
    """What the route's `held` gave."""
    dry_run: bool = False
    """Say what would happen, after every check, and change nothing. Only where the route's `query` names it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Repeat:
    """A write that was carried out before, and what it made then."""

    request: Request
    who: Principal
    body: Any
    made: Made


_FREE: AbstractAsyncContextManager[None] = nullcontext()
#: What the answer of a dry run depends on, of what must not change before the real run.
Planned = Callable[[Write, Any], Any]
Writing = Callable[[Write], Any]
Again = Callable[[Repeat], Awaitable[Any]]


def _hash_of(write: Write, state: Any) -> str:
    return plan_hash(write.who.user, write.request.method, write.request.url.path, write.body, state)


def _note_made(value: Any) -> None:
    """So that the line of a submission names its jobs."""
    request = REQUEST.get()
    if request is not None and isinstance(value, JobsAdded):
        request.job, request.batch = value.first_job, value.batch


async def _plain_again(repeat: Repeat) -> Result | JobsAdded:
    """Of writes that answer in one of these two forms."""
    made = repeat.made
    if made.kind in (MadeKind.JOB, MadeKind.BUNCH):
        return JobsAdded(batch=made.batch, first_job=made.number, count=made.count)
    return Result(object=made.object, text=made.text)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Route:
    """How one write is carried out; see `RouteTable.write`."""

    run: Writing
    body: Any
    needs: Needs
    query: frozenset[str]
    before: Callable[[Request, Principal], Awaitable[None]] | None
    held: Callable[[Principal, Any], AbstractAsyncContextManager[Any]] | None
    then: Callable[[Any], Any] | None
    again: Again
    makes_batch: bool
    bytes_max: int
    confidential: bool
    planned: Planned | None


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
class _Sent:
    """A body. It is let go once it is decoded: of a large submission its rows are enough."""

    data: bytes | bytearray

    def decoded(self, kind: Any) -> Any:
        data, self.data = self.data, b""
        return decode(data, kind) if kind is not None else None


@dataclass(slots=True)
class RouteTable:
    core: Core
    commands: Commands
    reads: Reads
    requests: Requests = field(default_factory=Requests)
    router: APIRouter = field(default_factory=APIRouter)
    operations: list[Operation] = field(default_factory=list)
    endpoints: dict[tuple[str, str], Callable[[Request], Awaitable[Response]]] = field(default_factory=dict)
    """By (method, path)."""
    _in_flight: InFlight = field(default_factory=InFlight)

    def read(
        self, path: str, run: Reading, answer: Any, needs: Needs = SEE_FLEET, *, query: tuple[str, ...] = ()
    ) -> None:
        """A GET. `run` answers a struct, or a Response of its own."""
        known = frozenset((*query, *PAGE_QUERY) if answer is Page else query)

        async def endpoint(request: Request) -> Response:
            try:
                who = self._caller(request, needs, known)
                value = await run(request, who)
            except Refused as refused:
                return problem(refused)
            except StoreDown as error:
                return problem(NotReady(str(error)))
            return value if isinstance(value, Response) else reply(value)

        self._add("GET", path, endpoint, run, None, answer, query, needs, writes=False)

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
        held: Callable[[Principal, Any], AbstractAsyncContextManager[Any]] | None = None,
        again: Again | None = None,
        makes_batch: bool = False,
        bytes_max: int = BODY_BYTES_MAX,
        confidential: bool = False,
        planned: Planned | None = None,
    ) -> None:
        """A change. `run` is synchronous and all or nothing; the answer leaves when the commit holds.

        `before` may look things up that never change. `held` looks up for a body what others may change, and keeps them from it until the commit holds. `then` turns what `run` answered into the body. `again` answers a request that
        is repeated, from what it made the first time; only writes that answer `Result` or `JobsAdded` can do without. `confidential`: nothing that is stored of the request may tell what its
        body is. `planned`: its dry run answers a hash, which the real call may carry as `if_plan`.
        """
        if again is None and answer not in (Result, JobsAdded):
            raise TypeError(f"{method} {path} needs `again`, to answer a repeated request")
        route = _Route(
            run=run,
            body=body,
            needs=needs,
            query=frozenset(query) if planned is None else frozenset((*query, IF_PLAN)),
            before=before,
            held=held,
            then=then,
            again=again or _plain_again,
            makes_batch=makes_batch,
            bytes_max=bytes_max,
            confidential=confidential,
            planned=planned,
        )

        async def endpoint(request: Request) -> Response:
            try:
                return await self._write(request, route)
            except Refused as refused:
                return problem(refused)
            except StoreDown as error:
                return problem(
                    NotReady(str(error), hint="Send the request again with the same Idempotency-Key.")
                )

        shown = query if planned is None else (*query, IF_PLAN)
        self._add(method, path, endpoint, run, body, answer, shown, needs, writes=True)

    def _caller(self, request: Request, needs: Needs, query: frozenset[str]) -> Principal:
        """Who calls; refused here when the role alone is too low, before a body is read, and when something is asked in the address that
        this route does not know: a dry run or a filter that is passed over would be something else."""
        who = self.commands.principal(bearer(request))
        trust(request.scope, who.actor)
        refuse_nul(request)
        check(who, needs[0], OF_KIND[needs[1]])
        if request.scope["query_string"]:
            refuse_unknown(request, query)
        return who

    def again(self, request: Request) -> Callable[[], Principal]:
        """Who calls, looked up anew each time: what was held open is not answered after rights were taken back."""
        return lambda: self.commands.principal(bearer(request))

    async def _write(self, request: Request, route: _Route) -> Response:
        who = self._caller(request, route.needs, route.query)
        self.core.take_in_work()
        if route.before is not None:
            await route.before(request, who)
        sent = _Sent(await read_body(request, route.bytes_max, who.actor))
        weight = weight_of(sent.data)
        if not weight:
            return await self._carry_out(request, who, sent, route)
        async with self._in_flight.admit(weight):
            return await self._carry_out(request, who, sent, route)

    async def _carry_out(self, request: Request, who: Principal, sent: _Sent, route: _Route) -> Response:
        if request.scope["query_string"] and flag(request, "dry_run"):
            body = sent.decoded(route.body)
            if route.held is None:
                return self._try(request, who, body, route)
            async with route.held(who, body) as found:
                return self._try(request, who, body, route, found)
        key, asked = request.headers.get("idempotency-key"), ""
        if key:
            secret = self.commands.fingerprint_secret() if route.confidential else ""
            asked = fingerprint_of(
                f"{request.method} {request.url.path}?{request.url.query}", sent.data, secret
            )
        body = sent.decoded(route.body)
        if key:
            made = await self.requests.find(self.core, who.user, key, asked)
            if made is not None:
                await self.core.settle()  # the first may still be on its way to the disk
                return reply(await route.again(Repeat(request=request, who=who, body=body, made=made)))
        # From here on nothing may be awaited before the key is kept, other than what `held` looks up: the same request may have come twice at once.
        async with _FREE if route.held is None else route.held(who, body) as found:
            with self.core.change(Changes()) as changes:
                now_ms = self.core.clock.now_ms()
                write = Write(
                    request=request, who=who, body=body, changes=changes, now_ms=now_ms, found=found
                )
                self._check_plan(write, route)
                value = route.run(write)
                _note_made(value)
                if key:
                    batch = value if route.makes_batch else None
                    subject = value.object if isinstance(value, Result) else ""
                    self.requests.keep(changes, who.user, key, asked, now_ms, batch, subject)
                answer = reply(route.then(value) if route.then is not None else value)
            body = None  # the rows that were made of it are in memory now
            await self.core.commit(changes)
            return answer

    def _try(self, request: Request, who: Principal, body: Any, route: _Route, found: Any = None) -> Response:
        """A dry run: no key is kept and nothing is committed."""
        with self.core.no_change() as changes:
            now_ms = self.core.clock.now_ms()
            write = Write(
                request=request, who=who, body=body, changes=changes, now_ms=now_ms, found=found, dry_run=True
            )
            self._check_plan(write, route)
            value = route.run(write)
            if route.planned is not None:
                value.plan_hash = _hash_of(write, route.planned(write, value))
            return reply(value)

    def _check_plan(self, write: Write, route: _Route) -> None:
        """In the same step as the run, so that nothing comes between. Raises Conflict when the plan that the caller has read is out of date."""
        seen = write.request.query_params.get(IF_PLAN) if route.planned is not None else None
        if seen is None or route.planned is None:
            return
        with self.core.no_change() as changes:
            dry = replace(write, changes=changes, dry_run=True)
            check_plan(seen, _hash_of(dry, route.planned(dry, route.run(dry))))

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
                path=path.replace(":path}", "}"),
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
