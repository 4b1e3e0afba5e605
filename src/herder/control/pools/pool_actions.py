"""Actions on pools: apply, scale, freeze, delete. Called by the API; dry runs change nothing."""

import dataclasses
import json
from collections import Counter
from collections.abc import Sequence
from math import inf
from typing import Any

from herder.control.access.access_check import FLEET, check
from herder.control.budgets import settings as budgets
from herder.control.budgets.outlook import outlooks
from herder.control.budgets.subjects import Beside, check_subjects, what_is_removed
from herder.control.budgets.worker_leases import check_paid
from herder.control.kernel.bounds.errors import Conflict, Invalid, NotKnown
from herder.control.kernel.bounds.limits import check_message, check_settings, check_word
from herder.control.kernel.core import Core
from herder.control.planning.observation import observe
from herder.control.planning.plans import apply_plan, paid_plan, record_plan
from herder.control.pools import safety, sharing
from herder.control.pools.growth import check_growth
from herder.control.pools.pool_checks import has_bootstrap, has_cluster, has_driver, keep_membership
from herder.control.pools.prices import fleet_prices, rates_of
from herder.control.pools.provider_changes import provider_changes
from herder.decide.scaling.offers.backoff import cheapest_first, offer_limits
from herder.decide.scaling.offers.worker_specs import worker_spec
from herder.decide.scaling.snapshot import snapshot_of
from herder.engine.memory.events import record_event
from herder.engine.workers.offers import forget_changed
from herder.engine.workers.worker import drain
from herder.model.fleet.lifetime import TTL_SHORTEST_S, lifetime_ms
from herder.model.fleet.offer import Offer, OfferName, offers_of
from herder.model.fleet.pool import PoolSpec, PriceSource, Template, with_prices_of
from herder.model.ids import PlanNumber, PoolName
from herder.model.permissions import Action, Kind, Principal, Thing
from herder.model.planning.plan import CreateWorker, Plan, PoolReport, Reason, ReasonKind
from herder.model.stored.changes import Changes
from herder.model.stored.records import PoolRecord
from herder.model.values.phrases import counted, sentences
from herder.settings import SettingsError, faults_of, pool_from_plain, pool_to_plain
from herder.settings.schedule_windows import pool_in_force
from herder.settings.syntax.durations import LONGEST_S, format_duration
from herder.store.rows.versions import stamped
from herder.wire.api.resources import (
    ApplyAnswer,
    ApplyChange,
    ApplyRequest,
    ReasonView,
    Result,
    ScaleAnswer,
    ScaleRequest,
)

#: Pools of one server: each costs a little in every cycle.
POOLS_MAX = 1_000
TTL_LONGEST_S = LONGEST_S
#: Of an order that finds what it wants.
NOTHING_CHANGED = "Nothing was changed."


def apply(
    core: Core, who: Principal, request: ApplyRequest, changes: Changes, now_ms: int, *, dry_run: bool
) -> ApplyAnswer:
    """Create or update pools, and how the fleet is shared. All of it or nothing."""
    check(who, Action.CHANGE, FLEET)
    for path, plain in (("pools", request.pools), ("sharing", request.sharing), ("budgets", request.budgets)):
        check_settings(plain, path)
    shared = sharing.wanted(core, request.sharing)
    sharing_changes = sharing.differences(core.sharing, shared)
    wanted = [keep_stored(core, _parse(core, plain, index)) for index, plain in enumerate(request.pools)]
    for pool in wanted:
        _check_bounds(pool)
    check_pools(core, wanted)
    limits = budgets.wanted(core, request.budgets, now_ms)
    if not request.ahead:
        check_subjects(core, limits, Beside(pools=[pool.name for pool in wanted], sharing=shared.sharing))
    limits_changes = budgets.differences(core, limits)
    known = {name: each.spec for name, each in core.budgets.budgets.items() if not each.deleting}
    answers = [_answer(core, pool) for pool in wanted]
    removed = what_is_removed(core.sharing.sharing, shared.sharing, {**known, **limits})
    after = {**core.state.pools, **{pool.name: pool for pool in wanted}}
    if not dry_run:
        sharing.change(core, changes, shared, now_ms, actor=who.actor)
        change_pools(core, changes, wanted, now_ms, actor=who.actor)
        budgets.change(core, changes, limits, now_ms, actor=who.actor)
    least, most = fleet_prices(after.values())
    return ApplyAnswer(
        changes=answers,
        dry_run=dry_run,
        price_per_hour_min_usd=least,
        price_per_hour_max_usd=most,
        sharing=sharing_changes,
        budgets=limits_changes,
        outlook=outlooks(core, rates_of(after.values()), {**known, **limits}, now_ms),
        warnings=removed,
    )


