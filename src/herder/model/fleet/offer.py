"""Offers of a template, and the memory of each: how often creations from it succeeded recently, and whether to try it now.

Kept by the engine (`note`), stored with each change, and read by the planner. An offer that fails rests, each time twice as
long; then one worker is tried (half open), and its success closes the matter. The success rate fades towards its prior, so
that nothing is held against an offer for ever. Pure; never decides what is made.
"""

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import NamedTuple

from herder.model.fleet.pool import SpotUse, Template, Zone
from herder.model.ids import PoolName
from herder.model.values.money import PicoUsd
from herder.model.values.resources import Resources

#: Weight of the prior: an offer that was never tried counts as tried this often, with success.
PRIOR_TRIES = 4.0
#: After this long a success or a failure counts half: shortages of one offer last minutes to hours.
HALF_LIFE_MS = 3_600_000
#: Weights above this change nothing any more: keeps the record bounded however often an offer is used.
WEIGHT_MOST = 1000.0
#: Failures that count for the doubling of the rest; above it the longest rest is reached anyway.
FAILURES_MOST = 30


#: Where nobody has written a price for spot: what it usually costs of the on-demand price.
SPOT_PERCENT = 30


class OfferName(NamedTuple):
    """Tells the offers of one pool apart."""

    template: str
    zone: str = ""
    spot: bool = False

    def key(self, pool: PoolName, driver: str) -> "OfferKey":
        return OfferKey(pool=pool, template=self.template, driver=driver, zone=self.zone, spot=self.spot)

    def __str__(self) -> str:
        zone = f" in zone {self.zone}" if self.zone else ""
        return f"{self.template}{zone}{' (spot)' if self.spot else ''}"


@dataclass(frozen=True, slots=True, kw_only=True)
class Offer:
    """A template as it is sold in one zone, spot or on-demand, at its own price. `name` is the template's."""

    name: str
    allocatable: Resources
    price_pico_per_hour: PicoUsd
    labels: tuple[tuple[str, str], ...]
    """The template's, and `zone` and `spot` where they are known: jobs may select them."""
    slots: int
    gpu_model: str = ""
    gpu_parts: int = 1
    zone: str = ""
    spot: bool = False
    most: int | None = None
    """The quota: workers of this offer at a time."""
    driver: str = ""
    """The template's own, and its options."""
    driver_options: tuple[tuple[str, str], ...] = ()
    spot_preferred: bool = False

    @property
    def id(self) -> OfferName:
        return OfferName(self.name, self.zone, self.spot)


