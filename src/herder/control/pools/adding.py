"""Adding workers to a pool by hand: which offers, whether limits and budgets allow it, and the plan of it. Called by the API; a dry run changes
nothing.
"""

import dataclasses
from collections import Counter
from collections.abc import Sequence
from math import inf

from herder.control.access.access_check import FLEET, check
from herder.control.budgets.worker_leases import check_paid
from herder.control.kernel.bounds.errors import Conflict, Invalid
from herder.control.kernel.bounds.limits import check_message, check_word
from herder.control.kernel.core import Core
from herder.control.planning.observation import observe
from herder.control.planning.plans import apply_plan, paid_plan, record_plan
from herder.control.pools import safety
from herder.control.pools.growth import check_growth
from herder.control.pools.pool_actions import pool_named
from herder.decide.scaling.offers.backoff import cheapest_first, offer_limits
from herder.decide.scaling.offers.worker_specs import worker_spec
from herder.decide.scaling.snapshot import snapshot_of
from herder.model.fleet.lifetime import TTL_SHORTEST_S, lifetime_ms
from herder.model.fleet.offer import Offer, OfferName, offers_of
from herder.model.fleet.pool import PoolSpec, Template
from herder.model.ids import PlanNumber
from herder.model.permissions import Action, Principal
from herder.model.planning.plan import CreateWorker, Plan, PoolReport, Reason, ReasonKind
from herder.model.stored.changes import Changes
from herder.model.values.money import usd_text
from herder.model.values.phrases import counted
from herder.settings.schedule_windows import pool_in_force
from herder.settings.syntax.durations import LONGEST_S, format_duration
from herder.wire.api.resources import (
    PlannedWorkers,
    ReasonView,
    ScaleAnswer,
    ScaleRequest,
)

TTL_LONGEST_S = LONGEST_S


def scale(
    core: Core,
    who: Principal,
    name: str,
    request: ScaleRequest,
    changes: Changes,
    now_ms: int,
    *,
    dry_run: bool,
) -> ScaleAnswer:
    """Make `workers` more, that live for the given time and are not taken away for being idle."""
    check(who, Action.CHANGE, FLEET)
    check_message(request.reason, "reason")
    check_word(request.template, "template")
    pool = pool_named(core, name)
    template = template_named(pool, request.template)
    ttl_s = request.ttl_s if request.ttl_s is not None else pool.lifetime.ttl_s
    _check_scale(core, pool_in_force(pool, now_ms), request, ttl_s)
    number = PlanNumber(core.state.next_plan)
    text = request.reason or f"{who.user} requested {counted(request.workers, 'more worker')}."
    reason = Reason(kind=ReasonKind.REQUESTED, text=text, evidence=(("workers", request.workers),))
    offers = _offers(core, template, pool, request.workers, now_ms)
    life = core.state.bootstraps.get(pool.bootstrap)
    known = dataclasses.replace(pool, bootstrap_fingerprint="" if life is None else life.fingerprint)
    specs = [worker_spec(known, offer, number, ordinal, text) for ordinal, offer in enumerate(offers, 1)]
    check_paid(core, specs, "workers", otherwise="request fewer workers")
    jitter = pool.lifetime.ttl_jitter
    actions = tuple(
        CreateWorker(
            spec=spec,
            expires_at_ms=None if ttl_s is None else now_ms + lifetime_ms(ttl_s, jitter, spec.name),
            reason=reason,
        )
        for spec in specs
    )
    if not dry_run:
        actual = sum(1 for worker in core.state.workers.values() if worker.spec.pool == pool.name)
        report = PoolReport(
            pool=pool.name,
            actual=actual,
            in_flight=0,
            desired=actual + request.workers,
            queued_jobs=0,
            reasons=(reason,),
        )
        plan = Plan(number=number, made_at_ms=now_ms, actions=actions, pools=(report,))
        record_plan(core.state, changes, paid_plan(core, changes, plan, now_ms))
        apply_plan(core, changes, plan, now_ms, manual=True, actor=who.actor)
        core.workers_changed.set()
    return ScaleAnswer(
        pool=pool.name,
        workers=[action.spec.name for action in actions],
        plan=None if dry_run else number,
        dry_run=dry_run,
        reasons=[ReasonView(kind=reason.kind, text=reason.text, evidence=dict(reason.evidence))],
        checks=safety.checks_of_adding(core, pool_in_force(pool, now_ms), offers, actions, ttl_s, now_ms)
        if dry_run
        else [],
        offers=_planned(offers) if dry_run else [],
    )


