"""The driver protocol: what Herder requires of a provider, and the closed family of errors that a driver may raise.

Drivers are synchronous (each call runs in a thread of the driver's own, with a deadline), know one provider and nothing else, and
every verb may be repeated. No verb waits for the provider: what takes long is begun, and answered with a phase and the provider's
operation id; `get` asks how far it is. Whatever else a driver can do is in `model/fleet/driver_capabilities.py`. Errors, each with the
one answer that the loops give to it:

    DriverError
    ├── NotFound          gone: a removal is done, a worker is lost (a listing alone proves nothing)
    ├── AlreadyExists     `get`: adopted when it is ours, else the action fails
    ├── OutOfCapacity     the action fails, this offer is in back-off, the next is tried
    ├── QuotaExceeded     the action fails, the pool is in back-off, an alert event is recorded
    ├── RateLimited       the action waits `retry_after_s` and is tried again
    ├── Unauthorised      the driver is frozen until a person unfreezes it, an event is recorded
    ├── InvalidRequest    the action fails and is not tried again: the template or the settings are wrong
    └── Unavailable       tried again later; a creation `create_tries` times, then the action fails
        └── OutcomeUnknown   it may have happened: `get` before trying again

Anything else that a driver raises, or an answer that is not of the promised form, is a bug of the driver (`DriverFault`): the
action fails, an event is recorded, everything else continues.
"""

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol

from herder.model.fleet.bootstrap import BootData
from herder.model.fleet.cluster import ClusterSettings
from herder.model.fleet.creation import Step
from herder.model.fleet.offer import FailureCause
from herder.model.fleet.worker import WorkerSpec
from herder.model.ids import PoolName, WorkerName

#: The driver of workers whose machines people added by hand (`control/workers/joining.py`).
JOINED = "joined"


class DriverError(Exception):
    """Base of everything a driver may raise."""

    leaves_parts = False
    """Of a creation: something of it may be left, which `delete` removes."""


class NotFound(DriverError):
    pass


class AlreadyExists(DriverError):
    pass


class OutOfCapacity(DriverError):
    """`zone`: where there is none; empty: wherever the worker was wanted."""

    def __init__(self, message: str, zone: str = "") -> None:
        super().__init__(message)
        self.zone = zone


class QuotaExceeded(DriverError):
    pass


class RateLimited(DriverError):
    def __init__(self, message: str, retry_after_s: float) -> None:
        super().__init__(message)
        self.retry_after_s = retry_after_s


class Unauthorised(DriverError):
    pass


class InvalidRequest(DriverError):
    pass


class Unavailable(DriverError):
    pass


class OutcomeUnknown(Unavailable):
    pass


class DriverFault(DriverError):
    """Never raised by drivers: what the loops make of an error outside the family, or of an answer that cannot be."""


_CAUSES: tuple[tuple[type[DriverError], FailureCause], ...] = (
    (OutOfCapacity, FailureCause.OUT_OF_CAPACITY),
    (QuotaExceeded, FailureCause.QUOTA_EXCEEDED),
    (InvalidRequest, FailureCause.INVALID_REQUEST),
    (Unauthorised, FailureCause.UNAUTHORISED),
    (Unavailable, FailureCause.UNAVAILABLE),
    (RateLimited, FailureCause.UNAVAILABLE),
)


def failure_cause(error: DriverError) -> FailureCause:
    """What the memory of an offer keeps of an error."""
    return next((cause for kind, cause in _CAUSES if isinstance(error, kind)), FailureCause.OTHER)


class Phase(StrEnum):
    """How far the provider is with a machine."""

    CREATING = "creating"
    RUNNING = "running"
    """It has been started; whether its agent calls is not the driver's to say."""
    STOPPING = "stopping"
    STOPPED = "stopped"
    """There, but off: it will not run again by itself, and may still cost."""
    FAILED = "failed"
    """It could not be made; something of it may be left, which `delete` removes."""
    GONE = "gone"
    """Nothing is left of it. Providers that keep showing what is gone say so; others raise NotFound."""


class MachineEnd(StrEnum):
    """Why a machine has ended, where the provider knows it. An attempt that ran there is lost with the cause of the same name."""

    OUT_OF_MEMORY = "out_of_memory"
    PREEMPTED = "preempted"
    TIMEOUT = "timeout"


