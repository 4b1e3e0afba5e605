"""What the ports can do to frozen drivers, machines that are made slowly, sick workers, and tokens: one short story each.

As in `test_faults_at_ports.py`: no loop is imported, faults are ordered of the ports by name.
"""

import asyncio
from dataclasses import replace

import pytest
from sqlalchemy import func, select

from herder.control.jobs.submitting.submission import own_batch
from herder.control.kernel.bounds.errors import Conflict
from herder.model.fleet.driver import Unauthorised
from herder.model.fleet.worker import WorkerState
from herder.model.ids import UserName
from herder.model.permissions import Principal, Role
from herder.model.work.job import JobState
from herder.simulate.chaos import POOLS, Fault, World
from herder.simulate.chaos.actors.people import NotTaken
from herder.simulate.chaos.faults.kinds import CALL_FAULTS, NETWORK_FAULTS
from herder.store.rows import tables as t
from tests.simulation.fleet import check_rest, states_of

ONE = (replace(POOLS[0], size=replace(POOLS[0].size, max_workers=1)),)
WITHIN_S = 400.0
HOUR_S = 3600.0


def _kinds(world: World) -> list[str]:
    with world.engine.connect() as connection:
        return list(connection.execute(select(t.events.c.kind)).scalars())


async def _submit(world: World, seconds: float = 2.0) -> int:
    return await world.people.submit(
        cpu=1, memory="1Gi", sleep_ms=int(seconds * 1000), attempts_max=1000, retries=1
    )


async def _succeed(world: World, *jobs: int, within_s: float = WITHIN_S) -> None:
    await world.until(
        lambda: all(states_of(world).get(job) is JobState.SUCCEEDED for job in jobs), within_s, f"{jobs}"
    )


async def _comes_to_rest(world: World) -> None:
    await world.until(world.at_rest, WITHIN_S, "nothing is left over")
    await world.core.settle()
    check_rest(world)


def _frozen(world: World) -> bool:
    return "pretend" in world.core.state.frozen_drivers


# --- drivers that are frozen


@pytest.mark.parametrize("fault", NETWORK_FAULTS)
@pytest.mark.parametrize("verb", ["create", "delete", "list"])
def test_refused_credentials(verb: str, fault: Fault) -> None:
    """Nothing more is asked of the provider, also by the next server, until a person says so, however that call goes."""

    async def story(world: World) -> None:
        world.calls.refusal = Unauthorised("the token has expired")
        world.dice.order(verb, Fault.REFUSED)
        job = await _submit(world)
        await world.until(lambda: _frozen(world), WITHIN_S, "the driver is frozen")
        world.calls.refusal = None
        world.kill_server()
        await world.restart(1.0)
        assert _frozen(world)
        world.calls.made.clear()
        await asyncio.sleep(90)
        assert {verb for _, verb, _ in world.calls.made} <= {"health"}
        world.dice.order("POST /drivers/pretend/unfreeze", fault)
        try:
            await world.people.call("root", "POST", "/drivers/pretend/unfreeze", {})
        except NotTaken as said:
            if (said.status, fault) != (409, Fault.DOUBLED):  # the one that came second is told so
                raise
        await _succeed(world, job)
        await _comes_to_rest(world)
        assert _kinds(world).count("driver.frozen") == 1
        assert _kinds(world).count("driver.unfrozen") == 1
        world.kill_server()
        await world.restart(1.0)
        assert not _frozen(world)

    World(pools=ONE).run(story)


def test_other_pools_go_on_while_a_driver_is_missing() -> None:
    async def story(world: World) -> None:
        assert "gone" in world.core.state.frozen_drivers
        job = await _submit(world)
        await _succeed(world, job, within_s=60)
        await _comes_to_rest(world)
        plans = world.core.state.next_plan
        await asyncio.sleep(60)
        assert world.core.state.next_plan == plans, "there was nothing to plan"

    World(pools=(*ONE, replace(POOLS[1], driver="gone"))).run(story)


# --- machines that are made slowly


@pytest.mark.parametrize("fault", CALL_FAULTS)
def test_a_look_at_a_machine_that_is_being_made(fault: Fault) -> None:
    async def story(world: World) -> None:
        world.dice.order("get", fault)
        job = await _submit(world)
        await _succeed(world, job)
        assert ("get", fault) in world.dice.met
        assert world.provider.made == 1
        await _comes_to_rest(world)

    World(pools=ONE, create_s=8, delete_s=4, boot_s=5).run(story)


@pytest.mark.parametrize("after_s", [0.2, 2.0, 6.0, 9.0])
def test_a_server_that_is_killed_while_a_machine_is_being_made_or_removed(after_s: float) -> None:
    """The next one goes on from the provider's operation."""

    async def story(world: World) -> None:
        job = await _submit(world)
        await world.until(lambda: bool(world.provider.machines))
        await asyncio.sleep(after_s)
        world.kill_server()
        await world.restart(1.0)
        await _succeed(world, job)
        assert world.provider.made == 1
        await world.until(
            lambda: any(w.state is WorkerState.TERMINATING for w in world.core.state.workers.values()), 60
        )
        await asyncio.sleep(after_s)
        world.kill_server()
        await world.restart(1.0)
        await _comes_to_rest(world)

    World(pools=ONE, create_s=8, delete_s=8, boot_s=5).run(story)


