"""Every place at which something outside can fail, and every way in which it can: one short story each, and what a user sees of it.

The stories say nothing of how it is done: a job is submitted, something goes wrong at a port, and the job has succeeded once, the
worker was replaced, the machine is gone, the figure is back, and the event says so. No loop is imported; faults are ordered of the
ports by name (`Dice.order`).
"""

import asyncio
import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import httpx
import pytest
from sqlalchemy import select

from herder.model.fleet.metric import Metric
from herder.model.fleet.worker import WorkerState
from herder.model.ids import PoolName
from herder.model.work.job import JobState
from herder.settings.sections.server import MetricSource
from herder.simulate.chaos import POOLS, Fault, World
from herder.store.rows import tables as t
from tests.simulation.fleet import check_rest, event_kinds, states_of

ONE = (replace(POOLS[0], size=replace(POOLS[0].size, max_workers=1)),)

#: After this, whatever went wrong has been mended, and everybody has left.
WITHIN_S = 400.0


def _attempts(world: World, job: int) -> list[Any]:
    with world.engine.connect() as connection:
        return list(connection.execute(select(t.attempts).where(t.attempts.c.job_id == job)))


async def _submit(world: World, seconds: float = 2.0, **more: Any) -> int:
    return await world.people.submit(cpu=1, memory="1Gi", sleep_ms=int(seconds * 1000), **more)


async def _succeeds(world: World, job: int, within_s: float = WITHIN_S) -> None:
    await world.until(
        lambda: states_of(world).get(job) is JobState.SUCCEEDED, within_s, f"job {job} succeeds"
    )


async def _comes_to_rest(world: World) -> None:
    await world.until(world.at_rest, WITHIN_S, "nothing is left over")
    await world.core.settle()
    check_rest(world)


# --- launch: create and delete

CALL_FAULTS = [
    Fault.REFUSED,
    Fault.REQUEST_LOST,
    Fault.ANSWER_LOST,
    Fault.DOUBLED,
    Fault.LATE,
    Fault.ACTS_LATE,
]


@pytest.mark.parametrize("fault", CALL_FAULTS)
@pytest.mark.parametrize("verb", ["create", "delete"])
def test_a_call_that_makes_or_removes_a_machine(verb: str, fault: Fault) -> None:
    """The job succeeds at its first attempt, one machine was made for it, and it goes."""

    async def story(world: World) -> None:
        world.dice.order(verb, fault)
        job = await _submit(world)
        await _succeeds(world, job)
        assert len(_attempts(world, job)) == 1
        await _comes_to_rest(world)
        assert world.provider.made == 1 or (verb, fault) == ("create", Fault.ACTS_LATE)
        assert (verb, fault) in world.dice.met

    World(pools=ONE).run(story)


@pytest.mark.parametrize("verb", ["create", "delete"])
def test_a_server_that_dies_in_such_a_call(verb: str) -> None:
    """What its provider did meanwhile is found by the next one."""

    async def story(world: World) -> None:
        world.dice.order(verb, Fault.LATE)
        job = await _submit(world)
        await world.until(lambda: (verb, Fault.LATE) in world.dice.met, WITHIN_S)
        await asyncio.sleep(1)
        world.kill_server()
        await world.restart(2.0)
        await _succeeds(world, job)
        await _comes_to_rest(world)

    World(pools=ONE).run(story)


# --- sweep: list, and what it removes


@pytest.mark.parametrize("fault", CALL_FAULTS)
def test_a_listing(fault: Fault) -> None:
    """Nobody is taken for gone because a provider does not answer; one whose machine has gone is replaced all the same."""

    async def story(world: World) -> None:
        job = await _submit(world, 40)
        await world.until(lambda: bool(world.machines.began))
        world.dice.order("list", fault)
        await world.until(lambda: ("list", fault) in world.dice.met)
        await asyncio.sleep(1)
        assert world.worker().state is WorkerState.READY
        world.provider.lose(world.worker().spec.name)
        await _succeeds(world, job)
        assert len(_attempts(world, job)) == 2
        assert world.provider.made == 2
        await _comes_to_rest(world)

    World(pools=ONE).run(story)


