"""Batches: open, committed, ended, cancelled; dependencies between their jobs."""

import json

import pytest

from herder.control.kernel.bounds.errors import Conflict
from herder.engine.jobs.batch import CIRCLE_SHOWN, DependencyError
from herder.engine.workers.worker import set_cordon
from herder.model.ids import BatchId
from herder.model.stored.changes import Changes
from herder.model.values.resources import Resources
from herder.model.work.job import JobState
from tests.support.engine_world import Agent, World, job_class

ONE, LAST = job_class(), job_class(always_run=True)
OTHER = job_class(request=Resources(500, 512, 0))


def counts(world: World, batch: int) -> dict[str, int]:
    life = world.state.batches.get(BatchId(batch))
    if life is not None:
        return {JobState(number).label: count for number, count in life.counts.items() if count}
    return dict(json.loads(row(world, batch).counts))


def row(world: World, batch: int):
    from herder.store.rows.tables import batches

    with world.engine.connect() as connection:
        return connection.execute(batches.select().where(batches.c.id == batch)).one()


def cordon(world: World, agent: Agent, cordoned: bool) -> None:
    worker = world.state.workers[agent.worker]
    set_cordon(world.state, world.changes, worker, cordoned, world.now_ms, actor="user/ann", message="")


def run_all(world: World, **verdicts: str) -> None:
    """Two workers run whatever is ready, until nothing is. `verdicts`: by `jNUMBER`, how a job ends."""
    agents = [world.ready_worker(90 + number)[1] for number in range(2)]
    for _ in range(40):
        for agent in agents:
            world.talk(agent)
            for job, attempt in list(agent.held):
                verdict = verdicts.get(f"j{job}", "succeeded")
                agent.end(
                    (job, attempt), world.now_ms, verdict, cause="exit_code" if verdict == "failed" else ""
                )
            world.now_ms += 100


def test_nothing_of_an_open_batch_starts(world: World) -> None:
    world.ready_worker()
    batch = world.batch()
    world.add(batch, [ONE] * 3)
    world.commit()
    assert counts(world, batch.id) == {"pending": 3}
    assert not world.state.live
    world.commit_batch(batch)
    world.commit_batch(batch)  # nothing more
    done = world.commit()
    assert len(world.state.live) == 2
    assert counts(world, batch.id) == {"ready": 1, "running": 2}
    assert not done.sweeps


def test_an_empty_batch_ends_with_its_commit(world: World) -> None:
    batch = world.batch()
    world.commit_batch(batch)
    world.commit()
    assert row(world, batch.id).state == "succeeded"
    assert not world.state.batches


def test_children_wait_for_all_parents_named_forward_backward_and_by_key(world: World) -> None:
    batch = world.batch()
    first = world.add(batch, [ONE, OTHER, ONE], {0: ["late"], 2: [1]}, ["a", None, "late"])
    second = world.add(batch, [ONE], {0: ["a", 1, "late", "late"]})
    assert {job: each.parents_left for job, each in batch.waiting.items()} == {
        first[0]: 1,
        first[2]: 1,
        second[0]: 3,
    }
    world.commit_batch(batch)
    world.commit()
    assert counts(world, batch.id) == {"ready": 1, "blocked": 3}
    run_all(world)
    starts = [world.attempts(job)[0].assigned_at_ms for job in (first[1], first[2], first[0], second[0])]
    assert starts == sorted(starts)
    assert len(set(starts)) == 4
    assert row(world, batch.id).state == "succeeded"


def test_dependencies_come_back_after_a_crash_of_an_open_batch(world: World) -> None:
    batch = world.batch()
    world.add(batch, [ONE, ONE, OTHER], {1: [0]}, ["a", "b", None])
    world.commit()
    world.crash()
    batch = world.state.batches[BatchId(batch.id)]
    world.add(batch, [ONE], {0: ["b", 2]}, ["c"])
    world.commit()
    assert world.faults() == []
    world.commit_batch(batch)
    run_all(world)
    assert row(world, 1).state == "succeeded"


