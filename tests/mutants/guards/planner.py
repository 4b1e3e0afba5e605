"""Mutants of the planner and of what holds its plans against the state: limits, cooldowns, quotas, budgets, back-off.

`decide/plan/checks.py` refuses a plan that breaks a limit, whatever the planner does. So a limit is taken out of the planner together
with its check; the first mutant shows that the check notices.
"""

from collections import defaultdict
from dataclasses import replace
from typing import Any

from herder.model.fleet.pool import Consolidation
from herder.simulate.chaos.fleet import Fleet
from tests.mutants.mutant import NO_FAULTS, Look, Mutant, Replaced, answers, constant, replaced

_LIMITS = "herder.decide.scaling.limits"
_CHECKS = "herder.decide.plan.checks"
_GRADUAL = "herder.decide.scaling.scale_down.gradual"
_UNCHECKED = answers(f"{_CHECKS}:_limits", list)
_UNKIND = answers(f"{_CHECKS}:_gentleness", list)
_NO_ROOM_ASKED = answers("herder.control.planning.plans:_more_workers", lambda: defaultdict(lambda: 1000))
_NO_MAXIMUM = answers(f"{_LIMITS}:_maximum", list)


def _maximum_alone(maximum: Any) -> Any:
    return lambda view, now_ms: maximum(view, now_ms)[:1]


def _all_may_go(choose: Any) -> Any:
    def choose_from_all(*asked: Any) -> Any:
        *before, _spare, leaving, now_ms = asked
        return choose(*before, 10**6, leaving, now_ms)

    return choose_from_all


def _without_those_in_flight(make_bin: Any) -> Any:
    from herder.model.values.resources import ZERO

    def empty(snapshot: Any, key: int, worker: Any) -> Any:
        made = make_bin(snapshot, key, worker)
        return replace(made, free=ZERO, slots=0) if worker.state.in_flight else made

    return empty


def _any_number_per_cycle(per_cycle: Any) -> Any:
    return lambda view, now_ms: (10**6, per_cycle(view, now_ms)[1])


def _few_per_cycle(fleet: Fleet) -> Fleet:
    return replace(
        fleet,
        pools=tuple(replace(pool, size=replace(pool.size, new_workers_per_cycle=1)) for pool in fleet.pools),
    )


def _consolidating(fleet: Fleet) -> Fleet:
    """Dear workers, jobs in motion: there is something to save all the time."""
    return replace(
        fleet,
        pools=tuple(
            replace(
                pool,
                scale_down=replace(
                    pool.scale_down, consolidation=Consolidation.BREAK_EVEN, cooldown_s=0.0, fraction=None
                ),
            )
            for pool in fleet.pools
        ),
    )


def slow_offers(fleet: Fleet) -> Fleet:
    """Offers that rest for ten minutes."""
    return replace(
        fleet,
        pools=tuple(
            replace(pool, scale_up=replace(pool.scale_up, offer_backoff_s=600.0)) for pool in fleet.pools
        ),
    )


def hasty(fleet: Fleet) -> Fleet:
    """Workers that go as soon as they have nothing to do."""
    return replace(
        fleet,
        pools=tuple(
            replace(
                pool,
                scale_down=replace(pool.scale_down, idle_timeout_s=60.0, fraction=None, cooldown_s=0.0),
            )
            for pool in fleet.pools
        ),
    )


def idle_soon(fleet: Fleet) -> Fleet:
    """Gradual pools that give up a worker whenever they may."""
    return replace(
        fleet,
        pools=tuple(
            replace(
                pool,
                scale_down=replace(
                    pool.scale_down, idle_timeout_s=60.0, fraction=0.2, period_s=1800.0, cooldown_s=0.0
                ),
            )
            for pool in fleet.pools
        ),
    )


