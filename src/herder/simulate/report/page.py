"""The report as one HTML file: figures, charts, bounds, parameters and origin. It loads nothing from the network.

Called by the command with simulations that have run. The look and the theme switch are the dashboard's. The same simulations give
the same bytes: no time of writing, no CPU time.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from herder.simulate.bounds.no_wait import volume
from herder.simulate.report.chart import (
    Axis,
    Chart,
    Line,
    duration,
    make,
    number,
    time_axis,
    wait_axis,
    waits_of,
)
from herder.simulate.report.series import WAIT_BUCKETS, Grid, Series, grid_of, no_wait_cost, series_of
from herder.simulate.report.trace_sources import ORIGINS, UNKNOWN
from herder.simulate.runs.finished_run import FinishedRun
from herder.simulate.world.world import World
from herder.web.static_files import static_files


@dataclass(frozen=True, slots=True, kw_only=True)
class _Part:
    """A policy's own charts."""

    title: str
    charts: tuple[Chart, ...]


def report(runs: Sequence[FinishedRun], trace: str, facts: Sequence[tuple[str, str]]) -> str:
    """`trace`: how the file is called. `facts`: further parameters, each with its name."""
    world = runs[0].world
    grid = grid_of([run.world for run in runs])
    end_s = grid.width_s * grid.count
    series = [series_of(run.world, grid) for run in runs]
    axis = time_axis(grid.middles_s, end_s)
    parts = tuple(
        _Part(title=run.title, charts=_own(place, found, axis, end_s))
        for place, (run, found) in enumerate(zip(runs, series, strict=True))
    )
    return _environment().get_template("report.html").render(
        runs=runs,
        trace=trace,
        origin=ORIGINS.get(world.trace.format, UNKNOWN),
        facts=(*_facts(world), *facts),
        bounds=_bounds(runs),
        charts=_shared(runs, series, grid, axis),
        parts=parts,
        number=number,
        duration=duration,
        styles=_style(),
        script=_script(),
    )  # fmt: skip


def _facts(world: World) -> Sequence[tuple[str, str]]:
    templates = "; ".join(f"{each.name} at {each.price:g} per hour" for each in world.templates)
    boot = world.boot
    spread = f", log-normal spread {boot.spread:g}" if boot.spread else ""
    booting = (
        f"{boot.low_s:g} s" if boot.low_s == boot.high_s else f"{boot.low_s:g} to {boot.high_s:g} s"
    ) + spread
    return (
        ("Format", world.trace.format),
        ("Jobs", f"{len(world.trace) - len(world.unplaced):,}"),
        ("Left out, because no template fits", f"{len(world.unplaced):,}"),
        ("Bad rows left out", f"{len(world.trace.skipped):,}"),
        ("Templates", templates),
        ("Boot", booting),
    )


def _bounds(runs: Sequence[FinishedRun]) -> Sequence[tuple[str, str, float]]:
    """(name, for whom it holds, cost)."""
    rows = [
        ("volume", "all policies, however long jobs wait", volume(runs[0].world)),
        ("no wait", "policies that start each job when it can", runs[0].outcome.bound),
    ]
    for run in runs:
        if run.bounds:
            who = f"policies under which jobs wait at most {duration(run.bounds['wait_s'])}, as {run.title}"
            rows.append(("waiting", who, run.bounds["waiting"]))
            rows.append(("waiting, boot, billing", who, run.bounds["starting"]))
    return rows


def _shared(
    runs: Sequence[FinishedRun], series: Sequence[Series], grid: Grid, axis: Axis
) -> tuple[Chart, ...]:
    """Charts with a line for each policy."""
    titles = [run.title for run in runs]
    count = grid.count
    cost = [Line(label=title, values=each.cost) for title, each in zip(titles, series, strict=True)]
    cost.append(Line(label="no-wait bound so far", values=no_wait_cost(runs[0].world, grid)))
    flats = {"volume bound": volume(runs[0].world)}
    if len(runs) == 1 and runs[0].bounds:
        flats["bound with its waits, boots and billing"] = runs[0].bounds["starting"]
    cost += [Line(label=label, values=[level] * count, flat=True) for label, level in flats.items()]
    longest_s = max(run.outcome.wait_max_s for run in runs)
    waits = wait_axis(longest_s)
    shares = [
        Line(label=title, values=[_share(each.waits_s, at_s) for at_s in waits_of(waits, longest_s)])
        for title, each in zip(titles, series, strict=True)
    ]
    return (
        make("cost", "Cost so far", "in the unit of the price; a level line is a bound for the whole run", axis, cost, number),
        make(
            "workers",
            "Paid workers",
            "average of each interval",
            axis,
            [
                Line(label=title, values=each.all_workers)
                for title, each in zip(titles, series, strict=True)
            ],
            number,
        ),
        make(
            "queue",
            "Queued jobs",
            "average of each interval",
            axis,
            [Line(label=title, values=each.queue) for title, each in zip(titles, series, strict=True)],
            number,
        ),
        make(
            "waits",
            "How long jobs waited",
            "share of jobs that waited no longer; logarithmic from one second",
            waits,
            shares,
            lambda part: f"{100 * part:.0f} %",
            top=1.0,
        ),
    )  # fmt: skip


def _share(waits_s: Sequence[float], at_s: float) -> float:
    return sum(wait_s <= at_s for wait_s in waits_s) / len(waits_s) if waits_s else 1.0


def _own(place: int, series: Series, axis: Axis, end_s: float) -> tuple[Chart, ...]:
    wait_times = time_axis(Grid(end_s / WAIT_BUCKETS, WAIT_BUCKETS).middles_s, end_s)
    kinds = [Line(label=label, values=values) for label, values in series.workers]
    waits = (("median", series.wait_p50_s), ("95th percentile", series.wait_p95_s), ("longest", series.wait_max_s))  # fmt: skip
    return (
        make(
            f"kinds-{place}",
            "Workers by template",
            "stacked; average of each interval",
            axis,
            kinds,
            number,
            stacked=True,
        ),
        make(
            f"quantiles-{place}",
            "Waits by time of arrival",
            "at most",
            wait_times,
            [Line(label=label, values=values) for label, values in waits],
            duration,
        ),
    )


@cache
def _environment() -> Environment:
    return Environment(
        loader=FileSystemLoader(Path(__file__).parent),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )


def _style() -> Markup:
    """Our own files, so they are safe to stand in the page as they are."""
    sheets = [static_files()[name].body.decode() for name in ("page.css", "parts.css")]
    return Markup("\n".join([*sheets, (Path(__file__).parent / "report.css").read_text(encoding="utf-8")]))


def _script() -> Markup:
    return Markup(static_files()["theme.js"].body.decode())
