"""Prices that move in the simulated world: a worker costs what its offer cost when it was claimed, and bills add up."""

import json
from dataclasses import replace

from sqlalchemy import select

from herder.model.fleet.pool import Zone
from herder.model.work.job import JobState
from herder.settings.sections.pool.pools import pool_to_plain
from herder.simulate.chaos import POOLS, World
from herder.simulate.chaos.faults.chance import stream
from herder.simulate.chaos.faults.prices import PriceList
from herder.store.rows import tables as t
from tests.simulation.fleet import check_rest, states_of

POOL = replace(
    POOLS[0],
    templates=tuple(replace(each, zones=(Zone(name="a"), Zone(name="b"))) for each in POOLS[0].templates),
)


def prices_of_workers(world: World) -> list[int]:
    with world.engine.connect() as connection:
        return [
            int(json.loads(spec)["price"])
            for spec in connection.execute(select(t.workers.c.spec).order_by(t.workers.c.name)).scalars()
        ]


def test_a_worker_keeps_its_price_and_the_next_has_that_of_its_time() -> None:
    async def story(world: World) -> None:
        size = {"cpu": 6, "memory": "4Gi", "sleep_ms": 60_000}
        first = await world.people.submit(**size)
        await world.until(lambda: states_of(world).get(first) is JobState.RUNNING, 120, "the first runs")
        (before,) = prices_of_workers(world)
        prices = PriceList((POOL,))
        while not prices.moved:
            prices.move(stream(1, "prices"))
        plain = prices.put("std", pool_to_plain(POOL))
        await world.people.call("root", "POST", "/apply", {"pools": [plain]})
        second = await world.people.submit(**size)
        await world.until(lambda: states_of(world).get(second) is JobState.RUNNING, 120, "the second runs")
        same, after = prices_of_workers(world)
        assert same == before
        assert after != before
        await world.until(world.at_rest, 600, "everything rests")
        await world.core.settle()
        check_rest(world)

    World(1, pools=(POOL,)).run(story)


def test_prices_stay_within_a_quarter_and_four_times() -> None:
    draw, prices = stream(3, "prices"), PriceList((POOL,))
    first = {each.name: int(each.price_pico_per_hour) for each in POOL.templates}
    seen = set()
    for _ in range(200):
        prices.move(draw)
        for template in prices.put("std", pool_to_plain(POOL))["templates"]:
            for zone in template["zones"]:
                seen.add(zone["price_per_hour"])
                pico = float(zone["price_per_hour"]) * 1e12
                assert first[template["name"]] * 0.2 <= pico <= first[template["name"]] * 4.05
    assert len(seen) > 50
