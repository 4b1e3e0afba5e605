"""The number of jobs that failed within the last hour, by cause, for `herder status`. Kept by minutes, at most 61 of them."""

from collections import Counter
from dataclasses import dataclass, field

MINUTE_MS = 60_000
MINUTES = 60


@dataclass(slots=True)
class FailedLately:
    _minutes: dict[int, Counter[str]] = field(default_factory=dict)

    def add(self, cause: str, at_ms: int, count: int = 1) -> None:
        minute = at_ms // MINUTE_MS
        counts = self._minutes.get(minute)
        if counts is None:
            counts = self._minutes[minute] = Counter()
            for old in [each for each in self._minutes if each < minute - MINUTES]:
                del self._minutes[old]
        counts[cause] += count

    def clock_set(self, by_ms: int) -> None:
        """To the minute."""
        by = round(by_ms / MINUTE_MS)
        self._minutes = {minute + by: counts for minute, counts in self._minutes.items()}

    def by_cause(self, now_ms: int) -> Counter[str]:
        """Of the last hour, to the minute."""
        since = now_ms // MINUTE_MS - MINUTES
        found: Counter[str] = Counter()
        for minute, counts in self._minutes.items():
            if minute > since:
                found.update(counts)
        return found
