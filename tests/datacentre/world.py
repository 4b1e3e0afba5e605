"""The simulated world whose machines are those of a played datacentre: the real driver for Proxmox, the real bootstrap for Talos and the real
membership of Kubernetes, on virtual time. Each of their requests is an effect of the server, at which it can die, and can meet a fault.

The datacentre survives all servers. `mishaps.py` draws what goes wrong in it by itself; `story.py` is what happens, and what must be true.
"""

import asyncio
import contextvars
import tempfile
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

import httpx

from herder.bootstraps.talos import TalosSettings, make
from herder.drivers.proxmox import ProxmoxDriver, ProxmoxSettings
from herder.memberships.kubernetes.cluster import KubernetesCluster
from herder.model.fleet.driver import Driver
from herder.model.fleet.pool import PoolSpec
from herder.model.values.resources import PLAIN
from herder.ports.bootstrap import Bootstrap, BootstrapContext
from herder.ports.cluster import Cluster as ClusterPort
from herder.ports.cluster import ClusterContext
from herder.remote.kubernetes.connection import Connection
from herder.remote.kubernetes.credentials import Access, GivenToken
from herder.remote.proxmox import ProxmoxClient
from herder.remote.talos.methods import ADMIN, Method, Reply, Request
from herder.remote.talos.talosconfig import Identity
from herder.simulate.chaos import World
from herder.simulate.chaos.actors.server import INSTALLATION, Server
from herder.simulate.chaos.faults.chance import stream
from herder.simulate.chaos.faults.kinds import Fault
from herder.simulate.chaos.hosts.clocks import EPOCH_MS
from herder.simulate.chaos.hosts.loop import HOST
from herder.simulate.chaos.ports.cluster_wire import ClusterWire
from herder.simulate.chaos.world import check_memory
from herder.testing.datacentre import Datacentre
from herder.testing.fakes.transport import InProcessTransport as ProxmoxTransport
from herder.testing.kubernetes import ADMIN_TOKEN, Away
from herder.testing.kubernetes.objects.resources import NODES, PODS
from herder.testing.kubernetes.running import LoopClock
from herder.testing.kubernetes.running import Running as RunningKubernetes
from herder.testing.kubernetes.transport import InProcessTransport as KubernetesTransport
from herder.testing.proxmox import TOKEN_SECRET, Vm
from herder.testing.proxmox import Rule as ProxmoxRule
from herder.testing.talos.faults import Fault as TalosFault
from herder.testing.talos.faults import Kind
from herder.testing.talos.in_process import MachinesWire
from tests.proxmox.simulated import ServerDied, label

DRIVER, BOOTSTRAP, CLUSTER = "proxmox", "talos", "prod"
#: Of one request, besides those of whole calls of the driver.
PROXMOX_FAULTS = (Fault.REFUSED, Fault.ANSWER_LOST, Fault.CUT_OFF)
TALOS_FAULTS = {
    Fault.REFUSED: Kind.REFUSE,
    Fault.REQUEST_LOST: Kind.HANG,
    Fault.CUT_OFF: Kind.LOSE_REQUEST,
    Fault.ANSWER_LOST: Kind.LOSE_ANSWER,
}
LOCK = "can't lock file '/var/lock/pve-manager/pve-storage-local-lvm' - got timeout"
TASKS = ("qmclone", "qmstart", "qmstop", "qmdestroy", "qmconfig", "resize")


