"""Driver, bootstrap and membership together against the played datacentre, on virtual time, with faults and deaths of the server (`story.py`).

`HERDER_DATACENTRE_SEEDS=1-200` runs other seeds than the usual ones.
"""

import asyncio
import logging
import os
from collections.abc import Iterator

import pytest

from herder.engine.memory.invariants import violations
from herder.engine.workers.repairs import repair
from herder.model.fleet.worker import WorkerState
from herder.simulate.chaos.faults.kinds import CALM
from herder.testing.datacentre import Sickness
from tests.datacentre.story import REPAIR, run, run_calm, world_of
from tests.datacentre.world import DatacentreWorld

USUAL = "1-3"
#: Where one provider has acted and another one does not know it yet.
DEATHS = ("after proxmox POST clone", "after kubernetes DELETE object", "after talos Shutdown")


@pytest.fixture(autouse=True)
def quiet(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """Faults cause many warnings."""
    with caplog.at_level(logging.CRITICAL + 1, logger="herder"):
        yield


def seeds() -> range:
    first, _, last = os.environ.get("HERDER_DATACENTRE_SEEDS", USUAL).partition("-")
    return range(int(first), int(last or first) + 1)


@pytest.mark.timeout(900)
def test_pods_get_nodes_and_nothing_is_left_over() -> None:
    _, effects = run_calm(hours=0.5)
    wanted = {"proxmox POST clone", "proxmox DELETE qemu", "talos Shutdown", "kubernetes DELETE object"}
    assert wanted <= {each.removeprefix("after ") for each in effects}


async def _is_rebooted(world: DatacentreWorld) -> None:
    def ready() -> bool:
        return [each.state for each in world.core.state.workers.values()] == [WorkerState.READY]

    await world.until(ready, 600, "the worker of the minimum is ready")
    worker = world.worker()
    world.centre.sicken(str(worker.spec.name), Sickness.KUBELET_CRASH_LOOP)
    await world.until(lambda: worker.health.repair is not None, 600, "it is repaired")
    assert worker.health.repair is not None
    await world.until(lambda: worker.health.repair is None, 1_200, "its repair is forgotten")
    assert ready()
    assert REPAIR.cooldown_s < world.loop.time()


@pytest.mark.timeout(900)
def test_a_node_that_was_rebooted_does_not_count_as_emptied_any_more() -> None:
    """Else the next drain would end before its pods do."""
    world = world_of(1, CALM, 0.0)

    async def story() -> None:
        await _is_rebooted(world)
        worker = world.worker()
        assert worker.occupied
        assert worker.node is not None
        assert not worker.node.emptied
        assert violations(world.core.state) == []

    world.run(lambda _world: story())


@pytest.mark.timeout(900)
def test_the_world_notices_a_node_that_counts_as_emptied(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(repair, "is_over", lambda _worker: None)
    world = world_of(1, CALM, 0.0)
    with pytest.raises(AssertionError, match="counts as emptied"):
        world.run(lambda _world: _is_rebooted(world))


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("seed", seeds())
def test_faults_and_deaths_leave_nothing_behind(seed: int) -> None:
    world = run(seed, per_hour=2.0, hours=1.0)
    assert world.stats["crashes"] > 0
    assert len(world.dice.counts) > 15, "so many kinds of faults"


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("what", DEATHS)
def test_a_server_that_dies_there_leaves_nothing(what: str) -> None:
    world, _ = run_calm(what, hours=0.5)
    assert world.stats["crashes"] == 1


def test_the_same_seed_gives_the_same_datacentre() -> None:
    async def minutes() -> None:
        await asyncio.sleep(600)

    worlds = [world_of(5) for _ in range(2)]
    for world in worlds:
        world.run(lambda _world: minutes())
    assert worlds[0].fingerprint == worlds[1].fingerprint
    assert worlds[0].effects > 100
