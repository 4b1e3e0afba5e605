"""Reports of a period: the daily, weekly and monthly report, and the three views (executive, division, resources) of the same lines.

All figures are what machines and reported use cost. Idle time and overhead are shared out before, by the chosen method.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from enum import StrEnum

from herder.ledger.lines import COST, Kind, Line
from herder.ledger.quantities import DAY_MS
from herder.reports import efficiency
from herder.reports.basis import Basis
from herder.reports.documents import Cell, Column, Document, Fact, Form, Table, tenths
from herder.reports.efficiency import Attempts, Figures
from herder.reports.outlook import Outlook
from herder.reports.unpriced import unpriced_table

_DRIVERS_MOST = 10


class View(StrEnum):
    FULL = "full"
    EXECUTIVE = "executive"
    """For those who answer for all of it: divisions, budgets, alerts, what could be saved, what drives the change, efficiency."""
    DIVISION = "division"
    """For the head of one division: its projects and users, budgets and alerts, the days, efficiency."""
    RESOURCES = "resources"
    """For those who run the machines: pools, resources, who uses which."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Subject:
    """`lines`, and `before`, of a period of the same length before it: of all cards, idle time and overhead shared out."""

    first_ms: int
    to_ms: int
    lines: Sequence[Line]
    before: Sequence[Line] = field(default_factory=tuple)
    method: str
    division: str = ""
    """Of the view of a division: which."""
    basis: Basis = Basis.USE
    attempts: Attempts | None = None
    outlook: Outlook | None = None
    """Of the views executive and division: how it stands now."""
    now_ms: int | None = None
    """Days after it have cost nothing yet, and are in no average. None: the period is over."""

    @property
    def days(self) -> int:
        to_ms = (
            self.to_ms
            if self.now_ms is None
            else min(self.to_ms, self.now_ms - self.now_ms % DAY_MS + DAY_MS)
        )
        return max(0, to_ms - self.first_ms) // DAY_MS