class DatacentreWorld(World):
    def __init__(
        self,
        seed: int = 1,
        *,
        pools: tuple[PoolSpec, ...],
        request_faults: float = 0.0,
        talos: Mapping[str, str] | None = None,
        **more: Any,
    ) -> None:
        """`request_faults`: the odds of a fault for each request to Proxmox, Talos or Kubernetes. `talos`: settings of the bootstrap."""
        self.talos = dict(talos or {})
        self.centre = Datacentre(now_ms=EPOCH_MS)
        self.request_faults = request_faults
        self.doubled: list[str] = []
        """VMs that existed while another one was made for the same worker."""
        self.opened = 0
        self._files = tempfile.TemporaryDirectory(prefix="herder-")
        self._timer: asyncio.TimerHandle | None = None
        super().__init__(seed, pools=pools, **more)
        self.ends = self._check_memory
        self.times = LoopClock(self.loop, EPOCH_MS)
        self.kubernetes = RunningKubernetes(self.centre.kubernetes, self.loop, self.times)
        self.centre.time, self.centre.changed = self.times.now_ms, self.look
        self.centre.proxmox.state.hooks.append(self._vm_changed)

    def run(self, story: Callable[[World], Any]) -> Any:
        try:
            return super().run(story)
        finally:
            self.kubernetes.close()
            self._files.cleanup()

    def _check_memory(self, server: Server) -> None:
        """It may be called in the middle of a death, so what is wrong is raised at the end."""
        try:
            check_memory(server)
        except AssertionError as error:
            self.crashes.append(error)

    def check(self) -> None:
        if self.kubernetes.failure is not None:
            raise self.kubernetes.failure
        super().check()

    # --- one run of a server

    def _drivers(self) -> dict[str, Driver]:
        settings = ProxmoxSettings(
            url="https://pve.example:8006", token_id=self.centre.settings.token_id, worker_overhead_mib=512
        )
        wire = _ProxmoxWire(self, HOST.get(), ProxmoxTransport(self.centre.proxmox, self.times.now_ms))
        client = ProxmoxClient(settings.url, settings.token_id, TOKEN_SECRET, self.clock, transport=wire)
        return super()._drivers() | {DRIVER: ProxmoxDriver(settings, self._context(DRIVER), client)}

    def _bootstraps(self) -> dict[str, Bootstrap]:
        folder, address = Path(self._files.name), self.centre.control_plane_address
        talosconfig, base = folder / "talosconfig", folder / "worker.yaml"
        if not base.exists():
            talosconfig.write_text(self.centre.authority.talosconfig((address,), roles=(ADMIN,)))
            base.write_text(self.centre.authority.worker_base(f"https://{address}:6443"))
        return {
            BOOTSTRAP: make(
                TalosSettings(base_config=str(base), talosconfig=str(talosconfig), **self.talos),  # type: ignore[arg-type]
                BootstrapContext(name=BOOTSTRAP, installation=INSTALLATION, clock=self.clock),
                wire=_TalosWire(self, HOST.get()),
                environment={},
            )
        }

    def _clusters(self) -> dict[str, ClusterPort]:
        self.opened += 1
        wire = _KubernetesWire(self, HOST.get())
        access = Access(url="http://cluster", tokens=GivenToken(ADMIN_TOKEN))
        context = ClusterContext(
            installation=INSTALLATION,
            resources=PLAIN,
            clock=self.clock,
            chance=stream(self.dice.seed, f"cluster {self.opened}").random,
        )
        return {CLUSTER: KubernetesCluster(CLUSTER, Connection(CLUSTER, access, transport=wire), context)}

    def effect(self, host: str, what: str) -> bool:
        """Whether it may happen: the server that wants it is alive, and does not die here."""
        server = next((each for each in (self.server, self.stale) if each and each.host == host), None)
        return server is not None and server.effects.at(what)

    # --- what the datacentre does by itself

    def look(self) -> None:
        """Something may have changed: what is due is done, and a timer is set for what comes next."""
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self.loop.call_later(0.001, self._step, context=contextvars.Context())

    def _step(self) -> None:
        now_ms, self._timer = self.times.now_ms(), None
        parts = (self.centre.proxmox, self.centre.talos)
        for part in parts:
            part.step(now_ms)
        due = [each for each in (part.step(now_ms) for part in parts) if each is not None]
        self.kubernetes.poke()
        if due and self._timer is None:
            wait_s = max(0.001, (min(due) - now_ms) / 1000)
            self._timer = self.loop.call_later(wait_s, self._step, context=contextvars.Context())

    def _vm_changed(self, what: str, vm: Vm) -> None:
        self.trace("vm", what, vm.name)

    def note_clone(self, request: httpx.Request) -> None:
        asked = dict(parse_qsl(request.content.decode()))
        others = [vm.vmid for vm in self.vms() if vm.name == asked["name"] and vm.vmid != int(asked["newid"])]
        self.doubled += [asked["name"]] * len(others)

    # --- people

    def without_pools(self) -> None:
        """A server that starts from now on applies none: they are to be deleted."""
        self._pools = ()

    def ask(self, method: str, path: str, body: Any = None) -> tuple[int, Any]:
        """Kubernetes, as a person. While the API is away, the answer is 503."""
        try:
            return self.centre.kubernetes.ask(method, path, self.times.now_ms(), body)
        except Away:
            return 503, {}
        finally:
            self.kubernetes.poke()

    # --- looking

    def vms(self) -> list[Vm]:
        return [vm for vm in self.centre.proxmox.state.vms.values() if not vm.template]

    def nodes(self) -> list[str]:
        """Those of workers."""
        found = (each.decode() for each in self.centre.kubernetes.store.all(NODES))
        return sorted(
            each["metadata"]["name"]
            for each in found
            if each["spec"].get("providerID", "").startswith("proxmox://")
        )

    def pods(self) -> dict[str, Mapping[str, Any]]:
        """Those that have not ended."""
        found = (each.decode() for each in self.centre.kubernetes.store.all(PODS, "default"))
        ended = ("Succeeded", "Failed")
        return {
            each["metadata"]["name"]: each
            for each in found
            if each.get("status", {}).get("phase") not in ended
        }

    def left_over(self) -> list[str]:
        return self.centre.left_over()

    def left(self) -> str:
        return f"{super().left()}, {self.left_over()}"


