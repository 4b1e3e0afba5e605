"""Times to live in the whole server: a store with a ttl of nothing, and the successors of a minimum."""

import asyncio
from dataclasses import replace

from sqlalchemy import select

from herder.model.fleet.pool import PoolSpec
from herder.model.fleet.worker import WorkerState
from herder.simulate.chaos import POOLS, World
from herder.store.rows import tables as t

HOUR_S = 3600.0


def _pool(ttl_s: float, **size: int) -> PoolSpec:
    std = POOLS[0]
    return replace(
        std,
        templates=std.templates[:1],
        size=replace(std.size, **size),
        lifetime=replace(std.lifetime, ttl_s=ttl_s, ttl_max_s=None),
        scale_down=replace(std.scale_down, idle_timeout_s=None),
    )


def _made(world: World) -> int:
    with world.engine.connect() as connection:
        return len(connection.execute(select(t.workers.c.name)).all())


def test_a_server_starts_over_a_stored_ttl_of_nothing_and_does_not_loop() -> None:
    """Nobody may write it today. Two workers each five minutes are 24 in an hour, and one more pair for the start."""

    async def story(world: World) -> None:
        await asyncio.sleep(HOUR_S / 2)
        world.kill_server()
        await world.restart(1.0)
        assert world.core.state.pools[POOLS[0].name].lifetime.ttl_s == 0.0
        await asyncio.sleep(HOUR_S / 2)
        assert 4 <= _made(world) <= 2 * 13

    World(pools=(_pool(0.0, min_workers=2, max_workers=5),)).run(story)


def test_a_minimum_is_kept_over_every_expiry() -> None:
    async def story(world: World) -> None:
        fewest: list[int] = []

        def look(_: object) -> None:
            if world.server is not None:
                workers = world.core.state.workers.values()
                fewest.append(sum(worker.state is WorkerState.READY for worker in workers))

        await world.until(
            lambda: sum(w.state is WorkerState.READY for w in world.core.state.workers.values()) == 2, 400
        )
        world.written.append(look)
        await asyncio.sleep(HOUR_S)
        assert fewest
        assert min(fewest) == 2
        assert _made(world) <= 2 * 5

    World(pools=(_pool(HOUR_S / 3, min_workers=2, max_workers=4),)).run(story)
