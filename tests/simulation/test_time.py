"""Time: nobody dies and nobody pays for a clock that was set, or for an absence of the server itself."""

import asyncio
import itertools
from collections.abc import Callable
from dataclasses import replace

import pytest
from sqlalchemy import select

from herder.control.kernel.core import Core
from herder.control.recovery import supervision
from herder.control.recovery.supervision import PAUSE_S, supervise
from herder.model.fleet.pool import PoolSpec
from herder.model.fleet.worker import WorkerState
from herder.model.ids import JobId
from herder.model.work.job import JobState
from herder.simulate.chaos import CALM, POOLS, World
from herder.store.rows import tables as t
from tests.simulation.fleet import event_kinds, states_of

#: One worker at a time, so that a story can speak of *the* worker.
ONE: tuple[PoolSpec, ...] = (replace(POOLS[0], size=replace(POOLS[0].size, max_workers=1)),)
HOUR_S = 3600.0


async def _running(world: World, seconds: float = 60.0) -> int:
    """A job that runs for `seconds` of an agent's time, once it does."""
    job = await world.people.submit(cpu=1, memory="1Gi", sleep_ms=int(seconds * 1000))
    await world.until(lambda: bool(world.machines.began), what="the job runs")
    return job


def _deaths(world: World) -> list[str]:
    """What was told of workers that ended for a reason that time gave."""
    with world.engine.connect() as connection:
        rows = connection.execute(select(t.events.c.kind, t.events.c.text)).all()
    bad = ("silent", "not ready", "no longer exists")
    return [text for _, text in rows if any(each in text for each in bad)]


def _attempts(world: World, job: int) -> list[tuple[int, int, int]]:
    with world.engine.connect() as connection:
        query = select(t.attempts.c.assigned_at_ms, t.attempts.c.started_at_ms, t.attempts.c.ended_at_ms)
        return [tuple(row) for row in connection.execute(query.where(t.attempts.c.job_id == job))]


async def _set_clock(world: World, by_s: float) -> None:
    world.clock.set_wall(by_s)


async def _stop_server(world: World, for_s: float) -> None:
    assert world.server is not None
    world.loop.stop_host(world.server.host)
    await asyncio.sleep(for_s)
    world.loop.wake_host(world.server.host)


@pytest.mark.parametrize("by_s", [3 * HOUR_S, -3 * HOUR_S], ids=["forward", "back"])
def test_a_clock_that_is_set_kills_nobody_and_bills_what_has_passed(by_s: float) -> None:
    async def story(world: World) -> None:
        job = await _running(world, 60)
        worker = world.worker()
        await asyncio.sleep(20)
        await _set_clock(world, by_s)
        await asyncio.sleep(1)
        assert worker.state is WorkerState.READY
        assert abs(world.core.clock.now_ms() - world.clock.now_ms()) < 1000, "our time follows"
        await world.until(lambda: states_of(world)[job] is JobState.SUCCEEDED)
        await world.until(world.at_rest)
        await world.core.settle()
        ((assigned, started, ended),) = _attempts(world, job)
        assert assigned <= started <= ended
        assert 60_000 <= ended - assigned <= 70_000, "it ran for a minute, whatever the clock showed"
        with world.engine.connect() as connection:
            row = connection.execute(select(t.workers)).one()
        assert row.requested_at_ms <= row.provisioned_at_ms <= row.ready_at_ms <= row.ended_at_ms
        alive_ms = row.ended_at_ms - row.provisioned_at_ms
        assert 60_000 <= alive_ms <= 180_000
        price = worker.spec.price_pico_per_hour
        assert world.core.ledger.pools[row.pool] == pytest.approx(price * alive_ms / 3_600_000, rel=0.01)
        assert "server.clock_set" in event_kinds(world)
        assert _deaths(world) == []

    World(pools=ONE).run(story)