def _check_bounds(pool: PoolSpec) -> None:
    """What the reader of stored pools accepts and nobody should write."""
    for key, message, remedy in faults_of(pool):
        raise Invalid(message, field=f"pools[{pool.name}].{key}", hint=f"{remedy} Nothing was applied.")


def check_pools(core: Core, wanted: Sequence[PoolSpec]) -> None:
    """Raises Refused when they cannot be put in force; nothing is changed."""
    if len({*core.state.pools, *(pool.name for pool in wanted)}) > POOLS_MAX:
        raise Invalid(f"There would be more than {POOLS_MAX} pools, the maximum.", field="pools")
    for index, pool in enumerate(wanted):
        has_driver(core, pool)
        has_cluster(core, pool)
        has_bootstrap(core, pool)
        keep_membership(core, pool, index)


def change_pools(core: Core, changes: Changes, wanted: Sequence[PoolSpec], now_ms: int, *, actor: str) -> int:
    """Put in force those that differ, each with its event; answers how many. They were checked by `check_pools`."""
    changed = 0
    for pool in wanted:
        found = _difference(core.state.pools.get(pool.name), pool)
        if found.change == "unchanged":
            continue
        changed += 1
        store_pool(core, changes, pool, now_ms)
        text = f"Pool {pool.name} was {found.change}."
        fields: dict[str, object] = {"fields": found.fields}
        _event(core, changes, now_ms, f"pool.{found.change}", pool.name, text, actor, fields)
    return changed


def keep_stored(core: Core, pool: PoolSpec) -> PoolSpec:
    """What a file does not say: a pool that was frozen by hand stays so until it is unfrozen by hand, and prices that a provider has reported hold."""
    known = core.state.pools.get(pool.name)
    if known is None:
        return pool
    same = (known.driver, known.driver_options) == (pool.driver, pool.driver_options)
    reported = [each for each in known.templates if same and each.prices is PriceSource.PROVIDER]
    priced = {each.name: each for each in reported}
    templates = tuple(with_prices_of(each, priced.get(each.name)) for each in pool.templates)
    return dataclasses.replace(pool, frozen=pool.frozen or known.frozen, templates=templates)


def _parse(core: Core, plain: dict[str, Any], index: int) -> PoolSpec:
    name = plain.get("name") or index
    try:
        return pool_from_plain(plain, f"pools[{name}]", core.state.resources)
    except SettingsError as error:
        raise Invalid(str(error), field=f"pools[{name}]", hint="Nothing was applied.") from None


def _difference(old: PoolSpec | None, new: PoolSpec) -> ApplyChange:
    if old is None:
        return ApplyChange(pool=new.name, change="created")
    before, after = pool_to_plain(old), pool_to_plain(new)
    fields = {key: (before.get(key), after[key]) for key in after if before.get(key) != after[key]}
    return ApplyChange(pool=new.name, change="updated" if fields else "unchanged", fields=fields)


def _answer(core: Core, pool: PoolSpec) -> ApplyChange:
    """With what it means at the provider."""
    old = core.state.pools.get(pool.name)
    found = _difference(old, pool)
    if found.change != "unchanged":
        found.provider = list(provider_changes(core, old, pool))
    return found


