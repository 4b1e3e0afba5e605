"""`herder why`: why a worker, a pool or a job is as it is, from recorded facts."""

import typer

from herder.cli.completion import JobArgument, PoolArgument, WorkerArgument
from herder.cli.output.answers import show_explanation
from herder.cli.session import session, suggesting
from herder.cli.shape import command, noun


def build() -> typer.Typer:
    app = noun("Ask why something is as it is.", example="herder why pool burst\nherder why job 17")
    command(app, "worker", example="herder why worker burst-7-1")(worker)
    command(app, "pool", example="herder why pool burst")(pool)
    command(app, "job", example="herder why job 17")(job)
    return app


def worker(ctx: typer.Context, name: WorkerArgument) -> None:
    """Say why a worker was made, and why it goes."""
    say = session(ctx)
    with suggesting(say, "worker", name):
        found = say.client.workers.why(name)
    show_explanation(say, found, found.subject)


def pool(ctx: typer.Context, name: PoolArgument) -> None:
    """Say why a pool has as many workers as it has."""
    say = session(ctx)
    with suggesting(say, "pool", name):
        found = say.client.pools.why(name)
    show_explanation(say, found, found.subject)


def job(ctx: typer.Context, number: JobArgument) -> None:
    """Say why a job waits, or how it ended."""
    say = session(ctx)
    found = say.client.jobs.explain(number)
    show_explanation(say, found, found.subject)
