"""What each project used and is charged: showback, chargeback, and both by the project's card (hybrid).

- showback: what it cost, with its share of idle time and overhead, and nothing added.
- chargeback: what the rate cards charge, and what the same use cost.
- hybrid: projects at the internal card see what it cost, with their shares; the others what they are charged.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from herder.ledger.lines import COST, Kind, Line
from herder.reports.documents import Cell, Column, Document, Fact, Form, Table
from herder.reports.invoice import INTERNAL

UNALLOCATED = "(unallocated)"


class Model(StrEnum):
    SHOWBACK = "showback"
    CHARGEBACK = "chargeback"
    HYBRID = "hybrid"


@dataclass(slots=True)
class Use:
    """Of one project: what it cost by kind, and what each card charges. Pico-USD."""

    kinds: dict[Kind, int] = field(default_factory=dict)
    cards: dict[str, int] = field(default_factory=dict)
    unpriced: set[str] = field(default_factory=set)
    """Cards at which some of its use has no price."""
    unpriced_lines: int = 0

    @property
    def cost(self) -> int:
        return sum(self.kinds.values())

    @property
    def charge(self) -> int | None:
        """None: nothing that it used has a price."""
        return sum(self.cards.values()) if self.cards else None

    def add(self, line: Line) -> None:
        if line.pico is None:
            self.unpriced.add(line.card)
            self.unpriced_lines += 1
        elif line.card == COST:
            self.kinds[line.kind] = self.kinds.get(line.kind, 0) + line.pico
        else:
            self.cards[line.card] = self.cards.get(line.card, 0) + line.pico


Whose = tuple[str, str]
"""(division, project)."""


def uses(lines: Iterable[Line]) -> dict[Whose, Use]:
    found: dict[Whose, Use] = {}
    for line in lines:
        found.setdefault((line.payer.division, line.payer.project), Use()).add(line)
    return dict(sorted(found.items()))


def statement(model: Model, lines: Iterable[Line], period: str, method: str) -> Document:
    """`lines`: of all cards, with idle time and overhead shared out by `method`."""
    found = uses(lines)
    table = _TABLES[model](found)
    unpriced = sum(use.unpriced_lines for use in found.values())
    notes = [f"Idle time and overhead are shared out by the method {method}."]
    if unpriced:
        notes.append(
            "Some use has no price and is in no amount; an amount of which nothing has a price is unknown (–)."
        )
    return Document(
        kind=model.value,
        title=f"{model.value.capitalize()}, {period}",
        facts=[
            Fact(key="period", value=period),
            Fact(key="model", value=model.value),
            Fact(key="allocation", value=method),
            Fact(key="unpriced_lines", value=unpriced, form=Form.COUNT),
            Fact(key="total", value=_total_of(table), form=Form.MONEY),
        ],
        tables=[table],
        notes=notes,
    )


def _total_of(table: Table) -> Cell:
    return None if table.total is None else table.total[-1]


_KINDS = (Kind.WORKLOAD, Kind.METERED, Kind.IDLE, Kind.OVERHEAD)


def _showback(found: Mapping[Whose, Use]) -> Table:
    rows: list[tuple[Cell, ...]] = [
        (*_names(whose), *(use.kinds.get(kind, 0) for kind in _KINDS), use.cost)
        for whose, use in found.items()
    ]
    return Table(
        key="projects",
        title="What each project cost",
        columns=(*_WHOSE, *(Column(kind.value, Form.MONEY) for kind in _KINDS), Column("cost", Form.MONEY)),
        rows=rows,
        total=_summed(rows),
        note="Nothing is added to what machines and reported use cost.",
    )


def _chargeback(found: Mapping[Whose, Use]) -> Table:
    """The part of those who are charged; what nobody is charged for is a row of its own."""
    rows: list[tuple[Cell, ...]] = []
    left = 0
    for whose, use in found.items():
        cards = use.cards.keys() | use.unpriced - {COST}
        if not cards:
            left += use.cost
            continue
        rows.append((*_names(whose), " and ".join(sorted(cards)), use.cost, use.charge))
    if left:
        rows.append((UNALLOCATED, "", "none", left, 0))
    total = _summed(rows, first=3)
    return Table(
        key="projects",
        title="What each project is charged",
        columns=(*_WHOSE, Column("card"), Column("cost", Form.MONEY), Column("charge", Form.MONEY)),
        rows=rows,
        total=total,
        note="Cost is what the machines and the reported use cost, with the shares of idle time and overhead.",
    )


def _hybrid(found: Mapping[Whose, Use]) -> Table:
    rows: list[tuple[Cell, ...]] = []
    for whose, use in found.items():
        priced = [pico for card, pico in use.cards.items() if card != INTERNAL]
        external = sum(priced) if priced else None
        charged = bool((use.cards.keys() | use.unpriced) - {INTERNAL, COST})
        model = Model.CHARGEBACK if charged else Model.SHOWBACK
        rows.append((*_names(whose), model.value, use.cost, external if charged else use.cost))
    return Table(
        key="projects",
        title="What each project sees",
        columns=(*_WHOSE, Column("model"), Column("cost", Form.MONEY), Column("amount", Form.MONEY)),
        rows=rows,
        total=_summed(rows, first=3),
    )


_TABLES: Mapping[Model, Callable[[Mapping[Whose, Use]], Table]] = {
    Model.SHOWBACK: _showback,
    Model.CHARGEBACK: _chargeback,
    Model.HYBRID: _hybrid,
}
_WHOSE = (Column("division"), Column("project"))


def _names(whose: Whose) -> tuple[str, str]:
    """Never empty in the first column: it names the row."""
    division, project = whose
    return (division or (UNALLOCATED if not project else "(no division)")), project


def _summed(rows: Sequence[tuple[Cell, ...]], first: int = 2) -> tuple[Cell, ...]:
    width = len(rows[0]) if rows else 0
    sums = [
        sum(value for row in rows if isinstance(value := row[place], int)) for place in range(first, width)
    ]
    return ("total", *[""] * (first - 1), *sums)
