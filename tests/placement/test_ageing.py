"""Nobody waits for ever: ageing, reservations, backfill beside them; and shares of equal users and of separated queues."""

import random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from herder.decide.placement.ageing import NEVER, Ageing
from herder.decide.placement.place import OpenWorker, PendingClass, Placement, place
from herder.decide.placement.reservations import BusyWorker, Reservation, renew, reserve
from herder.model.fleet.pool import PoolSpec
from herder.model.ids import ClassId, PoolName, UserName, WorkerName
from herder.model.values.resources import ZERO, Resources
from herder.model.work.job import JobClass
from tests.support.fleet_in_time import FleetInTime, TimedJob, cores, fleet, timed

STD = PoolName("std")
POOLS = {STD: PoolSpec(name=STD)}
MINUTE_MS = 60_000
#: Fixed limits, so that the bounds in these tests are plain numbers.
STRICT = Ageing(age_after_runs=0, reserve_after_ms=10 * MINUTE_MS, reserve_after_runs=0)


def pending(
    class_id: int, count: int, size: int = 1, *, user: str = "ann", at: int = 0, **more: object
) -> PendingClass:
    job_class = JobClass(user=UserName(user), request=cores(size), **more)  # type: ignore[arg-type]
    return PendingClass(class_id=ClassId(class_id), job_class=job_class, count=count, oldest_ready_at_ms=at)


def open_worker(number: int, size: int, *, labels: tuple[tuple[str, str], ...] = ()) -> OpenWorker:
    return OpenWorker(
        name=WorkerName(f"w{number}"),
        pool=STD,
        free=cores(size),
        free_slots=110,
        labels=labels,
        requested_at_ms=number,
    )


def started(placement: Placement) -> dict[int, int]:
    result: dict[int, int] = {}
    for assignment in placement.assignments:
        result[assignment.class_id] = result.get(assignment.class_id, 0) + assignment.count
    return result


def narrow_stream(rng: random.Random, minutes: int, busy: float, width: int = 16) -> list[TimedJob]:
    """One-core jobs of many users, each of whom holds nothing: enough to keep the fleet full for ever."""
    count = int(minutes * width * busy / 5)
    return [timed(rng.uniform(0, minutes * 60), rng.uniform(120, 480), f"u{n % 40}") for n in range(count)]


def wide_wait_ms(seed: int, ageing: Ageing) -> int | None:
    """How long a job as wide as a worker waits behind the stream; None: it was still waiting when the stream ended."""
    stream = narrow_stream(random.Random(seed), 90, 2.2 * 1.3, 16)
    jobs = [*stream, timed(600, 60, "wide", 16)]
    world = FleetInTime(state=fleet([16, 16]), jobs=jobs, ageing=ageing).run(until_ms=90 * MINUTE_MS)
    return world.waited_ms(len(stream)) if len(stream) in world.started_ms else None


@pytest.mark.parametrize("seed", range(2))
def test_a_wide_job_starts_behind_endless_narrow_ones(seed: int) -> None:
    """Limit, patience, and the longest job: no later. With shares alone it never starts, or the test would prove nothing."""
    assert wide_wait_ms(seed, NEVER) is None
    waited = wide_wait_ms(seed, STRICT)
    assert waited is not None
    assert waited <= (10 + 10 + 8) * MINUTE_MS + 1000


def test_age_beats_priority_in_the_end() -> None:
    urgent = [timed(at * 15, 60, "ann", priority=9) for at in range(600)]
    jobs = [*urgent, timed(30, 60, "bob", 4)]
    world = FleetInTime(state=fleet([4]), jobs=jobs, ageing=STRICT).run()
    assert world.waited_ms(600) <= 22 * MINUTE_MS


