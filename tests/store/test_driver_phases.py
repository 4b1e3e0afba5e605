"""A store of the version before, with workers in it, opens with what is new about machines and drivers."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy import Engine, select, text

import herder.store
from herder.control.recovery.recover import recover
from herder.store.opening.database import migrate, open_engine, sqlite_url
from herder.store.rows.tables import workers

SPEC = {
    "allocatable": [1000, 1024, 0, 0], "slots": 4, "price": 7, "labels": [], "taints": [], "reason": "jobs wait",
}  # fmt: skip
ROW = {
    "name": "w-1", "pool": "p", "template": "t", "driver": "cloud", "state": "provisioning", "cordoned": 0, "standing": 0,
    "generation": 1, "spec": json.dumps(SPEC), "handle": "", "plan": 1, "requested_at_ms": 5, "provisioned_at_ms": None,
    "ready_at_ms": None, "draining_at_ms": None, "last_seen_at_ms": None, "expires_at_ms": None, "extensions": 0,
    "ended_at_ms": None, "attempts_done": 0, "cost_pico": 0, "token_hash": None, "activation_hash": "h",
    "activation_nonce": None, "reason_made": "{}", "reason_removed": "{}",
}  # fmt: skip


@pytest.fixture(params=["sqlite", "postgresql"])
def before(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Engine]:
    url = sqlite_url(tmp_path) if request.param == "sqlite" else request.getfixturevalue("postgres_url")
    engine = open_engine(url)
    config = Config()
    config.set_main_option("script_location", str(Path(herder.store.__file__).parent / "migrations"))
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "0002")
        names = ", ".join(f'"{name}"' for name in ROW)
        values = ", ".join(f":{name}" for name in ROW)
        connection.execute(text(f"INSERT INTO workers ({names}) VALUES ({values})"), ROW)
    yield engine
    engine.dispose()


def test_workers_of_the_version_before_are_taken_up(before: Engine) -> None:
    migrate(before)
    with before.connect() as connection:
        row = connection.execute(select(workers)).one()
        assert (row.name, row.phase, row.operation, row.plan) == ("w-1", "", "", 1)
        state, _, _ = recover(connection, 10)
    (worker,) = state.workers.values()
    assert (worker.phase, worker.operation, worker.spec.driver_options) == ("", "", ())
    assert state.frozen_drivers == {}


def test_a_drain_that_was_under_way_goes_on(before: Engine) -> None:
    with before.begin() as connection:
        connection.execute(text("UPDATE workers SET state = 'draining', draining_at_ms = 7"))
    migrate(before)
    with before.connect() as connection:
        state, _, _ = recover(connection, 10)
    (worker,) = state.workers.values()
    assert worker.drain is not None
    assert (worker.drain.since_ms, worker.drain.deadline_ms, worker.drain.keep) == (7, 300_007, False)
