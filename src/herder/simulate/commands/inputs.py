"""The input of `herder simulate`: a trace, or Herder's own store, and the notes about it on stderr.

Called by the command. What is wrong with the source is an error of the command.
"""

import dataclasses
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

from herder.cli.shell.exit_codes import Code, CommandError
from herder.cli.shell.session import Session
from herder.model.values.phrases import agree, counted

if TYPE_CHECKING:
    from herder.simulate.traces.trace import Trace
    from herder.simulate.world.offers import SimTemplate

T = TypeVar("T")
#: Bad rows that are listed; the others are counted.
SKIPPED_SHOWN = 20


@dataclasses.dataclass(frozen=True, slots=True)
class Source:
    """Where the work comes from: a file, or a store."""

    path: Path | None
    events: str | None
    format_name: str | None
    limit: int | None
    skip_bad: bool


def from_file(
    say: Session, source: Source, parsed: "tuple[SimTemplate, ...]"
) -> "tuple[Trace, tuple[SimTemplate, ...]]":
    from herder.simulate.runs.run import usual_templates
    from herder.simulate.traces import read_trace

    path = source.path
    if path is None:
        raise CommandError(
            "There is nothing to simulate.",
            hint="Name a trace with --trace FILE, or Herder's own store with --from-events DB.",
            code=Code.USAGE,
        )
    trace = usage(lambda: read_trace(path, source.format_name, limit=source.limit, skip_bad=source.skip_bad))
    if trace.skipped:
        say.say(
            f"{counted(len(trace.skipped), 'bad row')} {agree(len(trace.skipped), 'was', 'were')} left out:"
        )
        for text in trace.skipped[:SKIPPED_SHOWN]:
            say.say(f"  {text}")
        if len(trace.skipped) > SKIPPED_SHOWN:
            say.say(f"  and {len(trace.skipped) - SKIPPED_SHOWN} more")
    if parsed:
        return trace, parsed
    chosen = usual_templates(trace)
    names = ", ".join(each.name for each in chosen)
    say.say(
        f"Without --template, workers are the usual ones for {trace.format}: {names}, at a price of 1 per hour."
    )
    return trace, chosen


def from_store(
    say: Session, source: Source, parsed: "tuple[SimTemplate, ...]"
) -> "tuple[Trace, tuple[SimTemplate, ...]]":
    from herder.simulate.history.world_from_store import described, read_own_store
    from herder.simulate.runs.run import usual_templates

    if source.path is not None or source.format_name is not None:
        raise CommandError(
            "--from-events cannot be used with --trace or --format.",
            hint="Give one source of work.",
            code=Code.USAGE,
        )
    found = usage(lambda: read_own_store(source.events or "", limit=source.limit))
    for note in found.log.notes():
        say.say(note)
    trace = found.log.trace
    if parsed:
        return trace, parsed
    if found.templates:
        named = "; ".join(described(each) for each in found.templates)
        say.say(f"Without --template, workers are those of the pools in the store: {named}.")
        return trace, found.templates
    chosen = usual_templates(trace)
    names = ", ".join(each.name for each in chosen)
    say.say(
        f"Without --template, and without a pool in the store, workers are {names}, at a price of 1 per hour."
    )
    return trace, chosen


def usage(make: Callable[[], T]) -> T:
    """What people got wrong, as an error of the command."""

    try:
        return make()
    except ValueError as error:
        raise CommandError(str(error), hint="--help shows what the command takes.", code=Code.USAGE) from None
