"""Every record type goes in and comes out as it was, on both databases; what is written twice is there once."""

import asyncio
import gc
import time
from itertools import zip_longest
from typing import Any

import pytest
from sqlalchemy import BigInteger, Engine, Integer, event, func, insert, select

from herder.model.stored.changes import Changes
from herder.model.stored.records import (
    KEYS,
    JobClassChange,
    JobClassRecord,
    JobNew,
    JobStatus,
    LogRecord,
    MetaRecord,
)
from herder.model.work.job import JobState
from herder.store.rows import tables
from herder.store.writing.cancelled_batches import PIECE, sweep_batch
from herder.store.writing.change_rows import ALIKE_LEAST_POSTGRES, STATEMENT_BYTES
from herder.store.writing.statements import BLOCKS
from herder.store.writing.writer import Writer

RECORDS = sorted(tables.TABLE_OF, key=lambda kind: kind.__name__)
BIG = 2**63 - 1
HARD = "ü – 漢字 🐑 'quoted' \"double\" \\ back\\u0041 $1 %s ? :name {} \t\n\r \x7f \u2028"


def example(kind: type, *, null: bool, variant: int = 0) -> Any:
    table = tables.TABLE_OF[kind]
    values: list[object] = []
    for index, name in enumerate(kind._fields):  # type: ignore[attr-defined]
        column = table.c[name]
        if null and column.nullable:
            values.append(None)
        elif isinstance(column.type, BigInteger | Integer):
            values.append(BIG - index if index >= KEYS[kind] else index + 1)
        else:
            values.append(f"{name}{HARD}{variant if index >= KEYS[kind] else ''}")
    return kind(*values)


def changes_of(*records: Any) -> Changes:
    changes = Changes()
    for record in records:
        if isinstance(record, JobNew):
            changes.jobs_new.append(record)
        elif isinstance(record, JobStatus):
            changes.job_status[record.id] = record
        else:
            changes.put(record)
    return changes


def rows_of(engine: Engine, kind: type) -> list[Any]:
    table = tables.TABLE_OF[kind]
    columns = [table.c[name] for name in kind._fields]  # type: ignore[attr-defined]
    with engine.connect() as connection:
        return [kind(*row) for row in connection.execute(select(*columns))]


def job(
    number: int, *, batch: int | None = None, state: JobState = JobState.READY, class_id: int = 1
) -> JobNew:
    return JobNew(number, batch, number, class_id, None, "{}", 5, state, 7)


@pytest.mark.parametrize("kind", RECORDS, ids=lambda kind: kind.__name__)
@pytest.mark.parametrize("null", [False, True])
async def test_round_trip(writer: Writer, engine: Engine, kind: type, null: bool) -> None:
    record = example(kind, null=null)
    await writer.commit(changes_of(record))
    assert rows_of(engine, kind) == [record]


@pytest.mark.parametrize(
    "kind", [kind for kind in RECORDS if kind is not JobNew], ids=lambda kind: kind.__name__
)
async def test_the_last_state_of_a_row_wins(writer: Writer, engine: Engine, kind: type) -> None:
    first, second = example(kind, null=False, variant=1), example(kind, null=True, variant=2)
    assert first[: KEYS[kind]] == second[: KEYS[kind]]
    await writer.commit(changes_of(first))
    await writer.commit(changes_of(first))
    assert rows_of(engine, kind) == [first]
    await writer.commit(changes_of(first, second))
    assert rows_of(engine, kind) == [second]


async def test_a_job_is_accepted_once(writer: Writer, engine: Engine) -> None:
    await writer.commit(changes_of(job(1)))
    await writer.commit(changes_of(JobStatus(1, JobState.RUNNING, 1, 0, "", None, None)))
    await writer.commit(changes_of(job(1)))
    with engine.connect() as connection:
        assert connection.execute(select(tables.jobs.c.state)).scalars().all() == [JobState.RUNNING]


async def test_a_status_keeps_when_the_job_became_ready(writer: Writer, engine: Engine) -> None:
    await writer.commit(changes_of(job(1), job(2)))
    await writer.commit(changes_of(JobStatus(1, JobState.RUNNING, 3, 2, "x", None, None)))
    await writer.commit(changes_of(JobStatus(2, JobState.READY, 1, 0, "", 99, None)))
    await writer.commit(changes_of(JobStatus(77, JobState.READY, 1, 0, "", 99, None)))
    with engine.connect() as connection:
        columns = [tables.jobs.c[name] for name in JobStatus._fields]
        rows = [JobStatus(*row) for row in connection.execute(select(*columns).order_by(tables.jobs.c.id))]
    assert rows == [
        JobStatus(1, JobState.RUNNING, 3, 2, "x", 7, None),
        JobStatus(2, JobState.READY, 1, 0, "", 99, None),
    ]