@settings(max_examples=15, deadline=None)
@given(st.integers(0, 10**6))
def test_no_job_starves_under_ageing(seed: int) -> None:
    """Every job that fits on a worker starts, whatever else there is, and no worker ever holds more than it has."""
    rng = random.Random(seed)
    sizes = [rng.choice([4, 8, 16]) for _ in range(rng.randint(1, 4))]
    jobs = [
        timed(rng.uniform(0, 3600), rng.uniform(1, 600), f"u{rng.randrange(6)}", rng.choice([1, 1, 2, max(sizes)]),
              priority=rng.choice([0, 0, 0, 1]))
        for _ in range(rng.randint(1, 150))
    ]  # fmt: skip

    def check(world: FleetInTime) -> None:
        for worker in world.state.workers.values():
            held = ZERO
            for attempt in worker.live.values():
                held = held.plus(world.state.classes[attempt.class_id].request)
            assert worker.free.plus(held) == worker.spec.allocatable
            assert min(worker.free) >= 0

    quick = Ageing(age_after_ms=60_000, age_after_runs=0, reserve_after_ms=120_000, reserve_after_runs=0)
    world = FleetInTime(state=fleet(sizes), jobs=jobs, ageing=quick, on_instant=check).run()
    assert len(world.started_ms) == len(jobs)
    again = FleetInTime(state=fleet(sizes), jobs=jobs, ageing=quick).run()
    assert again.started_ms == world.started_ms


# --- the pure parts ---------------------------------------------------------------------------------------------------


def busy(number: int, free: int, *endings: tuple[int, int], size: int = 16) -> BusyWorker:
    return BusyWorker(
        worker=open_worker(number, free), size=cores(size), slots=110,
        endings=tuple((at, cores(amount)) for at, amount in endings),
    )  # fmt: skip


def held(head: PendingClass, *workers: BusyWorker, now: int = 0, patience: int = 10_000) -> Reservation:
    reservation = reserve(head, workers, POOLS, now, patience_ms=patience)
    assert reservation is not None
    return reservation


def test_the_worker_is_taken_where_it_starts_soonest() -> None:
    slow, soon = busy(1, 8, (900, 4), (2000, 4)), busy(2, 0, (300, 8), (500, 8))
    reservation = held(pending(1, 1, 16), slow, soon)
    assert (reservation.worker, reservation.starts_at_ms, reservation.spare) == ("w2", 500, ZERO)
    assert reserve(pending(1, 1, 17), [slow, soon], POOLS, 0, patience_ms=1) is None


def test_others_may_have_what_is_over_when_it_starts() -> None:
    reservation = held(pending(1, 1, 12), busy(1, 6, (100, 10)))
    assert reservation.spare == cores(4)
    late = renew(reservation, busy(1, 6, (20_000, 10)), 10_000)
    assert (late.room_until(10_000), late.spare) == (0, ZERO)


def test_backfill_only_where_it_does_not_delay() -> None:
    head, long, short = pending(1, 1, 16), pending(2, 9, user="bob"), pending(3, 9, user="cid", priority=0)
    worker = busy(1, 4, (1000, 12))
    reservations = {WorkerName("w1"): held(head, worker)}
    run_ms = {"bob": 5000, "cid": 900}

    def expected_ms(job_class: JobClass) -> int:
        return run_ms.get(job_class.user, 10**9)

    def go(now: int, free: int) -> Placement:
        return place(
            [head, long, short], [open_worker(1, free)], total=cores(16), pools=POOLS, now_ms=now,
            reservations=reservations, expected_ms=expected_ms,
        )  # fmt: skip

    assert started(go(50, 4)) == {3: 4}
    assert started(go(500, 4)) == {}
    free = go(1000, 16)
    assert started(free) == {1: 1}
    assert free.kept == ("w1",)
    elsewhere = place(
        [head, long],
        [open_worker(2, 16)],
        total=cores(32),
        pools=POOLS,
        reservations=reservations,
        expected_ms=expected_ms,
    )
    assert started(elsewhere) == {1: 1}


