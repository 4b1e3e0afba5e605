"""A store of the version before opens: rows of every kind, written by the statements of then, are there and hold together."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from alembic import command
from sqlalchemy import Engine, MetaData, Table, inspect, select, text

from herder.control.kernel.jobs.usage_ledger import read_ledger
from herder.control.recovery.recover import recover
from herder.engine.memory.invariants import violations as memory_violations
from herder.ledger.totals import Spent
from herder.model.ids import BatchId, PoolName
from herder.model.stored.records import EventRecord
from herder.model.values.resources import Resources
from herder.model.work.job import JobClass, JobState
from herder.settings import pool_from_plain, pool_to_plain
from herder.simulate.history.verify import verify
from herder.store.invariants import violations
from herder.store.opening import database
from herder.store.opening.database import migrate, open_engine, sqlite_url
from herder.store.rows import tables
from tests.api.conftest import POOLS

NOW_MS = 1_700_000_000_000
BEFORE = "0002"
#: Settings of pools that had other names, and what they are called now.
RENAMED = {
    "accepts_auto": "default_eligible",
    "driver_settings": "driver_options",
    "offer_rest": "offer_backoff",
    "offer_rest_max": "offer_backoff_max",
    "wait_worth": "wait_cost",
}


@pytest.fixture(params=["sqlite", "postgresql"])
def old(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Engine]:
    """A store of the version before, empty."""
    url = sqlite_url(tmp_path) if request.param == "sqlite" else request.getfixturevalue("postgres_url")
    engine = open_engine(url)
    config = database._migrations()
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, BEFORE)
    yield engine
    engine.dispose()


def class_spec(**more: Any) -> str:
    import msgspec

    wanted = JobClass(user="ann", request=Resources(1000, 1024, 1024), **more)  # type: ignore[arg-type]
    return msgspec.json.encode(wanted).decode()


def fill(engine: Engine) -> None:
    """As the version before left it: no versions, no totals, answers to requests in a table of their own."""
    now = pool_to_plain(
        pool_from_plain(
            {**POOLS[0], "default_eligible": False, "offer_backoff": "30s", "offer_backoff_max": "2h"}
        )
    )
    before = {new: old for old, new in RENAMED.items()}
    pool = {before.get(key, key): value for key, value in now.items()}
    assert {"accepts_auto", "offer_rest", "offer_rest_max"} <= pool.keys()
    worker = {
        "allocatable": [2000, 4096, 8192, 0],
        "slots": 8,
        "price": 3_600_000_000,
        "labels": [],
        "taints": [],
        "reason": "r",
    }
    why = json.dumps({"kind": "queued_jobs", "text": "jobs wait", "evidence": {}})
    common = {"pool": "std", "template": "two", "driver": "pretend", "cordoned": 0, "standing": 0, "generation": 1, "handle": "h",
              "spec": json.dumps(worker), "requested_at_ms": NOW_MS, "provisioned_at_ms": NOW_MS, "ready_at_ms": NOW_MS,
              "extensions": 0, "reason_made": why}  # fmt: skip
    gone = {**common, "name": "std-1-1", "state": "terminated", "plan": 1, "ended_at_ms": NOW_MS + 9, "attempts_done": 4,
            "cost_pico": 9000, "reason_removed": why}  # fmt: skip
    live = {**common, "name": "std-2-1", "state": "ready", "plan": 2, "attempts_done": 0, "cost_pico": 0, "token_hash": "t",
            "last_seen_at_ms": NOW_MS, "reason_removed": "{}"}  # fmt: skip
    batch = {
        "user": "ann",
        "project": "default",
        "name": "",
        "attributes": "{}",
        "cost_pico": "0",
        "created_at_ms": NOW_MS,
    }
    batches = [
        {**batch, "id": 1, "state": "running", "jobs": 2, "counts": '{"ready":1,"blocked":1}', "committed_at_ms": NOW_MS},
        {**batch, "id": 2, "state": "open", "jobs": 1, "counts": '{"pending":1}'},
        {**batch, "id": 3, "cost_pico": "1875", "state": "cancelled", "jobs": 3, "counts": '{"cancelled":2,"ready":1}', "committed_at_ms": NOW_MS},
        {**batch, "id": 4, "state": "cancelled", "jobs": 2, "counts": '{"cancelled":2}', "committed_at_ms": NOW_MS,
         "ended_at_ms": NOW_MS},
    ]  # fmt: skip
    job = {"position": 0, "class_id": 1, "payload": '{"command":["true"]}', "created_at_ms": NOW_MS}
    ended = {"ended_at_ms": NOW_MS + 5}
    jobs = [
        {**job, "id": 1, "state": 10, "attempts": 1, **ended},
        {**job, "id": 2, "state": 11, "attempts": 2, "failures": 2, "cause": "exit_code", **ended},
        {**job, "id": 3, "state": 3, "attempts": 1},
        {**job, "id": 4, "state": 2, "ready_at_ms": NOW_MS},
        {**job, "id": 5, "state": 2, "batch_id": 1},
        {**job, "id": 6, "state": 1, "batch_id": 1},
        {**job, "id": 7, "state": 2, "batch_id": 2, "key": "k"},
        {**job, "id": 8, "state": 12, "batch_id": 3, "attempts": 1, **ended},
        {**job, "id": 9, "state": 2, "batch_id": 3},  # cancelled, and not marked yet
        {**job, "id": 10, "state": 2, "batch_id": 3, "class_id": 2},  # always_run: goes on
        {**job, "id": 11, "state": 2, "batch_id": 4},
        {**job, "id": 12, "state": 1, "batch_id": 4, "class_id": 2},  # the batch is over: not marked yet
    ]  # fmt: skip
    attempt = {
        "cause": "",
        "message": "",
        "assigned_at_ms": NOW_MS,
        "cpu_ms": 1,
        "memory_peak_mib": 1,
        "worker": "std-1-1",
    }
    attempts = [
        {**attempt, "job_id": 1, "attempt": 1, "state": 10, "cost_pico": 1875, "result": "[1]", **ended},
        {**attempt, "job_id": 2, "attempt": 1, "state": 11, "cause": "exit_code", "cost_pico": 1875, **ended},
        {**attempt, "job_id": 2, "attempt": 2, "state": 11, "cause": "exit_code", "cost_pico": 1875, **ended},
        {**attempt, "job_id": 3, "attempt": 1, "state": 1, "worker": "std-2-1", "cost_pico": 0},
        {**attempt, "job_id": 8, "attempt": 1, "state": 12, "cause": "cancelled", "cost_pico": 1875, **ended},
    ]
    rows: dict[str, list[dict[str, Any]]] = {
        "pools": [{"name": "std", "spec": json.dumps(pool), "frozen": 1, "deleted": 0, "updated_at_ms": 1}],
        "meta": [{"key": "sharing", "value": json.dumps({"projects": {}})}, {"key": "installation", "value": "abc"}],
        "users": [{"name": "ann", "role": "user", "weight": 3, "created_at_ms": 1}],
        "tokens": [{"hash": "h", "user": "ann", "role": "user", "note": "", "created_at_ms": 1}],
        "job_classes": [
            {"id": number, "user": "ann", "project": "default", "pool": "auto", "spec": spec}
            for number, spec in ((1, class_spec()), (2, class_spec(always_run=True)))
        ],
        "workers": [gone, live],
        "batches": batches,
        "jobs": jobs,
        "attempts": attempts,
        "job_parents": [{"child_id": 6, "parent_id": 5, "batch_id": 1}],
        "log_chunks": [{"job_id": 1, "attempt": 1, "offset": 0, "text": "hello"}],
        "usage": [{"user": "ann", "project": "default", "pool": "std", "attempts": 4, "cost_pico": "7500"}],
        "plans": [{"number": 3, "made_at_ms": NOW_MS, "empty": 1, "body": '{"actions":[],"pools":[],"unplaced":[]}'}],
        "observations": [{"plan": 3, "follows": None, "at_ms": NOW_MS, "size": 1, "body": "x"}],
        "events": [{"sequence": 8, "at_ms": NOW_MS, "kind": "a.b", "object": "a/b", "actor": "x", "text": "t", "data": "{}"}],
        "idempotency": [{"user": "ann", "key": "k", "fingerprint": "f", "status": 200, "body": "{}", "at_ms": 1}],
    }  # fmt: skip
    metadata = MetaData()
    with engine.begin() as connection:
        for name, some in rows.items():
            table = Table(name, metadata, autoload_with=connection)
            for row in some:
                connection.execute(table.insert().values(**row))
        known = set(inspect(connection).get_table_names()) - {"alembic_version"}
        assert known == set(rows), "rows of every kind"


def test_a_store_of_the_version_before_opens_and_holds_together(old: Engine) -> None:
    fill(old)
    migrate(old)
    with old.connect() as connection:
        state, directory, unswept = recover(connection, NOW_MS)
        ledger = read_ledger(connection)
        batch_cost = connection.execute(text("SELECT cost_pico FROM batches WHERE id = 3")).scalar()
    assert memory_violations(state) == []
    with old.connect() as connection:
        assert violations(connection) == []
        assert "idempotency" not in inspect(connection).get_table_names()
    ended = {JobState(number).label: count for number, count in state.counts.items() if count}
    assert ended == {
        "succeeded": 1,
        "failed": 1,
        "cancelled": 4,
        "running": 1,
        "ready": 3,
        "blocked": 1,
        "pending": 1,
    }
    assert unswept == [3, 4]
    assert ledger.pools == {"std": 9000}
    # Each attempt had 1 of 2 cores and 1 of 4 GiB for 5 ms at 1000 a ms: 0.055 of 0.12 by list rates, and 0.375 in the version before.
    assert ledger.accounts == {("ann", "default", "std"): Spent(attempts=4, cost_pico=4 * 2292)}
    assert batch_cost == "2292"
    pool = state.pools[PoolName("std")]
    assert (pool.frozen, pool.jobs.default_eligible) == (True, False)
    assert (pool.scale_up.offer_backoff_s, pool.scale_up.offer_backoff_max_s) == (30.0, 7200.0)
    assert state.batches[BatchId(2)].keys == {"k": 7}
    assert (state.next_job, state.next_batch, state.next_event, state.next_plan) == (13, 5, 9, 4)
    assert directory.users["ann"].weight == 3  # type: ignore[index]
    with old.connect() as connection:
        event = EventRecord(*connection.execute(select(tables.events)).one())
        assert (event.sequence, event.request, event.fingerprint) == (8, None, None)
        assert connection.execute(select(tables.observations.c.version)).scalar() == 1


def test_an_empty_store_of_the_version_before_opens(old: Engine) -> None:
    migrate(old)
    with old.connect() as connection:
        state, _, _ = recover(connection, NOW_MS)
        assert sum(state.counts.values()) == 0
        assert connection.execute(text("SELECT count(*) FROM leader")).scalar() == 0


def test_verifying_names_the_plans_of_older_versions_that_it_skips(old: Engine) -> None:
    fill(old)
    migrate(old)
    with old.begin() as connection:
        connection.execute(text("UPDATE plans SET version = 0"))
    url = old.url.render_as_string(hide_password=False)
    with pytest.raises(
        ValueError,
        match=r"1 of its 1 plans are of version 0 and are skipped, because this Herder makes version 5",
    ):
        verify(url)
