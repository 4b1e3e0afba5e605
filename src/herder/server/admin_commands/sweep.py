"""`herder admin sweep`: shows machines that belong to no worker and workers without a machine; adopts or removes the former.

The only command of `admin` that calls the running server. It never decides by itself: without --adopt or --remove it only shows.
"""

from collections import Counter
from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, Literal

import msgspec
import typer

from herder.cli.output.formats import Format
from herder.cli.output.progress import progress
from herder.cli.shell.exit_codes import Code, CommandError
from herder.cli.shell.options import UNCHANGED, DryRun, Message, Yes, usage
from herder.cli.shell.session import Session, session, suggesting
from herder.cli.views.fleet.sweeps import UNKNOWN, rows_of
from herder.client.http import clock
from herder.model.values.phrases import agree, counted, sentences

if TYPE_CHECKING:
    from herder.wire.api.drivers import SweepAnswer, SweepView

#: How long removals are waited for.
WAIT_S = 300.0
PAUSE_S = 1.0


def sweep(
    ctx: typer.Context,
    driver: Annotated[
        str | None, typer.Option("--driver", metavar="NAME", help="Only this driver (default: all drivers).")
    ] = None,
    machine: Annotated[
        list[str] | None,
        typer.Option("--machine", metavar="NAME", help="Only this machine. Needs --driver. Repeatable."),
    ] = None,
    adopt: Annotated[
        bool,
        typer.Option("--adopt", help="Create the workers of unknown machines again; their agents rejoin."),
    ] = False,
    remove: Annotated[
        bool,
        typer.Option("--remove", help="Remove unknown machines. Needs the role administrator."),
    ] = False,
    wait: Annotated[
        bool, typer.Option("--wait", help="With --remove: wait until the machines are removed.")
    ] = False,
    message: Message = "",
    dry_run: DryRun = False,
    yes: Yes = False,
) -> None:
    """Show machines that belong to no worker, and decide about them.

    The machines of each driver are listed now and compared with the workers. After a restore, machines that were created after the backup are
    kept until you adopt or remove them here. A driver that was frozen because it listed too many unknown machines is unfrozen by your decision,
    unless too many are left.

    The exit code is 0 when all machines can be adopted, 8 when some can, and 4 when none can, also with --dry-run.
    """
    say = session(ctx)
    if adopt and remove:
        raise usage("--adopt and --remove exclude each other.", "Give one of them.")
    _needs("--machine", bool(machine), "--driver", driver is not None)
    _needs("--wait", wait, "--remove", remove)
    _needs("--message", bool(message), "--adopt or --remove", adopt or remove)
    names = [driver] if driver is not None else _drivers(say)
    views = [_look(say, name) for name in names]
    if not (adopt or remove):
        _show(say, [_only(view, machine) for view in views] if machine else views, machine or ())
        return
    action: Literal["adopt", "remove"] = "adopt" if adopt else "remove"
    # The server answers for a machine that is named, also where nothing is unknown.
    chosen = [view for view in views if view.unknown or machine]
    if not chosen:
        _show(say, views)
        return
    effects = [say.client.drivers.decide(view.driver, action, machine or (), dry_run=True) for view in chosen]
    if dry_run:
        _told(say, effects, UNCHANGED)
        return
    if any(each.done for each in effects):
        say.confirm(" ".join(each.text for each in effects), yes=yes)
    done = [say.client.drivers.decide(view.driver, action, machine or (), message) for view in chosen]
    if remove and wait:
        _wait(say, chosen, set(machine or ()))
    _told(say, done)


def _needs(option: str, given: bool, other: str, other_given: bool) -> None:
    """Raises CommandError for an option that would have no effect."""
    if given and not other_given:
        raise usage(f"{option} needs {other}.", f"Add {other}, or omit {option}.")