@pytest.mark.parametrize("by_s", [3 * HOUR_S, -3 * HOUR_S], ids=["forward", "back"])
def test_a_clock_that_is_set_holds_up_neither_growth_nor_retries(by_s: float) -> None:
    """Cooldowns, rests of offers, ages and looks that are due hold times too."""

    async def story(world: World) -> None:
        await _running(world, 5)
        await _set_clock(world, by_s)
        await world.until(world.at_rest, 120)
        began_s = world.loop.time()
        job = await world.people.submit(cpu=6, memory="4Gi", sleep_ms=1000)
        await world.until(lambda: states_of(world)[job] is JobState.SUCCEEDED, 60)
        assert world.loop.time() - began_s < 60

    World(pools=(POOLS[0],)).run(story)


def test_a_clock_that_was_set_back_while_no_server_ran_makes_nobody_younger() -> None:
    async def story(world: World) -> None:
        job = await _running(world, 90)
        await asyncio.sleep(30)
        await world.people.submit(cpu="100m", memory="1Mi", sleep_ms=1)  # a sign of the time that had passed
        await asyncio.sleep(2)
        world.kill_server()
        await _set_clock(world, -3 * HOUR_S)
        await world.restart(1.0)
        await world.until(lambda: states_of(world)[job] is JobState.SUCCEEDED)
        await world.until(world.at_rest)
        await world.core.settle()
        ((assigned, _, ended),) = _attempts(world, job)
        assert 85_000 <= ended - assigned <= 100_000
        assert _deaths(world) == []

    World(pools=ONE).run(story)


def test_a_clock_that_was_set_back_is_followed_once_however_often_the_server_starts() -> None:
    """The rows say the new times before anything else is done."""

    async def story(world: World) -> None:
        job = await _running(world, 90)
        await asyncio.sleep(30)
        await world.people.submit(cpu="100m", memory="1Mi", sleep_ms=1)  # a sign of the time that had passed
        await asyncio.sleep(2)
        world.kill_server()
        await _set_clock(world, -3 * HOUR_S)
        for _ in range(3):
            await world.restart(1.0)
            assert world.core.state.live[JobId(job)].assigned_at_ms <= world.core.clock.now_ms()
            await world.core.settle()
            world.kill_server()
        await world.restart(1.0)
        await world.until(lambda: states_of(world)[job] is JobState.SUCCEEDED)
        await world.until(world.at_rest)
        await world.core.settle()
        ((assigned, _, ended),) = _attempts(world, job)
        assert 85_000 <= ended - assigned <= 100_000
        assert _deaths(world) == []

    World(pools=ONE).run(story)


def test_a_pause_that_is_over_does_not_begin_again_when_the_clock_goes_back() -> None:
    """Its row still says until when it lasted."""

    async def story(world: World) -> None:
        job = await _running(world, 5)
        world.provider.lose(world.worker().spec.name)
        world.machines.compare()
        await world.until(lambda: states_of(world)[job] is JobState.READY, 60)
        await asyncio.sleep(3)
        assert not world.core.state.delayed, "its pause is over, and it waits for a worker"
        await _set_clock(world, -3 * HOUR_S)
        await world.until(lambda: "server.clock_set" in event_kinds(world), 30)
        world.kill_server()
        await world.restart(1.0)
        await world.until(lambda: states_of(world)[job] is JobState.SUCCEEDED, 200)
        await world.until(world.at_rest)

    World(pools=ONE, boot_s=25).run(story)


@pytest.mark.parametrize("away_s", [10.0, 300.0])
def test_a_server_that_stood_still_blames_nobody_for_it(away_s: float) -> None:
    """As with SIGSTOP, a paused machine, or a laptop that slept; workers count as dead after 15 s of silence."""

    async def story(world: World) -> None:
        job = await _running(world, 30)
        worker = world.worker()
        await _stop_server(world, away_s)
        await asyncio.sleep(1)
        assert worker.state in (WorkerState.READY, WorkerState.UNHEALTHY)
        await world.until(lambda: states_of(world)[job] is JobState.SUCCEEDED)
        assert len(_attempts(world, job)) == 1
        assert "server.away" in event_kinds(world)
        assert _deaths(world) == []

    World(pools=ONE).run(story)


