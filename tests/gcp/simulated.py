"""The simulated world whose provider is a played project of Google Cloud, reached by the real driver: each of its calls is an effect of the server.

A server that dies in the middle of a verb makes no further call. The project lives on: its operations end when they are due, and the agent of a VM starts with what
the start script says, when the VM runs.
"""

from __future__ import annotations

import asyncio
import contextvars
import re
import shlex
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import httpx

from herder.agent.environment.settings import from_environment
from herder.drivers.gcp import GcpSettings
from herder.drivers.gcp.instances import FACTS_KEY
from herder.drivers.gcp.opening import opened
from herder.model.fleet.driver import Driver
from herder.model.fleet.pool import PoolSize, PoolSpec, ScaleDown, ScaleUp, SpotUse, WorkerLifetime, Zone
from herder.model.ids import PoolName
from herder.model.values.resources import Resources
from herder.remote.clouds.facts import Facts, facts_in
from herder.simulate.chaos import World
from herder.simulate.chaos.actors.agents import UNCUT
from herder.simulate.chaos.actors.server import INSTALLATION
from herder.simulate.chaos.faults.kinds import Fault
from herder.simulate.chaos.hosts.loop import HOST
from herder.simulate.chaos.small_fleet import SMALL
from herder.testing.fakes import InProcessTransport
from herder.testing.gcp import PROJECT, TOKEN, Gcp, Vm
from herder.testing.gcp.settings import IMAGE
from herder.wire.worker import startup

DRIVER = "google"
ZONES = ("europe-west4-a", "europe-west4-b", "us-central1-a")
SETTINGS = GcpSettings(
    project=PROJECT, zones=", ".join(ZONES), image=IMAGE, calls_per_s=1_000, max_run_hours=12.0
)
#: From the start of a VM until its agent runs.
BOOT_S = 5.0
#: Of one call, beside those of whole verbs of the driver.
CALL_FAULTS = (Fault.REFUSED, Fault.ANSWER_LOST, Fault.CUT_OFF)
POOL = PoolSpec(
    name=PoolName("burst"),
    driver=DRIVER,
    driver_options=(("machine_type", "n2-standard-2"),),
    templates=(replace(SMALL, zones=tuple(Zone(name=zone) for zone in ZONES), spot=SpotUse.PREFER),),
    size=PoolSize(max_workers=4),
    scale_up=ScaleUp(offer_backoff_max_s=300.0),
    scale_down=ScaleDown(idle_timeout_s=300.0),
    lifetime=WorkerLifetime(dead_after_s=60.0, boot_timeout_s=300.0, drain_grace_s=20.0),
)


class ServerDied(Exception):
    """Ends the verb of a driver whose server is dead."""


class _Token:
    def sign(self, request: httpx.Request) -> None:
        request.headers["Authorization"] = f"Bearer {TOKEN}"

    def refused(self) -> bool:
        return False