def offers_of(template: Template) -> tuple[Offer, ...]:
    """By zone as written, spot before on-demand. Empty only where spot alone is wanted and all of it is too dear."""
    found = []
    for zone in template.zones or (Zone(name=""),):
        price = _first(zone.price_pico_per_hour, template.price_pico_per_hour)
        cheap = _first(
            zone.spot_price_pico_per_hour,
            template.spot_price_pico_per_hour,
            PicoUsd(price * SPOT_PERCENT // 100),
        )
        limit = template.max_spot_price_pico_per_hour
        if template.spot is not SpotUse.NO and (limit is None or cheap <= limit):
            found.append(_offer(template, zone, cheap, spot=True))
        if template.spot is not SpotUse.YES:
            found.append(_offer(template, zone, price, spot=False))
    return tuple(found)


def _first(*prices: PicoUsd | None) -> PicoUsd:
    return next(price for price in prices if price is not None)


def _offer(template: Template, zone: Zone, price: PicoUsd, *, spot: bool) -> Offer:
    known = ({"zone": zone.name} if zone.name else {}) | ({"spot": "true"} if spot else {})
    labels = tuple({**known, **dict(template.labels)}.items()) if known else template.labels
    return Offer(
        name=template.name,
        allocatable=template.allocatable,
        price_pico_per_hour=price,
        labels=labels,
        slots=template.slots,
        gpu_model=template.gpu_model,
        gpu_parts=template.gpu_parts,
        zone=zone.name,
        spot=spot,
        most=zone.max_workers,
        spot_preferred=template.spot is SpotUse.PREFER,
        driver=template.driver,
        driver_options=template.driver_options,
    )


class FailureCause(StrEnum):
    OUT_OF_CAPACITY = "out_of_capacity"
    INTERRUPTED = "interrupted"
    """A spot machine was taken back: there is little spot there now."""
    QUOTA_EXCEEDED = "quota_exceeded"
    UNAUTHORISED = "unauthorised"
    INVALID_REQUEST = "invalid_request"
    UNAVAILABLE = "unavailable"
    """The provider did not answer, or had no time, as often as the driver is asked."""
    STEP_TIMEOUT = "step_timeout"
    """A step of the creation, or the wait for its turn, has taken too long."""
    STEP_FAILED = "step_failed"
    """The driver says that its machine could not be made."""
    BOOT_TIMEOUT = "boot_timeout"
    """The machine was made and has not become a worker in time."""
    OTHER = "other"

    @property
    def of_pool(self) -> bool:
        """Another template of the pool would fail as well, at least in the same zone and market."""
        return self in (FailureCause.QUOTA_EXCEEDED, FailureCause.UNAUTHORISED)

    @property
    def factor(self) -> int:
        """How much longer than after a shortage the offer rests: a quota is raised, and a wrong template mended, by hand."""
        if self is FailureCause.INVALID_REQUEST:
            return 40
        return 4 if self.of_pool else 1


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class OfferKey:
    """Zones and spot prices have offers of their own; a driver without them leaves them at the default."""

    pool: PoolName
    template: str
    driver: str
    zone: str = ""
    spot: bool = False

    @property
    def name(self) -> OfferName:
        return OfferName(self.template, self.zone, self.spot)


@dataclass(frozen=True, slots=True, kw_only=True)
class OfferMemory:
    """Weights are as of `as_of_ms` and fade from there."""

    key: OfferKey
    successes: float = 0.0
    failures: float = 0.0
    as_of_ms: int = 0
    failed_in_row: int = 0
    failed_at_ms: int | None = None
    cause: FailureCause | None = None

    def success_rate(self, now_ms: int) -> float:
        fade = self._fade(now_ms)
        good, bad = self.successes * fade, self.failures * fade
        return (good + PRIOR_TRIES) / (good + bad + PRIOR_TRIES)

    def rests_until_ms(self, first_s: float, most_s: float) -> int | None:
        """When it may be tried again; None when nothing is held against it."""
        if self.failed_at_ms is None or self.failed_in_row <= 0:
            return None
        rest_s = min(first_s * (1 << (self.failed_in_row - 1)), most_s)
        return self.failed_at_ms + int(rest_s * 1000) * (1 if self.cause is None else self.cause.factor)

    def due(self) -> "OfferMemory":
        """Its rest is over, and nothing is forgiven: one is tried."""
        return self if self.failed_at_ms is None else replace(self, failed_at_ms=0)

    def succeeded(self, now_ms: int) -> "OfferMemory":
        return replace(self._as_of(now_ms, good=1.0), failed_in_row=0, failed_at_ms=None, cause=None)

    def failed(self, cause: FailureCause, now_ms: int, *, requested_at_ms: int) -> "OfferMemory":
        """Workers of one plan that fail together are one failure in a row: they were asked for before it was known."""
        together = self.failed_at_ms is not None and requested_at_ms < self.failed_at_ms
        in_row = self.failed_in_row if together else min(self.failed_in_row + 1, FAILURES_MOST)
        return replace(self._as_of(now_ms, bad=1.0), failed_in_row=in_row, failed_at_ms=now_ms, cause=cause)

    def _fade(self, now_ms: int) -> float:
        return float(0.5 ** (max(0, now_ms - self.as_of_ms) / HALF_LIFE_MS))

    def _as_of(self, now_ms: int, good: float = 0.0, bad: float = 0.0) -> "OfferMemory":
        fade = self._fade(now_ms)
        return replace(
            self,
            successes=min(self.successes * fade + good, WEIGHT_MOST),
            failures=min(self.failures * fade + bad, WEIGHT_MOST),
            as_of_ms=max(now_ms, self.as_of_ms),
        )
