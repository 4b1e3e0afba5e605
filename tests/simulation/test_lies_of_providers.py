"""Providers that deny a machine which they have, and workers that cannot object because they have not started yet."""

import asyncio
from dataclasses import replace

from herder.model.fleet.worker import WorkerState
from herder.model.ids import WorkerName
from herder.simulate.chaos import POOLS, World
from herder.simulate.chaos.actors.crowd import Crowd
from herder.simulate.chaos.rules.watch import Watch

ONE = replace(
    POOLS[0],
    templates=POOLS[0].templates[:1],
    size=replace(POOLS[0].size, min_workers=1, max_workers=1),
    lifetime=replace(POOLS[0].lifetime, boot_timeout_s=900.0),
)
WITHIN_S = 120.0
#: As in the worlds of `herder simulate chaos`.
SWEEP = {"sweep_period_s": 30.0}


def _world() -> tuple[World, Watch]:
    """One worker, which boots for as long as the story goes on."""
    world = World(pools=(ONE,), boot_s=850.0, boot_spread=0.0, core_settings=SWEEP)
    return world, Watch(world, (ONE,), Crowd(world, (ONE,), jobs_per_day=0, intensity=0.0))


async def _booting(world: World) -> WorkerName:
    """A listing has shown its machine."""
    await world.until(
        lambda: [each.state for each in world.core.state.workers.values()] == [WorkerState.JOINING], WITHIN_S
    )
    await _listed(world)
    return world.worker().spec.name


async def _listed(world: World) -> None:
    before = _listings(world)
    await world.until(lambda: _listings(world) > before, WITHIN_S)


def _listings(world: World) -> int:
    return sum(verb == "list" for _, verb, _ in world.provider.calls)


async def _denied_once(world: World, name: WorkerName) -> None:
    """In one listing, and to the question that may follow."""
    world.provider.concealed.add(name)
    await _listed(world)
    await asyncio.sleep(2.0)
    world.provider.concealed.clear()


def test_a_machine_that_is_denied_twice_minutes_apart_is_not_gone() -> None:
    """In between no listing was complete, so none could show it. Guard: `Comparison._forget`."""
    world, watch = _world()

    async def story(world: World) -> None:
        name = await _booting(world)
        await _denied_once(world, name)
        world.provider.listed_most = 0
        await asyncio.sleep(240.0)
        world.provider.listed_most = None
        await _denied_once(world, name)
        await _listed(world)
        assert world.worker().state is WorkerState.JOINING
        assert name in {each for _, each in world.provider.machines}
        assert watch.found == []

    world.run(story)


def test_a_machine_that_is_gone_is_noticed_though_every_other_listing_fails_or_is_incomplete() -> None:
    world, _ = _world()

    async def story(world: World) -> None:
        name = await _booting(world)
        world.provider.lose(name)
        await _listed(world)
        world.provider.listed_most = -1
        await _listed(world)
        world.provider.listed_most = None
        await world.until(lambda: name not in world.core.state.workers, WITHIN_S, "its machine is missed")

    world.run(story)


def test_a_request_to_create_that_comes_after_the_loss_breaks_no_rule() -> None:
    """The machine is lost, and a late request makes another of its name, which the provider cannot find yet when it is asked: the worker is
    closed rightly, and the new machine is removed with it."""
    world, watch = _world()

    async def story(world: World) -> None:
        name = await _booting(world)
        ((key, machine),) = world.provider.machines.items()
        world.provider.lose(name)
        world.provider.list_lag_s = world.provider.get_lag_s = 14.0
        await _listed(world)
        await asyncio.sleep(25.0)
        world.provider.machines[key] = replace(machine, handle="late", asked_at_ms=world.provider.now_ms())
        await world.until(lambda: name not in world.core.state.workers, WITHIN_S, "it is taken for gone")
        await world.until(lambda: key not in world.provider.machines, WITHIN_S, "nothing is left over")
        assert watch.found == []

    world.run(story)
