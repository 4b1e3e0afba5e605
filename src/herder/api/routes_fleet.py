"""Routes for pools, workers, plans, users and tokens."""

import asyncio
from functools import partial

from fastapi import Request
from fastapi.responses import PlainTextResponse

from herder.api.bodies import APPLY_BYTES_MAX
from herder.api.front import Front, Write
from herder.api.replies import flag, is_number, number
from herder.control import explain, fleet, pools
from herder.control.auth import Principal, Role, role_named
from herder.control.clock import derived_token
from herder.control.errors import Invalid, NotKnown
from herder.control.plans import look, plain_plan
from herder.control.reads import fleet as reads
from herder.control.reads import sharing
from herder.model.driver import DriverError
from herder.model.ids import WorkerName
from herder.wire.resources import (
    ApplyAnswer,
    ApplyRequest,
    Done,
    Explanation,
    Page,
    PlanView,
    PoolView,
    Said,
    ScaleAnswer,
    ScaleRequest,
    Status,
    TokenCreate,
    TokenCreated,
    UserView,
    WorkerAction,
    WorkerView,
)


def add(front: Front) -> None:
    _add_pools(front)
    _add_pool_writes(front)
    _add_workers(front)
    _add_plans(front)
    _add_people(front)


def _add_pools(front: Front) -> None:
    core = front.core

    async def status(request: Request, who: Principal) -> Status:
        """The one-look picture: jobs, pools, workers, spend."""
        return await reads.status(core)

    async def list_pools(request: Request, who: Principal) -> Page:
        """All pools."""
        views = await reads.pool_views(core)
        return Page(items=views, total=len(views))

    async def get_pool(request: Request, who: Principal) -> PoolView:
        """One pool."""
        return await reads.pool_view(core, request.path_params["pool"])

    async def why(request: Request, who: Principal) -> Explanation:
        """What the planner says of a pool now."""
        return await explain.why_pool(core, request.path_params["pool"])

    front.read("/status", status, Status)
    front.read("/pools", list_pools, Page)
    front.read("/pools/{pool}", get_pool, PoolView)
    front.read("/pools/{pool}/why", why, Explanation)


def _add_pool_writes(front: Front) -> None:
    core = front.core

    def apply(write: Write) -> ApplyAnswer:
        """Create or update pools, all or none."""
        dry = flag(write.request, "dry_run")
        return pools.apply(core, write.who, write.body, write.changes, write.now_ms, dry_run=dry)

    def scale(write: Write) -> ScaleAnswer:
        """Make more workers in a pool, for a time."""
        name, dry = write.request.path_params["pool"], flag(write.request, "dry_run")
        return pools.scale(core, write.who, name, write.body, write.changes, write.now_ms, dry_run=dry)

    def _set_frozen(write: Write, frozen: bool) -> Done:
        name = write.request.path_params["pool"]
        said = write.body.message
        return pools.set_frozen(core, write.who, name, frozen, write.changes, write.now_ms, message=said)

    def freeze(write: Write) -> Done:
        """Stop acting on a pool; keep observing it."""
        return _set_frozen(write, True)

    def unfreeze(write: Write) -> Done:
        """Act on a pool again."""
        return _set_frozen(write, False)

    def delete(write: Write) -> Done:
        """Drain all workers of a pool and forget it."""
        name, dry = write.request.path_params["pool"], flag(write.request, "dry_run")
        said = write.request.query_params.get("message", "")
        return pools.delete(core, write.who, name, write.changes, write.now_ms, dry_run=dry, message=said)

    dry_run = ("dry_run",)
    front.write(
        "POST",
        "/apply",
        apply,
        ApplyRequest,
        ApplyAnswer,
        query=dry_run,
        role=Role.OPERATOR,
        bytes_max=APPLY_BYTES_MAX,
    )
    front.write(
        "POST", "/pools/{pool}/scale", scale, ScaleRequest, ScaleAnswer, query=dry_run, role=Role.OPERATOR
    )
    front.write("POST", "/pools/{pool}/freeze", freeze, Said, Done, role=Role.OPERATOR)
    front.write("POST", "/pools/{pool}/unfreeze", unfreeze, Said, Done, role=Role.OPERATOR)
    front.write(
        "DELETE", "/pools/{pool}", delete, None, Done, query=("dry_run", "message"), role=Role.ADMINISTRATOR
    )


