"""What seeded runs of the world are made of, and what must be true of each when it has come to rest."""

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import func, select

from herder.model.work.job import AttemptState, JobState
from herder.simulate.chaos import World
from herder.store.invariants import violations as stored_violations
from herder.store.rows.tables import attempts, events, jobs, workers

OFTEN = {"retries": 1, "attempts_max": 1000}
JOBS: Sequence[Mapping[str, Any]] = (
    {"user": "ann", "cpu": "500m", "memory": "256Mi", **OFTEN},
    {"user": "bob", "cpu": 2, "memory": "1Gi", "priority": 3, **OFTEN},
    {"user": "cyd", "cpu": 6, "memory": "4Gi", **OFTEN},
    {"user": "ann", "cpu": "250m", "memory": "128Mi", "always_run": True, **OFTEN},
    {"user": "bob", "cpu": 1, "memory": "1Gi", "pool": "brief", **OFTEN},
)


def states_of(world: World) -> dict[int, JobState]:
    with world.engine.connect() as connection:
        return {row.id: JobState(row.state) for row in connection.execute(select(jobs.c.id, jobs.c.state))}


def event_kinds(world: World) -> list[str]:
    with world.engine.connect() as connection:
        return list(connection.execute(select(events.c.kind)).scalars())


def check_rest(world: World) -> None:
    """Every accepted job has ended exactly once, nothing is left over, and memory, rows and money agree."""
    with world.engine.connect() as connection:
        assert stored_violations(connection) == []
        success = (
            select(attempts.c.job_id, func.count())
            .where(attempts.c.state == int(AttemptState.SUCCEEDED))
            .group_by(attempts.c.job_id)
        )
        successes = {row.job_id: row[1] for row in connection.execute(success)}
        alive = connection.execute(select(workers.c.name).where(workers.c.ended_at_ms.is_(None))).all()
        spans = connection.execute(
            select(attempts.c.assigned_at_ms, attempts.c.started_at_ms, attempts.c.ended_at_ms)
        ).all()
        made = connection.execute(select(workers)).all()
    states = states_of(world)
    assert set(states) == world.people.accepted
    assert all(state.ended for state in states.values())
    assert successes == {job: 1 for job, state in states.items() if state is JobState.SUCCEEDED}
    assert all(world.machines.done[job] for job in successes), "a success of which the work was never done"
    assert not any(began > 1 for began in world.machines.began.values()), "an attempt was begun twice"
    assert not alive
    assert not world.provider.machines
    for assigned, started, ended in spans:
        assert assigned <= (assigned if started is None else started) <= ended, "an end before its start"
    for row in made:
        assert row.requested_at_ms <= row.ended_at_ms, row
        assert row.provisioned_at_ms is None or row.ended_at_ms >= row.provisioned_at_ms, row
