"""Throttles: their room is for jobs that have a place, in placement, in plans and in preemption."""

from types import SimpleNamespace
from typing import Any

import pytest

from herder.control.planning.observation import _without_place
from herder.engine.memory.restrictions import Restriction, Restrictions
from herder.model.ids import ClassId
from herder.model.planning.observed import QueuedClass
from herder.model.planning.plan import Reason, ReasonKind, UnplacedDemand
from herder.model.values.resources import Resources
from herder.model.work.job import RetryPolicy
from herder.model.work.sharing import PriorityClass, Sharing
from tests.support.engine_world import SMALL, World, job_class

URGENT = PriorityClass(name="urgent", value=100, preempts=True)
LARGE = Resources(64_000, 1024, 0)


def throttle(room: int, below: int = 0) -> Restrictions:
    restriction = Restriction(
        alert="alert-1", policy="compute-overallocation", action="throttle", below=below, until_ms=None,
        covers=lambda _each: True, room=room,
    )  # fmt: skip
    return Restrictions([restriction])


def waiting(number: int, count: int, request: Resources = SMALL) -> QueuedClass:
    return QueuedClass(
        class_id=ClassId(number), count=count, oldest_ready_at_ms=number, job_class=job_class(request=request, priority=-1)
    )  # fmt: skip


def test_what_has_no_place_leaves_the_room_to_others_and_may_start_as_soon_as_it_has_one() -> None:
    first, second = waiting(1, 9), waiting(2, 9)

    def withheld(unfit: dict[ClassId, int]) -> dict[int, int]:
        return {each.queued.class_id: each.count for each in throttle(4).withheld([first, second], unfit)}

    assert withheld({}) == {1: 5, 2: 9}
    assert withheld({ClassId(1): 9}) == {1: 5, 2: 5}
    assert withheld({ClassId(1): 1}) == {1: 5, 2: 8}, "three of four have a place"


def test_jobs_that_fit_on_no_worker_do_not_keep_others_from_starting() -> None:
    world = World()
    for number in (1, 2):
        world.ready_worker(number)
    world.state.restrictions = throttle(2)
    world.submit(5, job_class(request=LARGE, priority=-1))
    wide = Resources(1500, 1024, 0)
    world.now_ms += 10
    world.submit(5, job_class("bob", wide, priority=-1))
    world.now_ms += 10
    small = world.submit(5, job_class("cyd", Resources(500, 512, 0), priority=-1))
    world.commit()
    running = [world.state.classes[each.class_id].user for each in world.state.live.values()]
    assert sorted(running) == ["bob", "bob"]
    assert not set(small) & set(world.state.live)


def test_a_job_that_others_crowd_out_leaves_its_room() -> None:
    """Each would fit if it were asked first; what is more urgent takes the place of the first."""
    world = World()
    world.ready_worker(1)
    world.state.restrictions = throttle(1)
    world.submit(1, job_class(request=Resources(1500, 1024, 0), priority=-1))
    world.submit(1, job_class("bob", Resources(1500, 1024, 0)))
    world.now_ms += 10
    (small,) = world.submit(1, job_class("cyd", Resources(500, 512, 0), priority=-1))
    world.commit()
    assert small in world.state.live


def reason(kind: ReasonKind, *evidence: tuple[str, int]) -> Reason:
    return Reason(kind=kind, text="It waits.", evidence=evidence)


@pytest.mark.parametrize(
    ("count", "why", "found"),
    [
        (2, reason(ReasonKind.AT_MAXIMUM), {1: 2}),
        (2, reason(ReasonKind.ALERT, ("held_back", 2)), {}),
        (2, reason(ReasonKind.BUDGET), {1: 2}),
        (2, reason(ReasonKind.BUDGET, ("held_back", 2)), {}),
        (5, reason(ReasonKind.BUDGET, ("held_back", 5)), {1: 5}),
        (2, reason(ReasonKind.QUOTA), {}),
        (5, reason(ReasonKind.QUOTA), {1: 5}),
    ],
)
def test_what_the_last_plan_could_not_place_has_no_place(
    count: int, why: Reason, found: dict[int, int]
) -> None:
    last: Any = SimpleNamespace(unplaced=(UnplacedDemand(class_id=1, count=count, reason=why),))
    assert _without_place(last, [waiting(1, 5)]) == found
    assert _without_place(None, [waiting(1, 5)]) == {}


def test_no_more_is_preempted_than_may_start() -> None:
    world = World()
    _, agent = world.ready_worker(1)
    once = RetryPolicy(retries=0, attempts_max=1)
    world.state.sharing = Sharing(priority_classes=(URGENT,))
    running = world.submit(2, job_class(retry=once))
    world.commit()
    for _ in range(2):
        world.now_ms += 1000
        world.talk(agent)
    world.state.restrictions = throttle(1, below=101)
    world.submit(2, job_class("bob", priority=100))
    world.commit()
    world.now_ms += 700_000
    world.preempt()
    world.commit()
    assert sum(bool(world.state.live[job].preempted_for) for job in running) == 1
