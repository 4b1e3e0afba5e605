"""Optional capabilities of a driver beside its five verbs: one protocol each.

A driver has a capability by having its method or attribute; `capabilities(driver)` names the ones it has, for people. Whoever uses
one asks `isinstance(driver, Console)` first. Methods are synchronous and raise `DriverError`s, as verbs do. Nothing here calls them.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Protocol, runtime_checkable

from herder.model.fleet.creation import Step, steps_reported
from herder.model.fleet.driver import Machine
from herder.model.fleet.pool import PoolSpec
from herder.model.fleet.repair import Rung
from herder.model.fleet.worker import WorkerSpec
from herder.model.ids import WorkerName
from herder.model.values.money import PicoUsd
from herder.model.values.resources import Resources


@dataclass(frozen=True, slots=True, kw_only=True)
class OfferedShape:
    """Something that the provider sells."""

    name: str
    resources: Resources
    zones: tuple[str, ...] = ()
    spot: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Price:
    shape: str
    zone: str
    spot: bool
    pico_per_hour: PicoUsd
    as_of_ms: int | None = None
    """When the provider said it; None: just now."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Quota:
    """A limit that the provider sets us, in the provider's own words and units."""

    name: str
    zone: str
    limit: int
    used: int
    as_of_ms: int | None = None
    """When the provider said it; None: just now."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Network:
    """What machines can be attached to: a bridge, a subnet."""

    name: str
    zones: tuple[str, ...]
    """Where it is; zones are those of quotas."""
    vlans: tuple[tuple[int, int], ...] = ()
    """The ranges that it carries, first and last; empty: no limit."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Need:
    """What one worker takes, in the names and units of the driver's quotas and networks."""

    quotas: Mapping[str, int] = field(default_factory=dict)
    """By the name of each quota that it counts against."""
    zones: tuple[str, ...] = ()
    """Of quotas, where it may be made; empty: in all."""
    network: str = ""
    """Empty: as the provider's template has it."""
    vlan: int = 0
    """0: none."""
    shape: str = ""
    """Which of the driver's offers it is, where that is all of it that costs by the hour; empty: unknown."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Interruption:
    """The provider will take this machine back, and says when. `left_s` is counted by the driver when it answers, so that no clocks need
    to agree."""

    worker: WorkerName
    left_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class ProviderOperation:
    """What the provider did, or does, with a machine, in its own words."""

    kind: str
    state: str
    """running, done or failed."""
    began_ms: int | None = None
    """None: the provider does not say."""
    by: str = ""
    """Who asked for it, as the provider says."""
    detail: str = ""
    """Of one that failed: the provider's error."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Check:
    """One thing that must hold for the driver to work: credentials, a network, a right. `remedy` where it does not."""

    name: str
    passed: bool
    detail: str = ""
    remedy: str = ""


class ProviderAction(StrEnum):
    CREATE = "create"
    UPDATE = "update"
    REPLACE = "replace"
    """It cannot change while it exists."""
    RELEASE = "release"
    """The pool no longer uses it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedField:
    """None: it is not set."""

    name: str
    before: str | None = None
    after: str | None = None
    replaces: bool = False
    """It cannot change while the object exists."""


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedChange:
    """What new settings of a pool mean for something that the provider has."""

    object: str
    """Its kind and name: `machine pool batch`."""
    action: ProviderAction
    fields: tuple[PlannedField, ...] = ()
    note: str = ""
    """What a person should know, in sentences."""


@dataclass(frozen=True, slots=True, kw_only=True)
class AdoptablePool:
    """A group of machines that exists at the provider, as the pool that would adopt it. Sentences are for the person who does that."""

    name: str
    settings: Mapping[str, Any]
    """Of the pool, in the words of herder.yaml."""
    used_by: str = ""
    """The pool of this installation that has it already."""
    refused: str = ""
    """Why it cannot be adopted; empty: it can."""
    needs: tuple[str, ...] = ()
    """What its owner has to do before."""
    notes: tuple[str, ...] = ()


@runtime_checkable
class Console(Protocol):
    def console(self, worker: WorkerName) -> str:
        """The last of what the machine printed, for a person who looks for a fault. Raises NotFound."""


@runtime_checkable
class Operations(Protocol):
    def operations(self, worker: WorkerName) -> Sequence[ProviderOperation]:
        """What the provider remembers of the worker's machine, the newest first, also when the machine is gone. Empty: nothing."""


