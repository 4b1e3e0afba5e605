"""Placement: never too much on a worker, urgent first, fair between users, and nothing usable left empty."""

import random

from hypothesis import given
from hypothesis import strategies as st

from herder.decide.placement.drf import WHOLE
from herder.decide.placement.place import OpenWorker, PendingClass, Placement, UserShare, place
from herder.model.fleet.pool import PoolSpec, Taint, Toleration
from herder.model.ids import ClassId, PoolName, UserName, WorkerName
from herder.model.values.resources import ZERO, Resources
from herder.model.work.job import JobClass
from tests.support.pools import pool_spec

STD, GPU = PoolName("std"), PoolName("gpu")
POOLS = {
    STD: PoolSpec(name=STD),
    GPU: pool_spec(GPU, taints=(Taint(key="nvidia.com/gpu"),), default_eligible=False),
}
ONE_CORE = Resources(1000, 0, 0, 0)
FOUR_CORES = Resources(4000, 0, 0, 0)
FLEET = Resources(100_000, 100_000, 0, 0)


def cores(count: int) -> Resources:
    return Resources(count * 1000, 0, 0, 0)


def pending(
    class_id: int,
    count: int,
    *,
    user: str = "ann",
    request: Resources = ONE_CORE,
    priority: int = 0,
    at: int = 0,
    pool: str = "auto",
    selector: tuple[tuple[str, str], ...] = (),
    tolerations: tuple[Toleration, ...] = (),
) -> PendingClass:
    return PendingClass(
        class_id=ClassId(class_id),
        job_class=JobClass(
            user=UserName(user),
            pool=pool,
            request=request,
            priority=priority,
            selector=selector,
            tolerations=tolerations,
        ),
        count=count,
        oldest_ready_at_ms=at,
    )


def worker(
    number: int, free: Resources = FOUR_CORES, *, slots: int = 110, pool: PoolName = STD,
    labels: tuple[tuple[str, str], ...] = (), taints: tuple[Taint, ...] = (),
) -> OpenWorker:  # fmt: skip
    return OpenWorker(
        name=WorkerName(f"w{number}"), pool=pool, free=free, free_slots=slots, labels=labels, taints=taints,
        requested_at_ms=number,
    )  # fmt: skip


def started(placement: Placement) -> dict[int, int]:
    result: dict[int, int] = {}
    for assignment in placement.assignments:
        result[assignment.class_id] = result.get(assignment.class_id, 0) + assignment.count
    return result


def share(user: str, *, weight: int = 1, used: Resources = ZERO) -> UserShare:
    return UserShare(user=UserName(user), weight=weight, used=used)


def test_everything_that_fits_is_placed_on_the_oldest_worker_first() -> None:
    placement = place([pending(1, 5)], [worker(2), worker(1)], total=FLEET, pools=POOLS)
    assert [(a.worker, a.count) for a in placement.assignments] == [("w1", 4), ("w2", 1)]
    assert placement.left == {}


def test_nothing_to_do_is_nothing_done() -> None:
    assert place([], [worker(1)], total=FLEET, pools=POOLS).assignments == ()
    assert place([pending(1, 3)], [], total=FLEET, pools=POOLS).left == {1: 3}
    assert place([pending(1, 0)], [worker(1)], total=FLEET, pools=POOLS).left == {}


def test_the_more_urgent_goes_first_whoever_it_is_of() -> None:
    placement = place(
        [pending(1, 9, at=0), pending(2, 3, user="bob", priority=5, at=9)],
        [worker(1)],
        total=FLEET,
        pools=POOLS,
    )
    assert started(placement) == {2: 3, 1: 1}


def test_within_a_user_the_oldest_goes_first() -> None:
    placement = place([pending(1, 9, at=20), pending(2, 3, at=10)], [worker(1)], total=FLEET, pools=POOLS)
    assert started(placement) == {2: 3, 1: 1}


def test_users_share_evenly_and_by_weight() -> None:
    both = [pending(1, 99, user="ann"), pending(2, 99, user="bob")]
    eight = [worker(1), worker(2)]
    assert started(place(both, eight, total=FLEET, pools=POOLS)) == {1: 4, 2: 4}
    shares = [share("ann", weight=3), share("bob")]
    assert started(place(both, eight, shares, total=FLEET, pools=POOLS)) == {1: 6, 2: 2}


def test_what_a_user_holds_already_counts() -> None:
    both = [pending(1, 99, user="ann"), pending(2, 99, user="bob")]
    placement = place(both, [worker(1)], [share("ann", used=cores(3))], total=FLEET, pools=POOLS)
    assert started(placement) == {2: 4} or started(placement) == {1: 1, 2: 3}


