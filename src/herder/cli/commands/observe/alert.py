"""`herder alert`: what exceeds a threshold, who was told, and acknowledging it."""

from typing import Annotated

import typer

from herder.cli.output.answers import show_list
from herder.cli.shell.commands import command, noun
from herder.cli.shell.session import session
from herder.cli.views.alerts import ALERTS, CHANNELS, POLICIES, details

Id = Annotated[str, typer.Argument(metavar="ALERT", help="Id of the alert.")]


def build() -> typer.Typer:
    app = noun("Alerts of budgets, capacity and costs.", example="herder alert list")
    command(app, "list", example="herder alert list\nherder alert list --state active")(show_all)
    command(app, "show", example="herder alert show alert-0f6c1b2a9d3e")(show)
    command(app, "ack", example="herder alert ack alert-0f6c1b2a9d3e")(acknowledge)
    command(app, "history", example="herder alert history --days 30")(history)
    command(app, "policies", example="herder alert policies -o yaml")(policies)
    command(app, "channels", example="herder alert channels")(channels)
    command(app, "test", example="herder alert test coo")(test)
    return app


def show_all(
    ctx: typer.Context,
    state: Annotated[
        str | None, typer.Option("--state", help="Only those in this state: active, acknowledged.")
    ] = None,
) -> None:
    """List alerts that are not resolved, the highest level first."""
    say = session(ctx)
    show_list(say, ALERTS, lambda _most: list(say.client.alerts.list(state)))


def show(ctx: typer.Context, alert: Id) -> None:
    """Show one alert: what is used, who was told, what holds because of it, and what can be done."""
    say = session(ctx)
    found = say.client.alerts.get(alert)
    say.printer.one(ALERTS, found, details(found))


def acknowledge(ctx: typer.Context, alert: Id) -> None:
    """Acknowledge an alert: nobody else is told of it. What it does, such as deferring work, goes on."""
    say = session(ctx)
    done = say.client.alerts.acknowledge(alert)
    say.done(done.text, done, alert)


def history(
    ctx: typer.Context,
    days: Annotated[int, typer.Option("--days", min=1, max=400, help="How far back, in days.")] = 7,
) -> None:
    """List alerts that were raised in the last days, also resolved ones, the newest first."""
    say = session(ctx)
    show_list(say, ALERTS, lambda _most: list(say.client.alerts.history(days)))


def policies(ctx: typer.Context) -> None:
    """List the thresholds that are in force, who is told, and what is done."""
    say = session(ctx)
    show_list(say, POLICIES, lambda _most: list(say.client.alerts.policies()))


def channels(ctx: typer.Context) -> None:
    """List the channels of recipients: how each is notified, and of which alerts."""
    say = session(ctx)
    show_list(say, CHANNELS, lambda _most: list(say.client.alerts.channels()))


def test(
    ctx: typer.Context,
    channel: Annotated[str, typer.Argument(metavar="CHANNEL", help="Name of the channel.")],
) -> None:
    """Send a test message through a channel, and say whether it was delivered."""
    say = session(ctx)
    done = say.client.alerts.test_channel(channel)
    say.done(done.text, done, channel)
