"""Problems that need a person (frozen pools, queued jobs without a place), pools at their limits, and the pool in which each queued job
counts.

Used by `control/reads/fleet/pools_and_workers.py` for the status that the command line and the dashboard show. Reads memory only: the queues, and the last plan.
A pool at its limit is ordinary and must never stand among what needs a person.
"""

from collections import Counter
from collections.abc import Iterable

from herder.control.kernel.core import Core
from herder.control.reads.fleet.bootstraps import refused
from herder.engine.workers.draining.drain_texts import blocked_text, drain_word
from herder.model.ids import PoolName
from herder.model.permissions import Principal, scope_of
from herder.model.planning.plan import ReasonKind, UnplacedDemand
from herder.model.values.phrases import agree, counted, sentence, sentences
from herder.model.values.times import iso

#: Reasons for which jobs have no place that pass only when a person does something.
_ACT_ON = frozenset(
    {
        ReasonKind.NOTHING_FITS,
        ReasonKind.FROZEN,
        ReasonKind.QUOTA_EXCEEDED,
        ReasonKind.TRIGGER_FAILED,
    }
)
#: Sentences of each sort that are shown.
SHOWN = 5


def attention(core: Core, who: Principal) -> list[str]:
    """What a person must act on now. Whose jobs block a drain is told to those who may see them."""
    frozen = [
        f"Pool {name} is frozen: no worker is created or removed. To unfreeze it, run herder pool unfreeze {name}."
        for name, pool in sorted(core.state.pools.items())
        if pool.frozen
    ]
    now, with_users = core.clock.now_ms(), scope_of(who) is None
    blocked = [
        blocked_text(core.state, worker, now, with_users=with_users)
        for worker in core.state.workers.values()
        if worker.busy and drain_word(core.state, worker) == "blocked"
    ]
    return _some(
        [
            *_age(core),
            *refused(core),
            *_paused(core),
            *frozen,
            *blocked,
            *_without_place(each for each in _unplaced(core) if _acts(each)),
        ]
    )


def _age(core: Core) -> list[str]:
    """Nothing when this is the state of now."""
    at_ms = core.leadership.as_of_ms
    if at_ms is None:
        return []
    return [f"No leader answers. This is the state of {iso(at_ms)}, read from the store by a follower."]


def _paused(core: Core) -> list[str]:
    return [
        f"Intake {name} is paused since {iso(notes.paused_since_ms)}. {sentence(notes.paused)}"
        for name, notes in sorted(core.intake_notes.items())
        if notes.paused
    ]


def waiting(core: Core) -> list[str]:
    """Queued jobs that wait for pools at their limits, for a cooldown or for a quota: ordinary."""
    return _some(_without_place(each for each in _unplaced(core) if not _acts(each)))


def queued_by_pool(core: Core) -> Counter[PoolName | None]:
    """Each queued job once: in the pool that it names, else in the one with the cheapest template that fits it; None: in no pool."""
    state = core.state
    queued: Counter[PoolName | None] = Counter()
    by_class = {class_id: queue.count for class_id, queue in state.queues.items() if queue.count}
    for delayed in state.delayed.values():
        by_class[delayed.class_id] = by_class.get(delayed.class_id, 0) + 1
    pools = core.planning.first_pools.of(
        state.pools, {class_id: state.classes[class_id] for class_id in by_class}
    )
    for class_id, count in by_class.items():
        queued[pools[class_id]] += count
    return queued


def _unplaced(core: Core) -> tuple[UnplacedDemand, ...]:
    plan = core.planning.last
    return () if plan is None else plan.unplaced


def _acts(demand: UnplacedDemand) -> bool:
    return demand.reason.kind in _ACT_ON or ("max_workers", 0) in demand.reason.evidence


def _without_place(demands: Iterable[UnplacedDemand]) -> list[str]:
    """One sentence for each reason, that of most jobs first. Classes below zero are those of pods."""
    waiting: Counter[tuple[str, str]] = Counter()
    for each in demands:
        waiting[each.reason.text, "queued job" if each.class_id >= 0 else "pending pod"] += each.count
    return [
        sentences(f"{counted(count, noun)} {agree(count, 'has', 'have')} no place", why)
        for (why, noun), count in waiting.most_common()
    ]


def _some(sentences: list[str]) -> list[str]:
    more = len(sentences) - SHOWN
    return (
        sentences
        if more <= 0
        else [*sentences[:SHOWN], f"{more} more are not shown; herder plan shows them."]
    )
