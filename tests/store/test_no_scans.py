"""Starting and looking do not go through the whole history: the queries use an index, as SQLite itself says."""

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from sqlalchemy import Connection, Engine, event, insert

from herder.control.access.idempotency import find_stored
from herder.control.kernel.planner.planning_thread import Planning
from herder.control.reads.explanations.explain import why_worker
from herder.control.reads.fleet import pools_and_workers as fleet
from herder.control.reads.visibility import jobs_of_batch
from herder.control.reads.work import jobs
from herder.control.recovery.recover import recover
from herder.engine.memory.state import EngineState
from herder.ledger.totals import Totals
from herder.model.stored.retention import Retention
from herder.model.work.job import JobState
from herder.ports.leadership import Alone
from herder.store.opening.database import migrate, open_engine, sqlite_url
from herder.store.rows import tables
from herder.store.writing.retention import steps
from tests.support.engine_world import ADMIN

#: Tables of the history.
LARGE = ("jobs", "attempts", "events", "job_parents", "log_chunks")


@pytest.fixture
def engine(tmp_path: Path) -> Iterator[Engine]:
    made = open_engine(sqlite_url(tmp_path))
    migrate(made)
    yield made
    made.dispose()


def scans(engine: Engine, look: Any) -> list[str]:
    """Large tables that a look goes through from end to end, as the plans of its statements say."""
    found: list[str] = []

    def explain(connection: Connection, cursor: Any, statement: str, parameters: Any, *_: Any) -> None:
        if statement.startswith(("SELECT", "DELETE")):
            plan = (
                cursor.connection.cursor().execute(f"EXPLAIN QUERY PLAN {statement}", parameters).fetchall()
            )
            limited = "LIMIT" in statement
            found.extend(
                f"{row[3]}: {statement}"
                for row in plan
                if row[3].startswith("SCAN")
                and row[3].split()[1] in LARGE
                # What is live has an index of its own; a page in the order of numbers ends when it is full.
                and "attempts_live" not in row[3]
                and not limited
            )

    event.listen(engine, "before_cursor_execute", explain)
    try:
        look()
    finally:
        event.remove(engine, "before_cursor_execute", explain)
    return found


def core_on(engine: Engine) -> Any:
    async def read(query: Any) -> Any:
        with engine.connect() as connection:
            return query(connection)

    store = SimpleNamespace(trouble=None)
    clock = SimpleNamespace(now_ms=lambda: 5)
    return SimpleNamespace(
        driver_notes={},
        intake_notes={},
        read=read,
        drivers={},
        clusters={},
        state=EngineState(),
        ledger=Totals(),
        store=store,
        clock=clock,
        started_at_ms=1,
        leadership=Alone(),
        planning=Planning(),
    )


def test_a_start(engine: Engine) -> None:
    def look() -> None:
        with engine.connect() as connection:
            recover(connection, 5)

    assert scans(engine, look) == []


def test_a_key_is_found_by_its_indexes(engine: Engine) -> None:
    def look() -> None:
        with engine.connect() as connection:
            find_stored(connection, ["ann/k"])

    assert scans(engine, look) == []


def test_status_and_what_happened_to_a_thing(engine: Engine) -> None:
    core = core_on(engine)
    assert scans(engine, lambda: asyncio.run(fleet.status(core, ADMIN))) == []
    with engine.begin() as connection:
        row = {c.name: 1 if c.type.python_type is int else "{}" for c in tables.workers.columns}
        row["spec"] = json.dumps({"allocatable": [1, 1, 1, 0], "price": 1})
        connection.execute(insert(tables.workers).values(**{**row, "name": "w"}))
    assert scans(engine, lambda: asyncio.run(why_worker(core, ADMIN, "w"))) == []


@pytest.mark.parametrize("state", [state.label for state in JobState if state is not JobState.SUCCEEDED])
def test_jobs_in_a_state_that_is_rare(engine: Engine, state: str) -> None:
    wanted = jobs._filtered(ADMIN, jobs.JobFilter(state=state), 10)

    def look() -> None:
        with engine.connect() as connection:
            connection.execute(wanted).all()

    assert scans(engine, look) == []


def test_forgetting(engine: Engine) -> None:
    def look() -> None:
        for step in steps(Retention(), 10**13):
            with engine.begin() as connection:
                step(connection, after=0)

    assert scans(engine, look) == []


def test_a_scan_would_be_seen(engine: Engine) -> None:
    def look() -> None:
        with engine.connect() as connection:
            connection.execute(tables.jobs.select().where(tables.jobs.c.cause == "x"))

    assert len(scans(engine, look)) == 1


@pytest.mark.parametrize("state", [None, "succeeded", "held", "failed", "ready", "running"])
@pytest.mark.parametrize("after", [None, 500])
def test_a_page_of_a_large_batch_is_not_sorted(engine: Engine, state: str | None, after: int | None) -> None:
    where = [] if state is None else jobs.state_is(state)
    query = jobs_of_batch(jobs.with_attempt(tables.jobs.c.id), 1, after, state, where, 100)
    text = str(query.compile(engine, compile_kwargs={"literal_binds": True}))
    with engine.connect() as connection:
        plan = [row[3] for row in connection.exec_driver_sql(f"EXPLAIN QUERY PLAN {text}")]
    assert [step for step in plan if "TEMP B-TREE" in step] == []
    assert [step for step in plan if step.startswith("SCAN")] == []
