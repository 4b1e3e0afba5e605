"""`herder bootstrap`: show bootstraps and check them."""

import typer

from herder.cli.shell.commands import command, noun
from herder.cli.shell.completion import BootstrapArgument
from herder.cli.shell.exit_codes import Code
from herder.cli.shell.options import Watch
from herder.cli.shell.session import session, suggesting
from herder.cli.views.fleet.bootstraps import BOOTSTRAPS
from herder.cli.views.fleet.clusters import CHECKS


def build() -> typer.Typer:
    app = noun("Bootstraps, which make new machines join a cluster.", example="herder bootstrap list")
    command(app, "list", example="herder bootstrap list\nherder bootstrap list -o wide")(show_all)
    command(app, "check", example="herder bootstrap check talos")(check)
    return app


def show_all(ctx: typer.Context, watch: Watch = False) -> None:
    """List bootstraps, and whether their credentials are refused."""
    say = session(ctx)
    if watch:
        from herder.cli.output.watch import watch as go_on

        go_on(say, BOOTSTRAPS, lambda: list(say.client.bootstraps.list()))
        return
    found = list(say.client.bootstraps.list())
    say.printer.items(BOOTSTRAPS, found)
    if not found:
        say.say(BOOTSTRAPS.empty)
    for each in found:
        if each.reason:
            say.say(each.reason)


def check(ctx: typer.Context, bootstrap: BootstrapArgument) -> None:
    """Check the credentials, the base configuration and the endpoints of a bootstrap.

    If its credentials were refused and each check passes, its pools create workers again. The exit code is 1 when a check fails.
    """
    say = session(ctx)
    with suggesting(say, "bootstrap", bootstrap):
        found = say.client.bootstraps.check(bootstrap)
    say.printer.items(CHECKS, found.checks)
    if not found.passed:
        raise typer.Exit(Code.FAILURE)
