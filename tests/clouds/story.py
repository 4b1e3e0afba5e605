"""Days of a fleet on a played cloud in the simulated world: jobs come, everything goes wrong, then it is calm, and nothing may be left over."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any, ClassVar

from herder.model.work.job import JobState
from herder.simulate.chaos.faults.kinds import CALM
from herder.testing.fakes import Rule
from tests.clouds.simulated import CloudWorld
from tests.simulation.fleet import check_rest, states_of

WITHIN_S = 4 * 3600.0
SETTINGS = {
    "sweep_period_s": 120.0,
    "sweep_delay_s": 120.0,
    "poll_s": 20.0,
    "scale_period_s": 10.0,
    "lifecycle_period_s": 5.0,
    "observations_bytes_max": 0,
}
#: Of what the world itself draws: whole calls of the driver, the store, the server.
FAULTS = replace(CALM, calls=0.02, store_slow=0.002, store_twice=0.01, crash_at_effect=0.0003)
CALL_FAULTS = 0.01
MISHAPS_PER_HOUR = 2.0


class Mishaps:
    """What a provider and people do to an account. A provider's own are added to `kinds`."""

    kinds: ClassVar[tuple[str, ...]] = (
        "preempt", "sell_out", "cut_quota", "delete_by_hand", "switch_off", "edit", "fail_operation", "hang_operation",
    )  # fmt: skip
    #: Kind of operation, code and text.
    failures: ClassVar[tuple[tuple[str, str, str], ...]] = ()
    zones: ClassVar[tuple[str, ...]] = ()

    def __init__(self, world: CloudWorld) -> None:
        self.world, self.draw = world, world.dice.of(f"{world.DRIVER} mishaps")
        self.state = world.state

    async def run(self) -> None:
        while True:
            await asyncio.sleep(self.draw.uniform(0, 2 * 3600 / MISHAPS_PER_HOUR))
            kind = self.draw.choice(self.kinds)
            self.world.dice.count(kind.replace("_", " "))
            getattr(self, kind)()
            self.world.look()

    def heal(self) -> None:
        self.state.sold_out.clear()
        self.state.faults.clear()
        for limits in self.state.quotas.values():
            limits.update(self.state.inventory.quotas)

    # --- the provider's own

    def preempt(self) -> None:
        raise NotImplementedError

    def edit(self) -> None:
        raise NotImplementedError

    spot_quota = ""

    # --- the same everywhere

    def vm(self) -> Any:
        vms = self.world.vms()
        return self.draw.choice(vms) if vms else None

    def sell_out(self) -> None:
        place = (self.draw.choice(self.zones), self.draw.random() < 0.7)
        self.for_a_while(self.state.sold_out, place)

    def for_a_while(self, places: set[Any], place: object) -> None:
        places.add(place)
        self.world.loop.call_later(self.draw.uniform(300, 7_200), places.discard, place)

    def cut_quota(self) -> None:
        limits = self.state.quotas[self.draw.choice(sorted(self.state.quotas))]
        before, limits[self.spot_quota] = (
            self.state.inventory.quotas[self.spot_quota],
            self.draw.choice((0, 2, 4)),
        )
        self.world.loop.call_later(self.draw.uniform(300, 7_200), limits.__setitem__, self.spot_quota, before)

    def delete_by_hand(self) -> None:
        vm = self.vm()
        if vm is not None:
            self.state.remove(vm)

    def switch_off(self) -> None:
        vm = self.vm()
        if vm is not None and self.world.is_on(vm):
            self.world.switch_off(vm)
            self.world.kill(vm)

    def fail_operation(self) -> None:
        kind, code, text = self.draw.choice(self.failures)
        self.state.faults.add(Rule(operation=kind, code=code, text=text))

    def hang_operation(self) -> None:
        kind, _, _ = self.draw.choice(self.failures)
        self.state.faults.add(Rule(operation=kind, delay_ms=int(self.draw.uniform(10_000, 900_000))))


class Story:
    def __init__(self, world: CloudWorld, mishaps: Mishaps, hours: float) -> None:
        self.world, self.mishaps, self._hours = world, mishaps, hours
        self._draw = world.dice.of(f"{world.DRIVER} users")
        self.submitted = 0
        self.most_vms = 0

    async def run(self) -> None:
        world = self.world
        tasks = [asyncio.ensure_future(each) for each in (self._users(), self.mishaps.run())]
        try:
            await asyncio.sleep(self._hours * 3600)
        finally:
            for task in tasks:
                task.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await task
        world.dice.trouble = False
        self.mishaps.heal()
        if world.server is None:
            await world.restart(1.0)
        await world.until(world.at_rest, WITHIN_S, "nothing is left over")
        await world.core.settle()
        check_rest(world)
        assert set(states_of(world).values()) <= {JobState.SUCCEEDED}

    async def _users(self) -> None:
        while True:
            await asyncio.sleep(self._draw.uniform(300, 2_400))
            for _ in range(self._draw.randint(1, 3)):
                sleep_ms = int(self._draw.uniform(5_000, 900_000))
                job = {"cpu": 1, "memory": "1Gi", "sleep_ms": sleep_ms, "retries": 3, "attempts_max": 200}
                await self.world.people.submit(**job)
                self.submitted += 1
            doubled = self.world.doubled()
            assert not doubled, f"{doubled} have two VMs"
            self.most_vms = max(self.most_vms, len(self.world.vms()))


def run(
    make: Callable[..., CloudWorld], mishaps: type[Mishaps], seed: int, *, hours: float
) -> tuple[CloudWorld, Story]:
    world = make(seed, odds=FAULTS, call_faults=CALL_FAULTS, core_settings=SETTINGS, pools_of_files=False)
    deaths = world.dice.of("deaths")
    world.dies = lambda _what: (
        world.dice.trouble
        and deaths.random() < FAULTS.crash_at_effect
        and world.dice.count("crash at an effect")
    )
    told = Story(world, mishaps(world), hours)
    world.run(lambda _world: told.run())
    return world, told


def main(make: Callable[..., CloudWorld], mishaps: type[Mishaps], words: list[str]) -> int:
    """`FIRST LAST [HOURS]`: runs many worlds and prints what each has found."""
    logging.disable()
    failed, hours = 0, float(words[2]) if len(words) > 2 else 48.0
    for seed in range(int(words[0]), int(words[1]) + 1):
        began = time.process_time()
        try:
            world, told = run(make, mishaps, seed, hours=hours)
        except Exception as error:  # noqa: BLE001 - each is printed, and counted
            failed += 1
            print(f"FAILED seed {seed}: {type(error).__name__} {error}", flush=True)
        else:
            print(
                f"seed {seed}: {told.submitted} jobs, at most {told.most_vms} VMs, {sum(world.dice.counts.values())} faults of {len(world.dice.counts)} kinds, "
                f"{world.stats['crashes']} deaths, {world.effects} effects, {time.process_time() - began:.1f} CPU-s",
                flush=True,
            )
    print(f"{failed} failed")
    return failed
