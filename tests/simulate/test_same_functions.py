"""The simulator, the scale loop and a dry run are the same planner: one recorded observation gives one plan."""

from __future__ import annotations

import asyncio
from contextlib import nullcontext
from types import SimpleNamespace
from typing import Any, cast

import msgspec
import pytest

from herder.control.kernel.core import Core
from herder.control.kernel.planner.planning_thread import Planning
from herder.control.kernel.tallies import Tallies
from herder.control.loops import scale
from herder.control.planning.observation import observe
from herder.decide.plan.checks import check_plan
from herder.decide.plan.planner import decide
from herder.engine.memory.invariants import violations
from herder.ledger.budgets.leases import Leases
from herder.model.planning.observed import Observed
from herder.model.planning.plan import Plan, ReasonKind
from herder.model.stored.changes import Changes
from herder.model.stored.records import ObservationRecord, PlanRecord
from herder.simulate.policies.simple.first_fit import FirstFit
from herder.simulate.runs.outcome import outcome_of
from herder.simulate.traces import read_trace
from herder.simulate.world.herder import BEGIN_MS, Herder
from herder.simulate.world.offers import cores
from herder.simulate.world.world import World
from herder.store.rows.json_forms import plain_plan
from herder.store.writing.flight_recorder import Recorder, play
from tests.simulate.small import BOOT, EXCERPTS, ran


def read_back(observed: Observed) -> Observed:
    """As the flight recorder would have kept it."""
    (played,) = play([Recorder().frame(observed, 0)])
    assert played.observed is not None
    return played.observed


class Stop(Exception):
    """The moment that the test wants to look at."""


def test_every_plan_of_a_simulation_is_the_planners_and_clean() -> None:
    seen: list[tuple[Observed, Plan]] = []
    policy = Herder(idle_s=60)
    policy.on_plan = lambda observed, plan: seen.append((observed, plan))
    world = ran(read_trace(EXCERPTS / "metacentrum.csv.gz", limit=400), (cores(64), cores(16, 0.25)), policy)
    assert sum(not plan.empty for _, plan in seen) > 50
    for observed, plan in seen:
        assert check_plan(observed, plan) == ()
        again = decide(read_back(observed), plan.made_at_ms)
        assert msgspec.json.encode(plain_plan(again)) == msgspec.json.encode(plain_plan(plan))
    assert violations(policy.state) == []
    assert len(world.starts) + len(world.unplaced) == 400


def test_the_loop_and_the_dry_run_give_the_simulators_plan() -> None:
    """The simulation is stopped just before it applies a plan; its engine state is given to the live scale loop."""
    policy, stopped = Herder(), []

    def stop(observed: Observed, plan: Plan) -> None:
        if observed.plan_number == 12 and not plan.empty:
            stopped.append((observed, plan))
            raise Stop

    policy.on_plan = stop
    world = World(read_trace(EXCERPTS / "surf.csv.gz", limit=3000), (cores(128),), boot=BOOT)
    with pytest.raises(Stop):
        world.run(policy)
    [(observed, plan)] = stopped
    now_ms = BEGIN_MS + round(world.now_s * 1000)

    assert (
        observe(policy.state, now_ms, policy.placer.run_times.guess) == observed
    )  # what `herder plan` looks at
    assert decide(observed, now_ms) == plan

    committed: list[Changes] = []

    async def commit(changes: Changes) -> None:
        committed.append(changes)

    core: Any = SimpleNamespace(
        state=policy.state, commit=commit, workers_changed=asyncio.Event(), placer=policy.placer,
        recorder=Recorder(), planning=Planning(), clock=SimpleNamespace(now_ms=lambda: now_ms, monotonic_ms=lambda: now_ms),
        change=nullcontext, budgets=Leases(), tallies=Tallies({}, now_ms),
    )  # fmt: skip
    asyncio.run(scale.cycle(cast(Core, core), b""))
    [recorded] = committed[0].rows[PlanRecord].values()
    assert cast(PlanRecord, recorded).body.encode() == msgspec.json.encode(plain_plan(plan))
    [frame] = committed[0].rows[ObservationRecord].values()
    [played] = play([cast(ObservationRecord, frame)])
    assert (played.plan, played.now_ms, played.observed) == (plan.number, now_ms, observed)


def test_sizes_that_jobs_fill_and_a_learned_stock_beat_first_fit_in_cost_and_in_waiting() -> None:
    """On the excerpt; and what was learned is part of the observation, so each plan can be made again from it."""
    trace = read_trace(EXCERPTS / "surf.csv.gz", limit=300)
    templates = (cores(16), cores(32, 2.0), cores(128, 8.0))
    seen: list[tuple[Observed, Plan]] = []
    policy = Herder(wait_cost=30)
    policy.on_plan = lambda observed, plan: seen.append((observed, plan))
    weighed = outcome_of(ran(trace, templates, policy), 1.0, 0.0)
    first_fit = outcome_of(ran(trace, templates, FirstFit()), 1.0, 0.0)
    none_idle = outcome_of(ran(trace, templates, Herder(idle_s=0)), 1.0, 0.0)
    assert weighed.cost < first_fit.cost
    assert none_idle.cost < weighed.cost
    assert weighed.wait_mean_s < first_fit.wait_mean_s < none_idle.wait_mean_s
    assert any(each.reason.kind is ReasonKind.STOCK for _, plan in seen for each in plan.actions)
    for observed, plan in seen[::7]:
        again = decide(read_back(observed), plan.made_at_ms)
        assert msgspec.json.encode(plain_plan(again)) == msgspec.json.encode(plain_plan(plan))
