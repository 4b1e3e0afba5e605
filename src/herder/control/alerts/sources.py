"""What alerts are judged by now. What is not known makes no reading.

Storage and traffic are those that are reported (`herder usage`), from the sums by day.
"""

from collections import defaultdict
from collections.abc import Iterator, Mapping
from functools import partial

from sqlalchemy import Connection, select

from herder.control.alerts.samples import META_KEY, Samples
from herder.control.kernel.core import Core
from herder.ledger.alerts.documented import NETWORK, STORAGE
from herder.ledger.alerts.readings import Reading, baseline
from herder.ledger.lines import GB
from herder.ledger.quantities import DAY_MS
from herder.model.stored.changes import Changes
from herder.model.stored.records import MetaRecord
from herder.store.rows.tables import meta
from herder.store.rows.usage_event_rows import read_metered_days

EGRESS = "network.egress"
Days = Mapping[str, Mapping[int, int]]
"""By resource and day, base units."""


class Sources:
    """Of one server, as long as it leads."""

    def __init__(self, core: Core) -> None:
        self._core = core
        self._samples: Samples | None = None

    async def readings(self, changes: Changes, now_ms: int) -> list[Reading]:
        """`changes`: filled with what has to be remembered."""
        if self._samples is None:
            text = await self._core.read(_stored_samples)
            self._samples = Samples() if text is None else Samples.of(text)
        if not self._samples.due(now_ms):
            return []
        today_ms = now_ms - now_ms % DAY_MS
        metered: Days = await self._core.read(partial(_metered, from_ms=today_ms - DAY_MS))
        found = list(self._storage(metered, today_ms, now_ms))
        found += self._traffic(metered.get(EGRESS, {}), now_ms)
        changes.put(MetaRecord(META_KEY, self._samples.text()))
        return found

    def _storage(self, metered: Days, today_ms: int, now_ms: int) -> Iterator[Reading]:
        """The mean of yesterday: what today's reports say is not complete."""
        for tier, capacity in self._core.settings.alerts.storage_capacity.items():
            used = metered.get(f"storage.{tier}", {}).get(today_ms - DAY_MS)
            if used is not None:
                yield Reading(
                    STORAGE.id,
                    f"tier/{tier}",
                    today_ms,
                    today_ms + DAY_MS,
                    now_ms,
                    used // DAY_MS,
                    capacity * GB,
                )

    def _traffic(self, days: Mapping[int, int], now_ms: int) -> list[Reading]:
        assert self._samples is not None
        grown = self._samples.take(days, now_ms)
        usual = baseline(self._samples.values, now_ms)
        if grown is None or not usual:
            return []
        return [Reading(NETWORK.id, "", now_ms, now_ms, now_ms, grown, usual)]


def _stored_samples(connection: Connection) -> str | None:
    found = connection.execute(select(meta.c.value).where(meta.c.key == META_KEY)).scalar()
    return None if found is None else str(found)


def _metered(connection: Connection, from_ms: int) -> Days:
    found: dict[str, dict[int, int]] = defaultdict(lambda: defaultdict(int))
    for row in read_metered_days(connection, from_ms):
        found[row.resource][row.day_ms] += row.quantity
    return found
