"""What the engine and people's calls give as reasons: a worker that dies, is not well, does not boot, or is made and removed by hand."""

import tempfile
from collections.abc import Callable
from pathlib import Path

from sqlalchemy import select

from herder.control.pools.pool_actions import delete, scale, store_pool
from herder.control.workers.worker_actions import act
from herder.engine.workers import worker as life
from herder.engine.workers.exchange import leave
from herder.model.fleet.offer import FailureCause
from herder.model.planning.plan import Reason
from herder.model.stored.changes import Changes
from herder.store.rows import tables as t
from herder.wire.resources import ScaleRequest, WorkerAction
from tests.planning.world import pool
from tests.support.engine_world import POOL, World
from tests.web.world import ANN, open_core

MINUTE_S = 60


def boot_timeout(world: World) -> life.WorkerLife:
    worker = world.claim(1)
    world.seconds(POOL.lifetime.boot_timeout_s + 1)
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
    worker.faults, worker.probes_failed = 4, 1
    worker.probe_at_ms = world.now_ms + 5_000
    world.seconds(1, agent)
    return worker


STORIES: tuple[Callable[[World], life.WorkerLife], ...] = (
    boot_timeout, create_failed, silent, machine_gone, stopped_by_itself, troubled, failing,
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
