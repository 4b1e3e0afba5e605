"""Rules of workers, after each commit: a closed row stays closed, limits hold when workers are created and removed, and every decision has
a reason."""

import json
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from herder.model.fleet.pool import PoolSpec
from herder.model.fleet.upkeep import USUAL_BUDGET, budgets_of
from herder.model.fleet.worker import WorkerState
from herder.model.planning.plan import ReasonKind
from herder.model.stored.changes import Changes
from herder.model.stored.records import PoolRecord, WorkerRecord
from herder.settings import pool_from_plain
from herder.store.rows.versions import opened

#: Kinds of removals because less capacity is needed.
LESS_NEEDED = frozenset({ReasonKind.IDLE.value, ReasonKind.UNDER_USED.value, ReasonKind.CONSOLIDATED.value})
#: Kinds of removals of workers that may be busy.
BY_CHOICE = frozenset(
    {
        ReasonKind.UNDER_USED.value,
        ReasonKind.CONSOLIDATED.value,
        ReasonKind.DRIFTED.value,
        ReasonKind.SOFT_EXPIRED.value,
    }
)
#: Tolerance of times in rows, which are the server's.
SLACK_MS = 1_000


@dataclass(frozen=True, slots=True)
class _Row:
    pool: str
    state: WorkerState
    zone: tuple[str, str, bool]
    manual: bool
    why_removed: str


