"""`herder pool`: show, scale, freeze and delete pools."""

from typing import Annotated

import typer

from herder.cli.input.namespaces import check_namespace
from herder.cli.output.formats import Format
from herder.cli.shell.commands import command, noun
from herder.cli.shell.completion import PoolArgument
from herder.cli.shell.options import UNCHANGED, DryRun, Files, Message, Watch, Yes, by_option, seconds
from herder.cli.shell.session import session, suggesting
from herder.cli.views import details
from herder.cli.views.fleet.safety import show_safety
from herder.cli.views.tables import POOLS

_SCALED = (
    "herder pool scaled-objects -f servers.yaml --namespace mcp > keda.yaml\n"
    "herder pool scaled-objects mcp-git-server -f servers.yaml --namespace mcp"
)


def build() -> typer.Typer:
    app = noun("Pools: groups of workers with templates and limits.", example="herder pool list")
    command(app, "list", example="herder pool list\nherder pool list -o wide")(show_all)
    command(app, "get", example="herder pool get burst")(get)
    command(app, "scale", example="herder pool scale burst 5 --template medium --ttl 4h")(scale)
    command(app, "scheduling-info", example="herder pool scheduling-info burst")(scheduling_info)
    command(app, "scaled-objects", example=_SCALED)(scaled_objects)
    command(app, "freeze", example='herder pool freeze burst --message "provider is down"')(freeze)
    command(app, "unfreeze", example="herder pool unfreeze burst")(unfreeze)
    command(app, "delete", example="herder pool delete burst --dry-run")(delete)
    return app


def show_all(ctx: typer.Context, watch: Watch = False) -> None:
    """List pools, their workers and their queues."""
    say = session(ctx)
    if watch:
        from herder.cli.output.watch import watch as go_on

        go_on(say, POOLS, lambda: list(say.client.pools.list()))
        return
    found = list(say.client.pools.list())
    say.printer.items(POOLS, found)
    if not found:
        say.say(POOLS.empty)


def get(ctx: typer.Context, pool: PoolArgument) -> None:
    """Show one pool with its settings and templates."""
    say = session(ctx)
    with suggesting(say, "pool", pool):
        found = say.client.pools.get(pool)
    say.printer.one(POOLS, found, details.pool(found, say.printer.now_s))


def scale(
    ctx: typer.Context,
    pool: PoolArgument,
    workers: Annotated[int, typer.Argument(metavar="WORKERS", min=1, help="How many workers to add.")],
    template: Annotated[
        str | None, typer.Option("--template", help="Template; default: the cheapest.")
    ] = None,
    ttl: Annotated[str | None, typer.Option("--ttl", metavar="TIME", help="Time to live: 4h, 90m.")] = None,
    message: Message = "",
    dry_run: DryRun = False,
) -> None:
    """Add workers to a pool, within its limits.

    They stay until their time to live ends, also when they are idle.
    """
    from herder.wire.api.resources import ScaleRequest

    say = session(ctx)
    life = seconds(ttl, "--ttl")
    request = ScaleRequest(workers=workers, template=template, ttl_s=life, reason=message)
    with suggesting(say, "pool", pool), by_option(template="--template", ttl_s="--ttl", reason="--message"):
        answer = say.client.pools.scale(pool, request, dry_run=dry_run)
    names = ", ".join(answer.workers) or "no workers"
    verb, note = ("would add", UNCHANGED) if answer.dry_run else ("adds", "")
    say.done(f"Pool {pool} {verb} {names}.{note}", answer, "\n".join(answer.workers))
    for reason in answer.reasons:
        say.say(f"  {reason.text}")
    show_safety(say, answer.checks)


def scheduling_info(ctx: typer.Context, pool: PoolArgument) -> None:
    """Print what a pod writes to run on the workers of a pool, as YAML."""
    say = session(ctx)
    with suggesting(say, "pool", pool):
        found = say.client.pools.scheduling_info(pool)
    if say.format in (Format.JSON, Format.YAML):
        say.printer.data(found)
    else:
        say.printer.line(found.yaml.rstrip())


def scaled_objects(
    ctx: typer.Context,
    file: Files,
    pools: Annotated[
        list[str] | None,
        typer.Argument(metavar="POOL…", help="Pools of the file. Default: all with membership none."),
    ] = None,
    namespace: Annotated[
        str, typer.Option("--namespace", metavar="NAME", help="Kubernetes namespace of the Deployments.")
    ] = "default",
) -> None:
    """Print ScaledObjects of KEDA for pools of servers, as YAML for kubectl apply.

    Each scales the Deployment that has the name of its pool, by the metrics, schedules and limits of the pool. The pools have membership none. What KEDA
    cannot say is printed on stderr, and as comments. Needs no server.
    """
    from herder.cli.views.imports import FINDINGS
    from herder.settings.keda.scaled_objects import scaled_objects as export
    from herder.settings.load import load

    say = session(ctx)
    check_namespace("--namespace", namespace)
    found = export(load(file), namespace, pools or ())
    say.printer.line(found.text.rstrip())
    if found.findings and not say.quiet:
        say.err.write("\n".join(say.printer.lines(FINDINGS, found.findings)) + "\n")


def freeze(ctx: typer.Context, pool: PoolArgument, message: Message = "") -> None:
    """Stop creating and removing workers in a pool."""
    say = session(ctx)
    with suggesting(say, "pool", pool):
        done = say.client.pools.freeze(pool, message)
    say.done(done.text, done, pool)


def unfreeze(ctx: typer.Context, pool: PoolArgument, message: Message = "") -> None:
    """Resume scaling of a frozen pool."""
    say = session(ctx)
    with suggesting(say, "pool", pool):
        done = say.client.pools.unfreeze(pool, message)
    say.done(done.text, done, pool)


def delete(
    ctx: typer.Context, pool: PoolArgument, message: Message = "", dry_run: DryRun = False, yes: Yes = False
) -> None:
    """Drain all workers of a pool, then delete the pool."""
    say = session(ctx)
    with suggesting(say, "pool", pool):
        if not (yes or dry_run):
            say.confirm(say.client.pools.delete(pool, dry_run=True).text, yes=False)
        done = say.client.pools.delete(pool, message=message, dry_run=dry_run)
    say.done(done.text + (UNCHANGED if dry_run else ""), done, pool)
