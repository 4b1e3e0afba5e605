"""`herder cluster`: show clusters, check them, and print what they need."""

from typing import Annotated

import typer

from herder.cli.shell.commands import command, noun
from herder.cli.shell.completion import ClusterArgument
from herder.cli.shell.exit_codes import Code
from herder.cli.shell.options import Watch, usage
from herder.cli.shell.session import session, suggesting
from herder.cli.views.clusters import CHECKS, CLUSTERS, details


def build() -> typer.Typer:
    app = noun("Clusters, whose nodes are workers.", example="herder cluster list")
    command(app, "list", example="herder cluster list")(show_all)
    command(app, "show", example="herder cluster show prod")(show)
    command(app, "check", example="herder cluster check prod")(check)
    command(app, "manifests", example="herder cluster manifests > herder-rights.yaml")(manifests)
    return app


def show_all(ctx: typer.Context, watch: Watch = False) -> None:
    """List clusters, and how each was seen last."""
    say = session(ctx)
    if watch:
        from herder.cli.output.watch import watch as go_on

        go_on(say, CLUSTERS, lambda: list(say.client.clusters.list()))
        return
    found = list(say.client.clusters.list())
    say.printer.items(CLUSTERS, found)
    if not found:
        say.say(CLUSTERS.empty)
    for each in found:
        for problem in each.problems:
            say.say(problem)


def show(ctx: typer.Context, cluster: ClusterArgument) -> None:
    """Show one cluster with its nodes that are workers."""
    say = session(ctx)
    with suggesting(say, "cluster", cluster):
        found = say.client.clusters.get(cluster)
    say.printer.one(CLUSTERS, found, details(found, say.printer.now_s))


def check(ctx: typer.Context, cluster: ClusterArgument) -> None:
    """Check that a cluster answers, and that each right was given.

    The exit code is 1 when a check fails.
    """
    say = session(ctx)
    with suggesting(say, "cluster", cluster):
        found = say.client.clusters.check(cluster)
    say.printer.items(CHECKS, found.checks)
    if not found.passed:
        raise typer.Exit(Code.FAILURE)


def manifests(
    ctx: typer.Context,
    name: Annotated[
        str | None,
        typer.Argument(metavar="CLUSTER", help="The cluster in the file. Default: a Kubernetes cluster."),
    ] = None,
    file: Annotated[
        list[str] | None,
        typer.Option("--file", "-f", metavar="PATH", help="File or folder of settings. Repeatable."),
    ] = None,
) -> None:
    """Print what a cluster needs, as YAML for kubectl apply: rights of Herder, PriorityClasses, and account and NetworkPolicy of pods of jobs."""
    from herder.memberships.registry import offer
    from herder.model.fleet.cluster import ClusterSettings
    from herder.settings.load import load

    say = session(ctx)
    wanted = ClusterSettings(name=name or "kubernetes")
    if file is not None or name is not None:
        known = {each.name: each for each in load(file or ["herder.yaml"]).clusters}
        if name is not None and name not in known:
            raise usage(
                f"The files have no cluster {name!r}.",
                hint=f"They have {', '.join(sorted(known)) or 'none'}.",
            )
        wanted = known.get(name or "", wanted)
    write = offer(wanted.membership, "manifests")
    if write is None:
        raise usage(f"Membership {wanted.membership} needs nothing in its clusters.", hint="")
    say.printer.line(write(wanted).rstrip())