@runtime_checkable
class Offers(Protocol):
    def offers(self) -> Sequence[OfferedShape]: ...


@runtime_checkable
class Prices(Protocol):
    def prices(self) -> Sequence[Price]: ...


@runtime_checkable
class Quotas(Protocol):
    def quotas(self) -> Sequence[Quota]: ...


@runtime_checkable
class Networks(Protocol):
    def networks(self) -> Sequence[Network]:
        """One entry for each network, or for each place that it is in."""


@runtime_checkable
class Needs(Protocol):
    """It can say how much of its quotas a worker takes."""

    def need(self, spec: WorkerSpec) -> Need:
        """From settings and `spec` alone: it calls nobody and never waits, since it is asked while a person waits. Raises
        InvalidRequest."""


@runtime_checkable
class Plans(Protocol):
    """It keeps something for a whole pool, which settings of the pool change."""

    def planned(self, before: PoolSpec | None, after: PoolSpec) -> Sequence[PlannedChange]:
        """What putting `after` in force would do. From settings alone, as `Needs.need`. Raises InvalidRequest."""


@runtime_checkable
class Interruptions(Protocol):
    def interruptions(self) -> Sequence[Interruption]:
        """Those that are announced now; the same again each time, until the machine is gone. Asked every 15 s."""


@runtime_checkable
class Reboots(Protocol):
    def reboot(self, worker: WorkerName) -> Machine:
        """May be called again for the same reboot; it does not wait for the machine. The agent on it activates anew, with the start data
        that it was created with. Raises NotFound."""


@runtime_checkable
class ServiceRestarts(Protocol):
    def restart_service(self, worker: WorkerName) -> Machine:
        """Start the agent anew, without a reboot of the machine. May be called again, as `Reboots.reboot` may. Raises NotFound."""


@runtime_checkable
class CleanUps(Protocol):
    def clean_up(self, worker: WorkerName) -> Machine:
        """Free space on the machine, where its agent cannot: old logs, unused images. May be called again. Raises NotFound."""


@runtime_checkable
class Resizes(Protocol):
    """A provider that keeps a number of machines by itself."""

    def resize(self, pool: str, machines: int) -> None: ...


@runtime_checkable
class Checks(Protocol):
    def checks(self) -> Sequence[Check]: ...


@runtime_checkable
class Imports(Protocol):
    def importable(self) -> Sequence[AdoptablePool]:
        """What exists at the provider, as pools that would adopt it. Changes nothing."""


@runtime_checkable
class Deadlines(Protocol):
    """A provider that is slower than others."""

    @property
    def deadlines_s(self) -> Mapping[str, float]:
        """By verb or method; what is not named keeps the default."""


@runtime_checkable
class Closes(Protocol):
    """It holds connections."""

    def close(self) -> None:
        """At the end of the server, after its last call. Never waits; a call that still hangs may fail."""


@runtime_checkable
class Steps(Protocol):
    """A provider that makes a machine in several steps, each of which has a time-out of its own."""

    @property
    def steps(self) -> Sequence[Step]:
        """Those of create, configure, start and boot that `Machine.step` tells apart; create is always one. It stays the same."""


@runtime_checkable
class FirstHand(Protocol):
    """What this driver says of its machines is no report of somebody else but its own look at them (a process list): when it says
    that many have stopped at once, they have."""

    @property
    def first_hand(self) -> bool: ...


_CAPABILITIES: tuple[type, ...] = (
    Checks,
    CleanUps,
    Console,
    Imports,
    Interruptions,
    Networks,
    Offers,
    Operations,
    Plans,
    Prices,
    Quotas,
    Reboots,
    Resizes,
    ServiceRestarts,
)


#: What carries out a rung of the repair ladder.
_RUNGS: tuple[tuple[type, Rung], ...] = (
    (CleanUps, Rung.CLEAN_UP),
    (ServiceRestarts, Rung.RESTART_SERVICE),
    (Reboots, Rung.REBOOT),
)


def steps_of(driver: object) -> tuple[Step, ...]:
    return steps_reported(driver.steps if isinstance(driver, Steps) else ())


def rungs_of(driver: object) -> frozenset[Rung]:
    return frozenset(rung for capability, rung in _RUNGS if isinstance(driver, capability))


def capabilities(driver: object) -> tuple[str, ...]:
    """The names of those it has, in order."""
    return tuple(each.__name__ for each in _CAPABILITIES if isinstance(driver, each))
