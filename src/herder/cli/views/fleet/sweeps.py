"""The table of unknown machines and of workers without a machine. Used by `herder admin sweep`."""

from typing import Any

from herder.cli.output.columns import field, made, words
from herder.cli.output.rows import View

UNKNOWN = View(
    noun="machine",
    name=lambda row: str(row.machine),
    columns=(
        field("DRIVER", "driver"),
        field("MACHINE", "machine"),
        field("FOUND", "found"),
        field("PHASE", "phase", state=True, drop=3),
        words("FOR", "seconds", lambda seconds: f"{seconds:.0f}s", right=True, drop=5),
        made(
            "ADOPTABLE",
            lambda row: "-" if row.adoptable is None else "yes" if row.adoptable else "no",
            drop=2,
        ),
        field("NEXT", "next", wrap=True),
    ),
    tells_left_out=True,
    empty="All machines belong to workers, and no worker lacks its machine.",
)


class Row:
    """One line: a machine without a worker, or a worker without a machine."""

    def __init__(
        self,
        driver: str,
        machine: str,
        found: str,
        phase: str,
        seconds: float,
        adoptable: bool | None,
        next_: str,
    ) -> None:
        self.driver, self.machine, self.found, self.phase = driver, machine, found, phase
        self.seconds, self.adoptable, self.next = seconds, adoptable, next_


def rows_of(view: Any, now_s: float) -> list[Row]:
    from datetime import datetime

    unknown = [
        Row(
            view.driver,
            each.worker,
            "unknown",
            each.phase,
            each.unknown_for_s,
            not each.not_adoptable,
            each.next,
        )
        for each in view.unknown
    ]
    missing = [
        Row(
            view.driver,
            each.worker,
            "no machine",
            each.state,
            max(0.0, now_s - datetime.fromisoformat(each.since).timestamp()),
            None,
            "Its worker is closed when the provider confirms that the machine no longer exists.",
        )
        for each in view.missing
    ]
    return [*unknown, *missing]
