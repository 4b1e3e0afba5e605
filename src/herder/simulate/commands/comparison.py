"""Optional output of `herder simulate`: the bounds with waiting, and the report. Called by `simulate`.

What these need is imported when it is asked for: the solver is optional, and neither is small.
"""

import dataclasses
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from herder.cli.shell.exit_codes import CommandError
from herder.simulate.runs.finished_run import FinishedRun

if TYPE_CHECKING:
    from herder.simulate.runs.outcome import Outcome
    from herder.simulate.world.world import World

#: More policies than this in one report are no picture any more.
POLICIES_MAX = 8


def check_options(*, with_bounds: bool, report: Path | None, policies: int = 1) -> None:
    """Before anything long is begun. Raises ValueError for what cannot be given."""
    if with_bounds:
        from herder.simulate.bounds.relaxation import check_solver

        check_solver()
    if report is not None and policies > POLICIES_MAX:
        raise ValueError(
            f"A report shows at most {POLICIES_MAX} policies, and there are {policies}. Name fewer with --policy."
        )


def bounds_beside(world: "World", outcome: "Outcome", wait_s: float | None) -> dict[str, Any]:
    """Volume and no-wait bound, and those for everybody whose jobs wait `wait_s` at most (None: as long as they did)."""
    from herder.simulate.bounds.no_wait import volume
    from herder.simulate.bounds.relaxation import least_cost

    found = least_cost(world, outcome.wait_max_s if wait_s is None else wait_s)
    return {"volume": volume(world), "no_wait": outcome.bound, **dataclasses.asdict(found)}


def write_report(
    path: Path, runs: Sequence[FinishedRun], trace: str, facts: Sequence[tuple[str, str]]
) -> None:
    """Replaces the file."""
    from herder.simulate.report.page import report

    text = report(runs, trace, facts)
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise CommandError(
            f"The report cannot be written to {path}: {error.strerror}.",
            hint="Name a file in a folder that exists and that you can write to.",
        ) from None
