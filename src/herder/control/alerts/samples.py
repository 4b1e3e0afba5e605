"""Traffic by quarters of an hour: how much the reported use of a resource has grown since the last sample. Stored, so that a restart does not forget a week.

A sample is what was reported in that time, whenever it was used; late reports of older days than yesterday are not in it.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field

from herder.ledger.alerts.policies import MINUTE_MS
from herder.ledger.alerts.readings import BASELINE_MS

QUARTER_MS = 15 * MINUTE_MS
#: Row of `meta`.
META_KEY = "alerts/egress"


@dataclass(slots=True)
class Samples:
    taken_ms: int | None = None
    """When the last one was taken; None: never."""
    days: dict[int, int] = field(default_factory=dict)
    """What was reported of each of these days by then."""
    values: dict[int, int] = field(default_factory=dict)
    """By the time at which it was taken."""

    def due(self, now_ms: int) -> bool:
        return self.taken_ms is None or now_ms - self.taken_ms >= QUARTER_MS

    def take(self, days: Mapping[int, int], now_ms: int) -> int | None:
        """The growth since the last sample. None: it is the first, or the last one was long ago and says nothing of a quarter of an hour."""
        before, gap_ms = self.days, None if self.taken_ms is None else now_ms - self.taken_ms
        self.taken_ms, self.days = now_ms, dict(days)
        if gap_ms is None or gap_ms >= 2 * QUARTER_MS:
            return None
        grown = sum(max(0, total - before.get(day, 0)) for day, total in days.items())
        self.values[now_ms] = grown
        self.values = {at: value for at, value in self.values.items() if at >= now_ms - BASELINE_MS}
        return grown

    def text(self) -> str:
        return json.dumps([self.taken_ms, list(self.days.items()), list(self.values.items())])

    @classmethod
    def of(cls, text: str) -> "Samples":
        taken_ms, days, values = json.loads(text)
        return cls(taken_ms, dict(days), dict(values))
