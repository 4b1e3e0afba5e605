"""The server's loops with the bootstrap for Talos and played Talos machines, on virtual time: from a claim to a machine that is gone, and the
same with a server that is killed at each of its effects."""

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from herder.bootstraps.talos import TalosSettings, make
from herder.bootstraps.talos.bootstrap import TalosBootstrap
from herder.control.pools.pool_actions import store_pool
from herder.engine.memory.state import WorkerLife
from herder.engine.workers import worker as life
from herder.memberships import registry
from herder.model.fleet.cluster import WORKER_LABEL
from herder.model.fleet.repair import Condition
from herder.model.fleet.worker import WorkerSpec, WorkerState
from herder.model.ids import PlanNumber, PoolName, WorkerName
from herder.model.planning.plan import CreateWorker
from herder.model.stored.changes import Changes
from herder.model.values.money import PicoUsd
from herder.ports.bootstrap import BootstrapContext
from herder.settings import pool_from_plain
from herder.simulate.chaos.hosts.clocks import VirtualClock
from herder.simulate.chaos.hosts.loop import VirtualLoop
from herder.simulate.chaos.ports.effects import Effects
from herder.testing.talos import Hooks, Machine, Machines, Times
from herder.testing.talos.authority import Authority
from herder.testing.talos.in_process import MachinesWire
from tests.providers.conftest import MakeFleet
from tests.providers.fleet import BY_HAND, Fleet
from tests.support.fake_cluster import NODES, SIZE, FakeCluster, know_nodes, node

pytestmark = pytest.mark.virtual_time

NAME = WorkerName("burst-1-1")
CONTROL_PLANE, ADDRESS = "10.0.0.10", "10.0.0.21"
ALL = ("launch", "sweep", "lifecycle", "clusters", "bootstraps")
TEMPLATE = {"name": "n", "cpu": 4, "memory": "8Gi", "disk": "100000Mi", "price_per_hour": "0.10"}
#: Shorter than real ones: a life is played many times.
TIMES = Times(boot_ms=3000, install_ms=3000, kubelet_ms=2000, stop_ms=1000)
POOL = {
    "name": "burst",
    "driver": "cloud",
    "membership": "nodes",
    "cluster": "prod",
    "bootstrap": "talos",
    "templates": [TEMPLATE],
    "repair": [{"condition": "NotReady", "after": "10s", "rung": "reboot"}],
}


