"""A bootstrap as a port: what makes a new machine join, and what can be asked of its operating system afterwards.

Implemented by `bootstraps/` (Talos); the loops of `control/` call it in the event loop. Every verb may be repeated, answers within its
deadline, and raises `DriverError`s only, with the meaning that they have for a driver. It knows no provider: a driver delivers the data.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol

from herder.model.fleet.bootstrap import BootData
from herder.model.fleet.driver_capabilities import Check
from herder.model.fleet.node import NodeCondition
from herder.model.fleet.pool import Taint
from herder.model.fleet.repair import Rung
from herder.model.ids import PoolName, WorkerName
from herder.ports.clock import Clock


@dataclass(frozen=True, slots=True, kw_only=True)
class Joining:
    """The worker whose machine is to join."""

    worker: WorkerName
    pool: PoolName
    template: str
    installation: str
    zone: str = ""
    labels: Mapping[str, str] = field(default_factory=dict)
    """That its node is to register with: those of the pool and the template, and Herder's own."""
    taints: Sequence[Taint] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """A machine that runs. `addresses`: those that its driver or its node tells, the best first; none: not known yet."""

    worker: WorkerName
    addresses: tuple[str, ...] = ()


class Stage(StrEnum):
    """Where the operating system of a machine is."""

    MAINTENANCE = "maintenance"
    """It runs without a configuration and waits for one."""
    BOOTING = "booting"
    RUNNING = "running"
    UPGRADING = "upgrading"
    STOPPING = "stopping"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class SystemSeen:
    """What the operating system of one machine says of itself."""

    stage: Stage
    ready: bool
    version: str = ""
    text: str = ""
    """Why it is not ready, as a sentence."""
    conditions: tuple[NodeCondition, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class BootstrapContext:
    """What a bootstrap is made with besides its own settings."""

    name: str
    """As herder.yaml calls it (`bootstraps:`)."""
    installation: str
    clock: Clock
    data_folder: str = ""
    """A folder on this server's disk that is the bootstrap's to use; it need not exist yet."""


class Bootstrap(Protocol):
    @property
    def name(self) -> str:
        """As herder.yaml calls it (`bootstraps:`)."""

    @property
    def fingerprint(self) -> str:
        """Changes when machines that are made now differ from those made before (another base configuration, another version). No secret
        can be found from it."""

    @property
    def version(self) -> str:
        """That machines are to run, as `look` tells it; empty: whatever they have."""

    @property
    def rungs(self) -> frozenset[Rung]:
        """Of the repair ladder: what `repair` can carry out."""

    def boot_data(self, joining: Joining) -> BootData | None:
        """What the machine boots with. None: it boots without, and `configure` gives it its configuration. Raises InvalidRequest."""

    async def configure(self, joining: Joining, target: Target) -> bool:
        """Give a machine in maintenance mode its configuration; whether it has it. True at once for one that booted with its data."""

    async def look(self, target: Target) -> SystemSeen: ...

    async def repair(self, target: Target, rung: Rung) -> None:
        """Begin it; never waits for the machine."""

    async def shut_down(self, target: Target) -> None:
        """Of a worker that was drained already: at once. Raises NotFound when nothing answers there any more."""

    async def logs(self, target: Target, service: str, lines: int) -> str:
        """The last lines of a service (`kubelet`), for a person who looks for a fault."""

    async def check(self) -> Sequence[Check]:
        """Credentials and their expiry, the base configuration, whether its endpoints answer."""

    async def close(self) -> None: ...