def store_pool(core: Core, changes: Changes, pool: PoolSpec, now_ms: int, *, deleted: bool = False) -> None:
    text = json.dumps(stamped("pool", pool_to_plain(pool)), separators=(",", ":"))
    forget_changed(core.state, changes, pool.name, None if deleted else pool)
    changes.put(PoolRecord(pool.name, text, int(pool.frozen), int(deleted), now_ms))
    if deleted:
        del core.state.pools[pool.name]
        core.state.history.pop(pool.name, None)
    else:
        core.state.pools[pool.name] = pool
    core.raw_classes.clear()
    core.state.fresh_demand = True


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
        checks=safety.checks_of_adding(core, pool_in_force(pool, now_ms), offers, specs, ttl_s, now_ms)
        if dry_run
        else [],
    )


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


_WOULD_FREEZE = {
    True: "Pool {} would be frozen: no workers would be created or removed until it is unfrozen.",
    False: "Pool {} would be unfrozen: workers would be created and removed again.",
}


def set_frozen(
    core: Core,
    who: Principal,
    name: str,
    frozen: bool,
    changes: Changes,
    now_ms: int,
    *,
    message: str = "",
    dry_run: bool = False,
) -> Result:
    check(who, Action.CHANGE, FLEET)
    check_message(message)
    pool = pool_named(core, name)
    verb = "frozen" if frozen else "unfrozen"
    if pool.frozen is frozen:
        text = f"Pool {pool.name} is already frozen." if frozen else f"Pool {pool.name} is not frozen."
        return Result(object=f"pool/{pool.name}", text=sentences(text, NOTHING_CHANGED), dry_run=dry_run)
    if dry_run:
        return Result(object=f"pool/{pool.name}", text=_WOULD_FREEZE[frozen].format(pool.name), dry_run=True)
    store_pool(core, changes, dataclasses.replace(pool, frozen=frozen), now_ms)
    told = message or f"Pool {pool.name} was {verb}."
    _event(core, changes, now_ms, f"pool.{verb}", pool.name, told, who.actor, {})
    return Result(object=f"pool/{pool.name}", text=f"Pool {pool.name} is {verb}.")


def delete(
    core: Core, who: Principal, name: str, changes: Changes, now_ms: int, *, dry_run: bool, message: str = ""
) -> Result:
    """Drain all its workers and forget it. Jobs that name it keep waiting until a pool of that name is back."""
    check(who, Action.REMOVE, Thing(kind=Kind.POOL, name=name))
    check_message(message)
    pool = pool_named(core, name)
    workers = [worker for worker in core.state.workers.values() if worker.spec.pool == pool.name]
    leaving = counted(len(workers), "worker")
    text = f"Pool {pool.name} was deleted; {leaving} {'is' if len(workers) == 1 else 'are'} being drained and removed."
    if dry_run:
        text = f"Pool {pool.name} would be deleted, and {leaving} drained and removed."
    else:
        reason = Reason(
            kind=ReasonKind.POOL_DELETED, text=message or f"Pool {pool.name} was deleted by {who.user}."
        )
        for worker in workers:
            drain(core.state, changes, worker, reason, now_ms, actor=who.actor)
        store_pool(core, changes, pool, now_ms, deleted=True)
        _event(core, changes, now_ms, "pool.deleted", pool.name, text, who.actor, {})
        core.workers_changed.set()
    return Result(object=f"pool/{pool.name}", text=text, dry_run=dry_run)


def pool_named(core: Core, name: str) -> PoolSpec:
    pool = core.state.pools.get(PoolName(name))
    if pool is None:
        known = ", ".join(sorted(core.state.pools))
        raise NotKnown(
            f"There is no pool {name!r}.",
            hint=f"Pools are {known}."
            if known
            else "There are no pools yet; `herder apply -f herder.yaml` creates them.",
        )
    return pool


def _event(
    core: Core,
    changes: Changes,
    now_ms: int,
    kind: str,
    pool: str,
    text: str,
    actor: str,
    data: dict[str, object],
) -> None:
    record_event(core.state, changes, now_ms, kind, f"pool/{pool}", text, actor=actor, data=data)
