"""Repair in the simulated world: real agents that are frozen, machines that restart, and calls of the driver that go wrong.

As in `test_faults_at_ports.py`: no loop is imported, faults are ordered of the ports by name.
"""

import asyncio
from dataclasses import replace

import pytest
from sqlalchemy import select

from herder.engine.memory.worker_repair import Step
from herder.engine.workers.repairs import conditions
from herder.engine.workers.repairs.conditions import Found
from herder.model.fleet.repair import Condition, RepairPolicy, RepairRule, Rung
from herder.model.fleet.worker import WorkerState
from herder.model.stored.changes import Changes
from herder.model.work.job import JobState
from herder.simulate.chaos import POOLS, Fault, World
from herder.simulate.chaos.faults.kinds import CALL_FAULTS
from herder.store.rows import tables as t
from tests.simulation.fleet import check_rest, states_of

NOT_READY, MEMORY = Condition.NOT_READY, Condition.MEMORY_PRESSURE
LADDER = RepairPolicy(
    rules=(
        RepairRule(condition=NOT_READY, after_s=30, rung=Rung.RESTART_SERVICE),
        RepairRule(condition=NOT_READY, after_s=120, rung=Rung.REBOOT),
        RepairRule(condition=NOT_READY, after_s=400, rung=Rung.REPLACE),
        RepairRule(condition=MEMORY, after_s=30, rung=Rung.REBOOT),
    ),
    cooldown_s=60,
)
POOL = replace(
    POOLS[0],
    size=replace(POOLS[0].size, max_workers=1),
    scale_down=replace(POOLS[0].scale_down, idle_timeout_s=200.0),
    repair=LADDER,
)
WITHIN_S = 600.0


def repairing(*pools: object, seed: int = 1) -> World:
    return World(seed, pools=pools or (POOL,), repairs=True)  # type: ignore[arg-type]


def kinds(world: World) -> list[str]:
    with world.engine.connect() as connection:
        return list(connection.execute(select(t.events.c.kind).order_by(t.events.c.sequence)).scalars())


async def running_job(world: World, seconds: float) -> int:
    job = await world.people.submit(cpu=1, memory="1Gi", sleep_ms=int(seconds * 1000), attempts_max=1000)
    await world.until(lambda: states_of(world).get(job) is JobState.RUNNING, 60, "the job runs")
    return job


async def succeeds(world: World, job: int) -> None:
    await world.until(lambda: states_of(world).get(job) is JobState.SUCCEEDED, WITHIN_S, f"job {job}")


async def comes_to_rest(world: World) -> None:
    await world.until(world.at_rest, WITHIN_S, "nothing is left over")
    await world.core.settle()
    check_rest(world)


def freeze_agent(world: World) -> None:
    (host,) = world.machines.agents.values()
    world.loop.stop_host(host)


@pytest.mark.parametrize("fault", [Fault.NONE, *CALL_FAULTS])
def test_a_frozen_agent_is_restarted_and_its_job_retried(fault: Fault) -> None:
    """However the call goes: the same machine works on, and the job ends once."""

    async def story(world: World) -> None:
        job = await running_job(world, 20)
        freeze_agent(world)
        began_s = world.loop.time()
        if fault is not Fault.NONE:
            world.dice.order("restart_service", fault)
        await world.until(
            lambda: states_of(world).get(job) is JobState.READY, 30, "its attempt is lost at dead_after"
        )
        assert world.loop.time() - began_s < POOL.lifetime.dead_after_s + 5
        await succeeds(world, job)
        assert world.provider.made == 1
        assert "worker.rejoined" in kinds(world)
        await comes_to_rest(world)
        assert "worker.repaired" in kinds(world)

    repairing().run(story)


@pytest.mark.parametrize("killed_in", ["the call", "the drain"])
def test_a_server_that_is_killed_in_a_repair_goes_on_with_it(killed_in: str) -> None:
    async def story(world: World) -> None:
        seconds = 40.0 if killed_in == "the drain" else 5.0
        job = await running_job(world, seconds)
        if killed_in == "the call":
            freeze_agent(world)
            step = Step.DUE
            world.dice.order("restart_service", Fault.LATE)
        else:
            changes = Changes()
            found = {MEMORY: Found("The machine has 20 MiB of memory free.")}
            conditions.report(world.core.state, changes, world.worker(), "node", found, world.clock.now_ms())
            await world.core.commit(changes)
            step = Step.DRAINING

        def reached() -> bool:
            repair = world.worker().health.repair
            return repair is not None and repair.step is step

        await world.until(reached, 120, step)
        before = world.worker().health.repair
        await world.core.settle()
        world.kill_server()
        await world.restart(1.0)
        after = world.worker().health.repair
        assert before is not None
        assert after is not None
        assert (after.rung, after.step, after.since_ms, after.tries) == (
            before.rung,
            step,
            before.since_ms,
            1,
        )
        await world.until(lambda: "worker.rejoined" in kinds(world), WITHIN_S, "it has joined again")
        changes = Changes()
        conditions.report(world.core.state, changes, world.worker(), "node", {}, world.clock.now_ms())
        await world.core.commit(changes)
        await succeeds(world, job)
        assert world.provider.made == 1
        await comes_to_rest(world)

    repairing().run(story)


def test_a_reboot_waits_for_what_runs_and_any_source_may_report() -> None:
    async def story(world: World) -> None:
        job = await running_job(world, 35)
        changes = Changes()
        found = {MEMORY: Found("The node has 20 MiB of memory free.")}
        worker = world.worker()
        conditions.report(world.core.state, changes, worker, "node", found, world.clock.now_ms())
        assert worker.state is WorkerState.UNHEALTHY
        await world.core.commit(changes)
        await world.until(lambda: ("pretend", "reboot", worker.spec.name) in world.calls.made, 120, "reboot")
        assert states_of(world)[job] is JobState.SUCCEEDED
        assert world.machines.done[job] == 1
        changes = Changes()
        conditions.report(world.core.state, changes, worker, "node", {}, world.clock.now_ms())
        await world.core.commit(changes)
        await world.until(lambda: worker.state is WorkerState.READY, 120, "it is back")
        assert worker.health.repair is not None
        await asyncio.sleep(LADDER.cooldown_s + 5)
        assert worker.health.repair is None, "it has been well for the cooldown"
        await comes_to_rest(world)

    repairing().run(story)


def test_the_old_process_of_a_restarted_worker_is_refused() -> None:
    """The machine has restarted its agent, and the one before wakes up beside it."""

    async def story(world: World) -> None:
        job = await running_job(world, 20)
        (old,) = world.machines.agents.values()
        world.loop.stop_host(old)
        world.machines.agents.clear()  # nobody kills it
        await world.until(lambda: "worker.rejoined" in kinds(world), WITHIN_S, "the new one has joined")
        tokens = world.core.directory.workers
        assert len(tokens) == 1
        world.loop.wake_host(old)
        await asyncio.sleep(30)
        assert len(tokens) == 1
        await succeeds(world, job)
        assert world.provider.made == 1

    repairing().run(story)


def test_a_driver_that_cannot_repair_replaces_a_silent_worker_at_dead_after() -> None:
    async def story(world: World) -> None:
        await running_job(world, 20)
        freeze_agent(world)
        name = world.worker().spec.name
        await asyncio.sleep(POOL.lifetime.dead_after_s + 5)
        worker = world.core.state.workers.get(name)
        assert worker is None or worker.state is WorkerState.TERMINATING

    World(pools=(POOL,)).run(story)
