"""The simulated world whose provider is a played Proxmox cluster, reached by the real driver: each of its calls is an effect of the server.

A server that dies in the middle of a verb makes no further call. The cluster lives on: its tasks end when they are due, and the agent
of a VM starts with what the image in its CD-ROM drive says, when it has booted.
"""

import asyncio
import contextvars
import io
import json
import re
from collections.abc import Mapping
from dataclasses import replace
from typing import Any
from urllib.parse import parse_qsl

import httpx
import pycdlib

from herder.agent.environment.settings import from_environment
from herder.drivers.proxmox import ProxmoxDriver, ProxmoxSettings
from herder.model.fleet.driver import Driver
from herder.model.fleet.pool import PoolSize, PoolSpec, ScaleDown, WorkerLifetime
from herder.model.ids import PoolName
from herder.model.values.resources import Resources
from herder.remote.proxmox import ProxmoxClient
from herder.simulate.chaos import World
from herder.simulate.chaos.actors.agents import UNCUT
from herder.simulate.chaos.hosts.loop import HOST
from herder.simulate.chaos.small_fleet import SMALL
from herder.testing.fakes.transport import InProcessTransport
from herder.testing.proxmox import TOKEN_ID, TOKEN_SECRET, Proxmox, Storage, Token, Vm, small_cluster
from herder.wire.worker import startup

DRIVER = "proxmox"
SETTINGS = ProxmoxSettings(url="https://pve.example:8006", token_id=TOKEN_ID)
#: From the start of a VM until its agent runs.
BOOT_S = 5.0
POOL = PoolSpec(
    name=PoolName("burst"),
    driver=DRIVER,
    driver_options=(("template", "talos-worker"), ("disk", "30GiB")),
    templates=(SMALL,),
    size=PoolSize(max_workers=2),
    scale_down=ScaleDown(idle_timeout_s=20.0),
    lifetime=WorkerLifetime(dead_after_s=30.0, boot_timeout_s=200.0, drain_grace_s=20.0),
)


class ServerDied(Exception):
    """Ends the verb of a driver whose server is dead."""


