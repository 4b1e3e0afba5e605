"""The provider behind the pretend driver: its machines, its faults, its log of calls. Controlled by tests and the simulator.

It survives the drivers that look at it, as a provider does. No threads, no clock of its own: time is a callable that is passed.
"""

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import NamedTuple

from herder.drivers.pretend.steps import MachineSteps, StepEnd, StepFault
from herder.model.fleet.creation import OF_DRIVERS, Step
from herder.model.fleet.driver import StartData
from herder.model.fleet.worker import WorkerSpec
from herder.model.ids import WorkerName


class Gate:
    """Where calls hang. `reached` is set when one does; `release` lets it and all later ones through."""

    def __init__(self) -> None:
        self.reached = threading.Event()
        self._open = threading.Event()

    def release(self) -> None:
        self._open.set()

    def wait(self, seconds: float | None) -> None:
        self.reached.set()
        self._open.wait(seconds)


@dataclass(slots=True, kw_only=True)
class Fault:
    """Met by the next `times` calls of `verb` (that match `worker`). `after`: the act is done before, and only the answer is lost or late."""

    verb: str
    error: Exception | None = None
    times: int = 1
    after: bool = False
    worker: str | None = None
    gate: Gate | None = None
    """The call hangs here."""
    hang_s: float | None = None
    """It goes on by itself after this long; None: only when it is let."""
    doubled: bool = False
    """The act is done twice, as when a request was sent again on its way."""
    answers: bool = False
    """`answer` is what the call says, whatever is the case, and nothing is done."""
    answer: object = None

    def wait(self) -> None:
        if self.gate is not None:
            self.gate.wait(self.hang_s)


class Booted(NamedTuple):
    """A machine on which the agent would start now."""

    spec: WorkerSpec
    start: StartData
    at_ms: int


@dataclass(slots=True, kw_only=True)
class PretendMachine:
    spec: WorkerSpec
    start: StartData
    installation: str
    handle: str
    booted_at_ms: int
    asked_at_ms: int = 0
    steps: MachineSteps
    gone_at_ms: int | None = None
    """When its removal will be over."""
    taken_at_ms: int | None = None
    """When the provider says that it takes it back; whether it does, `goes_at_ms` says."""
    goes_at_ms: int | None = None
    running: bool = True
    told: bool = False
    """Whether `newly_booted` has given it out."""
    restarts: int = 0
    """How often it, or its service, was started anew: what ran on it before runs no more."""
    printed: list[str] = field(default_factory=list)