def report(view: View, given: Subject) -> Document:
    """Raises ValueError for the view of a division without its name."""
    if view is View.DIVISION and not given.division:
        raise ValueError("the view of a division needs its name")
    lines, before = _own(given.lines, given.division), _own(given.before, given.division)
    total = sum(line.pico or 0 for line in lines)
    earlier = sum(line.pico or 0 for line in before)
    peak = Figures.of(lines).peak_hundredths(given.days)
    first, *tables = (make(given, lines, before) for make in _VIEWS[view])
    span = f"{_date(given.first_ms)} to {_date(given.to_ms - DAY_MS)}"
    return Document(
        kind="report",
        title=f"Costs{f' of {given.division}' if given.division else ''} {given.basis.heading}, {span}",
        facts=[
            Fact(key="view", value=view.value),
            Fact(key="first_day", value=_date(given.first_ms)),
            Fact(key="last_day", value=_date(given.to_ms - DAY_MS)),
            Fact(key="allocation", value=given.method),
            Fact(key="period_before", value=earlier, form=Form.MONEY),
            Fact(key="change", value=tenths(total - earlier, earlier), form=Form.PERCENT),
            Fact(key="average_day", value=total // given.days if given.days else None, form=Form.MONEY),
            Fact(key="peak_to_average", value=None if peak is None else f"{peak / 100:.2f}"),
            Fact(key="total", value=total, form=Form.MONEY),
        ],
        tables=[first, *(given.outlook.tables() if given.outlook is not None else ()), *tables],
        notes=[
            given.basis.note,
            f"Idle time and overhead are shared out by the method {given.method}; that of pools without use is unallocated.",
        ],
    )


def _own(lines: Iterable[Line], division: str) -> list[Line]:
    return [line for line in lines if line.card == COST and (not division or line.payer.division == division)]


Key = tuple[str, ...]
Make = Callable[[Subject, Sequence[Line], Sequence[Line]], Table]


def _sums(lines: Iterable[Line], key: Callable[[Line], Key]) -> dict[Key, int]:
    found: dict[Key, int] = {}
    for line in lines:
        name = key(line)
        found[name] = found.get(name, 0) + (line.pico or 0)
    return found


def _compared(
    key: str, title: str, columns: tuple[str, ...], by: Callable[[Line], Key]
) -> Make:  # fmt: skip
    """A table of sums, the dearest first, each with its part of the whole and what it was before. What has no price at all is unknown."""

    def make(_given: Subject, lines: Sequence[Line], before: Sequence[Line]) -> Table:
        now, then = _sums(lines, by), _sums(before, by)
        total = sum(now.values())
        priced = {by(line) for line in lines if line.pico is not None}
        unknown = now.keys() - priced
        rows: list[tuple[Cell, ...]] = [
            (*name, None, None, then.get(name, 0))
            if name in unknown
            else (*name, now.get(name, 0), tenths(now.get(name, 0), total), then.get(name, 0))
            for name in sorted(now.keys() | then.keys(), key=lambda name: (-now.get(name, 0), name))
        ]
        return Table(
            key=key,
            title=title,
            columns=(
                *map(Column, columns),
                Column("cost", Form.MONEY),
                Column("share", Form.PERCENT),
                Column("before", Form.MONEY),
            ),
            rows=rows,
            total=("total", *[""] * (len(columns) - 1), total, tenths(total, total), sum(then.values())),
            empty="Nothing was spent.",
        )

    return make


def _project(line: Line) -> Key:
    payer = line.payer
    return payer.division or ("(no division)" if payer.project else "(unallocated)"), payer.project


def _booked(line: Line) -> Key:
    division, project = _project(line)
    return division, f"{project} (correction of {line.corrects})".lstrip() if line.corrects else project


def _drivers(_given: Subject, lines: Sequence[Line], before: Sequence[Line]) -> Table:
    """What changed most, either way."""

    def by(line: Line) -> Key:
        return (_project(line)[0], line.payer.project, line.resource)

    now, then = _sums(lines, by), _sums(before, by)
    changes = {name: now.get(name, 0) - then.get(name, 0) for name in now.keys() | then.keys()}
    order = sorted((name for name in changes if changes[name]), key=lambda name: (-abs(changes[name]), name))
    rows: list[tuple[Cell, ...]] = [
        (*name, then.get(name, 0), now.get(name, 0), changes[name]) for name in order[:_DRIVERS_MOST]
    ]
    sums = sum(then.values()), sum(now.values()), sum(changes.values())
    rest = [whole - sum(int(str(row[place])) for row in rows) for place, whole in enumerate(sums, start=3)]
    if rows and any(rest):
        rows.append(("others", "", "", *rest))
    return Table(
        key="drivers",
        title="What changed since the period before",
        columns=(
            Column("division"), Column("project"), Column("resource"),
            Column("before", Form.MONEY), Column("now", Form.MONEY), Column("change", Form.MONEY),
        ),
        rows=rows,
        total=("total", "", "", *sums),
        empty="Nothing changed.",
    )  # fmt: skip


def _days(given: Subject, lines: Sequence[Line], before: Sequence[Line]) -> Table:
    """From the first day with a line to the last one; what is booked of other months is not of these days."""
    of_days = [line for line in lines if given.first_ms <= line.day_ms < given.to_ms]
    days = {line.day_ms for line in of_days}
    found = dict.fromkeys(range(min(days), max(days) + DAY_MS, DAY_MS), 0) if days else {}
    for line in of_days:
        found[line.day_ms] += line.pico or 0
    rows: list[tuple[Cell, ...]] = [(_date(day), pico) for day, pico in found.items()]
    other = [line for line in lines if not given.first_ms <= line.day_ms < given.to_ms]
    if other:
        rows.append(("corrections of other days", sum(line.pico or 0 for line in other)))
    return Table(
        key="days",
        title="By day (UTC)",
        columns=(Column("day"), Column("cost", Form.MONEY)),
        rows=rows,
        total=("total", sum(line.pico or 0 for line in lines)),
        empty="Nothing was spent.",
    )


def _matrix(_given: Subject, lines: Sequence[Line], before: Sequence[Line]) -> Table:
    """Divisions by resources."""
    found = _sums(lines, lambda line: (_project(line)[0], line.resource.partition(".")[0]))
    resources = sorted({resource for _, resource in found})
    divisions = sorted({division for division, _ in found})
    rows: list[tuple[Cell, ...]] = [
        (division, *(found.get((division, resource), 0) for resource in resources),
         sum(found.get((division, resource), 0) for resource in resources))
        for division in divisions
    ]  # fmt: skip
    sums = [sum(found.get((division, each), 0) for division in divisions) for each in resources]
    return Table(
        key="attribution",
        title="Who uses what",
        columns=(
            Column("division"),
            *(Column(each, Form.MONEY) for each in resources),
            Column("cost", Form.MONEY),
        ),
        rows=rows,
        total=("total", *sums, sum(sums)),
        empty="Nothing was spent.",
    )


def _pools(_given: Subject, lines: Sequence[Line], before: Sequence[Line]) -> Table:
    kinds = (Kind.WORKLOAD, Kind.IDLE, Kind.OVERHEAD)
    found = _sums(
        (line for line in lines if line.kind is not Kind.METERED),
        lambda line: (line.place.pool, line.place.market, line.kind.value),
    )
    pools = sorted({name[:2] for name in found})
    rows: list[tuple[Cell, ...]] = []
    for pool in pools:
        parts = [found.get((*pool, kind.value), 0) for kind in kinds]
        rows.append((*pool, *parts, sum(parts), tenths(sum(parts[1:]), sum(parts))))
    sums = [sum(int(str(row[place])) for row in rows) for place in range(2, 6)]
    return Table(
        key="pools",
        title="Machines by pool",
        columns=(
            Column("pool"), Column("market"), *(Column(kind.value, Form.MONEY) for kind in kinds),
            Column("cost", Form.MONEY), Column("waste", Form.PERCENT),
        ),
        rows=rows,
        total=("total", "", *sums, tenths(sums[1] + sums[2], sums[3])),
        empty="No machine cost anything.",
    )  # fmt: skip


def _corrections(_given: Subject, lines: Sequence[Line], before: Sequence[Line]) -> Table:
    found = _sums(
        (line for line in lines if line.corrects and line.pico is not None),
        lambda line: (line.corrects, line.period, *_project(line)),
    )
    rows: list[tuple[Cell, ...]] = [(*name, pico) for name, pico in sorted(found.items())]
    return Table(
        key="corrections",
        title="Corrections of closed months",
        columns=(
            Column("month"), Column("booked_in"), Column("division"), Column("project"), Column("amount", Form.MONEY),
        ),
        rows=rows,
        total=("total", "", "", "", sum(found.values())),
    )  # fmt: skip


def _unpriced(_given: Subject, lines: Sequence[Line], before: Sequence[Line]) -> Table:
    return unpriced_table(lines)


def _efficiency(given: Subject, lines: Sequence[Line], before: Sequence[Line]) -> Table:
    """Attempts are known of all divisions together only."""
    return efficiency.table(lines, given.days, None if given.division else given.attempts)


def _preemptions(given: Subject, lines: Sequence[Line], before: Sequence[Line]) -> Table:
    if given.attempts is None:
        return Table(
            key="preemptions",
            title="Cost of spot preemptions",
            columns=(Column("what"),),
            rows=[],
            empty="Unknown.",
        )
    return efficiency.preemptions(given.attempts, lines)


_BY_PROJECT = {
    Basis.USE: _compared("projects", "By project", ("division", "project"), _project),
    Basis.BOOKED: _compared("projects", "By project", ("division", "project"), _booked),
}


def _projects(given: Subject, lines: Sequence[Line], before: Sequence[Line]) -> Table:
    return _BY_PROJECT[given.basis](given, lines, before)


_DIVISIONS = _compared("divisions", "By division", ("division",), lambda line: _project(line)[:1])
_KINDS = _compared("kinds", "By kind", ("kind",), lambda line: (line.kind.value,))
_RESOURCES = _compared(
    "resources", "By resource", ("resource", "product"), lambda line: (line.resource, line.product)
)
_USERS = _compared("users", "By user", ("project", "user"), lambda line: (line.payer.project, line.payer.user))  # fmt: skip

_VIEWS: Mapping[View, tuple[Make, ...]] = {
    View.FULL: (_projects, _KINDS, _RESOURCES, _pools, _drivers, _days, _efficiency, _preemptions, _corrections, _unpriced),
    View.EXECUTIVE: (_DIVISIONS, _KINDS, _drivers, _efficiency, _unpriced),
    View.DIVISION: (_projects, _USERS, _RESOURCES, _days, _efficiency, _unpriced),
    View.RESOURCES: (_pools, _RESOURCES, _matrix, _days, _efficiency, _preemptions, _unpriced),
}  # fmt: skip


def _date(at_ms: int) -> str:
    return datetime.fromtimestamp(at_ms // 1000, UTC).strftime("%Y-%m-%d")
