"""A repair whose drain has passed its deadline, in a pool that waits for its attempts (on_blocked: wait)."""

from collections.abc import Iterator
from dataclasses import replace

import pytest

from herder.engine.attempts.worker_health import health_of
from herder.engine.memory.state import WorkerLife
from herder.engine.memory.worker_repair import Step, read, text_of
from herder.engine.workers.deadlines import tick
from herder.engine.workers.draining.drain_texts import ALARM_EVERY_MS, is_blocked
from herder.engine.workers.repairs import breaker, conditions, repair
from herder.model.fleet.drain import OnBlocked
from herder.model.fleet.repair import Condition, RepairRule, Rung
from herder.model.fleet.worker import Health, WorkerState
from herder.model.ids import JobId
from herder.store.rows import tables
from tests.support.engine_world import POOL, Agent, World

STEP_S = 5
SICK = Condition.NETWORK_UNAVAILABLE


def wants(world: World, on_blocked: OnBlocked, rung: Rung, **policy: object) -> None:
    rules = (RepairRule(condition=SICK, after_s=60.0, rung=rung),)
    world.state.pools[POOL.name] = replace(
        POOL,
        lifetime=replace(POOL.lifetime, on_blocked=on_blocked),
        repair=replace(POOL.repair, rules=rules, **policy),  # type: ignore[arg-type]
    )
    world.state.rungs = {POOL.driver: frozenset({Rung.REBOOT})}


def say(world: World, worker: WorkerLife, *found: Condition) -> None:
    said = {each: conditions.Found(f"The node reports {each}.") for each in found}
    conditions.report(world.state, world.changes, worker, "node", said, world.now_ms)


def passes(world: World, seconds: float, *agents: Agent) -> None:
    for _ in range(round(seconds / STEP_S)):
        world.now_ms += STEP_S * 1000
        tick(world.state, world.changes, world.now_ms)
        world.commit()
        for agent in agents:
            world.talk(agent)
        assert world.faults() == []


def events(world: World, kind: str) -> list[str]:
    query = tables.events.select().where(tables.events.c.kind == kind).order_by(tables.events.c.sequence)
    with world.engine.connect() as connection:
        return [row.text for row in connection.execute(query)]


@pytest.fixture
def waiting(world: World) -> Iterator[tuple[WorkerLife, Agent, JobId]]:
    """A worker whose reboot is due, and whose attempt runs on beyond the deadline of the drain."""
    wants(world, OnBlocked.WAIT, Rung.REBOOT)
    worker, agent = world.ready_worker()
    (job,) = world.submit(1)
    world.commit()
    world.talk(agent)
    say(world, worker, SICK)
    passes(world, 65 + POOL.lifetime.drain_grace_s + 10, agent)
    return worker, agent, job


def test_attempts_run_on_and_everything_says_that_the_repair_waits(
    world: World, waiting: tuple[WorkerLife, Agent, JobId]
) -> None:
    worker, agent, job = waiting
    doing = worker.health.repair
    assert doing is not None
    assert (doing.step, set(worker.live)) == (Step.DRAINING, {job})
    health, why = health_of(worker, world.now_ms)
    assert (health, worker.state) == (Health.REPAIRING, WorkerState.UNHEALTHY)
    assert why.endswith("it is repaired (reboot, which waits for 1 attempt).")
    held = repair.waits_text(worker, world.now_ms)
    assert "1 attempt still runs (on_blocked: wait). To end it, set on_blocked: force" in held
    passes(world, 600, agent)
    (text,) = events(world, "worker.drain_blocked")
    assert not repair.needs_person(worker)
    assert text.startswith("The repair of worker std-1-1 (reboot) has been waiting for")
    assert (is_blocked(worker), world.state.repairs) == (True, {(POOL.name, SICK, Rung.REBOOT, "blocked"): 1})
    agent.end((job, 1), world.now_ms)
    passes(world, 10, agent)
    assert doing.step is Step.DUE
    assert not is_blocked(worker)
    assert repair.waits_text(worker, world.now_ms) == ""