def test_the_share_that_counts_is_the_dominant_one() -> None:
    """The example of the paper on dominant resource fairness: 9 CPUs and 18 GB, jobs of (1, 4) and (3, 1)."""
    fleet = Resources(9000, 18_000, 0, 0)
    both = [
        pending(1, 99, user="ann", request=Resources(1000, 4000, 0, 0)),
        pending(2, 99, user="bob", request=Resources(3000, 1000, 0, 0)),
    ]
    assert started(place(both, [worker(1, fleet)], total=fleet, pools=POOLS)) == {1: 3, 2: 2}


def test_a_share_that_cannot_be_used_goes_to_the_others() -> None:
    large = pending(1, 5, user="ann", request=cores(8))
    small = pending(2, 99, user="bob")
    placement = place([large, small], [worker(n) for n in range(4)], total=FLEET, pools=POOLS)
    assert started(placement) == {2: 16}
    assert placement.left == {1: 5, 2: 83}


def test_room_that_is_there_only_in_sum_goes_to_the_others() -> None:
    """Three cores are free on each worker: a job of two cores leaves one over, and three twos look as if five fitted."""
    large = pending(1, 50, user="ann", request=cores(2))
    small = pending(2, 50, user="bob")
    placement = place([large, small], [worker(n, cores(3)) for n in range(4)], total=FLEET, pools=POOLS)
    assert started(placement)[1] * 2 + started(placement)[2] == 12


def test_taints_labels_and_pools_are_respected() -> None:
    taint = Taint(key="nvidia.com/gpu")
    gpu = worker(1, pool=GPU, taints=(taint,), labels=(("zone", "a"),))
    assert started(place([pending(1, 1)], [gpu], total=FLEET, pools=POOLS)) == {}
    assert started(place([pending(1, 1, pool="gpu")], [gpu], total=FLEET, pools=POOLS)) == {1: 1}
    elsewhere = pending(1, 1, pool="gpu", selector=(("zone", "b"),))
    assert started(place([elsewhere], [gpu], total=FLEET, pools=POOLS)) == {}
    tainted = worker(1, taints=(taint,))
    assert started(place([pending(1, 1)], [tainted], total=FLEET, pools=POOLS)) == {}
    tolerant = pending(1, 1, tolerations=(Toleration(key="nvidia.com/gpu"),))
    assert started(place([tolerant], [tainted], total=FLEET, pools=POOLS)) == {1: 1}
    assert started(place([pending(1, 1)], [worker(1, pool=PoolName("gone"))], total=FLEET, pools=POOLS)) == {}


def test_a_picky_class_gets_its_place_before_one_that_may_go_anywhere() -> None:
    workers = [worker(1, labels=(("disk", "ssd"),)), worker(2)]
    anywhere, picky = pending(1, 4, user="ann"), pending(2, 4, user="bob", selector=(("disk", "ssd"),))
    assert place([anywhere, picky], workers, total=FLEET, pools=POOLS).left == {}


def test_jobs_that_ask_for_nothing_share_the_slots() -> None:
    both = [pending(1, 99, user="ann", request=ZERO), pending(2, 99, user="bob", request=ZERO)]
    assert started(place(both, [worker(1, slots=10)], total=FLEET, pools=POOLS)) == {1: 5, 2: 5}


def rounds(users: dict[str, int], free: int, count: int) -> dict[str, int]:
    """Each round starts anew with all workers free, as if every job ended at once."""
    got = dict.fromkeys(users, 0)
    owed: dict[UserName, int] = {}
    for _ in range(count):
        queue = [pending(n, 50, user=user) for n, user in enumerate(users, start=1)]
        shares = [share(user, weight=weight) for user, weight in users.items()]
        placement = place(
            queue, [worker(1, cores(free))], shares, total=cores(free), deficits=owed, pools=POOLS
        )
        owed = placement.deficits
        for class_id, jobs in started(placement).items():
            got[list(users)[class_id - 1]] += jobs
    return got


def test_twenty_one_users_and_ten_cores_all_get_their_turn() -> None:
    got = rounds({f"u{n:02}": 1 for n in range(21)}, 10, 21)
    assert sum(got.values()) == 210
    assert max(got.values()) - min(got.values()) <= 1


def test_one_core_at_a_time_is_shared_by_weight() -> None:
    assert rounds({"ann": 3, "bob": 1}, 1, 40) == {"ann": 30, "bob": 10}