def test_who_has_waited_weighs_more() -> None:
    both = [pending(1, 99, user="ann", at=0), pending(2, 99, user="bob", at=100_000)]
    ageing = Ageing(age_after_ms=50_000, age_after_runs=0)
    even = place(both, [open_worker(1, 8)], total=cores(8), pools=POOLS, now_ms=100_000)
    aged = place(both, [open_worker(1, 8)], total=cores(8), pools=POOLS, now_ms=100_000, ageing=ageing)
    assert started(even) == {1: 4, 2: 4}
    assert started(aged)[1] > started(aged)[2] > 0


@given(st.integers(0, 2**40), st.integers(0, 2**40))
def test_weight_never_falls_with_age_and_is_bounded(one: int, other: int) -> None:
    ageing = Ageing().scaled(60_000)
    low, high = sorted((one, other))
    assert 1 <= ageing.weight(low) <= ageing.weight(high) <= 2**ageing.weight_doublings
    assert NEVER.weight(one) == 1


@pytest.mark.parametrize("users", [20, 21, 100])
def test_many_equal_users_all_get_their_turn(users: int) -> None:
    """Elsewhere a share of less than half a job rounds to nothing: from the 21st equal user on, nobody gets anything."""
    jobs = [timed(0, 10, f"u{user:03}", 1) for user in range(users) for _ in range(20)]
    world = FleetInTime(state=fleet([10]), jobs=jobs).run()
    seen = {f"u{user:03}": 0 for user in range(users)}
    rounds = users * 2 // 10 * 10
    for job in sorted(world.started_ms, key=lambda job: world.started_ms[job])[:rounds]:
        seen[jobs[job].job_class.user] += 1
    assert max(seen.values()) - min(seen.values()) <= 1


def test_a_queue_for_one_zone_does_not_hold_up_the_other() -> None:
    """The analogue of a region-skewed queue: what is free elsewhere counts neither for it nor against others."""
    skewed = pending(1, 500, user="ann", selector=(("zone", "a"),))
    free_choice = pending(2, 20, user="bob")
    workers = [open_worker(n, 4, labels=(("zone", zone),)) for n, zone in enumerate("abb")]
    placement = place([skewed, free_choice], workers, total=cores(12), pools=POOLS)
    assert started(placement) == {1: 4, 2: 8}
    by_worker = {(item.class_id, item.worker) for item in placement.assignments}
    assert (1, "w1") not in by_worker
    assert (1, "w2") not in by_worker


def test_resources_are_vectors_in_reservations_too() -> None:
    head = PendingClass(
        class_id=ClassId(1), job_class=JobClass(user=UserName("a"), request=Resources(1000, 9000, 0, 1)), count=1,
        oldest_ready_at_ms=0,
    )  # fmt: skip
    worker = BusyWorker(
        worker=OpenWorker(name=WorkerName("g"), pool=STD, free=Resources(4000, 4000, 0, 0), free_slots=4),
        size=Resources(8000, 16_000, 0, 1), slots=8, endings=((700, Resources(1000, 8000, 0, 1)),),
    )  # fmt: skip
    reservation = held(head, worker)
    assert (reservation.starts_at_ms, reservation.spare) == (700, Resources(4000, 3000, 0, 0))


def test_one_freed_place_looks_at_few_of_many_users() -> None:
    """500 users with four classes each, and one core falls free: who holds least gets it, and hardly anybody is looked at."""
    jobs = [
        timed(0, 60 if user else 30, f"u{user:03}", 1, project=f"p{kind}")
        for user in range(500)
        for kind in range(4)
    ]
    world = FleetInTime(state=fleet([8]), jobs=jobs).run(until_ms=1000)
    state, waiting = world.state, world.placer.queue_index
    assert len(waiting.all(state)) == 2000 - 8
    worker = next(iter(state.workers.values()))
    worker.free, worker.free_slots = cores(1), 1
    waiting.update(state, {}, STRICT, world.now_ms)
    chosen = waiting.select(state, [worker])
    assert {queued.job_class.user for queued in chosen} == {"u008"}
    assert len(chosen) == 4