def _keeping_three(fleet: Fleet) -> Fleet:
    """A minimum of workers that live for two hours."""
    return replace(
        fleet,
        pools=tuple(
            replace(
                pool,
                size=replace(pool.size, min_workers=3, max_workers=9, max_live_workers=None),
                lifetime=replace(pool.lifetime, ttl_s=7_200.0, ttl_max_s=None),
            )
            if pool.name == "steady"
            else pool
            for pool in fleet.pools
        ),
    )


def _short_lives(fleet: Fleet) -> Fleet:
    """As nobody may write them, and an older store may have them."""
    return replace(
        fleet,
        pools=tuple(
            replace(
                pool,
                size=replace(pool.size, min_workers=0),
                lifetime=replace(pool.lifetime, ttl_s=5.0, ttl_max_s=None),
            )
            for pool in fleet.pools
        ),
    )


def _as_first_seen(worker_spec: Any) -> Any:
    prices: dict[Any, Any] = {}

    def remembers(pool: Any, template: Any, *more: Any) -> Any:
        price = prices.setdefault((pool.name, template.id), template.price_pico_per_hour)
        return replace(worker_spec(pool, template, *more), price_pico_per_hour=price)

    return remembers


def _as_it_was_made(_still_right: Any) -> Any:
    return lambda _state, _observed, plan, _now_ms: plan


def _old(_expired: Any) -> Any:
    return lambda worker, now_ms: now_ms - worker.requested_at_ms > 600_000


_BUSY = Look(jobs_per_day=8_000)

