"""`herder callback`: what became of the messages about ended batches and job groups, and the secret that signs them."""

from typing import TYPE_CHECKING, Annotated

import typer

from herder.cli.output.answers import show_list
from herder.cli.shell.commands import command, noun
from herder.cli.shell.completion import BatchArgument
from herder.cli.shell.options import Limit
from herder.cli.shell.session import session
from herder.cli.views.work.callbacks import CALLBACKS

if TYPE_CHECKING:
    from herder.wire.api.callbacks import CallbackView


def build() -> typer.Typer:
    app = noun(
        "Callbacks: signed messages about ended batches and job groups.", example="herder callback list"
    )
    command(app, "list", example="herder callback list --state failed")(show_all)
    command(app, "retry", example="herder callback retry 3\nherder callback retry 3 --group align")(retry)
    command(app, "secret", example="herder callback secret")(secret)
    return app


def show_all(
    ctx: typer.Context,
    state: Annotated[
        str | None, typer.Option("--state", help="Only those in this state: due, delivered, failed.")
    ] = None,
    limit: Limit = 100,
) -> None:
    """List the callbacks of batches and job groups that have ended, newest batch first."""
    say = session(ctx)

    def fetch(most: int | None) -> list["CallbackView"]:
        return list(say.client.callbacks.list(state=state, limit=most))

    show_list(say, CALLBACKS, fetch, limit)


def retry(
    ctx: typer.Context,
    batch: BatchArgument,
    group: Annotated[
        str | None,
        typer.Option(
            "--group", metavar="PATH", help="Send the callback of this job group, as align/sample-1."
        ),
    ] = None,
) -> None:
    """Send the callback of a batch, or of one of its job groups, again, also one that was delivered.

    It keeps its id, so a receiver that has it already can leave it.
    """
    say = session(ctx)
    done = say.client.callbacks.retry(batch, group)
    say.done(done.text, done, batch)


def secret(ctx: typer.Context) -> None:
    """Show the secret with which your callbacks are signed.

    Receivers check the signature with it, for example with a library of Standard Webhooks.
    """
    say = session(ctx)
    found = say.client.callbacks.secret()
    say.done(found.secret, found, found.user)
