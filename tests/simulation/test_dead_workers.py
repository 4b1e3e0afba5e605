"""How soon a dead worker is noticed: within its pool's `dead_after` and 5 s, however many die, and at whatever point of their heartbeats."""

import asyncio
from dataclasses import replace

import pytest

from herder.model.stored.changes import Changes
from herder.model.stored.records import WorkerRecord
from herder.simulate.chaos import POOLS, World

WITHIN_S = 5.0


@pytest.mark.parametrize("silently", [False, True], ids=["killed", "frozen"])
def test_a_dead_worker_is_noticed_within_dead_after_and_five_seconds(silently: bool) -> None:
    """Killed: its connection breaks, too. Frozen: nothing is heard of it."""
    pool = replace(POOLS[0], size=replace(POOLS[0].size, min_workers=12, max_workers=40))
    dead_after_s = pool.lifetime.dead_after_s

    async def story(world: World) -> None:
        await world.until(
            lambda: sum(w.ready_at_ms is not None for w in world.core.state.workers.values()) >= 12
        )
        died_s: dict[str, float] = {}
        noticed_s: dict[str, float] = {}

        def look(changes: Changes) -> None:
            for record in changes.rows.get(WorkerRecord, {}).values():
                assert isinstance(record, WorkerRecord)
                if record.name in died_s and record.state in ("terminating", "terminated"):
                    noticed_s.setdefault(record.name, world.loop.time() - died_s[record.name])

        world.written.append(look)
        for name in sorted(world.core.state.workers):
            host = world.machines.agents[name]
            if silently:
                world.loop.stop_host(host)
            else:
                world.machines.kill(name, machine_stays=True)
            died_s[str(name)] = world.loop.time()
            await asyncio.sleep(0.7)
        await world.until(lambda: set(died_s) <= set(noticed_s), 120, "all are noticed")
        assert max(noticed_s.values()) <= dead_after_s + WITHIN_S, noticed_s

    World(pools=(pool,), machines_most=60).run(story)
