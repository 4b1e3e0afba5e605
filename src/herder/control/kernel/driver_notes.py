"""The last known condition of each driver: last error, whether it can be used, recent removals. In memory only.

Written by `control/drivers/calling.py` and the loops, read by people (`control/reads/fleet/drivers.py`). It decides nothing.
"""

from collections import deque
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from herder.model.fleet.driver import Machine
from herder.model.fleet.driver_capabilities import Network, OfferedShape, Price, Quota
from herder.model.fleet.offer import OfferName
from herder.model.ids import PoolName, WorkerName

_T = TypeVar("_T")

#: Removals that are remembered, for the brake of the sweep and for late listings.
REMOVALS_KEPT = 10_000


@dataclass(frozen=True, slots=True, kw_only=True)
class LastError:
    at_ms: int
    verb: str
    worker: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Reported(Generic[_T]):
    """What a provider has reported last of its quotas, networks, offers or prices."""

    values: tuple[_T, ...] = ()
    at_ms: int | None = None
    """When (wall clock) it was asked; None: it has never answered."""
    problem: str = ""
    """Why it has not answered since, as a clause; empty: it has."""


@dataclass(slots=True, kw_only=True)
class UnknownMachine:
    """A machine under our tag that no row knows, as the last listing showed it."""

    machine: Machine
    since_ms: int
    """When (monotonic) the first of the listings was that have shown it without a gap."""
    listings: int = 1
    held: bool = False
    """It was made in a time that the store has forgotten: only a person decides about it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Removal:
    """A person has decided that an unknown machine is removed."""

    actor: str
    message: str


@dataclass(slots=True, kw_only=True)
class DriverNotes:
    usable: bool | None = None
    """As the last health probe or listing said; None: not asked yet."""
    last_error: LastError | None = None
    fault_told: tuple[str, int] | None = None
    """The last fault of the driver itself that became an event, and when (monotonic)."""
    removals_allowed_until_ms: int = 0
    """A person has looked: until then (monotonic) the sweep removes without its brake."""
    removed_ms: "deque[int]" = field(default_factory=lambda: deque(maxlen=REMOVALS_KEPT))
    """When (monotonic) the sweep closed or removed something."""
    ended: dict[WorkerName, int] = field(default_factory=dict)
    """Workers whose machine was removed, and when (monotonic): listings show some of them for a while yet."""

    unknown: dict[WorkerName, UnknownMachine] = field(default_factory=dict)
    """As the last listing showed them."""
    last_start_ms: int | None = None
    """When (monotonic) a machine was asked for last."""
    starting: set[WorkerName] = field(default_factory=set)
    """Workers whose turn has come, and whose machine has not been asked for yet."""
    waiting: dict[WorkerName, str] = field(default_factory=dict)
    """Claims that wait for their turn: the setting that they wait for, and its value."""
    missing: dict[WorkerName, int] = field(default_factory=dict)
    """Workers that complete listings lack, and since when (wall clock)."""
    listed_at_ms: int | None = None
    """When (wall clock) the last listing came; None: none since the server started."""
    decided: dict[WorkerName, Removal] = field(default_factory=dict)
    """Unknown machines that a person has told the sweep to remove."""
    quotas: Reported[Quota] = field(default_factory=Reported)
    networks: Reported[Network] = field(default_factory=Reported)
    offers: Reported[OfferedShape] = field(default_factory=Reported)
    prices: Reported[Price] = field(default_factory=Reported)
    prices_looked_at: tuple[object, ...] = ()
    """The prices and pools that were compared last."""
    wrong_prices: dict[tuple[PoolName, OfferName], tuple[int, int]] = field(default_factory=dict)
    """What was told of templates: the price of the provider, and that of herder.yaml."""

    @property
    def undecided(self) -> bool:
        """Whether a person has yet to decide about machines of a time that the store has forgotten."""
        return any(each.held and worker not in self.decided for worker, each in self.unknown.items())

    def note_ended(self, worker: WorkerName, now_ms: int) -> None:
        self.ended[worker] = now_ms
        if len(self.ended) > REMOVALS_KEPT:
            del self.ended[next(iter(self.ended))]