def test_a_claim_does_not_grow_without_bound_and_ends_with_the_waiting() -> None:
    owed: dict[UserName, int] = {}
    for _ in range(50):
        queue = [pending(1, 5, user="ann", request=cores(3)), pending(2, 5, user="bob", request=cores(1))]
        placement = place(
            queue,
            [worker(1, cores(3), slots=1)],
            [share("ann", used=cores(50))],
            total=FLEET,
            deficits=owed,
            pools=POOLS,
        )
        owed = placement.deficits
        assert all(abs(amount) <= 2 * 3 * WHOLE // 100 for amount in owed.values())
    assert (
        place([pending(2, 1, user="bob")], [worker(1)], total=FLEET, deficits=owed, pools=POOLS).deficits
        == {}
    )


requests = st.builds(Resources, st.integers(0, 4), st.integers(0, 4), st.integers(0, 1), st.integers(0, 1))
queues = st.lists(
    st.tuples(
        requests,
        st.integers(0, 12),
        st.sampled_from("abc"),
        st.integers(0, 1),
        st.sampled_from(["auto", "gpu"]),
    ),
    max_size=8,
).map(
    lambda rows: [
        pending(n, c, user=u, request=r, priority=p, pool=o, at=n * 7 % 5)
        for n, (r, c, u, p, o) in enumerate(rows, 1)
    ]
)
fleets = st.lists(
    st.tuples(
        st.builds(Resources, st.integers(0, 9), st.integers(0, 9), st.integers(0, 2), st.integers(0, 2)),
        st.integers(0, 5),
        st.sampled_from([STD, GPU]),
    ),
    max_size=5,
).map(lambda rows: [worker(n, f, slots=s, pool=p) for n, (f, s, p) in enumerate(rows, 1)])
TOTAL = Resources(30, 30, 5, 5)


@given(queues, fleets)
def test_no_worker_is_overfull_no_job_is_lost_and_no_place_is_wasted(
    queue: list[PendingClass], fleet: list[OpenWorker]
) -> None:
    placement = place(queue, fleet, total=TOTAL, pools=POOLS)
    classes = {item.class_id: item for item in queue}
    free = {w.name: (w.free, w.free_slots, w.pool) for w in fleet}
    for a in placement.assignments:
        room, slots, pool = free[a.worker]
        assert a.count > 0
        assert pool == STD or classes[a.class_id].job_class.pool == "gpu"
        free[a.worker] = (
            room.minus(classes[a.class_id].job_class.request.times(a.count)),
            slots - a.count,
            pool,
        )
    assert all(min(room) >= 0 and slots >= 0 for room, slots, _ in free.values())
    placed = started(placement)
    for item in queue:
        assert placed.get(item.class_id, 0) + placement.left.get(item.class_id, 0) == item.count
        if placement.left.get(item.class_id):
            wanted = GPU if item.job_class.pool == "gpu" else STD
            for room, slots, pool in free.values():
                assert not (pool == wanted and slots > 0 and item.job_class.request.fits_in(room))
    assert len({(a.class_id, a.worker) for a in placement.assignments}) == len(placement.assignments)


@given(queues, fleets, st.randoms(use_true_random=False))
def test_the_order_of_the_input_does_not_matter(
    queue: list[PendingClass], fleet: list[OpenWorker], shuffle: random.Random
) -> None:
    first = place(queue, fleet, total=TOTAL, pools=POOLS)
    shuffle.shuffle(queue)
    shuffle.shuffle(fleet)
    again = place(queue, fleet, total=TOTAL, pools=POOLS)
    assert repr(again.assignments) == repr(first.assignments)
    assert (again.left, again.deficits) == (first.left, first.deficits)


@given(st.lists(st.integers(1, 5), min_size=2, max_size=6), st.integers(1, 40))
def test_equal_jobs_are_shared_within_one_job_by_weight(weights: list[int], free: int) -> None:
    queue = [pending(n, 99, user=f"u{n}") for n in range(len(weights))]
    shares = [share(f"u{n}", weight=weight) for n, weight in enumerate(weights)]
    got = started(place(queue, [worker(1, cores(free))], shares, total=FLEET, pools=POOLS))
    assert sum(got.values()) == free
    for n, weight in enumerate(weights):
        assert abs(got.get(n, 0) - free * weight / sum(weights)) <= 1 + weight


def test_jobs_that_fit_only_in_sum_are_still_shared_fairly() -> None:
    """Three jobs of two cores and six free cores, three on each worker: two can start, one of each user."""
    both = [pending(1, 2, user="ann", request=cores(2)), pending(2, 1, user="bob", request=cores(2))]
    workers = [worker(1, cores(3)), worker(2, cores(3))]
    assert started(place(both, workers, total=FLEET, pools=POOLS)) == {1: 1, 2: 1}


def test_slots_are_shared_when_they_are_what_is_short() -> None:
    """Of small jobs: the CPU would hold twice as many as the worker may run."""
    small = Resources(1, 1, 0, 0)
    free, many = (
        Resources(2000, 2048, 0, 0),
        [pending(each, 5000, user=f"u{each:02}", request=small) for each in range(20)],
    )
    total = free.plus(free)
    got = started(place(many, [worker(1, free, slots=1000)], total=total, pools=POOLS))
    assert got == dict.fromkeys(range(20), 50)
    odd = started(place(many, [worker(1, free, slots=997)], total=total, pools=POOLS))
    assert sum(odd.values()) == 997
    assert max(odd.values()) - min(odd.values()) <= 1
