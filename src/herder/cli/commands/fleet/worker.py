"""`herder worker`: show workers; add, cordon, drain, extend and remove them."""

import shlex
from typing import Annotated
from urllib.parse import urlsplit

import typer

from herder.cli.input.selection import refuse_unknown
from herder.cli.output.answers import show_list
from herder.cli.output.formats import Format
from herder.cli.shell.commands import command, noun
from herder.cli.shell.completion import PoolArgument, PoolOption, WorkerArgument
from herder.cli.shell.options import UNCHANGED, DryRun, Limit, Message, Watch, Yes, seconds
from herder.cli.shell.session import Session, session, suggesting
from herder.cli.views import details
from herder.cli.views.tables import WORKERS

LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})
_FORCE = Annotated[
    bool, typer.Option("--force", help="Stop running jobs at once; they are retried on other workers.")
]


def build() -> typer.Typer:
    app = noun("Workers: machines that run jobs.", example="herder worker list --pool burst")
    command(app, "list", example="herder worker list\nherder worker list --pool burst -o wide")(show_all)
    command(app, "get", example="herder worker get burst-7-1")(get)
    command(
        app,
        "add",
        example="herder worker add burst\nherder worker add burst --template large --uses 10 --expires 1d",
    )(add)
    command(app, "cordon", example='herder worker cordon burst-7-1 --message "disk is slow"')(cordon)
    command(app, "uncordon", example="herder worker uncordon burst-7-1")(uncordon)
    command(app, "drain", example="herder worker drain burst-7-1 --dry-run")(drain)
    command(app, "extend", example="herder worker extend burst-7-1 --by 2h")(extend)
    command(app, "remove", example="herder worker remove burst-7-1 --yes")(remove)
    command(app, "console", example="herder worker console burst-7-1")(console)
    return app


def show_all(
    ctx: typer.Context,
    pool: PoolOption = None,
    state: Annotated[
        str | None, typer.Option("--state", help="Only workers in this state, such as ready.")
    ] = None,
    ended: Annotated[bool, typer.Option("--ended", help="Include workers that have ended.")] = False,
    limit: Limit = None,
    watch: Watch = False,
) -> None:
    """List workers with status, jobs and cost."""
    say = session(ctx)

    def fetch(most: int | None) -> list[object]:
        return list(say.client.workers.list(pool=pool, state=state, ended=ended, limit=most))

    if watch:
        from herder.cli.output.watch import watch as go_on

        go_on(say, WORKERS, lambda: fetch(limit))
        return
    show_list(say, WORKERS, fetch, limit, check=lambda: refuse_unknown(say, pool=pool))


def get(ctx: typer.Context, worker: WorkerArgument) -> None:
    """Show one worker with all fields."""
    say = session(ctx)
    with suggesting(say, "worker", worker):
        found = say.client.workers.get(worker)
    say.printer.one(WORKERS, found, details.worker(found, say.printer.now_s))


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
    drained or removed, or its agent is stopped. `herder token list` shows the token of the command, `herder token revoke ID` revokes it.
    """
    from herder.wire.people import JoinTokenCreate

    say = session(ctx)
    request = JoinTokenCreate(
        template=template, uses=uses, expires_in_s=seconds(expires, "--expires"), note=note
    )
    with suggesting(say, "pool", pool):
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
    """Assign jobs to a cordoned worker again."""
    _act(session(ctx), worker, "uncordon", message=message, dry_run=dry_run)


def drain(
    ctx: typer.Context,
    worker: WorkerArgument,
    message: Message = "",
    dry_run: DryRun = False,
    yes: Yes = False,
) -> None:
    """Let a worker finish its jobs, then remove it.

    Jobs may run for the pool's drain_grace. To stop them at once: herder worker remove WORKER --force
    """
    _destroy(session(ctx), worker, "drain", message=message, force=False, dry_run=dry_run, yes=yes)


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
    worker: WorkerArgument,
    message: Message = "",
    force: _FORCE = False,
    dry_run: DryRun = False,
    yes: Yes = False,
) -> None:
    """Remove a worker now; with --force without a drain."""
    _destroy(session(ctx), worker, "remove", message=message, force=force, dry_run=dry_run, yes=yes)


def console(ctx: typer.Context, worker: WorkerArgument) -> None:
    """Print the end of the console output of a worker's machine."""
    say = session(ctx)
    with suggesting(say, "worker", worker):
        text = say.client.workers.console(worker)
    if text:
        say.printer.line(text)
    else:
        say.say("The machine has written no output.")


def _destroy(
    say: Session, worker: str, verb: str, *, message: str, force: bool, dry_run: bool, yes: bool
) -> None:
    from herder.wire.resources import WorkerAction

    if not (yes or dry_run):
        with suggesting(say, "worker", worker):
            effect = say.client.workers.act(worker, verb, WorkerAction(force=force), dry_run=True)
        say.confirm(effect.text, yes=False)
    _act(say, worker, verb, message=message, force=force, dry_run=dry_run)


def _act(
    say: Session,
    worker: str,
    verb: str,
    *,
    message: str,
    dry_run: bool,
    force: bool = False,
    extend_s: float | None = None,
) -> None:
    from herder.wire.resources import WorkerAction

    action = WorkerAction(message=message, force=force, extend_s=extend_s)
    with suggesting(say, "worker", worker):
        done = say.client.workers.act(worker, verb, action, dry_run=dry_run)
    say.done(done.text + (UNCHANGED if dry_run else ""), done, worker)
