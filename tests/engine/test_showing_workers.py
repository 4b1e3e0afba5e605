"""A worker is shown to the planner as it is now, also when nothing of it but one thing has changed since the last plan."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields

import pytest

from herder.control.planning.observation import observe
from herder.engine.memory.state import EngineState, WorkerLife
from herder.model.fleet.worker import WorkerSpec, WorkerState
from herder.model.ids import JobId, WorkerName
from herder.model.planning.observed import ObservedWorker
from herder.model.planning.plan import Reason, ReasonKind
from herder.model.values.resources import Resources
from tests.support.engine_world import POOL, T0, TEMPLATE

#: What may change in a worker's life, of that which is shown; what is not named here is fixed when it is claimed.
CHANGES: dict[str, Callable[[WorkerLife], object]] = {
    "state": lambda life: setattr(life, "state", WorkerState.UNHEALTHY),
    "cordoned": lambda life: setattr(life, "cordoned", True),
    "free": lambda life: setattr(life, "free", Resources(1, 2, 3, 0)),
    "free_slots": lambda life: setattr(life, "free_slots", 1),
    "live_attempts": lambda life: life.live.update({JobId(1): None}),  # type: ignore[dict-item]
    "idle_since_ms": lambda life: setattr(life, "idle_since_ms", 77),
    "expires_at_ms": lambda life: setattr(life, "expires_at_ms", 78),
    "ready_at_ms": lambda life: setattr(life, "ready_at_ms", 79),
    "extended": lambda life: setattr(life, "extensions", 1),
    "agent_version": lambda life: setattr(life, "agent_version", "1.2.3"),
    "manual": lambda life: setattr(life, "manual", True),
    "quarantined": lambda life: setattr(life.health, "quarantined_at_ms", 80),
}
FIXED = {"spec", "requested_at_ms"}
#: Shown only where the settings of the pool ask for it: what runs, made anew for each plan, and what agents measured.
ASKED_FOR = {"running", "use"}
#: Follows from the extensions and the limits of the pool.
DERIVED = {"extendable"}


def small_fleet() -> tuple[EngineState, WorkerLife]:
    spec = WorkerSpec(
        name=WorkerName("std-1-1"),
        pool=POOL.name,
        template=TEMPLATE.name,
        driver=POOL.driver,
        allocatable=TEMPLATE.allocatable,
        slots=TEMPLATE.slots,
        price_pico_per_hour=TEMPLATE.price_pico_per_hour,
    )
    life = WorkerLife(
        spec=spec,
        state=WorkerState.READY,
        requested_at_ms=T0,
        reason_made=Reason(kind=ReasonKind.REQUESTED, text="a test"),
        free=spec.allocatable,
        free_slots=spec.slots,
        idle_since_ms=T0,
    )
    return EngineState(pools={POOL.name: POOL}, workers={spec.name: life}), life


def test_each_thing_that_is_shown_is_known_to_change_or_not() -> None:
    assert {each.name for each in fields(ObservedWorker)} == {*CHANGES, *FIXED, *ASKED_FOR, *DERIVED}


@pytest.mark.parametrize("thing", CHANGES)
def test_a_change_is_seen_at_once(thing: str) -> None:
    state, life = small_fleet()
    [before] = observe(state, T0).workers
    assert observe(state, T0 + 1).workers[0] is before
    CHANGES[thing](life)
    [after] = observe(state, T0 + 2).workers
    different = {
        each.name for each in fields(after) if getattr(before, each.name) != getattr(after, each.name)
    }
    assert different == {thing}


def test_the_last_extension_is_seen_at_once() -> None:
    state, life = small_fleet()
    life.expires_at_ms = T0 + 1_000
    assert observe(state, T0).workers[0].extendable
    life.extensions = POOL.lifetime.extensions_max
    assert not observe(state, T0 + 1).workers[0].extendable
