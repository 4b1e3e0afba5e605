"""The rows of job groups on both stores: cancelled ones are marked in pieces, their jobs are found, and nothing of them outlives the batch."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine, func, select

from herder.control.reads.search import jobs as job_search
from herder.model.work.job import JobState
from herder.store.invariants import violations
from herder.store.opening.database import migrate, open_engine, sqlite_url
from herder.store.rows import tables as t
from herder.store.rows.job_ranges import jobs_of_group
from herder.store.writing import cancelled_batches
from herder.store.writing.retention import forget_batch
from tests.engine.test_batches import LAST, ONE
from tests.engine.test_holding import run_all
from tests.store.test_ledger_rows import PLAIN
from tests.store.test_retention import forget
from tests.support.engine_world import Agent, World

DAY_MS = 24 * 3_600_000


@pytest.fixture(params=["sqlite", "postgresql"])
def world(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[World]:
    url = sqlite_url(tmp_path) if request.param == "sqlite" else request.getfixturevalue("postgres_url")
    engine = open_engine(url)
    migrate(engine)
    yield World(engine=engine)
    engine.dispose()


def rows(world: World, table: object) -> int:
    with world.engine.connect() as connection:
        return int(connection.execute(select(func.count()).select_from(table)).scalar_one())  # type: ignore[arg-type]


def broken(world: World) -> list[str]:
    with world.engine.connect() as connection:
        return violations(connection)


def test_a_cancelled_group_is_marked_in_pieces_and_no_other_job(
    world: World,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    batch = world.batch()
    paths = ["a", "a/b", "", "ab", "a", "c"]
    jobs = world.add(batch, [ONE, LAST, ONE, ONE, ONE, ONE], groups=paths)
    world.commit_batch(batch)
    world.commit()
    world.cancel_group(batch, "a")
    world.commit()
    assert broken(world) == []
    world.crash()
    assert broken(world) == []
    monkeypatch.setattr(cancelled_batches, "PIECE", 1)
    world.sweep()
    states = [world.job_state(job).label for job in jobs]
    assert states == ["cancelled", "ready", "ready", "ready", "cancelled", "ready"]
    assert broken(world) == []
    run_all(world)
    assert [world.job_state(job).label for job in jobs[1:4]] == ["succeeded"] * 3
    assert world.batch_state(batch.id) == "succeeded"
    assert broken(world) == []


def costs_of(world: World) -> dict[str, int]:
    with world.engine.connect() as connection:
        return {row.path: int(row.cost_pico) for row in connection.execute(select(t.job_groups))}


def work(world: World, agent: Agent, *failing: int) -> None:
    """A worker runs all that is ready, a second each."""
    for _ in range(20):
        world.talk(agent)
        world.now_ms += 1_000
        for job, attempt in list(agent.held):
            failed = job in failing
            agent.end(
                (job, attempt),
                world.now_ms,
                "failed" if failed else "succeeded",
                cause="exit_code" if failed else "",
            )


def test_costs_of_groups_are_those_of_the_attempts_over_retries_and_crashes(fresh_engine: Engine) -> None:
    world = World(PLAIN, engine=fresh_engine)
    batch = world.batch()
    jobs = world.add(batch, [ONE, ONE, ONE, ONE], groups=["a/b", "a", "", "c"])
    world.commit_batch(batch)
    _, agent = world.ready_worker(1, PLAIN)
    work(world, agent, jobs[0], jobs[3])
    before = costs_of(world)
    assert before["a"] > before["a/b"] > 0
    assert before["c"] > 0
    assert (world.batch_state(batch.id), broken(world)) == ("failed", [])
    world.crash()
    world.retry_batch(batch.id)
    world.commit()
    world.crash()
    work(world, agent)
    after = costs_of(world)
    assert after["a"] - before["a"] == after["a/b"] - before["a/b"] > 0
    assert after["c"] > before["c"]
    assert (world.batch_state(batch.id), broken(world)) == ("succeeded", [])


def test_a_wrong_cost_of_a_group_is_told_and_an_unknown_one_stays_unknown(world: World) -> None:
    batch = world.batch()
    world.add(batch, [ONE, ONE], groups=["a", "b"])
    world.commit()
    with world.engine.begin() as connection:
        connection.execute(t.job_groups.update().where(t.job_groups.c.path == "a").values(cost_pico="5"))
        connection.execute(t.job_groups.update().where(t.job_groups.c.path == "b").values(cost_pico=""))
    wrong = f"Group a of batch {batch.id} has the cost 5 pico-USD, but its attempts cost 0."
    assert broken(world) == [wrong]
    world.crash()
    world.commit_batch(world.state.batches[batch.id])
    run_all(world)
    with world.engine.connect() as connection:
        assert (
            connection.execute(select(t.job_groups.c.cost_pico).where(t.job_groups.c.path == "b")).scalar()
            == ""
        )


def test_a_wrong_count_of_a_group_is_told(world: World) -> None:
    batch = world.batch()
    world.add(batch, [ONE, ONE], groups=["a/b", "a"])
    world.commit()
    with world.engine.begin() as connection:
        connection.execute(
            t.job_groups.update().where(t.job_groups.c.path == "a").values(counts="{}", jobs=3)
        )
    told = broken(world)
    assert [each for each in told if "Group a of batch" in each and "counts 3 jobs, but 2 exist" in each]
    assert [each for each in told if "Group a of batch" in each and "counts {}" in each]


def test_the_jobs_of_a_group_are_found_by_ranges(world: World) -> None:
    batch, other = world.batch(), world.batch()
    first = world.add(batch, [ONE] * 3, groups=["a/b", "a", "ab"])
    world.add(other, [ONE] * 2, groups=["a", "a"])
    last = world.add(batch, [ONE] * 2, groups=["a", "c"])
    world.commit()
    with world.engine.connect() as connection:
        ids = list(connection.execute(jobs_of_group(batch.id, "a", 0, 10)).scalars())
        rest = list(connection.execute(jobs_of_group(batch.id, "a", first[0], 10)).scalars())
        some = list(connection.execute(jobs_of_group(batch.id, "a", 0, 1)).scalars())
        where = job_search._in_group("a")
        query = select(t.jobs.c.id).where(where, t.jobs.c.batch_id == batch.id).order_by(t.jobs.c.id)
        searched = list(connection.execute(query).scalars())
    assert ids == searched == [first[0], first[1], last[0]]
    assert rest == [first[1], last[0]]
    assert some == [first[0]]


@pytest.mark.parametrize("how", ["deleted", "forgotten"])
def test_nothing_of_a_group_outlives_its_batch(world: World, how: str) -> None:
    batch = world.batch()
    world.add(batch, [ONE, ONE], groups=["a/b", "a"])
    world.commit_batch(batch)
    run_all(world)
    assert world.job_state(1) is JobState.SUCCEEDED
    assert (rows(world, t.job_groups), rows(world, t.job_ranges)) == (2, 2)
    if how == "deleted":
        with world.engine.begin() as connection:
            connection.execute(t.batches.update().values(state="deleted"))
            while forget_batch(connection, batch.id):
                pass
    else:
        world.now_ms += 400 * DAY_MS
        forget(world)
    assert (rows(world, t.jobs), rows(world, t.job_groups), rows(world, t.job_ranges)) == (0, 0, 0)