def test_a_repair_that_stays_blocked_is_an_event_again_each_hour(
    world: World, waiting: tuple[WorkerLife, Agent, JobId]
) -> None:
    worker, agent, _ = waiting
    passes(world, 20, agent)
    assert len(events(world, "worker.drain_blocked")) == 1
    doing = worker.health.repair
    assert doing is not None
    assert doing.alarmed_at_ms is not None
    doing.alarmed_at_ms -= ALARM_EVERY_MS
    passes(world, 20, agent)
    assert len(events(world, "worker.drain_blocked")) == 2
    assert world.state.repairs == {(POOL.name, SICK, Rung.REBOOT, "blocked"): 1}


def test_it_is_remembered_over_a_crash(world: World, waiting: tuple[WorkerLife, Agent, JobId]) -> None:
    worker, _, _ = waiting
    assert read(text_of(worker.health)).repair == worker.health.repair
    pool, rungs = world.state.pools[POOL.name], world.state.rungs
    world.crash()
    world.state.pools[POOL.name], world.state.rungs = pool, rungs
    again = world.state.workers[worker.spec.name]
    assert repair.waits_text(again, world.now_ms)
    assert len(events(world, "worker.drain_blocked")) == 1


def test_another_rule_ends_them_at_once(world: World, waiting: tuple[WorkerLife, Agent, JobId]) -> None:
    worker, agent, job = waiting
    wants(world, OnBlocked.FORCE, Rung.REBOOT)
    passes(world, 5, agent)
    assert not worker.live
    assert world.attempts(job)[0].cause == "drained"


def test_a_worker_that_is_well_meanwhile_is_not_rebooted(
    world: World, waiting: tuple[WorkerLife, Agent, JobId]
) -> None:
    worker, agent, job = waiting
    say(world, worker)
    passes(world, 10, agent)
    assert (worker.state, set(worker.live)) == (WorkerState.READY, {job})
    assert "std-1-1 is well again, so reboot is not carried out." in events(world, "worker.repair_done")[0]
    agent.end((job, 1), world.now_ms)
    passes(world, 10, agent)
    assert not repair.is_due(worker)


@pytest.mark.parametrize("rung", [Rung.REBOOT, Rung.REPLACE])
def test_the_breaker_does_not_count_it_for_ever(world: World, rung: Rung) -> None:
    wants(world, OnBlocked.WAIT, rung)
    (first, one), (second, two) = world.ready_worker(1), world.ready_worker(2)
    world.submit(1)
    world.commit()
    for agent in (one, two):
        world.talk(agent)
    busy, idle = (first, second) if first.live else (second, first)
    say(world, busy, SICK)
    passes(world, 70, one, two)
    say(world, idle, SICK)
    passes(world, 70, one, two)
    assert breaker.under_repair(world.state, world.state.pools[POOL.name], world.now_ms) == {busy.spec.name}
    assert idle.health.held
    passes(world, POOL.lifetime.drain_grace_s, one, two)
    assert busy.live
    assert not idle.health.held
    assert idle.health.repair is not None


@pytest.mark.parametrize(("on_blocked", "runs"), [(OnBlocked.WAIT, 1), (OnBlocked.FORCE, 0)])
def test_what_is_kept_for_inspection_follows_the_same_rule(
    world: World, on_blocked: OnBlocked, runs: int
) -> None:
    wants(world, on_blocked, Rung.REPLACE, quarantine=1)
    worker, agent = world.ready_worker()
    world.submit(1)
    world.commit()
    world.talk(agent)
    say(world, worker, SICK)
    passes(world, 65 + POOL.lifetime.drain_grace_s + 10, agent)
    assert worker.health.quarantined_at_ms is not None
    assert len(worker.live) == runs
