"""The driver protocol: what Herder asks of a provider, and the closed family of errors it may answer with.

Drivers are synchronous (they run in threads, with a deadline set by the loop that calls them), know one provider and
nothing else, and every verb is idempotent. Error tree, each class with the one answer the loops give to it:

    DriverError
    ├── NotFound          gone: a deletion is done, a worker is lost
    ├── AlreadyExists     adopt it when it carries the same worker name, else fail the action
    ├── OutOfCapacity     this offer is short: back off, try the next
    ├── QuotaExceeded     stop growing the pool, raise an alert
    ├── RateLimited       wait `retry_after_s`, keep the action
    ├── Unauthorised      freeze the driver, raise an alert
    ├── InvalidRequest    fail the action for good: the template is wrong
    └── Unavailable       try again later
        └── OutcomeUnknown   it may have happened: `get` before trying again
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from herder.model.ids import WorkerName
from herder.model.offer import FailureCause
from herder.model.worker import WorkerSpec


class DriverError(Exception):
    """Base of everything a driver may raise."""


class NotFound(DriverError):
    pass


class AlreadyExists(DriverError):
    pass


class OutOfCapacity(DriverError):
    pass


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


_CAUSES: tuple[tuple[type[DriverError], FailureCause], ...] = (
    (OutOfCapacity, FailureCause.OUT_OF_CAPACITY),
    (QuotaExceeded, FailureCause.QUOTA_EXCEEDED),
    (InvalidRequest, FailureCause.INVALID_REQUEST),
    (Unauthorised, FailureCause.UNAUTHORISED),
)


def failure_cause(error: DriverError) -> FailureCause:
    """What the memory of an offer keeps of an error."""
    return next((cause for kind, cause in _CAUSES if isinstance(error, kind)), FailureCause.OTHER)


@dataclass(frozen=True, slots=True, kw_only=True)
class StartData:
    """What a new worker needs to find its server and prove itself once. The token is a secret: never logged."""

    server_url: str
    activation_token: str
    self_delete_after_s: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Machine:
    """What the provider holds under our tag. `handle` is the provider's own name for it."""

    worker: WorkerName
    handle: str
    running: bool
    detail: str = ""


class Driver(Protocol):
    """All verbs raise only `DriverError`s. `list` returns everything under this installation's tag, ended or not."""

    @property
    def name(self) -> str: ...

    def create(self, spec: WorkerSpec, start: StartData) -> Machine:
        """Make the machine, or return the one that already carries `spec.name`: in `spec.zone` where that is named, and as a
        machine that the provider may take back where `spec.spot` says so, never as another. Raises DriverError; OutOfCapacity and
        QuotaExceeded speak of that zone and market."""

    def delete(self, worker: WorkerName) -> None:
        """Remove the machine and everything it left running. Returns when it is gone; raises NotFound when it was."""

    def get(self, worker: WorkerName) -> Machine:
        """Raises NotFound."""

    def list(self) -> Sequence[Machine]: ...

    def console(self, worker: WorkerName) -> str:
        """The last of what the machine printed, for a person who looks for a fault. Raises NotFound."""

    def health(self) -> None:
        """Raises DriverError when the provider cannot be used now."""
