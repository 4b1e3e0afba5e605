"""The ratios as a table, Markdown or JSON. Called by `command`; measures nothing."""

from collections.abc import Iterable, Sequence
from dataclasses import asdict

import msgspec

from bench.machine import Machine
from bench.peers.ratios import Ratio
from bench.peers.rounds import Outcome
from bench.report import about, number, row

HEADS = ("PEER", "HERDER ON", "WORK", "MEASURE", "HERDER / PEER", "SPREAD", "ROUNDS")


def rows(outcome: Outcome) -> list[tuple[str, ...]]:
    return [
        (f"{each.name} {each.version}", each.store, ratio.work.value, ratio.measure, *_cells(ratio))
        for each in outcome.compared
        for ratio in each.ratios
    ]


def _cells(ratio: Ratio) -> tuple[str, str, str]:
    low, high = ratio.spread
    return number(ratio.median), f"{number(low)}–{number(high)}", str(len(ratio.rounds))


def notes(outcome: Outcome) -> list[str]:
    kept = [f"{each.name} keeps: {each.durable}" for each in outcome.compared]
    return kept + [f"{name} is missing: {why}" for name, why in outcome.missing.items()]


def table(machine: Machine, outcome: Outcome) -> str:
    lines = [*about(machine), *(f"careful: {each}" for each in machine.warnings()), ""]
    cells = [HEADS, *rows(outcome)]
    widths = [max(len(line[column]) for line in cells) for column in range(len(HEADS))]
    lines += [_padded(line, widths) for line in cells]
    return "\n".join([*lines, "", *notes(outcome)]) + "\n"


def _padded(cells: Sequence[str], widths: Iterable[int]) -> str:
    return "  ".join(cell.ljust(width) for cell, width in zip(cells, widths, strict=True)).rstrip()


def markdown(machine: Machine, outcome: Outcome) -> str:
    lines = [f"- {each}" for each in (*about(machine), *notes(outcome))]
    lines += [f"- **{each}**" for each in machine.warnings()]
    lines += ["", row(head.capitalize() for head in HEADS), row("---" for _ in HEADS)]
    return "\n".join([*lines, *(row(cells) for cells in rows(outcome))]) + "\n"


def data(machine: Machine, outcome: Outcome) -> str:
    whole = {
        "api_version": "herder/v1",
        "machine": {**asdict(machine), "warnings": machine.warnings()},
        "peers": [asdict(each) for each in outcome.compared],
        "missing": outcome.missing,
    }
    return msgspec.json.format(msgspec.json.encode(whole), indent=2).decode() + "\n"
