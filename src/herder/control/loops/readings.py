"""The readings loop: queries the custom metrics of all pools, each at its own interval, and stores the last value.

A try that fails leaves the value before and says why; the planner knows how long that may be used. It decides nothing.
"""

import asyncio
from dataclasses import replace
from functools import partial

import httpx

from herder.control.kernel.core import Core
from herder.control.metric_sources.prometheus import query
from herder.model.fleet.metric import Metric, MetricReading
from herder.model.ids import PoolName
from herder.remote.prometheus import NoValue, http_client

#: Queries under way at a time, over all sources: what waits is asked for a little later.
QUERIES_AT_A_TIME = 8

_Key = tuple[PoolName, str]


async def run(core: Core) -> None:
    due: dict[_Key, tuple[Metric, int]] = {}
    places = asyncio.Semaphore(QUERIES_AT_A_TIME)
    look_s = core.settings.readings_period_s
    while not _wanted(core):
        await asyncio.sleep(look_s)  # an HTTP client is made only where one is needed
    async with (
        http_client(core.transport) as client,
        asyncio.TaskGroup() as queries,
    ):
        under_way: set[_Key] = set()
        while True:
            wanted = _wanted(core)
            _forget(core, due, wanted)
            for key, metric in wanted.items():
                before, at_ms = due.get(key, (metric, 0))
                if key not in under_way and (before != metric or core.clock.monotonic_ms() >= at_ms):
                    due[key] = metric, core.clock.monotonic_ms() + int(metric.every_s * 1000)
                    under_way.add(key)
                    task = queries.create_task(_read(core, client, places, key, metric))
                    task.add_done_callback(partial(_over, under_way, key))
            await asyncio.sleep(look_s)


def _over(under_way: set[_Key], key: _Key, _task: "asyncio.Task[None]") -> None:
    under_way.discard(key)


def _wanted(core: Core) -> dict[_Key, Metric]:
    return {
        (name, metric.name): metric
        for name, pool in sorted(core.state.pools.items())
        for metric in pool.scale_up.metrics
    }


def _forget(core: Core, due: dict[_Key, tuple[Metric, int]], wanted: dict[_Key, Metric]) -> None:
    """What is kept is bounded by what is configured; a query that was changed has no value yet."""
    for key in [key for key, (metric, _) in due.items() if wanted.get(key) != metric]:
        core.state.readings.pop(key, None)
        if key not in wanted:
            del due[key]


async def _read(
    core: Core, client: httpx.AsyncClient, places: asyncio.Semaphore, key: _Key, metric: Metric
) -> None:
    source = next((each for each in core.settings.metric_sources if each.name == metric.source), None)
    pool, name = key
    value, fault = None, ""
    try:
        if source is None:
            raise NoValue(
                f"this server has no metric source {metric.source!r}; define it under metric_sources"
            )
        async with places:
            value = await query(client, source, metric.query)
    except NoValue as error:
        fault = str(error)
    now_wanted = core.state.pools.get(pool)
    if now_wanted is None or metric not in now_wanted.scale_up.metrics:
        return  # it was changed or removed meanwhile
    before = core.state.readings.get(key, MetricReading(pool=pool, metric=name))
    after = (
        replace(before, fault=fault)
        if value is None
        else MetricReading(pool=pool, metric=name, value=value, at_ms=core.clock.now_ms())
    )
    core.state.readings[key] = after
    if (after.value, after.fault) != (before.value, before.fault):
        core.demand_changed.set()
