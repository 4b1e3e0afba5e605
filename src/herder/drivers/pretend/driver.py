"""The pretend driver: a provider in memory, with boot times and with faults on request. For tests, simulation and demos.

It has no threads and no clock; `PretendWorld` holds the machines and is where a test makes things go wrong. What it makes runs
nothing: who wants agents asks `world.newly_booted()`.
"""

import json
import os
import zlib
from collections.abc import Callable, Mapping
from typing import TypeVar, cast

from herder.drivers.pretend.settings import PretendSettings
from herder.drivers.pretend.steps import NEVER_MS, durations_s, steps_from
from herder.drivers.pretend.world import Fault, PretendMachine, PretendWorld
from herder.model.fleet.creation import Step
from herder.model.fleet.driver import (
    DriverContext,
    InvalidRequest,
    Listing,
    Machine,
    NotFound,
    OutOfCapacity,
    Phase,
    StartData,
    tags_of,
)
from herder.model.fleet.worker import WorkerSpec
from herder.model.ids import WorkerName
from herder.model.values.phrases import counted

_Answer = TypeVar("_Answer")

#: What most calls meet.
NO_FAULT = Fault(verb="")


class PretendDriver:
    def __init__(
        self,
        settings: PretendSettings,
        world: PretendWorld | None = None,
        context: DriverContext | None = None,
    ) -> None:
        self.settings = settings
        self._context = context or DriverContext(name="pretend")
        self.world = world or PretendWorld()

    @property
    def name(self) -> str:
        return self._context.name

    @property
    def deadlines_s(self) -> Mapping[str, float]:
        if self.settings.deadline_s is None:
            return {}
        return dict.fromkeys(
            (
                "create",
                "get",
                "delete",
                "list",
                "health",
                "console",
                "reboot",
                "restart_service",
                "interruptions",
            ),
            self.settings.deadline_s,
        )

    @property
    def steps(self) -> tuple[Step, ...]:
        return tuple(durations_s(self.settings))

    def create(self, spec: WorkerSpec, start: StartData) -> Machine:
        return self._call("create", spec.name, lambda: self._create(spec, start))

    def get(self, worker: WorkerName, operation: str = "") -> Machine:
        def find() -> Machine:
            self.world.asked(worker, operation)
            machine = self._find(worker)
            if self.world.hidden(machine, self.world.get_lag_s):
                raise NotFound(f"Driver {self.name} has no machine for worker {worker}.")
            return self._view(machine)

        return self._call("get", worker, find)

    def delete(self, worker: WorkerName) -> Machine:
        return self._call("delete", worker, lambda: self._delete(worker))

    def list(self) -> Listing:
        return self._call("list", "", self._list)

    def console(self, worker: WorkerName) -> str:
        return self._call("console", worker, lambda: "\n".join(self._find(worker).printed))

    def health(self) -> None:
        self._call("health", "", lambda: None)

    # --- inside

    def _call(self, verb: str, worker: str, act: Callable[[], _Answer]) -> _Answer:
        """Meets at most one fault. Where it hangs, the rest of the world goes on."""
        with self.world.lock:
            fault = self.world.due_fault(verb, worker) or NO_FAULT
        if not fault.after:
            fault.wait()
            if fault.error is not None:
                raise fault.error
            if fault.answers:
                return cast(_Answer, fault.answer)
        with self.world.lock:
            self.world.settle()
            answer = act()
            if fault.doubled:
                answer = act()
        if fault.after:
            fault.wait()
            if fault.error is not None:
                raise fault.error
        return answer

    def _create(self, spec: WorkerSpec, start: StartData) -> Machine:
        if not spec.name or "/" in spec.name:
            raise InvalidRequest(f"{spec.name!r} is not a valid name of a machine.")
        machines = self.world.machines
        key = (self._context.installation, spec.name)
        if key not in machines:
            if len(machines) >= self.settings.machines_most:
                raise OutOfCapacity(
                    f"Driver {self.name} has {counted(len(machines), 'machine')}, the maximum (machines_most).",
                    spec.zone,
                )
            if not self.world.sells(spec.zone, spec.spot, self.settings.spot_machines_most):
                market = "spot" if spec.spot else "on-demand"
                raise OutOfCapacity(
                    f"Driver {self.name} has no {market} capacity in {'zone ' + spec.zone if spec.zone else 'any zone'}.",
                    spec.zone,
                )
            self.world.made += 1
            now_ms = self.world.now_ms()
            boot_ms = self._boot_ms(spec.name)
            steps = steps_from(now_ms, self.settings, boot_ms, self.world.faults_of_steps(spec.name))
            booted_ms = steps.over_ms + (0 if self.settings.waits_for_boot else boot_ms)
            machines[key] = PretendMachine(
                spec=spec,
                start=start,
                installation=self._context.installation,
                handle=f"pretend-{self.world.made}",
                asked_at_ms=now_ms,
                steps=steps,
                booted_at_ms=booted_ms if steps.fails is None else NEVER_MS,
                printed=[f"{spec.name}: power on"],
            )
            self._show(spec.name, start)
        return self._view(machines[key])

    def _delete(self, worker: WorkerName) -> Machine:
        machine = self._find(worker)
        if machine.gone_at_ms is None:
            machine.running = False
            machine.gone_at_ms = self.world.now_ms() + round(self.settings.delete_s * 1000)
        view = self._view(machine)
        self.world.settle()
        return view

    def _show(self, worker: WorkerName, start: StartData) -> None:
        """Write the start data for whoever plays the agents; whole or not at all."""
        folder = self.settings.start_data_folder
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
        machine = self.world.machines.get((self._context.installation, worker))
        if machine is None:
            raise NotFound(f"Driver {self.name} has no machine for worker {worker}.")
        return machine

    def _list(self) -> Listing:
        world, mine = self.world, self._context.installation
        late = [
            Machine(worker=name, handle=machine.handle, phase=Phase.RUNNING)
            for (owner, name), machine in world.listed_late()
            if owner == mine
        ]
        shown = [
            self._view(machine)
            for (owner, _), machine in sorted(world.machines.items())
            if owner == mine and not world.hidden(machine, world.list_lag_s)
        ] + late
        if world.listed_most is None or len(shown) <= world.listed_most:
            return Listing(machines=tuple(shown))
        return Listing(machines=tuple(shown[: world.listed_most]), complete=False)

    def _view(self, machine: PretendMachine) -> Machine:
        """Running from the moment it was made until it is halted, as providers say it; `detail` tells a booting one apart."""
        now_ms, phase, operation, step = self.world.now_ms(), Phase.RUNNING, "", None
        if machine.gone_at_ms is not None:
            over = machine.gone_at_ms <= now_ms
            phase, operation = (Phase.GONE, "") if over else (Phase.STOPPING, f"delete-{machine.handle}")
        elif not machine.running:
            phase = Phase.STOPPED
        elif machine.steps.has_failed(now_ms):
            phase, step = Phase.FAILED, machine.steps.fails
        elif (step := machine.steps.at(now_ms)) is not None:
            phase, operation = Phase.CREATING, f"{step}-{machine.handle}"
        booting = phase is Phase.RUNNING and machine.booted_at_ms > now_ms
        return Machine(
            tags=tags_of(machine.spec),
            worker=machine.spec.name,
            handle=machine.handle,
            phase=phase,
            operation=operation,
            detail="booting" if booting else "halted" if phase is Phase.STOPPED else "",
            step=step,
            addresses=self.world.addresses.get(machine.spec.name, ()) if phase is Phase.RUNNING else (),
        )

    def _boot_ms(self, worker: str) -> int:
        share = zlib.crc32(worker.encode()) / 2**32 * 2 - 1
        return round(self.settings.boot_s * 1000 * (1 + share * self.settings.boot_spread))
