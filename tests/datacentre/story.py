"""Hours of a datacentre in the simulated world: pods come and go, everything goes wrong, then it is calm, and nothing may be left over.

`run(seed)` is one world. `python -m tests.datacentre.story FIRST LAST` runs many and prints what each has found;
`python -m tests.datacentre.story deaths` lets a server die once at each kind of effect.
"""

import asyncio
import contextlib
import logging
import sys
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any, Protocol

from herder.memberships.kubernetes import MEMBERSHIP
from herder.model.fleet.cluster import POOL_LABEL
from herder.model.fleet.drain import OnBlocked
from herder.model.fleet.pool import (
    PoolSize,
    PoolSpec,
    ScaleDown,
    ScaleUp,
    Taint,
    Template,
    WorkerLifetime,
)
from herder.model.fleet.repair import Condition, RepairPolicy, RepairRule, Rung
from herder.model.fleet.worker import WorkerState
from herder.model.ids import PoolName
from herder.model.values.money import PicoUsd
from herder.model.values.resources import Resources
from herder.simulate.chaos.faults.dice import Dice
from herder.simulate.chaos.faults.kinds import CALM, Trouble
from herder.simulate.chaos.hosts.loop import VirtualLoop
from herder.store.invariants import violations as stored_violations
from tests.datacentre.mishaps import Mishaps
from tests.datacentre.world import BOOTSTRAP, CLUSTER, DRIVER, DatacentreWorld

HOURS = 3.0
TICK_S = 30.0
#: After the last fault: a failed creation is tried again after half an hour at most, and a sick worker is replaced.
BOUND_WITHIN_S, AS_WANTED_WITHIN_S, GONE_WITHIN_S = 3 * 3600.0, 3 * 3600.0, 3 * 3600.0
PODS = "/api/v1/namespaces/default/pods"
BUDGETS = "/apis/policy/v1/namespaces/default/poddisruptionbudgets"
TEMPLATE = Template(
    name="medium", allocatable=Resources(1900, 3584, 20_480), price_pico_per_hour=PicoUsd(240_000_000_000)
)
REPAIR = RepairPolicy(
    rules=(
        RepairRule(condition=Condition.NOT_READY, after_s=60, rung=Rung.RESTART_SERVICE),
        RepairRule(condition=Condition.NOT_READY, after_s=240, rung=Rung.REBOOT),
        RepairRule(condition=Condition.NOT_READY, after_s=900, rung=Rung.REPLACE),
        RepairRule(condition=Condition.KUBELET_CRASH_LOOP, count=3, rung=Rung.REBOOT),
        RepairRule(condition=Condition.MEMORY_PRESSURE, after_s=120, rung=Rung.REBOOT),
        RepairRule(condition=Condition.DISK_PRESSURE, after_s=120, rung=Rung.REPLACE),
        RepairRule(condition=Condition.PID_PRESSURE, after_s=120, rung=Rung.REBOOT),
    ),
    cooldown_s=300,
)
SETTINGS = {
    "poll_s": 30.0,
    "scale_period_s": 15.0,
    "scale_settle_s": 1.0,
    "lifecycle_period_s": 5.0,
    "readings_period_s": 60.0,
    "sweep_period_s": 60.0,
    "sweep_delay_s": 60.0,
    "observations_bytes_max": 0,
}
#: Of everything that `World` itself draws: calls of the driver as a whole, the store, the server.
FAULTS = replace(CALM, calls=0.03, store_slow=0.002, store_twice=0.02, crash_at_effect=0.0005)


def _pool(name: str, size: PoolSize, **life: float) -> PoolSpec:
    return PoolSpec(
        name=PoolName(name),
        driver=DRIVER,
        driver_options=(("template", "talos-worker"),),
        membership=MEMBERSHIP,
        cluster=CLUSTER,
        bootstrap=BOOTSTRAP,
        templates=(TEMPLATE,),
        labels=(("node-pool", name),),
        taints=(Taint(key="workload-type", value=name),),
        size=size,
        scale_up=ScaleUp(pending_pods=1, pending_pods_for_s=20.0, offer_backoff_max_s=300.0),
        scale_down=ScaleDown(idle_timeout_s=600.0),
        lifetime=WorkerLifetime(drain_grace_s=120.0, on_blocked=OnBlocked.FORCE, **life),  # type: ignore[arg-type]
        repair=REPAIR,
    )


