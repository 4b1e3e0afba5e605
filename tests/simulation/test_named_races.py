"""The races that control planes of this kind are known for, each as a short story under its name.

Each says which guard it is about: without that guard it fails. Where another test tells the same race closer to the code, or with real
processes, the story names it.
"""

import asyncio
import sqlite3
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import select

from herder.model.fleet.pool import PoolSpec, Zone
from herder.model.fleet.worker import WorkerState
from herder.model.stored.changes import Changes
from herder.model.work.job import JobState
from herder.simulate.chaos import POOLS, Fault, World
from herder.simulate.chaos.actors.people import NotTaken
from herder.store.backup.restoring import mark_put_back
from herder.store.rows import tables as t
from tests.simulation.fleet import check_rest, event_kinds, states_of

STD = replace(POOLS[0], templates=POOLS[0].templates[:1])
"""One template: a worker has two cores."""
WITHIN_S = 400.0


def _sized(**size: int) -> PoolSpec:
    return replace(STD, size=replace(STD.size, **size))


async def _submit(world: World, seconds: float, **more: Any) -> int:
    return await world.people.submit(**{"cpu": 2, "memory": "1Gi", "sleep_ms": int(seconds * 1000), **more})


async def _state(world: World, job: int, state: JobState, within_s: float = WITHIN_S) -> None:
    await world.until(lambda: states_of(world).get(job) is state, within_s, f"job {job} is {state.label}")


async def _rest(world: World) -> None:
    await world.until(world.at_rest, WITHIN_S, "nothing is left over")
    await world.core.settle()
    check_rest(world)


def _attempts(world: World, job: int) -> list[Any]:
    with world.engine.connect() as connection:
        return list(connection.execute(select(t.attempts).where(t.attempts.c.job_id == job)))


def _worker_rows(world: World) -> list[Any]:
    with world.engine.connect() as connection:
        return list(connection.execute(select(t.workers)))


def _live(world: World) -> int:
    return sum(not worker.state.leaving for worker in world.core.state.workers.values())


def test_idle_timer_reset_by_a_heartbeat() -> None:
    """Guard: an exchange sets `last_seen_at_ms` and never `idle_since_ms` (`worker.seen`, `exchange.take_in`); a restart goes on with the
    time of the last attempt's end."""

    async def story(world: World) -> None:
        job = await _submit(world, 1)
        await _state(world, job, JobState.SUCCEEDED)
        idle_s = world.loop.time()
        await asyncio.sleep(10)
        assert world.worker().state is WorkerState.READY
        world.kill_server()
        await world.restart(1.0)
        await world.until(
            lambda: all(worker.state.leaving for worker in world.core.state.workers.values()), WITHIN_S
        )
        assert 18 <= world.loop.time() - idle_s <= 28, "idle_timeout is 20 s"
        await _rest(world)

    World(pools=(_sized(max_workers=1),)).run(story)


def test_minimum_ignored() -> None:
    """Guard: the minimum bounds what one plan removes (`decide/scaling/limits`, `scale_down`), counting those that already leave."""

    async def story(world: World) -> None:
        fewest = [9]
        await world.until(lambda: _ready(world) == 2, WITHIN_S)
        world.written.append(lambda _: fewest.append(_live(world) if world.server else 9))
        jobs = [await _submit(world, 5) for _ in range(5)]
        for job in jobs:
            await _state(world, job, JobState.SUCCEEDED)
        await world.until(lambda: len(world.core.state.workers) == 2, WITHIN_S, "the others have left")
        await asyncio.sleep(120)
        assert min(fewest) == 2

    World(pools=(_sized(min_workers=2, max_workers=5),)).run(story)


def _ready(world: World) -> int:
    return sum(worker.state is WorkerState.READY for worker in world.core.state.workers.values())


def test_pending_capacity_counted_twice() -> None:
    """Guard: workers in flight count as coming capacity, once (`decide/scaling/proposals`, `WorkerState.in_flight`). Counted never, each cycle
    of a boot adds workers; counted twice, the second wave gets none."""

    async def story(world: World) -> None:
        jobs = [await _submit(world, 30) for _ in range(2)]
        await world.until(lambda: len(world.core.state.workers) == 2, 30)
        await asyncio.sleep(5)
        assert all(worker.state.in_flight for worker in world.core.state.workers.values())
        jobs.append(await _submit(world, 30))
        await world.until(
            lambda: len(world.core.state.workers) == 3, 30, "the third job has a worker of its own"
        )
        for job in jobs:
            await _state(world, job, JobState.SUCCEEDED)
        await _rest(world)
        assert world.provider.made == 3

    World(pools=(_sized(max_workers=6),), boot_s=40.0, boot_spread=0.0).run(story)


