"""Callbacks in the simulated world: receivers that fail, servers that die at any effect, and time."""

import asyncio
import json
from dataclasses import replace
from itertools import pairwise

import pytest
from sqlalchemy import select

from herder.model.work.callbacks import PAUSES_S, CallbackRules
from herder.ports.callbacks import Answer, Message
from herder.simulate.chaos import Fault, World
from herder.simulate.chaos.faults.kinds import CALM
from herder.store.rows.tables import callbacks, events

URL = "https://ann.example.org/hook"
DAY_S, HOURS_S = 86_400.0, 4 * 3_600.0
#: Loops that have nothing to do here.
RARELY = {
    "scale_period_s": 60.0,
    "lifecycle_period_s": 60.0,
    "sweep_period_s": 600.0,
    "interruptions_period_s": 600.0,
}
DOWN = Answer(status=500, error="The receiver refused the message (HTTP status 500).")


def rows(world: World) -> list[tuple[str, int]]:
    """State and tries of each message."""
    with world.engine.connect() as connection:
        query = select(callbacks.c.state, callbacks.c.tries).order_by(callbacks.c.batch_id)
        return [(row.state, row.tries) for row in connection.execute(query)]


async def ended_batch(world: World, url: str = URL, user: str = "ann") -> int:
    number = await world.people.batch(user, [{"sleep_ms": 1_000_000}], callback=url)
    await world.people.call(user, "POST", f"/batches/{number}/cancel", {})
    return number


async def settled(world: World, within_s: float = 60.0) -> None:
    await world.until(lambda: all(state != "due" for state, _ in rows(world)), within_s, "no message is due")


def test_a_receiver_that_is_away_is_tried_at_growing_intervals_and_given_up() -> None:
    async def story(world: World) -> None:
        tried: list[float] = []

        def down(message: Message) -> Answer:
            tried.append(world.loop.time())
            return DOWN

        world.receivers.answers = down
        number = await ended_batch(world)
        began_s = world.loop.time()
        await asyncio.sleep(HOURS_S + 60)
        pauses = [round(after - before) for before, after in pairwise(tried)]
        assert pauses == pytest.approx(PAUSES_S[: len(pauses)], abs=2)
        assert tried[-1] - began_s <= HOURS_S < tried[-1] - began_s + PAUSES_S[len(pauses)]
        assert rows(world) == [("failed", len(tried))]
        with world.engine.connect() as connection:
            told = connection.execute(
                select(events.c.object, events.c.text).where(events.c.kind == "callback.failed")
            )
            assert [tuple(each) for each in told] == [
                (
                    f"batch/{number}",
                    f"The callback of batch {number} was given up after {len(tried)} tries. {DOWN.error}",
                )
            ]
        world.receivers.answers = lambda _message: None
        await world.people.call("ann", "POST", f"/callbacks/{number}/retry")
        await settled(world)
        assert rows(world) == [("delivered", 1)]

    World(1, core_settings=RARELY | {"callbacks": CallbackRules(give_up_s=HOURS_S)}).run(story)


def test_a_server_that_dies_loses_no_message_and_sends_it_under_the_same_id() -> None:
    async def story(world: World) -> None:
        for what in ("commit", "after the end", "while it is sent", "after it has arrived"):
            number = await world.people.batch("ann", [{"sleep_ms": 1_000_000}], callback=URL)
            if what == "commit":
                world.dice.order("commit", Fault.REFUSED)
            await world.people.call("ann", "POST", f"/batches/{number}/cancel", {})
            if what == "while it is sent":
                await asyncio.sleep(0.1)
            if what == "after it has arrived":
                before = len(world.receivers.received)
                await world.until(lambda before=before: len(world.receivers.received) > before, 30)  # type: ignore[misc]
            if world.server is not None:
                world.kill_server()
            await world.restart(1.0)
            await settled(world)
        assert [state for state, _ in rows(world)] == ["delivered"] * 4
        received = world.receivers.received
        assert sorted(json.loads(each[0].body)["data"]["batch"] for each in received.values()) == [1, 2, 3, 4]
        assert all(len({message.body for message in each}) == 1 for each in received.values())
        assert any(len(each) > 1 for each in received.values()), "one arrived and was not written down"

    World(2).run(story)


