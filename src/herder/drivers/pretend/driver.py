"""The pretend driver: a whole provider in memory, with boot times and faults on demand. For tests, simulation and demos.

It has no threads and no clock; `PretendWorld` holds the machines and is where a test makes things go wrong. What it makes runs
nothing: who wants agents asks `world.newly_booted()`.
"""

import json
import os
import zlib
from collections.abc import Callable, Sequence
from typing import TypeVar

from herder.drivers.pretend.settings import PretendSettings
from herder.drivers.pretend.world import PretendMachine, PretendWorld
from herder.model.driver import InvalidRequest, Machine, NotFound, OutOfCapacity, StartData
from herder.model.ids import WorkerName
from herder.model.worker import WorkerSpec

_Answer = TypeVar("_Answer")


class PretendDriver:
    def __init__(self, settings: PretendSettings, world: PretendWorld | None = None) -> None:
        self._settings = settings
        self.world = world or PretendWorld()

    @property
    def name(self) -> str:
        return self._settings.name

    def create(self, spec: WorkerSpec, start: StartData) -> Machine:
        return self._call("create", spec.name, lambda: self._create(spec, start))

    def delete(self, worker: WorkerName) -> None:
        def remove() -> None:
            self._find(worker)
            del self.world.machines[self._settings.installation, worker]

        self._call("delete", worker, remove)

    def get(self, worker: WorkerName) -> Machine:
        return self._call("get", worker, lambda: self._view(self._find(worker)))

    def list(self) -> Sequence[Machine]:
        return self._call("list", "", self._list)

    def console(self, worker: WorkerName) -> str:
        return self._call("console", worker, lambda: "\n".join(self._find(worker).printed))

    def health(self) -> None:
        self._call("health", "", lambda: None)

    # --- inside

    def _call(self, verb: str, worker: str, act: Callable[[], _Answer]) -> _Answer:
        with self.world.lock:
            fault = self.world.due_fault(verb, worker)
            if fault is not None and not fault.after:
                raise fault.error
            answer = act()
            if fault is not None:
                raise fault.error
            return answer

    def _create(self, spec: WorkerSpec, start: StartData) -> Machine:
        if not spec.name or "/" in spec.name:
            raise InvalidRequest(f"{self.name}: {spec.name!r} is no name for a machine")
        machines = self.world.machines
        key = (self._settings.installation, spec.name)
        if key not in machines:
            if len(machines) >= self._settings.machines_most:
                raise OutOfCapacity(f"{self.name} has no room for more than {len(machines)} machines")
            if not self.world.sells(spec.zone, spec.spot, self._settings.spot_machines_most):
                market = "spot" if spec.spot else "on-demand"
                raise OutOfCapacity(f"{self.name} has no {market} machines left in zone {spec.zone or 'any'}")
            self.world.made += 1
            machines[key] = PretendMachine(
                spec=spec,
                start=start,
                installation=self._settings.installation,
                handle=f"pretend-{self.world.made}",
                booted_at_ms=self.world.now_ms() + self._boot_ms(spec.name),
                printed=[f"{spec.name}: power on"],
            )
            self._show(spec.name, start)
        return self._view(machines[key])

    def _show(self, worker: WorkerName, start: StartData) -> None:
        """Write the start data for whoever plays the agents; whole or not at all."""
        folder = self._settings.start_data_folder
        if folder is None:
            return
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        draft = folder / f"{worker}.new"
        said = {
            "server_url": start.server_url,
            "activation_token": start.activation_token,
            "self_delete_after_s": start.self_delete_after_s,
        }
        with os.fdopen(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "w") as file:
            json.dump(said, file)
        draft.rename(folder / f"{worker}.json")

    def _find(self, worker: WorkerName) -> PretendMachine:
        machine = self.world.machines.get((self._settings.installation, worker))
        if machine is None:
            raise NotFound(f"{self.name} has no machine for worker {worker}")
        return machine

    def _list(self) -> Sequence[Machine]:
        mine = self._settings.installation
        return [self._view(each) for (owner, _), each in sorted(self.world.machines.items()) if owner == mine]

    def _view(self, machine: PretendMachine) -> Machine:
        """Running from the moment it exists until it is halted, as providers say it; `detail` tells a booting one apart."""
        booting = machine.running and machine.booted_at_ms > self.world.now_ms()
        return Machine(
            worker=machine.spec.name,
            handle=machine.handle,
            running=machine.running,
            detail="booting" if booting else "" if machine.running else "halted",
        )

    def _boot_ms(self, worker: str) -> int:
        share = zlib.crc32(worker.encode()) / 2**32 * 2 - 1
        return round(self._settings.boot_s * 1000 * (1 + share * self._settings.boot_spread))