@pytest.mark.parametrize("fault", CALL_FAULTS)
def test_the_removal_of_a_machine_that_no_row_knows(fault: Fault) -> None:
    async def story(world: World) -> None:
        job = await _submit(world, 20)
        await world.until(lambda: bool(world.machines.began))
        (key,) = world.provider.machines
        stray = replace(world.provider.machines[key].spec, name="std-1-99")  # type: ignore[arg-type]
        other = replace(world.provider.machines[key], spec=stray, told=True, handle="stray")
        world.provider.machines[key[0], stray.name] = other
        world.dice.order("delete", fault)
        await world.until(lambda: (key[0], stray.name) not in world.provider.machines, WITHIN_S)
        await world.until(lambda: ("delete", fault) in world.dice.met)
        if fault not in (
            Fault.ANSWER_LOST,
            Fault.ACTS_LATE,
            Fault.DOUBLED,
        ):  # then nobody can say who removed it
            await world.until(lambda: "worker.orphan" in event_kinds(world), WITHIN_S)
        await _succeeds(world, job)
        assert len(_attempts(world, job)) == 1, "the other machine was not touched"
        await _comes_to_rest(world)

    World(pools=ONE).run(story)


@pytest.mark.parametrize("fault", [Fault.REFUSED, Fault.REQUEST_LOST])
def test_a_provider_that_answers_nothing_for_minutes(fault: Fault) -> None:
    """What runs goes on, what is new waits; when it answers again everything is carried out."""

    async def story(world: World) -> None:
        first = await _submit(world, 30)
        await world.until(lambda: bool(world.machines.began))
        world.calls.stuck["pretend"] = fault
        await _succeeds(world, first, 60)
        await asyncio.sleep(150)
        second = await _submit(world)
        await asyncio.sleep(30)
        del world.calls.stuck["pretend"]
        await _succeeds(world, second)
        await _comes_to_rest(world)

    World(pools=ONE).run(story)


# --- the store: each transaction that a job needs


@pytest.mark.parametrize("number", range(10))
@pytest.mark.parametrize("fault", [Fault.LATE, Fault.REFUSED])
def test_a_transaction(number: int, fault: Fault) -> None:
    """The n-th commit of a job's life is slow, or the store refuses it and the server is started again: the job succeeds once."""

    async def story(world: World) -> None:
        world.dice.order("commit", *[Fault.NONE] * number, fault)
        job = await _submit(world)
        await _succeeds(world, job)
        assert ("commit", fault) in world.dice.met
        await _comes_to_rest(world)

    World(pools=ONE).run(story)


@pytest.mark.parametrize("moment", ["submitted", "requested", "made", "begun", "ended"])
def test_a_server_that_is_killed(moment: str) -> None:
    """Whatever it was about to write: what somebody was told holds, and nothing happens twice."""

    async def story(world: World) -> None:
        reached: dict[str, Callable[[], bool]] = {
            "submitted": lambda: True,
            "requested": lambda: bool(world.core.state.workers),
            "made": lambda: bool(world.provider.machines),
            "begun": lambda: bool(world.machines.began),
            "ended": lambda: bool(world.machines.done),
        }
        job = await _submit(world)
        await world.until(reached[moment])
        world.kill_server()
        await world.restart(1.0)
        await _succeeds(world, job)
        assert len(_attempts(world, job)) == 1
        assert world.machines.done[job] == 1
        await _comes_to_rest(world)

    World(pools=ONE).run(story)


# --- agents: activation and exchange

NETWORK_FAULTS = [
    Fault.REFUSED,
    Fault.REQUEST_LOST,
    Fault.ANSWER_LOST,
    Fault.DOUBLED,
    Fault.LATE,
    Fault.CUT_OFF,
]


@pytest.mark.parametrize("fault", NETWORK_FAULTS)
def test_an_activation(fault: Fault) -> None:
    """The same machine joins all the same, once."""

    async def story(world: World) -> None:
        world.dice.order("/activate", fault)
        job = await _submit(world)
        await _succeeds(world, job)
        assert ("/activate", fault) in world.dice.met
        assert world.provider.made == 1
        assert event_kinds(world).count("worker.ready") == 1
        await _comes_to_rest(world)

    World(pools=ONE).run(story)


@pytest.mark.parametrize("fault", NETWORK_FAULTS)
@pytest.mark.parametrize("step", ["first", "assigned", "reported"])
def test_an_exchange(step: str, fault: Fault) -> None:
    """The one after joining, those around the assignment, those around the report: the work is done once, by one attempt."""

    async def story(world: World) -> None:
        if step == "first":
            world.dice.order("/exchange", fault, fault)
        job = await _submit(world, 3)
        if step == "assigned":
            await world.until(
                lambda: any(w.state is WorkerState.READY for w in world.core.state.workers.values())
            )
            world.dice.order("/exchange", fault, fault)
        if step == "reported":
            await world.until(lambda: bool(world.machines.began))
            await asyncio.sleep(2.5)
            world.dice.order("/exchange", fault, fault)
        await _succeeds(world, job)
        assert ("/exchange", fault) in world.dice.met
        assert world.machines.done[job] == 1
        assert len(_attempts(world, job)) == 1
        await _comes_to_rest(world)

    World(pools=ONE).run(story)


