"""Fills a store with use by the server's own code, month by month: half of it comes before November is closed, half afterwards, up to 40 days late."""

import json
import time
from collections.abc import Iterable, Iterator
from itertools import islice
from typing import NamedTuple

import msgspec
from sqlalchemy import Engine

from bench.ledger.events import (
    BEGIN_MS,
    DAYS,
    PER_ENTRY,
    PROJECTS,
    Shuffle,
    attempt,
    machines_of_day,
    report,
)
from herder.control.usage.intake import outcome_of
from herder.control.usage.reports import Reported
from herder.ledger.built_in_cards import EXTERNAL, INTERNAL, card
from herder.ledger.metering import UsageEvent
from herder.ledger.price_lists import Priced, rate_of
from herder.ledger.pricing import Payers, Project
from herder.ledger.quantities import DAY_MS
from herder.ledger.use_log import entry_of
from herder.model.stored.changes import Changes
from herder.model.stored.ledger_records import UseLogRecord
from herder.model.stored.metering_records import MeteredDayRecord, RateRecord
from herder.model.stored.records import TotalRecord
from herder.store.rows.known_rates import rates_at
from herder.store.rows.month_rows import closed, closing_records, computed_lines
from herder.store.rows.usage_event_rows import record_of
from herder.store.rows.use_rows import FOLDED, folded, next_rows
from herder.store.writing.change_rows import ChangeRows

MONTH = "2026-11"
CLOSED_MS = BEGIN_MS + 31 * DAY_MS
#: Reports in one request to the store; each comes once more with the next request.
PIECE = 20_000
PAYERS = Payers(
    {
        f"project-{number}": Project(f"division-{number % 2}", (INTERNAL, EXTERNAL)[number % 2])
        for number in range(PROJECTS)
    }
)
_encode = msgspec.json.Encoder().encode


class Took(NamedTuple):
    """Seconds of CPU."""

    log: float
    fold: float
    intake: float


class Filling:
    def __init__(self, engine: Engine) -> None:
        self._engine = engine
        self._write = ChangeRows(engine.dialect.name).write
        self._entries = 0
        self._log_s = self._fold_s = self._intake_s = 0.0

    def fill(self, events: int) -> Took:
        """Half of them are attempts, half reports."""
        attempts, reports = events - events // 2, events // 2
        self._rates()
        pieces = self._pieces(reports)
        waves = 1 + (reports - 1) // PIECE
        for late in (False, True):
            self._log(range(attempts // 2, attempts) if late else range(attempts // 2), late=late)
            self._take_in(islice(pieces, None if late else waves // 2), late=late)
            self._fold()
            if not late:
                self._close()
        return Took(self._log_s, self._fold_s, self._intake_s)

    def _put(self, records: Iterable[object]) -> None:
        changes = Changes()
        for each in records:
            changes.put(each)  # type: ignore[arg-type]
        with self._engine.begin() as connection:
            self._write(connection, changes)

    def _rates(self) -> None:
        self._put(rate_record(each) for name in (INTERNAL, EXTERNAL) for each in card(name, 0))

    def _log(self, numbers: range, *, late: bool) -> None:
        arrived_ms = CLOSED_MS + DAY_MS if late else BEGIN_MS
        if not late:
            self._put([self._entry([use for day in range(DAYS) for use in machines_of_day(day)], arrived_ms)])
        for first in range(numbers.start, numbers.stop, PER_ENTRY * 100):
            records = []
            for begin in range(first, min(numbers.stop, first + PER_ENTRY * 100), PER_ENTRY):
                use = [attempt(number) for number in range(begin, min(numbers.stop, begin + PER_ENTRY))]
                began = time.process_time()
                records.append(self._entry(use, arrived_ms))
                self._log_s += time.process_time() - began
            self._put(records)

    def _entry(self, use: list, arrived_ms: int) -> UseLogRecord:  # type: ignore[type-arg]
        self._entries += 1
        return UseLogRecord(self._entries, arrived_ms, _encode(entry_of(use, 0, ended=True)).decode())

    def _pieces(self, reports: int) -> Iterator[list[UsageEvent]]:
        numbers = Shuffle(reports).numbers()
        while piece := [report(number, reports) for number in islice(numbers, PIECE)]:
            yield piece

    def _take_in(self, pieces: Iterable[list[UsageEvent]], *, late: bool) -> None:
        before: list[UsageEvent] = []
        for piece in pieces:
            sent = [Reported(event.id, event) for event in (*before, *piece)]
            began = time.process_time()
            with self._engine.connect() as connection:
                outcome = outcome_of(
                    connection, reported=sent, arrived_ms=arrived(late=late), closed=closes(late=late)
                )
            assert outcome.known == len(before)
            self._put(
                [
                    *(record_of(event, "bench") for event in outcome.new),
                    *(MeteredDayRecord(*key, str(quantity)) for key, quantity in outcome.days.items()),
                ]
            )
            self._intake_s += time.process_time() - began
            before = piece

    def _fold(self) -> None:
        """As `control.costs.use_by_day.fold` does, which needs a server."""
        began = time.process_time()
        while True:
            with self._engine.connect() as connection:
                rows, last = next_rows(connection, folded(connection))
            if not last:
                break
            self._put([*rows, TotalRecord(FOLDED, str(last))])
        self._fold_s += time.process_time() - began

    def _close(self) -> None:
        with self._engine.connect() as connection:
            lines = computed_lines(connection, MONTH, closed(connection), rates_at(connection), PAYERS)
            number = folded(connection)
        self._put(closing_records(MONTH, lines, number, CLOSED_MS, "user/bench", PAYERS))


def rate_record(row: Priced) -> RateRecord:
    tiers = json.dumps([[each.above, str(each.price)] for each in row.tiers])
    return RateRecord(rate_of(row).id, *row.subject, row.from_ms, row.per, tiers, "built-in", 0, "bench")


def arrived(*, late: bool) -> int:
    return CLOSED_MS + DAY_MS if late else CLOSED_MS


def closes(*, late: bool) -> dict[str, int]:
    return {MONTH: CLOSED_MS} if late else {}


def in_order(reports: int) -> Iterator[UsageEvent]:
    """Each once, in their own order, with the time at which it came."""
    first = ((1 + (reports - 1) // PIECE) // 2) * PIECE
    for number, place in enumerate(Shuffle(reports).places()):
        yield report(number, reports)._replace(arrived_ms=arrived(late=place >= first))
