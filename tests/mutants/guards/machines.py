"""Mutants of machines and providers: intents, looks after unknown outcomes, removals, sweeps and their brake."""

from dataclasses import replace
from typing import Any

from herder.simulate.chaos.fleet import Fleet
from tests.mutants.guards.planner import hasty
from tests.mutants.mutant import NO_FAULTS, Look, Mutant, answers, answers_later, constant, replaced

_RECONCILIATION = "herder.control.drivers.reconciliation"
_UNKNOWN = "herder.control.drivers.unknown_machines"
_MACHINES = "herder.control.drivers.machines"


def _calls_at_once(_make: Any) -> Any:
    from herder.control.drivers import machines
    from herder.control.kernel.secret_tokens import derived_token, hash_token
    from herder.engine.workers import worker as life
    from herder.model.fleet.driver import StartData
    from herder.model.fleet.worker import WorkerState
    from herder.model.stored.changes import Changes

    async def make(core: Any, worker: Any, pauses: Any) -> None:
        name, resumed = worker.spec.name, worker.state is not WorkerState.REQUESTED
        token = derived_token(core.settings.secret, f"activation/{name}")
        core.directory.activations[hash_token(token)] = name
        life.provisioning(core.state, worker, hash_token(token))
        core.commit(Changes())  # and nobody waits for it
        start = StartData(
            server_url=core.settings.server_url,
            activation_token=token,
            self_delete_after_s=core.settings.self_delete_after_s,
        )
        await machines.make(core, worker, start, pauses, resumed=resumed)

    return make


def _never_looks(failed: Any) -> Any:
    from herder.model.fleet.driver import OutcomeUnknown

    async def creation_failed(core: Any, worker: Any, making: Any, error: Any, pauses: Any) -> bool:
        over = bool(await failed(core, worker, making, error, pauses))
        if isinstance(error, OutcomeUnknown):
            making.look = making.unsure = False
        return over

    return creation_failed


def _never_resumed(make: Any) -> Any:
    async def anew(core: Any, worker: Any, start: Any, pauses: Any, *, resumed: bool) -> None:
        del resumed
        await make(core, worker, start, pauses, resumed=False)

    return anew


def _asked_is_gone(_remove: Any) -> Any:
    from herder.control.drivers import calling, machines
    from herder.model.fleet.driver import DriverError, NotFound

    async def remove(core: Any, worker: Any, pauses: Any) -> None:
        while True:
            try:
                await calling.delete(core, worker.spec.driver, worker.spec.name)
            except NotFound:
                break
            except DriverError as error:
                await pauses.retry(error)
            else:
                break
        await machines._gone(core, worker)

    return remove


def _broken_is_nothing(_broke: Any) -> Any:
    from herder.control.drivers import machines

    return machines._failed


def _once(missed: Any) -> Any:
    def after_one_listing(self: Any, worker: Any, machine: Any, complete: bool, began_ms: int) -> bool:
        if missed(self, worker, machine, complete, began_ms):
            return True
        return machine is None and worker.spec.name in self.absent

    return after_one_listing


def _partial_is_complete(missed: Any) -> Any:
    return lambda self, worker, machine, _complete, began_ms: missed(self, worker, machine, True, began_ms)


def _at_once(fleet: Fleet) -> Fleet:
    """Providers that say that a machine runs as soon as it was asked for."""
    return replace(
        fleet, providers={name: replace(each, create_s=0.0) for name, each in fleet.providers.items()}
    )


def slowly(fleet: Fleet) -> Fleet:
    """Providers that take a minute for a machine."""
    return replace(
        fleet, providers={name: replace(each, create_s=60.0) for name, each in fleet.providers.items()}
    )


def slow_removals(fleet: Fleet) -> Fleet:
    return replace(
        fleet, providers={name: replace(each, delete_s=300.0) for name, each in fleet.providers.items()}
    )


def _patient(fleet: Fleet) -> Fleet:
    """Only the sweep notices within hours that a machine is gone."""
    return replace(
        fleet,
        pools=tuple(
            replace(pool, lifetime=replace(pool.lifetime, dead_after_s=20_000.0, boot_timeout_s=20_000.0))
            for pool in fleet.pools
        ),
    )


#: Creations that are refused are refused for want of capacity.
_SHORT = constant("herder.simulate.chaos.ports.calls:CAPACITY_PART", 1.0)
_CALLS = Look(odds={"calls": 0.3})
_DENIED = Look(odds={"machine_denied": 0.1})