def test_a_worker_that_hears_and_says_nothing_any_more() -> None:
    """It is replaced after its pool's `dead_after`, and its job is done by another."""

    async def story(world: World) -> None:
        job = await _submit(world, 30)
        await world.until(lambda: bool(world.machines.began))
        world.wire.cut_off.add(world.worker().spec.name)
        await _succeeds(world, job)
        assert len({row.worker for row in _attempts(world, job)}) == 2
        assert world.provider.made == 2
        assert "worker.unhealthy" in event_kinds(world)
        await _comes_to_rest(world)

    World(pools=ONE).run(story)


def test_an_agent_that_stood_still_and_comes_back_is_told_to_leave() -> None:
    async def story(world: World) -> None:
        job = await _submit(world, 30)
        await world.until(lambda: bool(world.machines.began))
        host = world.machines.agents[world.worker().spec.name]
        world.loop.stop_host(host)
        await world.until(lambda: len(_attempts(world, job)) == 2, WITHIN_S)
        world.loop.wake_host(host)
        await _succeeds(world, job)
        await _comes_to_rest(world)

    World(pools=(replace(POOLS[0], size=replace(POOLS[0].size, max_workers=2)),)).run(story)


def test_a_cancel_whose_telling_is_lost_stops_the_job_all_the_same() -> None:
    async def story(world: World) -> None:
        job = await _submit(world, 200)
        await world.until(lambda: bool(world.machines.began))
        await asyncio.sleep(2)
        world.dice.order("/exchange", *[Fault.ANSWER_LOST] * 3)
        await world.people.call("ann", "POST", f"/jobs/{job}/cancel", {})
        await world.until(lambda: states_of(world)[job] is JobState.CANCELLED, 120)
        await world.until(lambda: world.worker().free_slots == world.worker().spec.slots, 60)
        assert world.machines.done[job] == 0
        await _comes_to_rest(world)

    World(pools=ONE).run(story)


# --- people: submissions and what they are told


@pytest.mark.parametrize("fault", NETWORK_FAULTS)
def test_a_submission(fault: Fault) -> None:
    """However often it had to be sent, it is one job."""

    async def story(world: World) -> None:
        world.dice.order("POST /jobs", fault)
        job = await _submit(world)
        await _succeeds(world, job)
        assert ("POST /jobs", fault) in world.dice.met
        assert list(states_of(world)) == [job]
        await _comes_to_rest(world)

    World(pools=ONE).run(story)


# --- readings: what metrics say


class _Source(httpx.AsyncBaseTransport):
    """A Prometheus that says what a test wants."""

    def __init__(self) -> None:
        self.value, self.fault = 3.0, Fault.NONE
        self.asked = 0

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        self.asked += 1
        if self.fault is Fault.REFUSED:
            raise httpx.ConnectError("nobody listens", request=request)
        if self.fault is Fault.REQUEST_LOST:
            await asyncio.get_running_loop().create_future()
        if self.fault is Fault.LATE:
            await asyncio.sleep(2)
        if self.fault is Fault.CUT_OFF:
            return httpx.Response(200, content=b'{"status":"success","data":{"resultType":"vector","res')
        data = {"resultType": "vector", "result": [{"metric": {}, "value": [0, str(self.value)]}]}
        return httpx.Response(200, content=json.dumps({"status": "success", "data": data}).encode())


@pytest.mark.parametrize("fault", [Fault.REFUSED, Fault.REQUEST_LOST, Fault.LATE, Fault.CUT_OFF])
def test_a_reading(fault: Fault) -> None:
    """The last value stays, people are told why there is no newer one, and the next good one counts."""
    metric = Metric(name="depth", source="prom", query="depth", every_s=5.0, per_worker=1000.0)
    pool = replace(POOLS[0], scale_up=replace(POOLS[0].scale_up, metrics=(metric,)))
    source = _Source()
    key = (PoolName("std"), "depth")

    async def story(world: World) -> None:
        await world.until(lambda: key in world.core.state.readings)
        assert world.core.state.readings[key].value == 3
        asked, source.fault, source.value = source.asked, fault, 4.0
        await world.until(lambda: source.asked >= asked + 2, 120)
        if fault is not Fault.LATE:
            await world.until(lambda: bool(world.core.state.readings[key].fault), 120)
            assert world.core.state.readings[key].value == 3
        source.fault = Fault.NONE
        await world.until(lambda: world.core.state.readings[key].value == 4, 120)
        assert world.core.state.readings[key].fault == ""

    sources = (MetricSource(name="prom", url="http://prom.world"),)
    World(pools=(pool,), core_settings={"metric_sources": sources}, transport=source).run(story)
