"""Quotas: never more than is allowed, nothing left that somebody may have, and whoever waits has a turn."""

from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

from herder.decide.quotas.allowed_starts import Allowance, QuotaInput, allow
from herder.decide.quotas.reasons import lent_out, reason_of
from herder.decide.quotas.usage import remaining_quota
from herder.model.ids import ClassId, UserName
from herder.model.planning.observed import QueuedClass
from herder.model.values.resources import Resources
from herder.model.work.job import JobClass
from herder.model.work.sharing import NOTHING, Amounts, Limits, ProjectQuota, Sharing, UserQuota, amounts_of


def waiting(number: int, user: str, project: str, count: int, **job: int) -> QueuedClass:
    request = Resources(job.get("cpu", 1000), job.get("memory", 1), 0, job.get("gpu", 0))
    job_class = JobClass(
        user=UserName(user), project=project, request=request, priority=job.get("priority", 0)
    )
    return QueuedClass(
        class_id=ClassId(number), job_class=job_class, count=count, oldest_ready_at_ms=job.get("ready", 0)
    )


def cpus(amount: int | None) -> Limits:
    return Limits(None if amount is None else amount * 1000)


def project(
    name: str, cpu: int, *, borrow: int | None = None, lend: int | None = None, cohort: str = ""
) -> ProjectQuota:
    return ProjectQuota(
        name=name,
        nominal=cpus(cpu),
        borrowing_limit=cpus(borrow),
        lending_limit=cpus(lend),
        cohort=cohort,
    )


def granted(allowance: Allowance) -> dict[int, int]:
    return {int(key): count for key, count in allowance.granted.items()}


TWO = Sharing(projects=(project("a", 6), project("b", 4)))


def test_each_gets_its_nominal_quota_and_then_what_the_other_leaves() -> None:
    full = [waiting(1, "ann", "a", 99), waiting(2, "bob", "b", 99)]
    assert granted(allow(full, QuotaInput(sharing=TWO, held={}))) == {1: 6, 2: 4}
    assert granted(allow([full[0]], QuotaInput(sharing=TWO, held={}))) == {1: 10}, (
        "borrowing has no limit of its own"
    )
    some = [waiting(1, "ann", "a", 99), waiting(2, "bob", "b", 1)]
    assert granted(allow(some, QuotaInput(sharing=TWO, held={}))) == {1: 9, 2: 1}


def test_borrowing_and_lending_limits_and_cohorts_bound_what_moves() -> None:
    alone = [waiting(1, "ann", "a", 99)]

    def with_quotas(*quotas: ProjectQuota) -> int:
        return granted(allow(alone, QuotaInput(sharing=Sharing(projects=quotas), held={})))[1]

    assert with_quotas(project("a", 6, borrow=1), project("b", 4)) == 7
    assert with_quotas(project("a", 6), project("b", 4, lend=3)) == 9
    assert with_quotas(project("a", 6), project("b", 4, cohort="other")) == 6
    assert with_quotas(project("a", 6, borrow=0), project("b", 4)) == 6


def test_what_a_project_has_no_quota_of_is_not_taken_from_the_others() -> None:
    memory_only = ProjectQuota(name="b", nominal=Limits(memory_mib=50))
    wanted = [waiting(1, "ann", "a", 9), waiting(2, "bob", "b", 9)]
    sharing = Sharing(projects=(project("a", 6), memory_only))
    held = {(UserName("bob"), "b"): Amounts(40_000, 40, 0, 40)}
    assert granted(allow(wanted, QuotaInput(sharing=sharing, held=held))) == {1: 6, 2: 9}


def test_a_lender_waits_until_the_borrowed_ends_and_is_told_so() -> None:
    held = {(UserName("ann"), "a"): Amounts(10_000, 10, 0, 10)}
    wanted = [waiting(1, "ann", "a", 5), waiting(2, "bob", "b", 3)]
    allowance = allow(wanted, QuotaInput(sharing=TWO, held=held))
    assert granted(allowance) == {1: 0, 2: 0}
    ann, bob = allowance.entries
    assert lent_out(bob, allowance.remaining) == Amounts(cpu_milli=1000)
    assert lent_out(ann, allowance.remaining) is None, "it has borrowed itself"
    assert "other projects have borrowed a part" in reason_of(bob, allowance.remaining).text
    held = {(UserName("ann"), "a"): Amounts(8_000, 8, 0, 8)}
    assert granted(allow(wanted, QuotaInput(sharing=TWO, held=held))) == {1: 0, 2: 2}, "the lender goes first"


