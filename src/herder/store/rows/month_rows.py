"""Lines of a month: stored ones of a closed month, computed ones of an open month, with the corrections of closed months that are booked in it."""

import hashlib
import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any

from sqlalchemy import Connection, func, select

from herder.ledger.lines import Kind, Line, Payer, Place, text_of
from herder.ledger.months import begin_of, end_of, following, preceding
from herder.ledger.pricing import Month, Payers, Project, amounts_of, corrections_of, lines_of
from herder.ledger.rates import RateList
from herder.model.stored.ledger_records import MonthLinesRecord, MonthRecord
from herder.store.rows import ledger_tables as t
from herder.store.rows.metering_tables import metered_days, rates, usage_events
from herder.store.rows.use_rows import days_between, late_months

#: Lines in one row.
LINES = 1000

RatesAt = Callable[[int | None], RateList]
"""The rates that were known at a time; None: all."""


@dataclass(frozen=True, slots=True)
class Closed:
    month: str
    known_ms: int
    payers: Payers
    digest: str
    lines: int
    closed_by: str


def closed(connection: Connection) -> dict[str, Closed]:
    """In their order."""
    return {
        row.month: Closed(
            row.month, row.known_ms, payers_from(row.payers), row.digest, row.lines, row.closed_by
        )
        for row in connection.execute(select(t.months).order_by(t.months.c.month))
    }


def last_known_ms(connection: Connection) -> int:
    """When the last report or rate came; a clock that was set back since is no reason to leave it out of a close."""
    queries = (select(func.max(usage_events.c.arrived_ms)), select(func.max(rates.c.added_at_ms)))
    return max(connection.execute(query).scalar() or 0 for query in queries)


def payers_text(payers: Payers) -> str:
    return json.dumps(
        {name: list(each) for name, each in sorted(payers.projects.items())}, separators=(",", ":")
    )


def payers_from(text: str) -> Payers:
    return Payers({name: Project(*each) for name, each in json.loads(text).items()})


def stored_lines(connection: Connection, month: str) -> Iterator[Line]:
    """Of a closed month. Most of a line is as in many others, and is in memory once."""
    alike: dict[Any, Any] = {}
    for body in stored_bodies(connection, month):
        for text in body.splitlines():
            line = line_from(text)
            shared = (alike.setdefault(each, each) for each in (*line[:4], *line[5:9]))
            yield Line._make((*islice(shared, 4), line.kind, *shared, *line[9:]))


def stored_bodies(connection: Connection, month: str) -> Iterator[str]:
    query = select(t.month_lines.c.body).where(t.month_lines.c.month == month).order_by(t.month_lines.c.place)
    for row in connection.execute(query):
        yield row.body


def line_from(text: str) -> Line:
    """As `ledger.lines.text_of` wrote it."""
    plain = json.loads(text)
    return Line._make((*plain[:4], Kind(plain[4]), Payer(*plain[5:8]), Place(*plain[8:14]), *plain[14:]))


def bodies_of(lines: Iterable[Line]) -> Iterator[str]:
    """As they are stored."""
    texts: list[str] = []
    for line in lines:
        texts.append(text_of(line))
        if len(texts) == LINES:
            yield "\n".join(texts)
            texts = []
    if texts:
        yield "\n".join(texts)


def closing_records(
    month: str, lines: list[Line], number: int, known_ms: int, closed_by: str, payers: Payers
) -> list[MonthRecord | MonthLinesRecord]:
    bodies = list(bodies_of(lines))
    rows = [MonthLinesRecord(month, place, body) for place, body in enumerate(bodies)]
    record = MonthRecord(
        month, number, known_ms, closed_by, len(lines), digest_of(bodies), payers_text(payers)
    )
    return [record, *rows]


def digest_of(bodies: Iterable[str]) -> str:
    digest = hashlib.sha256()
    for body in bodies:
        digest.update(body.encode())
        digest.update(b"\n")
    return digest.hexdigest()


def computed_lines(
    connection: Connection, month: str, closes: Mapping[str, Closed], rates: RatesAt, payers: Payers
) -> list[Line]:
    """From the rows by day, of a month as it is now, or as it was closed: use that is booked in it at the rates that were known, then the corrections of earlier months.

    Months are closed in order, without gaps. What becomes known of closed ones is booked in the month after them, and in no other.
    """
    own, before = closes.get(month), closes.get(preceding(month))
    known_ms, now_payers = (None, payers) if own is None else (own.known_ms, own.payers)
    lines = lines_of(month, _month_use(connection, month, month), rates(known_ms), now_payers)
    if before is not None:
        for earlier in _corrected(connection, month, before, closes, rates, known_ms):
            lines += _corrections(connection, month, before, closes, earlier, rates, known_ms)
    return lines


def _corrected(
    connection: Connection,
    month: str,
    before: Closed,
    closes: Mapping[str, Closed],
    rates: RatesAt,
    known_ms: int | None,
) -> list[str]:
    """Months before it of which use came late, or that have other rates than they were closed with. Of what was before the first close, nothing was known then."""
    late = set(late_months(connection, month))
    if rates(before.known_ms).ids != rates(known_ms).ids:
        late.update(closes)
    return sorted(each for each in late if each < month)


def _corrections(
    connection: Connection,
    month: str,
    before: Closed,
    closes: Mapping[str, Closed],
    corrected: str,
    rates: RatesAt,
    known_ms: int | None,
) -> list[Line]:
    """What is known at the end of `month` of an earlier one, less what was known when the month before it was closed."""
    payers = closes.get(corrected, closes[min(closes)]).payers
    was = amounts_of(_month_use(connection, corrected, before.month), rates(before.known_ms), payers)
    is_now = amounts_of(_month_use(connection, corrected, month), rates(known_ms), payers)
    return corrections_of(month, corrected, was, is_now)


def _month_use(connection: Connection, month: str, booked_upto: str) -> Month:
    use = Month()
    for row in days_between(connection, begin_of(month), end_of(month)):
        if row.booked <= booked_upto:
            use.add(row)
    return use


def months_with_use(connection: Connection) -> list[str]:
    """From the first to the last that has something booked, without gaps."""
    found: set[str] = set()
    for table in (t.machine_days, t.work_days, metered_days):
        found.update(row.booked for row in connection.execute(select(table.c.booked).distinct()))
    if not found:
        return []
    months, last = [min(found)], max(found)
    while months[-1] < last:
        months.append(following(months[-1]))
    return months
