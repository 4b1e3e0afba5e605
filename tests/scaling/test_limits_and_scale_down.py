"""The parts of scaling by themselves: room, minimum, combining, and who has to go."""

from collections.abc import Set

from herder.decide.scaling import limits
from herder.decide.scaling.combine import combine
from herder.decide.scaling.proposals import Proposal, WorkerRequest
from herder.decide.scaling.scale_down import expired_and_surplus
from herder.decide.scaling.scale_down import idle as scale_down
from herder.decide.scaling.snapshot import PoolView, snapshot_of
from herder.decide.scaling.triggers import minimum
from herder.model.fleet.pool import PoolSpec
from herder.model.fleet.worker import WorkerState
from herder.model.ids import PoolName
from herder.model.planning.observed import ObservedWorker, PoolHistory
from herder.model.planning.plan import Reason, ReasonKind
from tests.planning.world import MINUTE, NOW, cores, idle, observed, pool, template, worker

STD = PoolName("std")


def view(
    spec: PoolSpec, workers: list[ObservedWorker] | None = None, history: PoolHistory | None = None
) -> PoolView:
    return snapshot_of(
        observed([spec], workers, history={spec.name: history} if history else None), NOW
    ).pools[0]


def names(drains: tuple[object, ...]) -> list[str]:
    return [drain.worker for drain in drains]  # type: ignore[attr-defined]


# --- limits -----------------------------------------------------------------------------------------------------------


def test_everything_that_has_not_ended_counts_against_the_maximum() -> None:
    std = pool(max_workers=4, new_workers_per_cycle=9)
    workers = [
        worker(1, std),
        worker(2, std, state=WorkerState.TERMINATING),
        worker(3, std, state=WorkerState.FAILED),
    ]
    growth_limit = limits.growth_limit(view(std, workers), NOW)
    assert (growth_limit.workers, growth_limit.binding.kind) == (2, ReasonKind.AT_MAXIMUM)


def test_the_smallest_limit_is_the_one_that_is_named() -> None:
    assert (
        limits.growth_limit(view(pool(max_workers=9, new_workers_per_cycle=2)), NOW).binding.kind
        is ReasonKind.PER_CYCLE_LIMIT
    )
    assert limits.growth_limit(view(pool(max_workers=1)), NOW).binding.kind is ReasonKind.AT_MAXIMUM
    assert limits.growth_limit(view(pool(max_workers=1, frozen=True)), NOW).binding.kind is ReasonKind.FROZEN


def test_a_cooldown_holds_up_demand_but_not_the_minimum() -> None:
    std = pool(scale_up_cooldown_s=60.0)
    growth_limit = limits.growth_limit(view(std, history=PoolHistory(last_grown_at_ms=NOW - 59_999)), NOW)
    assert (growth_limit.workers, growth_limit.binding.kind, growth_limit.for_minimum) == (
        0,
        ReasonKind.COOLDOWN,
        10,
    )
    assert (
        limits.growth_limit(view(std, history=PoolHistory(last_grown_at_ms=NOW - 60_000)), NOW).workers == 10
    )


def test_a_maximum_below_what_there_is_gives_no_room() -> None:
    std = pool(max_workers=1)
    assert limits.growth_limit(view(std, [worker(n, std) for n in range(3)]), NOW).workers == 0


# --- minimum and combine ----------------------------------------------------------------------------------------------


def test_what_is_coming_counts_for_the_minimum_what_leaves_does_not() -> None:
    std = pool(min_workers=4)
    workers = [
        worker(1, std),
        worker(2, std, state=WorkerState.REQUESTED),
        worker(3, std, state=WorkerState.DRAINING),
        worker(4, std, state=WorkerState.UNHEALTHY),
    ]
    one = frozenset({workers[0].name})
    asked = minimum.ask(view(std, workers), leaving=one, for_queue=0, now_ms=NOW)
    assert asked is not None
    assert asked.count == 2
    assert minimum.ask(view(std, workers), leaving=one, for_queue=2, now_ms=NOW) is None
    assert minimum.ask(view(pool(min_workers=3), workers), frozenset(), for_queue=0, now_ms=NOW) is None


def proposal(count: int, name: PoolName = STD) -> Proposal:
    reason = Reason(kind=ReasonKind.QUEUED_JOBS, text="x", evidence=(("x", 1),))
    return Proposal(pool=name, template="medium", count=count, reason=reason)


def ask(count: int, *, least: bool = False) -> WorkerRequest:
    kind = ReasonKind.BELOW_MINIMUM if least else ReasonKind.HEADROOM
    return WorkerRequest(
        pool=STD, count=count, minimum=least, reason=Reason(kind=kind, text="x", evidence=(("x", 1),))
    )


def test_what_the_triggers_want_on_top_overlaps() -> None:
    std = view(pool())
    growth_limits = {STD: limits.growth_limit(std, NOW)}
    settled = combine((proposal(2),), (ask(3, least=True), ask(5), ask(4)), (std,), growth_limits)
    assert [w.count for w in settled.proposals] == [2, 3, 2]
    assert [w.reason.kind for w in settled.proposals[1:]] == [ReasonKind.BELOW_MINIMUM, ReasonKind.HEADROOM]
    assert not settled.cut


def test_what_the_minimum_wants_beyond_the_room_is_cut_and_told() -> None:
    std = view(pool(max_workers=4))
    settled = combine((proposal(3),), (ask(3, least=True),), (std,), {STD: limits.growth_limit(std, NOW)})
    assert [w.count for w in settled.proposals] == [3, 1]
    assert settled.short(STD) == 2