async def test_jobs_that_follow_one_another_and_change_alike_are_changed_together(
    writer: Writer, engine: Engine
) -> None:
    long = ALIKE_LEAST_POSTGRES + 1
    await writer.commit(changes_of(*(job(number) for number in range(1, 6 * long))))
    running = [JobStatus(number, JobState.RUNNING, 1, 0, "", None, None) for number in range(1, 3 * long)]
    left_out = running.pop(long)  # neither it nor what follows the runs is to change
    ready = [
        JobStatus(number, JobState.READY, 2, 1, "", 9 + number // 3, None)
        for number in range(3 * long, 4 * long)
    ]
    ended = [
        JobStatus(number, JobState.SUCCEEDED, 1, 0, HARD, None, 10, 11)
        for number in range(4 * long, 5 * long)
    ]
    statements: list[str] = []
    event.listen(engine, "before_cursor_execute", lambda *args: statements.append(args[2]))
    in_turn = [each for some in zip_longest(running, ready, ended) for each in some if each is not None]
    await writer.commit(changes_of(*in_turn))
    assert sum("BETWEEN" in statement for statement in statements) == 3
    with engine.connect() as connection:
        columns = [tables.jobs.c[name] for name in JobStatus._fields]
        rows = {row.id: JobStatus(*row) for row in connection.execute(select(*columns))}
    expected = {
        number: JobStatus(number, JobState.READY, 0, 0, "", 7, None)
        for number in (left_out.id, *range(5 * long, 6 * long))
    }
    expected.update(
        (each.id, each._replace(ready_at_ms=each.ready_at_ms or 7)) for each in (*running, *ready, *ended)
    )
    assert rows == expected


async def test_accepted_and_ended_in_one_commit(writer: Writer, engine: Engine) -> None:
    await writer.commit(changes_of(job(1), JobStatus(1, JobState.SUCCEEDED, 1, 0, "", None, 9)))
    with engine.connect() as connection:
        assert connection.execute(select(tables.jobs.c.state)).scalar() == JobState.SUCCEEDED


async def test_a_nul_stops_nobody(writer: Writer, engine: Engine, fatal: list[BaseException]) -> None:
    await writer.commit(changes_of(MetaRecord("k", "a\x00b\\u0000c"), LogRecord(1, 1, 0, "x\x00")))
    assert rows_of(engine, MetaRecord) == [MetaRecord("k", "a\x1ab\\u0000c")]
    assert rows_of(engine, LogRecord) == [LogRecord(1, 1, 0, "x\x1a")]
    assert not fatal


@pytest.mark.parametrize("kind", RECORDS)
@pytest.mark.parametrize("null", [True, False])
async def test_many_rows_go_in_and_change(writer: Writer, engine: Engine, kind: type, null: bool) -> None:
    """So many that both sizes of blocks and single rows are needed; a row in each has a NUL."""
    several = [_numbered(example(kind, null=null), number) for number in range(sum(BLOCKS) + 70)]
    await writer.commit(changes_of(*several))
    clean = [type(row)(*(_text(value) for value in row)) for row in several]
    assert sorted(rows_of(engine, kind)) == sorted(clean)

    later = [_numbered(example(kind, null=False, variant=1), number) for number in range(len(several))]
    await writer.commit(changes_of(*later))
    clean_later = [type(row)(*(_text(value) for value in row)) for row in later]
    assert sorted(rows_of(engine, kind)) == sorted(clean if kind is JobNew else clean_later)


def _numbered(record: Any, number: int) -> Any:
    """Another row of the same kind: another key, and each text of its own."""
    keys, end = KEYS[type(record)], "\x00" if number % 61 == 0 else ""
    values = [
        f"{value}{number}{end}"
        if isinstance(value, str)
        else (value or 0) + number
        if index < keys
        else value
        for index, value in enumerate(record)
    ]
    return type(record)(*values)


def _text(value: object) -> object:
    return value.replace("\x00", "\x1a") if isinstance(value, str) else value


async def test_many_rows_are_cut_into_statements(
    writer: Writer, engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("herder.store.writing.change_rows.ROWS_PER_STATEMENT", 100)
    await writer.commit(changes_of(*(job(number) for number in range(1, 1002))))
    assert len(rows_of(engine, JobNew)) == 1001
    assert writer.commits == 1


@pytest.mark.parametrize(
    "sizes", [[3_000] * 3_000, [10] * 1_500 + [30_000] * 300, [30_000] * 300 + [10] * 1_500, [9_000_000] * 2]
)
async def test_large_rows_are_cut_into_statements_by_bytes(
    writer: Writer, engine: Engine, sizes: list[int]
) -> None:
    sent: list[int] = []

    def saw(_c: object, _cursor: object, _text: str, parameters: tuple[object, ...], *_: object) -> None:
        sent.append(sum(len(each) for each in parameters if isinstance(each, str)))

    event.listen(engine, "before_cursor_execute", saw)
    try:
        await writer.commit(
            changes_of(*(job(number)._replace(payload="x" * size) for number, size in enumerate(sizes, 1)))
        )
    finally:
        event.remove(engine, "before_cursor_execute", saw)
    with engine.connect() as connection:
        found = connection.execute(
            select(func.length(tables.jobs.c.payload)).order_by(tables.jobs.c.id)
        ).scalars()
        assert list(found) == sizes
    assert max(sent) <= max(STATEMENT_BYTES, max(sizes) + 1_000)
    blocks = len(sizes) // BLOCKS[0] + BLOCKS[0] // BLOCKS[-1]
    assert len(sent) <= 4 + 4 * sum(sizes) // STATEMENT_BYTES + blocks


async def test_what_was_written_is_let_go(writer: Writer) -> None:
    """A submission of 29 MB, say, when nothing comes after it."""
    await writer.commit(changes_of(job(1), job(2)))
    give_up_at = time.monotonic() + 10
    while left := [each for each in gc.get_objects() if isinstance(each, Changes) and each.jobs_new]:
        assert time.monotonic() < give_up_at, left
        del left
        await asyncio.sleep(0.01)


@pytest.mark.parametrize(
    "record", sorted(KEYS, key=lambda kind: kind.__name__), ids=lambda kind: kind.__name__
)
def test_records_and_tables_agree(record: type) -> None:
    table = tables.TABLE_OF.get(record, tables.jobs)
    names, columns = list(record._fields), [column.name for column in table.columns]  # type: ignore[attr-defined]
    if record in (JobNew, JobStatus, JobClassChange):
        assert set(names) <= set(columns)
    else:
        assert names == columns
    keys = {column.name for column in table.primary_key}
    assert set(names[: KEYS[record]]) == keys


def test_every_column_of_a_job_is_written_by_somebody() -> None:
    written = {*JobNew._fields, *JobStatus._fields}
    assert written == {column.name for column in tables.jobs.columns}


def test_a_cancelled_batch_is_marked_in_pieces(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> None:
    assert PIECE >= 1000
    monkeypatch.setattr("herder.store.writing.cancelled_batches.PIECE", 10)
    states = [JobState.READY, JobState.BLOCKED, JobState.PENDING, JobState.RUNNING, JobState.SUCCEEDED]
    rows = [job(number, batch=1, state=states[number % 5]) for number in range(1, 51)]
    rows += [job(number, batch=1, class_id=9) for number in range(51, 56)]
    rows += [job(number, batch=2) for number in range(56, 61)]
    with engine.begin() as connection:
        connection.execute(insert(tables.jobs), [row._asdict() for row in rows])
        _batch(connection, 1, committed=3)
    calls = 0
    while True:
        with engine.begin() as connection:
            calls += 1
            if not sweep_batch(connection, 1, 77, [9]):
                break
    assert calls == 4
    with engine.connect() as connection:
        found = connection.execute(select(tables.jobs).order_by(tables.jobs.c.id)).all()
    swept = [row for row in found if row.state == JobState.CANCELLED]
    assert [row.id for row in swept] == [n for n in range(1, 51) if n % 5 < 3]
    assert {(row.cause, row.ended_at_ms) for row in swept} == {("cancelled", 77)}
    assert {row.state for row in found if row.class_id == 9 or row.batch_id == 2} == {JobState.READY}


def test_of_a_batch_that_never_began_everything_is_marked(engine: Engine) -> None:
    with engine.begin() as connection:
        connection.execute(insert(tables.jobs), [job(n, batch=1, class_id=9)._asdict() for n in (1, 2)])
        _batch(connection, 1, committed=None)
        assert not sweep_batch(connection, 1, 77, [9])
        assert set(connection.execute(select(tables.jobs.c.state)).scalars()) == {JobState.CANCELLED}


def _batch(connection: Any, number: int, *, committed: int | None) -> None:
    values = {
        "user": "ann",
        "project": "",
        "name": "",
        "state": "cancelled",
        "attributes": "{}",
        "counts": "{}",
    }
    times = {"jobs": 0, "cost_pico": "0", "created_at_ms": 1, "committed_at_ms": committed}
    connection.execute(insert(tables.batches).values(id=number, **values, **times))


async def test_class_texts_may_be_long(writer: Writer, engine: Engine) -> None:
    record = JobClassRecord(1, "u", "p", "auto", "x" * 300_000)
    await writer.commit(changes_of(record))
    assert rows_of(engine, JobClassRecord) == [record]
