"""A story that draws everything: people who submit, add, commit and cancel, and misfortunes of every kind, for two minutes; then rest."""

import asyncio
from collections.abc import Callable, Coroutine, Mapping, Sequence
from typing import Any

from herder.engine.memory.invariants import violations
from herder.simulate.chaos.actors.people import NotTaken
from herder.simulate.chaos.faults.kinds import Trouble
from herder.simulate.chaos.world import World

#: How long there is trouble, if a test does not say otherwise.
TROUBLE_S = 120.0
LIMIT_S = 3_600.0
#: An operator looks at the drivers so often.
LOOK_AFTER_S = 20.0


class Storm:
    """What goes wrong in a second, and what people want meanwhile."""

    def __init__(self, world: World, jobs: Sequence[Mapping[str, Any]], trouble_s: float) -> None:
        self.world, self.jobs, self.trouble_s = world, jobs, trouble_s
        self.batches: list[tuple[str, int]] = []

    async def run(self, _world: World) -> None:
        world = self.world
        errands: set[asyncio.Task[None]] = set()
        operator = asyncio.ensure_future(self._look_after_drivers())
        end_s = world.loop.time() + self.trouble_s
        while world.loop.time() < end_s:
            self._misfortunes()
            for errand in self._errands():
                task = asyncio.ensure_future(errand)
                errands.add(task)
            await asyncio.sleep(1.0)
            if world.server is not None:
                assert violations(world.core.state) == []
        world.dice.trouble = False
        world.wire.cut_off.clear()
        await asyncio.gather(*errands)
        await world.until(world.at_rest, LIMIT_S, "at rest")
        await world.core.settle()
        operator.cancel()

    def _misfortunes(self) -> None:
        world, dice, odds = self.world, self.world.dice, self.world.dice.odds
        agents = sorted(world.machines.agents)
        if world.server is not None and dice.happens("server crash", odds.server_crash):
            world.kill_server()
            self._later(world.restart(dice.draw.uniform(0.5, 5.0)))
        if world.server is not None and dice.happens("server stop", odds.server_stop):
            self._later(self._stop(world.server.host, dice.draw.uniform(1.0, 40.0)))
        if agents and dice.happens("machine lost", odds.machine_lost):
            world.stats["machines lost"] += 1
            world.provider.lose(dice.draw.choice(agents))
        agents = sorted(world.machines.agents)
        if agents and dice.happens("agent killed", odds.agent_killed):
            world.stats["agents killed"] += 1
            world.machines.kill(dice.draw.choice(agents))
        agents = sorted(world.machines.agents)
        if agents and dice.happens("agent stop", odds.agent_stop):
            host = world.machines.agents[dice.draw.choice(agents)]
            self._later(self._stop(host, dice.draw.uniform(1.0, 40.0)))
        if agents and dice.happens("partition", odds.partition):
            self._later(self._partition(dice.draw.choice(agents), dice.draw.uniform(1.0, 30.0)))
        if dice.happens("clock set", odds.clock_set):
            world.stats["clock set"] += 1
            world.clock.set_wall(dice.draw.choice((-1, 1)) * dice.draw.uniform(60, 3 * 3600))

    def _later(self, coroutine: Coroutine[Any, Any, None]) -> None:
        self.world.loop.create_task(coroutine)

    async def _stop(self, host: str, for_s: float) -> None:
        self.world.stats["stopped"] += 1
        self.world.loop.stop_host(host)
        await asyncio.sleep(for_s)
        self.world.loop.wake_host(host)

    async def _partition(self, worker: str, for_s: float) -> None:
        self.world.stats["partitions"] += 1
        self.world.wire.cut_off.add(worker)
        await asyncio.sleep(for_s)
        self.world.wire.cut_off.discard(worker)

    # --- people

    def _errands(self) -> list[Coroutine[Any, Any, None]]:
        draw, errands = self.world.dice.draw, []
        if draw.random() < 0.3:
            errands += [self._submit() for _ in range(draw.randint(1, 8))]
        if draw.random() < 0.12:
            errands.append(self._batch())
        if self.batches and draw.random() < 0.04:
            errands.append(self._cancel_batch())
        if self.world.people.accepted and draw.random() < 0.06:
            errands.append(self._cancel_job())
        return errands

    async def _look_after_drivers(self) -> None:
        """Whoever is asked whether so many machines are gone has a look, after a while, and says yes."""
        while True:
            await asyncio.sleep(LOOK_AFTER_S)
            if self.world.server is not None and "pretend" in self.world.core.state.frozen_drivers:
                self.world.stats["unfrozen"] += 1
                await self._said("root", "/drivers/pretend/unfreeze", {"allow_removals": True})

    async def _submit(self) -> None:
        await self.world.people.submit(**self.world.dice.draw.choice(self.jobs))

    async def _batch(self) -> None:
        draw = self.world.dice.draw
        wanted = [dict(draw.choice(self.jobs)) for _ in range(draw.randint(1, 20))]
        user = wanted[0]["user"]
        for place, job in enumerate(wanted):
            job.pop("user"), job.pop("project", None)
            if place and draw.random() < 0.4:
                job["parents"] = [draw.randrange(place) for _ in range(draw.randint(1, 2))]
        more = {"cancel_after_failures": 3} if draw.random() < 0.3 else {}
        try:
            number = await self.world.people.batch(user, wanted, **more)
        except NotTaken:
            return  # it was cancelled by somebody before it was committed
        self.batches.append((user, number))

    async def _cancel_batch(self) -> None:
        user, number = self.world.dice.draw.choice(self.batches)
        await self._said(user, f"/batches/{number}/cancel")

    async def _cancel_job(self) -> None:
        job = self.world.dice.draw.choice(sorted(self.world.people.accepted))
        await self._said("root", f"/jobs/{job}/cancel")

    async def _said(self, user: str, path: str, body: Mapping[str, Any] | None = None) -> None:
        try:
            await self.world.people.call(user, "POST", path, dict(body or {}))
        except NotTaken as said:
            if said.status != 409:  # it has ended, or is not committed yet
                raise


def simulate(
    seed: int,
    jobs: Sequence[Mapping[str, Any]],
    *,
    sharing: Mapping[str, Any] | None = None,
    odds: Trouble | None = None,
    trouble_s: float = TROUBLE_S,
    look: Callable[[World], None],
) -> World:
    """A storm, then rest; `look` judges what is left before it is cleared away."""
    world = World(seed, odds=odds or Trouble(), sharing=sharing)
    storm = Storm(world, jobs, trouble_s)

    async def story(world: World) -> None:
        await storm.run(world)
        look(world)

    try:
        world.run(story)
    except BaseException as error:
        error.add_note(f"seed {seed}, {dict(world.stats)}")
        raise
    return world