def _planned(offers: Sequence[Offer]) -> list[PlannedWorkers]:
    counts = Counter(offer.id for offer in offers)
    return [
        PlannedWorkers(
            template=each.name,
            zone=each.zone,
            spot=each.spot,
            workers=counts[each.id],
            price_per_hour_usd=usd_text(each.price_pico_per_hour),
        )
        for each in {offer.id: offer for offer in offers}.values()
    ]


def _offers(core: Core, template: Template, pool: PoolSpec, workers: int, now_ms: int) -> list[Offer]:
    """For each worker the cheapest offer that the planner may use now; if there is none, the cheapest whose zone is below its limit.
    Raises Conflict when all zones are at their limits."""
    view = next(
        view for view in snapshot_of(observe(core.state, now_ms), now_ms).pools if view.spec.name == pool.name
    )
    limits = offer_limits(view, now_ms)
    offers = sorted(offers_of(template), key=lambda offer: (offer.price_pico_per_hour, offer.id))
    exist = Counter(worker.spec.offer for worker in view.workers)
    used: Counter[OfferName] = Counter()
    found = list[Offer]()
    for _ in range(workers):
        ranked = [room.offer for room in cheapest_first(view, limits, used)]
        free = [each for each in offers if each.most is None or exist[each.id] + used[each.id] < each.most]
        if not free:
            raise Conflict(
                f"Template {template.name} of pool {pool.name} is at the limits of its zones with {counted(len(found), 'more worker')}.",
                hint="Raise max_workers of a zone, or ask for fewer workers.",
            )
        offer = min(free, key=lambda each: ranked.index(each.id) if each.id in ranked else len(ranked))
        used[offer.id] += 1
        found.append(offer)
    return found


def template_named(pool: PoolSpec, wanted: str | None) -> Template:
    if wanted is None:
        if not pool.templates:
            raise Conflict(f"Pool {pool.name} has no template.")
        return min(pool.templates, key=lambda template: (_least_price(template), template.name))
    for template in pool.templates:
        if template.name == wanted:
            return template
    names = ", ".join(template.name for template in pool.templates)
    raise Invalid(
        f"Pool {pool.name} has no template {wanted!r}.",
        field="template",
        hint=f"Its templates are {names}." if names else "It has no templates.",
    )


def _least_price(template: Template) -> float:
    """Of its offers: with spot, that of spot. Infinite: it has none."""
    return min((offer.price_pico_per_hour for offer in offers_of(template)), default=inf)


def _check_scale(core: Core, pool: PoolSpec, request: ScaleRequest, ttl_s: float | None) -> None:
    if request.workers < 1:
        raise Invalid(
            "workers must be at least 1.",
            field="workers",
            hint="To remove workers, run `herder worker remove`.",
        )
    if ttl_s is not None and not 0 < ttl_s <= TTL_LONGEST_S:
        longest = format_duration(TTL_LONGEST_S)
        raise Invalid(f"A time to live must be more than 0s and at most {longest}.", field="ttl_s")
    if request.ttl_s is not None and request.ttl_s < TTL_SHORTEST_S:
        shortest = format_duration(TTL_SHORTEST_S)
        raise Invalid(
            f"The time to live {format_duration(request.ttl_s)} is below the minimum of {shortest}.",
            field="ttl_s",
            hint=f"Request {shortest} or more, usually hours.",
        )
    if ttl_s is not None and pool.lifetime.ttl_max_s is not None and ttl_s > pool.lifetime.ttl_max_s:
        raise Invalid(
            f"The time to live {format_duration(ttl_s)} is above ttl_max of pool {pool.name}.",
            field="ttl_s",
            hint=f"Request at most {format_duration(pool.lifetime.ttl_max_s)}.",
        )
    for driver in pool.drivers:
        driver_frozen = core.state.frozen_drivers.get(driver)
        if driver_frozen is not None:
            raise Conflict(driver_frozen.reason, hint="`herder driver list` shows the state of each driver.")
    life = core.state.bootstraps.get(pool.bootstrap)
    if life is not None and life.refused:
        raise Conflict(life.refused, hint=f"Run `herder bootstrap check {pool.bootstrap}`.")
    check_growth(core, pool, request.workers, "workers")
