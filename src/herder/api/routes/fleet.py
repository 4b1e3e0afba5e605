"""Routes for pools, workers and plans."""

from fastapi import Request
from fastapi.responses import PlainTextResponse

from herder.api.http.bodies import APPLY_BYTES_MAX
from herder.api.http.replies import flag, is_number, number, page_size
from herder.api.http.route_table import CHANGE_FLEET, DRY_RUN, Repeat, RouteTable, Write
from herder.control.commands import WORKER_VERBS
from herder.control.kernel.bounds.errors import NotKnown
from herder.model.fleet.machine_logs import AGENT
from herder.model.permissions import Action, Kind, Principal
from herder.wire.api.health import WorkerHealthView
from herder.wire.api.resources import (
    ApplyAnswer,
    ApplyRequest,
    Explanation,
    Message,
    Page,
    PlanView,
    PoolView,
    Result,
    ScaleAnswer,
    ScaleRequest,
    Status,
    WorkerAction,
    WorkerView,
)


def add(front: RouteTable) -> None:
    _add_pools(front)
    _add_pool_writes(front)
    _add_pool_states(front)
    _add_workers(front)
    _add_machines(front)
    _add_plans(front)


def _add_pools(front: RouteTable) -> None:
    reads = front.reads

    async def status(request: Request, who: Principal) -> Status:
        """A summary of the fleet: jobs, pools, workers, costs."""
        return await reads.status(who)

    async def list_pools(request: Request, who: Principal) -> Page:
        """All pools."""
        return await reads.pools(who)

    async def get_pool(request: Request, who: Principal) -> PoolView:
        """One pool."""
        return await reads.pool(who, request.path_params["pool"])

    async def why(request: Request, who: Principal) -> Explanation:
        """Why a pool has the size it has, from the plan of this moment."""
        return await reads.why_pool(who, request.path_params["pool"])

    front.read("/status", status, Status)
    front.read("/pools", list_pools, Page)
    front.read("/pools/{pool}", get_pool, PoolView)
    front.read("/pools/{pool}/why", why, Explanation)


def _add_pool_writes(front: RouteTable) -> None:
    commands = front.commands

    def apply(write: Write) -> ApplyAnswer:
        """Create or update pools, all or none."""
        dry = write.dry_run
        return commands.apply(write.who, write.body, write.changes, write.now_ms, dry_run=dry)

    def scale(write: Write) -> ScaleAnswer:
        """Create more workers in a pool, for a limited time."""
        name, dry = write.request.path_params["pool"], write.dry_run
        return commands.scale_pool(write.who, name, write.body, write.changes, write.now_ms, dry_run=dry)

    async def applied(repeat: Repeat) -> ApplyAnswer:
        named = [str(plain.get("name", "")) for plain in repeat.body.pools]
        return await front.reads.applied(repeat.who, repeat.made.number, named, len(repeat.body.budgets))

    async def scaled(repeat: Repeat) -> ScaleAnswer:
        return await front.reads.scaled(repeat.who, repeat.made.object.partition("/")[2])

    front.write(
        "POST",
        "/apply",
        apply,
        ApplyRequest,
        ApplyAnswer,
        CHANGE_FLEET,
        query=DRY_RUN,
        again=applied,
        bytes_max=APPLY_BYTES_MAX,
    )
    front.write(
        "POST",
        "/pools/{pool}/scale",
        scale,
        ScaleRequest,
        ScaleAnswer,
        CHANGE_FLEET,
        query=DRY_RUN,
        again=scaled,
        planned=lambda write, answer: commands.state_of_scaling(answer),
    )


def _add_pool_states(front: RouteTable) -> None:
    commands = front.commands

    def _set_frozen(write: Write, frozen: bool) -> Result:
        name = write.request.path_params["pool"]
        said = write.body.message
        return commands.set_frozen(write.who, name, frozen, write.changes, write.now_ms, message=said)

    def freeze(write: Write) -> Result:
        """Freeze a pool: it is observed, but no workers are created or removed."""
        return _set_frozen(write, True)

    def unfreeze(write: Write) -> Result:
        """Unfreeze a pool."""
        return _set_frozen(write, False)

    def delete(write: Write) -> Result:
        """Drain all workers of a pool and delete the pool."""
        name, dry = write.request.path_params["pool"], write.dry_run
        said = write.request.query_params.get("message", "")
        return commands.delete_pool(write.who, name, write.changes, write.now_ms, dry_run=dry, message=said)

    front.write("POST", "/pools/{pool}/freeze", freeze, Message, Result, CHANGE_FLEET)
    front.write("POST", "/pools/{pool}/unfreeze", unfreeze, Message, Result, CHANGE_FLEET)
    front.write(
        "DELETE",
        "/pools/{pool}",
        delete,
        None,
        Result,
        (Action.REMOVE, Kind.POOL),
        query=("dry_run", "message"),
    )


