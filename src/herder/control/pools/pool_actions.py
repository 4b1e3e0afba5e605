"""Actions on pools: apply, scale, freeze, delete. Called by the API; dry runs change nothing."""

import dataclasses
import json
from collections.abc import Sequence
from typing import Any

from herder.control.access.access_check import FLEET, check
from herder.control.budgets import settings as budgets
from herder.control.budgets.outlook import outlooks
from herder.control.budgets.subjects import Beside, check_subjects, what_is_removed
from herder.control.kernel.bounds.errors import Invalid, NotKnown
from herder.control.kernel.bounds.limits import check_message, check_settings
from herder.control.kernel.core import Core
from herder.control.pools import sharing
from herder.control.pools.pool_checks import has_bootstrap, has_cluster, has_driver, keep_membership
from herder.control.pools.prices import fleet_prices, rates_of
from herder.control.pools.provider_changes import provider_changes
from herder.engine.memory.events import record_event
from herder.engine.workers.offers import forget_changed
from herder.engine.workers.worker import drain
from herder.model.fleet.pool import PoolSpec, PriceSource, with_prices_of
from herder.model.ids import PoolName
from herder.model.permissions import Action, Kind, Principal, Thing
from herder.model.planning.plan import Reason, ReasonKind
from herder.model.stored.changes import Changes
from herder.model.stored.records import PoolRecord
from herder.model.values.phrases import counted, sentences
from herder.settings import SettingsError, faults_of, pool_from_plain, pool_to_plain
from herder.store.rows.versions import stamped
from herder.wire.api.resources import (
    ApplyAnswer,
    ApplyChange,
    ApplyRequest,
    Result,
)

#: Pools of one server: each costs a little in every cycle.
POOLS_MAX = 1_000
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
