"""Seeded runs of a whole installation under faults: every accepted job ends exactly once, nothing is left over.

A failure names its seed: `SEED=17 pytest tests/simulation` runs that one alone.
"""

import os

import pytest
from sqlalchemy import func, select

from herder.model.job import AttemptState, JobState
from herder.store.tables import attempts, jobs, workers
from tests.simulation.fleet import Simulation

SEEDS = [int(os.environ["SEED"])] if "SEED" in os.environ else range(20)


@pytest.mark.parametrize("seed", SEEDS)
def test_every_job_ends_once_and_nothing_is_left_over(seed: int) -> None:
    check(seed)


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.parametrize("start", [1000, 2000])
def test_many_more_seeds(start: int) -> None:
    for seed in range(start, start + 100):
        check(seed)


def check(seed: int) -> None:
    simulation = Simulation(seed)
    try:
        simulation.run()
    except BaseException as error:
        error.add_note(f"seed {seed}, {simulation.stats}, at rest: {simulation.left()}")
        raise
    world = simulation.world
    said = f"seed {seed}, {simulation.stats}"
    assert world.faults() == [], said
    with world.engine.connect() as connection:
        states = {row.id: JobState(row.state) for row in connection.execute(select(jobs.c.id, jobs.c.state))}
        success = select(attempts.c.job_id, func.count()).where(
            attempts.c.state == int(AttemptState.SUCCEEDED)
        )
        successes = {row.job_id: row[1] for row in connection.execute(success.group_by(attempts.c.job_id))}
        alive = connection.execute(select(workers.c.name).where(workers.c.ended_at_ms.is_(None))).all()
    assert set(states) == world.accepted, said
    assert all(state.ended for state in states.values()), said
    assert successes == {job: 1 for job, state in states.items() if state is JobState.SUCCEEDED}, said
    assert not alive, said
    assert len(states) > 20, said
    assert simulation.stats["crashes"] + simulation.stats["deaths"] > 0, said
    world.engine.dispose()
