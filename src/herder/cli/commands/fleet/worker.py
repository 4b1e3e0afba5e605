"""`herder worker`: show workers; add, cordon, drain, extend and remove them."""

import shlex
from typing import TYPE_CHECKING, Annotated
from urllib.parse import urlsplit

import typer

from herder.cli.input.selection import refuse_unknown
from herder.cli.input.worker_selection import order, selected_workers
from herder.cli.output.answers import show_list
from herder.cli.output.formats import Format
from herder.cli.shell.commands import command, noun
from herder.cli.shell.completion import (
    PoolArgument,
    PoolOption,
    WorkerArgument,
    WorkersArgument,
    complete_pools,
)
from herder.cli.shell.options import UNCHANGED, DryRun, Limit, Message, Watch, Yes, by_option, seconds, usage
from herder.cli.shell.session import Session, session, suggesting
from herder.cli.views import details
from herder.cli.views.fleet.expiries import EXPIRIES, expiring
from herder.cli.views.fleet.operations import OPERATIONS
from herder.cli.views.tables import WORKERS

if TYPE_CHECKING:
    from herder.wire.api.resources import WorkerView

LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})
_FORCE = Annotated[
    bool, typer.Option("--force", help="Stop running jobs at once; they are retried on other workers.")
]

_WholePool = Annotated[
    str | None,
    typer.Option("--pool", metavar="POOL", autocompletion=complete_pools, help="All workers of this pool."),
]

_DrainTime = Annotated[
    str | None,
    typer.Option(
        "--timeout",
        metavar="TIME",
        help="How long running jobs may continue; default: the pool's drain_grace.",
    ),
]


def build() -> typer.Typer:
    app = noun("Workers: machines that run jobs.", example="herder worker list --pool burst")
    command(
        app,
        "list",
        example="herder worker list\nherder worker list --pool burst -o wide\nherder worker list --ttl",
    )(show_all)
    command(app, "get", example="herder worker get burst-7-1")(get)
    command(
        app,
        "add",
        example="herder worker add burst\nherder worker add burst --template large --uses 10 --expires 1d",
    )(add)
    command(app, "health", example="herder worker health burst-7-1\nherder worker health burst-7-1 -o json")(
        health
    )
    command(app, "cordon", example='herder worker cordon burst-7-1 --message "disk is slow"')(cordon)
    command(app, "uncordon", example="herder worker uncordon burst-7-1")(uncordon)
    command(
        app,
        "drain",
        example="herder worker drain burst-7-1 --dry-run\nherder worker drain burst-7-1 --timeout 10m --wait --yes",
    )(drain)
    command(app, "extend", example="herder worker extend burst-7-1 --by 2h")(extend)
    command(
        app,
        "remove",
        example="herder worker remove burst-7-1 --yes\nherder worker remove --pool burst --dry-run",
    )(remove)
    command(
        app,
        "logs",
        example="herder worker logs burst-7-1\nherder worker logs burst-7-1 --service start-script",
    )(logs)
    command(app, "console", example="herder worker console burst-7-1")(console)
    command(app, "operations", example="herder worker operations burst-7-1")(operations)
    return app


def show_all(
    ctx: typer.Context,
    pool: PoolOption = None,
    state: Annotated[
        str | None, typer.Option("--state", help="Only workers in this state, such as ready.")
    ] = None,
    ended: Annotated[bool, typer.Option("--ended", help="Include workers that have ended.")] = False,
    faults: Annotated[
        bool,
        typer.Option(
            "--faults", help="Only workers that are unhealthy, interrupted, blocked, or failed to start."
        ),
    ] = False,
    ttl: Annotated[
        bool,
        typer.Option(
            "--ttl",
            help="Only workers with a time to live, in the order in which it ends, with the next step.",
        ),
    ] = False,
    limit: Limit = None,
    watch: Watch = False,
) -> None:
    """List workers with status, jobs and cost."""
    say = session(ctx)

    def fetch(most: int | None) -> "list[WorkerView]":
        return list(say.client.workers.list(pool=pool, state=state, ended=ended, faults=faults, limit=most))

    def by_expiry(most: int | None) -> "list[WorkerView]":
        return expiring(fetch(None))[:most]

    view, found = (EXPIRIES, by_expiry) if ttl else (WORKERS, fetch)
    if watch:
        from herder.cli.output.watch import watch as go_on

        go_on(say, view, lambda: found(limit))
        return
    show_list(say, view, found, limit, check=lambda: refuse_unknown(say, pool=pool))


