"""The figures of `herder simulate` as text, and the notes about jobs that were left out. Called by `simulate`."""

import dataclasses
from typing import TYPE_CHECKING, Any

from herder.cli.output.formats import Format
from herder.cli.shell.session import Session
from herder.model.values.phrases import counted

if TYPE_CHECKING:
    from herder.simulate.runs.outcome import Outcome
    from herder.simulate.world.world import World

#: Lines about what was left out; the rest is counted.
SKIPPED_SHOWN = 20


def tell_left_out(say: Session, world: "World") -> None:
    counts: dict[int, int] = {}
    for job in world.unplaced:
        shape = world.trace.shape_of[job]
        counts[shape] = counts.get(shape, 0) + 1
    for shape, count in sorted(counts.items(), key=lambda each: -each[1])[:SKIPPED_SHOWN]:
        if world.shape_requests[shape] == 0:
            why = "request nothing that a template limits"
        elif world.homeless[shape]:
            why = "do not fit any template"
        else:
            why = "wait for jobs that fit on no template"
        say.say(f"Left out: {counted(count, 'job')} ({_shape(world, shape)}), because they {why}.")


def _shape(world: "World", shape: int) -> str:
    amounts = world.trace.shapes[shape]
    parts = [
        f"{amounts[0] / 1000:g} {'core' if amounts[0] == 1000 else 'cores'}",
        f"{amounts[1] / 1024:g} GiB",
        f"{amounts[2] / 1024:g} GiB disk",
        f"{amounts[3] / 1000:g} GPU",
    ]
    return ", ".join(part for part, amount in zip(parts, amounts, strict=True) if amount) or "nothing"


def _rounded(outcome: "Outcome") -> dict[str, float | int]:
    return {
        key: round(value, 6) if isinstance(value, float) else value
        for key, value in dataclasses.asdict(outcome).items()
    }


def show_one(say: Session, outcome: "Outcome", bounds: dict[str, Any]) -> None:
    plain = _rounded(outcome)
    if say.format in (Format.JSON, Format.YAML):
        say.printer.data({**plain, "bounds": bounds} if bounds else plain)
        return
    if say.format is Format.CSV:
        say.printer.fields({**plain, **{f"bounds.{key}": value for key, value in bounds.items()}})
        return
    for key, value in plain.items():
        say.printer.line(f"{key:<16} {_figure(value)}")
    for key, value in bounds.items():
        say.printer.line(f"bounds.{key:<16} {_figure(value)}")


def show_many(say: Session, rows: "list[tuple[str, Outcome, dict[str, Any]]]", with_bounds: bool) -> None:
    from herder.simulate.commands.columns import POLICY_ROWS, with_waiting

    items = [
        {"policy": title, **_rounded(outcome), **({"bounds": bounds} if bounds else {})}
        for title, outcome, bounds in rows
    ]
    say.printer.items(with_waiting(POLICY_ROWS) if with_bounds else POLICY_ROWS, items)


def _figure(value: float) -> str:
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:,}" if isinstance(value, int) else f"{value:,.3f}"
