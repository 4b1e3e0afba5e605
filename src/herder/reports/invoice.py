"""An invoice: what one project or division is charged for what is booked in a month, at its rate card. Sums to the cent, with the rounding as a line of its own.

An invoice of a month that is not closed is a draft. At the internal card it is information only (showback), and nothing is due. Payments are not recorded:
an invoice is open until somebody else says otherwise.
"""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from herder.ledger.cents import PICO_PER_CENT, cents, shown
from herder.ledger.lines import Line
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
    card: str
    issuer: Issuer
    closed: bool
    """The month can no longer change."""
    due_days: int = 30
    """After the end of the month."""


_LINES = (
    Column("resource"),
    Column("product"),
    Column("quantity", Form.NUMBER),
    Column("unit"),
    Column("rate", wide=True),
    Column("amount", Form.CENTS),
    Column("exact", Form.EXACT, wide=True),
)


def invoice(lines: Iterable[Line], bill_to: BillTo, terms: Terms, base: Base) -> Document:
    """`lines`: all that are booked in the month; those of others and of other cards are passed over."""
    own = [
        line for line in lines if line.period == terms.month and line.card == terms.card and bill_to.has(line)
    ]
    priced = [line for line in own if line.pico is not None]
    exact = sum(line.pico or 0 for line in priced)
    total = due(priced)
    taken_back = priced_later(own)
    charges = _groups([line for line in priced if not line.corrects])
    corrections = _groups([line for line in priced if line.corrects], taken_back)
    tables = [
        _charges(terms.month, charges, corrections, total),
        _markup(charges, base),
        unpriced_table(own),
    ]
    return Document(
        kind="invoice",
        title=f"Invoice for {bill_to.name}, {terms.month}",
        facts=_facts(bill_to, terms, exact, total),
        tables=tables,
        notes=_notes(terms, own),
    )


def due(lines: Iterable[Line]) -> int:
    """Pico-USD of whole cents. What a project is charged at a card is rounded once, half-even; more than one project is the sum of theirs."""
    sums: dict[tuple[str, str], int] = {}
    for line in lines:
        whose = (line.payer.project, line.card)
        sums[whose] = sums.get(whose, 0) + (line.pico or 0)
    return sum(map(cents, sums.values())) * PICO_PER_CENT


Key = tuple[str, str, str, str, bool]
"""(corrected month, resource, product, rate, priced later)."""


def _groups(lines: Iterable[Line], taken_back: frozenset[Use] = frozenset()) -> dict[Key, list[Line]]:
    found: dict[Key, list[Line]] = {}
    for line in lines:
        later = was_priced_later(line, taken_back)
        found.setdefault((line.corrects, line.resource, line.product, line.rate, later), []).append(line)
    return dict(sorted(found.items()))


def _facts(bill_to: BillTo, terms: Terms, exact: int, total: int) -> list[Fact]:
    year, month = int(terms.month[:4]), int(terms.month[5:])
    end = datetime(year + month // 12, month % 12 + 1, 1, tzinfo=UTC)
    showback = terms.card == INTERNAL
    return [
        Fact(key="id", value=invoice_id(terms.month, bill_to.name, terms.card)),
        Fact(key="issuer", value=terms.issuer.name),
        Fact(key="bill_to", value=bill_to.name),
        Fact(key="division", value=bill_to.division or None),
        Fact(key="period_start", value=f"{terms.month}-01"),
        Fact(key="period_end", value=f"{end - timedelta(days=1):%Y-%m-%d}"),
        Fact(key="card", value=terms.card),
        Fact(key="currency", value="USD"),
        Fact(key="due_date", value=None if showback else f"{end + timedelta(days=terms.due_days):%Y-%m-%d}"),
        Fact(key="payment_status", value=_status(terms, showback=showback)),
        Fact(key="exact_sum", value=exact, form=Form.EXACT),
        Fact(key="rounding", value=total - exact, form=Form.EXACT),
        Fact(key="total", value=total, form=Form.MONEY),
    ]


def _status(terms: Terms, *, showback: bool) -> str:
    if not terms.closed:
        return "draft"
    return "not due" if showback else "open"


def _charges(
    month: str, charges: dict[Key, list[Line]], corrections: dict[Key, list[Line]], total: int
) -> Table:
    groups = {**charges, **corrections}
    exact = [sum(line.pico or 0 for line in lines) for lines in groups.values()]
    amounts = shown(exact, total // PICO_PER_CENT).parts
    rows = [
        _charge(key, lines, amount * PICO_PER_CENT)
        for (key, lines), amount in zip(groups.items(), amounts, strict=True)
    ]
    rounded = ("rounding", "", None, "", "", None, total - sum(exact))
    return Table(
        key="lines",
        title=f"Charges booked in {month}",
        columns=_LINES,
        rows=[*rows, rounded],
        total=("total", "", None, "", "", total, total),
        note="Amounts are whole cents that sum to the total; the exact amounts and the rounding sum to it, too.",
    )


def _charge(key: Key, lines: Sequence[Line], amount: int) -> tuple[str | int | None, ...]:
    corrects, resource, product, rate, later = key
    quantity, unit = quantity_of(resource, sum(line.quantity for line in lines))
    why = f"{corrects}, priced later" if later else f"correction of {corrects}"
    name = f"{resource} ({why})" if corrects else resource
    return name, product, quantity, unit, rate, amount, sum(line.pico or 0 for line in lines)


def _markup(charges: dict[Key, list[Line]], base: Base) -> Table:
    """What the card adds to the internal one. Unknown where the internal one has no rate."""
    found: dict[tuple[str, str], list[Line]] = {}
    for (_, resource, product, *_), lines in charges.items():
        found.setdefault((resource, product), []).extend(lines)
    rows: list[tuple[str | int | None, ...]] = []
    for (resource, product), lines in found.items():
        pico, cost = sum(line.pico or 0 for line in lines), base(lines)
        more = None if cost is None else pico - cost
        rows.append(
            (
                resource,
                product,
                cost,
                more,
                None if cost is None or more is None else tenths(more, cost),
                pico,
            )
        )
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


def _notes(terms: Terms, own: Sequence[Line]) -> list[str]:
    notes = []
    missing = unpriced(own)
    if missing:
        names = ", ".join(sorted({resource for _, resource, _ in missing}))
        notes.append(
            f"Not in the total, because the {terms.card} card has no rate: {names}. {remedy(list(missing))}"
        )
    if not terms.closed:
        notes.append(f"{terms.month} is not closed: amounts may still change.")
    if terms.card == INTERNAL:
        notes.append("This is for information (showback): nothing is due.")
    if not own:
        notes.append(f"Nothing is booked in {terms.month} at the {terms.card} card.")
    return notes
