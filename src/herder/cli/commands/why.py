"""`herder why`: why a worker, a pool or a job is as it is, from recorded facts."""

from typing import TYPE_CHECKING

import typer

from herder.cli.completion import JobArgument, PoolArgument, WorkerArgument
from herder.cli.output.plans import explanation_lines
from herder.cli.session import Session, session, suggesting
from herder.cli.shape import command, noun

if TYPE_CHECKING:
    from herder.wire.resources import Explanation


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
    _show(say, found)


def pool(ctx: typer.Context, name: PoolArgument) -> None:
    """Say why a pool has as many workers as it has."""
    say = session(ctx)
    with suggesting(say, "pool", name):
        found = say.client.pools.why(name)
    _show(say, found)


def job(ctx: typer.Context, number: JobArgument) -> None:
    """Say why a job waits, or how it ended."""
    say = session(ctx)
    _show(say, say.client.jobs.explain(number))


def _show(say: Session, found: "Explanation") -> None:
    say.done("\n".join(explanation_lines(found)), found, found.subject)