async def _refusal(world: World, path: str, body: dict[str, Any]) -> str:
    """What the server said no with; empty when it said yes."""
    try:
        await world.people.call("root", "POST", path, body)
    except NotTaken as refused:
        return str(refused)
    return ""


ZONES = (Zone(name="a", max_workers=1), Zone(name="b", max_workers=2))
ZONED = replace(_sized(max_workers=6), templates=(replace(STD.templates[0], zones=ZONES),))


def test_quota_blind_failover() -> None:
    """Zone a is sold out, and its demand goes to zone b, which has a quota of 2. Guard: `_quota` of `decide/scaling/offers/backoff.py` bounds
    what fails over, too."""

    async def story(world: World) -> None:
        world.provider.sold_out.add(("a", False))
        jobs = [await _submit(world, 20) for _ in range(5)]
        most: Counter[str] = Counter()

        def look(_: Changes) -> None:
            zones = Counter(worker.spec.zone for worker in world.core.state.workers.values())
            most.update({zone: max(0, count - most[zone]) for zone, count in zones.items()})

        world.written.append(look)
        for job in jobs:
            await _state(world, job, JobState.SUCCEEDED, 900)
        assert dict(most) == {"a": 1, "b": 2}
        await _rest(world)

    World(pools=(ZONED,)).run(story)


def test_workers_added_by_hand_keep_to_the_quotas_of_zones() -> None:
    """The same for `herder pool scale`. Guard: `_offers` of `control/pools/adding.py`. A dry run is refused in the same words."""

    async def story(world: World) -> None:
        async def scale(workers: int, dry: bool = False) -> Any:
            path = f"/pools/std/scale{'?dry_run=true' if dry else ''}"
            return await world.people.call("root", "POST", path, {"workers": workers, "ttl_s": 300})

        for dry in (True, False):
            with pytest.raises(NotTaken) as refused:
                await scale(4, dry)
            assert refused.value.status == 409
            assert "is at the limits of its zones with 3 more workers." in str(refused.value)
        assert not world.core.state.workers
        answer = await scale(2)
        zones = Counter(worker.spec.zone for worker in world.core.state.workers.values())
        assert len(answer["workers"]) == 2
        assert zones == {"a": 1, "b": 1}
        with pytest.raises(NotTaken, match=r"is at the limits of its zones with 1 more worker\."):
            await scale(2)
        await scale(1)
        await world.until(lambda: _ready(world) == 3, WITHIN_S)

    World(pools=(ZONED,)).run(story)


@pytest.mark.parametrize("around_ms", [-2000, -500, -50, 0, 50, 500, 1500, 4000])
def test_extend_against_expire(around_ms: int) -> None:
    """A person extends a busy worker around the moment of its expiry. Guards: `_extend` refuses when the drain has begun, `open_again`, and the
    check of a removal just before it is applied (`control/planning/plans.py`). Who was told yes keeps the worker."""
    pool = replace(
        _sized(max_workers=1),
        lifetime=replace(STD.lifetime, ttl_s=40.0, ttl_jitter=0.0, ttl_grace_s=1.0, drain_grace_s=300.0),
    )

    async def story(world: World) -> None:
        await _submit(world, 150)
        await world.until(lambda: bool(world.machines.began))
        worker = world.worker()
        expires_ms = worker.expires_at_ms
        assert expires_ms is not None
        await asyncio.sleep((expires_ms + around_ms - world.core.clock.now_ms()) / 1000)
        refused = await _refusal(world, f"/workers/{worker.spec.name}/extend", {"extend_s": 60})
        if refused:
            assert "is draining" in refused
            assert worker.state is WorkerState.DRAINING
            return
        await asyncio.sleep(55)
        assert worker.state is WorkerState.READY
        assert worker.expires_at_ms == expires_ms + 60_000
        assert worker.expired_ms is None
        await world.until(lambda: worker.state.leaving, 30, "it ends with its second expiry")

    World(pools=(pool,)).run(story)


@pytest.mark.parametrize("fault", [Fault.NONE, Fault.ANSWER_LOST, Fault.LATE])
@pytest.mark.parametrize("after_ms", [0, 20, 300, 1500])
def test_drain_against_assignment(fault: Fault, after_ms: int) -> None:
    """A worker is drained while attempts are on their way to it. Guard: `WorkerLife.takes_work`; an attempt that was assigned before is done
    there, none comes after. Also `tests/engine/test_drains.py::test_drain_against_assignment`."""

    async def story(world: World) -> None:
        first = await _submit(world, 1)
        await _state(world, first, JobState.SUCCEEDED)
        worker = world.worker()
        world.dice.order("/exchange", fault)
        jobs = [await _submit(world, 3, cpu="500m", memory="256Mi") for _ in range(3)]
        await asyncio.sleep(after_ms / 1000)
        await world.people.call("root", "POST", f"/workers/{worker.spec.name}/drain", {})
        jobs += [await _submit(world, 3, cpu="500m", memory="256Mi") for _ in range(3)]
        drained_ms = worker.drain.since_ms if worker.drain is not None else 0
        for job in jobs:
            await _state(world, job, JobState.SUCCEEDED)
            (attempt,) = _attempts(world, job)
            assert world.machines.done[job] == 1
            assert attempt.worker != worker.spec.name or attempt.assigned_at_ms <= drained_ms
        await world.people.call("root", "POST", f"/workers/{worker.spec.name}/remove", {})
        await _rest(world)

    World(pools=(_sized(max_workers=2),)).run(story)


