"""Days of a ROSA cluster in the simulated world: pods come and go, everything goes wrong, then it is calm, and nothing may be left over.

`run(seed)` is one world. `python -m tests.rosa.story FIRST LAST [HOURS]` runs many and prints what each has found; `python -m tests.rosa.story deaths`
lets a server die once at each kind of effect.
"""

import asyncio
import contextlib
import logging
import sys
import time
from collections import Counter
from dataclasses import replace

from herder.memberships.kubernetes import MEMBERSHIP
from herder.model.fleet.cluster import POOL_LABEL
from herder.model.fleet.drain import OnBlocked
from herder.model.fleet.pool import (
    PoolSize,
    PoolSpec,
    ScaleDown,
    ScaleUp,
    SpotUse,
    Template,
    WorkerLifetime,
)
from herder.model.fleet.worker import WorkerState
from herder.model.ids import PoolName
from herder.model.values.money import PicoUsd
from herder.model.values.resources import Resources
from herder.simulate.chaos.actors.cluster import NAME
from herder.simulate.chaos.faults.kinds import CALM, Trouble
from herder.store.invariants import violations as stored_violations
from herder.testing.ocm import CLASSIC, HCP
from tests.datacentre.story import SETTINGS, TICK_S, Apps
from tests.rosa.mishaps import Mishaps
from tests.rosa.world import DRIVER, RosaWorld

HOURS = 48.0
#: After the last fault: a failed creation is tried again after half an hour at most, and a sick worker is replaced.
BOUND_WITHIN_S, AS_WANTED_WITHIN_S, GONE_WITHIN_S = 3 * 3600.0, 3 * 3600.0, 3 * 3600.0
TEMPLATE = Template(
    name="m5", allocatable=Resources(1900, 3584, 20_480), price_pico_per_hour=PicoUsd(192_000_000_000)
)
#: Of everything that `World` itself draws: calls of the driver as a whole, the store, the server.
FAULTS = replace(CALM, calls=0.02, store_slow=0.002, store_twice=0.02, crash_at_effect=0.0003)
REQUEST_FAULTS = 0.01


def _pool(name: str, size: PoolSize, *, spot: SpotUse = SpotUse.NO) -> PoolSpec:
    return PoolSpec(
        name=PoolName(name),
        driver=DRIVER,
        driver_options=(
            ("machine_pool", name),
            ("instance_type", "m5.xlarge"),
            ("taints", f"workload-type={name}:NoSchedule"),
        ),
        membership=MEMBERSHIP,
        cluster=NAME,
        templates=(replace(TEMPLATE, spot=spot),),
        size=size,
        scale_up=ScaleUp(pending_pods=1, pending_pods_for_s=20.0, offer_backoff_max_s=300.0),
        scale_down=ScaleDown(idle_timeout_s=600.0),
        lifetime=WorkerLifetime(drain_grace_s=120.0, boot_timeout_s=1_200.0, on_blocked=OnBlocked.FORCE),
    )


POOLS = (
    _pool("additional", PoolSize(min_workers=1, max_workers=4)),
    _pool("spot", PoolSize(max_workers=3), spot=SpotUse.YES),
)


