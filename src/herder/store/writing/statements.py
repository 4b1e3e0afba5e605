"""The writer's SQL: one statement per table and commit, all rows in one JSON parameter.

Why not `executemany`: the database driver gives up and takes back Python's interpreter lock for every row, and beside a busy
event loop each taking-back waits up to a switch interval. Measured here with the loop busy: 1,849 µs a row by `executemany`,
18 µs a row by one JSON parameter (alone: 2.5 and 5). See `docs/decisions/0003-one-statement-per-commit.md`.

SQLite has a second form for inserts: blocks of a fixed number of rows as VALUES, one parameter for each value. It releases the lock
once a block and saves the reading of JSON, half of the CPU (`docs/decisions/0027-values-on-sqlite.md`). And jobs that follow one another
and change alike, as those of a large batch do, are changed by one statement: a third of the CPU.

Rows are written as a whole and by key, so a commit may be repeated after an unknown outcome without harm.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cache

from sqlalchemy import BigInteger, Column, Integer, Table, Text

from herder.model.stored.records import KEYS, JobClassChange, JobNew, JobStatus
from herder.store.rows.tables import TABLE_OF, jobs

_Value = Callable[[Column[object], int], str]

#: Rows in a block of VALUES, largest first. The driver keeps statements, so few sizes are better than the exact number; fewer rows
#: than the smallest go as JSON. The widest table has 27 columns, and SQLite takes 32,766 parameters.
BLOCKS = (512, 64)


@dataclass(frozen=True, slots=True)
class Blocks:
    """Inserts of whole blocks of rows into one table; each takes the values of its rows one after the other."""

    by_size: dict[int, str]
    texts: tuple[int, ...]
    """Which fields of a row are text."""


@dataclass(frozen=True, slots=True)
class Statements:
    """SQL text by record type for one dialect."""

    by_record: dict[type, str]
    """Takes one JSON array of rows (arrays in field order)."""
    blocks: dict[type, Blocks]
    """None on PostgreSQL, nor for updates."""
    alike: str
    """The update of jobs whose numbers follow one another and that change alike: takes the fields of a `JobStatus` after the number, then
    the first number and the last."""


@cache
def statements_for(dialect: str) -> Statements:
    """`dialect`: "sqlite" or "postgresql". Raises KeyError for another."""
    value = {"sqlite": _sqlite_value, "postgresql": _postgres_value}[dialect]
    source = {
        "sqlite": "json_each(?) AS r",
        "postgresql": "json_array_elements(CAST(%s AS json)) AS r",
    }[dialect]
    by_record: dict[type, str] = {}
    blocks: dict[type, Blocks] = {}
    for record, table in TABLE_OF.items():
        columns = [table.c[name] for name in record._fields]  # type: ignore[attr-defined]
        values = ", ".join(value(column, index) for index, column in enumerate(columns))
        head, tail = _upsert(table, columns, KEYS[record], insert_only=record is JobNew)
        by_record[record] = f"{head} SELECT {values} FROM {source} WHERE true {tail}"  # noqa: S608 - every part is a name of ours
        if dialect == "sqlite":
            row = f"({', '.join('?' * len(columns))})"
            blocks[record] = Blocks(
                {size: f"{head} VALUES {', '.join([row] * size)} {tail}" for size in BLOCKS},
                tuple(index for index, column in enumerate(columns) if isinstance(column.type, Text)),
            )
    by_record[JobStatus] = _update_jobs(JobStatus, value, source)
    by_record[JobClassChange] = _update_jobs(JobClassChange, value, source)
    return Statements(by_record, blocks, _update_alike("?" if dialect == "sqlite" else "%s"))


def _sqlite_value(column: Column[object], index: int) -> str:
    return f"json_extract(r.value,'$[{index}]')"


def _postgres_value(column: Column[object], index: int) -> str:
    whole = isinstance(column.type, BigInteger | Integer)
    return f"CAST(r.value->>{index} AS {'bigint' if whole else 'text'})"


def _upsert(table: Table, columns: list[Column[object]], keys: int, *, insert_only: bool) -> tuple[str, str]:
    """What stands before and after the rows; every part is a name of ours."""
    names = ", ".join(f'"{column.name}"' for column in columns)
    key = ", ".join(f'"{column.name}"' for column in columns[:keys])
    changed = ", ".join(f'"{c.name}" = excluded."{c.name}"' for c in columns[keys:])
    conflict = f"DO UPDATE SET {changed}" if changed and not insert_only else "DO NOTHING"
    return f'INSERT INTO "{table.name}" ({names})', f"ON CONFLICT ({key}) {conflict}"


def _update_jobs(record: type[JobStatus | JobClassChange], value: _Value, source: str) -> str:
    key, *columns = (jobs.c[name] for name in record._fields)
    changed = ", ".join(_changed(column, value(column, index)) for index, column in enumerate(columns, 1))
    return f'UPDATE "jobs" SET {changed} FROM {source} WHERE "jobs"."id" = {value(key, 0)}'  # noqa: S608


def _update_alike(mark: str) -> str:
    changed = ", ".join(_changed(jobs.c[name], mark) for name in JobStatus._fields[1:])
    return f'UPDATE "jobs" SET {changed} WHERE "id" BETWEEN {mark} AND {mark}'  # noqa: S608


def _changed(column: Column[object], value: str) -> str:
    if column.name == "ready_at_ms":  # None leaves the time at which a job became ready as it is
        value = f'COALESCE({value}, "jobs"."ready_at_ms")'
    return f'"{column.name}" = {value}'
