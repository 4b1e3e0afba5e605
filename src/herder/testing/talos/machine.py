"""One Talos machine: its stages on a time that is given, its configuration and services. Called by `Machines`; it has no clock and no socket."""

from collections.abc import Callable
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

from herder.remote.talos.errors import Refused
from herder.remote.talos.messages.machine_pb2 import MachineStatusEvent, ServiceInfo
from herder.testing.talos.documents import documents_of, hostname_in, labels_in, taints_in

EVENTS_MAX = 64
LOG_LINES_MAX = 1000
SERVICES = ("apid", "containerd", "cri", "kubelet", "machined", "udevd")
_CRASHED = "Error running Process(kubelet), going to restart forever: exit status 1"
Stage = MachineStatusEvent.MachineStage
_ANSWERS = (MachineStatusEvent.RUNNING, MachineStatusEvent.SHUTTING_DOWN, MachineStatusEvent.UPGRADING)


class AfterUpgrade(StrEnum):
    """How a machine comes back from an upgrade."""

    NEW = "new"
    OLD = "old"
    """The new version does not come up, and Talos goes on with the one before."""
    NEVER = "never"


@dataclass(frozen=True, slots=True, kw_only=True)
class Times:
    """How long each stage takes."""

    boot_ms: int = 20_000
    install_ms: int = 30_000
    kubelet_ms: int = 10_000
    """From the end of the boot until kubelet runs, and its node registers."""
    stop_ms: int = 3_000


def _nothing(_machine: "Machine") -> None:
    return


@dataclass(slots=True, kw_only=True)
class Hooks:
    """What a datacentre around the machines does when something happens to one."""

    kubelet_up: Callable[["Machine"], None] = _nothing
    """Its kubelet runs, for the first time or again: its node registers, with `hostname`, `node_labels` and `node_taints`."""
    kubelet_down: Callable[["Machine"], None] = _nothing
    powered_off: Callable[["Machine"], None] = _nothing
    """By itself, after Shutdown."""
    rebooting: Callable[["Machine"], None] = _nothing
    listening: Callable[["Machine"], None] = _nothing
    """Where or how it answers may have changed (`Machine.listens`)."""


@dataclass(slots=True)
class _Service:
    state: str = "Running"
    healthy: bool = True
    words: str = ""
    events: list[tuple[int, str, str]] = field(default_factory=list)