class Story:
    def __init__(self, world: RosaWorld, per_hour: float, hours: float) -> None:
        self.world, self._hours = world, hours
        self.mishaps, self.apps = Mishaps(world, per_hour), Apps(world, POOLS)
        self.most_nodes = 0

    async def run(self) -> None:
        world = self.world
        tasks = [asyncio.ensure_future(each()) for each in (self.apps.run, self.mishaps.run, self._look)]
        try:
            await asyncio.sleep(self._hours * 3600)
        finally:
            for task in tasks:
                task.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await task
        world.dice.trouble = False
        await self.mishaps.heal()
        if world.server is None:
            await world.restart(1.0)
        await self._until(self._bound, BOUND_WITHIN_S, "every pod that its pool has room for runs")
        self.apps.end()
        await self._until(self._as_wanted, AS_WANTED_WITHIN_S, "the fleet is what its pools want")
        self._counts_are_right()
        self._give_back()
        world.without_pools()
        for pool in POOLS:
            await world.people.call("root", "DELETE", f"/pools/{pool.name}")
        await self._until(self._empty, GONE_WITHIN_S, "nothing is left over")
        await world.core.settle()
        with world.engine.connect() as connection:
            assert stored_violations(connection) == []

    # --- inside

    async def _look(self) -> None:
        while True:
            await asyncio.sleep(TICK_S)
            self.most_nodes = max(self.most_nodes, len(self.world.nodes()))

    async def _until(self, holds: object, within_s: float, what: str) -> None:
        assert callable(holds)
        end_s = self.world.loop.time() + within_s
        while not holds():
            late = self.world.loop.time() >= end_s
            assert not late, f"Not within {within_s / 3600:g} h: {what}; {self.world.left()}"
            self.apps.keep()
            await self.mishaps.unfreeze()
            await asyncio.sleep(TICK_S)

    def _bound(self) -> bool:
        """All pods, but those of pools that have their maximum."""
        if self.world.server is None:
            return False
        state = self.world.core.state
        waiting = [each for each in self.world.pods().values() if not each["spec"].get("nodeName")]
        many = Counter(str(each.spec.pool) for each in state.workers.values())
        room = {str(name) for name, pool in state.pools.items() if many[str(name)] < pool.size.max_workers}
        return not any(each["spec"]["nodeSelector"][POOL_LABEL] in room for each in waiting)

    def _as_wanted(self) -> bool:
        """Each pool is at its minimum, and each worker has one node that takes pods."""
        if self.world.server is None:
            return False
        workers = self.world.core.state.workers.values()
        if any(each.state is not WorkerState.READY for each in workers):
            return False
        named = sorted(name for name in self.world.nodes().values() if name)
        wanted = sum(pool.size.min_workers for pool in POOLS)
        takes_pods = all(
            each.node is not None and not each.node.seen.cordoned
            for each in workers
            if each.node and each.node.seen
        )
        return (
            len(workers) == wanted
            and named == sorted(str(each.spec.name) for each in workers)
            and takes_pods
            and all(len(pool.nodes) == pool.wanted for pool in self.world.machine_pools())
        )

    def _counts_are_right(self) -> None:
        """A machine pool has as many nodes as workers, and those that a person has added; nobody else has."""
        for pool in self.world.machine_pools():
            ledger = self.world.ledgers()[pool.name]
            ledger.sized(pool.wanted)  # it is written with the next change
            assert pool.wanted == ledger.target, (pool.body, ledger)
            assert ledger.by_hand == 0 or pool.name in self.mishaps.resized, (pool.body, ledger)

    def _give_back(self) -> None:
        """A person takes away what they have added."""
        for pool in self.world.machine_pools():
            workers = len(self.world.ledgers()[pool.name].staying)
            pool.body["replicas"] = workers
            self.world.ocm.state.settle(pool)
        self.world.look()

    def _empty(self) -> bool:
        world = self.world
        nodes = [node for pool in world.machine_pools() for node in pool.nodes]
        named = [name for name in world.nodes().values() if name]
        entries = [name for ledger in world.ledgers().values() for name in ledger.workers]
        server = world.server
        return not (nodes or named or entries) and server is not None and not server.core.state.workers


def world_of(seed: int, odds: Trouble = FAULTS, request_faults: float = REQUEST_FAULTS) -> RosaWorld:
    """Odd seeds: an HCP cluster; even seeds: a classic one."""
    world = RosaWorld(
        seed,
        rosa_cluster=HCP if seed % 2 else CLASSIC,
        pools=POOLS,
        odds=odds,
        core_settings=SETTINGS,
        request_faults=request_faults,
        pools_of_files=False,
    )
    deaths = world.dice.of("deaths")
    world.dies = lambda _what: (
        world.dice.trouble
        and deaths.random() < odds.crash_at_effect
        and world.dice.count("crash at an effect")
    )
    return world


def run(seed: int, *, per_hour: float = 0.5, hours: float = HOURS) -> tuple[RosaWorld, Story]:
    world = world_of(seed)
    told = Story(world, per_hour, hours)
    world.run(lambda _world: told.run())
    return world, told


def run_calm(at: str = "", hours: float = 1.0) -> tuple[RosaWorld, Counter[str]]:
    """Without faults. The server dies at the first effect with this name. The second value: how often each effect happened."""
    world, found = world_of(1, CALM, 0.0), Counter[str]()

    def dies(what: str) -> bool:
        found[what] += 1
        return what == at and found[what] == 1

    world.dies = dies
    told = Story(world, 0.0, hours)
    world.run(lambda _world: told.run())
    return world, found


def main(first: int, last: int, hours: float) -> int:
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
                f"seed {seed}: at most {told.most_nodes} nodes, {sum(world.dice.counts.values())} faults of {len(world.dice.counts)} kinds, "
                f"{world.stats['crashes']} deaths, {world.effects} effects, {time.process_time() - began:.1f} CPU-s",
                flush=True,
            )
    print(f"{failed} failed")
    return failed


def deaths() -> int:
    _, points = run_calm()
    failed = 0
    for point in sorted(points):
        try:
            world, _ = run_calm(point)
            assert world.stats["crashes"] == 1, "it did not die"
        except Exception as error:  # noqa: BLE001 - each is printed, and counted
            failed += 1
            print(f"FAILED at {point}: {type(error).__name__} {error}", flush=True)
    print(f"{len(points)} kinds of effects: a server died at the first of each kind. {failed} failed.")
    return failed


if __name__ == "__main__":
    logging.getLogger("herder").setLevel(logging.CRITICAL + 1)
    if sys.argv[1] == "deaths":
        sys.exit(deaths())
    sys.exit(main(int(sys.argv[1]), int(sys.argv[2]), float(sys.argv[3]) if len(sys.argv) > 3 else HOURS))
