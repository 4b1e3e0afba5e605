"""What the engine and people's calls give as reasons: a worker that dies, is not well, does not boot, or is made and removed by hand."""

import tempfile
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

from sqlalchemy import select

from herder.control.pools.adding import scale
from herder.control.pools.pool_actions import delete, store_pool
from herder.control.workers.worker_actions import act
from herder.engine.attempts.worker_health import FAULTS_MOST, count_fault
from herder.engine.workers import notices
from herder.engine.workers import worker as life
from herder.engine.workers.exchange import leave, leave_after_one
from herder.engine.workers.repairs import repair
from herder.model.fleet.drain import OnBlocked
from herder.model.fleet.driver import Machine, MachineEnd, Phase
from herder.model.fleet.notice import NoticeSource
from herder.model.fleet.offer import FailureCause
from herder.model.fleet.repair import Breaker, Condition, RepairRule, Rung
from herder.model.planning.plan import Reason
from herder.model.stored.changes import Changes
from herder.store.rows import tables as t
from herder.wire.api.resources import ScaleRequest, WorkerAction
from tests.planning.world import pool
from tests.support.engine_world import POOL, World
from tests.web.world import ANN, open_core

MINUTE_S = 60


def boot_timeout(world: World) -> life.WorkerLife:
    worker = world.claim(1)
    life.provisioning(world.state, worker, "hash")
    life.provisioned(world.state, world.changes, worker, "m-1", world.now_ms)
    world.seconds(571)
    return worker


def create_failed(world: World) -> life.WorkerLife:
    worker = world.claim(1)
    life.create_failed(
        world.state,
        world.changes,
        worker,
        "Zone a is out of capacity.",
        world.now_ms,
        FailureCause.OUT_OF_CAPACITY,
    )
    return worker


def silent(world: World) -> life.WorkerLife:
    worker, _ = world.ready_worker()
    world.seconds(POOL.lifetime.dead_after_s + 1)
    return worker


def machine_gone(world: World) -> life.WorkerLife:
    worker, _ = world.ready_worker()
    life.machine_gone(world.state, world.changes, worker, world.now_ms)
    return worker


def out_of_memory(world: World) -> life.WorkerLife:
    worker, _ = world.ready_worker()
    stopped = Machine(
        worker=worker.spec.name,
        handle="m-1",
        phase=Phase.STOPPED,
        end=MachineEnd.OUT_OF_MEMORY,
        detail="Its pod was ended because it used more memory than its limit (OOMKilled).",
    )
    life.machine_gone(world.state, world.changes, worker, world.now_ms, stopped)
    return worker


def one_job_done(world: World) -> life.WorkerLife:
    worker, _ = world.ready_worker()
    own = world.state.pools[worker.spec.pool]
    world.state.pools[own.name] = replace(own, jobs=replace(own.jobs, one_per_worker=True))
    worker.attempts_done = 1
    leave_after_one(world.state, world.changes, worker, world.now_ms)
    return worker


def stopped_by_itself(world: World) -> life.WorkerLife:
    worker, _ = world.ready_worker()
    leave(world.state, world.changes, worker, world.now_ms)
    return worker


def troubled(world: World) -> life.WorkerLife:
    worker, agent = world.ready_worker()
    agent.troubles = ("no file descriptors are left",)
    world.seconds(6 * MINUTE_S, agent)
    return worker


def failing(world: World) -> life.WorkerLife:
    worker, agent = world.ready_worker()
    for _ in range(FAULTS_MOST):
        count_fault(world.state, world.changes, worker, "No space left on device", world.now_ms)
    worker.probe_at_ms, worker.probing = None, True
    count_fault(world.state, world.changes, worker, "No space left on device", world.now_ms)
    world.seconds(1, agent)
    return worker


def repaired_in_vain(world: World) -> life.WorkerLife:
    """Each rung is carried out, one of them fails, and the worker is replaced in the end."""
    world.state.rungs = {POOL.driver: frozenset({Rung.RESTART_SERVICE, Rung.REBOOT})}
    worker, _ = world.ready_worker()
    world.submit(2)
    world.commit()
    while not worker.state.leaving:
        world.seconds(0.5)
        doing = worker.health.repair
        if repair.is_due(worker) and doing is not None:
            text = f"Driver pretend has carried out {doing.rung} of worker {worker.spec.name}."
            done = doing.rung is Rung.REBOOT
            repair.acted(world.state, world.changes, worker, doing.since_ms, text, world.now_ms, done=done)
    return worker


def kept_for_inspection(world: World) -> life.WorkerLife:
    world.state.pools[POOL.name] = replace(POOL, repair=replace(POOL.repair, quarantine=1))
    first, agent = world.ready_worker()
    agent.troubles = ("no file descriptors are left",)
    world.seconds(6 * MINUTE_S, agent)
    _, agent = world.ready_worker(2)
    agent.troubles = ("no file descriptors are left",)
    world.seconds(6 * MINUTE_S, agent)
    return first


