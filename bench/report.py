"""The figures as a table, as JSON, and as the Markdown of `docs/performance.md`. Called by `command`; measures nothing."""

import io
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import msgspec
from rich.console import Console
from rich.table import Table

from bench.figures import Figure, Reached
from bench.machine import Machine

COLUMNS = ("MEASUREMENT", "FIGURE", "VALUE", "UNIT", "FLOOR", "GOAL", "REACHED", "RUNS")
_STYLES = {Reached.GOAL: "green", Reached.FLOOR: "yellow", Reached.NO: "red", Reached.UNSAID: ""}
_RIGHT = ("VALUE", "FLOOR", "GOAL", "RUNS")


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    """The figures of one store."""

    store: str
    figures: tuple[Figure, ...]


def table(machine: Machine, all_measured: Sequence[Measured], *, color: bool) -> str:
    out = io.StringIO()
    console = Console(file=out, force_terminal=color, no_color=not color, width=140, highlight=False)
    for line in (*about(machine), *(f"careful: {each}" for each in machine.warnings())):
        console.print(line)
    for measured in all_measured:
        rows = Table(box=None, padding=(0, 2, 0, 0), pad_edge=False, header_style="bold")
        for name in COLUMNS:
            rows.add_column(name, justify="right" if name in _RIGHT else "left", no_wrap=True)
        for figure in measured.figures:
            rows.add_row(*_cells(figure), style=_STYLES[figure.reached])
        console.print(f"\n[bold]{measured.store}[/]")
        console.print(rows)
    return "\n".join(line.rstrip() for line in out.getvalue().splitlines()) + "\n"


def data(machine: Machine, all_measured: Sequence[Measured]) -> str:
    whole = {
        "api_version": "herder/v1",
        "machine": {**asdict(machine), "warnings": machine.warnings()},
        "stores": [
            {"store": measured.store, "figures": [_plain(figure) for figure in measured.figures]}
            for measured in all_measured
        ],
    }
    return msgspec.json.format(msgspec.json.encode(whole), indent=2).decode() + "\n"


def markdown(machine: Machine, all_measured: Sequence[Measured]) -> str:
    lines = [f"- {line}" for line in about(machine)] + [f"- **{each}**" for each in machine.warnings()]
    for measured in all_measured:
        lines += ["", f"### {measured.store}", "", row(name.capitalize() for name in COLUMNS)]
        lines.append(row("--:" if name in _RIGHT else "---" for name in COLUMNS))
        lines += [row(_cells(figure)) for figure in measured.figures]
    return "\n".join(lines) + "\n"


def row(cells: Any) -> str:
    return f"| {' | '.join(cells)} |"


def about(machine: Machine) -> list[str]:
    return [
        f"Herder {machine.herder} on {machine.date}, Python {machine.python}",
        f"{machine.cores} cores of {machine.processor}, {machine.memory_gib} GiB, {machine.system}",
        f"{machine.file_system}, {machine.sync_ms} ms for a write that is synced",
        f"load average before {machine.load[0]}, others used {machine.others_percent:.0f} % of the cores",
    ]


def _cells(figure: Figure) -> tuple[str, ...]:
    target = figure.target
    spread = f"{number(min(figure.runs))}–{number(max(figure.runs))}" if figure.runs else figure.note
    return (
        figure.measurement,
        figure.name,
        number(figure.value),
        figure.unit,
        number(target.floor) if target else "",
        number(target.goal) if target else "",
        figure.reached.value,
        spread,
    )


def number(value: float) -> str:
    """Three figures are all that a measurement is worth, but whole numbers are not cut."""
    if abs(value) >= 100:
        return f"{value:,.0f}"
    return f"{value:.3g}"


def _plain(figure: Figure) -> dict[str, Any]:
    target = figure.target
    return {
        **asdict(figure),
        "floor": target.floor if target else None,
        "goal": target.goal if target else None,
        "reached": None if figure.reached is Reached.UNSAID else figure.reached.value,
    }