PERMANENT = _pool("permanent", PoolSize(min_workers=1, max_workers=3))
BURST = _pool("burst", PoolSize(max_workers=4), ttl_s=5_400.0, ttl_grace_s=60.0)
POOLS = (PERMANENT, BURST)


class _WorldOfPods(Protocol):
    dice: Dice
    loop: VirtualLoop

    def ask(self, method: str, path: str, body: Any = None) -> tuple[int, Any]: ...

    def pods(self) -> Mapping[str, Any]: ...


class Apps:
    """Pods of people: each app gets the pods that it lacks. What they do while the API is away they do later."""

    def __init__(self, world: _WorldOfPods, pools: Sequence[PoolSpec] = POOLS) -> None:
        self._world, self._draw = world, world.dice.of("apps")
        self._pools = [str(pool.name) for pool in pools]
        self._apps: dict[str, tuple[str, int, float]] = {}
        """By name: pool, replicas, and until when."""
        self._made = 0

    async def run(self) -> None:
        while True:
            if len(self._apps) < 5 and self._draw.random() < 0.05:
                self._begin()
            for name in [each for each, app in self._apps.items() if app[2] < self._world.loop.time()]:
                del self._apps[name]
            self.keep()
            await asyncio.sleep(TICK_S)

    def begin(self, pool: str, replicas: int) -> None:
        """One app for good."""
        self._made += 1
        self._apps[f"app{self._made}"] = (pool, replicas, float("inf"))
        self.keep()

    def _begin(self) -> None:
        self._made += 1
        name, replicas = f"app{self._made}", self._draw.randint(1, 4)
        until_s = self._world.loop.time() + self._draw.uniform(900.0, 5_000.0)
        pool = self._draw.choice(self._pools)
        if self._draw.random() < 0.3:
            spec = {"minAvailable": max(1, replicas - 1), "selector": {"matchLabels": {"app": name}}}
            self._world.ask("POST", BUDGETS, {"metadata": {"name": name}, "spec": spec})
        self._apps[name] = (pool, replicas, until_s)

    def keep(self) -> None:
        there = self._world.pods()
        for pod in there:
            if pod.partition("-")[0] not in self._apps:
                self._world.ask("DELETE", f"{PODS}/{pod}")
        for name, (pool, replicas, _) in self._apps.items():
            mine = sum(each.partition("-")[0] == name for each in there)
            for _ in range(replicas - mine):
                self._made += 1
                self._world.ask("POST", PODS, _pod(f"{name}-{self._made}", name, pool))

    def end(self) -> None:
        self._apps.clear()
        self.keep()


def _pod(name: str, app: str, pool: str) -> dict[str, object]:
    requests = {"requests": {"cpu": "800m", "memory": "1Gi"}}
    return {
        "metadata": {"name": name, "labels": {"app": app}},
        "spec": {
            "containers": [{"name": "c", "image": "example.com/app:1", "resources": requests}],
            "nodeSelector": {POOL_LABEL: pool},
            "tolerations": [
                {"key": "workload-type", "operator": "Equal", "value": pool, "effect": "NoSchedule"}
            ],
        },
    }


