"""Results of creations by offer: kept in memory, written with the change that caused them, and recorded as an event when a person must
act.

Called by `worker.py`. `model/fleet/offer.py` has the arithmetic; the planner reads the outcome. One row for each offer, in `meta`.
"""

import json
from dataclasses import replace

from herder.engine.memory.events import record_event
from herder.engine.memory.state import EngineState, WorkerLife
from herder.model.fleet.offer import FailureCause, OfferKey, OfferMemory, offers_of
from herder.model.fleet.pool import PoolSpec, Template
from herder.model.fleet.worker import WorkerSpec
from herder.model.ids import PoolName
from herder.model.stored.changes import Changes
from herder.model.stored.records import MetaRecord
from herder.model.values.money import PicoUsd
from herder.model.values.phrases import sentences

#: Rows of `meta` whose keys begin so hold the memory of one offer each.
META_PREFIX = "offer/"
#: Causes that waiting does not remove: an alert event is recorded.
_ALERTS = {
    FailureCause.INVALID_REQUEST: ("offer.invalid", "Correct the template"),
    FailureCause.QUOTA_EXCEEDED: ("pool.quota_exceeded", "Raise the quota or lower max_workers"),
}


def made(state: EngineState, changes: Changes, spec: WorkerSpec, now_ms: int) -> None:
    """The driver made it. Whether it boots is another matter: a series of failed boots goes on until one succeeds."""
    memory = _of(state, spec)
    if memory.cause is not FailureCause.BOOT_TIMEOUT:
        _keep(state, changes, memory.succeeded(now_ms))


def booted(state: EngineState, changes: Changes, spec: WorkerSpec, now_ms: int) -> None:
    memory = _of(state, spec)
    if memory.cause is FailureCause.BOOT_TIMEOUT:
        _keep(state, changes, memory.succeeded(now_ms))


def failed(
    state: EngineState, changes: Changes, worker: WorkerLife, cause: FailureCause, text: str, now_ms: int
) -> None:
    before = _of(state, worker.spec)
    _keep(state, changes, before.failed(cause, now_ms, requested_at_ms=worker.requested_at_ms))
    alert = _ALERTS.get(cause)
    if alert is not None and before.cause is not cause:  # once for each series
        kind, remedy = alert
        pool, template = worker.spec.pool, before.key.name
        told = sentences(
            f"Template {template} of pool {pool}: {text}",
            remedy,
            "It is tried again later, at growing intervals",
        )
        data: dict[str, object] = {
            "template": template.template,
            "zone": template.zone,
            "spot": template.spot,
            "driver": worker.spec.driver,
            "cause": cause.value,
        }
        record_event(state, changes, now_ms, kind, f"pool/{pool}", told, data=data)


def clock_set(state: EngineState, changes: Changes, by_ms: int) -> None:
    """The clock was set by so much: an offer rests as long as it was to."""
    for memory in list(state.offers.values()):
        failed_at_ms = memory.failed_at_ms and memory.failed_at_ms + by_ms
        moved = replace(memory, as_of_ms=memory.as_of_ms + by_ms, failed_at_ms=failed_at_ms)
        _keep(state, changes, moved)


def capacity_freed(state: EngineState, changes: Changes, spec: WorkerSpec) -> None:
    """A worker that was drained to make room has gone: those for whom it was done try again now."""
    for key, memory in sorted(state.offers.items()):
        pool = state.pools.get(key.pool)
        near = not key.zone or not spec.zone or key.zone == spec.zone
        short = memory.cause is FailureCause.OUT_OF_CAPACITY and not key.spot
        if pool is not None and pool.scale_up.preempts_spot and key.driver == spec.driver and near and short:
            _keep(state, changes, memory.due())


def credentials_renewed(state: EngineState, changes: Changes, driver: str) -> None:
    """What rested because the driver's credentials were refused is tried now."""
    for key, memory in sorted(state.offers.items()):
        if key.driver == driver and memory.cause is FailureCause.UNAUTHORISED:
            _keep(state, changes, memory.due())


def forget_changed(state: EngineState, changes: Changes, pool: PoolName, spec: PoolSpec | None) -> None:
    """Nothing is held against a template that was changed in more than its prices, which say nothing of capacity; `spec` is None when the
    pool goes."""
    old = state.pools.get(pool)
    kept = (
        set()
        if spec is None
        or old is None
        or spec.driver != old.driver
        or spec.driver_options != old.driver_options
        else set(map(_without_prices, old.templates)) & set(map(_without_prices, spec.templates))
    )
    names = {template.name for template in kept}
    for key in [key for key in state.offers if key.pool == pool and key.template not in names]:
        del state.offers[key]
        changes.put(MetaRecord(_meta_key(key), ""))


def _without_prices(template: Template) -> Template:
    zones = tuple(
        replace(zone, price_pico_per_hour=None, spot_price_pico_per_hour=None) for zone in template.zones
    )
    return replace(
        template,
        price_pico_per_hour=PicoUsd(0),
        spot_price_pico_per_hour=None,
        max_spot_price_pico_per_hour=None,
        zones=zones,
    )


def from_meta(key: str, value: str) -> OfferMemory | None:
    """A stored memory; None for one that was forgotten."""
    if not key.startswith(META_PREFIX) or not value:
        return None
    plain = json.loads(value)
    cause = plain.pop("cause")
    return OfferMemory(
        key=OfferKey(**plain.pop("key")), cause=None if cause is None else FailureCause(cause), **plain
    )


def _of(state: EngineState, spec: WorkerSpec) -> OfferMemory:
    key = spec.offer_key
    return state.offers.get(key) or OfferMemory(key=key)


def _keep(state: EngineState, changes: Changes, memory: OfferMemory) -> None:
    key = memory.key
    pool = state.pools.get(key.pool)
    if pool is None or not pool.creates(key.template, key.driver):
        return  # of a pool, a template or its driver of before: bounded by what is configured
    if all(offer.id != key.name for template in pool.templates for offer in offers_of(template)):
        return  # of an offer that is no more
    state.offers[key] = memory
    changes.put(row_of(memory))


def row_of(memory: OfferMemory) -> MetaRecord:
    key = memory.key
    plain = {
        "key": {
            "pool": key.pool,
            "template": key.template,
            "driver": key.driver,
            "zone": key.zone,
            "spot": key.spot,
        },
        "successes": memory.successes,
        "failures": memory.failures,
        "as_of_ms": memory.as_of_ms,
        "failed_in_row": memory.failed_in_row,
        "failed_at_ms": memory.failed_at_ms,
        "cause": None if memory.cause is None else memory.cause.value,
    }
    return MetaRecord(_meta_key(key), json.dumps(plain, separators=(",", ":")))


def _meta_key(key: OfferKey) -> str:
    return f"{META_PREFIX}{key.pool}/{key.template}/{key.driver}/{key.zone}/{int(key.spot)}"
