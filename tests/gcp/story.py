"""Days of a fleet on Google Cloud in the simulated world: jobs come, everything goes wrong, then it is calm, and nothing may be left over.

`python -m tests.gcp.story FIRST LAST [HOURS]` runs many worlds and prints what each has found.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import sys
import time
from dataclasses import replace

from herder.model.work.job import JobState
from herder.simulate.chaos.faults.kinds import CALM, Trouble
from herder.testing.fakes import Rule
from tests.gcp.simulated import ZONES, GcpWorld
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
_FAILURES = (
    ("insert", "INTERNAL_ERROR", "Internal error. Please try again."),
    ("insert", "ZONE_RESOURCE_POOL_EXHAUSTED", "The zone does not have enough resources available."),
    ("insert", "QUOTA_EXCEEDED", "Quota 'CPUS' exceeded."),
    ("delete", "INTERNAL_ERROR", "Internal error. Please try again."),
)


class Mishaps:
    """What Google and people do to the project."""

    def __init__(self, world: GcpWorld, per_hour: float) -> None:
        self._world, self._per_hour, self._draw = world, per_hour, world.dice.of("gcp mishaps")
        self._kinds = (
            self._preempt, self._sell_out, self._cut_quota, self._delete_by_hand, self._switch_off,
            self._edit, self._fail_operation, self._hang_operation, self._lose_zone,
        )  # fmt: skip

    async def run(self) -> None:
        while self._per_hour:
            await asyncio.sleep(self._draw.uniform(0, 2 * 3600 / self._per_hour))
            kind = self._draw.choice(self._kinds)
            self._world.dice.count(kind.__name__.strip("_").replace("_", " "))
            kind()
            self._world.look()

    def heal(self) -> None:
        state = self._world.gcp.state
        state.sold_out.clear()
        state.unreachable.clear()
        state.faults.clear()
        for limits in state.quotas.values():
            limits.update(state.inventory.quotas)

    def _vm(self) -> tuple[str, str] | None:
        places = sorted(self._world.gcp.state.vms)
        return self._draw.choice(places) if places else None

    def _preempt(self) -> None:
        state = self._world.gcp.state
        zone = self._draw.choice(ZONES)
        for place, vm in list(state.vms.items()):
            if vm.spot and place[0] == zone and vm.status == "RUNNING":
                state.preempt(*place)

    def _sell_out(self) -> None:
        place = (self._draw.choice(ZONES), self._draw.random() < 0.7)
        self._for_a_while(self._world.gcp.state.sold_out, place)

    def _lose_zone(self) -> None:
        self._for_a_while(self._world.gcp.state.unreachable, self._draw.choice(ZONES))

    def _for_a_while(self, places: set, place: object) -> None:  # type: ignore[type-arg]
        places.add(place)
        self._world.loop.call_later(self._draw.uniform(300, 7_200), places.discard, place)

    def _cut_quota(self) -> None:
        region = self._draw.choice(sorted(self._world.gcp.state.quotas))
        limits = self._world.gcp.state.quotas[region]
        limits["PREEMPTIBLE_CPUS"] = float(self._draw.choice((0, 2, 4)))
        self._world.loop.call_later(
            self._draw.uniform(300, 7_200), limits.__setitem__, "PREEMPTIBLE_CPUS", 1_000.0
        )

    def _delete_by_hand(self) -> None:
        place = self._vm()
        if place is not None:
            self._world.gcp.state.remove(self._world.gcp.state.vms[place])

    def _switch_off(self) -> None:
        place = self._vm()
        vm = self._world.gcp.state.vms[place] if place is not None else None
        if vm is not None and vm.status == "RUNNING":
            vm.status = "TERMINATED"
            self._world.kill(vm)

    def _edit(self) -> None:
        place = self._vm()
        if place is not None:
            self._world.gcp.state.vms[place].body["labels"] = {"team": "blue"}

    def _fail_operation(self) -> None:
        kind, code, text = self._draw.choice(_FAILURES)
        self._world.gcp.faults.add(Rule(operation=kind, code=code, text=text))

    def _hang_operation(self) -> None:
        delay_ms = int(self._draw.uniform(10_000, 900_000))
        self._world.gcp.faults.add(Rule(operation=self._draw.choice(("insert", "delete")), delay_ms=delay_ms))


class Story:
    def __init__(self, world: GcpWorld, per_hour: float, hours: float) -> None:
        self.world, self._hours = world, hours
        self.mishaps, self._draw = Mishaps(world, per_hour), world.dice.of("gcp users")
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
            self.most_vms = max(self.most_vms, len(self.world.gcp.state.vms))


def world_of(seed: int, odds: Trouble = FAULTS, call_faults: float = 0.01) -> GcpWorld:
    world = GcpWorld(seed, odds=odds, call_faults=call_faults, core_settings=SETTINGS, pools_of_files=False)
    deaths = world.dice.of("deaths")
    world.dies = lambda _what: (
        world.dice.trouble
        and deaths.random() < odds.crash_at_effect
        and world.dice.count("crash at an effect")
    )
    return world


def run(seed: int, *, hours: float, per_hour: float = 2.0) -> tuple[GcpWorld, Story]:
    world = world_of(seed)
    told = Story(world, per_hour, hours)
    world.run(lambda _world: told.run())
    return world, told


def main(first: int, last: int, hours: float) -> int:
    logging.disable()
    failed = 0
    for seed in range(first, last + 1):
        began = time.process_time()
        try:
            world, told = run(seed, hours=hours)
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


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3]) if len(sys.argv) > 3 else 48.0))