def test_a_cooldown_holds_up_headroom_but_not_the_minimum() -> None:
    std = view(pool(scale_up_cooldown_s=60.0), history=PoolHistory(last_grown_at_ms=NOW - 1))
    settled = combine((), (ask(1, least=True), ask(3)), (std,), {STD: limits.growth_limit(std, NOW)})
    assert [w.count for w in settled.proposals] == [1]
    assert settled.short(STD) == 2


def test_the_ones_that_stay_have_a_maximum_of_their_own() -> None:
    std = pool(max_workers=6, max_live_workers=3)
    workers = [worker(1, std), worker(2, std), worker(3, std, state=WorkerState.DRAINING)]
    growth_limit = limits.growth_limit(view(std, workers), NOW)
    assert (growth_limit.workers, growth_limit.binding.kind) == (1, ReasonKind.AT_LIVE_MAXIMUM)
    workers += [worker(n, std, state=WorkerState.DRAINING) for n in (4, 5)]
    assert limits.growth_limit(view(std, workers), NOW).binding.kind in (
        ReasonKind.AT_MAXIMUM,
        ReasonKind.AT_LIVE_MAXIMUM,
    )
    staying = [worker(n, std) for n in range(5)]
    assert len(expired_and_surplus.must_leave(view(std, staying), NOW)) == 2


# --- scale down -------------------------------------------------------------------------------------------------------


def idle_drains(
    spec: PoolSpec, workers: list[ObservedWorker], used: Set[str] = frozenset(), **past: int
) -> list[str]:
    answer = scale_down.idle(view(spec, workers, PoolHistory(**past)), set(), used, NOW)  # type: ignore[arg-type]
    return names(answer.drains)


def test_idle_means_idle_for_the_whole_timeout() -> None:
    std = pool(idle_timeout_s=600.0)
    assert idle_drains(std, [idle(1, std, 10), idle(2, std, 9.99)]) == ["std-0-1"]
    assert idle_drains(pool(idle_timeout_s=None), [idle(1, std, 999)]) == []


def test_who_is_busy_standing_cordoned_or_not_ready_is_not_idle() -> None:
    std = pool()
    workers = [
        worker(1, std),
        idle(2, std, manual=True),
        idle(3, std, cordoned=True),
        idle(4, std, state=WorkerState.UNHEALTHY),
        idle(5, std, state=WorkerState.DRAINING),
        idle(6, std, live_attempts=1),
    ]
    assert idle_drains(std, workers) == []


def test_the_minimum_is_kept_by_workers_that_are_there() -> None:
    std = pool(min_workers=2)
    workers = [idle(1, std), idle(2, std), idle(3, std), worker(4, std, state=WorkerState.REQUESTED)]
    assert idle_drains(std, workers) == ["std-0-3"]


def test_the_dearest_goes_first_then_the_youngest() -> None:
    small, large = template("small", 4, 120), template("large", 16, 480)
    std = pool("std", small, large, min_workers=2)
    workers = [idle(1, std, made=large), idle(2, std, made=small), idle(3, std, made=small)]
    assert idle_drains(std, workers) == ["std-0-1"]
    assert idle_drains(pool("std", small, large, min_workers=1), workers) == ["std-0-1", "std-0-3"]


def test_a_worker_that_the_queue_would_use_stays() -> None:
    std = pool()
    assert idle_drains(std, [idle(1, std), idle(2, std)], used={"std-0-2"}) == ["std-0-1"]


def test_the_cooldown_after_a_removal_holds_idle_workers_and_says_so() -> None:
    std = pool(scale_down_cooldown_s=300.0)
    assert idle_drains(std, [idle(1, std)], last_shrunk_at_ms=NOW - 299_999) == []
    assert idle_drains(std, [idle(1, std)], last_shrunk_at_ms=NOW - 300_000) == ["std-0-1"]
    held = scale_down.idle(view(std, [idle(1, std)], PoolHistory(last_shrunk_at_ms=NOW)), set(), set(), NOW)
    assert [reason.kind for reason in held.held_back] == [ReasonKind.COOLDOWN]


def test_the_expired_leave_even_below_the_minimum_but_not_twice() -> None:
    std = pool(min_workers=2)
    workers = [
        worker(1, std, expires_at_ms=NOW),
        worker(2, std, expires_at_ms=NOW + 1),
        worker(3, std, expires_at_ms=NOW - MINUTE, state=WorkerState.DRAINING),
        worker(4, std, expires_at_ms=NOW - 5 * MINUTE, manual=True, live_attempts=1),
    ]
    assert names(expired_and_surplus.must_leave(view(std, workers), NOW)) == ["std-0-1", "std-0-4"]


def test_the_surplus_over_a_lowered_maximum_leaves_with_the_least_loss() -> None:
    std = pool(max_workers=2)
    workers = [
        worker(1, std, live_attempts=3, free=cores(1)),
        worker(2, std, live_attempts=1, free=cores(9)),
        idle(3, std, 1),
        worker(4, std, state=WorkerState.JOINING),
        worker(5, std, state=WorkerState.TERMINATING),
    ]
    drains = expired_and_surplus.must_leave(view(std, workers), NOW)
    assert names(drains) == ["std-0-3", "std-0-4"]
    assert {drain.reason.kind for drain in drains} == {ReasonKind.ABOVE_MAXIMUM}
    assert expired_and_surplus.must_leave(view(pool(max_workers=0, min_workers=4), workers), NOW) == ()
    assert expired_and_surplus.must_leave(view(pool(max_workers=0, frozen=True), workers), NOW) == ()


def test_workers_of_one_plan_are_filled_in_the_order_in_which_it_made_them() -> None:
    std = pool()
    workers = [worker(10, std, at=NOW), worker(2, std, at=NOW), worker(99, std, at=NOW - 1)]
    assert [each.name for each in view(std, workers).workers] == ["std-0-99", "std-0-2", "std-0-10"]