def clock_apart(world: World) -> life.WorkerLife:
    worker, agent = world.ready_worker()
    agent.clock_ahead_ms = -60_000
    world.seconds(11 * MINUTE_S, agent)
    return silent_again(world, worker)


def silent_again(world: World, worker: life.WorkerLife) -> life.WorkerLife:
    world.seconds(POOL.lifetime.dead_after_s + 1)
    return worker


def nobody_repairs(world: World) -> life.WorkerLife:
    """Memory is short, its driver reboots nothing, and the breaker is open for its disk."""
    breaker = Breaker(workers=0)
    world.state.pools[POOL.name] = replace(POOL, repair=replace(POOL.repair, breaker=breaker))
    worker, agent = world.ready_worker()
    agent.conditions = {
        Condition.MEMORY_PRESSURE: "The machine has 50 of 4,096 MiB of memory free.",
        Condition.DISK_PRESSURE: "The file system of the work folder has 5 of 100 MiB of disk free.",
    }
    world.seconds(11 * MINUTE_S, agent)
    return silent_again(world, worker)


def repair_waits(world: World) -> life.WorkerLife:
    """Its pool waits for attempts, and its driver can reboot; in the end it is well again."""
    rules = (RepairRule(condition=Condition.PID_PRESSURE, after_s=60.0, rung=Rung.REBOOT),)
    world.state.rungs = {POOL.driver: frozenset({Rung.REBOOT})}
    world.state.pools[POOL.name] = replace(
        POOL,
        lifetime=replace(POOL.lifetime, on_blocked=OnBlocked.WAIT),
        repair=replace(POOL.repair, rules=rules),
    )
    worker, agent = world.ready_worker()
    world.submit(2)
    world.commit()
    world.talk(agent)
    agent.conditions = {Condition.PID_PRESSURE: "The machine has 3 of 4,096 process ids free."}
    world.seconds(9 * MINUTE_S, agent)
    agent.conditions = {}
    world.seconds(20, agent)
    return silent_again(world, worker)


def interrupted(world: World) -> life.WorkerLife:
    """Announced, announced again for an earlier time, and gone before that."""
    worker, agent = world.ready_worker()
    world.submit(2)
    world.commit()
    world.talk(agent)
    for left_ms in (120_000, 60_000):
        notices.announced(world.state, world.changes, worker, left_ms, NoticeSource.DRIVER, world.now_ms)
    world.commit()
    life.machine_gone(world.state, world.changes, worker, world.now_ms)
    return worker


STORIES: tuple[Callable[[World], life.WorkerLife], ...] = (
    boot_timeout, create_failed, silent, machine_gone, out_of_memory, one_job_done, stopped_by_itself, troubled, failing, repaired_in_vain,
    kept_for_inspection, clock_apart, nobody_repairs, repair_waits, interrupted,
)  # fmt: skip


def of_the_engine() -> list[tuple[str, list[Reason], list[str]]]:
    """Name of the story, why the worker was removed, and the sentences of its events."""
    found = []
    for story in STORIES:
        world = World()
        reason = story(world).reason_removed
        assert reason is not None, story.__name__
        world.commit()
        with world.engine.connect() as connection:
            events = connection.execute(select(t.events.c.text).order_by(t.events.c.sequence)).scalars().all()
        found.append((story.__name__, [reason], list(dict.fromkeys(events))))
    return found


async def of_people() -> list[tuple[str, list[Reason]]]:
    with tempfile.TemporaryDirectory() as folder:
        core = await open_core(Path(folder), "a token", "a secret")
        try:
            changes, now = Changes(), core.clock.now_ms()
            store_pool(core, changes, pool("std", max_workers=9), now)
            scale(core, ANN, "std", ScaleRequest(workers=3), changes, now, dry_run=False)
            workers = list(core.state.workers.values())
            force = WorkerAction(force=True)
            act(core, ANN, workers[0].spec.name, "remove", force, changes, now, dry_run=False)
            act(core, ANN, workers[1].spec.name, "remove", WorkerAction(), changes, now, dry_run=False)
            delete(core, ANN, "std", changes, now, dry_run=False)
            return [
                ("requested", [workers[0].reason_made]),
                (
                    "by_hand",
                    [each for each in (workers[0].reason_removed, workers[1].reason_removed) if each],
                ),
                ("pool_deleted", [workers[2].reason_removed] if workers[2].reason_removed else []),
            ]
        finally:
            await core.close()
            core.store.engine.dispose()  # type: ignore[attr-defined]
