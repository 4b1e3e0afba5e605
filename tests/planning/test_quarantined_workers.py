"""Workers that are kept for inspection: they count towards the maximum and not towards the minimum."""

from herder.decide.plan.planner import decide
from herder.model.fleet.pool import PoolSpec
from herder.model.fleet.worker import WorkerState
from herder.model.planning.observed import ObservedWorker
from herder.model.planning.plan import ReasonKind
from tests.planning.world import NOW, creations, drains, idle, observed, pool, worker


def kept(number: int, of: PoolSpec) -> ObservedWorker:
    return worker(number, of, state=WorkerState.UNHEALTHY, cordoned=True, quarantined=True)


def test_the_minimum_is_met_beside_them() -> None:
    std = pool("std", min_workers=2, max_workers=10)
    plan = decide(observed([std], [worker(1, std), kept(2, std), kept(3, std)]), NOW)
    (made,) = creations(plan)
    assert made.reason.kind is ReasonKind.BELOW_MINIMUM
    assert "1 of 2 workers exist" in made.reason.text


def test_they_count_towards_the_maximum() -> None:
    std = pool("std", min_workers=2, max_workers=3)
    assert creations(decide(observed([std], [worker(1, std), kept(2, std), kept(3, std)]), NOW)) == []


def test_an_idle_worker_of_the_minimum_is_not_given_up_for_them() -> None:
    std = pool("std", min_workers=1, max_workers=10)
    assert drains(decide(observed([std], [idle(1, std), kept(2, std)]), NOW)) == []