class WorkerRules:
    def __init__(self, pools: tuple[PoolSpec, ...]) -> None:
        self.rows: dict[str, _Row] = {}
        """Workers that have not ended."""
        self.ended: set[str] = set()
        self._pools = {str(pool.name): pool for pool in pools}
        self._grown_at_ms: dict[str, tuple[int, int]] = {}
        """By pool: the last plan that created workers, and its time by the server's clock."""

    def clock_set(self) -> None:
        """The server's clock was set: times in rows cannot be compared with earlier ones."""
        self._grown_at_ms.clear()

    def look(self, changes: Changes, on: dict[str, set[int]]) -> Iterator[tuple[str, str]]:
        """`on`: jobs with live attempts by worker, after these changes."""
        before = dict(self._pools)
        for record in changes.rows.get(PoolRecord, {}).values():
            assert isinstance(record, PoolRecord)
            plain = {**opened("pool", json.loads(record.spec), record.name), "frozen": bool(record.frozen)}
            self._pools[record.name] = pool_from_plain(plain, where=record.name)
        made: list[WorkerRecord] = []
        leaving: list[WorkerRecord] = []
        for record in changes.rows.get(WorkerRecord, {}).values():
            assert isinstance(record, WorkerRecord)
            yield from self._one(record, made, leaving)
        if made:
            yield from self._limits(made, before)
            yield from self._cooldown(made, before)
        if leaving:
            yield from self._minimum(leaving, before)
            yield from self._budget(on, before)

    def _one(
        self, record: WorkerRecord, made: list[WorkerRecord], leaving: list[WorkerRecord]
    ) -> Iterator[tuple[str, str]]:
        name, state = record.name, WorkerState(record.state)
        if name in self.ended:
            yield "a closed row stays closed", f"Worker {name} had ended and is {state.value}."
            return
        known = self.rows.get(name)
        removed = json.loads(record.reason_removed)
        if not json.loads(record.reason_made).get("text"):
            yield "every action has a reason", f"Worker {name} was created without a reason."
        if (state.leaving or state.ended) and not removed.get("text"):
            yield "every action has a reason", f"Worker {name} is removed without a reason."
        if known is None:
            made.append(record)
        elif known.state is WorkerState.TERMINATING and state is not known.state and not state.ended:
            yield (
                "a terminating worker does not return",
                f"Worker {name} was terminating and is {state.value}.",
            )
        if state.leaving and (known is None or not known.state.leaving):
            leaving.append(record)
        if record.ended_at_ms is not None or state.ended:
            self.rows.pop(name, None)
            self.ended.add(name)
            return
        spec = json.loads(record.spec)
        self.rows[name] = _Row(
            pool=record.pool,
            state=state,
            zone=(record.template, spec.get("zone", ""), bool(spec.get("spot", False))),
            manual=bool(record.manual),
            why_removed=removed.get("kind", ""),
        )

    def _in(self, pool: str) -> list[_Row]:
        return [row for row in self.rows.values() if row.pool == pool]

    def _limits(self, made: list[WorkerRecord], before: dict[str, PoolSpec]) -> Iterator[tuple[str, str]]:
        for name in sorted({record.pool for record in made}):
            spec = self._pools.get(name)
            if spec is None:
                continue
            most = max(spec.size.max_workers, before.get(name, spec).size.max_workers)
            rows = self._in(name)
            if len(rows) > most:
                yield (
                    "a pool never exceeds its maximum",
                    f"Pool {name} has {len(rows)} workers; {most} are allowed.",
                )
            quotas = {
                (template.name, zone.name): zone.max_workers
                for template in spec.templates
                for zone in template.zones
                if zone.max_workers is not None
            }
            for (template, zone, spot), count in Counter(row.zone for row in rows).items():
                quota = quotas.get((template, zone))
                if quota is not None and count > quota:
                    yield (
                        "quotas are respected",
                        f"Pool {name} has {count} {'spot ' if spot else ''}workers of {template} in zone {zone}; the quota is {quota}.",
                    )

    def _cooldown(self, made: list[WorkerRecord], before: dict[str, PoolSpec]) -> Iterator[tuple[str, str]]:
        for record in sorted(made, key=lambda each: (each.plan, each.name)):
            spec = self._pools.get(record.pool)
            if spec is None:
                continue
            cooldown_s = min(spec.scale_up.cooldown_s, before.get(record.pool, spec).scale_up.cooldown_s)
            last = self._grown_at_ms.get(record.pool)
            why = json.loads(record.reason_made).get("kind")
            asked = record.manual or why in (ReasonKind.BELOW_MINIMUM.value, ReasonKind.REQUESTED.value)
            if last is not None and last[0] != record.plan and not asked:
                apart_ms = record.requested_at_ms - last[1]
                if 0 <= apart_ms < cooldown_s * 1000 - SLACK_MS:  # else the clock was set between
                    yield (
                        "cooldowns are respected",
                        f"Pool {record.pool} grew {apart_ms / 1000:.0f} s after it had grown; its cooldown is {cooldown_s:g} s.",
                    )
            self._grown_at_ms[record.pool] = (record.plan, record.requested_at_ms)

    def _minimum(self, leaving: list[WorkerRecord], before: dict[str, PoolSpec]) -> Iterator[tuple[str, str]]:
        for name in sorted({record.pool for record in leaving}):
            spec = self._pools.get(name)
            mine = [record for record in leaving if record.pool == name]
            fewer = [each for each in mine if json.loads(each.reason_removed).get("kind") in LESS_NEEDED]
            if spec is None or not fewer:
                continue
            least = min(spec.size.min_workers, before.get(name, spec).size.min_workers)
            stay = sum(not row.state.leaving for row in self._in(name)) + len(mine) - len(fewer)
            if stay < least:
                yield (
                    "a pool is not drained below its minimum",
                    f"Pool {name} keeps {stay} workers after {fewer[0].name} was drained as not needed; its minimum is {least}.",
                )

    def _budget(self, on: dict[str, set[int]], before: dict[str, PoolSpec]) -> Iterator[tuple[str, str]]:
        """At most the budget of busy workers drain by choice."""
        busy: Counter[str] = Counter()
        for name, row in self.rows.items():
            moved = row.why_removed in BY_CHOICE
            if row.state is WorkerState.DRAINING and moved and on.get(name):
                busy[row.pool] += 1
        for pool, count in busy.items():
            spec = self._pools.get(pool)
            if spec is not None:
                most = max(budget_of(spec), budget_of(before.get(pool, spec)))
                if count > most:
                    yield (
                        "disruption budgets are respected",
                        f"{count} busy workers of pool {pool} are drained by choice; its budget is {most}.",
                    )


def budget_of(spec: PoolSpec) -> int:
    """The largest number that any of its budgets allows at any time."""
    budgets = budgets_of(spec.scale_down.disruption_budget)
    return max((each.most(spec.size.max_workers) for each in budgets), default=USUAL_BUDGET)