def test_a_boot_and_a_drain_are_not_judged_by_an_absence_either() -> None:
    async def story(world: World) -> None:
        job = await world.people.submit(cpu=1, memory="1Gi", sleep_ms=18_000)
        await world.until(lambda: bool(world.core.state.workers))
        await _stop_server(world, 100)  # the boot may take 60 s
        await world.until(lambda: bool(world.machines.began), 30)
        await world.people.call("root", "POST", f"/workers/{world.worker().spec.name}/drain", {})
        await asyncio.sleep(1)
        await _stop_server(world, 60)  # the drain may take 20 s
        await world.until(lambda: states_of(world)[job] is JobState.SUCCEEDED, 30)
        assert len(_attempts(world, job)) == 1
        assert _deaths(world) == []

    World(pools=ONE).run(story)


def test_a_server_that_was_killed_and_came_back_late_blames_nobody() -> None:
    async def story(world: World) -> None:
        job = await world.people.submit(cpu=1, memory="1Gi", sleep_ms=30_000)
        await world.until(lambda: bool(world.core.state.workers))
        world.kill_server()
        await world.restart(100)  # the boot may take 60 s
        await world.until(lambda: bool(world.machines.began), 60)
        world.kill_server()
        await world.restart(100)
        await world.until(lambda: states_of(world)[job] is JobState.SUCCEEDED, 60)
        assert len(_attempts(world, job)) == 1
        assert _deaths(world) == []

    World(pools=ONE).run(story)


def test_a_worker_that_is_silent_while_the_server_is_there_still_dies() -> None:
    async def story(world: World) -> None:
        job = await _running(world, 10)
        worker = world.worker().spec.name
        began_s = world.loop.time()
        world.machines.kill(worker)
        await world.until(lambda: any("silent" in text for text in _deaths(world)), 40)
        assert world.loop.time() - began_s < 25
        await world.until(lambda: states_of(world)[job] is JobState.SUCCEEDED)
        assert len(_attempts(world, job)) == 2

    World(pools=ONE).run(story)


@pytest.mark.parametrize(
    ("lives_s", "pauses"),
    [(0.0, lambda at: at == [PAUSE_S, 2 * PAUSE_S, 4 * PAUSE_S]), (120.0, lambda at: at == [PAUSE_S] * 3)],
    ids=["at once", "after two minutes"],
)
def test_a_loop_that_was_sound_for_long_is_started_again_at_once(
    lives_s: float, pauses: Callable[[list[float]], bool]
) -> None:
    async def story(world: World) -> None:
        begins: list[float] = []

        async def fragile(core: Core) -> None:
            begins.append(world.loop.time())
            await asyncio.sleep(lives_s)
            raise RuntimeError("broken")

        watched = asyncio.ensure_future(supervise(world.core, "fragile", fragile))
        await world.until(lambda: len(begins) == 4, 1000)
        watched.cancel()
        gaps = [round(b - a - lives_s, 1) for a, b in itertools.pairwise(begins)]
        assert pauses(gaps), gaps
        assert event_kinds(world).count("loop.failed") >= 3

    assert supervision.SOUND_S < 120
    World(odds=CALM, pools=ONE).run(story)


def test_a_job_that_ended_while_the_server_was_away_did_not_run_until_it_was_back() -> None:
    async def story(world: World) -> None:
        job = await _running(world, 10)
        await _stop_server(world, 40)
        await world.until(lambda: states_of(world)[job] is JobState.SUCCEEDED)
        await world.core.settle()
        ((assigned, started, ended),) = _attempts(world, job)
        assert 9_000 <= ended - started <= 12_000
        assert ended - assigned <= 14_000

    World(pools=ONE).run(story)
