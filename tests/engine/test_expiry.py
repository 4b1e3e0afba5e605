"""The end of a time to live in the engine: announced once, at its moment no new work, and extended in time."""

import json
from typing import Any

import pytest

from herder.engine.memory.state import WorkerLife
from herder.engine.workers import expiry
from herder.engine.workers.expiry import NextStep
from herder.model.fleet.worker import WorkerState
from herder.store.rows import tables
from tests.support.engine_world import POOL, T0, Agent, World
from tests.support.pools import changed

MINUTE = 60_000
LIFE = changed(POOL, ttl_warning_s=300.0, ttl_grace_s=120.0, dead_after_s=10_000.0)


@pytest.fixture
def world() -> World:
    return World(LIFE)


def made(world: World, ends_ms: int, number: int = 1) -> tuple[WorkerLife, Agent]:
    worker = world.claim(number, LIFE, expires_at_ms=ends_ms)
    world.boot(worker)
    return worker, Agent(worker=worker.spec.name)


def at(world: World, now_ms: int) -> None:
    world.now_ms = now_ms - 500
    for worker in world.state.workers.values():
        worker.last_seen_at_ms = world.now_ms
    world.seconds(0.5)


def told(world: World, kind: str) -> list[dict[str, Any]]:
    query = tables.events.select().where(tables.events.c.kind == kind).order_by(tables.events.c.sequence)
    with world.engine.connect() as connection:
        return [{"text": row.text, **json.loads(row.data)} for row in connection.execute(query)]


def extended(world: World, worker: WorkerLife, until_ms: int) -> None:
    expiry.extend(world.state, world.changes, worker, until_ms, world.now_ms, actor="user/ann", message="")


def test_an_expiry_is_announced_once_five_minutes_before(world: World) -> None:
    made(world, T0 + 60 * MINUTE)
    at(world, T0 + 55 * MINUTE - 500)
    assert told(world, "worker.expires_soon") == []
    at(world, T0 + 55 * MINUTE)
    at(world, T0 + 58 * MINUTE)
    (said,) = told(world, "worker.expires_soon")
    assert said["text"].startswith(
        "std-1-1 reaches the end of its ttl in 300 s, at 2023-11-14T23:13:20.000Z."
    )
    assert said["expires_at_ms"] == T0 + 60 * MINUTE


def test_each_extension_is_announced_anew_and_a_restart_announces_nothing_twice(world: World) -> None:
    worker, _ = made(world, T0 + 60 * MINUTE)
    at(world, T0 + 55 * MINUTE)
    world.crash()
    at(world, T0 + 56 * MINUTE)
    assert len(told(world, "worker.expires_soon")) == 1
    worker = world.state.workers[worker.spec.name]
    extended(world, worker, T0 + 120 * MINUTE)
    at(world, T0 + 57 * MINUTE)
    assert len(told(world, "worker.expires_soon")) == 1
    at(world, T0 + 115 * MINUTE)
    assert [said["expires_at_ms"] for said in told(world, "worker.expires_soon")] == [
        T0 + 60 * MINUTE,
        T0 + 120 * MINUTE,
    ]
    assert world.faults() == []


def test_an_announcement_that_was_due_while_no_server_ran_comes_right_after_the_start(world: World) -> None:
    made(world, T0 + 60 * MINUTE)
    world.commit()
    world.now_ms = T0 + 57 * MINUTE
    world.crash()
    assert told(world, "worker.expires_soon") == []
    world.seconds(0.5)
    assert len(told(world, "worker.expires_soon")) == 1


def test_no_warning_where_the_pool_wants_none(world: World) -> None:
    silent = World(changed(LIFE, ttl_warning_s=0.0))
    made(silent, T0 + 60 * MINUTE)
    at(silent, T0 + 60 * MINUTE - 500)
    assert told(silent, "worker.expires_soon") == []


def test_at_its_expiry_a_worker_takes_no_new_work_and_keeps_what_runs(world: World) -> None:
    worker, agent = made(world, T0 + 60 * MINUTE)
    (running,) = world.submit()
    world.commit()
    world.talk(agent)
    at(world, T0 + 60 * MINUTE)
    (waits,) = world.submit()
    world.commit()
    assert running in worker.live
    assert waits not in world.state.live
    assert worker.state is WorkerState.READY
    (said,) = told(world, "worker.expired")
    assert said["text"] == (
        "std-1-1 reached the end of its ttl at 2023-11-14T23:13:20.000Z and takes no new work; 1 attempt runs on. "
        "It drains in 120 s (ttl_grace), unless it is extended."
    )
    world.crash()
    world.seconds(1.0)
    assert waits not in world.state.live
    assert len(told(world, "worker.expired")) == 1


