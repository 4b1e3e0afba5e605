"""Mutants of creations: places and pauses at a driver, tries, the operation that a restart goes on with, and the order of states."""

from dataclasses import replace
from typing import Any

from herder.simulate.chaos.faults.kinds import CALL_FAULTS, Fault
from herder.simulate.chaos.fleet import Fleet
from tests.mutants.guards.machines import slowly
from tests.mutants.mutant import NO_FAULTS, Look, Mutant, answers, constant, replaced

_TURNS = "herder.control.drivers.turns"
_MACHINES = "herder.control.drivers.machines"


def _any_number(limits_of: Any) -> Any:
    return lambda core, name: replace(limits_of(core, name), parallel_creates=10**6)


def _not_counted(tried: Any) -> Any:
    def forgets(state: Any, worker: Any, next_ms: int) -> int:
        count = tried(state, worker, next_ms)
        if worker.creation is not None:
            worker.creation = replace(worker.creation, tries=0)
        return int(count)

    return forgets


def _at_once(may_create: Any) -> Any:
    async def may(core: Any, worker: Any, making: Any, pauses: Any) -> bool:
        making.again_ms = 0
        return bool(await may_create(core, worker, making, pauses))

    return may


def _without_operations(recover: Any) -> Any:
    def forgets(*args: Any, **named: Any) -> Any:
        state, directory, unswept = recover(*args, **named)
        for worker in state.workers.values():
            worker.operation = ""
        return state, directory, unswept

    return forgets


def _joins_anew(provisioned: Any) -> Any:
    from herder.model.fleet.worker import WorkerState

    def forgets_that_it_joined(state: Any, changes: Any, worker: Any, handle: str, now_ms: int) -> None:
        provisioned(state, changes, worker, handle, now_ms)
        if not worker.state.leaving and not worker.state.ended:
            worker.state = WorkerState.JOINING

    return forgets_that_it_joined


def _soon_up(fleet: Fleet) -> Fleet:
    """Agents that call seconds after their machine was made."""
    return replace(
        fleet, providers={name: replace(each, boot_s=2.0) for name, each in fleet.providers.items()}
    )


_NOT_LATE = frozenset(f"call {each.value}" for each in CALL_FAULTS if each is not Fault.LATE)
_CALLS = "herder.simulate.chaos.ports.calls"
#: Calls that fail do so in a way that may pass.
_PASSING = (constant(f"{_CALLS}:CAPACITY_PART", 0.0), constant(f"{_CALLS}:CALL_FAULTS", (Fault.REFUSED,)))
_FAILING = Look(odds={**NO_FAULTS, "calls": 0.7}, jobs_per_day=4_000)

CREATIONS = (
    Mutant(
        guard="parallel creations",
        removes="A driver makes any number of machines at a time.",
        rules=("few machines are made at a time",),
        replaced=(replaced("herder.control.drivers.calling:limits_of", _any_number),),
        look=Look(odds=NO_FAULTS, jobs_per_day=20_000, workers=50, fleet=slowly),
    ),
    Mutant(
        guard="places of creations under way",
        removes="A creation that is under way holds no place.",
        rules=("few machines are made at a time",),
        replaced=(answers("herder.engine.workers.creation:under_way", lambda: False),),
        look=Look(odds=NO_FAULTS, jobs_per_day=20_000, workers=50, fleet=slowly),
    ),
    Mutant(
        guard="pause between starts",
        removes="Machines are asked for one right after the other.",
        rules=("starts keep their distance",),
        replaced=(answers(f"{_TURNS}:pause_left_ms", lambda: 0),),
        look=Look(odds=NO_FAULTS, jobs_per_day=20_000, workers=50),
    ),
    Mutant(
        guard="pause after a start of the server",
        removes="A server that starts asks for machines at once, whatever the one before did a moment ago.",
        rules=("starts keep their distance",),
        replaced=(answers(f"{_TURNS}:after_start", lambda: None),),
        look=Look(
            odds={**NO_FAULTS, "crash_at_effect": 0.02, "machine_lost": 0.05},
            jobs_per_day=20_000,
            workers=50,
        ),
    ),
    Mutant(
        guard="tries of a creation",
        removes="A creation that fails is tried until its time is over.",
        rules=("creations are tried a few times",),
        replaced=(replaced("herder.engine.workers.creation:tried", _not_counted), *_PASSING),
        look=_FAILING,
    ),
    Mutant(
        guard="pause between tries",
        removes="A creation that failed is tried again at once.",
        rules=("tries keep their distance",),
        replaced=(replaced(f"{_MACHINES}:_may_create", _at_once), *_PASSING),
        look=_FAILING,
    ),
    Mutant(
        guard="operation read at start",
        removes="A start forgets the operations of creations that are under way.",
        rules=("a creation is followed by its operation",),
        replaced=(replaced("herder.control.recovery.recover:recover", _without_operations),),
        look=Look(odds={"server_crash": 0.01}, jobs_per_day=5_000, fleet=slowly),
    ),
    Mutant(
        guard="order of states",
        removes="A worker that has joined already joins anew when its driver says that the machine runs.",
        rules=("only legal transitions",),
        replaced=(replaced("herder.engine.workers.worker:provisioned", _joins_anew),),
        look=Look(odds={**NO_FAULTS, "calls": 0.5}, without=_NOT_LATE, jobs_per_day=5_000, fleet=_soon_up),
    ),
)
