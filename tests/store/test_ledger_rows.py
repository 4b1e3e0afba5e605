"""The ledger's rows: sums of ended attempts are those of batches, users, projects and pools to the pico-dollar, over crashes and upgrades."""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from alembic import command
from sqlalchemy import Connection, Engine, MetaData, Table, select, text

from herder.control.kernel.jobs.usage_ledger import read_ledger
from herder.decide.scaling.offers.worker_specs import worker_spec
from herder.engine.workers.worker import claim, terminate, terminated
from herder.ledger.costs import cost
from herder.ledger.totals import Spent
from herder.model.fleet.offer import offers_of
from herder.model.ids import PlanNumber, PoolName
from herder.model.planning.plan import CreateWorker, Reason, ReasonKind
from herder.model.values.money import PICO_PER_USD, PicoUsd
from herder.model.values.resources import Resources
from herder.store.invariants import violations
from herder.store.opening.database import _migrations, migrate, open_engine, sqlite_url
from herder.store.rows import tables
from herder.store.rows.usage_rows import ended_attempts
from tests.support.engine_world import TEMPLATE, Agent, World, job_class
from tests.support.pools import pool_spec

PLAIN = pool_spec(
    "std",
    driver="pretend",
    max_workers=10,
    templates=(replace(TEMPLATE, price_pico_per_hour=PicoUsd(PICO_PER_USD // 7)),),
)
SPLIT = pool_spec(
    "gpu",
    driver="pretend",
    max_workers=10,
    templates=(
        replace(
            TEMPLATE,
            name="split",
            allocatable=Resources(8000, 32 * 1024, 8192, 8),
            price_pico_per_hour=PicoUsd(1056 * PICO_PER_USD // 100),
            gpu_parts=4,
        ),
    ),
)
REASON = Reason(kind=ReasonKind.BY_HAND, text="gone")


@pytest.fixture
def world(fresh_engine: Engine) -> World:
    return World(PLAIN, SPLIT, engine=fresh_engine)


def broken(world: World) -> list[str]:
    with world.engine.connect() as connection:
        return violations(connection)


def live_through(world: World) -> None:
    """Single jobs and a batch, of two users, on machines of two pools, with a crash between; a machine goes."""
    worker, agent = world.ready_worker(1, PLAIN)
    batch = world.batch()
    world.add(batch, [job_class()] * 3)
    world.commit_batch(batch)
    world.submit(2, job_class("bob"))
    for turn in range(8):
        if turn == 3:
            world.crash()
            worker = world.state.workers[worker.spec.name]
        world.now_ms += 1_234
        world.talk(agent)
        for key in list(agent.held):
            agent.end(key, world.now_ms)
        world.talk(agent)
    terminate(world.state, world.changes, worker, REASON, world.now_ms)
    terminated(world.state, world.changes, worker, world.now_ms)
    world.commit()


def test_sums_are_exact_over_a_crash(world: World) -> None:
    live_through(world)
    with world.engine.connect() as connection:
        usages = list(ended_attempts(connection))
        (batch,) = connection.execute(select(tables.batches)).all()
        assert read_ledger(connection).accounts == world.ledger.accounts
    assert len(usages) == 5
    whole = sum(cost(usage) for usage in usages)
    assert whole > 0
    assert sum(spent.cost_pico for spent in world.ledger.accounts.values()) == whole
    assert sum(spent.attempts for spent in world.ledger.accounts.values()) == 5
    assert batch.cost_pico == str(sum(cost(usage) for usage in usages if usage.batch is not None))
    assert world.ledger.batches == {}, "a batch that is over has its cost in its row"
    assert 0 < whole <= world.ledger.pools[PoolName("std")] + 5
    assert world.faults() == []


@pytest.mark.parametrize(
    ("statement", "said"),
    [
        ("UPDATE usage SET cost_pico = CAST(CAST(cost_pico AS BIGINT) + 1 AS TEXT) WHERE \"user\" = 'bob'", "The usage of bob/default/std"),
        ("UPDATE usage SET attempts = attempts + 1 WHERE \"user\" = 'ann'", "The usage of ann/default/std"),
        ("UPDATE batches SET cost_pico = ''", "Batch 1 has the cost"),
        ("UPDATE batches SET cost_pico = CAST(CAST(cost_pico AS BIGINT) - 1 AS TEXT)", "Batch 1 has the cost"),
        ("UPDATE totals SET value = '1' WHERE name = 'cost/std'", "The total cost/std"),
        ("UPDATE workers SET ended_at_ms = ended_at_ms + 60000", "The total cost/std"),
        ("UPDATE attempts SET ended_at_ms = ended_at_ms + 60000 WHERE job_id = 1", "Batch 1 has the cost"),
        ("DELETE FROM workers", "The usage of"),
    ],
)  # fmt: skip
def test_a_pico_dollar_that_is_missing_is_seen(world: World, statement: str, said: str) -> None:
    live_through(world)
    assert broken(world) == []
    with world.engine.begin() as connection:
        connection.execute(text(statement))
    assert any(said in sentence for sentence in broken(world))


def test_a_job_on_a_part_of_a_gpu_pays_for_the_part(world: World) -> None:
    """10.56 $/h: 0.40 for the cores, 0.16 for the memory, 10 for two GPUs in four parts each."""
    (offer,) = offers_of(SPLIT.templates[0])
    spec = worker_spec(SPLIT, offer, PlanNumber(1), 1, "jobs wait")
    worker = claim(
        world.state, world.changes, CreateWorker(spec=spec, expires_at_ms=None, reason=REASON), world.now_ms
    )
    world.boot(worker)
    agent = Agent(worker=spec.name)
    world.submit(1, job_class(request=Resources(0, 0, 0, 1), gpu_share_milli=250, pool="gpu"))
    world.commit()
    world.talk(agent)
    world.crash()
    assert world.state.workers[spec.name].spec.gpu_parts == 4
    world.now_ms += 3_600_000 - 2_000
    for key in list(agent.held):
        agent.end(key, world.now_ms)
    world.talk(agent)
    assert list(world.ledger.accounts.values()) == [Spent(attempts=1, cost_pico=10 * PICO_PER_USD // 8)]
    assert world.faults() == []


# --- a store of revision 0006


@pytest.fixture(params=["sqlite", "postgresql"])
def old(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Engine]:
    url = sqlite_url(tmp_path) if request.param == "sqlite" else request.getfixturevalue("postgres_url")
    engine = open_engine(url)
    config = _migrations()
    with engine.begin() as connection:
        config.attributes["connection"] = connection
        command.upgrade(config, "0006")
        _fill(connection)
    yield engine
    engine.dispose()


def _fill(connection: Connection) -> None:
    """A machine with a dear GPU and a declared licence, a live batch, and a batch of which some jobs were forgotten."""
    spec = {"allocatable": {"cpu_milli": 8000, "memory_mib": 32 * 1024, "gpu": 2, "licence": 5}, "slots": 9, "labels": [],
            "taints": [], "reason": "r", "price": 1056 * PICO_PER_USD // 100}  # fmt: skip
    common = {"pool": "gpu", "template": "t", "driver": "pretend", "state": "terminated", "cordoned": 0, "standing": 0,
              "generation": 1, "spec": json.dumps(spec), "handle": "", "plan": 1, "requested_at_ms": 1, "extensions": 0,
              "attempts_done": 1, "reason_made": "{}", "reason_removed": "{}"}  # fmt: skip
    batch = {
        "user": "ann",
        "project": "p",
        "name": "",
        "attributes": "{}",
        "created_at_ms": 1,
        "committed_at_ms": 1,
    }
    job = {
        "position": 0,
        "class_id": 1,
        "payload": "{}",
        "created_at_ms": 1,
        "state": 10,
        "attempts": 1,
        "ended_at_ms": 9,
    }
    attempt = {"attempt": 1, "worker": "gpu-1-1", "state": 10, "cause": "", "message": "", "assigned_at_ms": 0,
               "ended_at_ms": 3_600_000, "cpu_ms": 1, "memory_peak_mib": 1, "cost_pico": 5}  # fmt: skip
    rows: dict[str, list[dict[str, Any]]] = {
        "workers": [
            {**common, "name": "gpu-1-1", "provisioned_at_ms": 0, "ended_at_ms": 7_200_000, "cost_pico": 2 * spec["price"]},
            {**common, "name": "gpu-1-2", "state": "failed", "ended_at_ms": 5, "cost_pico": 0},
        ],
        "job_classes": [{"id": 1, "user": "ann", "project": "p", "pool": "auto",
                         "spec": '{"user":"ann","project":"p","request":[0,0,0,1]}'}],
        "batches": [
            {**batch, "id": 1, "state": "running", "jobs": 2, "counts": '{"succeeded":1,"ready":1}', "cost_pico": "5"},
            {**batch, "id": 2, "state": "succeeded", "jobs": 9, "counts": '{"succeeded":9}', "cost_pico": "45", "ended_at_ms": 9},
        ],
        "jobs": [{**job, "id": 1, "batch_id": 1}, {**job, "id": 2, "batch_id": 1, "state": 2, "attempts": 0, "ended_at_ms": None},
                 {**job, "id": 3, "batch_id": 2}],
        "attempts": [{**attempt, "job_id": 1}, {**attempt, "job_id": 3}],
        "usage": [{"user": "ann", "project": "p", "pool": "gpu", "attempts": 10, "cost_pico": "50"}],
        "totals": [{"name": "cost/gpu", "value": str(2 * spec["price"] + 7)}, {"name": "forgotten.cost/gpu", "value": "[7]"},
                   {"name": "forgotten.before", "value": "100"}, {"name": "jobs/succeeded", "value": "10"},
                   {"name": "forgotten.jobs/succeeded", "value": "[8]"},
                   {"name": 'forgotten.usage/["ann", "p", "gpu"]', "value": "[8, 40]"}],
    }  # fmt: skip
    metadata = MetaData()
    connection.execute(text("DELETE FROM totals"))
    for name, some in rows.items():
        table = Table(name, metadata, autoload_with=connection)
        for row in some:
            connection.execute(table.insert().values(**row))


def test_sums_of_a_store_of_the_version_before_are_made_anew(old: Engine) -> None:
    """What is kept is priced by its interval; what was forgotten, or is being forgotten, stays as it was booked."""
    migrate(old)
    with old.connect() as connection:
        assert violations(connection) == []
    with old.connect() as connection:
        ledger = read_ledger(connection)
        batches = dict(connection.execute(select(tables.batches.c.id, tables.batches.c.cost_pico)).all())  # type: ignore[arg-type]
        columns = connection.execute(select(tables.attempts)).keys()
    gpu = 5 * PICO_PER_USD
    assert ledger.accounts == {("ann", "p", "gpu"): Spent(attempts=10, cost_pico=2 * gpu + 40)}
    assert ledger.pools == {"gpu": 2 * 1056 * PICO_PER_USD // 100 + 7}
    assert batches == {1: str(gpu), 2: "45"}
    assert ledger.batches == {1: gpu}
    assert "cost_pico" not in columns
