"""What is recommended now: reads facts of the last 30 whole days, asks the rules, and brings stored recommendations up to date. Called by the loop of recommendations.

Use of a whole day is read once and kept, since it changes no more; what is kept grows with the classes of jobs.
"""

from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

from sqlalchemy import Connection

from herder.analysis.optimisation.recommendations import Kind, Recommendation, Rules, ranked
from herder.analysis.optimisation.rules import recommendations
from herder.control.costs.recommendation_states import APPROVED, OPEN, WAITING, WITHDRAWN, still_approved
from herder.control.kernel.core import Core
from herder.control.reads.costs.lines import lines_between
from herder.control.reads.costs.measured_facts import (
    HOURS,
    WINDOW_DAYS,
    Shape,
    Use,
    costs,
    days_known,
    facts,
    paid,
    peak_hours,
    uses,
    uses_by_day,
)
from herder.ledger.lines import COST
from herder.ledger.quantities import DAY_MS
from herder.model.stored.recommendation_records import RecommendationRecord
from herder.store.rows.measured_use import measured

#: Recommendations that are made at one look: those that save most.
FOUND_MAX = 1_000


class Found(NamedTuple):
    recommendation: Recommendation
    shape: Shape
    how: str


class Recommender:
    """Of one server, as long as it leads."""

    def __init__(self, core: Core) -> None:
        self._core = core
        self._days: dict[int, dict[Shape, Use]] = {}

    async def look(self, now_ms: int) -> list[Found]:
        """What the rules say of the last whole days, the largest saving first."""
        to_ms = now_ms - now_ms % DAY_MS
        from_ms = to_ms - WINDOW_DAYS * DAY_MS
        await self._measure(from_ms, to_ms)
        lines = await lines_between(self._core, from_ms, to_ms, (COST,))
        days, rules = list(self._days.values()), self._core.settings.recommendations

        def work(_connection: Connection) -> list[Found]:
            return found_in(uses(days), paid(lines), days_known(lines, from_ms, to_ms), rules)

        # Where reads are made, off the event loop: with many shapes it takes a second and more. Whole days are never changed once they are read.
        found: list[Found] = await self._core.read(work)
        return found

    async def _measure(self, from_ms: int, to_ms: int) -> None:
        self._days = {day: rows for day, rows in self._days.items() if from_ms <= day < to_ms}
        missing = [day for day in range(from_ms, to_ms, DAY_MS) if day not in self._days]
        if not missing:
            return
        read: dict[int, dict[Shape, Use]] = await self._core.read(
            lambda connection: uses_by_day(measured(connection, missing[0], to_ms))
        )
        self._days.update({day: read.get(day, {}) for day in missing})


def found_in(
    used: Mapping[Shape, Use], accounts: Mapping[tuple[str, str, str], int], days: int, rules: Rules
) -> list[Found]:
    if days <= 0:
        return []
    cost = costs(used, accounts, days)
    known: dict[str, Found] = {}
    peaks = peak_hours(used)
    for shape, use, fact in facts(used, cost, days, peaks):
        for each in recommendations([fact]):
            known[each.id] = Found(each, shape, command(each, shape, use, peaks[shape.pool]))
    found = ranked((each.recommendation for each in known.values()), rules)
    return [known[each.id] for each in found[:FOUND_MAX]]


def command(found: Recommendation, shape: Shape, use: Use, peaks: frozenset[int]) -> str:
    """What carries it out. Words in capitals are the caller's."""
    types = use.types - {""}
    of_type = f"--type {next(iter(types))} " if len(types) == 1 and "" not in use.types else ""
    of_project = f"--project {shape.project} " if shape.project else ""
    submit = f"herder job submit {of_type}{of_project}--pool {shape.pool}"
    sizes = {"cpu": f"{shape.cpu_milli}m", "memory": f"{shape.memory_mib}Mi"}
    if shape.gpu:
        sizes["gpu"] = str(shape.gpu)
    if found.kind is Kind.SIZE:
        part, size = found.action.split()
        sizes[part] = size
    asks = " ".join(f"--{name} {size}" for name, size in sizes.items())
    if found.kind is Kind.SIZE:
        return f"{submit} {asks} -- COMMAND"
    if found.kind is Kind.SCHEDULE:
        hour = next(each for each in (*range(3, HOURS), 0, 1, 2) if each not in peaks)
        return f'herder schedule create NAME --cron "0 {hour} * * *" --file jobs.yaml'
    if found.action == "batches_of_10":
        return f"{submit} {asks} -- sh -c 'TASK-1 && TASK-2 && … TASK-10'"
    return 'herder schedule create NAME --cron "0 * * * *" --file jobs.yaml'


def changed(
    known: Mapping[str, RecommendationRecord], found: Iterable[Found], now_ms: int
) -> Iterator[RecommendationRecord]:
    """Rows that are to be written: new ones, those whose facts have changed, and those that no longer hold. An approval ends with what was approved."""
    ids = set()
    for each in found:
        new = _record(each, now_ms)
        ids.add(new.id)
        old = known.get(new.id)
        if old is None or old.state == WITHDRAWN:
            yield new
        elif old.state in WAITING:
            kept = new._replace(
                state=APPROVED if old.state == APPROVED and still_approved(old, new) else OPEN,
                found_ms=old.found_ms,
                approved_by=old.approved_by,
                approved_ms=old.approved_ms,
                approved_pico=old.approved_pico,
            )
            if kept != old:
                yield kept
    for old in known.values():
        if old.state in WAITING and old.id not in ids:
            yield old._replace(state=WITHDRAWN, closed_ms=now_ms)


def _record(found: Found, now_ms: int) -> RecommendationRecord:
    each, shape = found.recommendation, found.shape
    return RecommendationRecord(
        id=each.id, kind=each.kind.value, target=each.target, action=each.action, why=each.why, how=found.how,
        project=shape.project, user=shape.user, pool=shape.pool, monthly_pico=str(each.monthly_pico),
        saving_pico=str(each.saving_pico), observed=each.evidence.observed, supporting=each.evidence.supporting,
        state=OPEN, found_ms=now_ms, approved_by="", approved_ms=None, begun_by="", begun_ms=None, closed_ms=None,
    )  # fmt: skip