MACHINES = (
    Mutant(
        guard="intent before the call",
        removes="A provider is asked for a machine before its row is durable.",
        rules=("a machine has its row first",),
        replaced=(replaced("herder.control.loops.launch:_make", _calls_at_once),),
        look=Look(odds={"store_slow": 0.3}),
    ),
    Mutant(
        guard="look after an unknown outcome",
        removes="After a creation whose outcome is unknown nobody looks whether there is a machine.",
        rules=("a closed row has no machine",),
        replaced=(replaced(f"{_MACHINES}:_creation_failed", _never_looks),),
        look=_CALLS,
    ),
    Mutant(
        guard="look after a restart",
        removes="A creation that an earlier server began is begun anew without a look.",
        rules=("a closed row has no machine",),
        replaced=(replaced(f"{_MACHINES}:make", _never_resumed), _SHORT),
        look=Look(
            odds={"calls": 0.5, "server_crash": 0.006}, jobs_per_day=5_000, intensity=5.0, fleet=slowly
        ),
    ),
    Mutant(
        guard="deletion of what may be left",
        removes="A creation that broke off is closed at once, whatever is left of it.",
        rules=("a closed row has no machine",),
        replaced=(replaced(f"{_MACHINES}:_broke", _broken_is_nothing),),
        look=Look(odds={"machine_halted": 0.1}, fleet=slowly),
    ),
    Mutant(
        guard="removal over when the driver says so",
        removes="A row is closed when the removal of its machine was asked for.",
        rules=("a closed row has no machine",),
        replaced=(replaced(f"{_MACHINES}:remove", _asked_is_gone),),
    ),
    Mutant(
        guard="two listings",
        removes="A worker is taken for gone after one listing without it.",
        rules=("no worker is gone while its machine exists",),
        replaced=(replaced(f"{_RECONCILIATION}:Comparison._missed", _once),),
        look=_DENIED,
    ),
    Mutant(
        guard="complete listings",
        removes="A listing that is not complete counts as one that is.",
        rules=("no worker is gone while its machine exists",),
        replaced=(replaced(f"{_RECONCILIATION}:Comparison._missed", _partial_is_complete),),
        look=Look(odds={"machine_denied": 0.4, "listing_partial": 0.3}),
    ),
    Mutant(
        guard="confirmation of a loss",
        removes="A provider is not asked for the worker alone before it is taken for gone.",
        rules=("no worker is gone while its machine exists",),
        replaced=(answers_later(f"{_RECONCILIATION}:Comparison._confirmed", lambda: True),),
        look=Look(odds={"listing_stale": 0.02}),
    ),
    Mutant(
        guard="heard since",
        removes="A worker that calls is taken for gone all the same when its provider says so.",
        rules=("no worker is gone while it calls",),
        replaced=(answers(f"{_RECONCILIATION}:Comparison._heard_since", lambda: False),),
        # Whoever lives calls between two listings: heartbeats come each minute.
        look=Look(odds={**NO_FAULTS, "all_denied": 0.03}, core_settings={"sweep_period_s": 110.0}),
    ),
    Mutant(
        guard="time for new machines to be listed",
        removes="A machine that was made a moment ago has to be listed at once.",
        rules=("no worker is gone while its machine exists",),
        replaced=(constant(f"{_RECONCILIATION}:NEW_MACHINE_MS", 0),),
        look=Look(
            odds={**NO_FAULTS, "listing_lags": 0.02},
            jobs_per_day=6_000,
            core_settings={"sweep_period_s": 3.0},
            fleet=lambda fleet: hasty(_at_once(fleet)),
        ),
    ),
    Mutant(
        guard="time for removed machines to be listed",
        removes="A machine that was removed a moment ago and is listed still counts as unknown.",
        rules=("no driver is frozen for nothing",),
        replaced=(constant(f"{_UNKNOWN}:LATE_LISTING_MS", 0),),
        look=Look(
            odds={**NO_FAULTS, "listing_late": 0.1},
            core_settings={"sweep_period_s": 5.0, "removals_least": 1, "removals_part": 0.01},
            fleet=hasty,
            workers=30,
            jobs_per_day=3_000,
        ),
    ),
    Mutant(
        guard="brake of the sweep",
        removes="A sweep closes as many workers as a provider denies to have.",
        rules=("a provider that lies costs few workers",),
        replaced=(
            answers(f"{_RECONCILIATION}:Comparison._room", lambda: 100),
            answers(f"{_RECONCILIATION}:Comparison._bound", lambda: 100),
        ),
        look=Look(odds={"all_denied": 0.005, "machine_lost": 0}),
    ),
    Mutant(
        guard="sweep of rows without machines",
        removes="No sweep looks for workers whose machine is gone.",
        rules=("no row is left over",),
        replaced=(answers_later(f"{_RECONCILIATION}:Comparison._lost", list),),
        look=Look(fleet=_patient, odds={"machine_lost": 0.01, "server_crash": 0}),
    ),
    Mutant(
        guard="sweep of machines without rows",
        removes="No sweep looks for machines that no row knows.",
        rules=("no machine is left over", "the fleet reaches what the policy wants"),
        replaced=(answers(f"{_UNKNOWN}:due", list),),
        look=Look(odds={"all_denied": 0.003}, days=0.08),
    ),
)