def get(ctx: typer.Context, worker: WorkerArgument) -> None:
    """Show one worker with all fields."""
    say = session(ctx)
    with suggesting(say, "worker", worker):
        found = say.client.workers.get(worker)
    say.printer.one(WORKERS, found, details.worker(found, say.printer.now_s))


def health(ctx: typer.Context, worker: WorkerArgument) -> None:
    """Show a worker's conditions, its repair and what comes next."""
    from herder.cli.views.fleet import health as views

    say = session(ctx)
    with suggesting(say, "worker", worker):
        found = say.client.workers.health(worker)
    say.printer.one(views.HEALTH, found, views.details(found, say.printer.now_s))


def add(
    ctx: typer.Context,
    pool: PoolArgument,
    template: Annotated[
        str | None,
        typer.Option("--template", help="Template that the machine counts as; default: the cheapest."),
    ] = None,
    uses: Annotated[
        int, typer.Option("--uses", min=1, help="How many machines may join with the token.")
    ] = 1,
    expires: Annotated[
        str | None,
        typer.Option("--expires", metavar="TIME", help="How long the token is valid; default: 1h."),
    ] = None,
    note: Annotated[str, typer.Option("--note", help="Purpose, shown in lists.")] = "",
) -> None:
    """Print the command that adds a machine to a pool.

    Herder must be installed on that machine; any user and folder will do. The worker counts towards the pool's limits and stays until it is
    removed, or its agent is stopped. `herder token list` shows the token of the command, `herder token revoke ID` revokes it.
    """
    from herder.wire.api.people import JoinTokenCreate

    say = session(ctx)
    request = JoinTokenCreate(
        template=template, uses=uses, expires_in_s=seconds(expires, "--expires"), note=note
    )
    with (
        suggesting(say, "pool", pool),
        by_option(template="--template", uses="--uses", expires_in_s="--expires", note="--note"),
    ):
        made = say.client.pools.create_join_token(pool, request)
    if say.format in (Format.JSON, Format.YAML):
        say.printer.data(made)
        return
    say.printer.line(f"HERDER_JOIN_TOKEN={made.token} herder agent --server {shlex.quote(made.server_url)}")
    say.say(
        f"Run this on {'the machine' if made.uses == 1 else f'up to {made.uses:,} machines'} to add, before {made.expires_at}. "
        f"Anyone with this command can add a machine to pool {made.pool} (template {made.template}). "
        f"Revoke it with: herder token revoke {made.id}"
    )
    if urlsplit(made.server_url.partition(",")[0]).hostname in LOOPBACK:
        say.say(
            "This server listens on loopback only. To add other machines, start it with --host and --tls-cert, or with --public-url."
        )


def cordon(
    ctx: typer.Context, worker: WorkerArgument, message: Message = "", dry_run: DryRun = False
) -> None:
    """Assign no new jobs to a worker; running jobs continue."""
    _act(session(ctx), worker, "cordon", message=message, dry_run=dry_run)


def uncordon(
    ctx: typer.Context, worker: WorkerArgument, message: Message = "", dry_run: DryRun = False
) -> None:
    """Assign jobs to a worker again: ends a cordon, and a drain that is under way."""
    _act(session(ctx), worker, "uncordon", message=message, dry_run=dry_run)


def drain(
    ctx: typer.Context,
    workers: WorkersArgument = None,
    *,
    pool: _WholePool = None,
    message: Message = "",
    timeout: _DrainTime = None,
    force: _FORCE = False,
    wait: Annotated[
        bool, typer.Option("--wait", help="Wait until all jobs have ended; show progress.")
    ] = False,
    dry_run: DryRun = False,
    yes: Yes = False,
) -> None:
    """Cordon workers and let their jobs finish; the workers stay.

    Drained workers cost until they are removed, and get no new jobs until they are uncordoned. `herder worker uncordon` also ends a drain that
    has not finished. With --wait the exit code is 0 when all workers are drained, 4 when a person ended a drain, and 7 when a drain is blocked:
    jobs run past its deadline and the pool waits for them (on_blocked: wait). The waiting continues while the server restarts. Ctrl-C stops the
    waiting, not the drain. A repeated drain keeps its deadline; another --timeout changes it.
    """
    from herder.wire.api.resources import WorkerAction

    say = session(ctx)
    _check_ends(timeout, force=force)
    action = WorkerAction(message=message, force=force, timeout_s=seconds(timeout))
    chosen = selected_workers(
        say,
        workers,
        pool,
        lambda each: each.state not in ("draining", "terminating") and each.drain != "drained",
    )
    order(say, "drain", chosen, action, dry_run=dry_run, yes=yes, wait=wait)