class ProxmoxWorld(World):
    def __init__(
        self,
        seed: int = 1,
        *,
        pools: tuple[PoolSpec, ...] = (POOL,),
        proxmox: Mapping[str, Any] | None = None,
        secret: str = TOKEN_SECRET,
        **more: Any,
    ) -> None:
        self.cluster = Proxmox(small_cluster(), now_ms=0)
        self.cluster.state.hooks.append(self._happened)
        self._proxmox, self.secret = replace(SETTINGS, **(proxmox or {})), secret
        self._timer: asyncio.TimerHandle | None = None
        self.doubled: list[str] = []
        """VMs that existed while another one was made for the same worker."""
        self.clones: dict[int, str] = {}
        """By VMID: the name that was asked for."""
        super().__init__(seed, pools=pools, **more)

    def _drivers(self) -> dict[str, Driver]:
        transport = _Wire(self, HOST.get(), InProcessTransport(self.cluster, self.clock.true_ms))
        settings = self._proxmox
        client = ProxmoxClient(settings.url, settings.token_id, self.secret, self.clock, transport=transport)
        return super()._drivers() | {DRIVER: ProxmoxDriver(settings, self._context(DRIVER), client)}

    # --- what the cluster does by itself

    def after_a_call(self) -> None:
        """Sets the timer for the next task that ends."""
        due_ms = self.cluster.step(self.clock.true_ms())
        if self._timer is not None:
            self._timer.cancel()
        self._timer = None
        if due_ms is not None:
            wait_s = max(0.001, (due_ms - self.clock.true_ms()) / 1000)
            self._timer = self.loop.call_later(wait_s, self.after_a_call, context=contextvars.Context())

    def _happened(self, what: str, vm: Vm) -> None:
        name = vm.name
        if what in ("started", "rebooted"):
            self.kill_agent(vm)
            at_ms = vm.started_ms
            self.loop.call_later(BOOT_S, self._boot, vm, at_ms, context=contextvars.Context())
        elif what in ("stopped", "deleted"):
            self.kill_agent(vm)
        self.trace("vm", what, name)

    def _worker(self, vm: Vm) -> str:
        return vm.name.rpartition("-")[0]

    def kill_agent(self, vm: Vm) -> None:
        if self._worker(vm) in self.machines.agents:
            self.machines.kill(self._worker(vm), machine_stays=True)

    def _boot(self, vm: Vm, started_ms: int) -> None:
        still = self.cluster.state.vms.get(vm.vmid)
        image = self.cluster.boot_image(vm) if still is vm and vm.running else None
        if image is None or vm.started_ms != started_ms:
            return
        variables = variables_of(image) | {startup.WORK_FOLDER: str(UNCUT)}
        size = Resources(vm.cores * 1000, vm.memory_mib, 30_720)
        self.machines.begin_agent(from_environment(variables), size, asyncio.Event(), lambda _code: None)

    # --- changing

    @staticmethod
    def fresh_tokens() -> dict[str, Token]:
        return small_cluster().tokens

    def add_storage(self, name: str) -> None:
        """On each node."""
        for node in self.cluster.state.nodes:
            self.cluster.state.storages[node, name] = Storage(name=name, node=node)

    async def pause(self, seconds: float) -> None:
        await asyncio.sleep(seconds)

    # --- looking

    def vms(self) -> list[Vm]:
        return [vm for vm in self.cluster.state.vms.values() if not vm.template]

    def left_over(self) -> list[str]:
        """Everything of workers that the cluster still has."""
        state = self.cluster.state
        found = [f"VM {vm.vmid} {vm.name} {vm.lock}".rstrip() for vm in self.vms()]
        found += [f"ISO {name}" for storage in state.storages.values() for name in storage.files]
        found += [
            f"volume {name}"
            for storage in state.storages.values()
            for name in storage.volumes
            if not name.startswith("base-") and name not in storage.files
        ]
        return found + [f"task {task.upid}" for task in state.tasks.values() if not task.exit_status]

    def at_rest(self) -> bool:
        return super().at_rest() and not self.left_over()

    def left(self) -> str:
        return f"{super().left()}, {self.left_over()}"


class _Wire(httpx.BaseTransport):
    """Of one run of a server: it can die before and after each call."""

    def __init__(self, world: ProxmoxWorld, host: str, cluster: httpx.BaseTransport) -> None:
        self._world, self._host, self._cluster = world, host, cluster

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        what = label(request.method, request.url.path)
        self._effect(f"before {what}")
        answer = self._cluster.handle_request(request)
        if what == "POST clone" and answer.status_code == 200:
            self._note_clone(request)
        self._world.after_a_call()
        self._effect(f"after {what}")
        return answer

    def _effect(self, what: str) -> None:
        server = self._world.server
        if server is None or server.host != self._host or not server.effects.at(what):
            raise ServerDied(what)

    def _note_clone(self, request: httpx.Request) -> None:
        asked = dict(parse_qsl(request.content.decode()))
        name, vmid, world = asked["name"], int(asked["newid"]), self._world
        for other, theirs in world.clones.items():
            if theirs == name and other != vmid and other in world.cluster.state.vms:
                world.doubled.append(name)
        world.clones[vmid] = name


def label(method: str, path: str) -> str:
    """`GET config`, `POST clone`, `GET task`: the call without the names in it."""
    plain = re.sub(r"/(pve\d|\d+|local(-lvm)?|UPID[^/]*|local(:|%3A)[^/]*)(?=/|$)", "", path)
    return f"{method} {plain.rsplit('/', 1)[-1]}"


def variables_of(image: bytes) -> dict[str, str]:
    """What cloud-init would write for the agent."""
    disc, out = pycdlib.PyCdlib(), io.BytesIO()
    disc.open_fp(io.BytesIO(image))
    disc.get_file_from_iso_fp(out, joliet_path="/user-data")
    disc.close()
    config = json.loads(out.getvalue().decode().removeprefix("#cloud-config\n"))
    lines = config["write_files"][0]["content"].splitlines()
    return dict(line.split("=", 1) for line in lines)