@pytest.mark.parametrize("seed", [1, 2, 3])
def test_receivers_and_servers_that_fail_all_the_time(seed: int) -> None:
    """Each batch is told of, once or more, with the same words."""

    async def story(world: World) -> None:
        world.dies = lambda _what: world.dice.trouble and world.dice.of("deaths").random() < 0.02
        made = [
            await ended_batch(world, f"https://{user}.example.org/", user)
            for user in ("ann", "bob", "cyd") * 5
        ]
        await world.until(lambda: len(rows(world)) == len(made), 600, "all have ended")
        await asyncio.sleep(300)
        world.dice.trouble = False
        if world.server is None:
            await world.restart(1.0)
        await settled(world, DAY_S)
        assert {state for state, _ in rows(world)} == {"delivered"}
        arrived = {json.loads(each[0].body)["data"]["batch"] for each in world.receivers.received.values()}
        assert arrived == set(made)
        assert all(len({message.body for message in each}) == 1 for each in world.receivers.received.values())

    World(seed, odds=replace(CALM, people=0.3)).run(story)


def test_one_user_and_one_host_have_a_part_of_the_places() -> None:
    async def story(world: World) -> None:
        now, most = {"all": 0, "slow": 0}, {"all": 0, "slow": 0}

        class Slow:
            async def send(self, message: Message) -> Answer:
                kinds = ["all"] + (["slow"] if "slow" in message.url else [])
                for kind in kinds:
                    now[kind] += 1
                    most[kind] = max(most[kind], now[kind])
                await asyncio.sleep(10.0 if "slow" in message.url else 0.1)
                for kind in kinds:
                    now[kind] -= 1
                return Answer(status=204)

            async def close(self) -> None:
                """Nothing is open."""

        world._around.sender = Slow()
        world.kill_server()
        await world.restart(0.1)
        for _ in range(10):
            await ended_batch(world, "https://slow.example.org/", "ann")
        for place in range(10):
            await ended_batch(world, f"https://host{place}.example.org/", "ann")
        quick = await ended_batch(world, "https://quick.example.org/", "bob")
        await world.until(lambda: delivered(world, quick), 5, "bob's is not delayed")
        assert sum(state == "delivered" for state, _ in rows(world)) < 21
        await settled(world)
        assert most["slow"] == 4
        assert most["all"] <= 9

    World(3).run(story)


def delivered(world: World, batch: int) -> bool:
    with world.engine.connect() as connection:
        query = select(callbacks.c.state).where(callbacks.c.batch_id == batch)
        return connection.execute(query).scalar() == "delivered"


def test_a_full_outbox_is_emptied() -> None:
    """More messages than places, of many users' hosts."""

    async def story(world: World) -> None:
        world.kill_server()
        await world.restart(0.1)
        made = [
            await ended_batch(world, f"https://h{n}.example.org/", ("ann", "bob")[n % 2]) for n in range(60)
        ]
        await settled(world)
        assert len(world.receivers.received) == len(made)

    World(4).run(story)


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_message_is_given_up_after_a_day_and_that_is_recorded_through_deaths_of_the_server() -> None:
    """One server dies between the event and the row: the next one tries once more."""

    async def story(world: World) -> None:
        tries, died = list[float](), list[str]()

        def down(message: Message) -> Answer:
            tries.append(world.loop.time())
            return DOWN

        world.receivers.answers = down
        await ended_batch(world)
        began_s = world.loop.time()
        for _ in range(4):
            await asyncio.sleep(4.5 * 3_600)
            world.kill_server()
            await world.restart(5.0)
        assert [state for state, _ in rows(world)] == ["due"]

        def dies(what: str) -> bool:
            if what == "committed" and not died and "callback.failed" in kinds(world):
                died.append(what)
                return True
            return False

        world.dies = dies
        for _ in range(12 * 60):
            await asyncio.sleep(60)
            if rows(world)[0][0] != "due":
                break
        assert died
        assert tries[-1] - began_s > DAY_S - PAUSES_S[-1]
        assert kinds(world).count("callback.failed") == 2, "the one who died told of it, and the next"
        assert rows(world) == [("failed", len(tries) - 1)], "the try of the one who died is not counted"

    World(5, core_settings=RARELY).run(story)


def kinds(world: World) -> list[str]:
    with world.engine.connect() as connection:
        return list(connection.execute(select(events.c.kind)).scalars())
