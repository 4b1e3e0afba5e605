"""The simulated world whose provider is a played cloud, reached by the real driver: each of its calls is an effect of the server.

A server that dies in the middle of a verb makes no further call. The cloud lives on: its operations end when they are due, and the agent of a VM starts with what
the start script says, when the VM runs.
"""

from __future__ import annotations

import asyncio
import contextvars
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import httpx

from herder.agent.environment.settings import from_environment
from herder.model.fleet.driver import Driver, DriverContext
from herder.model.fleet.pool import PoolSize, PoolSpec, ScaleDown, ScaleUp, SpotUse, WorkerLifetime, Zone
from herder.model.ids import PoolName
from herder.model.values.resources import Resources
from herder.remote.clouds.facts import Facts
from herder.simulate.chaos import World
from herder.simulate.chaos.actors.agents import UNCUT
from herder.simulate.chaos.faults.kinds import Fault
from herder.simulate.chaos.hosts.loop import HOST
from herder.simulate.chaos.small_fleet import SMALL
from herder.testing.fakes import InProcessTransport
from herder.testing.fakes.user_data import variables_in
from herder.wire.worker import startup

#: From the start of a VM until its agent runs.
BOOT_S = 5.0
#: Of one call, beside those of whole verbs of the driver.
CALL_FAULTS = (Fault.REFUSED, Fault.ANSWER_LOST, Fault.CUT_OFF)
DISK_MIB = 30_720


def pool_of(driver: str, options: tuple[tuple[str, str], ...], zones: Sequence[str]) -> PoolSpec:
    return PoolSpec(
        name=PoolName("burst"),
        driver=driver,
        driver_options=options,
        templates=(replace(SMALL, zones=tuple(Zone(name=zone) for zone in zones), spot=SpotUse.PREFER),),
        size=PoolSize(max_workers=4),
        scale_up=ScaleUp(offer_backoff_max_s=300.0),
        scale_down=ScaleDown(idle_timeout_s=300.0),
        lifetime=WorkerLifetime(dead_after_s=60.0, boot_timeout_s=300.0, drain_grace_s=20.0),
    )


class ServerDied(Exception):
    """Ends the verb of a driver whose server is dead."""


class GivenToken:
    def __init__(self, token: str) -> None:
        self._token = token

    def sign(self, request: httpx.Request) -> None:
        request.headers["Authorization"] = f"Bearer {self._token}"

    def refused(self) -> bool:
        return False


class CloudWorld(World):
    """What is the provider's own is below."""

    DRIVER = ""

    def __init__(
        self, cloud: Any, seed: int, *, pools: tuple[PoolSpec, ...], call_faults: float = 0.0, **more: Any
    ) -> None:
        self.cloud: Any = cloud
        self.state: Any = getattr(cloud, "state", cloud)
        self.call_faults = call_faults
        self.state.hooks.append(self._happened)
        self._timer: asyncio.TimerHandle | None = None
        super().__init__(seed, pools=pools, **more)

    # --- the provider's own

    def opened(self, context: DriverContext, wire: httpx.BaseTransport) -> Driver:
        raise NotImplementedError

    def vms(self) -> list[Any]:
        raise NotImplementedError

    def facts_of(self, vm: Any) -> Facts:
        raise NotImplementedError

    def script_of(self, vm: Any) -> str:
        raise NotImplementedError

    def cores_and_mib(self, vm: Any) -> tuple[int, int]:
        raise NotImplementedError

    def is_on(self, vm: Any) -> bool:
        raise NotImplementedError

    def switch_off(self, vm: Any) -> None:
        """As its system does it, or a person."""
        raise NotImplementedError

    def left_over(self) -> list[str]:
        """Everything of workers that the cloud still has."""
        raise NotImplementedError

    def label(self, method: str, path: str) -> str:
        """`POST instances`, `GET operation`: the call without the names in it."""
        raise NotImplementedError

    def call_of(self, request: httpx.Request) -> str:
        return self.label(request.method, request.url.path)

    # --- what the cloud does by itself

    def _drivers(self) -> dict[str, Driver]:
        wire = _Wire(self, HOST.get(), InProcessTransport(self.cloud, self.clock.true_ms))
        return super()._drivers() | {self.DRIVER: self.opened(self._context(self.DRIVER), wire)}

    def look(self) -> None:
        """Sets the timer for what is due next."""
        due_ms = self.cloud.step(self.clock.true_ms())
        if self._timer is not None:
            self._timer.cancel()
        self._timer = None
        if due_ms is not None:
            wait_s = max(0.001, (due_ms - self.clock.true_ms()) / 1000)
            self._timer = self.loop.call_later(wait_s, self.look, context=contextvars.Context())

    def _happened(self, what: str, vm: Any) -> None:
        worker = self.facts_of(vm).worker
        if what in ("reset", "off", "gone"):
            self.kill(vm)
        if what in ("running", "reset"):
            self.loop.call_later(BOOT_S, self._boot, vm, context=contextvars.Context())
        self.trace("vm", what, worker)

    def kill(self, vm: Any) -> None:
        worker = self.facts_of(vm).worker
        if worker in self.machines.agents:
            self.machines.kill(worker, machine_stays=True)

    def _boot(self, vm: Any) -> None:
        if vm not in self.vms() or not self.is_on(vm):
            return
        variables = variables_in(self.script_of(vm)) | {startup.WORK_FOLDER: str(UNCUT)}
        variables.pop(startup.NOTICE_URL, None)  # there is no metadata server in this world
        cores, mib = self.cores_and_mib(vm)
        size = Resources(cores * 1000, mib, DISK_MIB)
        self.machines.begin_agent(
            from_environment(variables), size, asyncio.Event(), lambda _code: self.switch_off(vm)
        )

    # --- looking

    def doubled(self) -> list[str]:
        """Workers with more than one VM."""
        workers = [self.facts_of(vm).worker for vm in self.vms()]
        return [worker for worker in set(workers) if workers.count(worker) > 1]

    def at_rest(self) -> bool:
        return super().at_rest() and not self.left_over()

    def left(self) -> str:
        return f"{super().left()}, {self.left_over()}"


class _Wire(httpx.BaseTransport):
    """Of one run of a server: it can die before and after each call, and a call can fail."""

    def __init__(self, world: CloudWorld, host: str, cloud: httpx.BaseTransport) -> None:
        self._world, self._host, self._cloud = world, host, cloud

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        world = self._world
        what = f"{world.DRIVER} {world.call_of(request)}"
        self._effect(f"before {what}")
        fault = world.dice.fault(world.DRIVER, what, world.call_faults, CALL_FAULTS)
        if fault is Fault.REFUSED:
            raise httpx.ConnectError("refused", request=request)
        answer = self._cloud.handle_request(request)
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
