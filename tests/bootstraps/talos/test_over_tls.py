"""The client over real TLS 1.3 with Ed25519 certificates, against machines that listen on loopback."""

import asyncio
import socket
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from herder.bootstraps.talos import TalosSettings, make
from herder.bootstraps.talos.bootstrap import TalosBootstrap
from herder.control.kernel.clock import SystemClock
from herder.model.fleet.driver import OutcomeUnknown, Unauthorised, Unavailable
from herder.model.fleet.repair import Rung
from herder.ports.bootstrap import BootstrapContext, Stage, Target
from herder.testing.kubernetes.running import LoopClock
from herder.testing.talos import Fault, Kind, Machines, Times
from herder.testing.talos.authority import DAY_MS, Authority
from herder.testing.talos.server import Edge
from tests.bootstraps.talos.cluster import JOINING

CONTROL_PLANE, WORKER = "127.0.41.1", "127.0.41.2"
TARGET = Target(worker=JOINING.worker, addresses=(WORKER,))
TIMES = Times(boot_ms=20, install_ms=20, kubelet_ms=20, stop_ms=20)


def free_port() -> int:
    with socket.socket() as found:
        found.bind((WORKER, 0))
        return int(found.getsockname()[1])


class World:
    def __init__(self, folder: Path) -> None:
        now_ms = int(time.time() * 1000)
        self.folder = folder
        self.machines = Machines(times=TIMES)
        self.authority = Authority(now_ms)
        self.machines.add_control_plane("cp-1", CONTROL_PLANE)
        self.worker = self.machines.add("burst-7-1", WORKER)
        clock = LoopClock(asyncio.get_running_loop(), now_ms)
        self.edge = Edge(self.machines, self.authority, clock, free_port())

    @asynccontextmanager
    async def bootstrap(self, config: str | None = None, **settings: object) -> AsyncIterator[TalosBootstrap]:
        (self.folder / "talosconfig").write_text(config or self.authority.talosconfig((CONTROL_PLANE,)))
        (self.folder / "worker.yaml").write_text(self.authority.worker_base("https://127.0.41.1:6443"))
        found = make(
            TalosSettings(
                base_config=str(self.folder / "worker.yaml"),
                talosconfig=str(self.folder / "talosconfig"),
                port=self.edge.port,
                **settings,
            ),
            BootstrapContext(name="prod-nodes", installation="prod", clock=SystemClock()),
            environment={},
        )
        try:
            yield found
        finally:
            await found.close()

    async def until_kubelet(self) -> None:
        up = asyncio.Event()
        self.machines.hooks.kubelet_up = lambda _machine: up.set()
        self.edge.poke()
        if not self.worker.kubelet_runs:
            await asyncio.wait_for(up.wait(), 10)
        await self.edge._sync()


@pytest.fixture
async def world(tmp_path: Path) -> AsyncIterator[World]:
    found = World(tmp_path)
    async with found.edge:
        yield found


async def test_the_whole_life_of_a_machine(world: World) -> None:
    async with world.bootstrap(delivery="maintenance") as bootstrap:
        world.worker.power_on(world.edge.clock.now_ms())
        world.edge.poke()
        for _ in range(200):
            if await bootstrap.configure(JOINING, TARGET):
                break
            await asyncio.sleep(0.02)
        await world.until_kubelet()
        assert await bootstrap.configure(JOINING, TARGET)
        assert world.worker.applied == 1
        seen = await bootstrap.look(TARGET)
        assert (seen.stage, seen.ready, seen.version) == (Stage.RUNNING, True, "v1.13.9")
        world.worker.log("kubelet", "started")
        assert await bootstrap.logs(TARGET, "kubelet", 10) == "started"
        assert all(each.passed for each in await bootstrap.check())
        await bootstrap.repair(TARGET, Rung.REBOOT)
        await world.until_kubelet()
        await bootstrap.shut_down(TARGET)
        assert [method for _, method in world.machines.calls if method in ("Reboot", "Shutdown")] == [
            "Reboot", "Shutdown",
        ]  # fmt: skip


async def test_roles_come_from_the_certificate(world: World) -> None:
    reader = world.authority.talosconfig((CONTROL_PLANE,), roles=("os:reader",))
    async with world.bootstrap(config=reader) as bootstrap:
        with pytest.raises(Unauthorised, match="it needs the role os:operator"):
            await bootstrap.repair(Target(worker=JOINING.worker, addresses=(CONTROL_PLANE,)), Rung.REBOOT)


async def test_a_certificate_of_another_authority(world: World) -> None:
    now_ms = world.authority.now_ms
    async with world.bootstrap(config=Authority(now_ms).talosconfig((CONTROL_PLANE,))) as bootstrap:
        with pytest.raises(Unauthorised, match="is not of the authority of talosconfig context testing"):
            await bootstrap.look(TARGET)


async def test_a_client_certificate_that_the_machine_refuses(world: World) -> None:
    """It trusts the machines, but they do not trust it."""
    now_ms = world.authority.now_ms
    own = world.authority.talosconfig((CONTROL_PLANE,))
    other = Authority(now_ms).talosconfig((CONTROL_PLANE,))
    ca = [text.split('"ca": "')[1].split('"')[0] for text in (other, own)]
    async with world.bootstrap(config=other.replace(*ca)) as bootstrap:
        with pytest.raises(Unavailable, match="or it does not accept the client certificate"):
            await bootstrap.look(Target(worker=JOINING.worker, addresses=(CONTROL_PLANE,)))


@pytest.mark.parametrize(("valid_days", "words"), [((1, 2), "is not yet valid"), ((-3, -1), "has expired")])
async def test_the_clock_of_a_machine_is_wrong(world: World, valid_days: tuple[int, int], words: str) -> None:
    begin_ms, end_ms = (world.authority.now_ms + days * DAY_MS for days in valid_days)
    world.edge.server_valid_ms = (begin_ms, end_ms)
    await world.edge._end("cp-1")
    await world.edge._sync()
    async with world.bootstrap() as bootstrap:
        with pytest.raises(Unavailable, match=words):
            await bootstrap.look(TARGET)


async def test_faults_on_the_way(world: World) -> None:
    target = Target(worker=JOINING.worker, addresses=(CONTROL_PLANE,))
    world.machines.faults = [
        Fault(kind=Kind.LOSE_ANSWER, method="Reboot"),
        Fault(kind=Kind.HANG, method="ServiceRestart"),
        Fault(kind=Kind.LOSE_REQUEST, method="Version"),
    ]
    async with world.bootstrap(deadline_s=1) as bootstrap:
        with pytest.raises(Unavailable, match="the connection was lost"):
            await bootstrap.look(target)
        assert (await bootstrap.look(target)).stage is Stage.RUNNING  # a new connection
        with pytest.raises(OutcomeUnknown, match="did not answer within 1 s"):
            await bootstrap.repair(target, Rung.RESTART_SERVICE)
        with pytest.raises(OutcomeUnknown, match="may have happened"):
            await bootstrap.repair(target, Rung.REBOOT)
        assert [method for _, method in world.machines.calls].count("Reboot") == 1
