"""Workers that run another version of Talos than their bootstrap wants are upgraded in place: one after another, drained, and awaited.

In the simulated world against the played datacentre, whose template has an older version than install_image.
"""

import asyncio
import logging
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from herder.control.reads.fleet.bootstraps import check_bootstrap
from herder.model.fleet.pool import PoolSize, PoolSpec, Upkeep
from herder.model.fleet.repair import DEFAULT_POLICY, Breaker
from herder.model.fleet.upkeep import TimeWindow
from herder.model.fleet.worker import WorkerState
from herder.model.stored.changes import Changes
from herder.model.stored.records import EventRecord
from herder.simulate.chaos.faults.kinds import CALM
from herder.testing.kubernetes.objects.resources import NODES
from herder.testing.talos import AfterUpgrade, Fault, Kind
from tests.datacentre.story import PERMANENT, SETTINGS, Apps
from tests.datacentre.world import BOOTSTRAP, DatacentreWorld

OLD, NEW = "v1.13.9", "v1.14.0"
IN_PLACE = {"install_image": f"ghcr.io/siderolabs/installer:{NEW}", "upgrade": "in_place"}
#: The breaker would allow both at once: what holds one back is the disruption budget, which is 1.
POOL = replace(
    PERMANENT,
    size=PoolSize(min_workers=2, max_workers=3),
    repair=replace(DEFAULT_POLICY, breaker=Breaker(workers=9, percent=100, window_s=0)),
)
WITHIN_S = 1_800.0