@pytest.mark.parametrize(
    ("references", "at", "circle"),
    [
        ({0: [0]}, 0, "job 0 ← job 0"),
        ({0: [1], 1: [0]}, 0, "job 0 ← job 1 ← job 0"),
        ({1: [2], 2: [3], 3: [1]}, 1, "job 1 ← job 2 ← job 3 ← job 1"),
        ({0: [1], 1: [2], 2: [1]}, 0, "job 1 ← job 2 ← job 1"),
    ],
)
def test_a_circle_is_refused_and_shown(references: dict[int, list[int]], at: int, circle: str) -> None:
    world = World()
    batch = world.batch()
    with pytest.raises(DependencyError, match=circle) as refused:
        world.add(batch, [ONE] * 4, references)
    assert refused.value.index == at
    assert (batch.jobs, batch.counts, world.state.next_job) == (0, {}, 1)


def test_a_long_circle_is_named_in_short() -> None:
    world = World()
    batch = world.batch()
    with pytest.raises(DependencyError, match=r"… \(10000 jobs\)") as refused:
        world.add(batch, [ONE] * 10_000, {index: [(index + 1) % 10_000] for index in range(10_000)})
    assert str(refused.value).count("←") <= CIRCLE_SHOWN + 1


@pytest.mark.parametrize("reference", ["nobody", 4, -1, 10**30])
def test_a_parent_that_is_not_there_is_refused(reference: str | int) -> None:
    world = World()
    batch = world.batch()
    world.add(batch, [ONE, ONE])
    with pytest.raises(DependencyError, match=r"outside the batch|not a job of this batch"):
        world.add(batch, [ONE, ONE], {1: [reference]})
    assert batch.jobs == 2


def test_what_follows_a_failure_is_skipped_all_the_way_down(world: World) -> None:
    batch = world.batch()
    bad, child, grandchild, cleaner, free = world.add(
        batch, [ONE, ONE, ONE, LAST, ONE], {1: [0], 2: [1], 3: [2]}
    )
    world.commit_batch(batch)
    world.commit()
    run_all(world, **{f"j{bad}": "failed"})
    states = [world.job_state(job).label for job in (bad, child, grandchild, cleaner, free)]
    assert states == ["failed", "skipped", "skipped", "succeeded", "succeeded"]
    assert row(world, batch.id).state == "failed"
    assert not world.attempts(child)


def test_too_many_failures_cancel_the_rest(world: World) -> None:
    batch = world.batch(cancel_after_failures=2)
    jobs = world.add(batch, [ONE] * 6)
    world.commit_batch(batch)
    world.commit()
    run_all(world, **{f"j{job}": "failed" for job in jobs})
    world.sweep()
    states = [world.job_state(job).label for job in jobs]
    assert states.count("failed") + states.count("cancelled") == 6
    assert states.count("failed") in (2, 3)  # one may have been on its way
    assert row(world, batch.id).state == "cancelled"


def test_cancel_of_a_batch_in_every_state_of_its_jobs(world: World) -> None:
    _, agent = world.ready_worker()
    batch = world.batch()
    jobs = world.add(batch, [ONE] * 4 + [LAST, ONE], {4: [0], 5: [0]})
    world.commit_batch(batch)
    world.talk(agent)
    done = next(iter(agent.held))
    agent.end(done, world.now_ms)
    world.talk(agent)
    assert counts(world, batch.id)["succeeded"] == 1
    before = world.state.next_job
    world.cancel_batch(batch)
    world.commit()
    assert batch.counts[JobState.RUNNING] >= 1
    assert {attempt.cancelling for attempt in world.state.live.values() if not _always(world, attempt)} <= {
        True
    }
    for _ in range(6):
        world.talk(agent)
        for key in list(agent.held):
            agent.end(key, world.now_ms)
    world.commit()
    world.sweep()
    ended = {world.job_state(job).label for job in jobs}
    assert ended == {"succeeded", "cancelled"}
    assert world.job_state(jobs[4]) is JobState.SUCCEEDED  # always_run
    assert row(world, batch.id).state == "cancelled"
    assert world.state.next_job == before


def _always(world: World, attempt: object) -> bool:
    return world.state.classes[attempt.class_id].always_run  # type: ignore[attr-defined]


def test_an_open_batch_that_is_cancelled_runs_nothing_and_all_rows_say_so(world: World) -> None:
    world.ready_worker()
    batch = world.batch()
    jobs = world.add(batch, [ONE, LAST, LAST], {2: [0]})
    world.commit()
    world.cancel_batch(batch)
    world.commit()
    world.sweep()
    assert [world.job_state(job).label for job in jobs] == ["cancelled"] * 3
    assert not world.state.live
    assert not world.recovered()[1]  # nothing is left to sweep