def extend(
    ctx: typer.Context,
    worker: WorkerArgument,
    by: Annotated[
        str | None,
        typer.Option("--by", metavar="TIME", help="How much longer: 2h, 30m; default: the pool's extension."),
    ] = None,
    message: Message = "",
    dry_run: DryRun = False,
) -> None:
    """Extend a worker's time to live, up to its pool's ttl_max."""
    _act(session(ctx), worker, "extend", message=message, extend_s=seconds(by, "--by"), dry_run=dry_run)


def remove(
    ctx: typer.Context,
    workers: WorkersArgument = None,
    *,
    pool: _WholePool = None,
    message: Message = "",
    timeout: _DrainTime = None,
    force: _FORCE = False,
    wait: Annotated[
        bool, typer.Option("--wait", help="Wait until the workers are removed; show progress.")
    ] = False,
    dry_run: DryRun = False,
    yes: Yes = False,
) -> None:
    """Drain workers, then remove them.

    `herder worker uncordon` keeps a worker as long as jobs run on it. With --wait the exit code is 0 when all workers are removed, 4 when a person
    ended a drain, and 7 when a removal is blocked: jobs run past the deadline and the pool waits for them (on_blocked: wait), or the driver is
    frozen. The waiting continues while the server restarts. Ctrl-C stops the waiting, not the removal. A repeated removal keeps its deadline;
    another --timeout changes it.
    """
    from herder.wire.api.resources import WorkerAction

    say = session(ctx)
    _check_ends(timeout, force=force)
    action = WorkerAction(message=message, force=force, timeout_s=seconds(timeout))
    chosen = selected_workers(say, workers, pool, lambda each: each.state != "terminating")
    order(say, "remove", chosen, action, dry_run=dry_run, yes=yes, wait=wait)


def console(ctx: typer.Context, worker: WorkerArgument) -> None:
    """Print the end of the console output of a worker's machine."""
    say = session(ctx)
    with suggesting(say, "worker", worker):
        text = say.client.workers.console(worker)
    if text:
        say.printer.line(text)
    else:
        say.say("The machine has written no output.")


def logs(
    ctx: typer.Context,
    worker: WorkerArgument,
    service: Annotated[
        str,
        typer.Option(
            "--service",
            metavar="SERVICE",
            help="agent, start-script or console; with a bootstrap also one of its system, such as kubelet.",
        ),
    ] = "agent",
) -> None:
    """Print what a service of a worker's machine wrote: its agent, its start script, or one of its system."""
    say = session(ctx)
    with suggesting(say, "worker", worker):
        text = say.client.workers.logs(worker, service)
    if text:
        say.printer.line(text)
    else:
        say.say(f"The service {service} has written nothing to the console of the machine.")


def operations(ctx: typer.Context, worker: WorkerArgument) -> None:
    """List what the provider did with a worker's machine, in its own words."""
    say = session(ctx)
    with suggesting(say, "worker", worker):
        found = list(say.client.workers.operations(worker))
    say.printer.items(OPERATIONS, found)
    if not found:
        say.say(OPERATIONS.empty)


def _check_ends(timeout: str | None, *, force: bool) -> None:
    if force and timeout is not None:
        raise usage(
            "--force and --timeout exclude each other, because --force ends the jobs at once.",
            hint="Name only one of them.",
        )


def _act(
    say: Session,
    worker: str,
    verb: str,
    *,
    message: str,
    dry_run: bool,
    extend_s: float | None = None,
) -> None:
    from herder.wire.api.resources import WorkerAction

    action = WorkerAction(message=message, extend_s=extend_s)
    with suggesting(say, "worker", worker), by_option(extend_s="--by", message="--message"):
        done = say.client.workers.act(worker, verb, action, dry_run=dry_run)
    say.done(done.text + (UNCHANGED if dry_run else ""), done, worker)