def _add_workers(front: Front) -> None:
    core = front.core

    async def list_workers(request: Request, who: Principal) -> Page:
        """Live workers, oldest first; with ended=true all, newest first."""
        query = request.query_params
        return await reads.worker_page(
            core,
            pool=query.get("pool"),
            state=query.get("state"),
            ended=flag(request, "ended"),
            after=query.get("after"),
            limit=number(request, "limit", 100) or 100,
        )

    async def get_worker(request: Request, who: Principal) -> WorkerView:
        """One worker, also one of the past."""
        return await reads.worker_view(core, request.path_params["worker"])

    async def why(request: Request, who: Principal) -> Explanation:
        """Why a worker was made, what happened to it, why it went."""
        return await explain.why_worker(core, request.path_params["worker"])

    async def console(request: Request, who: Principal) -> PlainTextResponse:
        """The last of what a worker's machine printed."""
        name = request.path_params["worker"]
        view = await reads.worker_view(core, name)
        driver = core.drivers.get(view.driver)
        if driver is None:
            raise NotKnown(f"this server has no driver {view.driver!r}")
        try:
            return PlainTextResponse(await asyncio.to_thread(driver.console, WorkerName(name)))
        except DriverError as error:
            raise NotKnown(f"no console of worker {name}: {error}") from None

    def act(verb: str):  # type: ignore[no-untyped-def]
        def run(write: Write) -> Done:
            name, dry = write.request.path_params["worker"], flag(write.request, "dry_run")
            return fleet.act(
                core, write.who, name, verb, write.body, write.changes, write.now_ms, dry_run=dry
            )

        run.__doc__ = f"{verb.capitalize()} a worker."
        return run

    pages = ("after", "limit")
    front.read("/workers", list_workers, Page, query=("pool", "state", "ended", *pages))
    front.read("/workers/{worker}", get_worker, WorkerView)
    front.read("/workers/{worker}/why", why, Explanation)
    front.read("/workers/{worker}/console", console, "text/plain", role=Role.OPERATOR)
    for verb in fleet.VERBS:
        path = "/workers/{worker}/" + verb
        front.write("POST", path, act(verb), WorkerAction, Done, query=("dry_run",), role=Role.OPERATOR)


def _add_plans(front: Front) -> None:
    core = front.core

    async def list_plans(request: Request, who: Principal) -> Page:
        """Plans, newest first; with actions=true only those that did something."""
        return await reads.plan_page(
            core,
            after=number(request, "after"),
            limit=number(request, "limit", 50) or 50,
            empty=not flag(request, "actions"),
        )

    async def next_plan(request: Request, who: Principal) -> PlanView:
        """What would be done now. Nothing is recorded."""
        answer = await core.planning.ask(partial(look, core))
        return reads.plan_view(plain_plan(answer.plan))

    async def get_plan(request: Request, who: Principal) -> PlanView:
        """One plan with its report."""
        text = request.path_params["plan"]
        if not is_number(text):
            raise NotKnown(f"there is no plan {text!r}")
        return await reads.plan_of(core, int(text))

    front.read("/plans", list_plans, Page, query=("after", "limit", "actions"))
    front.read("/plans/next", next_plan, PlanView)
    front.read("/plans/{plan}", get_plan, PlanView)


def _add_people(front: Front) -> None:
    core = front.core

    async def list_users(request: Request, who: Principal) -> Page:
        """All users with their quotas, what they hold and what they have spent."""
        views = sharing.user_views(core)
        return Page(items=views, total=len(views))

    async def list_projects(request: Request, who: Principal) -> Page:
        """Projects with a quota, or with jobs that run or wait."""
        views = sharing.project_views(core)
        return Page(items=views, total=len(views))

    def create_user(write: Write) -> UserView:
        """Make or change a user."""
        body: UserView = write.body
        if body.quota or body.used:
            raise Invalid(
                "quotas are not set here",
                field="quota",
                hint="write it in users of herder.yaml, then: herder apply",
            )
        user = core.directory.add_user(
            write.changes, body.name, role_named(body.role), body.weight, write.now_ms
        )
        core.state.weights[user.name] = user.weight  # type: ignore[index]
        return UserView(name=user.name, role=user.role, weight=user.weight)  # type: ignore[arg-type]

    def create_token(write: Write) -> TokenCreated:
        """Make a token; it is shown once."""
        body: TokenCreate = write.body
        user = core.directory.users.get(body.user)  # type: ignore[call-overload]
        role = role_named(body.role or (user.role if user else "user"))
        key = write.request.headers.get("idempotency-key")
        # The same call again gets the same token, without its ever being stored.
        same = f"token/{write.who.user}/{key}/{body.user}/{role.label}/{body.note}"
        made = derived_token(core.settings.secret, same) if key else None
        token = core.directory.add_token(write.changes, body.user, role, body.note, write.now_ms, token=made)
        return TokenCreated(token=token, user=body.user, role=role.label)

    front.read("/users", list_users, Page)
    front.read("/projects", list_projects, Page)
    front.write("POST", "/users", create_user, UserView, UserView, role=Role.ADMINISTRATOR)
    front.write(
        "POST", "/tokens", create_token, TokenCreate, TokenCreated, role=Role.ADMINISTRATOR, secret=True
    )
