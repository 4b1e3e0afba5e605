"""The report of simulations: true figures, all of them also as text, one file that needs nothing else, and the same every time."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from herder.app import whole_app
from herder.cli.shell.main import run
from herder.simulate.bounds import no_wait
from herder.simulate.commands.comparison import POLICIES_MAX, check_options
from herder.simulate.policies.simple.first_fit import FirstFit
from herder.simulate.report.chart import Line, duration, make, nice, number, time_axis
from herder.simulate.report.page import report
from herder.simulate.report.series import BUCKETS, KINDS_MAX, Grid, grid_of, no_wait_cost, series_of
from herder.simulate.report.trace_sources import ORIGINS
from herder.simulate.runs.finished_run import FinishedRun
from herder.simulate.runs.outcome import cost_of, outcome_of
from herder.simulate.runs.run import USUAL
from herder.simulate.traces.trace import Trace
from herder.simulate.world.offers import SimTemplate
from herder.simulate.world.world import World
from tests.simulate.small import EXCERPTS, TEMPLATES, cores, ran, trace, traces

SURF = str(EXCERPTS / "surf.csv.gz")


def shown(world: World, title: str = "first_fit", **bounds_found: float) -> FinishedRun:
    return FinishedRun(
        title=title, outcome=outcome_of(world, no_wait.no_wait(world), 0.0), world=world, bounds=bounds_found
    )


@given(work=traces(), templates=TEMPLATES)
@settings(max_examples=20, deadline=None)
def test_the_charts_end_at_the_figures(work: Trace, templates: tuple[SimTemplate, ...]) -> None:
    world = ran(work, templates, FirstFit())
    grid = grid_of([world])
    series = series_of(world, grid)
    hours = grid.width_s / 3600
    outcome = outcome_of(world, 1.0, 0.0)
    waited_s = sum(
        started - since
        for started, since in zip(world.started_s, world.waits_from_s, strict=True)
        if started >= 0
    )
    assert series.cost[-1] == pytest.approx(cost_of(world))
    assert sum(series.all_workers) * hours == pytest.approx(outcome.vm_hours, abs=1e-6)
    assert sum(series.queue) * grid.width_s == pytest.approx(waited_s, abs=1e-3)
    assert no_wait_cost(world, grid)[-1] == pytest.approx(no_wait.no_wait(world))
    assert max((wait for wait in series.wait_max_s if wait is not None), default=0.0) == outcome.wait_max_s


@given(st.lists(st.tuples(st.floats(0, 90), st.floats(0, 90), st.floats(0, 5)), max_size=5))
def test_means_are_the_integral_of_each_bucket(spans: list[tuple[float, float, float]]) -> None:
    grid = Grid(10.0, 9)
    spans = [(min(a, b), max(a, b), weight) for a, b, weight in spans]
    expected = [
        sum(w * max(0.0, min(b, end) - max(a, end - 10.0)) for a, b, w in spans) / 10.0
        for end in [10.0 * number for number in range(1, 10)]
    ]
    assert grid.means(spans) == pytest.approx(expected, abs=1e-6)


def test_many_templates_are_added_up() -> None:
    templates = tuple(cores(size, size) for size in range(1, KINDS_MAX + 4))
    work = trace(*((0.0, 100.0, size) for size in range(1, KINDS_MAX + 4)))
    world = ran(work, templates, Each())
    labels = [label for label, _ in series_of(world, grid_of([world])).workers]
    assert labels[-2:] == ["3 other templates", "booting"]
    assert len(labels) == KINDS_MAX + 2


class Each:
    """Job by job, the template of the same number."""

    def decide_now(self, world: World) -> float | None:
        for job in world.arrived:
            worker = world.open(job)
            assert worker is not None
            world.place(job, worker)
        for worker in world.freed:
            world.close(worker)
        return None


def test_a_chart_says_the_same_three_times() -> None:
    axis = time_axis([1800.0 * (n + 0.5) for n in range(20)], 36_000.0)
    lines = [
        Line(label="up", values=[float(n) for n in range(20)]),
        Line(label="gap", values=[5.0, None, *[7.0] * 18]),
    ]
    chart = make("c", "Title", "note", axis, lines, number)
    assert [tick.label for tick in chart.x_ticks] == ["0 h", "2 h", "4 h", "6 h", "8 h", "10 h"]
    assert [tick.label for tick in chart.y_ticks] == ["0", "5", "10", "15", "20"]
    assert chart.sentence == "up: at most 19, at the end 19. gap: at most 7, at the end 7."
    assert chart.rows[0] == ("0.2 h", "0", "5")
    assert len(chart.curves[1].points) == 2
    assert chart.curves[0].points[0].startswith("25.0,300.0 75.0,285.0 ")


@pytest.mark.parametrize(("least", "step"), [(0, 1), (0.03, 0.05), (1, 1), (1.1, 2), (4, 5), (70, 100)])
def test_ticks_are_round(least: float, step: float) -> None:
    assert nice(least) == pytest.approx(step)


def test_durations_are_short() -> None:
    assert [duration(s) for s in (0, 0.25, 120, 1500, 12_600, 1_036_800)] == [
        "0 s", "0.25 s", "120 s", "25 min", "3.5 h", "12 d",
    ]  # fmt: skip


def test_whatever_people_named_is_text_and_no_markup() -> None:
    world = ran(trace((0, 500, 1)), (cores(2, 1.0, name="<b>t</b>"),), FirstFit())
    page = report([shown(world, "<script>alert(1)</script>")], 'a"><img src=x>.csv', [("Seed", "<i>")])
    assert page.count("<script>") == 1
    assert not re.search(r"<(b|i|img)[ >]", page)
    assert "&lt;script&gt;alert(1)" in page


def test_it_needs_nothing_from_anywhere_and_is_the_same_every_time() -> None:
    world = ran(trace(*((60.0 * n, 900.0, 1) for n in range(30))), (cores(4),), FirstFit())
    runs = [shown(world, "one", wait_s=120.0, waiting=1.0, starting=1.5), shown(world, "two")]
    page = report(runs, "jobs.csv", [])
    assert page == report(runs, "jobs.csv", [])
    assert "http:" not in page.replace("http-equiv", "")
    assert "https:" not in page
    assert "url(" not in page
    assert page.count("<details>") == 4 + 2 * 2
    assert page.count('role="img"') == page.count("<figure")
    assert len(page) < 200_000
    assert BUCKETS <= 500


def test_the_command_writes_it(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "report.html"
    words = ["simulate", "--trace", SURF, "--limit", "200", "--policy", "first_fit", "--bounds"]
    assert run(whole_app(), [*words, "--report", str(file)]) == 0
    page = file.read_text()
    assert "surf.csv.gz, first_fit" in page
    assert "SURF Lisa cluster" in page
    assert "bound with its waits, boots and billing" in page
    assert "The report is in" in capsys.readouterr().err
    assert run(whole_app(), [*words, "--report", str(tmp_path / "none" / "report.html")]) == 1
    assert "cannot be written" in capsys.readouterr().err


def test_compare_writes_all_policies_into_one(tmp_path: Path) -> None:
    file = tmp_path / "report.html"
    words = ["--policy", "first_fit", "--policy", "ray_like", "--report", str(file)]
    assert run(whole_app(), ["simulate", "compare", "--trace", SURF, "--limit", "200", *words]) == 0
    page = file.read_text()
    assert "surf.csv.gz, 2 policies" in page
    assert page.count('<h2 class="part"') == 2


def test_too_many_policies_are_refused_before_anything_is_run() -> None:
    with pytest.raises(ValueError, match="at most 8 policies, and there are 9"):
        check_options(with_bounds=False, report=Path("r.html"), policies=POLICIES_MAX + 1)


def test_every_format_of_a_public_trace_has_its_origin() -> None:
    assert set(ORIGINS) == set(USUAL)
