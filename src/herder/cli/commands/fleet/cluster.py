"""`herder cluster`: show clusters, check them, and print what they need."""

from collections.abc import Callable
from typing import Annotated

import typer

from herder.cli.shell.commands import command, noun
from herder.cli.shell.completion import ClusterArgument
from herder.cli.shell.exit_codes import Code
from herder.cli.shell.options import Watch, usage
from herder.cli.shell.session import session, suggesting
from herder.cli.views.fleet.clusters import CHECKS, CLUSTERS, details
from herder.model.values.phrases import clause

JobsManifests = Callable[[str], str]
"""From a namespace to what the driver kubernetes-jobs needs there. Raises ValueError for a name that cannot be one."""


def build(jobs_manifests: JobsManifests | None = None) -> typer.Typer:
    app = noun("Clusters, whose nodes are workers.", example="herder cluster list")
    command(app, "list", example="herder cluster list")(show_all)
    command(app, "show", example="herder cluster show prod")(show)
    command(app, "check", example="herder cluster check prod")(check)
    _add_manifests(app, jobs_manifests)
    return app


def _add_manifests(app: typer.Typer, jobs_manifests: JobsManifests | None) -> None:
    @command(
        app,
        "manifests",
        example="herder cluster manifests > herder-rights.yaml\nherder cluster manifests --jobs herder > herder-jobs.yaml",
    )
    def manifests(
        ctx: typer.Context,
        name: Annotated[
            str | None,
            typer.Argument(metavar="CLUSTER", help="The cluster in the file. Default: a Kubernetes cluster."),
        ] = None,
        file: Annotated[
            list[str] | None,
            typer.Option(
                "--file",
                "-f",
                "--config",
                "-c",
                metavar="PATH",
                help="File or folder of settings. Repeatable.",
            ),
        ] = None,
        jobs: Annotated[
            str | None,
            typer.Option(
                "--jobs",
                metavar="NAMESPACE",
                help="Print what the driver kubernetes-jobs needs in this namespace instead: account and Role.",
            ),
        ] = None,
    ) -> None:
        """Print what a cluster needs, as YAML for kubectl apply: rights of Herder, PriorityClasses, and account and NetworkPolicy of pods of jobs."""
        if jobs is None:
            session(ctx).printer.line(_of_cluster(name, file).rstrip())
            return
        if name is not None or file is not None:
            raise usage("--jobs needs no cluster and no file.", hint="Remove them, or remove --jobs.")
        session(ctx).printer.line(_of_jobs(jobs, jobs_manifests).rstrip())


def _of_jobs(namespace: str, write: JobsManifests | None) -> str:
    if write is None:
        raise usage("This program does not have the driver kubernetes-jobs.", hint="")
    try:
        return write(namespace)
    except ValueError as error:
        raise usage(f"--jobs: {clause(error)}.") from None


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


def _of_cluster(name: str | None, file: list[str] | None) -> str:
    from herder.memberships.registry import offer
    from herder.model.fleet.cluster import ClusterSettings
    from herder.settings.load import load

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
    written: str = write(wanted)
    return written