class Machine:
    def __init__(
        self, name: str, addresses: tuple[str, ...], times: Times, hooks: Hooks, version: str
    ) -> None:
        self.name, self.addresses, self.version = name, addresses, version
        self.times, self.hooks = times, hooks
        self.config: list[dict[str, Any]] = []
        """The documents that it was given; none: it has no configuration."""
        self.applied = 0
        """How often a configuration was applied by a call."""
        self.installed = self.powered = False
        self.stage: Stage = MachineStatusEvent.UNKNOWN
        self.kubelet_broken = False
        """It does not come up again, until a reboot."""
        self.next_ms: int | None = None
        self.services = {each: _Service() for each in SERVICES}
        self.lines: dict[str, list[str]] = {}
        self.after_upgrade = AfterUpgrade.NEW
        self._then: Callable[[int], None] | None = None

    # --- what it is

    @property
    def listens(self) -> str:
        """`maintenance`: to everybody; `api`: to client certificates; empty: to nobody."""
        if not self.powered:
            return ""
        if self.stage == MachineStatusEvent.MAINTENANCE:
            return "maintenance"
        return "api" if self.stage in _ANSWERS else ""

    @property
    def hostname(self) -> str:
        return hostname_in(self.config) or self.name

    @property
    def node_labels(self) -> dict[str, str]:
        return labels_in(self.config)

    @property
    def node_taints(self) -> list[dict[str, str]]:
        return taints_in(self.config)

    @property
    def kubelet_runs(self) -> bool:
        running = self.powered and self.stage == MachineStatusEvent.RUNNING
        return running and self.services["kubelet"].state == "Running"

    @property
    def status(self) -> MachineStatusEvent:
        found = MachineStatusEvent(stage=self.stage)
        found.status.ready = self.kubelet_runs
        if self.stage == MachineStatusEvent.RUNNING and not self.kubelet_runs:
            found.status.unmet_conditions.add(name="services", reason="service kubelet is not healthy")
        return found

    def service_infos(self) -> list[ServiceInfo]:
        found = []
        for name, service in self.services.items():
            info = ServiceInfo(id=name, state=service.state)
            info.health.healthy = service.healthy
            info.health.last_message = service.words
            for at_ms, state, words in service.events:
                event = info.events.events.add(msg=words, state=state)
                event.ts.FromMilliseconds(at_ms)
            found.append(info)
        return found

    # --- power

    def power_on(self, now_ms: int, user_data: str = "") -> None:
        """`user_data`: what its NoCloud disk has. It is read at the first boot. Raises Refused."""
        if self.powered:
            return
        if user_data and not self.config:
            self.config = documents_of(user_data.encode())
            self.installed = True  # the disk was made from an image
        self.powered = True
        self._boot(now_ms)

    def power_off(self) -> None:
        """The hypervisor pulls the plug."""
        was = self.kubelet_runs
        self.powered = False
        self._enter(MachineStatusEvent.UNKNOWN)
        if was:
            self.hooks.kubelet_down(self)

    def _boot(self, now_ms: int) -> None:
        self._enter(MachineStatusEvent.BOOTING)
        self.services = {each: _Service() for each in SERVICES}
        self.services["kubelet"].state = "Waiting"
        self.kubelet_broken = False
        self._later(now_ms + self.times.boot_ms, self._booted)

    def _booted(self, now_ms: int) -> None:
        if not self.config:
            self._enter(MachineStatusEvent.MAINTENANCE)
            return
        self._enter(MachineStatusEvent.RUNNING)
        self._later(now_ms + self.times.kubelet_ms, self._kubelet_up)

    def _kubelet_up(self, now_ms: int) -> None:
        service = self.services["kubelet"]
        if self.kubelet_broken:
            service.state = "Waiting"
            self._crashed(now_ms)
            return
        service.state, service.healthy, service.words = "Running", True, ""
        self._event("kubelet", now_ms, "Running", "Started task kubelet")
        self.hooks.kubelet_up(self)

    # --- calls

    def apply(self, data: bytes, now_ms: int) -> None:
        self.config = documents_of(data)
        self.applied += 1
        if self.stage == MachineStatusEvent.MAINTENANCE:
            self._enter(MachineStatusEvent.INSTALLING)
            self._later(now_ms + (0 if self.installed else self.times.install_ms), self._after_install)

    def _after_install(self, now_ms: int) -> None:
        self.installed = True
        self._boot(now_ms)

    def restart(self, service: str, now_ms: int) -> None:
        if service not in self.services:
            raise Refused("UNKNOWN", f'service "{service}" not defined')
        if service != "kubelet":
            raise Refused("UNKNOWN", f'service "{service}" doesn\'t support restart operation via API')
        was = self.kubelet_runs
        self.services["kubelet"].state = "Starting"
        if was:
            self.hooks.kubelet_down(self)
        self._later(now_ms + self.times.kubelet_ms, self._kubelet_up)

    def reboot(self, now_ms: int) -> None:
        was = self.kubelet_runs
        self._enter(MachineStatusEvent.REBOOTING)
        if was:
            self.hooks.kubelet_down(self)
        self.hooks.rebooting(self)
        self._later(now_ms + self.times.stop_ms, self._boot)

    def upgrade(self, image: str, now_ms: int) -> None:
        _, _, version = image.rpartition(":")
        if not version.startswith("v") or not version[1:2].isdigit():
            words = f'error validating installer image "{image}": not found'
            raise Refused("INVALID_ARGUMENT", words)
        if self.stage != MachineStatusEvent.RUNNING:
            raise Refused("FAILED_PRECONDITION", "another upgrade is in progress")
        runs = self.services["kubelet"].state == "Running"
        self._enter(MachineStatusEvent.UPGRADING)
        self._later(now_ms + self.times.install_ms, lambda at_ms: self._upgraded(version, at_ms, runs))

    def _upgraded(self, version: str, now_ms: int, kubelet_runs: bool) -> None:
        if self.after_upgrade is AfterUpgrade.NEW:
            self.version = version
        self._enter(MachineStatusEvent.REBOOTING)
        if kubelet_runs:
            self.hooks.kubelet_down(self)
        self.hooks.rebooting(self)
        if self.after_upgrade is not AfterUpgrade.NEVER:
            self._later(now_ms + self.times.stop_ms, self._boot)

    def shut_down(self, now_ms: int) -> None:
        was = self.kubelet_runs
        self._enter(MachineStatusEvent.SHUTTING_DOWN)
        if was:
            self.hooks.kubelet_down(self)
        self._later(now_ms + self.times.stop_ms, self._stopped)

    def _stopped(self, _now_ms: int) -> None:
        self.power_off()
        self.hooks.powered_off(self)

    # --- faults

    def crash_kubelet(self, now_ms: int, *, times: int = 1, for_good: bool = True) -> None:
        """It ends by itself and is started again, so often; in the end it stays away, or runs."""
        was = self.kubelet_runs
        for _ in range(times):
            self._crashed(now_ms)
        if not for_good:
            return
        service = self.services["kubelet"]
        service.state, service.healthy, service.words = "Waiting", False, "connection refused"
        self.kubelet_broken = True
        if was:
            self.hooks.kubelet_down(self)

    def _crashed(self, now_ms: int) -> None:
        self._event("kubelet", now_ms, "Waiting", _CRASHED)
        self.log("kubelet", "kubelet: exit status 1")

    def heal_kubelet(self, now_ms: int) -> None:
        self.kubelet_broken = False
        if self.powered and self.stage == MachineStatusEvent.RUNNING:
            self._kubelet_up(now_ms)

    def log(self, service: str, line: str) -> None:
        lines = self.lines.setdefault(service, [])
        lines.append(line)
        del lines[:-LOG_LINES_MAX]

    # --- time

    def step(self, now_ms: int) -> None:
        while self.next_ms is not None and self.next_ms <= now_ms and self._then is not None:
            then, at_ms = self._then, self.next_ms
            self.next_ms, self._then = None, None
            then(at_ms)

    def _later(self, at_ms: int, then: Callable[[int], None]) -> None:
        self.next_ms, self._then = at_ms, then

    def _enter(self, stage: Stage) -> None:
        self.stage = stage
        self.next_ms, self._then = None, None
        self.hooks.listening(self)

    def _event(self, service: str, now_ms: int, state: str, words: str) -> None:
        events = self.services[service].events
        events.append((now_ms, state, words))
        del events[:-EVENTS_MAX]
