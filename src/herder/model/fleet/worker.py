"""A worker: one machine, process or pod that Herder manages, from the claim to its end."""

from dataclasses import dataclass
from enum import StrEnum

from herder.model.fleet.membership import EXCHANGE, Membership
from herder.model.fleet.offer import OfferKey, OfferName
from herder.model.fleet.pool import Taint
from herder.model.ids import PlanNumber, PoolName, WorkerName
from herder.model.values.money import PicoUsd
from herder.model.values.resources import Resources


class WorkerState(StrEnum):
    REQUESTED = "requested"
    PROVISIONING = "provisioning"
    JOINING = "joining"
    READY = "ready"
    UNHEALTHY = "unhealthy"
    DRAINING = "draining"
    TERMINATING = "terminating"
    TERMINATED = "terminated"
    FAILED = "failed"

    @property
    def in_flight(self) -> bool:
        """Asked for and counted as coming capacity, but not usable yet."""
        return self in _IN_FLIGHT

    @property
    def leaving(self) -> bool:
        """Its end is decided: it takes no new work, and counts as no capacity."""
        return self in _LEAVING

    @property
    def ended(self) -> bool:
        return self in (WorkerState.TERMINATED, WorkerState.FAILED)

    @property
    def live(self) -> bool:
        """Counts against the pool's maximum: everything that has not ended."""
        return not self.ended


_IN_FLIGHT = frozenset({WorkerState.REQUESTED, WorkerState.PROVISIONING, WorkerState.JOINING})
_LEAVING = frozenset({WorkerState.DRAINING, WorkerState.TERMINATING})


class Health(StrEnum):
    """How a worker that is there does, beside its state: what keeps it from taking any work."""

    HEALTHY = "healthy"
    TROUBLED = "troubled"
    """Its agent says that something is wrong with it."""
    EXCLUDED = "excluded"
    """Several attempts in a row failed on it: it waits for a test attempt."""
    ON_TEST = "on_test"
    SILENT = "silent"
    REPAIRING = "repairing"
    QUARANTINED = "quarantined"
    """Kept for inspection, instead of being replaced."""
    ALONE = "alone"
    """Kept for one suspect job."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerSpec:
    """Everything fixed when the claim is made."""

    name: WorkerName
    pool: PoolName
    template: str
    driver: str
    allocatable: Resources
    slots: int
    price_pico_per_hour: PicoUsd
    labels: tuple[tuple[str, str], ...] = ()
    gpu_parts: int = 1
    """Parts that each GPU is split into; `allocatable.gpu` counts parts."""
    taints: tuple[Taint, ...] = ()
    plan: PlanNumber = PlanNumber(0)
    zone: str = ""
    """Where the driver is to make it; empty: wherever it likes."""
    membership: Membership = EXCHANGE
    cluster: str = ""
    """Which cluster it is a node of; empty: of none."""
    bootstrap: str = ""
    """What makes its machine join; empty: it joins by itself."""
    bootstrap_fingerprint: str = ""
    """Of the bootstrap when the claim was made; empty: unknown."""
    spot: bool = False
    """Whether the provider may take it back."""
    driver_options: tuple[tuple[str, str], ...] = ()
    """The pool's `driver_options`, for the driver to read."""
    reason: str = ""
    """Why it was made, in a sentence; the evidence is in the plan."""

    @property
    def offer(self) -> OfferName:
        """What it was bought as."""
        return OfferName(self.template, self.zone, self.spot)

    @property
    def offer_key(self) -> OfferKey:
        return self.offer.key(self.pool, self.driver)
