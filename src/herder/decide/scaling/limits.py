"""How many workers a pool may make now, and which limit says so.

Called by the planner before anything asks for workers, because demand that one pool may not serve goes on to the next.
A limit of a pool is never exceeded for any reason; which one binds is always named.
"""

from dataclasses import dataclass

from herder.decide.scaling.scene import PoolView
from herder.model.plan import Reason, ReasonKind

#: Delay after the first failed creation; it doubles with each further failure. Short, because most failures are of the
#: moment (the median shortage of one offer lasts minutes), and because the doubling soon makes it long.
BACK_OFF_FIRST_MS = 15_000
#: Longest delay between tries: 30 minutes, as in cluster-autoscaler.
BACK_OFF_MOST_MS = 1_800_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Room:
    """`workers` may be made for demand and `for_minimum` to restore the minimum, which a cooldown does not hold up; both
    together never more than the larger. `binding` and `binding_minimum` are the limits that say so."""

    workers: int
    binding: Reason
    for_minimum: int
    binding_minimum: Reason


def room(view: PoolView, now_ms: int) -> Room:
    hard = [*_frozen(view), *_back_off(view, now_ms), _maximum(view), _per_cycle(view, now_ms)]
    for_minimum, binding_minimum = min(hard, key=lambda limit: limit[0])
    workers, binding = min([*hard, *_cooldown(view, now_ms)], key=lambda limit: limit[0])
    return Room(workers=workers, binding=binding, for_minimum=for_minimum, binding_minimum=binding_minimum)


def back_off_until_ms(view: PoolView) -> int | None:
    """When creation may be tried again after failures; None without any."""
    failures, last = view.history.create_failures, view.history.last_create_failure_at_ms
    if failures <= 0 or last is None:
        return None
    doublings = min(failures - 1, BACK_OFF_MOST_MS.bit_length())
    return last + min(BACK_OFF_FIRST_MS << doublings, BACK_OFF_MOST_MS)


_Limit = tuple[int, Reason]


def _frozen(view: PoolView) -> list[_Limit]:
    if not view.spec.frozen:
        return []
    text = f"pool {view.spec.name} is frozen: nothing is made or removed until it is thawed"
    return [(0, Reason(kind=ReasonKind.FROZEN, text=text, evidence=(("frozen", 1),)))]


def _back_off(view: PoolView, now_ms: int) -> list[_Limit]:
    until = back_off_until_ms(view)
    if until is None or now_ms >= until:
        return []
    failures = view.history.create_failures
    text = f"the last {failures} creations in pool {view.spec.name} failed; the next try is in {_seconds(until - now_ms)} s"
    evidence = (("create_failures", failures), ("until_ms", until))
    return [(0, Reason(kind=ReasonKind.BACK_OFF, text=text, evidence=evidence))]


def _cooldown(view: PoolView, now_ms: int) -> list[_Limit]:
    last = view.history.last_grown_at_ms
    if last is None:
        return []
    until = last + int(view.spec.scale_up_cooldown_s * 1000)
    if now_ms >= until:
        return []
    text = f"pool {view.spec.name} grew a moment ago; it may grow again in {_seconds(until - now_ms)} s"
    return [(0, Reason(kind=ReasonKind.COOLDOWN, text=text, evidence=(("until_ms", until),)))]


def _maximum(view: PoolView) -> _Limit:
    live, most = len(view.workers), view.spec.max_workers
    text = f"pool {view.spec.name} has {live} workers that have not ended, of at most {most}"
    evidence = (("live", live), ("max_workers", most))
    return max(0, most - live), Reason(kind=ReasonKind.AT_MAXIMUM, text=text, evidence=evidence)


def _per_cycle(view: PoolView, now_ms: int) -> _Limit:
    """A plan of the same millisecond as the last growth belongs to the same cycle, which has had its workers."""
    most = view.spec.new_workers_per_cycle
    now_made = view.history.last_grown_at_ms == now_ms
    text = f"pool {view.spec.name} makes at most {most} workers per cycle; the next cycle makes more"
    evidence = (("new_workers_per_cycle", most), ("made_this_cycle", int(now_made)))
    return 0 if now_made else max(0, most), Reason(
        kind=ReasonKind.PER_CYCLE_LIMIT, text=text, evidence=evidence
    )


def _seconds(duration_ms: int) -> int:
    return -(-duration_ms // 1000)
