"""`herder why`: explains a worker, a pool, a job or a pod from recorded facts."""

from typing import Annotated

import typer

from herder.cli.output.answers import show_explanation
from herder.cli.shell.commands import command, noun
from herder.cli.shell.completion import JobArgument, PoolArgument, WorkerArgument, complete_clusters
from herder.cli.shell.options import usage
from herder.cli.shell.session import session, suggesting


def build() -> typer.Typer:
    app = noun(
        "Explain a worker, a pool, a job or a pod from recorded facts.",
        example="herder why pool burst\nherder why job 17",
    )
    command(app, "worker", example="herder why worker burst-7-1")(worker)
    command(app, "pool", example="herder why pool burst")(pool)
    command(app, "job", example="herder why job 17")(job)
    command(app, "pod", example="herder why pod shop/web-1")(pod)
    return app


def worker(ctx: typer.Context, name: WorkerArgument) -> None:
    """Explain why a worker was created, and why it was removed."""
    say = session(ctx)
    with suggesting(say, "worker", name):
        found = say.client.workers.why(name)
    show_explanation(say, found, found.subject)


def pool(ctx: typer.Context, name: PoolArgument) -> None:
    """Explain the number of workers in a pool."""
    say = session(ctx)
    with suggesting(say, "pool", name):
        found = say.client.pools.why(name)
    show_explanation(say, found, found.subject)


def job(ctx: typer.Context, number: JobArgument) -> None:
    """Explain why a job waits, or how it ended."""
    say = session(ctx)
    found = say.client.jobs.explain(number)
    show_explanation(say, found, found.subject)


def pod(
    ctx: typer.Context,
    name: Annotated[
        str,
        typer.Argument(
            metavar="NAMESPACE/NAME", help="The pod, as in default/web-1. Default namespace: default."
        ),
    ],
    cluster: Annotated[
        str | None,
        typer.Option(
            "--cluster",
            metavar="CLUSTER",
            autocompletion=complete_clusters,
            help="The cluster of the pod, where several have one of this name.",
        ),
    ] = None,
) -> None:
    """Explain why a pod of a cluster waits: whether workers are created for it, in which pool and when."""
    namespace, slash, pod = name.rpartition("/")
    if not pod or "/" in namespace or (slash and not namespace):
        raise usage(f"{name!r} is not the name of a pod.", hint="Write NAMESPACE/NAME, as in default/web-1.")
    say = session(ctx)
    found = say.client.clusters.why_pod(namespace or "default", pod, cluster)
    show_explanation(say, found, found.subject)
