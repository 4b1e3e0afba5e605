"""`herder why`: explains a worker, a pool or a job from recorded facts."""

import typer

from herder.cli.output.answers import show_explanation
from herder.cli.shell.commands import command, noun
from herder.cli.shell.completion import JobArgument, PoolArgument, WorkerArgument
from herder.cli.shell.session import session, suggesting


def build() -> typer.Typer:
    app = noun(
        "Explain a worker, a pool or a job from recorded facts.",
        example="herder why pool burst\nherder why job 17",
    )
    command(app, "worker", example="herder why worker burst-7-1")(worker)
    command(app, "pool", example="herder why pool burst")(pool)
    command(app, "job", example="herder why job 17")(job)
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
