"""An invoice: what one project or division is charged for what is booked in a month, at its rate card. Sums to the cent, with the rounding as a line of its own.

An invoice has a section for each project and card. Both are as the lines have them, so that those of a closed month never change; corrections of a month in which the project
had another card are a section of their own. An invoice of a month that is not closed is a draft. At the internal card it is information only (showback), and nothing is due.
Payments are not recorded: an invoice is open until somebody else says otherwise.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from herder.ledger.cents import PICO_PER_CENT, cents, shown
from herder.ledger.lines import COST, Line
from herder.reports.documents import Column, Document, Fact, Form, Table, quantity_of, tenths
from herder.reports.focus.rows import Issuer, invoice_id
from herder.reports.unpriced import Use, priced_later, remedy, unpriced, unpriced_table, was_priced_later

INTERNAL = "internal"
Base = Callable[[Sequence[Line]], int | None]
"""What the same use costs at the internal card, pico-USD; None: it has no rate there."""


@dataclass(frozen=True, slots=True, kw_only=True)
class BillTo:
    division: str = ""
    project: str = ""
    """Empty: the whole division."""

    @property
    def name(self) -> str:
        return self.project or self.division

    def has(self, line: Line) -> bool:
        return line.payer.project == self.project if self.project else line.payer.division == self.division


@dataclass(frozen=True, slots=True, kw_only=True)
class Terms:
    month: str
    card: str = ""
    """Only lines of this card; empty: of all rate cards that the lines have."""
    default_card: str = INTERNAL
    """Where there are no lines."""
    issuer: Issuer
    closed: bool
    """The month can no longer change."""
    due_days: int = 30
    """After the end of the month."""


_LINES = (
    Column("project", wide=True),
    Column("card", wide=True),
    Column("resource"),
    Column("product"),
    Column("quantity", Form.NUMBER),
    Column("unit"),
    Column("rate", wide=True),
    Column("amount", Form.CENTS),
    Column("exact", Form.EXACT, wide=True),
)
#: With several projects or cards, each row says of which it is.
_SECTIONED = tuple(replace(each, wide=each.wide and each.key not in ("project", "card")) for each in _LINES)
Whose = tuple[str, str]
"""(project, card)."""


def invoice(lines: Iterable[Line], bill_to: BillTo, terms: Terms, base: Base) -> Document:
    """`lines`: all that are booked in the month; those of others and of other cards are passed over."""
    own = [line for line in lines if line.period == terms.month and bill_to.has(line) and _asked(line, terms)]
    priced = [line for line in own if line.pico is not None]
    sections = _sections(own)
    cards = sorted({card for _, card in sections}) or [terms.card or terms.default_card]
    tables = [
        _charges(terms.month, sections),
        *([_overview(sections, terms)] if len(sections) > 1 else []),
        _markup(priced, base),
        unpriced_table(own),
    ]
    return Document(
        kind="invoice",
        title=f"Invoice for {bill_to.name}, {terms.month}",
        facts=_facts(bill_to, terms, priced, cards),
        tables=tables,
        notes=_notes(terms, own, cards),
    )


def _asked(line: Line, terms: Terms) -> bool:
    return line.card == terms.card if terms.card else line.card != COST


def _sections(lines: Iterable[Line]) -> dict[Whose, list[Line]]:
    found: dict[Whose, list[Line]] = {}
    for line in lines:
        found.setdefault((line.payer.project, line.card), []).append(line)
    return dict(sorted(found.items()))


def due(lines: Iterable[Line]) -> int:
    """Pico-USD of whole cents. What a project is charged at a card is rounded once, half-even; more than one project is the sum of theirs."""
    return sum(_cents(each) for each in _sections(lines).values())


def _cents(section: Iterable[Line]) -> int:
    """The same of one project and card."""
    return cents(sum(line.pico or 0 for line in section)) * PICO_PER_CENT


Key = tuple[str, str, str, str, bool]
"""(corrected month, resource, product, rate, priced later)."""


def _groups(lines: Iterable[Line], taken_back: frozenset[Use] = frozenset()) -> dict[Key, list[Line]]:
    """Of what has a price; charges of the month, then corrections."""
    found: dict[Key, list[Line]] = {}
    for line in lines:
        if line.pico is None:
            continue
        later = was_priced_later(line, taken_back)
        found.setdefault((line.corrects, line.resource, line.product, line.rate, later), []).append(line)
    return dict(sorted(found.items()))


def _facts(bill_to: BillTo, terms: Terms, priced: Sequence[Line], cards: Sequence[str]) -> list[Fact]:
    year, month = int(terms.month[:4]), int(terms.month[5:])
    last = datetime(year + month // 12, month % 12 + 1, 1, tzinfo=UTC) - timedelta(days=1)
    exact, total = sum(line.pico or 0 for line in priced), due(priced)
    showback = cards == [INTERNAL]
    found = [
        Fact(key="id", value=_id(terms.month, bill_to.name, cards)),
        Fact(key="issuer", value=terms.issuer.name),
        Fact(key="bill_to", value=bill_to.name),
        Fact(key="division", value=bill_to.division or None),
        Fact(key="period_start", value=f"{terms.month}-01"),
        Fact(key="period_end", value=f"{last:%Y-%m-%d}"),
        Fact(key="card", value=", ".join(cards)),
        Fact(key="currency", value="USD"),
        Fact(key="due_date", value=None if showback else f"{last + timedelta(days=terms.due_days):%Y-%m-%d}"),
        Fact(key="payment_status", value=_status(terms, showback=showback)),
        Fact(key="exact_sum", value=exact, form=Form.EXACT),
        Fact(key="rounding", value=total - exact, form=Form.EXACT),
        Fact(key="total", value=total, form=Form.MONEY),
    ]
    if not showback and INTERNAL in cards:
        charged = due(line for line in priced if line.card != INTERNAL)
        found.append(Fact(key="amount_due", value=charged, form=Form.MONEY))
    return found


def _id(month: str, bill_to: str, cards: Sequence[str]) -> str:
    """Of several cards without one: each section has its own, which exports have, too."""
    return invoice_id(month, bill_to, cards[0]) if len(cards) == 1 else f"{month}-{bill_to}"


def _status(terms: Terms, *, showback: bool) -> str:
    if not terms.closed:
        return "draft"
    return "not due" if showback else "open"


def _charges(month: str, sections: dict[Whose, list[Line]]) -> Table:
    """Each section is rounded by itself."""
    rows: list[tuple[str | int | None, ...]] = []
    total = 0
    for (project, card), lines in sections.items():
        groups = _groups(lines, priced_later(lines))
        exact = [sum(line.pico or 0 for line in mine) for mine in groups.values()]
        whole = _cents(lines)
        amounts = shown(exact, whole // PICO_PER_CENT).parts
        for (key, mine), amount in zip(groups.items(), amounts, strict=True):
            rows.append((project, card, *_charge(key, mine, amount * PICO_PER_CENT)))
        rows.append((project, card, "rounding", "", None, "", "", None, whole - sum(exact)))
        total += whole
    sectioned = len(sections) > 1
    names = ("total", "", "") if sectioned else ("", "", "total")
    return Table(
        key="lines",
        title=f"Charges booked in {month}",
        columns=_SECTIONED if sectioned else _LINES,
        rows=rows,
        total=(*names, "", None, "", "", total, total),
        note="Amounts are whole cents that sum to the total; the exact amounts and the rounding sum to it, too.",
    )


def _charge(key: Key, lines: Sequence[Line], amount: int) -> tuple[str | int | None, ...]:
    corrects, resource, product, rate, later = key
    quantity, unit = quantity_of(resource, sum(line.quantity for line in lines))
    why = f"{corrects}, priced later" if later else f"correction of {corrects}"
    name = f"{resource} ({why})" if corrects else resource
    return name, product, quantity, unit, rate, amount, sum(line.pico or 0 for line in lines)


def _overview(sections: dict[Whose, list[Line]], terms: Terms) -> Table:
    rows: list[tuple[str | int | None, ...]] = [
        (project, card, invoice_id(terms.month, project or lines[0].payer.division, card), _status(terms, showback=card == INTERNAL), _cents(lines))
        for (project, card), lines in sections.items()
    ]  # fmt: skip
    return Table(
        key="sections",
        title="Projects and cards",
        columns=(
            Column("project"),
            Column("card"),
            Column("id"),
            Column("payment_status"),
            Column("amount", Form.CENTS),
        ),
        rows=rows,
        total=("total", "", "", "", _sum(rows, 4)),
    )


def _markup(priced: Sequence[Line], base: Base) -> Table:
    """What the card adds to the internal one, corrections included. Unknown where the internal one has no rate."""
    found: dict[tuple[str, str], list[Line]] = {}
    for line in priced:
        found.setdefault((line.resource, line.product), []).append(line)
    rows: list[tuple[str | int | None, ...]] = []
    for (resource, product), lines in sorted(found.items()):
        pico, cost = sum(line.pico or 0 for line in lines), base(lines)
        more = None if cost is None else pico - cost
        percent = None if cost is None or more is None else tenths(more, cost)
        rows.append((resource, product, cost, more, percent, pico))
    return Table(
        key="markup",
        title="Markup",
        columns=(
            Column("resource"),
            Column("product"),
            Column("at_internal_card", Form.MONEY),
            Column("markup", Form.MONEY),
            Column("percent", Form.PERCENT),
            Column("charged", Form.MONEY),
        ),
        rows=rows,
        total=("total", "", *(_sum(rows, place) for place in (2, 3)), None, _sum(rows, 5)),
        empty="There are no charges.",
    )


def _sum(rows: Sequence[tuple[str | int | None, ...]], place: int) -> int | None:
    """None where one of them is unknown."""
    values = [row[place] for row in rows]
    return None if None in values else sum(value for value in values if isinstance(value, int))


def _notes(terms: Terms, own: Sequence[Line], cards: Sequence[str]) -> list[str]:
    notes = []
    missing = unpriced(own)
    if missing:
        lacking = " and ".join(sorted({card for card, *_ in missing}))
        names = ", ".join(sorted({resource for _, resource, _ in missing}))
        when = " when the month was closed" if terms.closed else ""
        verb, advice = ("had", "If there is still none: ") if terms.closed else ("has", "")
        notes.append(
            f"Not in the total, because the {lacking} card {verb} no rate{when}: {names}. {advice}{remedy(own)}"
        )
    if not terms.closed:
        notes.append(f"{terms.month} is not closed: amounts may still change.")
    if list(cards) == [INTERNAL]:
        notes.append("This is for information (showback): nothing is due.")
    elif INTERNAL in cards:
        notes.append("What is at the internal card is for information (showback): it is not due.")
    if not own:
        notes.append(f"Nothing is booked in {terms.month} at the {cards[0]} card.")
    return notes
