"""A pool with a queue_threshold creates workers for waiting jobs when more than so many wait, as the preset `queue` does."""

from dataclasses import replace

import pytest

from herder.decide.plan.planner import decide
from herder.model.fleet.pool import PoolSpec
from herder.model.planning.observed import Observed
from herder.model.planning.plan import Plan, ReasonKind
from herder.settings import pool_from_plain
from herder.settings.sections.pool.presets import PRESETS
from tests.planning.world import NOW, cores, creations, observed, pool, queued, template, worker

SMALL = template("small", 4, 120_000)


def spec(threshold: int | None = 5, **more: object) -> PoolSpec:
    made = pool("std", SMALL, min_workers=1, max_workers=50, **more)
    return replace(made, scale_up=replace(made.scale_up, queue_threshold=threshold))


def full(of: PoolSpec, jobs: int, size: int = 4) -> Observed:
    """One worker that has no free capacity, and jobs that need a whole worker each."""
    return observed([of], [worker(1, of, free=cores(0), live_attempts=1)], [queued(1, jobs, cores(size))])


def reasons(plan: Plan) -> list[tuple[ReasonKind, str]]:
    return [(each.reason.kind, each.reason.text) for each in plan.unplaced]


@pytest.mark.parametrize("jobs", [1, 5])
def test_few_jobs_wait_for_the_workers_that_exist(jobs: int) -> None:
    plan = decide(full(spec(), jobs), NOW)
    assert creations(plan) == []
    ((kind, text),) = reasons(plan)
    assert kind is ReasonKind.QUEUE_THRESHOLD
    assert text.endswith(
        "pool std; it creates workers beyond its minimum when more than 5 wait (queue_threshold)."
    )


def test_more_jobs_get_workers_for_all_of_them() -> None:
    assert len(creations(decide(full(spec(), 6), NOW))) == 6
    assert len(creations(decide(full(spec(None), 1), NOW))) == 1


def test_a_job_for_which_no_worker_is_large_enough_does_not_wait_for_others() -> None:
    of = pool("std", SMALL, template("large", 16, 480_000), min_workers=1, max_workers=50)
    of = replace(of, scale_up=replace(of.scale_up, queue_threshold=5))
    (made,) = creations(decide(full(of, 1, size=16), NOW))
    assert made.spec.template == "large"


def test_the_minimum_is_created_without_any_job_and_the_maximum_holds() -> None:
    assert len(creations(decide(observed([spec()], [], []), NOW))) == 1
    assert len(creations(decide(observed([spec()], [], [queued(1, 2, cores(4))]), NOW))) >= 1
    most = replace(spec(), size=replace(spec().size, max_workers=3))
    assert len(creations(decide(full(most, 60), NOW))) == 2


def test_the_preset_has_the_documented_figures() -> None:
    made = pool_from_plain({"name": "workers", "preset": "queue", "driver": "pretend"})
    assert (made.size.min_workers, made.size.max_workers, made.scale_up.queue_threshold) == (1, 50, 5)
    assert "queue" in PRESETS