PLANNER = (
    Mutant(
        guard="limits in the planner",
        removes="The planner makes more workers than a pool may have; the check of plans is there.",
        rules=("nothing inside fails",),
        replaced=(_NO_MAXIMUM,),
        look=_BUSY,
    ),
    Mutant(
        guard="maximum of a pool",
        removes="No maximum holds: neither in the planner, nor in its check, nor when a plan is applied.",
        rules=("a pool never exceeds its maximum",),
        replaced=(_NO_MAXIMUM, _UNCHECKED, _NO_ROOM_ASKED),
        look=_BUSY,
    ),
    Mutant(
        guard="live maximum of a pool",
        removes="Workers that stay are not counted against max_live_workers.",
        rules=("a pool never exceeds its live maximum",),
        replaced=(replaced(f"{_LIMITS}:_maximum", _maximum_alone), _UNCHECKED, _NO_ROOM_ASKED),
        look=_BUSY,
    ),
    Mutant(
        guard="limit per cycle",
        removes="A plan makes any number of workers.",
        rules=("limits per cycle are respected",),
        replaced=(replaced(f"{_LIMITS}:_per_cycle", _any_number_per_cycle), _UNCHECKED),
        look=replace(_BUSY, fleet=_few_per_cycle),
    ),
    Mutant(
        guard="cooldown of growth",
        removes="A pool grows again at once.",
        rules=("cooldowns are respected",),
        replaced=(answers(f"{_LIMITS}:_cooldown", list),),
        look=_BUSY,
    ),
    Mutant(
        guard="quota of a zone",
        removes="What is written down for a zone limits nothing.",
        rules=("quotas are respected",),
        replaced=(
            answers("herder.decide.scaling.offers.backoff:_quota", list),
            answers(f"{_CHECKS}:_quotas", list),
        ),
        look=_BUSY,
    ),
    Mutant(
        guard="minimum at scale-down",
        removes="Idle workers go, however many a pool is to keep.",
        rules=("a pool is not drained below its minimum",),
        replaced=(replaced(f"{_GRADUAL}:choose", _all_may_go),),
        look=Look(jobs_per_day=50, days=0.1, intensity=5.0),
    ),
    Mutant(
        guard="gradual limit",
        removes="A gradual pool gives up any part of its workers at once.",
        rules=("gradual limits are respected",),
        replaced=(answers(f"{_GRADUAL}:allowance", lambda: None), _UNKIND),
        look=Look(jobs_per_day=3_000, intensity=5.0, workers=20, fleet=idle_soon),
    ),
    Mutant(
        guard="disruption budget",
        removes="Any number of busy workers is drained at a time to save money.",
        rules=("disruption budgets are respected",),
        replaced=(answers(f"{_GRADUAL}:disruptions_left", lambda: 1000), _UNKIND),
        look=Look(jobs_per_day=4_000, days=0.1, intensity=2.0, workers=20, fleet=_consolidating),
    ),
    Mutant(
        guard="capacity in flight counts once",
        removes="Workers that are starting take no job of the queue, so more are made for the same jobs.",
        rules=("capacity in flight counts",),
        replaced=(replaced("herder.decide.scaling.triggers.queued_jobs:_bin", _without_those_in_flight),),
        look=Look(jobs_per_day=500, workers=30, intensity=5.0),
    ),
    Mutant(
        guard="back-off of offers",
        removes="An offer that is out of capacity is tried again with the next plan.",
        rules=("offers rest after a failure",),
        replaced=(
            answers("herder.decide.scaling.offers.backoff:_limit", lambda: None),
            answers(f"{_CHECKS}:_trial", list),
        ),
        look=replace(_BUSY, odds={"quota_shrinks": 0.002, "zone_sold_out": 0.005}, fleet=slow_offers),
    ),
    Mutant(
        guard="plans held against the state",
        removes="A plan is applied as it was made, whatever people did meanwhile.",
        rules=("who is drained as idle is idle",),
        replaced=(
            Replaced(name="herder.control.planning.plans:still_right", by=_as_it_was_made),
            answers("herder.control.kernel.planner.planning_thread:_small", lambda: False),
            constant("herder.simulate.chaos.hosts.loop:PURE_S", 60.0),
        ),
        look=Look(odds=NO_FAULTS, jobs_per_day=4_000, fleet=hasty),
    ),
    Mutant(
        guard="prices of now",
        removes="A worker costs what its offer cost when it was first seen.",
        rules=("a worker costs what its offer cost",),
        replaced=(
            replaced("herder.decide.scaling.offers.worker_specs:worker_spec", _as_first_seen),
            answers(f"{_CHECKS}:_creation", list),
        ),
        look=Look(odds={**NO_FAULTS, "prices_move": 0.005}, jobs_per_day=6_000, fleet=hasty),
    ),
    Mutant(
        guard="idle timeout",
        removes="Workers that have nothing to do stay for ever.",
        rules=("the fleet reaches what the policy wants",),
        replaced=(answers("herder.decide.scaling.scale_down.idle:_overdue", lambda: False),),
        look=Look(workers=4, days=0.01, jobs_per_day=500),
    ),
    Mutant(
        guard="expiry of workers",
        removes="Each worker counts as expired after ten minutes, for the planner and when its plan is applied.",
        rules=("a fleet at rest stays as it is", "the fleet reaches what the policy wants"),
        replaced=(
            replaced("herder.decide.scaling.scale_down.expired_and_surplus:_expired", _old),
            Replaced(name="herder.control.planning.plans:still_right", by=_as_it_was_made),
        ),
        look=Look(workers=4, days=0.01, jobs_per_day=500),
    ),
    Mutant(
        guard="successors before an expiry",
        removes="A minimum asks for the successor of a worker only when its ttl has ended.",
        rules=("a minimum is kept over an expiry",),
        replaced=(answers("herder.decide.scaling.signals.endings:ending", frozenset),),
        look=Look(odds=NO_FAULTS, days=0.2, workers=30, jobs_per_day=50, fleet=_keeping_three),
    ),
    Mutant(
        guard="pause of short lives",
        removes="Workers that end as soon as they are ready are asked for again at once.",
        rules=("short lives are made rarely",),
        replaced=(answers(f"{_LIMITS}:_churn", list),),
        look=Look(odds=NO_FAULTS, jobs_per_day=1_500, fleet=_short_lives),
    ),
    Mutant(
        guard="reasons of actions",
        removes="Rows of workers do not say why.",
        rules=("every action has a reason",),
        replaced=(answers("herder.engine.memory.dirty_rows:reason_data", dict),),
    ),
)
