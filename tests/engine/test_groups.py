"""Job groups: counts of the whole tree, the cancel of a group with its descendants and not its siblings, limits on failures, restarts."""

import json

import pytest

from herder.engine.jobs.groups import NewGroup
from herder.model.work.job import JobState
from herder.store.rows import tables
from tests.engine.test_batches import LAST, ONE, counts
from tests.engine.test_holding import run_all
from tests.support.engine_world import World


def grouped(world: World, *groups: str, commit: bool = True, accepts: bool = False, references=None):
    batch = world.batch(accepts=accepts)
    jobs = world.add(batch, [ONE] * len(groups), references, groups=groups)
    if commit:
        world.commit_batch(batch)
    return batch, jobs


def test_a_group_counts_its_jobs_and_those_of_the_groups_below(world: World) -> None:
    batch, _ = grouped(world, "align/one", "align/one", "align", "", "call")
    run_all(world)
    assert counts(world, batch.id) == {"succeeded": 5}
    assert world.group_counts(batch.id, "align") == {"succeeded": 3}
    assert world.group_counts(batch.id, "align/one") == {"succeeded": 2}
    assert world.group_counts(batch.id, "call") == {"succeeded": 1}


@pytest.mark.parametrize("restart", [False, True])
def test_a_cancel_takes_the_groups_below_and_no_other(world: World, restart: bool) -> None:
    batch, jobs = grouped(world, "align", "align/one", "call", "")
    world.commit()
    world.cancel_group(batch, "align")
    world.commit()
    assert world.faults() == []
    if restart:
        world.crash()
        batch = world.state.batches[batch.id]
    assert batch.counts[JobState.CANCELLED] == 2
    world.sweep()
    assert [world.job_state(job).label for job in jobs] == ["cancelled", "cancelled", "ready", "ready"]
    run_all(world)
    assert counts(world, batch.id) == {"cancelled": 2, "succeeded": 2}
    assert world.batch_state(batch.id) == "succeeded"
    assert world.group_counts(batch.id, "call") == {"succeeded": 1}


def test_the_jobs_of_a_cancelled_group_do_not_come_back_before_they_are_marked(world: World) -> None:
    batch, jobs = grouped(world, *["a"] * 3, "b")
    world.cancel_group(batch, "a")
    world.commit()
    world.crash()
    assert batch.id in world.sweeps
    assert [world.job_state(job).label for job in jobs] == ["ready"] * 4
    run_all(world)
    assert world.group_counts(batch.id, "a") == {"cancelled": 3}
    world.sweep()
    assert [world.job_state(job).label for job in jobs] == ["cancelled"] * 3 + ["succeeded"]
    assert world.faults() == []


def test_running_attempts_of_the_group_are_stopped_also_after_a_restart(world: World) -> None:
    batch, (first, second) = grouped(world, "a", "b")
    _, agent = world.ready_worker()
    world.talk(agent)
    assert {first, second} <= set(world.state.live)
    world.cancel_group(batch, "a")
    world.commit()
    world.crash()
    assert world.state.live[first].cancelling
    assert not world.state.live[second].cancelling


def test_jobs_that_depend_on_a_cancelled_one_are_skipped_and_those_that_always_run_start(
    world: World,
) -> None:
    batch = world.batch()
    parent, child, grandchild, last = world.add(
        batch, [ONE, ONE, ONE, LAST], {1: [0], 2: [1], 3: [0]}, groups=["a", "", "b", "b"]
    )
    world.commit_batch(batch)
    world.commit()
    world.cancel_group(batch, "a")
    run_all(world)
    world.sweep()
    states = [world.job_state(job).label for job in (parent, child, grandchild, last)]
    assert states == ["cancelled", "skipped", "skipped", "succeeded"]
    assert world.group_counts(batch.id, "b") == {"skipped": 1, "succeeded": 1}
    assert world.faults() == []


def test_a_job_of_the_group_that_always_runs_goes_on(world: World) -> None:
    batch = world.batch()
    one, last = world.add(batch, [ONE, LAST], {1: [0]}, groups=["a", "a"])
    world.commit_batch(batch)
    world.cancel_group(batch, "a")
    run_all(world)
    world.sweep()
    assert (world.job_state(one), world.job_state(last)) == (JobState.CANCELLED, JobState.SUCCEEDED)


@pytest.mark.parametrize("restart", [False, True])
def test_a_group_that_is_cancelled_before_the_commit_does_not_start(world: World, restart: bool) -> None:
    batch, jobs = grouped(world, "a", "b", "a", commit=False)
    world.cancel_group(batch, "a")
    world.commit()
    assert counts(world, batch.id) == {"pending": 3}
    if restart:
        world.crash()
        batch = world.state.batches[batch.id]
    world.commit_batch(batch)
    run_all(world)
    world.sweep()
    assert [world.job_state(job).label for job in jobs] == ["cancelled", "succeeded", "cancelled"]