@pytest.mark.parametrize("killed", [False, True])
@pytest.mark.parametrize("fault", [Fault.ANSWER_LOST, Fault.DOUBLED])
def test_double_create_after_time_out(fault: Fault, killed: bool) -> None:
    """The provider made the machine, and nobody heard of it. Guards: an unknown outcome is no failure (`control/drivers/machines.py`: another
    worker would be made), and the name is that of the row that was written before the call. `test_faults_at_ports.py` has every fault."""

    async def story(world: World) -> None:
        world.dice.order("create", fault)
        job = await _submit(world, 2)
        await world.until(lambda: bool(world.provider.machines))
        if killed:
            world.kill_server()
            await world.restart(1.0)
        await _state(world, job, JobState.SUCCEEDED)
        assert world.provider.made == 1
        assert len(_worker_rows(world)) == 1
        await _rest(world)

    World(pools=(_sized(max_workers=1),)).run(story)


def test_two_leaders() -> None:
    """A server that was replaced does not know it, and agents and people still reach it. Guard: each commit checks the epoch
    (`store/opening/leadership.py`), and nothing leaves before its commit. With real processes and PostgreSQL:
    `tests/failover/test_take_over.py::test_another_server_takes_over_and_nobody_notices`."""

    async def story(world: World) -> None:
        job = await _submit(world, 20)
        await world.until(lambda: bool(world.machines.began))
        assert world.server is not None
        old = world.server
        world.loop.stop_host(old.host)
        await world.replace_server()
        world.wire.with_stale |= {"user ann", *world.machines.agents}
        call = asyncio.ensure_future(_submit(world, 1))  # reaches the old one, which cannot say yes
        await asyncio.sleep(2)
        by_old: list[Changes] = []
        old.store._written = by_old.append  # type: ignore[method-assign]
        world.loop.wake_host(old.host)
        await world.until(lambda: world.stale is None, WITHIN_S, "the old leader has noticed and ended")
        second = await call
        assert not by_old, "nothing that a late leader writes is durable"
        for each in (job, second):
            await _state(world, each, JobState.SUCCEEDED)
            assert world.machines.done[each] == 1
            assert len(_attempts(world, each)) == 1
        await _rest(world)

    World(pools=(_sized(max_workers=1),)).run(story)


@contextmanager
def _copy_of(world: World) -> Iterator[sqlite3.Connection]:
    """A backup of the store."""
    copy = sqlite3.connect(":memory:")
    raw = world.engine.raw_connection()
    raw.driver_connection.backup(copy)  # type: ignore[union-attr]
    yield copy
    copy.close()


def test_restored_store() -> None:
    """The store is put back to a time before the fleet was made. Guard: machines of the forgotten time are held until a person decides
    (`control/drivers/unknown_machines.py`), however long the sweep's delay is over. With real servers under load:
    `tests/backup/test_restore_under_load.py`."""

    async def story(world: World) -> None:
        await world.people.call("root", "POST", "/pools/std/scale", {"workers": 1, "ttl_s": 3000})
        await world.until(lambda: _ready(world) == 1)
        with _copy_of(world) as copy:
            await world.people.call("root", "POST", "/pools/std/scale", {"workers": 1, "ttl_s": 3000})
            await world.until(lambda: _ready(world) == 2)
            made = set(world.provider.machines)
            world.kill_server()
            raw = world.engine.raw_connection()
            copy.backup(raw.driver_connection)  # type: ignore[arg-type]
            mark_put_back(world.engine, world.clock.now_ms(), "The store was restored from a backup", salt=7)
        await world.restart(1.0)
        await world.until(lambda: "driver.unknown_machines" in event_kinds(world), WITHIN_S)
        await asyncio.sleep(10 * world.core.settings.sweep_delay_s)
        assert set(world.provider.machines) == made
        assert len({row.name for row in _worker_rows(world)}) == 1
        await world.people.call("root", "POST", "/drivers/pretend/sweep", {"action": "remove"})
        await world.until(lambda: len(world.provider.machines) == 1, WITHIN_S, "a person has decided")

    World(pools=(_sized(max_workers=4),)).run(story)