@dataclass(frozen=True, slots=True, kw_only=True)
class StartData:
    """What a new worker needs to find its server and prove itself once. The token is a secret: never logged."""

    server_url: str
    """Of several servers: their addresses, separated by commas."""
    activation_token: str = field(repr=False)
    self_delete_after_s: float
    boot: BootData | None = field(default=None, repr=False)
    """What the machine boots with, from the pool's bootstrap; None: the pool has none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MachineTags:
    """What a machine was made as, where the provider keeps that with it: enough to adopt one whose row is lost."""

    pool: PoolName
    template: str
    zone: str = ""
    spot: bool = False


def tags_of(spec: WorkerSpec) -> MachineTags:
    return MachineTags(pool=spec.pool, template=spec.template, zone=spec.zone, spot=spec.spot)


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """What the provider holds under our tag. `handle` is the provider's own name for it."""

    worker: WorkerName
    handle: str
    phase: Phase
    operation: str = ""
    """The provider's id of what is under way (CREATING, STOPPING); kept over a restart and given to the next `get`."""
    detail: str = ""
    """For people: the provider's words for where it is, or for what went wrong."""
    tags: MachineTags | None = None
    """None: the provider does not keep them."""
    step: Step | None = None
    """Of one that is CREATING: which of the driver's `steps` (`driver_capabilities.Steps`) is under way. Of one that FAILED: which has
    failed. None: the driver does not tell them apart."""
    addresses: tuple[str, ...] = ()
    """At which it can be reached, where the provider knows them: none of loopback, link-local ones or those of pods."""
    end: MachineEnd | None = None
    """Of one that STOPPED or FAILED; None: the provider does not say why."""

    @property
    def running(self) -> bool:
        return self.phase is Phase.RUNNING


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing:
    """What `list` found. Not `complete`: there may be more (a page failed, a region did not answer), and absence proves nothing."""

    machines: tuple[Machine, ...]
    complete: bool = True

    def __iter__(self) -> Iterator[Machine]:
        return iter(self.machines)

    def __len__(self) -> int:
        return len(self.machines)


class DriverClock(Protocol):
    """The clock that a driver asks, so that it can run on simulated time."""

    def now_ms(self) -> int:
        """Milliseconds since the epoch, UTC. It may step."""

    def monotonic_ms(self) -> int:
        """Milliseconds that never go back, from an arbitrary start."""


class NoClock:
    """A clock that stands still: for drivers that measure nothing, and for tests."""

    def now_ms(self) -> int:
        return 0

    def monotonic_ms(self) -> int:
        return 0


@dataclass(frozen=True, slots=True, kw_only=True)
class DriverContext:
    """What the server gives a driver beside its own settings."""

    installation: str = "default"
    """The tag: everything that is made carries it, and nothing without it is ever shown or touched."""
    name: str = ""
    """As herder.yaml calls this driver; one kind may be there several times."""
    data_folder: str = ""
    """A folder on this server's disk that is the driver's to use; it need not exist yet."""
    secrets: Mapping[str, str] = field(default_factory=dict, repr=False)
    """By name, resolved for this driver. Never logged, never in an error's text."""
    clusters: Mapping[str, ClusterSettings] = field(default_factory=dict)
    """By name, as herder.yaml describes them (`clusters:`): for drivers whose machines are made in one."""
    http: Callable[[], object] | None = None
    """Makes an HTTP client with bounds and deadlines; None: this server has none to give."""
    clock: DriverClock = field(default_factory=NoClock)


class Driver(Protocol):
    """All verbs raise only `DriverError`s, and are called from several threads at once, also for the same worker.

    None waits for the provider longer than for its answer. Deadlines: `control/drivers/calling.py`; a driver puts them, or shorter ones, on
    its sockets, since a thread cannot be stopped.
    """

    @property
    def name(self) -> str: ...

    def create(self, spec: WorkerSpec, start: StartData) -> Machine:
        """Begin to make the machine, or return the one that already carries `spec.name`: in `spec.zone` where that is named, and as a
        machine that the provider may take back where `spec.spot` says so, never as another. OutOfCapacity and QuotaExceeded speak of
        that zone and market; when they, or InvalidRequest, are raised, nothing was made, unless the error says that it leaves parts."""

    def get(self, worker: WorkerName, operation: str = "") -> Machine:
        """How far it is. `operation`: what create or delete answered, where it is known: a creation in several steps goes on here. Raises
        NotFound, and for an operation that failed what `create` would have raised."""

    def delete(self, worker: WorkerName) -> Machine:
        """Begin to remove the machine and everything that belongs to it; GONE when nothing is left, else STOPPING, and `get` tells the
        end. Raises NotFound when nothing is there."""

    def list(self) -> Listing:
        """Everything under this installation's tag, whatever its phase."""

    def health(self) -> None:
        """Raises DriverError when the provider cannot be used now. Changes nothing."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FrozenDriver:
    """Why a driver is not called any more (but for `health`), until a person decides."""

    at_ms: int
    reason: str
    """A sentence: what happened, and the remedy."""
    missing: bool = False
    """It is not in the server's settings: there is nothing that could be called."""
    by_sweep: bool = False
    """The sweep would have removed or closed more than its limit."""
