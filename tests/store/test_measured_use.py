"""Measured use on both databases: by class, pool, day and hour; what was not measured is no zero; quality and attempts of an account."""

from typing import Any

from sqlalchemy import Engine, insert

from herder.ledger.quantities import DAY_MS
from herder.model.ids import UserName
from herder.model.stored.ledger_records import MachineDayRecord, WorkDayRecord
from herder.model.values.resources import Resources
from herder.model.work.job import AttemptState, JobClass
from herder.store.rows import tables as t
from herder.store.rows.json_forms import encode_class
from herder.store.rows.ledger_tables import machine_days, work_days
from herder.store.rows.measured_use import Asked, Quality, attempts_of, measured, quality

HOUR = 3_600_000
DAY = 20_000 * DAY_MS
LOW = JobClass(
    user=UserName("ann"), project="ml", request=Resources(4000, 8192, 0, 0), priority=-10, type="train"
)
OTHER = JobClass(user=UserName("bob"), request=Resources(1000, 512, 0, 1))


def job(number: int, class_id: int) -> dict[str, Any]:
    return {
        "id": number, "position": 0, "class_id": class_id, "payload": "{}", "created_at_ms": 1, "state": 3, "attempts": 1,
        "failures": 0, "cause": "", "user": "u", "project": "p",
    }  # fmt: skip


def attempt(number: int, began: int, wait: int, ran: int, cpu: int, peak: int, **more: Any) -> dict[str, Any]:
    return {
        "job_id": number, "attempt": 1, "worker": "w", "state": int(AttemptState.SUCCEEDED), "cause": "", "message": "",
        "exit_code": 0, "assigned_at_ms": began, "started_at_ms": began + wait, "ended_at_ms": began + wait + ran, "cpu_ms": cpu,
        "memory_peak_mib": peak, "result": None, **more,
    }  # fmt: skip


def fill(engine: Engine) -> None:
    worker = {column.name: 0 if "INT" in str(column.type) else "" for column in t.workers.columns}
    classes = [
        {"id": number, "user": each.user, "project": each.project, "pool": "auto", "spec": encode_class(each)}
        for number, each in ((1, LOW), (2, OTHER))
    ]
    with engine.begin() as connection:
        connection.execute(insert(t.workers), [{**worker, "name": "w", "pool": "std"}])
        connection.execute(insert(t.job_classes), classes)
        connection.execute(insert(t.jobs), [job(1, 1), job(2, 1), job(3, 1), job(4, 1), job(5, 2)])
        at = DAY + 9 * HOUR
        rows = [
            attempt(1, at, 100, 10_000, 8_000, 700),
            attempt(2, at + 1, 100, 20_000, 30_000, 900),
            attempt(3, at + 2, 0, 999, 0, 0, state=int(AttemptState.FAILED)),  # too short to say anything
            attempt(4, at + HOUR, 0, 5_000, 0, 0),  # not measured
            attempt(5, DAY - 5, 0, 10_000, 1_000, 50, started_at_ms=None),
        ]
        connection.execute(insert(t.attempts), rows)


def test_attempts_are_summed_up_by_class_day_and_hour(engine: Engine) -> None:
    fill(engine)
    with engine.connect() as connection:
        rows = {(row.asked.user, row.hour): row for row in measured(connection, DAY, DAY + DAY_MS)}
        assert list(measured(connection, DAY + DAY_MS, DAY + 2 * DAY_MS)) == []
    assert set(rows) == {("ann", 9), ("ann", 10), ("bob", 23)}
    row = rows["ann", 9]
    assert row.asked == Asked("ml", "ann", 4000, 8192, 0, -10, "train")
    assert (row.day_ms, row.pool, row.attempts) == (DAY, "std", 3)
    assert (row.held_ms, row.ran_ms) == (30_000 + 200 + 999, 30_999)
    assert (row.cpu_ran_ms, row.cpu_ms) == (30_000, 38_000), "what is too short is in neither"
    assert (row.cpu_peak_milli, row.memory_peak_mib) == (1_500, 900)
    assert (rows["ann", 10].attempts, rows["ann", 10].cpu_ran_ms, rows["ann", 10].memory_peak_mib) == (
        1,
        0,
        0,
    )
    assert (rows["bob", 23].ran_ms, rows["bob", 23].cpu_ms) == (0, 0), "it never started"


def test_quality_and_attempts_of_an_account(engine: Engine) -> None:
    fill(engine)
    huge = str(10**25)
    machine = MachineDayRecord(DAY, "2024-10", "w", "std", "t", "d", "", "", 1, 1, 0, huge)
    work = WorkDayRecord(DAY, "2024-10", "w", "ann", "ml", 4, 1, huge, huge, huge, huge)
    with engine.begin() as connection:
        connection.execute(insert(machine_days), [machine._asdict()])
        connection.execute(insert(work_days), [work._asdict()])
    with engine.connect() as connection:
        assert quality(connection, "ml", "ann", "std", DAY, DAY + DAY_MS) == Quality(4, 3)
        assert quality(connection, "ml", "ann", "big", DAY, DAY + DAY_MS) == Quality(0, 0)
        assert attempts_of(connection, "ml", "ann", "std", DAY, DAY + DAY_MS) == 4
        assert attempts_of(connection, "ml", "ann", "big", DAY, DAY + DAY_MS) == 0
        assert attempts_of(connection, "ml", "ann", "std", DAY - DAY_MS, DAY) == 0