class Story:
    def __init__(self, world: DatacentreWorld, per_hour: float, hours: float = HOURS) -> None:
        self.world, self._hours = world, hours
        self.mishaps, self.apps = Mishaps(world, per_hour), Apps(world)

    async def run(self) -> None:
        world = self.world
        apps, mishaps = (asyncio.ensure_future(each.run()) for each in (self.apps, self.mishaps))
        try:
            await asyncio.sleep(self._hours * 3600)
        finally:
            for task in (apps, mishaps):
                task.cancel()
                with contextlib.suppress(asyncio.CancelledError):
                    await task
        world.dice.trouble = False
        self.mishaps.heal()
        if world.server is None:
            await world.restart(1.0)
        await self._until(self._bound, BOUND_WITHIN_S, "every pod that its pool has room for runs")
        self.apps.end()
        await self._until(self._as_wanted, AS_WANTED_WITHIN_S, "the fleet is what its pools want")
        world.without_pools()
        for pool in POOLS:
            await world.people.call("root", "DELETE", f"/pools/{pool.name}")
        await self._until(lambda: not world.left_over(), GONE_WITHIN_S, "nothing is left over")
        await world.core.settle()
        assert not world.core.state.workers, world.left()
        assert world.doubled == []
        with world.engine.connect() as connection:
            assert stored_violations(connection) == []

    async def _until(self, holds: object, within_s: float, what: str) -> None:
        assert callable(holds)
        end_s = self.world.loop.time() + within_s
        while not holds():
            assert self.world.loop.time() < end_s, (
                f"Not within {within_s / 3600:g} h: {what}; {self.world.left()}"
            )
            self.apps.keep()
            await asyncio.sleep(TICK_S)

    def _bound(self) -> bool:
        """All pods, but those of pools that have their maximum."""
        state, waiting = (
            self.world.core.state,
            [each for each in self.world.pods().values() if not each["spec"].get("nodeName")],
        )
        many = {name: sum(each.spec.pool == name for each in state.workers.values()) for name in state.pools}
        room = {str(name) for name, pool in state.pools.items() if many[name] < pool.size.max_workers}
        return not any(each["spec"]["nodeSelector"][POOL_LABEL] in room for each in waiting)

    def _as_wanted(self) -> bool:
        """Each pool is at its minimum, and each worker has one VM and one node, and vice versa."""
        world, state = self.world, self.world.core.state
        names = sorted(str(name) for name in state.workers)
        if any(each.state is not WorkerState.READY for each in state.workers.values()):
            return False
        vms = sorted(vm.name.rpartition("-")[0] for vm in world.vms())
        wanted = sum(pool.size.min_workers for pool in POOLS)
        return names == vms == world.nodes() and len(names) == wanted


def world_of(seed: int, odds: Trouble = FAULTS, request_faults: float = 0.01) -> DatacentreWorld:
    world = DatacentreWorld(
        seed,
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


def run(seed: int, *, per_hour: float = 1.0, hours: float = HOURS) -> DatacentreWorld:
    world = world_of(seed)
    told = Story(world, per_hour, hours)
    world.run(lambda _world: told.run())
    return world


def run_calm(at: str = "", hours: float = 1.0) -> tuple[DatacentreWorld, Counter[str]]:
    """Without faults. The server dies at the first effect with this name. The second value: how often each effect happened."""
    world, found = world_of(1, CALM, 0.0), Counter[str]()

    def dies(what: str) -> bool:
        found[what] += 1
        return what == at and found[what] == 1

    world.dies = dies
    told = Story(world, 0.0, hours)
    world.run(lambda _world: told.run())
    return world, found


def main(first: int, last: int) -> int:
    failed = 0
    for seed in range(first, last + 1):
        began = time.process_time()
        try:
            world = run(seed)
        except Exception as error:  # noqa: BLE001 - each is printed, and counted
            failed += 1
            print(f"FAILED seed {seed}: {type(error).__name__} {error}", flush=True)
        else:
            print(
                f"seed {seed}: {sum(world.dice.counts.values())} faults, {world.stats['crashes']} deaths, {world.effects} effects, "
                f"{time.process_time() - began:.1f} CPU-s",
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
    print(
        f"{len(points)} kinds of effects, {points.total()} effects: a server died at the first of each kind. {failed} failed."
    )
    return failed


if __name__ == "__main__":
    logging.getLogger("herder").setLevel(logging.CRITICAL + 1)
    sys.exit(deaths() if sys.argv[1] == "deaths" else main(int(sys.argv[1]), int(sys.argv[2])))
