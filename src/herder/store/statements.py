"""The writer's SQL: one statement per table and commit, all rows in one JSON parameter.

Why not `executemany`: the database driver gives up and takes back Python's interpreter lock for every row, and beside a busy
event loop each taking-back waits up to a switch interval. Measured here with the loop busy: 1,849 µs a row by `executemany`,
18 µs a row by one JSON parameter (alone: 2.5 and 5). See `docs/decisions/0003-one-statement-per-commit.md`.

Rows are written as a whole and by key, so a commit may be repeated after an unknown outcome without harm.
"""

from collections.abc import Callable
from dataclasses import dataclass

from sqlalchemy import BigInteger, Column, Integer, Table

from herder.model.records import KEYS, JobNew, JobStatus
from herder.store.tables import TABLE_OF, jobs

_Value = Callable[[Column[object], int], str]


@dataclass(frozen=True, slots=True)
class Statements:
    """SQL text by record type for one dialect; each takes one JSON array of rows (arrays in field order)."""

    by_record: dict[type, str]


def statements_for(dialect: str) -> Statements:
    """`dialect`: "sqlite" or "postgresql". Raises KeyError for another."""
    value = {"sqlite": _sqlite_value, "postgresql": _postgres_value}[dialect]
    source = {
        "sqlite": "json_each(?) AS r",
        "postgresql": "json_array_elements(CAST(%s AS json)) AS r",
    }[dialect]
    by_record: dict[type, str] = {}
    for record, table in TABLE_OF.items():
        columns = [table.c[name] for name in record._fields]  # type: ignore[attr-defined]
        by_record[record] = _upsert(table, columns, KEYS[record], value, source, insert_only=record is JobNew)
    by_record[JobStatus] = _update_jobs(value, source)
    return Statements(by_record)


def _sqlite_value(column: Column[object], index: int) -> str:
    return f"json_extract(r.value,'$[{index}]')"


def _postgres_value(column: Column[object], index: int) -> str:
    whole = isinstance(column.type, BigInteger | Integer)
    return f"CAST(r.value->>{index} AS {'bigint' if whole else 'text'})"


def _upsert(
    table: Table, columns: list[Column[object]], keys: int, value: _Value, source: str, *, insert_only: bool
) -> str:
    names = ", ".join(f'"{column.name}"' for column in columns)
    values = ", ".join(value(column, index) for index, column in enumerate(columns))
    key = ", ".join(f'"{column.name}"' for column in columns[:keys])
    changed = ", ".join(f'"{c.name}" = excluded."{c.name}"' for c in columns[keys:])
    conflict = f"DO UPDATE SET {changed}" if changed and not insert_only else "DO NOTHING"
    return (  # every part is a name of ours
        f'INSERT INTO "{table.name}" ({names}) SELECT {values} FROM {source} WHERE true ON CONFLICT ({key}) {conflict}'  # noqa: S608
    )


def _update_jobs(value: _Value, source: str) -> str:
    columns = [jobs.c[name] for name in JobStatus._fields]
    changed = ", ".join(
        # None leaves the time at which a job became ready as it is
        f'"{c.name}" = COALESCE({value(c, i)}, "jobs"."{c.name}")'
        if c.name == "ready_at_ms"
        else f'"{c.name}" = {value(c, i)}'
        for i, c in enumerate(columns)
        if i > 0
    )
    return f'UPDATE "jobs" SET {changed} FROM {source} WHERE "jobs"."id" = {value(columns[0], 0)}'  # noqa: S608
