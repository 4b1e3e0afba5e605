"""Whatever a policy does: every job runs once, nothing is oversubscribed, nothing is cheaper than the bounds, and it repeats."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from herder.model.values.resources import Resources
from herder.simulate.bounds import no_wait
from herder.simulate.policies.catalogue import find_policy
from herder.simulate.policies.simple.first_fit import FirstFit
from herder.simulate.runs.outcome import cost_of, outcome_of, quantile
from herder.simulate.traces.trace import Trace, TraceJob, trace_of
from herder.simulate.world.boot_times import Boot, parse_boot
from herder.simulate.world.offers import SimTemplate, cores, parse_template
from herder.simulate.world.rng import Draws
from herder.simulate.world.spot import spot_series
from herder.simulate.world.world import EndlessWork, PolicyFault, World
from tests.simulate.small import BOOT, NO_BOOT, REAL_POLICIES, TEMPLATES, ran, trace, traces

CLOSE = 1 + 1e-9


@pytest.mark.parametrize("name", REAL_POLICIES)
@given(work=traces(), templates=TEMPLATES)
@settings(max_examples=12, deadline=None)
def test_every_job_runs_once_and_no_bound_is_beaten(
    name: str, work: Trace, templates: tuple[SimTemplate, ...]
) -> None:
    world = ran(work, templates, find_policy(name).make())
    started = [job for job, _ in world.starts]
    assert sorted(started + world.unplaced) == list(range(len(work)))
    assert not world.workers
    assert no_wait.volume(world) <= cost_of(world) * CLOSE + 1e-12
    as_it_ran = ((world.started_s[job], job) for job in no_wait.counted_jobs(world))
    assert no_wait.load_cost(world, as_it_ran) <= cost_of(world) * CLOSE + 1e-12
    assert all(s >= a for s, a in zip(world.started_s, world.waits_from_s, strict=True) if s >= 0)


@given(work=traces(), templates=TEMPLATES)
@settings(max_examples=25, deadline=None)
def test_who_starts_at_once_pays_at_least_the_no_wait_bound(
    work: Trace, templates: tuple[SimTemplate, ...]
) -> None:
    world = ran(work, templates, FirstFit(), boot=NO_BOOT)
    assert outcome_of(world, 1.0, 0.0).wait_max_s == 0
    assert no_wait.no_wait(world) <= cost_of(world) * CLOSE + 1e-12
    assert no_wait.volume(world) <= no_wait.no_wait(world) * CLOSE + 1e-12


@given(work=traces(), seed=st.integers(0, 2**64))
@settings(max_examples=10, deadline=None)
def test_the_same_seed_gives_the_same_life(work: Trace, seed: int) -> None:
    templates, boot = (cores(4, spot=True),), Boot(low_s=60, high_s=180)
    spot = spot_series([(0, 10), (300, 5), (600, 10), (800, 9), (5000, 9)])
    lives = []
    for _ in range(2):
        world = World(work, templates, boot=boot, seed=seed, spot=spot)
        world.run(FirstFit())
        lives.append((world.started_s, cost_of(world), world.work_killed_s))
    assert lives[0] == lives[1]


def test_one_job_pays_from_request_to_release() -> None:
    world = ran(trace((10, 3480, 1)), (cores(1, 2.0),), FirstFit())
    outcome = outcome_of(world, no_wait.no_wait(world), 0.0)
    assert outcome.cost == pytest.approx(2.0)
    assert outcome.bound == pytest.approx(3480 / 3600 * 2)
    assert (outcome.wait_mean_s, outcome.workers_started, outcome.jobs) == (120, 1, 1)


def test_an_idle_worker_is_used_again_within_its_time() -> None:
    work = trace((0, 100, 1), (300, 100, 1))
    assert len(ran(work, (cores(1),), FirstFit(idle_s=0)).closed) == 2
    assert len(ran(work, (cores(1),), FirstFit(idle_s=100)).closed) == 1


def test_a_job_that_fits_nowhere_is_reported_with_those_that_wait_for_it() -> None:
    big = TraceJob(arrival_s=0, run_s=5, request=Resources(cpu_milli=9000), id="big")
    child = TraceJob(arrival_s=0, run_s=5, request=Resources(cpu_milli=1000), id="child", parents=("big",))
    world = ran(trace_of("test", [big, child]), (cores(4),), FirstFit())
    assert sorted(world.unplaced) == [0, 1]
    assert world.closed == []


def test_children_start_after_their_parents() -> None:
    def job(name: str, *parents: str) -> TraceJob:
        return TraceJob(arrival_s=0, run_s=50, request=Resources(cpu_milli=1000), id=name, parents=parents)

    world = ran(
        trace_of("test", [job("a"), job("b", "a"), job("c", "a", "b")]), (cores(4),), FirstFit(), NO_BOOT
    )
    assert world.started_s == [0, 50, 100]
    assert outcome_of(world, 1, 0).wait_max_s == 0
    assert no_wait.no_wait(world) == pytest.approx(150 / 3600)


def test_a_quota_makes_jobs_wait_and_not_vanish() -> None:
    world = ran(trace((0, 100, 4), (0, 100, 4), (0, 100, 4)), (cores(4, most=1),), FirstFit(), NO_BOOT)
    assert max(world.started_s) >= 200
    assert world.refused > 0
    assert len({number for _, number in world.starts}) <= 3


def test_without_stock_the_next_template_is_taken() -> None:
    templates = (cores(4, 1, out=((0, 1000),)), cores(4, 2, name="dear"))
    world = ran(trace((5, 100, 4)), templates, FirstFit())
    assert [worker.template for worker in world.closed] == [1]


@pytest.mark.parametrize("name", ["first_fit", "herder", "ray_like", "fixed(2)"])
def test_interrupted_work_is_lost_counted_and_done_again(name: str) -> None:
    spot = spot_series([(0, 10), (400, 0), (401, 10), (100_000, 10)])
    world = ran(
        trace((0, 1000, 1), (1, 1000, 1)), (cores(1, spot=True),), find_policy(name).make(), spot=spot
    )
    assert sorted(job for job, _ in world.starts) == [0, 0, 1, 1]
    assert 0 < world.work_killed_s <= 2 * 400


def test_a_policy_cannot_oversubscribe_or_forget() -> None:
    class Greedy:
        def decide_now(self, world: World) -> None:
            worker = world.open(0)
            assert worker is not None
            for job in world.arrived:
                world.place(job, worker)

    with pytest.raises(PolicyFault, match="cannot take it"):
        ran(trace((0, 1, 3), (0, 1, 3)), (cores(4),), Greedy())

    class Idler:
        def decide_now(self, world: World) -> None:
            return None

    with pytest.raises(PolicyFault, match="never start"):
        ran(trace((0, 1, 3)), (cores(4),), Idler())


@pytest.mark.parametrize("name", ["first_fit", "herder", "fixed(1)", "ray_like"])
def test_a_simulation_that_can_never_end_is_stopped(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("herder.simulate.world.world.STALLED_S", 3600.0)
    with pytest.raises(EndlessWork, match="nothing has run or booted"):
        ran(trace((0, 5, 1)), (cores(1, most=0),), find_policy(name).make())


def test_the_mixed_bound_is_the_linear_programmes() -> None:
    # 6 cores and 2 GiB for an hour: cover by x of (4 cores, 1 GiB, price 3) and y of (1 core, 4 GiB, price 2) is least at the
    # corner 4x + y = 6, x + 4y = 2: x = 22/15, y = 2/15, which costs 14/3. Single resources alone give 4.5.
    work = trace_of("test", [TraceJob(arrival_s=0, run_s=3600, request=Resources(6000, 2048))])
    templates = (
        parse_template("cpu=4,memory=1,price=3"),
        parse_template("cpu=1,memory=4,price=2"),
        parse_template("cpu=6,memory=2,price=99"),
    )
    world = ran(work, templates, FirstFit(), NO_BOOT)
    assert no_wait.no_wait(world) == pytest.approx(14 / 3)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("cpu=4", "lacks price"),
        ("price=4", "lacks cpu or gpu"),
        ("cpu=x,price=1", "cpu='x'"),
        ("cpu=0,price=1", "not above 0"),
        ("cpu=4,price=nan", "price='nan'"),
        ("cpu=4,price=1,colour=red", "colour=red"),
        ("cpu=4,cpu=5,price=1", "cpu twice"),
        ("cpu=4,price=1,max=many", "max='many'"),
        ("cpu=4,price=1,out=9-3", "START-END"),
    ],
)
def test_a_wrong_template_is_refused_with_the_part_that_is_wrong(text: str, said: str) -> None:
    with pytest.raises(ValueError, match=said):
        parse_template(text)


def test_boots_are_drawn_as_written() -> None:
    draws = Draws(1)
    assert all(60 <= parse_boot("60..180").draw(draws) <= 180 for _ in range(50))
    drawn = sorted(parse_boot("120~0.3").draw(draws) for _ in range(1001))
    assert 105 < drawn[500] < 135
    for wrong in ("soon", "-1", "9..3", "1~2~3", "inf"):
        with pytest.raises(ValueError, match="boot time"):
            parse_boot(wrong)


def test_quantiles() -> None:
    values = [float(n) for n in range(1, 11)]
    assert (quantile(values, 0.5), quantile(values, 0.95), quantile([], 0.5)) == (5, 10, 0)


def test_boot_is_the_default_of_the_published_figures() -> None:
    assert parse_boot("120") == BOOT
