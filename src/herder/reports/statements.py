"""What each project used and is charged: showback, chargeback, and both by the project's card (hybrid).

- showback: what it cost, with its share of idle time and overhead, and nothing added.
- chargeback: what the rate cards charge, and what the same use cost.
- hybrid: projects at the internal card see what it cost, with their shares; the others what they are charged.

What a project is charged at a card is rounded once, as on its invoice: a statement of what is booked in a month has the totals of that month's invoices.
"""

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from herder.ledger.cents import PICO_PER_CENT, cents, shown
from herder.ledger.lines import COST, Kind, Line
from herder.reports.basis import Basis
from herder.reports.documents import Cell, Column, Document, Fact, Form, Table
from herder.reports.invoice import INTERNAL
from herder.reports.unpriced import unpriced, unpriced_table

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

    @property
    def cost(self) -> int:
        return sum(self.kinds.values())

    def add(self, line: Line) -> None:
        if line.pico is None:
            self.unpriced.add(line.card)
        elif line.card == COST:
            self.kinds[line.kind] = self.kinds.get(line.kind, 0) + line.pico
        else:
            self.cards[line.card] = self.cards.get(line.card, 0) + line.pico


Whose = tuple[str, str, str]
"""(division, project, corrected month)."""


def uses(lines: Iterable[Line], basis: Basis) -> dict[Whose, Use]:
    found: dict[Whose, Use] = {}
    for line in lines:
        whose = line.payer.division, line.payer.project, line.corrects if basis is Basis.BOOKED else ""
        found.setdefault(whose, Use()).add(line)
    return dict(sorted(found.items()))


def statement(
    model: Model, lines: Sequence[Line], period: str, method: str, basis: Basis = Basis.USE
) -> Document:
    """`lines`: of all cards, with idle time and overhead shared out by `method`."""
    table = _TABLES[model](uses(lines, basis))
    missing = unpriced(lines)
    notes = [basis.note, f"Idle time and overhead are shared out by the method {method}."]
    if missing:
        notes.append(
            "Some use has no price and is in no amount; an amount of which nothing has a price is unknown (–)."
        )
    return Document(
        kind=model.value,
        title=f"{model.value.capitalize()} {basis.heading}, {period}",
        facts=[
            Fact(key="period", value=period),
            Fact(key="basis", value=basis.heading),
            Fact(key="model", value=model.value),
            Fact(key="allocation", value=method),
            Fact(key="unpriced", value=len(missing), form=Form.COUNT),
            Fact(key="total", value=_total_of(table), form=Form.MONEY),
        ],
        tables=[table, unpriced_table(lines)],
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
        total=_summed(rows, 7),
        note="Nothing is added to what machines and reported use cost.",
    )


def _chargeback(found: Mapping[Whose, Use]) -> Table:
    """The part of those who are charged; what nobody is charged for is a row of its own."""
    rows: list[tuple[Cell, ...]] = []
    left = 0
    charges = _charges(found)
    for whose, use in found.items():
        cards = use.cards.keys() | use.unpriced - {COST}
        if not cards:
            left += use.cost
            continue
        exact = sum(use.cards.values()) if use.cards else None
        rows.append((*_names(whose), " and ".join(sorted(cards)), use.cost, exact, charges.get(whose)))
    if left:
        rows.append((UNALLOCATED, "", "none", left, 0, 0))
    total = _summed(rows, 6, first=3)
    return Table(
        key="projects",
        title="What each project is charged",
        columns=(
            *_WHOSE,
            Column("card"),
            Column("cost", Form.MONEY),
            Column("exact", Form.EXACT, wide=True),
            Column("charge", Form.CENTS),
        ),
        rows=rows,
        total=total,
        note="Cost is what the machines and the reported use cost, with the shares of idle time and overhead. "
        "The charge of each project is rounded once, and the total is their sum.",
    )


def _charges(found: Mapping[Whose, Use], *without: str) -> dict[Whose, int]:
    """What cards charge, pico-USD of whole cents; nothing of those of which nothing has a price. Those of a project's months and corrections sum to its invoice at the card."""
    parts: dict[tuple[str, str], dict[Whose, int]] = {}
    for whose, use in found.items():
        for card, pico in use.cards.items():
            if card not in without:
                parts.setdefault((whose[1], card), {})[whose] = pico
    charges: dict[Whose, int] = {}
    for each in parts.values():
        amounts = list(each.values())
        for whose, part in zip(each, shown(amounts, cents(sum(amounts))).parts, strict=True):
            charges[whose] = charges.get(whose, 0) + part * PICO_PER_CENT
    return charges


def _hybrid(found: Mapping[Whose, Use]) -> Table:
    rows: list[tuple[Cell, ...]] = []
    charges = _charges(found, INTERNAL)
    for whose, use in found.items():
        charged = bool((use.cards.keys() | use.unpriced) - {INTERNAL, COST})
        model = Model.CHARGEBACK if charged else Model.SHOWBACK
        rows.append((*_names(whose), model.value, use.cost, charges.get(whose) if charged else use.cost))
    return Table(
        key="projects",
        title="What each project sees",
        columns=(*_WHOSE, Column("model"), Column("cost", Form.MONEY), Column("amount", Form.MONEY)),
        rows=rows,
        total=_summed(rows, 5, first=3),
    )


_TABLES: Mapping[Model, Callable[[Mapping[Whose, Use]], Table]] = {
    Model.SHOWBACK: _showback,
    Model.CHARGEBACK: _chargeback,
    Model.HYBRID: _hybrid,
}
_WHOSE = (Column("division"), Column("project"))


def _names(whose: Whose) -> tuple[str, str]:
    """Never empty in the first column: it names the row."""
    division, project, corrects = whose
    what = f"{project} (correction of {corrects})".lstrip() if corrects else project
    return (division or (UNALLOCATED if not project else "(no division)")), what


def _summed(rows: Sequence[tuple[Cell, ...]], width: int, first: int = 2) -> tuple[Cell, ...]:
    """`width`: columns, also where there is no row."""
    sums = [
        sum(value for row in rows if isinstance(value := row[place], int)) for place in range(first, width)
    ]
    return ("total", *[""] * (first - 1), *sums)
