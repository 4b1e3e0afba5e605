"""Preemption under lost, doubled and reordered messages, deaths and crashes: no job is lost or run twice to success, none
fails for having been preempted, and everything comes to rest. `SEED=17 pytest tests/simulation` runs that one alone.
"""

import json
import os

import pytest
from sqlalchemy import func, select

from herder.model.job import AttemptState, Cause, JobState, RetryPolicy
from herder.model.resources import Resources
from herder.model.sharing import Limits, Preemption, PriorityClass, ProjectQuota, Reclaim, Sharing
from herder.store.tables import attempts, events, jobs
from tests.simulation.fleet import Simulation
from tests.support.engine_world import job_class

SEEDS = [int(os.environ["SEED"])] if "SEED" in os.environ else range(8)
#: So often that a job fails only if something counts that should not.
OFTEN = RetryPolicy(retries=1000, attempts_max=1000)
CLASSES = (
    job_class("ann", Resources(500, 256, 0), retry=OFTEN),
    job_class("ann", Resources(1000, 512, 0), retry=OFTEN, project="lent"),
    job_class("bob", Resources(1500, 1024, 0), retry=OFTEN, priority=3),
    job_class("cyd", Resources(2000, 2048, 0), retry=OFTEN, priority=9, project="owed"),
    job_class("dan", Resources(250, 128, 0), retry=OFTEN, always_run=True),
)
SHARING = Sharing(
    priority_classes=(
        PriorityClass(name="high", value=3, preempts=True),
        PriorityClass(name="top", value=9, preempts=True),
    ),
    projects=(
        ProjectQuota(name="lent", nominal=Limits(cpu_milli=2000)),
        ProjectQuota(name="owed", nominal=Limits(cpu_milli=6000)),
    ),
    preemption=Preemption(
        minimum_run_s=2.0, wait_first_s=1.0, soon_s=3.0, protected_after=2, reclaim=Reclaim.ANY
    ),
)


@pytest.mark.parametrize("seed", SEEDS)
def test_preempted_jobs_end_once_like_all_others(seed: int) -> None:
    simulation = Simulation(seed, CLASSES, SHARING)
    try:
        simulation.run()
    except BaseException as error:
        error.add_note(f"seed {seed}, {simulation.stats}, at rest: {simulation.left()}")
        raise
    world = simulation.world
    assert world.faults() == []
    with world.engine.connect() as connection:
        states = {row.id: JobState(row.state) for row in connection.execute(select(jobs.c.id, jobs.c.state))}
        success = select(attempts.c.job_id, func.count()).where(
            attempts.c.state == int(AttemptState.SUCCEEDED)
        )
        successes = {row.job_id: row[1] for row in connection.execute(success.group_by(attempts.c.job_id))}
        stopped = select(attempts.c.job_id, func.count()).where(
            attempts.c.state == int(AttemptState.CANCELLED), attempts.c.cause == Cause.PREEMPTED.value
        )
        preempted = {row.job_id: row[1] for row in connection.execute(stopped.group_by(attempts.c.job_id))}
        told = connection.execute(select(events.c.data).where(events.c.kind == "job.preempted")).all()
    assert set(states) == world.accepted
    assert all(state.ended for state in states.values())
    assert successes == {job: 1 for job, state in states.items() if state is JobState.SUCCEEDED}
    assert JobState.FAILED not in states.values(), "no job fails for having been preempted"
    assert preempted, "nothing was preempted: the test looks at nothing"
    assert max(preempted.values()) <= SHARING.preemption.protected_after
    assert min(json.loads(row.data)["ran_ms"] for row in told) >= 2_000, "it had not run for its minimum"
    assert len(told) >= sum(preempted.values())
    assert not world.state.preempted
    world.engine.dispose()
