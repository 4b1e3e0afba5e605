"""Very many waiting classes: a placement pass looks at a bounded part, all come in turn, and nobody's work is forgotten."""

from herder.engine.jobs.job import make_ready
from herder.engine.memory.state import EngineState
from herder.model.ids import ClassId, UserName
from herder.model.stored.changes import Changes
from herder.model.values.resources import Resources
from herder.model.work.job import JobClass, JobState
from herder.scheduler.placement import Placer
from herder.scheduler.queue_index import LOOK_MAX
from tests.support.fleet_in_time import START_MS, FleetInTime, fleet, timed


def waiting(state: EngineState, count: int, user: str = "ann", least: int = 1000) -> None:
    first = len(state.classes) + 1
    for number in range(first, first + count):
        job_class = JobClass(
            user=UserName(user), request=Resources(least + number % 500, 100 + number // 500, 0, 0)
        )
        class_id = state.class_ids[job_class] = ClassId(number)
        state.classes[class_id] = job_class
        state.counts[JobState.READY] += 1
        make_ready(state, None, class_id, range(number, number + 1), START_MS)


def test_a_pass_looks_at_no_more_than_its_bound() -> None:
    state = fleet([0] * 3)
    waiting(state, 5 * LOOK_MAX)
    placer = Placer()
    placer.queue_index.update(state, {}, placer.ageing, START_MS)
    seen: set[int] = set()
    for _ in range(20):
        looked = placer.queue_index.look(state)
        assert len(looked) <= LOOK_MAX
        seen |= {each.class_id for each in looked}
    assert len(seen) == 5 * LOOK_MAX, "each comes in its turn"


def test_users_of_one_class_are_looked_at_beside_one_with_thousands() -> None:
    state = fleet([0])
    waiting(state, 10 * LOOK_MAX)
    waiting(state, 1, user="bob")
    placer = Placer()
    placer.queue_index.update(state, {}, placer.ageing, START_MS)
    assert any(each.job_class.user == "bob" for each in placer.queue_index.look(state))


def test_the_one_that_fits_is_found_among_thousands_that_do_not() -> None:
    """Passes follow one another until all were looked at."""
    state = fleet([1] * 8)
    waiting(state, 20 * LOOK_MAX, least=1001)
    waiting(state, 1, user="ann", least=1)
    placer, changes, passes = Placer(), Changes(), 0
    placer.run(state, changes, START_MS)
    while placer.more:
        passes += 1
        placer.run(state, changes, START_MS)
    assert passes < 200
    assert len(changes.attempts) >= 1
    placer.run(state, changes, START_MS)
    assert not placer.more, "it does not go on for ever"


def test_all_of_many_shapes_run_to_their_end() -> None:
    """Each is of a project of its own, and so of a class of its own."""
    jobs = [
        timed(number / 100, 2, user=f"u{number % 3}", size=1 + number % 3, project=f"p{number}")
        for number in range(900)
    ]
    world = FleetInTime(state=fleet([8, 8, 4]), jobs=jobs).run()
    assert len(world.started_ms) == 900
