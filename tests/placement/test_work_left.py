"""Workers that will have work for longest are filled first: what is expected of them, and what placement makes of it."""

import random
from collections.abc import Sequence

from hypothesis import given, settings
from hypothesis import strategies as st

from herder.decide.forecast.remaining_work import ENDS_MAX, LEAST_ENDS, TOGETHER_MS, WorkLeft
from herder.decide.placement.place import OpenWorker, PendingClass, place
from herder.engine.memory.state import EngineState, LiveAttempt, WorkerLife
from herder.model.fleet.pool import PoolSpec
from herder.model.ids import ClassId, JobId, PoolName, UserName, WorkerName
from herder.model.values.resources import Resources
from herder.model.work.job import AttemptState, JobClass
from herder.scheduler.fill_order import (
    BELIEVED_LEAST_MS,
    BELIEVED_PART,
    CHANGED_MS,
    LOOKS_EVERY_MS,
    LOOKS_MAX,
    FillOrder,
)
from tests.support.fleet_in_time import POOL, START_MS, FleetInTime, cores, fleet, ready_worker, timed
from tests.support.pools import pool_spec

A, B = ClassId(1), ClassId(2)
HOUR = 3_600_000


def learned(runs_ms: Sequence[int]) -> WorkLeft:
    model = WorkLeft()
    for run_ms in runs_ms:
        model.learn(run_ms)
    return model


def heavy_tail(count: int = 2_000, seed: int = 1) -> list[int]:
    rng = random.Random(seed)
    return [round(1000 * 30 * rng.paretovariate(0.7)) for _ in range(count)]


# --- what is expected -------------------------------------------------------------------------------------------------


def test_nothing_is_expected_before_enough_has_ended() -> None:
    model = learned([HOUR] * (LEAST_ENDS - 1))
    assert not model.knows
    assert model.left_ms([(A, 0)], 1000) == 0
    model.learn(HOUR)
    assert model.knows
    assert model.left_ms([(A, HOUR)], HOUR + 1000) > 0


def test_the_longer_one_has_run_the_longer_it_will_when_the_tail_is_heavy() -> None:
    model = learned(heavy_tail())
    ages = [60_000, 600_000, 6_000_000]
    left = [model.left_ms([(B, 0)], age) for age in ages]
    assert left == sorted(left)
    assert left[-1] > 5 * left[0]


def test_more_jobs_leave_more_work() -> None:
    model = learned(heavy_tail())
    one, two = model.left_ms([(A, 0)], HOUR), model.left_ms([(A, 0), (B, 1000)], HOUR)
    assert one < two < 2 * one
    assert model.left_ms([], HOUR) == 0


def test_jobs_started_together_leave_no_more_work_than_one() -> None:
    model = learned(heavy_tail())
    one = model.left_ms([(B, 0)], HOUR)
    alike = model.left_ms([(B, number * 100) for number in range(8)], HOUR)
    others = model.left_ms([(ClassId(number + 10), 0) for number in range(8)], HOUR)
    assert alike <= one * 1.01
    assert others > 3 * one
    apart = model.left_ms([(B, 0), (B, TOGETHER_MS + 1)], HOUR)
    assert apart > one * 1.1


