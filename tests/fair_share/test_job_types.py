"""Limits of job types: never more than `max_concurrent` and the slots allow, nothing left over, and each user has a turn."""

from hypothesis import given
from hypothesis import strategies as st

from herder.decide.quotas.allowed_starts import QuotaInput, allow
from herder.decide.quotas.reasons import reason_of
from herder.model.ids import ClassId, UserName
from herder.model.planning.observed import QueuedClass
from herder.model.values.resources import Resources
from herder.model.work.job import JobClass
from herder.model.work.job_type import KNOWN, SLOT, JobType
from herder.model.work.sharing import Limits, ProjectQuota, Sharing, UserQuota, amounts_of


def waiting(
    number: int, user: str, kind: str, count: int, *, project: str = "p", priority: int = 0, ready: int = 0
) -> QueuedClass:
    job_class = JobClass(
        user=UserName(user), project=project, request=Resources(1000, 1, 0), priority=priority, type=kind
    )
    return QueuedClass(class_id=ClassId(number), job_class=job_class, count=count, oldest_ready_at_ms=ready)


def granted(queue: list[QueuedClass], sharing: Sharing, **more: object) -> dict[int, int]:
    allowance = allow(queue, QuotaInput(sharing=sharing, **{"held": {}, **more}))  # type: ignore[arg-type]
    return {int(key): count for key, count in allowance.granted.items()}


TRAINING = JobType(name="training", max_concurrent=5, weight_milli=3000)
SMALL = JobType(name="small", max_concurrent=None, weight_milli=1000)


def test_so_many_of_a_type_run_at_a_time_and_others_are_not_touched() -> None:
    sharing = Sharing(job_types=(TRAINING,))
    queue = [waiting(1, "ann", "training", 9), waiting(2, "ann", "", 9)]
    assert granted(queue, sharing) == {1: 5, 2: 9}
    assert granted(queue, sharing, running_types={"training": 4}) == {1: 1, 2: 9}
    assert granted(queue, sharing, running_types={"training": 7}) == {1: 0, 2: 9}, "after it was lowered"


def test_users_share_what_a_type_allows_over_all_projects() -> None:
    sharing = Sharing(job_types=(TRAINING,))
    queue = [waiting(1, "ann", "training", 99), waiting(2, "bob", "training", 99, project="q", ready=9)]
    found = granted(queue, sharing)
    assert sum(found.values()) == 5
    assert abs(found[1] - found[2]) == 1
    has = amounts_of(Resources(1000, 1, 0)).times(4)
    next_one = granted(queue, sharing, running_types={"training": 4}, held={(UserName("ann"), "p"): has})
    assert next_one == {1: 0, 2: 1}, "who has most waits for the next"


def test_the_slots_are_shared_by_weight_and_a_heavy_job_that_has_waited_keeps_room() -> None:
    sharing = Sharing(job_types=(TRAINING, SMALL), job_slots=4)
    heavy, light = waiting(1, "ann", "training", 1), waiting(2, "bob", "small", 9, ready=5)
    assert granted([heavy, light], sharing, running_types={"small": 2}) == {1: 0, 2: 2}
    aged = granted([heavy, light], sharing, running_types={"small": 2}, aged_ms=3)
    assert aged == {1: 0, 2: 0}, "the rest is kept for the job of 3 slots"
    assert granted([heavy], sharing, running_types={"small": 1}) == {1: 1}


def test_a_full_type_keeps_no_quota_from_other_jobs_of_its_project() -> None:
    project = ProjectQuota(name="p", nominal=Limits(2000))
    sharing = Sharing(job_types=(JobType(name="one", max_concurrent=1),), projects=(project,))
    queue = [waiting(1, "ann", "one", 3), waiting(2, "ann", "", 3, ready=5)]
    assert granted(queue, sharing, running_types={"one": 1}, aged_ms=1) == {1: 0, 2: 2}


def test_a_held_back_job_names_the_limit_of_its_type() -> None:
    def said(sharing: Sharing, **running: int) -> str:
        queue = [waiting(1, "ann", "training", 3)]
        allowance = allow(queue, QuotaInput(sharing=sharing, held={}, running_types=running))
        (entry,) = allowance.held_back
        return reason_of(entry, allowance.remaining).text

    assert said(Sharing(job_types=(TRAINING,)), training=5) == (
        "3 of 3 such jobs wait for job type training: 5 of its jobs run or may start, and max_concurrent is 5."
    )
    assert said(Sharing(job_types=(TRAINING,), job_slots=8), training=2) == (
        "3 of 3 such jobs wait for slots of job types: each job of type training takes 3, and 6 of 8 are in use."
    )


names = st.sampled_from(["", "a", "b"])


@given(
    most=st.tuples(st.integers(1, 6), st.one_of(st.none(), st.integers(1, 6))),
    weights=st.tuples(st.integers(1, 4), st.integers(1, 4)),
    slots=st.one_of(st.none(), st.integers(4, 12)),
    jobs=st.lists(
        st.tuples(st.sampled_from("uvw"), names, st.sampled_from("pq"), st.integers(1, 9)), max_size=8
    ),
    running=st.tuples(st.integers(0, 3), st.integers(0, 3)),
    cpu=st.one_of(st.none(), st.integers(0, 9)),
)
def test_no_limit_is_passed_and_nothing_is_left_that_a_type_allows(
    most: tuple[int, int | None],
    weights: tuple[int, int],
    slots: int | None,
    jobs: list[tuple[str, str, str, int]],
    running: tuple[int, int],
    cpu: int | None,
) -> None:
    types = tuple(
        JobType(name=name, max_concurrent=limit, weight_milli=weight * SLOT)
        for name, limit, weight in zip("ab", most, weights, strict=True)
    )
    users = () if cpu is None else (UserQuota(user=UserName("u"), limits=Limits(cpu * 1000)),)
    sharing = Sharing(job_types=types, job_slots=slots, users=users)
    queue = [
        waiting(number, user, kind, count, project=project)
        for number, (user, kind, project, count) in enumerate(jobs, 1)
    ]
    has = dict(zip("ab", running, strict=True))
    found = allow(queue, QuotaInput(sharing=sharing, held={}, running_types=has))
    started = dict.fromkeys("ab", 0)
    for entry in found.entries:
        if entry.type:
            started[entry.type] += entry.granted
    taken = sum((has[each.name] + started[each.name]) * each.weight_milli for each in types)
    for each in types:
        if started[each.name]:
            assert each.max_concurrent is None or has[each.name] + started[each.name] <= each.max_concurrent
            assert slots is None or taken <= slots * SLOT
    for entry in found.held_back:
        full = not entry.amount.fits_in(found.remaining.of_user(entry.user))
        assert full or not found.remaining.types.room(entry.type), "somebody waits, and nothing is in the way"


def test_the_documented_types_have_the_documented_figures() -> None:
    figures = {name: (each.priority, each.max_concurrent, each.weight_milli) for name, each in KNOWN.items()}
    assert figures == {
        "pipeline_execution": (1, 20, 1000),
        "ml_training": (3, 5, 3000),
        "ml_inference": (2, 10, 1500),
        "digital_twin_update": (1, 15, 1200),
    }
