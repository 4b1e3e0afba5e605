"""The ledger computed anew from the log of use, and compared byte for byte with what is stored. Called by `herder cost rebuild`, the simulated world and tests; changes nothing."""

import hashlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import zip_longest

from sqlalchemy import Connection, select

from herder.ledger.metering import UsageEvent, metered_days
from herder.ledger.quantities import MachineDay, WorkDay
from herder.ledger.use_log import Days, Entry
from herder.store.rows import ledger_tables as t
from herder.store.rows.known_rates import rates_at
from herder.store.rows.month_rows import bodies_of, closed, computed_lines, digest_of, stored_bodies
from herder.store.rows.usage_event_rows import all_events, read_metered_days
from herder.store.rows.use_rows import closed_months, days_of, entries, folded, machine_day, work_day

#: Differences that are named; a broken ledger has many of one cause.
NAMED = 20


@dataclass(slots=True)
class Rebuilt:
    entries: int = 0
    attempts: int = 0
    reports: int = 0
    rows: int = 0
    months: int = 0
    lines: int = 0
    digest: str = ""
    """SHA-256 of the rows by day, in their order."""
    differences: list[str] = field(default_factory=list)
    """Of what is stored from what the log gives, at most NAMED; empty: not a byte."""

    def differs(self, text: str) -> None:
        if len(self.differences) < NAMED:
            self.differences.append(text)


def rebuild(connection: Connection) -> Rebuilt:
    """In one transaction of the caller's, in which the store does not change."""
    done = Rebuilt()
    upto = folded(connection)
    days, _ = days_of(_counted(entries(connection, 0, upto), done), closed_months(connection))
    _compare_days(connection, days, done)
    _compare_metered(connection, done)
    if not done.differences:
        _compare_months(connection, done)
    return done


def _counted(found: Iterable[tuple[int, Entry]], done: Rebuilt) -> Iterator[tuple[int, Entry]]:
    for number, entry in found:
        done.entries += 1
        done.attempts += len(entry.get("ended", ()))
        yield number, entry


def rows_in_order(days: Days) -> Iterator[MachineDay | WorkDay]:
    for key in sorted(days.machines):
        yield days.machines[key]
    for name in sorted(days.work):
        yield days.work[name]


def _stored(connection: Connection) -> Iterator[MachineDay | WorkDay]:
    """Sorted here: databases differ in the order of texts."""
    yield from sorted(machine_day(row) for row in connection.execute(select(t.machine_days)))
    yield from sorted(work_day(row) for row in connection.execute(select(t.work_days)))


def _compare_days(connection: Connection, days: Days, done: Rebuilt) -> None:
    digest = hashlib.sha256()
    for made, kept in zip_longest(rows_in_order(days), _stored(connection)):
        done.rows += made is not None
        digest.update(repr(made).encode())
        if made != kept:
            done.differs(f"The log gives {made or 'no row'}; the store has {kept or 'no row'}.")
    done.digest = digest.hexdigest()


def _compare_metered(connection: Connection, done: Rebuilt) -> None:
    known = {month: close.known_ms for month, close in closed(connection).items()}
    made = metered_days(_reports(connection, done), known)
    done.rows += len(made)
    if made != sorted(read_metered_days(connection)):
        done.differs("Reported use by day differs from what its reports give.")


def _reports(connection: Connection, done: Rebuilt) -> Iterator[UsageEvent]:
    for event in all_events(connection):
        done.reports += 1
        yield event


def _compare_months(connection: Connection, done: Rebuilt) -> None:
    closes, rates = closed(connection), rates_at(connection)
    for month, kept in closes.items():
        lines = computed_lines(connection, month, closes, rates, kept.payers)
        bodies = list(bodies_of(lines))
        done.months += 1
        done.lines += len(lines)
        if digest_of(bodies) != kept.digest:
            done.differs(f"The lines of {month} differ from those with which it was closed.")
        if digest_of(stored_bodies(connection, month)) != kept.digest:
            done.differs(f"The stored lines of {month} are not those with which it was closed.")