def _plain(what: str) -> str:
    """Without the name of an image."""
    return f"{what.split(maxsplit=1)[0]} iso" if what.endswith(".iso") else what


class _ProxmoxWire(httpx.BaseTransport):
    def __init__(self, world: DatacentreWorld, host: str, cluster: httpx.BaseTransport) -> None:
        self._world, self._host, self._cluster = world, host, cluster

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        world, what = self._world, f"proxmox {_plain(label(request.method, request.url.path))}"
        if not world.effect(self._host, f"before {what}"):
            raise ServerDied(what)
        fault = world.dice.fault("proxmox", what, world.request_faults, PROXMOX_FAULTS)
        if fault is Fault.REFUSED:
            raise httpx.ConnectError("refused", request=request)
        if request.method == "POST":
            self._disturb_a_task()
        answer = self._cluster.handle_request(request)
        if what == "proxmox POST clone" and answer.status_code == 200:
            world.note_clone(request)
        world.look()
        if not world.effect(self._host, f"after {what}"):
            raise ServerDied(what)
        if fault is Fault.ANSWER_LOST:
            raise httpx.ReadError("the answer was lost", request=request)
        if (
            fault is Fault.CUT_OFF
        ):  # the node that was asked through another one did it, and its answer did not come back
            broken = {"reason_phrase": b"Broken pipe"}
            return httpx.Response(596, json={"data": None}, extensions=broken, request=request)
        return answer

    def _disturb_a_task(self) -> None:
        """Of the tasks of one kind the next one fails, or takes long."""
        world = self._world
        if world.dice.happens("proxmox task fails", world.request_faults):
            kind = world.dice.of("tasks").choice(TASKS)
            world.centre.proxmox.faults.add(ProxmoxRule(task=kind, text=LOCK))
        if world.dice.happens("proxmox task is late", world.request_faults):
            draw = world.dice.of("tasks")
            delay_ms = int(draw.uniform(10_000, 600_000))
            world.centre.proxmox.faults.add(ProxmoxRule(task=draw.choice(TASKS), delay_ms=delay_ms))


class _TalosWire(MachinesWire):
    def __init__(self, world: DatacentreWorld, host: str) -> None:
        super().__init__(world.centre.talos, lambda: world.times.now_ms(), world.look)  # noqa: PLW0108 - it is made later
        self._world, self._host = world, host

    async def call(
        self,
        address: str,
        identity: Identity | None,
        method: Method[Request, Reply],
        request: Request,
        *,
        metadata: Mapping[str, str],
        deadline_s: float,
        bytes_max: int,
    ) -> list[Reply]:
        world, what = self._world, f"talos {method.name}"
        await self._lives(f"before {what}")
        fault = world.dice.fault("talos", what, world.request_faults, tuple(TALOS_FAULTS))
        faults = world.centre.talos.faults
        mine = None if fault is Fault.NONE else TalosFault(kind=TALOS_FAULTS[fault], method=method.name)
        if mine is not None:
            faults.insert(0, mine)
        try:
            found: list[Any] = await super().call(
                address, identity, method, request, metadata=metadata, deadline_s=deadline_s, bytes_max=bytes_max
            )  # fmt: skip
        finally:
            if mine is not None:
                faults.remove(mine)
            await self._lives(f"after {what}")
        return found

    async def _lives(self, what: str) -> None:
        if not self._world.effect(self._host, what):
            await asyncio.get_running_loop().create_future()  # it is dead: nothing goes on


class _KubernetesWire(ClusterWire):
    def __init__(self, world: DatacentreWorld, host: str) -> None:
        super().__init__(_Api(world), world.dice, lambda _method, _path: None, world.request_faults)
        self._world, self._host = world, host

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        kind = request.url.path.rstrip("/").split("/")[-1]
        what = f"kubernetes {request.method} {kind if request.method == 'GET' else 'object'}"
        await self._lives(f"before {what}")
        found = await super().handle_async_request(request)
        await self._lives(f"after {what}")
        return found

    async def _lives(self, what: str) -> None:
        if not self._world.effect(self._host, what):
            await asyncio.get_running_loop().create_future()


class _Api(httpx.AsyncBaseTransport):
    """The world has its API only when it is whole."""

    def __init__(self, world: DatacentreWorld) -> None:
        self._world = world

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        return await KubernetesTransport(self._world.kubernetes).handle_async_request(request)