class GcpWorld(World):
    def __init__(
        self,
        seed: int = 1,
        *,
        pools: tuple[PoolSpec, ...] = (POOL,),
        call_faults: float = 0.0,
        **more: Any,
    ) -> None:
        self.gcp = Gcp()
        self.call_faults = call_faults
        self.gcp.state.hooks.append(self._happened)
        self._timer: asyncio.TimerHandle | None = None
        super().__init__(seed, pools=pools, **more)

    def _drivers(self) -> dict[str, Driver]:
        wire = _Wire(self, HOST.get(), InProcessTransport(self.gcp, self.clock.true_ms))
        made = opened(SETTINGS, self._context(DRIVER), _Token(), transport=wire, pause=lambda _s: None)
        return super()._drivers() | {DRIVER: made}

    # --- what the project does by itself

    def look(self) -> None:
        """Sets the timer for what is due next."""
        due_ms = self.gcp.step(self.clock.true_ms())
        if self._timer is not None:
            self._timer.cancel()
        self._timer = None
        if due_ms is not None:
            wait_s = max(0.001, (due_ms - self.clock.true_ms()) / 1000)
            self._timer = self.loop.call_later(wait_s, self.look, context=contextvars.Context())

    def _happened(self, what: str, vm: Vm) -> None:
        worker = self.worker_of(vm)
        if what in ("reset", "gone"):
            self.kill(vm)
        if what in ("running", "reset"):
            self.loop.call_later(BOOT_S, self._boot, vm, context=contextvars.Context())
        self.trace("vm", what, worker)

    def facts_of(self, vm: Vm) -> Facts:
        found = facts_in(vm.metadata[FACTS_KEY], INSTALLATION)
        assert found is not None
        return found

    def worker_of(self, vm: Vm) -> str:
        return self.facts_of(vm).worker

    def kill(self, vm: Vm) -> None:
        worker = self.worker_of(vm)
        if worker in self.machines.agents:
            self.machines.kill(worker, machine_stays=True)

    def _boot(self, vm: Vm) -> None:
        if self.gcp.state.vms.get((vm.zone, vm.name)) is not vm or vm.status != "RUNNING":
            return
        variables = variables_of(vm.metadata["startup-script"]) | {startup.WORK_FOLDER: str(UNCUT)}
        variables.pop(startup.NOTICE_URL, None)  # there is no metadata server in this world

        def ended(_code: int) -> None:
            vm.status = "TERMINATED"

        size = Resources(vm.machine_type.cpus * 1000, vm.machine_type.memory_mib, 30_720)
        self.machines.begin_agent(from_environment(variables), size, asyncio.Event(), ended)

    # --- looking

    def left_over(self) -> list[str]:
        """Everything of workers that the project still has."""
        state = self.gcp.state
        found = [f"VM {vm.name} {vm.status}" for vm in state.vms.values()]
        return found + [f"disk {name}" for _, name in state.disks]

    def doubled(self) -> list[str]:
        """Workers with more than one VM."""
        workers = [self.worker_of(vm) for vm in self.gcp.state.vms.values()]
        return [worker for worker in set(workers) if workers.count(worker) > 1]

    def at_rest(self) -> bool:
        return super().at_rest() and not self.left_over()

    def left(self) -> str:
        return f"{super().left()}, {self.left_over()}"


class _Wire(httpx.BaseTransport):
    """Of one run of a server: it can die before and after each call, and a call can fail."""

    def __init__(self, world: GcpWorld, host: str, gcp: httpx.BaseTransport) -> None:
        self._world, self._host, self._gcp = world, host, gcp

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        world, what = self._world, f"gcp {label(request.method, request.url.path)}"
        self._effect(f"before {what}")
        fault = world.dice.fault("gcp", what, world.call_faults, CALL_FAULTS)
        if fault is Fault.REFUSED:
            raise httpx.ConnectError("refused", request=request)
        answer = self._gcp.handle_request(request)
        world.look()
        self._effect(f"after {what}")
        if fault is Fault.ANSWER_LOST:
            raise httpx.ReadError("the answer was lost", request=request)
        if fault is Fault.CUT_OFF:  # it has acted, and its front end answers with an error
            return httpx.Response(502, content=b"<html>Bad Gateway</html>", request=request)
        return answer

    def _effect(self, what: str) -> None:
        server = next(
            (each for each in (self._world.server, self._world.stale) if each and each.host == self._host),
            None,
        )
        if server is None or not server.effects.at(what):
            raise ServerDied(what)


def label(method: str, path: str) -> str:
    """`POST instances`, `GET operation`: the call without the names in it."""
    found = re.search(
        r"/(instances|operations|disks|zones|regions|machineTypes|skus)(/[^/]+)?(/reset|/serialPort)?$", path
    )
    assert found is not None, path
    kind = found[1].removesuffix("s") if found[2] else found[1]
    return f"{method} {found[3][1:] if found[3] else kind}"


def variables_of(script: str) -> Mapping[str, str]:
    """What the start script tells the agent."""
    lines = [shlex.split(line) for line in script.splitlines() if line.startswith("export ")]
    return dict(words[1].split("=", 1) for words in lines)
