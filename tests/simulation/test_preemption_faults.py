"""Preemption under faults: no job is lost or run twice to success, none fails for having been preempted, and everything comes to rest.

`SEED=17 pytest tests/simulation` runs that one alone.
"""

import json
import os

import pytest
from sqlalchemy import func, select

from herder.model.work.job import AttemptState, Cause, JobState
from herder.simulate.chaos import Trouble, World
from herder.store.rows.tables import attempts, events
from tests.simulation.fleet import check_rest, states_of
from tests.simulation.storm import simulate

SEEDS = [int(os.environ["SEED"])] if "SEED" in os.environ else range(3)
#: So often that a job fails only if something counts that should not.
OFTEN = {"retries": 1000, "attempts_max": 1000}
JOBS = (
    {"user": "ann", "cpu": "500m", "memory": "256Mi", **OFTEN},
    {"user": "ann", "cpu": 1, "memory": "512Mi", "project": "lent", **OFTEN},
    {"user": "bob", "cpu": "1500m", "memory": "1Gi", "priority": "high", **OFTEN},
    {"user": "cyd", "cpu": 2, "memory": "2Gi", "priority": "top", "project": "owed", **OFTEN},
    {"user": "dan", "cpu": "250m", "memory": "128Mi", "always_run": True, **OFTEN},
)
PROTECTED_AFTER = 2
SHARING = {
    "priority_classes": {"high": {"value": 3, "preempts": True}, "top": {"value": 9, "preempts": True}},
    "projects": {"lent": {"nominal_quota": {"cpu": 2}}, "owed": {"nominal_quota": {"cpu": 6}}},
    "fair_share": {
        "preemption": {
            "minimum_run_time": "2s",
            "wait_first": "1s",
            "soon": "3s",
            "protected_after": PROTECTED_AFTER,
            "reclaim": "any",
        }
    },
}


@pytest.mark.parametrize("seed", SEEDS)
def test_preempted_jobs_end_once_like_all_others(seed: int) -> None:
    def look(world: World) -> None:
        check_rest(world)
        with world.engine.connect() as connection:
            stopped = (
                select(attempts.c.job_id, func.count())
                .where(
                    attempts.c.state == int(AttemptState.CANCELLED),
                    attempts.c.cause == Cause.PREEMPTED.value,
                )
                .group_by(attempts.c.job_id)
            )
            preempted = {row.job_id: row[1] for row in connection.execute(stopped)}
            told = connection.execute(select(events.c.data).where(events.c.kind == "job.preempted")).all()
        assert JobState.FAILED not in states_of(world).values(), "no job fails for having been preempted"
        assert preempted, "nothing was preempted: the test looks at nothing"
        assert max(preempted.values()) <= PROTECTED_AFTER
        assert min(json.loads(row.data)["ran_ms"] for row in told) >= 2_000, "it had not run for its minimum"
        assert len(told) >= sum(preempted.values())
        assert not world.core.state.preempted

    simulate(seed, JOBS, sharing=SHARING, odds=Trouble(clock_set=0), look=look)