# --- workers that are sick


async def _broken(world: World) -> tuple[str, list[int]]:
    """The worker, on which three attempts in a row could not be started, and jobs that wait."""
    first = await _submit(world)
    await _succeed(world, first)
    worker = world.worker().spec.name
    world.machines.broken.add(worker)
    jobs = [await _submit(world) for _ in range(4)]
    await world.until(lambda: "worker.excluded" in _kinds(world), 60)
    return worker, jobs


@pytest.mark.parametrize("meanwhile", ["nothing", "clock forward", "clock back", "server stopped"])
def test_a_sick_worker_that_was_mended_is_tested_and_works_again(meanwhile: str) -> None:
    async def story(world: World) -> None:
        worker, jobs = await _broken(world)
        world.machines.broken.clear()
        if meanwhile.startswith("clock"):
            world.clock.set_wall(3 * HOUR_S if meanwhile == "clock forward" else -3 * HOUR_S)
        if meanwhile == "server stopped":
            assert world.server is not None
            world.loop.stop_host(world.server.host)
            await asyncio.sleep(100)
            world.loop.wake_host(world.server.host)
        await _succeed(world, *jobs, within_s=150)
        assert worker in world.core.state.workers
        assert world.provider.made == 1
        assert "worker.recovered" in _kinds(world)
        await _comes_to_rest(world)

    World(pools=ONE).run(story)


def test_a_sick_worker_is_replaced() -> None:
    async def story(world: World) -> None:
        _, jobs = await _broken(world)
        await _succeed(world, *jobs)
        assert world.provider.made == 2
        await _comes_to_rest(world)

    World(pools=ONE).run(story)


def test_a_sick_worker_of_a_frozen_driver_stays() -> None:
    """Nobody could make another, nor remove it; mended, it works again."""

    async def story(world: World) -> None:
        worker, jobs = await _broken(world)
        await world.people.call("root", "POST", "/drivers/pretend/freeze", {"message": "maintenance"})
        await asyncio.sleep(200)
        assert list(world.core.state.workers) == [worker]
        assert world.worker().state in (WorkerState.UNHEALTHY, WorkerState.READY)
        assert "worker.draining" not in _kinds(world)
        world.machines.broken.clear()
        await _succeed(world, *jobs)
        assert world.provider.made == 1
        await world.people.call("root", "POST", "/drivers/pretend/unfreeze", {})
        await _comes_to_rest(world)

    World(pools=ONE).run(story)


# --- people


@pytest.mark.parametrize("fault", NETWORK_FAULTS)
def test_a_token_is_made_once_and_revoked_for_good(fault: Fault) -> None:
    async def story(world: World) -> None:
        world.dice.order("POST /tokens", fault)
        made = await world.people.call("ann", "POST", "/tokens", {"note": "nightly"})
        assert ("POST /tokens", fault) in world.dice.met
        world.kill_server()
        await world.restart(1.0)
        with world.engine.connect() as connection:
            query = select(func.count()).select_from(t.tokens).where(t.tokens.c.note == "nightly")
            assert connection.execute(query).scalar() == 1
        world.people.use("nightly", made["token"])
        assert (await world.people.call("nightly", "GET", "/whoami"))["user"] == "ann"
        path = f"/tokens/{made['id']}"
        world.dice.order(f"DELETE {path}", fault)
        await world.people.call("ann", "DELETE", path)
        world.kill_server()
        await world.restart(1.0)
        with pytest.raises(NotTaken, match="401"):
            await world.people.call("nightly", "GET", "/whoami")

    World(pools=ONE).run(story)


@pytest.mark.parametrize("fault", [Fault.LATE, Fault.REFUSED])
@pytest.mark.parametrize("what", ["make", "revoke"])
def test_the_transaction_of_a_token(what: str, fault: Fault) -> None:
    """Slow, or refused by a store that is lost: what was answered holds."""

    async def story(world: World) -> None:
        if what == "make":
            world.dice.order("commit", fault)
        made = await world.people.call("ann", "POST", "/tokens", {"note": "nightly"})
        world.people.use("nightly", made["token"])
        assert (await world.people.call("nightly", "GET", "/whoami"))["user"] == "ann"
        if what == "revoke":
            world.dice.order("commit", fault)
        await world.people.call("ann", "DELETE", f"/tokens/{made['id']}")
        with pytest.raises(NotTaken, match="401"):
            await world.people.call("nightly", "GET", "/whoami")
        assert ("commit", fault) in world.dice.met

    World(pools=ONE).run(story)


def test_a_batch_that_ended_while_somebody_was_about_to_cancel_it_has_ended() -> None:
    """Not: there is no such batch."""

    async def story(world: World) -> None:
        batch = await world.people.batch("ann", [{"cpu": 1, "memory": "1Gi", "sleep_ms": 1000}])
        await world.until(lambda: batch not in world.core.state.batches)
        with pytest.raises(Conflict, match=f"Batch {batch} has already ended."):
            own_batch(world.core, Principal(UserName("ann"), Role.USER), batch)

    World(pools=ONE).run(story)
