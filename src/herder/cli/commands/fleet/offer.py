"""`herder offer`: what pools may create and providers sell, with price and quota left."""

from typing import Annotated

import typer

from herder.cli.shell.commands import command, noun
from herder.cli.shell.completion import complete_drivers
from herder.cli.shell.session import session, suggesting
from herder.cli.views.fleet.offers import OFFERS


def build() -> typer.Typer:
    app = noun("Offers: what workers can be created, at which price.", example="herder offer list")
    command(app, "list", example="herder offer list\nherder offer list --driver local --shapes")(show_all)
    return app


def show_all(
    ctx: typer.Context,
    driver: Annotated[
        str | None,
        typer.Option(
            "--driver", metavar="DRIVER", autocompletion=complete_drivers, help="Only offers of this driver."
        ),
    ] = None,
    shapes: Annotated[
        bool, typer.Option("--shapes", help="Also show what providers sell beside the templates of pools.")
    ] = False,
) -> None:
    """List the templates of pools by zone and market, with price and quota left.

    LEFT is the number of workers that the provider's quotas, as it reported them last, and the
    limits of the pool allow.
    """
    say = session(ctx)
    with suggesting(say, "driver", driver or ""):
        found = list(say.client.offers.list(driver, shapes=shapes))
    say.printer.items(OFFERS, found)
    if not found:
        say.say(OFFERS.empty)
    reasons = (text for each in found for text in (each.price_reason, each.reason) if text)
    for reason in dict.fromkeys(reasons):
        say.say(reason)
