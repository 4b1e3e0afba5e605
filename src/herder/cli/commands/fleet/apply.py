"""`herder apply`: create or update pools from files, after showing the changes and the price."""

import sys
from functools import partial
from typing import TYPE_CHECKING, Annotated, Any

import typer

from herder.cli.output.formats import Format
from herder.cli.shell.commands import command
from herder.cli.shell.options import DryRun, Files
from herder.cli.shell.session import Session, session
from herder.cli.views.plans import apply_lines
from herder.cli.views.tables import CHANGES

#: Sections that only the files of the server itself are read for.
SERVERS_OWN = (
    "server",
    "drivers",
    "resources",
    "metric_sources",
    "intakes",
    "clusters",
    "bootstraps",
    "object_stores",
)

#: Other commands refuse to act without a terminal and without --yes; an apply in a script is what the files say.
_Yes = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask for confirmation on a terminal.")]

_Ahead = Annotated[
    bool,
    typer.Option(
        "--ahead", help="Allow budgets of pools, projects, users and divisions that do not exist yet."
    ),
]

if TYPE_CHECKING:
    from herder.settings import BootstrapFaults, DriverFaults, Settings
    from herder.wire.api.resources import ApplyAnswer


def add_to(
    app: typer.Typer,
    driver_faults: "DriverFaults | None" = None,
    bootstrap_faults: "BootstrapFaults | None" = None,
) -> None:
    @command(app, "apply", example="herder apply -f herder.yaml --dry-run\nherder apply -f herder.yaml")
    def apply(
        ctx: typer.Context, file: Files, dry_run: DryRun = False, yes: _Yes = False, ahead: _Ahead = False
    ) -> None:
        """Apply the pools, the budgets and the sharing settings of files.

        Shows the changes, what they mean for a machine pool of ROSA, and what the pools may cost; on a terminal it asks before it acts. Pools and budgets that the files do not
        name are not changed. Each of fair_share, priority_classes, projects and the quotas of users replaces the current
        section when the files contain it. The server reads drivers, server, resources, metric_sources, intakes, clusters,
        bootstraps and the roles of users from its own file; they are listed and not applied. If a file has an error, nothing is changed.
        """
        say = session(ctx)
        from herder.settings.load import load

        settings = load(file, part=True)
        _doubts(say, settings, driver_faults, bootstrap_faults)
        sharing = _sharing(settings)
        _left_out(say, settings)
        if not settings.pools and not sharing and not settings.budgets:
            say.say("Nothing to apply: the files contain no pools, no budgets and no sharing settings.")
            return
        budgets = _budgets(settings)
        given = partial(say.client.apply, settings.pools, sharing=sharing, budgets=budgets, ahead=ahead)
        expected = given(dry_run=True)
        if dry_run:
            _show(say, expected)
            return
        changed = [change for change in expected.changes if change.change != "unchanged"]
        if (changed or expected.sharing or expected.budgets) and sys.stdin.isatty() and not yes:
            say.confirm("\n".join(apply_lines(expected)), yes=False)
        _show(say, given())


def _sharing(settings: "Settings") -> dict[str, Any]:
    from herder.settings import sharing_to_plain

    plain = sharing_to_plain(settings.sharing)
    return {section: plain[section] for section in settings.sharing_sections}


def _budgets(settings: "Settings") -> dict[str, Any]:
    from herder.settings.sections.budgets import budgets_to_plain

    return budgets_to_plain(settings.budgets)


def _left_out(say: Session, settings: "Settings") -> None:
    """What is in the files and is not applied: it is the server's own, which reads it when it starts."""
    left = [section for section in SERVERS_OWN if section in settings.written]
    users = settings.written.get("users")
    if isinstance(users, dict) and any(
        isinstance(each, dict) and set(each) - {"quota", "queued_jobs"} for each in users.values()
    ):
        left.append("roles and weights of users (their quotas and queued_jobs are applied)")
    if left:
        say.say(
            f"Not applied: {', '.join(left)}. The server reads them from its own file (herder server -c FILE)."
        )


def _doubts(
    say: Session,
    settings: "Settings",
    driver_faults: "DriverFaults | None",
    bootstrap_faults: "BootstrapFaults | None",
) -> None:
    """Raises SettingsError with every fault; warnings are shown."""
    from herder.settings import SettingsError, Severity
    from herder.settings.lint import lint

    found = lint(settings, driver_faults=driver_faults, bootstrap_faults=bootstrap_faults)
    faults = [problem for problem in found if problem.severity is Severity.ERROR]
    if faults:
        raise SettingsError(faults)
    for doubt in found:
        if doubt.severity is not Severity.NOTE:
            say.say(f"{doubt.severity}: {doubt}")


def _show(say: Session, answer: "ApplyAnswer") -> None:
    if say.format in (Format.JSON, Format.YAML):
        say.printer.data(answer)
    elif say.format is Format.CSV:
        say.printer.items(CHANGES, answer.changes)
    elif say.format is Format.NAME:
        for change in answer.changes:
            say.printer.line(change.pool)
    else:
        for line in apply_lines(answer):
            say.printer.prose(line, signed=True)
        if answer.dry_run:
            say.say("Dry run: nothing was changed.")
