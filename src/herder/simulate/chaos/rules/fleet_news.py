"""What one commit says of workers and pools, read once for the rules that judge it. Draws no conclusions."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from herder.model.fleet.pool import PoolSpec
from herder.model.fleet.worker import WorkerState
from herder.model.stored.changes import Changes
from herder.model.stored.records import EventRecord, PoolRecord, WorkerRecord
from herder.settings import pool_from_plain
from herder.store.rows.versions import opened

Sold = tuple[str, str, str, bool]
"""(pool, template, zone, spot)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class WorkerNews:
    """A row of a worker. `before` None: it is new."""

    name: str
    pool: str
    driver: str
    plan: int
    sold: Sold
    price: int
    """Pico-USD an hour."""
    manual: bool
    before: WorkerState | None
    state: WorkerState
    why_made: str
    why_removed: str
    evidence: dict[str, Any]
    """Of its removal."""

    @property
    def goes(self) -> bool:
        """Its end has just been decided."""
        over = self.state.leaving or self.state.ended
        return over and (self.before is None or not (self.before.leaving or self.before.ended))

    @property
    def ends(self) -> bool:
        return self.state.ended and (self.before is None or not self.before.ended)


class FleetNews:
    def __init__(self, pools: tuple[PoolSpec, ...]) -> None:
        self.pools = {str(pool.name): pool for pool in pools}
        self.pools_before = dict(self.pools)
        """As they were before the last commit."""
        self.workers: dict[str, WorkerNews] = {}
        """The last of each that has not ended."""
        self.by_hand: set[str] = set()
        """Those of which a person has decided something."""

    def look(self, changes: Changes) -> list[WorkerNews]:
        self.pools_before = dict(self.pools)
        for event in changes.rows.get(EventRecord, {}).values():
            assert isinstance(event, EventRecord)
            if event.actor != "herder" and event.object.startswith("worker/"):
                self.by_hand.add(event.object.removeprefix("worker/"))
        for record in changes.rows.get(PoolRecord, {}).values():
            assert isinstance(record, PoolRecord)
            plain = {**opened("pool", json.loads(record.spec), record.name), "frozen": bool(record.frozen)}
            self.pools[record.name] = pool_from_plain(plain, where=record.name)
        return list(self._workers(changes))

    def _workers(self, changes: Changes) -> Iterator[WorkerNews]:
        for record in changes.rows.get(WorkerRecord, {}).values():
            assert isinstance(record, WorkerRecord)
            known, spec = self.workers.get(record.name), json.loads(record.spec)
            removed = json.loads(record.reason_removed)
            news = WorkerNews(
                name=record.name,
                pool=record.pool,
                driver=record.driver,
                plan=record.plan,
                sold=(record.pool, record.template, spec.get("zone", ""), bool(spec.get("spot", False))),
                price=int(spec["price"]),
                manual=bool(record.manual),
                before=None if known is None else known.state,
                state=WorkerState(record.state),
                why_made=json.loads(record.reason_made).get("kind", ""),
                why_removed=removed.get("kind", ""),
                evidence=removed.get("evidence", {}),
            )
            if news.state.ended:
                self.workers.pop(news.name, None)
                self.by_hand.discard(news.name)
            else:
                self.workers[news.name] = news
            yield news