def _add_workers(front: RouteTable) -> None:
    reads, commands = front.reads, front.commands

    async def list_workers(request: Request, who: Principal) -> Page:
        """Live workers, oldest first; with ended=true all, newest first; with faults=true live ones that a person should look at."""
        query = request.query_params
        return await reads.workers(
            who,
            pool=query.get("pool"),
            state=query.get("state"),
            ended=flag(request, "ended"),
            faults=flag(request, "faults"),
            after=query.get("after"),
            limit=page_size(request),
        )

    async def get_worker(request: Request, who: Principal) -> WorkerView:
        """One worker, also one that has ended."""
        return await reads.worker(who, request.path_params["worker"])

    async def why(request: Request, who: Principal) -> Explanation:
        """Why a worker was created, what happened to it, and why it was removed."""
        return await reads.why_worker(who, request.path_params["worker"])

    async def health(request: Request, who: Principal) -> WorkerHealthView:
        """The conditions of a live worker, what was done about them, and what comes next."""
        return await reads.worker_health(who, request.path_params["worker"])

    def act(verb: str):  # type: ignore[no-untyped-def]
        def run(write: Write) -> Result:
            name, dry = write.request.path_params["worker"], write.dry_run
            return commands.act_on_worker(
                write.who, name, verb, write.body, write.changes, write.now_ms, dry_run=dry
            )

        run.__doc__ = f"{verb.capitalize()} a worker."
        return run

    def state(write: Write, answer: Result) -> object:
        return commands.state_of_worker(write.request.path_params["worker"], answer)

    pages = ("after", "limit")
    front.read("/workers", list_workers, Page, query=("pool", "state", "ended", "faults", *pages))
    front.read("/workers/{worker}", get_worker, WorkerView)
    front.read("/workers/{worker}/why", why, Explanation)
    front.read("/workers/{worker}/health", health, WorkerHealthView)
    for verb in WORKER_VERBS:
        path = "/workers/{worker}/" + verb
        front.write("POST", path, act(verb), WorkerAction, Result, CHANGE_FLEET, query=DRY_RUN, planned=state)


def _add_machines(front: RouteTable) -> None:
    """What a person reads of a worker's machine."""
    reads = front.reads

    async def console(request: Request, who: Principal) -> PlainTextResponse:
        """The end of the console output of a worker's machine."""
        return PlainTextResponse(await reads.console(who, request.path_params["worker"]))

    async def logs(request: Request, who: Principal) -> PlainTextResponse:
        """What one service of a worker's machine wrote: agent, start-script or console, or one of its system, such as kubelet."""
        service = request.query_params.get("service") or AGENT
        return PlainTextResponse(await reads.worker_logs(who, request.path_params["worker"], service))

    async def operations(request: Request, who: Principal) -> Page:
        """What the provider did with a worker's machine, newest first, as far as it remembers."""
        return await reads.operations(who, request.path_params["worker"])

    front.read("/workers/{worker}/console", console, "text/plain", (Action.SEE, Kind.CONSOLE))
    front.read("/workers/{worker}/logs", logs, "text/plain", (Action.SEE, Kind.CONSOLE), query=("service",))
    front.read("/workers/{worker}/operations", operations, Page, (Action.SEE, Kind.CONSOLE))


def _add_plans(front: RouteTable) -> None:
    reads = front.reads

    async def list_plans(request: Request, who: Principal) -> Page:
        """Plans, newest first; with actions=true only plans that have actions."""
        return await reads.plans(
            who,
            after=number(request, "after"),
            limit=page_size(request, 50),
            empty=not flag(request, "actions"),
        )

    async def next_plan(request: Request, who: Principal) -> PlanView:
        """The plan of this moment. It is not recorded and not applied."""
        return await reads.next_plan(who)

    async def get_plan(request: Request, who: Principal) -> PlanView:
        """One plan with its report."""
        text = request.path_params["plan"]
        if not is_number(text):
            raise NotKnown(f"There is no plan {text!r}.")
        return await reads.plan(who, int(text))

    front.read("/plans", list_plans, Page, query=("after", "limit", "actions"))
    front.read("/plans/next", next_plan, PlanView)
    front.read("/plans/{plan}", get_plan, PlanView)
