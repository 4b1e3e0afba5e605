"""The columns of the table that `herder simulate compare` prints. Each row is a dictionary of figures."""

from dataclasses import replace
from typing import Any

from herder.cli.output.view import Column, View

#: Amounts below this are shown with decimals.
SMALL = 100


def _column(header: str, key: str, places: int | None = None, *, drop: int = 0) -> Column:
    def show(row: Any, _now_s: float) -> str:
        value = row[key]
        if places is None:
            return str(value)
        small = isinstance(value, float) and 0 < value < SMALL and places == 0
        return f"{value:,.3f}" if small else f"{value:,.{places}f}"

    return Column(header=header, show=show, raw=lambda row: row[key], right=key != "policy", drop=drop)


POLICY_ROWS = View(
    noun="policy",
    name=lambda row: str(row["policy"]),
    columns=(
        _column("POLICY", "policy"),
        _column("RATIO", "ratio", 3),
        _column("COST", "cost", 0),
        _column("BOUND", "bound", 0, drop=5),
        _column("VM_HOURS", "vm_hours", 0, drop=6),
        _column("MEAN_WAIT_S", "wait_mean_s", 1),
        _column("P50_S", "wait_p50_s", 1, drop=4),
        _column("P95_S", "wait_p95_s", 1, drop=1),
        _column("MAX_S", "wait_max_s", 0, drop=2),
        _column("STARTED", "workers_started", 0, drop=3),
        _column("KILLED_S", "work_killed_s", 0, drop=7),
        _column("JOBS", "jobs", 0, drop=8),
        _column("CPU_S", "seconds", 1, drop=9),
    ),
    empty="Name policies with --policy.",
)


def with_waiting(view: View) -> View:
    """The same with the bounds of those who let jobs wait (`herder simulate compare --bounds`)."""
    return replace(
        view, columns=(*view.columns, _bound("WAIT_BOUND", "waiting"), _bound("START_BOUND", "starting"))
    )


def _bound(header: str, key: str) -> Column:
    return Column(
        header=header,
        show=lambda row, _now_s: f"{row['bounds'][key]:,.0f}",
        raw=lambda row: row["bounds"][key],
        right=True,
        drop=6,
    )