def test_an_extension_in_the_grace_opens_the_worker_again(world: World) -> None:
    worker, agent = made(world, T0 + 60 * MINUTE)
    world.submit()
    world.commit()
    world.talk(agent)
    at(world, T0 + 60 * MINUTE)
    (waits,) = world.submit()
    world.commit()
    extended(world, worker, T0 + 180 * MINUTE)
    world.commit()
    assert world.state.live[waits].worker == worker.spec.name
    assert world.faults() == []


def test_a_frozen_pool_goes_on_working_past_the_ttl(world: World) -> None:
    frozen = World(changed(LIFE, frozen=True))
    worker, _ = made(frozen, T0 + 60 * MINUTE)
    at(frozen, T0 + 61 * MINUTE)
    assert worker.takes_work
    frozen.state.pools[LIFE.name] = LIFE
    frozen.seconds(0.5)
    assert not worker.takes_work
    frozen.state.pools[LIFE.name] = changed(LIFE, frozen=True)
    frozen.seconds(0.5)
    assert worker.takes_work


def test_what_happens_next_is_known_at_each_moment(world: World) -> None:
    pool = changed(LIFE, ttl_soft_s=1800.0, ttl_jitter=0.0, drain_grace_s=60.0)
    worker = world.claim(1, pool, expires_at_ms=T0 + 60 * MINUTE)

    def step(now_ms: int, frozen: bool = False) -> tuple[NextStep, int | None]:
        return expiry.next_step(worker, pool, frozen, now_ms)

    assert step(T0) == (NextStep.READY, None)
    world.boot(worker)
    world.submit()
    world.commit()
    assert step(T0) == (NextStep.SOFT_TTL, T0 + 30 * MINUTE)
    assert step(T0 + 31 * MINUTE) == (NextStep.WARNING, T0 + 55 * MINUTE)
    worker.warned_expiry_ms = worker.expires_at_ms
    assert step(T0 + 55 * MINUTE) == (NextStep.EXPIRY, T0 + 60 * MINUTE)
    assert step(T0 + 60 * MINUTE) == (NextStep.DRAIN, T0 + 62 * MINUTE)
    assert step(T0 + 60 * MINUTE, frozen=True) == (NextStep.FROZEN, None)
    worker.state, worker.draining_at_ms = WorkerState.DRAINING, T0 + 62 * MINUTE
    assert step(T0 + 62 * MINUTE) == (NextStep.REMOVAL, T0 + 63 * MINUTE)


@pytest.mark.parametrize(
    ("life", "extensions", "limit"),
    [
        ({"extensions_max": 2}, 1, None),
        ({"extensions_max": 2}, 2, "it was extended 2 times, the maximum of pool std (extensions_max)"),
        ({"extensions_max": 0}, 0, "pool std allows no extensions (extensions_max: 0)"),
        ({"ttl_max_s": 3602.0}, 0, None),
        ({"ttl_max_s": 3600.0}, 0, "that is the longest life in pool std (ttl_max)"),
    ],
)
def test_an_extension_is_advised_only_where_it_is_possible(
    life: dict[str, Any], extensions: int, limit: str | None
) -> None:
    pool = changed(LIFE, **life)
    world = World(pool)
    worker = world.claim(1, pool, expires_at_ms=T0 + 60 * MINUTE)
    world.boot(worker)
    worker.ready_at_ms, worker.extensions = T0, extensions
    world.submit()
    world.commit()
    world.talk(Agent(worker=worker.spec.name))
    at(world, T0 + 59 * MINUTE)
    at(world, T0 + 60 * MINUTE)
    (warned,), (expired,) = told(world, "worker.expires_soon"), told(world, "worker.expired")
    if limit is None:
        assert warned["text"].endswith(" To keep it: herder worker extend std-1-1")
        assert expired["text"].endswith(" It drains in 120 s (ttl_grace), unless it is extended.")
    else:
        assert warned["text"].endswith(f" It cannot be extended: {limit}.")
        assert expired["text"].endswith(f" It drains in 120 s (ttl_grace) and cannot be extended: {limit}.")