def _told(say: Session, answers: "list[SweepAnswer]", note: str = "") -> None:
    """Raises CommandError when something was refused; the answers have the reasons."""
    say.all_done([(each.object.partition("/")[2], each) for each in answers], note)
    refused, done = sum(each.refused for each in answers), sum(each.done for each in answers)
    if refused:
        raise CommandError(
            f"{refused:,} of {counted(refused + done, 'machine')} cannot be adopted.",
            hint="`herder admin sweep` shows what is left.",
            code=Code.PARTLY_DONE if done else Code.CONFLICT,
        )


def _drivers(say: Session) -> list[str]:
    return [each.name for each in say.client.drivers.list() if each.state != "missing" and each.kind]


def _look(say: Session, name: str) -> "SweepView":
    with suggesting(say, "driver", name):
        return say.client.drivers.sweep(name)


def _only(view: "SweepView", machines: list[str]) -> "SweepView":
    """Raises CommandError for a machine that the sweep has nothing to say about."""
    known = {each.worker for each in view.unknown} | {each.worker for each in view.missing}
    for name in machines:
        if name not in known:
            raise CommandError(
                f"Machine {name!r} of driver {view.driver} is neither unknown nor missing.",
                hint=f"`herder admin sweep --driver {view.driver}` shows those that are.",
                code=Code.NOT_FOUND,
            )
    unknown = [each for each in view.unknown if each.worker in machines]
    missing = [each for each in view.missing if each.worker in machines]
    return msgspec.structs.replace(view, unknown=unknown, missing=missing)


def _show(say: Session, views: "list[SweepView]", machines: Sequence[str] = ()) -> None:
    if say.format in (Format.JSON, Format.YAML):
        say.printer.data({"drivers": [msgspec.to_builtins(view) for view in views]})
        return
    rows = [row for view in views for row in rows_of(view, say.printer.now_s)]
    say.printer.items(UNKNOWN, rows)
    if not rows:
        say.say(UNKNOWN.empty)
    for text in dict.fromkeys(view.put_back for view in views if view.unknown and view.put_back):
        say.say(text)
    for view in views:
        if view.frozen and not (view.not_now and view.unknown):
            say.say(view.frozen)
        for why, count in Counter(each.not_adoptable for each in view.unknown if each.not_adoptable).items():
            cannot = "can be neither adopted nor removed now" if view.not_now else "cannot be adopted"
            say.say(sentences(f"{counted(count, 'machine')} of driver {view.driver} {cannot}", why))
    if agents := max((view.unknown_agents for view in views), default=0):
        say.say(
            f"{counted(agents, 'agent')} {agree(agents, 'calls', 'call')} with a token that belongs to no worker and {agree(agents, 'gets', 'get')} no work."
        )
    for view in views:
        if view.unknown and not view.not_now:
            adoptable = any(not each.not_adoptable for each in view.unknown)
            verbs = "--adopt, or --remove" if adoptable else "--remove"
            which = "".join(f" --machine {each}" for each in machines)
            say.say(f"Decide with: herder admin sweep --driver {view.driver}{which} {verbs}")


def _wait(say: Session, views: "list[SweepView]", only: set[str]) -> None:
    names = {
        (view.driver, each.worker)
        for view in views
        for each in view.unknown
        if not only or each.worker in only
    }
    give_up_s = clock.monotonic_s() + WAIT_S
    with progress(say, "Machines removed", len(names)) as advance:
        while left := names & {
            (view.driver, each.worker)
            for view in (
                say.client.drivers.sweep(driver) for driver in sorted({driver for driver, _ in names})
            )
            for each in view.unknown
        }:
            advance(len(names) - len(left))
            if clock.monotonic_s() > give_up_s:
                raise CommandError(
                    f"{counted(len(left), 'machine')} {agree(len(left), 'is', 'are')} still listed after {WAIT_S:.0f} s.",
                    hint="`herder admin sweep` shows them. Their removal continues.",
                    code=Code.TIMED_OUT,
                )
            clock.sleep_s(PAUSE_S)
        advance(len(names))
