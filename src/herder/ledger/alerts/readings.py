"""What alerts are judged by: how much of a limit is used, how fast, and what that comes to by the end of the period. Pure.

A reading is of one policy and one subject. What is not known makes no reading: unknown is not zero.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from herder.ledger.quantities import DAY_MS

#: The window of a network's usual traffic, and the samples without which it is unknown.
BASELINE_MS, BASELINE_SAMPLES = 7 * DAY_MS, 168
#: The days of a usual cost, and those without which it is unknown.
MEAN_DAYS, MEAN_DAYS_LEAST = 30, 7


class Rate(NamedTuple):
    """So many base units in so many ms; `ms` is more than 0."""

    amount: int
    ms: int


class Reading(NamedTuple):
    policy: str
    subject: str
    """`division/monitoring`, `pool/burst`, `tier/hot`; empty: the organisation."""
    from_ms: int
    to_ms: int
    """Its period."""
    at_ms: int
    used: int
    limit: int | None
    """None: there is none, and what is a part of it is not judged."""
    recent: Rate | None = None
    """None: the mean of the period so far."""
    percents: tuple[int, ...] = ()
    """Thresholds of this budget, in percent of its limit; empty: those of the policy."""
    exhausted: bool = False
    """Of a budget: it refuses to pay, whatever is spent of it; the rest is reserved, or too little."""

    @property
    def rate(self) -> Rate | None:
        """None: the period has just begun, and nothing is known."""
        if self.recent is not None:
            return self.recent
        return Rate(self.used, self.at_ms - self.from_ms) if self.at_ms > self.from_ms else None


class Outlook(NamedTuple):
    left_ms: int
    """To the end of the period."""
    projected: int | None
    """Use at the end of the period at this rate, rounded up. None: unknown."""
    overage: int | None
    """Of it, what is above the limit; 0: it stays within. None: unknown, or no limit."""
    overage_percent: int | None
    """Of the limit, rounded."""


def outlook(reading: Reading) -> Outlook:
    left_ms = max(0, reading.to_ms - reading.at_ms)
    rate = reading.rate
    if rate is None:
        return Outlook(left_ms, None, None, None)
    projected = reading.used - (-max(0, rate.amount) * left_ms // rate.ms)
    if reading.limit is None or reading.limit <= 0:
        return Outlook(left_ms, projected, None, None)
    overage = max(0, projected - reading.limit)
    return Outlook(left_ms, projected, overage, (200 * overage + reading.limit) // (2 * reading.limit))


def ms_to(reading: Reading, amount: int) -> int | None:
    """(threshold - used) / rate, rounded up; 0: it is reached. None: never at this rate, or the rate is unknown."""
    if reading.used >= amount:
        return 0
    rate = reading.rate
    if rate is None or rate.amount <= 0:
        return None
    return -(-(amount - reading.used) * rate.ms // rate.amount)


def ms_until_full(capacity: int, used: int, grows_per_day: int) -> int | None:
    """Of storage. None: it does not grow. Base units as they come, all three alike."""
    if used >= capacity:
        return 0
    return None if grows_per_day <= 0 else (capacity - used) * DAY_MS // grows_per_day


def baseline(samples: Mapping[int, int], at_ms: int) -> int | None:
    """The mean of the samples (by their time) in the 7 days before, rounded up. None: fewer than 168 are known."""
    known = [value for time_ms, value in samples.items() if at_ms - BASELINE_MS <= time_ms < at_ms]
    return -(-sum(known) // len(known)) if len(known) >= BASELINE_SAMPLES else None


def usual_cost(days: Sequence[int]) -> int | None:
    """The mean of the last 30 whole days, pico-USD, oldest first, of those that the ledger knows. None: fewer than 7."""
    known = days[-MEAN_DAYS:]
    return -(-sum(known) // len(known)) if len(known) >= MEAN_DAYS_LEAST else None
