"""The log of use on both databases: rows by day, a closed month with numbers beyond 64 bits, late use, a rate that comes later, and a rebuild that agrees."""

import msgspec
from sqlalchemy import Connection, Engine

from herder.control.reads.alert_readings import cpu_of_day
from herder.ledger.lines import COST, Line
from herder.ledger.months import begin_of
from herder.ledger.pricing import Payers, Project
from herder.ledger.quantities import DAY_MS
from herder.ledger.use_log import entry_of
from herder.model.ids import JobId, PoolName, UserName, WorkerName
from herder.model.stored.changes import Changes
from herder.model.stored.ledger_records import UseLogRecord
from herder.model.stored.metering_records import MeteredDayRecord, RateRecord
from herder.model.stored.records import Record, TotalRecord
from herder.model.values.resources import Resources
from herder.model.work.usage import AttemptUsage, Machine, MachineUsage, UsageInterval
from herder.store.ledger_rebuild import rebuild
from herder.store.rows.known_rates import rates_at
from herder.store.rows.month_rows import closed, closing_records, computed_lines, stored_lines
from herder.store.rows.use_rows import FOLDED, folded, next_rows
from herder.store.writing.change_rows import ChangeRows

OCTOBER, NOVEMBER = begin_of("2026-10"), begin_of("2026-11")
SIZE = Resources(10**9, 10**12, 0, 10**6)
MACHINE = Machine(WorkerName("wörker '1'"), PoolName("p"), SIZE, 1, 10**15, "t", "d", "z", True)
PAYERS = Payers({"alpha": Project("research", "internal")})


def put(connection: Connection, *records: Record) -> None:
    changes = Changes()
    for record in records:
        changes.put(record)
    ChangeRows(connection.dialect.name).write(connection, changes)
    connection.commit()


def log(connection: Connection, number: int, *usage: UsageInterval) -> None:
    body = msgspec.json.encode(entry_of(usage, 0, ended=True)).decode()
    put(connection, UseLogRecord(number, NOVEMBER, body))


def fold(connection: Connection) -> None:
    rows, last = next_rows(connection, folded(connection))
    put(connection, *rows, TotalRecord(FOLDED, str(last)))


def attempt(job: int, from_ms: int, to_ms: int) -> AttemptUsage:
    return AttemptUsage(MACHINE, UserName("ann"), "alpha", None, JobId(job), 1, SIZE, from_ms, to_ms)


def lines(connection: Connection, month: str) -> list[Line]:
    closes = closed(connection)
    if month in closes:
        return list(stored_lines(connection, month))
    return computed_lines(connection, month, closes, rates_at(connection), PAYERS)


def test_a_rate_that_comes_late_corrects_each_closed_month_once(engine: Engine) -> None:
    """Two months are closed, two are open; what is corrected is in the first open one alone. Also use of a time before the first close."""
    gpu = 5040 * 3_600_000
    months = ["2026-08", "2026-09", "2026-10", "2026-11"]
    with engine.connect() as connection:
        for month in months:
            put(
                connection,
                MeteredDayRecord(
                    begin_of(month), month, "meter", "gpu", "", "", "alpha", "ann", str(10 * gpu)
                ),
            )
        for number, month in enumerate(months[:2]):
            put(
                connection,
                *closing_records(month, lines(connection, month), 0, NOVEMBER + number, "user/ann", PAYERS),
            )
        put(
            connection,
            RateRecord(
                "r", "internal", "gpu", "", begin_of("2026-01"), 1, '[[0,"1"]]', "", NOVEMBER + 9, "ann"
            ),
        )
        early = MeteredDayRecord(
            begin_of("2026-07"), "2026-10", "meter", "gpu", "", "", "alpha", "ann", str(gpu)
        )
        put(connection, early)
        found = [line for month in months for line in lines(connection, month) if line.card == "internal"]
        assert sum(line.pico or 0 for line in found) == 41 * 10**12
        late = {line.corrects for line in lines(connection, "2026-10") if line.corrects}
        assert late == {"2026-07", "2026-08", "2026-09"}
        assert [line for line in lines(connection, "2026-11") if line.corrects] == []
        put(
            connection,
            *closing_records("2026-10", lines(connection, "2026-10"), 0, NOVEMBER + 10, "user/ann", PAYERS),
        )
        assert [line for line in lines(connection, "2026-11") if line.corrects] == []


def test_a_month_is_closed_and_corrected(engine: Engine) -> None:
    with engine.connect() as connection:
        log(
            connection,
            1,
            MachineUsage(MACHINE, OCTOBER, OCTOBER + 2 * DAY_MS, OCTOBER),
            attempt(1, OCTOBER, OCTOBER + DAY_MS),
        )
        fold(connection)
        known = lines(connection, "2026-10")
        assert sum(line.pico or 0 for line in known if line.card == COST) == 48 * 10**15
        assert {line.pico for line in known if line.card == "internal"} == {None}, "there is no rate yet"
        put(connection, *closing_records("2026-10", known, folded(connection), NOVEMBER, "user/ann", PAYERS))
        log(connection, 2, attempt(2, OCTOBER + DAY_MS, OCTOBER + 2 * DAY_MS))
        put(
            connection,
            RateRecord("r", "internal", "cpu", "", OCTOBER, 1, '[[0,"0.05"]]', "", NOVEMBER + 1, "ann"),
        )
        fold(connection)
        late = lines(connection, "2026-11")
        assert {line.corrects for line in late} == {"2026-10"}
        assert sum(line.pico or 0 for line in late if line.card == COST) == 0, "what was idle is work now"
        cpu = [line for line in late if line.resource == "cpu"]
        assert sum(line.pico or 0 for line in cpu) == 48 * 10**6 * 5 * 10**10
        assert sum(line.quantity for line in cpu) == 10**9 * DAY_MS, (
            "a day that was unpriced is taken back, and two are priced"
        )
        assert list(stored_lines(connection, "2026-10")) == known
        put(
            connection,
            *closing_records("2026-11", late, folded(connection), NOVEMBER + 2, "user/ann", PAYERS),
        )
        done = rebuild(connection)
        assert (done.differences, done.months, done.entries) == ([], 2, 2)


def test_the_cpu_of_a_day_is_summed_up_also_beyond_64_bits(engine: Engine) -> None:
    """As the alert of compute reads it."""
    with engine.connect() as connection:
        log(connection, 1, *(attempt(job, OCTOBER, OCTOBER + DAY_MS) for job in range(200)))
        fold(connection)
        assert cpu_of_day(connection, OCTOBER) == 200 * 10**9 * DAY_MS > 2**63
        assert cpu_of_day(connection, OCTOBER + DAY_MS) == 0
