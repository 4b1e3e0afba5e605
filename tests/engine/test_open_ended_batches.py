"""Batches that accept jobs while they run: what is added starts, waits for its parents or is skipped, and nothing ends before the close."""

import pytest

from herder.engine.jobs.batch import DependencyError
from herder.model.work.job import JobState
from tests.engine.test_batches import LAST, ONE, counts
from tests.engine.test_holding import run_all
from tests.support.engine_world import World


def test_jobs_are_added_while_the_batch_runs_and_it_ends_after_its_close(world: World) -> None:
    batch = world.batch(accepts=True)
    world.add(batch, [ONE])
    world.commit_batch(batch)
    agents = run_all(world)
    assert (batch.state, counts(world, batch.id)) == ("running", {"succeeded": 1})
    world.add(batch, [ONE, ONE], {1: [0]})
    run_all(world, *agents)
    assert (batch.state, counts(world, batch.id)) == ("running", {"succeeded": 3})
    world.close_batch(batch)
    world.commit()
    assert (world.batch_state(batch.id), counts(world, batch.id)) == ("succeeded", {"succeeded": 3})


def test_a_batch_that_is_closed_before_its_commit_is_as_any_other(world: World) -> None:
    batch = world.batch(accepts=True)
    world.add(batch, [ONE])
    world.close_batch(batch)
    world.commit_batch(batch)
    run_all(world)
    assert world.batch_state(batch.id) == "succeeded"


@pytest.mark.parametrize("restart", [False, True])
def test_parents_may_have_ended_before_their_child_is_added(world: World, restart: bool) -> None:
    batch = world.batch(accepts=True)
    good, bad = world.add(batch, [ONE, ONE], keys=["good", "bad"])
    world.commit_batch(batch)
    agents = run_all(world, **{f"j{bad}": "failed"})
    assert world.job_state(good) is JobState.SUCCEEDED
    if restart:
        world.crash()
        batch = world.state.batches[batch.id]
    after_good, after_bad, below, last, new = world.add(
        batch, [ONE, ONE, ONE, LAST, ONE], {0: ["good"], 1: ["good", "bad"], 2: [3], 3: ["bad"], 4: ["first"]},
        keys=["first", None, None, None, None],
    )  # fmt: skip
    run_all(world, *agents)
    states = {job: world.job_state(job) for job in (after_good, after_bad, below, last, new)}
    assert states == {
        after_good: JobState.SUCCEEDED,
        after_bad: JobState.SKIPPED,
        below: JobState.SKIPPED,
        last: JobState.SUCCEEDED,
        new: JobState.SUCCEEDED,
    }
    world.close_batch(batch)
    world.commit()
    assert world.batch_state(batch.id) == "failed"


def test_a_parent_that_is_tried_again_has_not_ended(world: World) -> None:
    batch = world.batch(accepts=True)
    (bad,) = world.add(batch, [ONE])
    world.commit_batch(batch)
    agents = run_all(world, **{f"j{bad}": "failed"})
    assert world.retry_batch(batch.id) == ([bad], [])
    (child,) = world.add(batch, [ONE], {0: [0]})
    world.commit()
    assert world.job_state(child) is JobState.BLOCKED
    run_all(world, *agents)
    assert counts(world, batch.id) == {"succeeded": 2}
    world.close_batch(batch)


def test_names_are_known_until_the_close(world: World) -> None:
    batch = world.batch(accepts=True)
    world.add(batch, [ONE], keys=["a"])
    world.commit_batch(batch)
    world.commit()
    world.crash()
    batch = world.state.batches[batch.id]
    assert batch.keys == {"a": 1}
    with pytest.raises(DependencyError, match="'b' is not a job of this batch"):
        world.add(batch, [ONE], {0: ["b"]})
    world.cancel_batch(batch)
    assert not batch.accepts
