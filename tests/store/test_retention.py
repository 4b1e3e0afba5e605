"""What ended long ago is forgotten in pieces; what people see of it, and what must hold of the rows, stays as it was."""

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy import Connection, Engine, func, insert, select, update

from herder.control.loops.housekeeping import ROWS_LEAST, ROWS_MOST, Paces, look_after_classes, period_s
from herder.engine.workers.worker import terminate, terminated
from herder.model.planning.plan import Reason, ReasonKind
from herder.model.stored.changes import Changes
from herder.model.stored.records import EventRecord, LogRecord, PlanRecord
from herder.model.stored.retention import Retention
from herder.store.invariants import violations
from herder.store.opening.database import migrate, open_engine, sqlite_url
from herder.store.rows import tables
from herder.store.writing import retention
from herder.store.writing.retention import steps
from herder.store.writing.size_bounds import bounds, ended_jobs, used_bytes
from tests.support.engine_world import World, job_class, write

DAY_MS = 24 * 3_600_000
KEEP = Retention()


@pytest.fixture(params=["sqlite", "postgresql"])
def world(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[World]:
    url = sqlite_url(tmp_path) if request.param == "sqlite" else request.getfixturevalue("postgres_url")
    engine = open_engine(url)
    migrate(engine)
    yield World(engine=engine)
    engine.dispose()


class CoreOn:
    """Of the core what looking after classes asks for."""

    def __init__(self, world: World) -> None:
        self.state, self.store, self._engine = world.state, self, world.engine

    async def settle(self) -> None:
        return

    async def read(self, work: Callable[[Connection], Any]) -> Any:
        with self._engine.begin() as connection:
            return work(connection)

    call = read


def forget(world: World, keep: Retention = KEEP) -> int:
    """Until nothing is left to forget; answers the number of pieces."""
    pieces = 0
    for step in steps(keep, world.now_ms):
        after: int | None = 0
        while after is not None:
            with world.engine.begin() as connection:
                after = step(connection, after=after)
            pieces += 1
            with world.engine.connect() as connection:
                assert violations(connection) == []
    return pieces


def sizes(engine: Engine) -> dict[str, int]:
    with engine.connect() as connection:
        counts = {
            table.name: connection.execute(select(func.count()).select_from(table)).scalar_one()
            for table in tables.metadata.sorted_tables
        }
    return {
        name: counts[name]
        for name in ("jobs", "attempts", "job_parents", "log_chunks", "batches", "workers", "events", "plans")
    }


def live_through(world: World) -> None:
    """Work of every kind that ends, on workers that go: single jobs, a batch with parents, a failed, a cancelled and an open batch."""
    worker, agent = world.ready_worker(1)
    world.submit(3)
    chain = world.batch()
    world.add(chain, [job_class()] * 3, {1: [0], 2: [0, 1]})
    world.commit_batch(chain)
    failing = world.batch(cancel_after_failures=1)
    world.add(failing, [job_class()] * 2)
    world.commit_batch(failing)
    dropped = world.batch()
    world.add(dropped, [job_class()] * 4)
    world.cancel_batch(dropped)
    for turn in range(12):
        world.now_ms += 60_000
        world.talk(agent)
        for key in list(agent.held):
            world.changes.put(LogRecord(*key, 0, "said\n"))
            agent.end(
                key,
                world.now_ms,
                "failed" if turn == 3 else "succeeded",
                cause="exit_code" if turn == 3 else "",
            )
        world.talk(agent)
        world.commit()
    world.sweep()
    reason = Reason(kind=ReasonKind.BY_HAND, text="gone")
    terminate(world.state, world.changes, worker, reason, world.now_ms)
    terminated(world.state, world.changes, worker, world.now_ms)
    world.commit()


def seen(world: World) -> Any:
    """What people are told, after a start."""
    state, _ = world.recovered()
    ledger = world.read_ledger()
    return (
        state.counts,
        ledger.pools,
        ledger.accounts,
        (state.next_job, state.next_batch, state.next_event, state.next_class),
    )


def test_everything_that_ended_long_ago_goes_and_no_counter_changes(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retention, "PIECE", 2)
    live_through(world)
    before, had = seen(world), sizes(world.engine)
    assert sum(before[1].values()) > 0, "the worker cost something"
    assert (
        min(
            had[name]
            for name in ("jobs", "attempts", "job_parents", "log_chunks", "batches", "workers", "events")
        )
        > 0
    )
    forget(world)
    assert sizes(world.engine) == had, "nothing is old yet"
    world.now_ms += 8 * DAY_MS
    forget(world)
    assert sizes(world.engine) == {**had, "log_chunks": 0}
    world.now_ms += 23 * DAY_MS
    assert forget(world) > 10
    left = sizes(world.engine)
    assert left == {**dict.fromkeys(had, 0), "workers": had["workers"]}
    world.now_ms += 60 * DAY_MS
    forget(world)
    assert sizes(world.engine) == dict.fromkeys(had, 0)
    assert seen(world) == before
    world.crash()
    (job,) = world.submit()
    world.commit()
    assert job == before[3][0], "numbers are not given twice"
    assert world.faults() == []


def test_what_has_not_ended_stays_with_all_it_needs(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retention, "PIECE", 3)
    live_through(world)
    (waiting,) = world.submit()
    still = world.batch()
    first, second = world.add(still, [job_class()] * 2, {1: [0]})
    world.commit_batch(still)
    _, agent = world.ready_worker(2)
    world.talk(agent)
    world.talk(agent)
    running = next(iter(agent.held))
    agent.end(running, world.now_ms)
    world.talk(agent)
    world.commit()
    world.now_ms += 400 * DAY_MS
    forget(world)
    with world.engine.connect() as connection:
        kept = set(connection.execute(select(tables.jobs.c.id)).scalars())
    assert {first, second} <= kept
    assert kept <= {waiting, first, second}
    world.crash()
    assert world.faults() == []


def test_a_start_reads_no_more_the_longer_the_history_is(world: World) -> None:
    """Totals come from their own rows: what is only in the history is not read."""
    live_through(world)
    before = seen(world)
    with world.engine.begin() as connection:
        connection.execute(update(tables.workers).values(ended_at_ms=7))
        connection.execute(tables.attempts.delete())
    assert seen(world)[:3] == before[:3]


def test_plans_stay_as_long_as_what_they_were_made_from(world: World) -> None:
    changes = Changes()
    for number in range(1, 6):
        changes.put(PlanRecord(number, number, 0, "{}"))
    write(world.engine, changes)
    with world.engine.begin() as connection:
        connection.execute(insert(tables.observations).values(plan=3, follows=None, at_ms=3, size=1, body=""))
    forget(world)
    with world.engine.connect() as connection:
        assert set(connection.execute(select(tables.plans.c.number)).scalars()) == {3, 4, 5}
    assert world.recovered()[0].next_plan == 6


def test_a_log_whose_job_is_gone_goes_too(world: World) -> None:
    changes = Changes()
    for job in range(1, 4):
        changes.put(LogRecord(job, 1, 0, "x"))
    write(world.engine, changes)
    forget(world)
    assert sizes(world.engine)["log_chunks"] == 0


def test_old_events_go_by_their_number(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retention, "PIECE", 4)
    changes = Changes()
    for number in range(1, 11):
        at_ms = world.now_ms - (40 - 3 * number) * DAY_MS
        changes.put(EventRecord(number, at_ms, "a.b", "a/b", "", "", "{}"))
    write(world.engine, changes)
    forget(world)
    with world.engine.connect() as connection:
        assert min(connection.execute(select(tables.events.c.sequence)).scalars()) == 4


async def test_classes_go_that_no_job_and_no_memory_refers_to(
    world: World, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retention, "CLASSES_KEPT", 3)
    for priority in range(8):
        world.submit(1, job_class(priority=priority))
    world.commit()
    held = list(world.state.classes)
    with world.engine.begin() as connection:
        connection.execute(tables.jobs.delete().where(tables.jobs.c.class_id.in_(held[:5])))
    del world.state.classes[held[0]], world.state.classes[held[2]], world.state.classes[held[6]]
    await look_after_classes(CoreOn(world))  # type: ignore[arg-type]
    with world.engine.connect() as connection:
        left = list(connection.execute(select(tables.job_classes.c.id)).scalars())
    assert left == [each for each in held if each not in (held[0], held[2])]


def test_nothing_is_kept_for_less_than_a_second() -> None:
    with pytest.raises(ValueError, match="less than a second"):
        Retention(jobs_ms=999)


def test_a_worker_stays_as_long_as_an_attempt_needs_it_for_its_price(world: World) -> None:
    live_through(world)
    before = seen(world)
    world.now_ms += 100 * DAY_MS
    forget(world, Retention(jobs_ms=300 * DAY_MS, workers_ms=DAY_MS))
    assert sizes(world.engine)["workers"] == 1
    world.now_ms += 300 * DAY_MS
    forget(world, Retention(jobs_ms=300 * DAY_MS, workers_ms=DAY_MS))
    assert (sizes(world.engine)["attempts"], sizes(world.engine)["workers"]) == (0, 0)
    assert seen(world) == before


def kept(world: World, table: Any) -> int:
    with world.engine.connect() as connection:
        return int(connection.execute(select(func.count()).select_from(table)).scalar_one())


def shrink(world: World, keep: Retention) -> None:
    """What housekeeping does with the bounds of rows and of size, in pieces of two."""
    for bound in bounds(keep, world.now_ms):
        for step in bound.steps:
            after: int | None = 0
            while after is not None:
                with world.engine.begin() as connection:
                    if not bound.passed(connection):
                        break
                    after = step(connection, after=after, piece=2)
                with world.engine.connect() as connection:
                    assert violations(connection) == []


def test_more_ended_jobs_than_allowed_go_oldest_first_and_no_counter_changes(world: World) -> None:
    live_through(world)
    before, had = seen(world), kept(world, tables.jobs)
    shrink(world, Retention(jobs_max=had))
    assert kept(world, tables.jobs) == had
    shrink(world, Retention(jobs_max=4))
    assert 2 <= kept(world, tables.jobs) <= 4
    with world.engine.connect() as connection:
        assert min(connection.execute(select(tables.jobs.c.id)).scalars()) > 3
        assert ended_jobs(connection) == kept(world, tables.jobs)
    assert seen(world) == before
    assert world.faults() == []


def test_more_events_plans_and_workers_than_allowed_go(world: World) -> None:
    live_through(world)
    changes = Changes()
    for number in [*range(1000, 1010), *range(2_000_000, 2_000_010)]:  # a restored store has gaps
        changes.put(EventRecord(number, 1, "a.b", "a/b", "", "", "{}"))
        changes.put(PlanRecord(number, number, 0, "{}"))
    write(world.engine, changes)
    shrink(world, Retention(events_max=12, plans_max=11, workers_max=0))
    assert (kept(world, tables.events), kept(world, tables.plans)) == (12, 11)
    with world.engine.connect() as connection:
        assert min(connection.execute(select(tables.plans.c.number)).scalars()) == 1009
    world.now_ms += 1
    shrink(world, Retention(jobs_max=0, workers_max=0))
    assert kept(world, tables.workers) == 0, "no job that is kept needs it"


def test_a_store_that_is_too_large_loses_logs_first(tmp_path: Path) -> None:
    engine = open_engine(sqlite_url(tmp_path))
    migrate(engine)
    world = World(engine=engine)
    live_through(world)
    with engine.connect() as connection:
        jobs = list(connection.execute(select(tables.jobs.c.id).order_by(tables.jobs.c.id)).scalars())
    changes = Changes()
    for job in jobs:
        for part in range(40):
            changes.put(LogRecord(job, 7, part * 20_000, "x" * 20_000))
    write(engine, changes)
    before, had = seen(world), kept(world, tables.jobs)
    with engine.connect() as connection:
        used = used_bytes(connection) or 0
    assert used > 4_000_000
    shrink(world, Retention(store_bytes=2_000_000))
    with engine.connect() as connection:
        assert (used_bytes(connection) or 0) <= 2_000_000
        newest = connection.execute(select(func.max(tables.log_chunks.c.job_id))).scalar()
    assert newest == jobs[-1], "the oldest go first"
    assert kept(world, tables.jobs) == had
    assert seen(world) == before
    engine.dispose()


def test_the_log_of_one_job_goes_in_pieces(world: World) -> None:
    live_through(world)
    with world.engine.connect() as connection:
        first = int(connection.execute(select(func.min(tables.jobs.c.id))).scalar_one())
    changes = Changes()
    for part in range(11):
        changes.put(LogRecord(first, 3, part, "x"))
    write(world.engine, changes)
    had = kept(world, tables.log_chunks)
    after: int | None = 0
    for _ in range(3):
        with world.engine.begin() as connection:
            after = retention.forget_logs(connection, after or 0, before_ms=world.now_ms + 1, piece=3)
    assert kept(world, tables.log_chunks) == had - 9
    while after is not None:
        with world.engine.begin() as connection:
            after = retention.forget_logs(connection, after, before_ms=world.now_ms + 1, piece=3)
    assert kept(world, tables.log_chunks) == 0


def test_pieces_fit_the_time_that_they_take() -> None:
    paces = Paces()
    rows = [paces.of("jobs")]
    for took_ms in [0] * 20 + [200] + [20] * 3 + [1000] * 6:
        paces.took("jobs", paces.of("jobs"), took_ms, took_ms + 5)
        rows.append(paces.of("jobs"))
    assert rows[20] == ROWS_MOST
    assert rows[21] < ROWS_MOST // 10
    assert rows[-1] == ROWS_LEAST
    for _ in range(30):
        paces.took("slow disk", paces.of("slow disk"), 1, 500)
    assert paces.of("slow disk") == rows[0], "fewer rows do not make its commits faster"
    assert paces.of("events") == rows[0], "each kind of row has its own"


def test_housekeeping_is_as_frequent_as_the_shortest_age_needs() -> None:
    assert period_s(Retention().shortest_ms) == 600
    assert period_s(Retention(jobs_ms=60_000).shortest_ms) == 6
    assert period_s(Retention(events_ms=1_000).shortest_ms) == 1