def test_the_binding_quota_is_named_with_the_smallest_change() -> None:
    sharing = Sharing(
        projects=(project("a", 6, borrow=0),),
        users=(UserQuota(user=UserName("bob"), limits=Limits(jobs=2)),),
    )
    wanted = [
        waiting(1, "ann", "a", 9),
        waiting(2, "bob", "free", 5),
        waiting(3, "cyd", "a", 1, cpu=7000),
    ]
    allowance = allow(wanted, QuotaInput(sharing=sharing, held={}))
    ann, bob, cyd = (reason_of(entry, allowance.remaining) for entry in allowance.entries)
    assert ("quota", "project a") in ann.evidence
    assert ("flips", "nominal_quota or borrowing_limit cpu of project a up by 3 CPU") in ann.evidence
    assert ("flips", "quota jobs of user bob at least 5 running jobs") in bob.evidence
    assert "allow at most 6 CPU" in cyd.text


def test_users_of_a_project_share_its_quota_by_weight_and_the_more_urgent_go_first() -> None:
    sharing = Sharing(projects=(project("a", 12, borrow=0),))
    wanted = [waiting(1, "ann", "a", 99), waiting(2, "bob", "a", 99)]
    weights = {UserName("ann"): 2}
    assert granted(allow(wanted, QuotaInput(sharing=sharing, held={}, weights=weights))) == {1: 8, 2: 4}
    held = {(UserName("ann"), "a"): Amounts(6_000, 6, 0, 6)}
    assert granted(allow(wanted, QuotaInput(sharing=sharing, held=held))) == {1: 0, 2: 6}
    urgent = [wanted[0], waiting(2, "bob", "a", 10, priority=5)]
    assert granted(allow(urgent, QuotaInput(sharing=sharing, held={}))) == {1: 2, 2: 10}


def test_21_equal_users_of_a_small_quota_all_have_their_turn() -> None:
    """One place, and the one who had it longest ago gets it: nobody goes twice before all have gone once."""
    sharing = Sharing(projects=(project("a", 1, borrow=0),))
    names = [f"u{number:02}" for number in range(21)]
    last_served: dict[UserName, int] = {}
    got: list[str] = []
    for turn in range(42):
        wanted = [waiting(number, name, "a", 50) for number, name in enumerate(names)]
        found = granted(allow(wanted, QuotaInput(sharing=sharing, held={}, last_served=last_served)))
        (number,) = (key for key, count in found.items() if count)
        got.append(names[number])
        last_served[UserName(names[number])] = turn
    assert sorted(got[:21]) == sorted(got[21:]) == names


def test_a_wide_job_that_waited_long_is_not_kept_out_by_small_ones() -> None:
    """Of 8 CPU 1 comes free at a time; small jobs of the project would take each as it comes."""
    sharing = Sharing(projects=(project("a", 8, borrow=0),))
    held, kept = 8, ()
    wide = waiting(1, "ann", "a", 1, cpu=6000, ready=0)
    for _ in range(12):
        held -= 1
        quota_input = QuotaInput(
            sharing=sharing,
            held={(UserName("bob"), "a"): Amounts(held * 1000, held, 0, held)},
            firsts=dict.fromkeys(kept, 1),
            aged_ms=100,
        )
        allowance = allow([wide, waiting(2, "bob", "a", 99, ready=50)], quota_input)
        found = granted(allowance)
        kept = allowance.kept
        if found[1]:
            assert held == 2
            return
        held += found[2]
    raise AssertionError("the wide job never came to it")


def test_what_can_never_fit_keeps_nothing_from_others() -> None:
    sharing = Sharing(projects=(project("a", 4, borrow=0),))
    wanted = [waiting(1, "ann", "a", 1, cpu=5000, ready=0), waiting(2, "bob", "a", 9, ready=50)]
    assert granted(allow(wanted, QuotaInput(sharing=sharing, held={}, aged_ms=100))) == {1: 0, 2: 4}


limits = st.builds(
    Limits,
    st.one_of(st.none(), st.integers(0, 20_000)),
    st.one_of(st.none(), st.integers(0, 40)),
    st.one_of(st.none(), st.integers(0, 4)),
    st.one_of(st.none(), st.integers(0, 15)),
)


