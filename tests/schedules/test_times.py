"""When the batches of schedules are submitted, in virtual time: each time once, also through deaths of the server."""

import asyncio
import json
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from sqlalchemy import select

from herder.simulate.chaos import World
from herder.simulate.chaos.actors.people import NotTaken
from herder.simulate.chaos.faults.kinds import CALM
from herder.store.rows.tables import batches, events

JOB = {"runtime": "noop", "cpu": 1, "memory": "1Gi", "sleep_ms": 1_000, "retries": 3, "attempts_max": 1000}
LONG = {**JOB, "sleep_ms": 600_000}


async def schedule(world: World, cron: str, *jobs: dict[str, Any], user: str = "ann", **more: Any) -> None:
    body = {"name": "s", "cron": cron, "batch": {"jobs": list(jobs or (JOB,))}, **more}
    await world.people.call(user, "POST", "/schedules", body)


def runs(world: World) -> list[tuple[str, str]]:
    """Of each batch: the time for which it was submitted, and its state."""
    with world.engine.connect() as connection:
        rows = connection.execute(select(batches.c.attributes, batches.c.state).order_by(batches.c.id)).all()
    return [(json.loads(row.attributes).get("scheduled_at", ""), row.state) for row in rows]


def told(world: World, kind: str) -> list[str]:
    with world.engine.connect() as connection:
        return list(connection.execute(select(events.c.text).where(events.c.kind == kind)).scalars())


async def view(world: World, user: str = "ann") -> dict[str, Any]:
    return dict(await world.people.call(user, "GET", "/schedules/s"))


def minute_of(text: str) -> int:
    return int(datetime.fromisoformat(text).timestamp()) // 60


def test_a_batch_is_submitted_at_each_time() -> None:
    async def story(world: World) -> None:
        await schedule(world, "*/5 * * * *")
        await asyncio.sleep(16 * 60)
        found = [at for at, _ in runs(world)]
        assert len(found) in (3, 4)
        assert [minute_of(at) % 5 for at in found] == [0] * len(found)
        assert len(set(found)) == len(found)
        seen = await view(world)
        assert seen["last_text"] == f"The run of schedule s at {found[-1]} is batch {len(found)}."
        assert (seen["last_batch"], len(seen["next_runs"])) == (len(found), 3)

    World(1).run(story)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_no_time_is_lost_or_doubled_by_servers_that_die(seed: int) -> None:
    async def story(world: World) -> None:
        world.dies = lambda _what: world.dice.trouble and world.dice.of("deaths").random() < 0.01
        await schedule(world, "* * * * *")
        for _ in range(15):
            await asyncio.sleep(60)
            if world.server is not None:
                world.kill_server()
            await world.restart(1.0)
        world.dice.trouble = False
        await asyncio.sleep(60)
        found = [minute_of(at) for at, _ in runs(world)]
        assert found == list(range(found[0], found[0] + len(found)))
        assert len(found) >= 15

    World(seed, odds=replace(CALM, people=0.05)).run(story)


@pytest.mark.parametrize(("catch_up_s", "made_up"), [(3_600, True), (120, False)])
def test_of_the_times_that_were_missed_the_newest_is_made_up_for(catch_up_s: int, made_up: bool) -> None:
    async def story(world: World) -> None:
        await schedule(world, "*/10 * * * *", catch_up_s=catch_up_s)
        await asyncio.sleep(601)
        before = len(runs(world))
        world.kill_server()
        now_s = world.clock.now_ms() / 1000
        await asyncio.sleep(3_600 + 300 - now_s % 600)
        await world.restart(0)
        await asyncio.sleep(30)
        assert len(runs(world)) - before == made_up
        assert len(told(world, "schedule.skipped")) == (not made_up)
        await asyncio.sleep(600)
        assert len(runs(world)) - before == made_up + 1

    World(2).run(story)


def test_a_batch_that_still_runs() -> None:
    async def story(world: World, concurrency: str, states: list[str]) -> None:
        await schedule(world, "*/5 * * * *", LONG, concurrency=concurrency)
        await asyncio.sleep(300)
        await world.until(lambda: len(runs(world)) == 1, 120)
        await asyncio.sleep(301)
        await world.core.settle()
        await asyncio.sleep(5)
        assert [state for _, state in runs(world)] == states
        skipped = told(world, "schedule.skipped")
        assert bool(skipped) == (concurrency == "forbid")
        if skipped:
            assert "batch 1 of the last run has not ended (concurrency forbid)" in skipped[0]

    for concurrency, states in (
        ("allow", ["running", "running"]),
        ("forbid", ["running"]),
        ("replace", ["cancelled", "running"]),
    ):
        World(3).run(lambda world, c=concurrency, s=states: story(world, c, s))  # type: ignore[misc]


def test_a_paused_schedule_makes_up_for_nothing() -> None:
    async def story(world: World) -> None:
        await schedule(world, "*/5 * * * *", catch_up_s=86_400)
        await world.people.call("ann", "POST", "/schedules/s/pause")
        assert (await view(world))["next_runs"] == []
        await asyncio.sleep(1_200)
        await world.people.call("ann", "POST", "/schedules/s/resume")
        assert runs(world) == []
        await asyncio.sleep(301)
        assert len(runs(world)) == 1
        answer = await world.people.call("ann", "POST", "/schedules/s/run")
        assert (answer["batch"], answer["count"]) == (2, 1)
        await world.people.call("ann", "DELETE", "/schedules/s")
        await asyncio.sleep(601)
        assert len(runs(world)) == 2
        world.kill_server()
        await world.restart(1.0)
        with pytest.raises(NotTaken):
            await view(world)

    World(4).run(story)


def test_a_run_that_is_refused_is_told_and_the_next_is_tried() -> None:
    async def story(world: World) -> None:
        projects = {"alpha": {"members": {}}}
        await schedule(world, "*/5 * * * *", batch={"jobs": [JOB], "project": "beta"})
        sharing = {"projects": {"alpha": {"nominal_quota": {"jobs": 5}}}}
        assert projects
        await world.people.call("root", "POST", "/apply", {"pools": [], "sharing": sharing})
        await asyncio.sleep(301)
        assert runs(world) == []
        assert "There is no project 'beta'." in told(world, "schedule.failed")[0]
        assert "failed" in (await view(world))["last_text"]
        await world.people.call("root", "POST", "/apply", {"pools": [], "sharing": {"projects": {}}})
        await asyncio.sleep(301)
        assert len(runs(world)) == 1

    World(5).run(story)


def test_the_hour_that_is_left_out_and_the_one_that_comes_twice() -> None:
    """As cron of Debian does it: 2:30 on the day without a half past two is 3:00, and on the day with two of them it is once."""
    from herder.settings.syntax.cron import around

    for day, expected in (("2026-03-28T12:00", "2026-03-29T01:00"), ("2026-10-24T12:00", "2026-10-25T00:30")):
        minute = int(datetime.fromisoformat(day).replace(tzinfo=UTC).timestamp()) // 60
        _, after = around("30 2 * * *", "Europe/Berlin", minute)
        assert after is not None
        assert datetime.fromtimestamp(after / 1000, UTC).strftime("%Y-%m-%dT%H:%M") == expected
        _, later = around("30 2 * * *", "Europe/Berlin", after // 60_000)
        assert later is not None
        assert later - after > 20 * 3_600_000, "not twice in one night"