@pytest.fixture(autouse=True)
def quiet(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    with caplog.at_level(logging.CRITICAL + 1, logger="herder"):
        yield


class World(DatacentreWorld):
    def __init__(self, pool: PoolSpec = POOL, **more: Any) -> None:
        super().__init__(1, pools=(pool,), odds=CALM, core_settings=SETTINGS, talos=IN_PLACE, **more)
        self.events: list[tuple[str, str]] = []
        """Kind and text of each."""
        self.away_most = 0
        """The largest number of ready workers that took no work at a time."""
        self.written.append(self._note)

    def _note(self, changes: Changes) -> None:
        for record in changes.rows.get(EventRecord, {}).values():
            assert isinstance(record, EventRecord)
            self.events.append((record.kind, record.text))
        if self.server is not None:
            workers = self.server.core.state.workers.values()
            away = sum(each.state is WorkerState.UNHEALTHY for each in workers)
            self.away_most = max(self.away_most, away)

    def versions(self) -> dict[str, str]:
        return {
            each.hostname: each.version
            for each in self.centre.talos.by_name.values()
            if each.name.startswith("vm-")
        }

    def texts(self, kind: str) -> list[str]:
        return [text for each, text in self.events if each == kind]

    def upgraded(self) -> bool:
        workers = self.server.core.state.workers.values() if self.server is not None else ()
        ready = [each.state for each in workers] == [WorkerState.READY] * 2
        return ready and list(self.versions().values()) == [NEW, NEW]

    def pods_on(self, node: str) -> list[str]:
        return [name for name, pod in self.pods().items() if pod["spec"].get("nodeName") == node]

    def all_work(self) -> bool:
        states = [each.state for each in self.core.state.workers.values()]
        return states == [WorkerState.READY] * 2 and not self.cordoned()

    def cordoned(self) -> list[str]:
        found = (each.decode() for each in self.centre.kubernetes.store.all(NODES))
        return [each["metadata"]["name"] for each in found if each["spec"].get("unschedulable")]

    async def until_ready(self) -> None:
        await self.until(lambda: len(self.vms()) == 2 and len(self.nodes()) == 2, 600, "two nodes")


def run(world: World, story: Any) -> World:
    world.run(lambda _world: story(world))
    return world


async def _upgrade(world: World) -> None:
    await world.until_ready()
    before = sorted(vm.vmid for vm in world.vms())
    await world.until(world.upgraded, WITHIN_S, "both have the new version")
    await world.until(lambda: not world.cordoned(), 60, "they are uncordoned")
    assert sorted(vm.vmid for vm in world.vms()) == before, "no VM was replaced"


@pytest.mark.timeout(900)
def test_workers_are_upgraded_one_after_another_and_their_machines_stay() -> None:
    world = run(World(), _upgrade)
    assert world.away_most == 1
    calls = [what for _, what in world.centre.talos.calls if what == "Upgrade"]
    assert len(calls) == 2
    done = world.texts("worker.repair_done")
    assert len(done) == 2
    assert all("has carried out upgrade of worker" in each for each in done)
    assert len(world.texts("worker.repaired")) == 2
    assert any(
        f"It runs Talos {OLD}, and its bootstrap wants {NEW}." in each
        for each in world.texts("worker.condition")
    )
    assert any("the limit is 1 (disruption_budget" in each for each in world.texts("worker.repair_held"))


@pytest.mark.timeout(900)
def test_pods_move_before_the_machine_is_upgraded() -> None:
    async def story(world: World) -> None:
        await world.until_ready()
        apps = Apps(world)
        apps.begin(str(POOL.name), replicas=2)
        await world.until(
            lambda: all(each["spec"].get("nodeName") for each in world.pods().values()), 60, "they run"
        )
        world.centre.talos.hooks.rebooting = lambda machine: on_reboot.append(world.pods_on(machine.hostname))
        while not world.upgraded():
            apps.keep()
            await asyncio.sleep(5)
            assert world.loop.time() < WITHIN_S

    on_reboot: list[list[str]] = []
    world = run(World(), story)
    assert on_reboot == [[], []], "nothing ran where a machine was upgraded"
    assert len(world.pods()) == 2


@pytest.mark.timeout(900)
@pytest.mark.parametrize("what", ["before talos Upgrade", "after talos Upgrade"])
def test_a_server_that_dies_there_goes_on_with_the_same_upgrade(what: str) -> None:
    world = World()
    deaths: list[str] = []

    def dies(each: str) -> bool:
        if each == what and not deaths:
            deaths.append(each)
            return True
        return False

    world.dies = dies
    run(world, _upgrade)
    assert deaths == [what]
    upgraded = [name for name, method in world.centre.talos.calls if method == "Upgrade"]
    assert len(upgraded) == len(set(upgraded)) == 2, "no machine was upgraded twice"


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("part", range(4))
def test_a_server_that_dies_at_a_commit_goes_on(part: int) -> None:
    """At commits from the first repair on, spread over the whole upgrade."""
    world = World()
    seen = 0

    def dies(what: str) -> bool:
        nonlocal seen
        seen += what == "committed" and bool(world.texts("worker.repairing"))
        return seen == 1 + 3 * part and what == "committed" and not world.stats["crashes"]

    world.dies = dies
    run(world, _upgrade)
    assert world.stats["crashes"] == 1


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_it_waits_for_a_maintenance_window() -> None:
    window = TimeWindow(cron="0 0 * * *", duration_s=3_600.0)  # the world begins at 22:13
    pool = replace(POOL, upkeep=Upkeep(maintenance_windows=(window,)))

    async def story(world: World) -> None:
        await world.until_ready()
        await asyncio.sleep(600)
        assert set(world.versions().values()) == {OLD}
        (held, *_) = world.texts("worker.repair_held")
        assert "no maintenance window of pool permanent is open. The next one opens in 105 min." in held
        await world.until(world.upgraded, 3 * 3_600, "the window has opened")

    run(World(pool), story)


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("how", [AfterUpgrade.OLD, AfterUpgrade.NEVER])
def test_a_machine_that_does_not_come_back_with_it_is_replaced(how: AfterUpgrade) -> None:
    async def story(world: World) -> None:
        await world.until_ready()
        first = min(vm.vmid for vm in world.vms())
        machine = world.centre.talos.by_name[f"vm-{first}"]
        machine.after_upgrade = how
        await world.until(
            lambda: first not in [vm.vmid for vm in world.vms()] and world.upgraded(),
            4 * 3_600,
            "it is replaced",
        )
        assert not world.cordoned()

    world = run(World(), story)
    (why,) = (each for each in world.texts("worker.draining") if "Outdated" in each)
    assert f"has had condition Outdated for 60 min. It runs Talos {OLD}" in why
    rebooted = [each for each in world.texts("worker.repairing") if ": reboot " in each]
    assert bool(rebooted) == (how is AfterUpgrade.NEVER), "the ladder of a node that is silent"


@pytest.mark.timeout(900)
def test_a_bad_image_is_told_and_the_worker_goes_on_working() -> None:
    async def story(world: World) -> None:
        await world.until_ready()
        world.centre.talos.faults.append(
            Fault(
                kind=Kind.REFUSE,
                method="Upgrade",
                times=-1,
                code="INVALID_ARGUMENT",
                words="error validating installer image: not found",
            )
        )
        await world.until(lambda: bool(world.texts("worker.repair_failed")), 600, "the upgrade has failed")
        await world.until(world.all_work, 600, "both take pods again")

    world = run(World(), story)
    assert "error validating installer image" in world.texts("worker.repair_failed")[0]


@pytest.mark.timeout(900)
def test_the_check_of_a_bootstrap_says_which_workers_are_behind() -> None:
    async def story(world: World) -> None:
        await world.until_ready()
        await world.until(lambda: bool(world.texts("worker.repairing")), 600, "an upgrade begins")
        found = await check_bootstrap(world.core, BOOTSTRAP)
        (versions,) = (each for each in found.checks if each.name == "Versions")
        assert versions.passed
        names = sorted(str(each) for each in world.core.state.workers)
        assert versions.detail == (
            f"2 workers of 2 run another version than {NEW}: {names[0]} ({OLD}) and {names[1]} ({OLD})."
        )
        await world.until(world.upgraded, WITHIN_S, "both have the new version")
        await asyncio.sleep(150)
        found = await check_bootstrap(world.core, BOOTSTRAP)
        (versions,) = (each for each in found.checks if each.name == "Versions")
        assert versions.detail == f"0 workers of 2 run another version than {NEW}."

    run(World(), story)