def test_a_change_of_habit_shows_and_memory_does_not_grow() -> None:
    model = learned([60_000] * ENDS_MAX)
    for _ in range(2 * ENDS_MAX):
        model.learn(5 * HOUR)
    assert model.left_ms([(A, 0)], HOUR // 2) > 3 * HOUR
    assert model.count <= ENDS_MAX


@settings(max_examples=40)
@given(
    runs=st.lists(st.integers(0, 10**10), min_size=LEAST_ENDS, max_size=80),
    running=st.lists(st.tuples(st.integers(1, 3), st.integers(0, 10**9)), max_size=12),
    now=st.integers(0, 10**10),
)
def test_an_expectation_is_a_time_whatever_was_seen(
    runs: list[int], running: list[tuple[int, int]], now: int
) -> None:
    model = WorkLeft()
    for run_ms in runs:
        model.learn(run_ms)
    asked = [(ClassId(class_id), at_ms) for class_id, at_ms in sorted(running, key=lambda each: each[1])]
    left = model.left_ms(asked, now)
    assert 0 <= left < 10**10
    assert left == model.left_ms(asked, now)


# --- what placement makes of it ---------------------------------------------------------------------------------------


def worker(number: int, left_ms: int) -> OpenWorker:
    return OpenWorker(
        name=WorkerName(f"w{number}"), pool=POOL, free=cores(4), free_slots=9, requested_at_ms=number,
        work_left_ms=left_ms,
    )  # fmt: skip


def test_the_worker_with_work_for_longest_is_filled_first_and_of_equals_the_oldest() -> None:
    job_class = JobClass(user=UserName("ann"), request=cores(1))
    pending = PendingClass(class_id=A, job_class=job_class, count=9, oldest_ready_at_ms=0)
    workers = [worker(1, 0), worker(2, 5_000), worker(3, 9_000), worker(4, 5_000)]
    placement = place([pending], workers, total=cores(16), pools={POOL: PoolSpec(name=POOL)})
    assert {item.worker: item.count for item in placement.assignments} == {"w3": 4, "w2": 4, "w4": 1}


def busy_worker(
    number: int, starts_ms: Sequence[int], class_id: ClassId = A, pool: PoolName = POOL
) -> WorkerLife:
    life = ready_worker(number, Resources(64_000, 64_000, 0, 0), pool=pool)
    for place_, at_ms in enumerate(starts_ms):
        job = JobId(number * 1000 + place_)
        life.live[job] = LiveAttempt(
            job=job, number=1, failures=0, class_id=class_id, batch=None, worker=life.spec.name,
            state=AttemptState.RUNNING, assigned_at_ms=at_ms,
            ready_at_ms=0,
        )  # fmt: skip
    return life


def lasting() -> FillOrder:
    found = FillOrder()
    for run_ms in heavy_tail():
        found.work_left.learn(run_ms)
    return found


def ordered(found: FillOrder, state: EngineState, workers: Sequence[WorkerLife], now_ms: int) -> list[str]:
    return [str(each.spec.name) for each in found.longest_first(state, workers, now_ms)]


def test_an_old_job_keeps_its_worker_and_so_that_is_filled_first() -> None:
    state = EngineState(pools={POOL: PoolSpec(name=POOL)})
    fresh, old, empty = busy_worker(1, [START_MS]), busy_worker(2, [START_MS - 5 * HOUR]), busy_worker(0, [])
    assert ordered(lasting(), state, [empty, fresh, old], START_MS + 60_000) == ["w0002", "w0001", "w0000"]


def test_where_no_worker_ever_goes_the_oldest_stays_the_first() -> None:
    for spec in (pool_spec(POOL, idle_timeout_s=None), pool_spec(POOL, min_workers=3, max_workers=3)):
        state = EngineState(pools={POOL: spec})
        workers = [busy_worker(2, [START_MS - 5 * HOUR]), busy_worker(1, [START_MS])]
        assert ordered(lasting(), state, workers, START_MS) == ["w0001", "w0002"]


def test_a_worker_is_looked_at_anew_when_something_ended_and_else_after_a_part_of_its_time() -> None:
    found, state = lasting(), EngineState(pools={POOL: PoolSpec(name=POOL)})
    one = busy_worker(1, [START_MS - HOUR])
    now_ms = START_MS

    def left_after(ms: int) -> int:
        nonlocal now_ms
        now_ms += ms
        ordered(found, state, [one], now_ms)
        return found.left_ms(one.spec.name)

    first = left_after(0)
    assert first > 0
    one.live.clear()
    one.attempts_done += 1
    assert left_after(CHANGED_MS - 1) == first
    assert left_after(1) == 0
    one.live.update(busy_worker(1, [START_MS - HOUR]).live)
    again = left_after(CHANGED_MS)
    believed_ms = again // BELIEVED_PART
    assert believed_ms > BELIEVED_LEAST_MS
    for _ in range(10 * LEAST_ENDS):
        found.work_left.learn(HOUR)
    assert left_after(believed_ms - 1) == again
    assert left_after(1) != again


def test_an_end_is_looked_at_only_on_a_worker_that_would_be_next() -> None:
    found, state = lasting(), EngineState(pools={POOL: PoolSpec(name=POOL)})
    old, fresh = busy_worker(1, [START_MS - 5 * HOUR]), busy_worker(2, [START_MS])
    ordered(found, state, [old, fresh], START_MS)
    before = found.left_ms(fresh.spec.name)
    fresh.live.clear()
    fresh.attempts_done += 1
    order = found.longest_first(state, [old, fresh], START_MS + CHANGED_MS)
    assert next(order) is old
    assert found.left_ms(fresh.spec.name) == before > 0
    assert next(order) is fresh
    assert found.left_ms(fresh.spec.name) == 0


def test_of_many_workers_only_some_are_looked_at_in_one_second_and_all_in_a_few() -> None:
    found, state = lasting(), EngineState(pools={POOL: PoolSpec(name=POOL)})
    workers = [busy_worker(number, [START_MS - HOUR]) for number in range(2 * LOOKS_MAX)]
    state.workers = {each.spec.name: each for each in workers}

    def known() -> int:
        return sum(found.left_ms(each.spec.name) > 0 for each in workers)

    ordered(found, state, workers, START_MS)
    assert known() == LOOKS_MAX
    ordered(found, state, workers, START_MS + LOOKS_EVERY_MS - 1)
    assert known() == LOOKS_MAX
    ordered(found, state, workers, START_MS + LOOKS_EVERY_MS)
    assert known() == 2 * LOOKS_MAX
    # What is gone is forgotten.
    state.workers = {}
    for number in range(1000, 1000 + 3 * LOOKS_MAX):
        ordered(found, state, [busy_worker(number, [START_MS - HOUR])], START_MS + number * LOOKS_EVERY_MS)
    assert len(found._looks) <= LOOKS_MAX + 1


def test_a_pass_puts_a_job_beside_the_old_one_and_not_on_the_oldest_worker() -> None:
    """The first job fills the oldest worker for a while, so the long one goes to the other; after two hours that is where to go."""
    jobs = [timed(0, 10, size=4), timed(1, 36_000), timed(7_200, 60), timed(7_201, 60, size=4)]
    world = FleetInTime(state=fleet([4, 4]), jobs=jobs)
    world.placer.fill_order = lasting()
    world.run(until_ms=7_201_000)
    live = world.state.live
    assert [live[JobId(job)].worker for job in (2, 3, 4)] == ["w0001", "w0001", "w0000"]


def test_before_anything_was_learned_it_is_the_oldest_worker() -> None:
    jobs = [timed(0, 10, size=4), timed(1, 36_000), timed(7_200, 60)]
    world = FleetInTime(state=fleet([4, 4]), jobs=jobs).run(until_ms=7_201_000)
    assert world.state.live[JobId(3)].worker == "w0000"
