"""Workers that run another version of Talos than their bootstrap wants are upgraded in place: one after another, drained, and awaited.

In the simulated world against the played datacentre, whose template has an older version than install_image.
"""

import logging
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from herder.model.fleet.pool import PoolSize, PoolSpec, Upkeep
from herder.model.fleet.repair import DEFAULT_POLICY, Breaker
from herder.model.fleet.upkeep import TimeWindow
from herder.model.fleet.worker import WorkerState
from herder.model.stored.changes import Changes
from herder.model.stored.records import EventRecord
from herder.simulate.chaos.faults.kinds import CALM
from herder.testing.kubernetes.objects.resources import NODES
from herder.testing.talos import AfterUpgrade
from tests.datacentre.story import PERMANENT, SETTINGS, Apps
from tests.datacentre.world import DatacentreWorld

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
        return {each.hostname: each.version for each in self.centre.talos.by_name.values() if each.name.startswith("vm-")}

    def texts(self, kind: str) -> list[str]:
        return [text for each, text in self.events if each == kind]

    def upgraded(self) -> bool:
        workers = self.server.core.state.workers.values() if self.server is not None else ()
        ready = [each.state for each in workers] == [WorkerState.READY] * 2
        return ready and list(self.versions().values()) == [NEW, NEW]

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


@pytest.mark.timeout(60)
def test_workers_are_upgraded_one_after_another_and_their_machines_stay() -> None:
    world = run(World(), _upgrade)
    assert world.away_most == 1
    calls = [what for _, what in world.centre.talos.calls if what == "Upgrade"]
    assert len(calls) == 2
    done = world.texts("worker.repair_done")
    assert len(done) == 2
    assert all("has carried out upgrade of worker" in each for each in done)
    assert len(world.texts("worker.repaired")) == 2
    assert any(f"It runs Talos {OLD}, and its bootstrap wants {NEW}." in each for each in world.texts("worker.condition"))
    assert any("the limit is 1 (disruption_budget" in each for each in world.texts("worker.repair_held"))