@pytest.mark.parametrize("restart", [False, True])
def test_a_job_that_is_added_below_a_cancelled_one_is_skipped(world: World, restart: bool) -> None:
    batch, _ = grouped(world, "a", "b", accepts=True)
    world.cancel_group(batch, "a")
    world.commit()
    if restart:
        world.crash()
        batch = world.state.batches[batch.id]
    skipped, good = world.add(batch, [ONE, ONE], {0: [0], 1: [1]}, groups=["b", "b"])
    run_all(world)
    assert world.job_state(skipped) is JobState.SKIPPED
    assert world.job_state(good) is JobState.SUCCEEDED
    world.close_batch(batch)
    world.commit()
    assert world.batch_state(batch.id) == "failed"


def test_failures_cancel_the_highest_group_that_has_too_many(world: World) -> None:
    batch = world.batch()
    new = [NewGroup(path="a", cancel_after_failures=1), NewGroup(path="a/b", cancel_after_failures=1)]
    bad, low, high, other = world.add(
        batch, [ONE, ONE, ONE, ONE], {1: [3], 2: [3]}, groups=["a/b", "a/b", "a", ""], new_groups=new
    )
    world.commit_batch(batch)
    run_all(world, **{f"j{bad}": "failed"})
    world.sweep()
    states = [world.job_state(job).label for job in (bad, low, high, other)]
    assert states == ["failed", "cancelled", "cancelled", "succeeded"]
    assert world.batch_state(batch.id) == "failed"


def test_held_jobs_and_jobs_that_wait_for_their_turn_go_with_their_group(world: World) -> None:
    batch = world.batch(parallel_max=1)
    jobs = world.add(batch, [ONE] * 6, groups=["a", "b"] * 3)
    world.commit_batch(batch)
    world.hold_batch(batch)
    world.cancel_group(batch, "a")
    assert {now: count for now, count in batch.counts.items() if count} == {
        JobState.HELD: 3,
        JobState.CANCELLED: 3,
    }
    world.hold_batch(batch, hold=False)
    run_all(world)
    world.sweep()
    assert [world.job_state(job).label for job in jobs] == ["cancelled", "succeeded"] * 3
    assert world.faults() == []


def test_a_retry_leaves_cancelled_groups_as_they_are(world: World) -> None:
    batch = world.batch()
    new = [NewGroup(path="a", cancel_after_failures=1)]
    bad, worse = world.add(batch, [ONE, ONE], groups=["a", "b"], new_groups=new)
    world.commit_batch(batch)
    agents = run_all(world, **{f"j{bad}": "failed", f"j{worse}": "failed"})
    world.sweep()
    assert world.batch_state(batch.id) == "failed"
    assert world.retry_batch(batch.id) == ([worse], [])
    run_all(world, *agents)
    assert world.group_counts(batch.id, "b") == {"succeeded": 1}
    assert world.group_counts(batch.id, "a") == {"failed": 1}
    assert world.faults() == []


def test_a_group_that_is_retried_and_ends_again_in_one_commit_is_told_of_again(world: World) -> None:
    batch = world.batch()
    new = [NewGroup(path="a", callback="https://ann.example.org/end")]
    (bad,) = world.add(batch, [ONE], groups=["a"], new_groups=new)
    world.commit_batch(batch)
    run_all(world, **{f"j{bad}": "failed"})
    first = world.now_ms
    world.seconds(60)
    assert world.retry_batch(batch.id) == ([bad], [])
    world.cancel_batch(world.state.batches[batch.id])
    world.commit()
    world.sweep()
    assert world.group_counts(batch.id, "a") == {"cancelled": 1}
    with world.engine.connect() as connection:
        rows = connection.execute(tables.callbacks.select().order_by(tables.callbacks.c.created_at_ms)).all()
    told = [(row.created_at_ms > first, json.loads(row.body)["data"]["counts"]) for row in rows]
    assert told == [(False, {"failed": 1}), (True, {"cancelled": 1})]


def test_a_cancel_costs_a_step_a_range_and_not_one_a_job(world: World) -> None:
    batch, _ = grouped(world, *["a"] * 3_000, *["b"] * 3_000)
    world.commit()
    world.cancel_group(batch, "a")
    done = world.commit()
    assert not done.job_status
    assert set(done.sweeps) == {batch.id}
    (queue,) = [each for each in world.state.queues.values() if each.count]
    assert len(queue._segments) == 1
    assert queue.count + len(world.state.live) == 3_000
