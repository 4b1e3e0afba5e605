"""`herder driver`: show and check drivers, and what exists at their providers; freeze, unfreeze and forget them."""

from typing import Annotated

import typer

from herder.cli.shell.commands import command, noun
from herder.cli.shell.completion import DriverArgument, complete_pools
from herder.cli.shell.exit_codes import Code
from herder.cli.shell.options import UNCHANGED, DryRun, Message, Watch, Yes, usage
from herder.cli.shell.session import session, suggesting
from herder.cli.views.fleet.clusters import CHECKS
from herder.cli.views.fleet.drivers import DRIVERS, details


def build() -> typer.Typer:
    app = noun("Drivers, which create and remove workers at providers.", example="herder driver list")
    command(app, "list", example="herder driver list\nherder driver list -o wide")(show_all)
    command(app, "get", example="herder driver get local")(get)
    command(
        app,
        "check",
        example="herder driver check local\nherder driver check local --write --pool burst --yes",
    )(check)
    command(app, "import", example="herder driver import rosa\nherder driver import rosa -o json")(
        import_pools
    )
    command(app, "freeze", example='herder driver freeze local --message "maintenance"')(freeze)
    command(app, "unfreeze", example="herder driver unfreeze local")(unfreeze)
    command(app, "forget", example="herder driver forget old --dry-run")(forget)
    return app


def show_all(ctx: typer.Context, watch: Watch = False) -> None:
    """List drivers, their status and their calls in progress."""
    say = session(ctx)
    if watch:
        from herder.cli.output.watch import watch as go_on

        go_on(say, DRIVERS, lambda: list(say.client.drivers.list()))
        return
    found = list(say.client.drivers.list())
    say.printer.items(DRIVERS, found)
    for each in found:
        if each.reason:
            say.say(each.reason)


def get(ctx: typer.Context, driver: DriverArgument) -> None:
    """Show one driver and its calls in progress."""
    say = session(ctx)
    with suggesting(say, "driver", driver):
        found = say.client.drivers.get(driver)
    say.printer.one(DRIVERS, found, details(found, say.printer.now_s))


def check(
    ctx: typer.Context,
    driver: DriverArgument,
    write: Annotated[
        bool, typer.Option("--write", help="Also create one worker, wait until it is ready, and remove it.")
    ] = False,
    pool: Annotated[
        str | None,
        typer.Option(
            "--pool",
            metavar="POOL",
            autocompletion=complete_pools,
            help="With --write: the pool of the worker (default: the only one of the driver).",
        ),
    ] = None,
    template: Annotated[
        str | None,
        typer.Option(
            "--template", metavar="NAME", help="With --write: its template (default: the cheapest)."
        ),
    ] = None,
    yes: Yes = False,
) -> None:
    """Check that a provider answers, and that all that the driver needs is there.

    Without --write nothing is changed. With it, the worker costs what its template costs until
    it is removed. The exit code is 1 when a check fails.
    """
    if not write and (pool or template):
        raise usage("--pool and --template need --write.", hint="Add --write.")
    say = session(ctx)
    with suggesting(say, "driver", driver):
        found = say.client.drivers.check(driver)
    checks = list(found.checks)
    if write and found.passed:
        from herder.cli.input.trial_worker import run_trial, trial_pool

        chosen, name = trial_pool(say, found.driver, pool, template)
        say.confirm(
            f"One worker of template {name} is created in pool {chosen.name}, and removed when it has become ready.",
            yes=yes,
            has_dry_run=False,
        )
        checks += run_trial(say, chosen, name)
    say.printer.items(CHECKS, checks)
    if write and not found.passed:
        say.say("No worker was created, because a check failed.")
    if not all(each.passed for each in checks):
        raise typer.Exit(Code.FAILURE)


def import_pools(ctx: typer.Context, driver: DriverArgument) -> None:
    """Print what exists at a provider as pools that would adopt it.

    Changes nothing. The pools are settings for herder.yaml; comments before them say what
    their owner has to do before Herder uses them. Drivers of kind rosa can list machine pools.
    """
    from herder.cli.output.formats import Format
    from herder.cli.views.fleet.adoptable_pools import ADOPTABLE_POOLS, comments, settings

    say = session(ctx)
    with suggesting(say, "driver", driver):
        found = say.client.drivers.importable(driver)
    if say.printer.format in (Format.JSON, Format.YAML):
        say.printer.data(found)
    elif say.printer.format is not Format.TABLE:
        say.printer.items(ADOPTABLE_POOLS, found.pools)
    else:
        say.printer.line(comments(found))
        say.printer.yaml(settings(found))


def freeze(ctx: typer.Context, driver: DriverArgument, message: Message = "") -> None:
    """Stop creating and removing workers through a driver."""
    say = session(ctx)
    with suggesting(say, "driver", driver):
        done = say.client.drivers.freeze(driver, message)
    say.done(done.text, done, driver)


def unfreeze(
    ctx: typer.Context,
    driver: DriverArgument,
    allow_removals: Annotated[
        bool,
        typer.Option(
            "--allow-removals",
            help="Accept the provider's list: for 10 minutes, close lost workers and remove unknown machines without a limit.",
        ),
    ] = False,
    message: Message = "",
    yes: Yes = False,
) -> None:
    """Resume creating and removing workers through a driver. Asks before it allows removals without a limit."""
    say = session(ctx)
    with suggesting(say, "driver", driver):
        if allow_removals:
            name = say.client.drivers.get(driver).name
            say.confirm(
                f"Driver {name} is unfrozen. For 10 minutes, lost workers are closed and unknown machines are removed without the limit.",
                yes=yes,
                has_dry_run=False,
            )
        done = say.client.drivers.unfreeze(driver, message, allow_removals=allow_removals)
    say.done(done.text, done, driver)


def forget(
    ctx: typer.Context,
    driver: DriverArgument,
    message: Message = "",
    dry_run: DryRun = False,
    yes: Yes = False,
) -> None:
    """Close the workers of a driver that is no longer in herder.yaml.

    Machines that still run at the provider are not removed.
    """
    say = session(ctx)
    with suggesting(say, "driver", driver):
        if not (yes or dry_run):
            say.confirm(say.client.drivers.forget(driver, dry_run=True).text, yes=False)
        done = say.client.drivers.forget(driver, message, dry_run=dry_run)
    say.done(done.text + (UNCHANGED if dry_run else ""), done, driver)
