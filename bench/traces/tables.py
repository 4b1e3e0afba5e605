"""Runs a case of `cases` with every policy, and makes its section of Markdown. Called by `write`; writes no file."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import herder.simulate
from bench.traces.cases import FIXED, FIXED_PART, POLICIES, SOURCES, Case
from herder.simulate.bounds import no_wait
from herder.simulate.bounds.relaxation import Limits, SolverMissing, check_solver, least_cost
from herder.simulate.policies.catalogue import find_policy
from herder.simulate.runs.outcome import Outcome
from herder.simulate.runs.run import simulate
from herder.simulate.traces import read_trace
from herder.simulate.traces.trace import Trace
from herder.simulate.world.boot_times import Boot
from herder.simulate.world.inventory import templates_of
from herder.simulate.world.offers import SimTemplate, parse_template
from herder.simulate.world.spot import SpotSeries, spot_series
from herder.simulate.world.world import World

BOOT_S = 120.0
#: The bound for each policy's own waits is only for comparison, and there are many of them.
BOUND_LIMITS = Limits(columns=50_000, seconds=20.0)
HEADER = (
    "policy", "ratio", "cost", "over own bound", "mean wait, s", "p95, s", "longest, s", "workers started", "killed, h", "CPU-s",
)  # fmt: skip


@dataclass(frozen=True, slots=True)
class Files:
    """Where traces are: the shipped excerpts, or a folder of full ones."""

    folder: Path | None

    def find(self, source: str) -> Path | None:
        """None when there is no such file here."""
        known = SOURCES[source]
        if self.folder is not None:
            return next(iter(sorted(self.folder.glob(known.full))), None)
        excerpts = Path(herder.simulate.__file__).parent / "excerpts"
        return None if known.excerpt is None else excerpts / known.excerpt


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A policy's figures, or why there are none. `least`: what nobody undercuts who lets jobs wait as long, and pays for boots."""

    policy: str
    outcome: Outcome | None = None
    least: float | None = None
    refused: str = ""


@dataclass(slots=True)
class _Run:
    trace: Trace
    templates: tuple[SimTemplate, ...]
    spot: SpotSeries | None
    solver: bool
    world: World | None = None

    def row(self, text: str) -> Row:
        try:
            outcome, world = simulate(
                self.trace,
                self.templates,
                find_policy(text).make(),
                boot=Boot(low_s=BOOT_S, high_s=BOOT_S),
                spot=self.spot,
            )
        except ValueError as error:
            return Row(policy=text, refused=str(error))
        self.world = self.world or world
        least = least_cost(world, outcome.wait_max_s, BOUND_LIMITS).starting if self.solver else None
        return Row(policy=text, outcome=outcome, least=least)


def section(case: Case, files: Files, say: Callable[[str], None], limit: int | None = None) -> str | None:
    """The Markdown of a case; None when one of its files is not there. `limit`: jobs at most."""
    path = files.find(case.source)
    inventory = files.find(case.inventory) if case.inventory else None
    spot = files.find(case.spot) if case.spot else None
    if path is None or (case.inventory and inventory is None) or (case.spot and spot is None):
        return None
    templates = templates_of(inventory) if inventory else tuple(map(parse_template, case.templates))
    run = _Run(
        read_trace(path, limit=min((each for each in (limit, case.jobs) if each), default=None)),
        templates,
        spot_series(read_trace(spot).levels) if spot else None,
        _has_solver(),
    )
    rows: list[Row] = []
    for text in (*POLICIES, *case.more):
        left_out = case.without is not None and case.without[0] == text
        rows.append(Row(policy=text, refused=case.without[1]) if left_out and case.without else run.row(text))
        _tell(say, case, rows[-1])
    peak = peak_workers(run.world) if case.fixed and run.world is not None else 0
    for text in FIXED if peak else ():
        rows.append(run.row(text.format(peak=peak, part=max(1, round(FIXED_PART * peak)))))
        _tell(say, case, rows[-1])
    return _markdown(case, path, run, rows)


def _has_solver() -> bool:
    try:
        check_solver()
    except SolverMissing:
        return False
    return True


def _tell(say: Callable[[str], None], case: Case, row: Row) -> None:
    found = row.outcome
    say(f"{case.name} · {row.policy}: " + (f"{found.ratio:.3f}, {found.seconds:.1f} CPU-s" if found else row.refused))  # fmt: skip


def peak_workers(world: World) -> int:
    """As many as starting each job when it can needs at one time, of the first template; parts add up."""
    size = world.dimensions.unpack(world.sizes[0])
    asked = [world.dimensions.unpack(request) for request in world.shape_requests]
    starts = no_wait.earliest_starts(world)
    changes = []
    for job in no_wait.counted_jobs(world):
        changes.append((starts[job], 1, job))
        changes.append((starts[job] + world.trace.run_s[job], -1, job))
    changes.sort(key=lambda change: change[:2])
    load, peak = [0] * len(size), 1
    for _, sign, job in changes:
        for place, amount in enumerate(asked[world.trace.shape_of[job]]):
            load[place] += sign * amount
            peak = max(peak, -(-load[place] // size[place]) if size[place] else 0)
    return peak


def _markdown(case: Case, path: Path, run: _Run, rows: Sequence[Row]) -> str:
    source = SOURCES[case.source]
    lines = [f"### {case.name}: {case.title}", ""]
    lines.append(f"`{path.name}`: {source.about}; {source.licence}. {_sums(run)}")
    if case.jobs:
        lines.append(f"Only the first {case.jobs:,} jobs of the file.")
    if case.spot:
        lines.append(f"Interruptions: {SOURCES[case.spot].about}; {SOURCES[case.spot].licence}.")
    lines += ["", _line(HEADER), _line("---" if name == "policy" else "--:" for name in HEADER)]
    lines += [_line(_cells(row)) for row in rows]
    refused = [f"- {row.policy}: {row.refused}" for row in rows if row.refused]
    return "\n".join([*lines, *(["", *refused] if refused else [])])


def _sums(run: _Run) -> str:
    world = run.world
    if world is None:
        return f"{len(run.trace):,} jobs."
    left = f", {len(world.unplaced):,} that fit nowhere left out" if world.unplaced else ""
    days = (run.trace.arrival_s[-1] if len(run.trace) else 0.0) / 86_400
    return (
        f"{len(run.trace) - len(world.unplaced):,} jobs that arrive over {days:.3g} days{left}. "
        f"Volume bound {_number(no_wait.volume(world))}, no-wait bound {_number(no_wait.no_wait(world))}."
    )


def _cells(row: Row) -> Sequence[str]:
    found = row.outcome
    if found is None:
        return (row.policy, *("–" for _ in HEADER[1:]))
    return (
        row.policy,
        f"{found.ratio:.3f}",
        _number(found.cost),
        f"{found.cost / row.least:.3f}" if row.least else "–",
        f"{found.wait_mean_s:,.1f}",
        f"{found.wait_p95_s:,.0f}",
        f"{found.wait_max_s:,.0f}",
        f"{found.workers_started:,}",
        f"{found.work_killed_s / 3600:,.1f}",
        f"{found.seconds:.1f}",
    )


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.3g}"


def _line(cells: Iterable[str]) -> str:
    return f"| {' | '.join(cells)} |"