@st.composite
def worlds(draw: st.DrawFn) -> tuple[list[QueuedClass], QuotaInput]:
    projects = []
    for name in draw(st.lists(st.sampled_from("abc"), unique=True)):
        nominal = draw(limits)
        borrow = [None if own is None else most for own, most in zip(nominal, draw(limits), strict=True)]
        lend = [
            None if own is None or most is None else min(own, most)
            for own, most in zip(nominal, draw(limits), strict=True)
        ]
        cohort = draw(st.sampled_from(["", "x"]))
        quota = ProjectQuota(
            name=name,
            nominal=nominal,
            borrowing_limit=Limits(*borrow),
            lending_limit=Limits(*lend),
            cohort=cohort,
        )
        projects.append(quota)
    users = [
        UserQuota(user=UserName(name), limits=draw(limits))
        for name in draw(st.lists(st.sampled_from("uvw"), unique=True))
    ]
    queue = [
        waiting(
            number,
            draw(st.sampled_from("uvw")),
            draw(st.sampled_from("abcd")),
            draw(st.integers(1, 30)),
            cpu=draw(st.sampled_from([100, 1000, 3000, 8000])),
            memory=draw(st.integers(1, 6)),
            gpu=draw(st.sampled_from([0, 0, 1])),
            priority=draw(st.sampled_from([0, 0, 5])),
            ready=draw(st.integers(0, 5)),
        )
        for number in range(draw(st.integers(0, 7)))
    ]
    quota_input = QuotaInput(
        sharing=Sharing(projects=tuple(projects), users=tuple(users)),
        held={},
        weights={UserName("u"): draw(st.integers(1, 5))},
        aged_ms=draw(st.one_of(st.none(), st.integers(0, 5))),
    )
    return queue, quota_input


def sums(queue: list[QueuedClass], found: dict[ClassId, int]) -> dict[tuple[UserName, str], Amounts]:
    held: dict[tuple[UserName, str], Amounts] = {}
    for item in queue:
        if found[item.class_id]:
            whose = (item.job_class.user, item.job_class.project)
            amounts = amounts_of(item.job_class.request).times(found[item.class_id])
            held[whose] = held.get(whose, NOTHING).plus(amounts)
    return held


@given(worlds())
@settings(max_examples=200)
def test_nobody_passes_a_quota_and_a_cohort_never_holds_more_than_its_nominal_quotas(
    world: tuple[list[QueuedClass], QuotaInput],
) -> None:
    queue, quota_input = world
    allowance = allow(queue, quota_input)
    assert all(0 <= allowance.granted[item.class_id] <= item.count for item in queue)
    held = sums(queue, allowance.granted)
    for quota in quota_input.sharing.users:
        mine = [amounts for (user, _), amounts in held.items() if user == quota.user]
        total = Amounts(*map(sum, zip(*mine, strict=True))) if mine else NOTHING
        assert all(most is None or has <= most for has, most in zip(total, quota.limits, strict=True))
    for number in range(4):
        together: dict[str, list[int]] = {}
        for each in quota_input.sharing.projects:
            own, more = each.nominal[number], each.borrowing_limit[number]
            has = sum(amounts[number] for (_, name), amounts in held.items() if name == each.name)
            if own is None:
                continue
            assert more is None or has <= own + more
            sides = together.setdefault(each.cohort, [0, 0])
            sides[0] += has
            sides[1] += own
        assert all(has <= own for has, own in together.values())
    assert {entry.queued.class_id for entry in allowance.entries} == {item.class_id for item in queue}


@given(worlds())
@settings(max_examples=200)
def test_nothing_is_left_that_somebody_may_have(world: tuple[list[QueuedClass], QuotaInput]) -> None:
    queue, quota_input = world
    allowance = allow(queue, replace(quota_input, aged_ms=None))
    remaining = remaining_quota(quota_input.sharing, sums(queue, allowance.granted))
    for entry in allowance.held_back:
        room = remaining.of_project(entry.project).least(remaining.of_user(entry.user))
        assert entry.amount.how_many_in(room) == 0, entry
        assert reason_of(entry, remaining).evidence
    if not quota_input.sharing.has_quotas:
        assert not allowance.held_back


@given(worlds())
@settings(max_examples=100)
def test_the_order_of_the_input_does_not_matter(world: tuple[list[QueuedClass], QuotaInput]) -> None:
    queue, quota_input = world
    assert allow(queue, quota_input).granted == allow(queue[::-1], quota_input).granted


def test_of_a_single_place_a_light_user_has_its_turn_beside_a_heavy_one() -> None:
    sharing = Sharing(
        projects=(ProjectQuota(name="a", nominal=Limits(jobs=1), borrowing_limit=Limits(jobs=0)),)
    )
    last_served: dict[UserName, int] = {}
    got: list[int] = []
    for turn in range(6):
        wanted = [waiting(1, "ann", "a", 50), waiting(2, "bob", "a", 50)]
        quota_input = QuotaInput(
            sharing=sharing, held={}, last_served=last_served, weights={UserName("ann"): 9}
        )
        found = granted(allow(wanted, quota_input))
        got.append(next(key for key, count in found.items() if count))
        last_served[UserName("ann" if got[-1] == 1 else "bob")] = turn
    assert got == [1, 2, 1, 2, 1, 2]
