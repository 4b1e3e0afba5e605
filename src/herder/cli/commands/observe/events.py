"""`herder events`: past events, and new ones as they happen."""

from typing import Annotated

import typer

from herder.cli.output.answers import show_list
from herder.cli.output.formats import Format
from herder.cli.output.printer import whole
from herder.cli.shell.commands import command
from herder.cli.shell.options import Limit
from herder.cli.shell.session import Session, detaching, session
from herder.cli.views.tables import EVENTS


def add_to(app: typer.Typer) -> None:
    @command(app, "events", example="herder events --limit 20\nherder events --follow --kind worker.ready")
    def events(
        ctx: typer.Context,
        follow: Annotated[
            bool, typer.Option("--follow", help="Keep showing new events until Ctrl-C.")
        ] = False,
        kind: Annotated[str | None, typer.Option("--kind", help="Only events of this kind.")] = None,
        about: Annotated[
            str | None, typer.Option("--object", help="Only events about this object, such as pool/burst.")
        ] = None,
        after: Annotated[
            int | None, typer.Option("--after", min=0, help="Only events after this number.")
        ] = None,
        limit: Limit = None,
    ) -> None:
        """Show recorded events with their time, object and text."""
        say = session(ctx)
        if follow:
            say.client.health()  # fails now without a server; later restarts are waited for
            with detaching("the server", "herder events --follow"), say.patient():
                _follow(say, kind, about, after, limit)
            return
        _show_past(say, kind, about, after, limit or 100)


def _show_past(say: Session, kind: str | None, about: str | None, after: int | None, limit: int) -> None:
    """The latest ones, or with --after those that follow; oldest first."""
    if after is not None:
        show_list(
            say,
            EVENTS,
            lambda most: list(say.client.events.list(after=after, kind=kind, object=about, limit=most)),
            limit,
        )
        return
    latest = list(say.client.events.latest(kind=kind, object=about, limit=limit + 1))
    show_list(say, EVENTS, lambda most: latest[:limit][::-1])
    if len(latest) > limit:
        say.say(f"Only the latest {limit:,} are shown; --limit shows more.")


def _follow(say: Session, kind: str | None, about: str | None, after: int | None, limit: int | None) -> None:
    shown = 0
    say.printer.steady = True
    for event in say.client.events.stream(after=after):
        if (kind and event.kind != kind) or (about and event.object != about):
            continue
        if say.format in (Format.JSON, Format.YAML):
            say.printer.record(whole(EVENTS, event))
        else:
            say.printer.items(EVENTS, [event])
            say.printer.headers = False
        shown += 1
        if limit is not None and shown >= limit:
            return