def test_always_run_jobs_go_on_without_the_parents_that_were_withdrawn(world: World) -> None:
    batch = world.batch()
    parent, middle, cleaner = world.add(batch, [ONE, ONE, LAST], {1: [0], 2: [1]})
    world.commit_batch(batch)
    world.commit()
    world.cancel_batch(batch)
    world.commit()
    world.sweep()
    assert [world.job_state(job).label for job in (parent, middle, cleaner)] == [
        "cancelled",
        "cancelled",
        "ready",
    ]
    world.crash()
    run_all(world)
    assert world.job_state(cleaner) is JobState.SUCCEEDED
    assert row(world, 1).state == "cancelled"


def test_a_cancelled_batch_recovers_before_and_after_its_sweep(world: World) -> None:
    batch = world.batch()
    world.add(batch, [ONE] * 50 + [LAST])
    world.commit_batch(batch)
    world.commit()
    world.cancel_batch(batch)
    world.commit()
    state, unswept = world.recovered()
    assert unswept == [batch.id]
    assert state.counts[JobState.CANCELLED] == 50
    world.crash()
    assert world.faults() == []
    world.sweep()
    assert world.recovered()[1] == []


@pytest.mark.parametrize(
    "where", ["queued", "tried", "waiting", "running", "ended", "pending", "blocked in an open batch"]
)
def test_cancel_of_one_job_wherever_it_is(world: World, where: str) -> None:
    batch = world.batch()
    job, child = world.add(batch, [job_class(retry=ONE.retry.__class__(retries=3)), ONE], {1: [0]})
    if where in ("pending", "blocked in an open batch"):
        world.commit()
        with pytest.raises(Conflict, match="not committed"):
            world.cancel_job(job if where == "pending" else child)
        assert batch.counts[JobState.BLOCKED] == 1
        return
    world.commit_batch(batch)
    world.commit()
    target = child if where == "waiting" else job
    agent = world.ready_worker()[1] if where in ("tried", "running", "ended") else None
    if agent is not None:
        world.talk(agent)
    if agent is not None and where != "running":
        key = next(iter(agent.held))
        agent.end(key, world.now_ms, "failed" if where == "tried" else "succeeded", cause="exit_code")
        cordon(world, agent, True)
        world.talk(agent)
        cordon(world, agent, False)
    text = world.cancel_job(target)
    world.commit()
    if where == "running":
        assert "being stopped" in text
        world.crash()  # the wish to cancel survives
        assert agent is not None
        for _ in range(3):
            world.talk(agent)
        world.commit()
    if where == "ended":
        assert "already ended" in text
        assert world.job_state(job) is JobState.SUCCEEDED
        return
    assert world.job_state(target) is JobState.CANCELLED
    if where != "waiting":
        assert world.job_state(child) is JobState.SKIPPED
        assert row(world, batch.id).ended_at_ms is not None
    changed = Changes()
    world.changes = changed
    assert "already ended" in world.cancel_job(target)
    assert not changed.job_status


def test_what_is_asked_of_one_batch_touches_no_other(world: World) -> None:
    mine, theirs = world.batch(), world.batch()
    world.add(mine, [ONE] * 3)
    world.add(theirs, [ONE] * 3, {2: [0]})
    single = world.submit(2)
    for batch in (mine, theirs):
        world.commit_batch(batch)
    world.commit()
    world.cancel_batch(mine)
    done = world.commit()
    assert set(done.sweeps) == {mine.id}
    assert counts(world, theirs.id) == {"ready": 2, "blocked": 1}
    assert all(world.job_state(job) is JobState.READY for job in single)


def test_a_failed_parent_is_remembered_over_a_crash(world: World) -> None:
    """One parent has failed, the other has not ended: the child is skipped all the same, whoever counts."""
    _, agent = world.ready_worker()
    batch = world.batch()
    bad, slow, child = world.add(batch, [ONE, ONE, ONE], {2: [0, 1]})
    world.commit_batch(batch)
    world.commit()
    world.talk(agent)
    agent.end((bad, 1), world.now_ms, "failed", cause="exit_code")
    world.talk(agent)
    world.crash()
    assert world.state.batches[BatchId(batch.id)].waiting[child].parent_failed
    agent.end((slow, 1), world.now_ms)
    world.talk(agent)
    assert world.job_state(child) is JobState.SKIPPED