@pytest.fixture(autouse=True)
def known(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    know_nodes(monkeypatch)
    yield
    registry.load.cache_clear()
    registry.memberships.cache_clear()


@dataclass
class Site:
    """Machines that boot Talos when their provider has made them, and nodes that appear when their kubelets run."""

    clock: VirtualClock
    cluster: FakeCluster = field(default_factory=FakeCluster)
    happened: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.cluster.now = self.clock.now_ms
        hooks = Hooks(
            kubelet_up=self._up,
            kubelet_down=self._down,
            powered_off=lambda each: self.happened.append(f"shut down {each.name}"),
            rebooting=lambda each: self.happened.append(f"reboots {each.name}"),
        )
        self.machines = Machines(times=TIMES, hooks=hooks)
        self.machines.add_control_plane("cp-1", CONTROL_PLANE)
        self.authority = Authority(self.clock.now_ms())

    def _up(self, machine: Machine) -> None:
        labels = tuple(sorted(machine.node_labels.items()))
        self.happened.append(f"joins {machine.hostname}")
        of = WorkerName(machine.node_labels.get(WORKER_LABEL, ""))
        if not any(each.name == machine.hostname for each in self.cluster.nodes.values()):
            self.cluster.put(
                node(machine.hostname, worker=of or None, labels=labels, addresses=machine.addresses)
            )
        else:
            self._ready(machine, True)

    def _down(self, machine: Machine) -> None:
        self._ready(machine, False)

    def _ready(self, machine: Machine, ready: bool) -> None:
        for each in [each for each in self.cluster.nodes.values() if each.name == machine.hostname]:
            self.cluster.put(replace(each, ready=ready))

    def bootstrap(self, folder: Path, delivery: str, effects: "Deaths") -> TalosBootstrap:
        (folder / "talosconfig").write_text(self.authority.talosconfig((CONTROL_PLANE,)))
        (folder / "worker.yaml").write_text(self.authority.worker_base("https://10.0.0.10:6443"))
        settings = TalosSettings(
            base_config=str(folder / "worker.yaml"),
            talosconfig=str(folder / "talosconfig"),
            delivery=delivery,
        )
        context = BootstrapContext(name="talos", installation="test", clock=self.clock)
        wire = MortalWire(self.machines, self.clock.now_ms)
        wire.effects = effects
        return make(settings, context, wire=wire, environment={})

    async def run(self, fleet: Fleet) -> None:
        """What a hypervisor does: machines that were created are switched on, those that were deleted disappear."""
        while True:
            made = {name: each for (_, name), each in fleet.world.machines.items() if each.running}
            for name, each in made.items():
                fleet.world.addresses[name] = (ADDRESS,)
                if name not in self.machines.by_name:
                    data = each.start.boot
                    self.machines.add(name, ADDRESS).power_on(
                        self.clock.now_ms(), data.user_data if data else ""
                    )
            for name in set(self.machines.by_name) - set(made) - {"cp-1"}:
                self.machines.remove(name)
            self.machines.step(self.clock.now_ms())
            await asyncio.sleep(0.5)


@dataclass
class Story:
    fleet: Fleet
    site: Site
    talos: TalosBootstrap
    deaths: "Deaths"
    restarts: int = 0

    @property
    def worker(self) -> WorkerLife | None:
        return self.fleet.core.state.workers.get(NAME)

    @property
    def machine(self) -> Machine:
        return self.site.machines.by_name[NAME]

    async def begin(self) -> None:
        spec = WorkerSpec(
            name=NAME,
            pool=PoolName("burst"),
            template="n",
            driver="cloud",
            allocatable=SIZE,
            slots=110,
            price_pico_per_hour=PicoUsd(1000),
            plan=PlanNumber(1),
            membership=NODES,
            cluster="prod",
            bootstrap="talos",
        )
        core, changes = self.fleet.core, Changes()
        store_pool(core, changes, pool_from_plain(POOL), self.fleet.clock.now_ms())
        action = CreateWorker(spec=spec, expires_at_ms=None, reason=BY_HAND)
        life.claim(core.state, changes, action, self.fleet.clock.now_ms())
        core.workers_changed.set()
        await core.commit(changes)

    async def until(self, condition: Callable[[], bool]) -> None:
        """A server that was killed is started again."""
        died = self.deaths.died
        await self.fleet.until(lambda: condition() or (died.is_set() and not self.restarts))
        if died.is_set() and not self.restarts:
            self.restarts += 1
            await self.fleet.close()
            self.deaths.revived = True
            self.fleet.calls._drivers.clear()  # the places of a process are its own
            await self.fleet.crash()
            await self.fleet.until(condition)

    def is_in(self, state: WorkerState) -> bool:
        return self.worker is not None and self.worker.state is state

    async def drain(self) -> None:
        """By a person, who does it again when the server has died over it."""
        before = self.restarts
        core, changes = self.fleet.core, Changes()
        assert self.worker is not None
        life.drain(core.state, changes, self.worker, BY_HAND, self.fleet.clock.now_ms())
        done = core.commit(changes)
        await self.until(lambda: done.done() or self.restarts != before)
        if self.restarts != before and self.worker is not None and not self.worker.state.leaving:
            await self.drain()

    def nothing_left(self) -> bool:
        gone = self.fleet.states()[NAME] == "terminated" and not self.fleet.machines()
        return gone and not self.site.cluster.nodes and NAME not in self.site.machines.by_name


class Deaths(Effects):
    """Counts the effects of the server, and ends it at one of them: what it still does has no effect."""

    def __init__(self, loop: VirtualLoop, die_at: int | None) -> None:
        super().__init__(loop=loop, host="")
        self.die_at, self.died = die_at, asyncio.Event()
        self.seen: list[str] = []
        self.revived = False

    def at(self, what: str) -> bool:
        if self.revived:
            return True
        if self.died.is_set():
            return False
        self.seen.append(what)
        if len(self.seen) == self.die_at:
            self.died.set()
            return False
        return True


class MortalWire(MachinesWire):
    """Its calls are effects of the server: one that is lost before it arrives, or whose answer is lost, is never answered."""

    effects: Deaths

    async def call(self, address, identity, method, request, **more):  # type: ignore[no-untyped-def]
        if not self.effects.at(f"talos {method.path}"):
            await asyncio.Event().wait()
        found = await super().call(address, identity, method, request, **more)
        if not self.effects.at(f"answer to talos {method.path}"):
            await asyncio.Event().wait()
        return found


async def story_of(make_fleet: MakeFleet, folder: Path, delivery: str, die_at: int | None = None) -> Story:
    loop = asyncio.get_running_loop()
    assert isinstance(loop, VirtualLoop)
    site, deaths = Site(VirtualClock(loop)), Deaths(loop, die_at)
    talos = site.bootstrap(folder, delivery, deaths)
    fleet = make_fleet("cloud", clusters={"prod": site.cluster}, bootstraps={"talos": talos}, loops=ALL)
    story = Story(fleet, site, talos, deaths)
    await story.begin()
    fleet.calls._effects = fleet.store._effects = deaths
    return story


async def whole_life(story: Story) -> None:
    """It goes on after a restart of the server, wherever that was killed."""
    hypervisor = asyncio.create_task(story.site.run(story.fleet))
    try:
        await story.until(lambda: story.is_in(WorkerState.READY))
        machine = story.machine
        machine.crash_kubelet(story.fleet.clock.now_ms(), times=3)
        await story.until(lambda: story.worker is not None and _has(story.worker, Condition.NOT_READY))
        await story.until(lambda: f"reboots {NAME}" in story.site.happened)
        await story.until(lambda: story.is_in(WorkerState.READY))
        await story.drain()
        await story.until(story.nothing_left)
    finally:
        hypervisor.cancel()
        await asyncio.gather(hypervisor, return_exceptions=True)


def _has(worker: WorkerLife, wanted: Condition) -> bool:
    return any(condition is wanted for _, condition in worker.health.conditions)


@pytest.mark.parametrize("delivery", ["iso", "maintenance"])
async def test_a_talos_machine_joins_is_repaired_and_removed(
    make_fleet: MakeFleet, tmp_path: Path, delivery: str
) -> None:
    story = await story_of(make_fleet, tmp_path, delivery)
    await whole_life(story)
    fleet = story.fleet
    crash_loop = f"Worker {NAME} has condition KubeletCrashLoop. Service kubelet ended by itself 3 times"
    assert any(each.startswith(crash_loop) for each in fleet.events("worker.condition")), fleet.events()
    assert fleet.events("worker.repair_done") == [f"Bootstrap talos has carried out reboot of worker {NAME}."]
    methods = [method for name, method in story.site.machines.calls if name == NAME]
    assert methods.count("ApplyConfiguration") == (1 if delivery == "maintenance" else 0)
    assert methods.count("Reboot") == methods.count("Shutdown") == 1


async def points(make_fleet: MakeFleet, folder: Path) -> list[tuple[int, str]]:
    """Every effect of a life without a death, and its number."""
    story = await story_of(make_fleet, folder, "maintenance")
    await whole_life(story)
    return list(enumerate(story.deaths.seen, 1))


async def dies_at(make_fleet: MakeFleet, folder: Path, number: int, what: str) -> None:
    story = await story_of(make_fleet, folder, "maintenance", number)
    await whole_life(story)
    assert story.restarts == 1, (number, what)
    methods = [method for name, method in story.site.machines.calls if name == NAME]
    assert methods.count("ApplyConfiguration") == 1, (number, what)
    assert story.fleet.world.made == 1, (number, what)


async def test_a_server_that_dies_at_an_effect_of_a_change_leaves_nothing_behind(
    make_fleet: MakeFleet, tmp_path: Path
) -> None:
    changes = ("ApplyConfiguration", "Reboot", "Shutdown", "create", "delete")
    found = [each for each in await points(make_fleet, tmp_path) if each[1].endswith(changes)]
    assert len(found) >= 10, found
    for number, what in found:
        await dies_at(make_fleet, tmp_path, number, what)


@pytest.mark.slow
@pytest.mark.parametrize("part", range(4))
async def test_a_server_that_dies_at_any_effect_leaves_nothing_behind(
    make_fleet: MakeFleet, tmp_path: Path, part: int
) -> None:
    """All of them, in four parts."""
    found = await points(make_fleet, tmp_path)
    print(f"{len(found)} effects")
    for number, what in found[part::4]:
        await dies_at(make_fleet, tmp_path, number, what)
