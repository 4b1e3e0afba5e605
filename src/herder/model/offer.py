"""What is remembered of an offer: how often creating a worker from it succeeded lately, and whether to try it now.

Kept by the engine (`note`), stored with each change, and read by the planner. An offer that fails rests, each time twice as
long; then one worker is tried (half open), and its success closes the matter. The success rate fades towards its prior, so
that nothing is held against an offer for ever. Pure; never decides what is made.
"""

from dataclasses import dataclass, replace
from enum import StrEnum

from herder.model.ids import PoolName

#: Weight of the prior: an offer that was never tried counts as tried this often, with success.
PRIOR_TRIES = 4.0
#: After this long a success or a failure counts half: shortages of one offer last minutes to hours.
HALF_LIFE_MS = 3_600_000
#: Weights above this change nothing any more: keeps the record bounded however often an offer is used.
WEIGHT_MOST = 1000.0
#: Failures that count for the doubling of the rest; above it the longest rest is reached anyway.
FAILURES_MOST = 30


class FailureCause(StrEnum):
    OUT_OF_CAPACITY = "out_of_capacity"
    QUOTA_EXCEEDED = "quota_exceeded"
    UNAUTHORISED = "unauthorised"
    INVALID_REQUEST = "invalid_request"
    BOOT_TIMEOUT = "boot_timeout"
    OTHER = "other"

    @property
    def of_pool(self) -> bool:
        """Another template of the pool would fail as well."""
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