class PretendWorld:
    def __init__(self, now_ms: Callable[[], int] = lambda: 0) -> None:
        self.now_ms = now_ms
        self.machines: dict[tuple[str, WorkerName], PretendMachine] = {}
        self.faults: list[Fault] = []
        self.step_faults: list[StepFault] = []
        self.step_ends: Callable[[str, Step], StepEnd] = lambda _worker, _step: StepEnd.DONE
        """How a step of a new machine ends, where no fault was ordered: the simulated world draws it."""
        self.calls: list[tuple[int, str, str]] = []
        """(time, verb, worker) of every call, also of failed ones; the newest 10,000."""
        self.sold_out: set[tuple[str, bool]] = set()
        """(zone, spot) of which no machine can be had now."""
        self.list_lag_s = 0.0
        """So long after `create` a machine is not in listings yet; `get_lag_s`: nor found by `get`."""
        self.get_lag_s = 0.0
        self.listed_most: int | None = None
        """A listing shows no more than this, and says that it is not complete."""
        self.gone_listed_s = 0.0
        """So long after its removal a machine is listed still."""
        self.gone: dict[tuple[str, WorkerName], tuple[PretendMachine, int]] = {}
        """Machines that were removed while `gone_listed_s` was set, and when."""
        self.concealed: set[str] = set()
        """Workers that the provider denies to have, in complete listings and to `get`, though it has them."""
        self.addresses: dict[str, tuple[str, ...]] = {}
        """By worker: at which its machine can be reached while it runs; others have none."""
        self.made = 0
        self.asked: Callable[[str, str], None] = lambda _worker, _operation: None
        """Called with each question how far a machine is: worker, and the operation that the caller names."""
        self.changed: Callable[[], None] = lambda: None
        """Called when machines have gone or stopped by themselves."""
        self.lock = threading.RLock()

    def fail(
        self, verb: str, error: Exception, *, times: int = 1, after: bool = False, worker: str | None = None
    ) -> None:
        """`verb`: create, delete, get, list, console, health, reboot, restart_service, or "*" for all. An error outside the family is a fault of the driver."""
        self.faults.append(Fault(verb=verb, error=error, times=times, after=after, worker=worker))

    def hang(
        self,
        verb: str,
        *,
        times: int = 1,
        after: bool = False,
        worker: str | None = None,
        seconds: float | None = None,
        error: Exception | None = None,
    ) -> Gate:
        """The call hangs, and acts when it is let go (before it hangs: `after`), or raises `error` then."""
        gate = Gate()
        self.faults.append(
            Fault(verb=verb, error=error, times=times, after=after, worker=worker, gate=gate, hang_s=seconds)
        )
        return gate

    def double(self, verb: str, *, times: int = 1, worker: str | None = None) -> None:
        self.faults.append(Fault(verb=verb, times=times, worker=worker, doubled=True))

    def lie(self, verb: str, answer: object, *, times: int = 1, worker: str | None = None) -> None:
        """The call answers this, and nothing is done."""
        self.faults.append(Fault(verb=verb, times=times, worker=worker, answers=True, answer=answer))

    def break_step(self, step: Step, end: StepEnd, *, times: int = 1, worker: str | None = None) -> None:
        """This step of the next machines fails, or never ends."""
        self.step_faults.append(StepFault(step=step, end=end, times=times, worker=worker))

    def faults_of_steps(self, worker: str) -> dict[Step, StepEnd]:
        """What a new machine meets; the faults are used up."""
        found = {step: self.step_ends(worker, step) for step in OF_DRIVERS}
        for fault in list(self.step_faults):
            if fault.worker in (None, worker):
                found[fault.step] = fault.end
                fault.times -= 1
                if fault.times <= 0:
                    self.step_faults.remove(fault)
        return found

    def hidden(self, machine: PretendMachine, lag_s: float) -> bool:
        young = self.now_ms() < machine.asked_at_ms + lag_s * 1000
        return young or machine.spec.name in self.concealed

    def settle(self) -> None:
        """What was being removed, and is gone by now, goes; and what was announced to be taken back."""
        now_ms = self.now_ms()
        for key, machine in list(self.machines.items()):
            if any(
                at_ms is not None and at_ms <= now_ms for at_ms in (machine.gone_at_ms, machine.goes_at_ms)
            ):
                del self.machines[key]
                if self.gone_listed_s:
                    self.gone[key] = machine, now_ms

    def listed_late(self) -> list[tuple[tuple[str, WorkerName], PretendMachine]]:
        """Machines that are gone and that listings show all the same."""
        since_ms = self.now_ms() - self.gone_listed_s * 1000
        self.gone = {key: each for key, each in self.gone.items() if each[1] > since_ms}
        return [(key, machine) for key, (machine, _) in self.gone.items() if key not in self.machines]

    def lose(self, worker: str) -> None:
        """The machine is gone, as when a provider takes a spot machine back."""
        for key in [key for key in self.machines if key[1] == worker]:
            del self.machines[key]
        self.changed()

    def announce(
        self, worker: str, left_s: float, goes_after_s: float | None = None, *, told: bool = True
    ) -> None:
        """Say that the machine is taken back in `left_s`; it goes after `goes_after_s`, or never. `told`: to those who ask the driver."""
        with self.lock:
            now_ms = self.now_ms()
            for key, machine in self.machines.items():
                if key[1] == worker:
                    machine.taken_at_ms = now_ms + round(left_s * 1000) if told else machine.taken_at_ms
                    machine.goes_at_ms = None if goes_after_s is None else now_ms + round(goes_after_s * 1000)
        self.changed()

    def spot_of(self, zone: str) -> list[WorkerName]:
        return [
            worker
            for (_, worker), each in self.machines.items()
            if (each.spec.zone, each.spec.spot) == (zone, True)
        ]

    def sells(self, zone: str, spot: bool, spot_most: int) -> bool:
        """Whether one more can be had. `spot_most`: how many spot machines a zone holds."""
        there = sum((each.spec.zone, each.spec.spot) == (zone, True) for each in self.machines.values())
        return (zone, spot) not in self.sold_out and (not spot or there < spot_most)

    def interrupt(self, zone: str) -> list[WorkerName]:
        """Take all spot machines of the zone back, and sell no spot there until `sold_out` is changed."""
        with self.lock:
            self.sold_out.add((zone, True))
            gone = [
                key for key, each in self.machines.items() if (each.spec.zone, each.spec.spot) == (zone, True)
            ]
            for key in gone:
                del self.machines[key]
        self.changed()
        return [worker for _, worker in gone]

    def halt(self, worker: str) -> None:
        """The machine is off but still there, and still costs."""
        for key, machine in self.machines.items():
            if key[1] == worker:
                machine.running = False
        self.changed()

    def newly_booted(self) -> list[Booted]:
        """Machines that have booted since the last call, oldest first: whoever plays the agents starts them now."""
        now_ms = self.now_ms()
        booted = [
            each
            for each in self.machines.values()
            if each.running and not each.told and each.booted_at_ms <= now_ms
        ]
        for machine in booted:
            machine.told = True
        booted.sort(key=lambda machine: (machine.booted_at_ms, machine.spec.name))
        return [Booted(machine.spec, machine.start, machine.booted_at_ms) for machine in booted]

    def next_changes(self) -> list[int]:
        """When machines boot that have not been told yet, or are taken back, in milliseconds of this world's clock."""
        boots = [each.booted_at_ms for each in self.machines.values() if each.running and not each.told]
        return boots + [each.goes_at_ms for each in self.machines.values() if each.goes_at_ms is not None]

    def due_fault(self, verb: str, worker: str) -> Fault | None:
        """The fault that this call meets; it is used up."""
        self.calls.append((self.now_ms(), verb, worker))
        del self.calls[:-10_000]
        for fault in self.faults:
            if fault.verb in (verb, "*") and fault.worker in (None, worker):
                fault.times -= 1
                if fault.times <= 0:
                    self.faults.remove(fault)
                return fault
        return None
