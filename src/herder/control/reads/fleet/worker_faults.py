"""Which live workers a person should look at. Called for lists of workers; from memory only."""

from herder.control.kernel.bounds.errors import Invalid
from herder.control.kernel.core import Core
from herder.engine.attempts.worker_health import health_of
from herder.engine.memory.state import WorkerLife
from herder.engine.workers.creation import creation_of
from herder.engine.workers.draining.drain_texts import drain_word
from herder.model.fleet.worker import Health, WorkerState


def has_fault(core: Core, worker: WorkerLife) -> bool:
    """Not healthy, interrupted by its provider, drained beyond its deadline, or created only after failed calls."""
    if worker.state is WorkerState.UNHEALTHY or worker.health.notice is not None:
        return True
    if worker.state.in_flight:
        return creation_of(worker).tries > 0
    health, _ = health_of(worker, core.clock.now_ms())
    return health not in (None, Health.HEALTHY) or drain_word(core.state, worker) == "blocked"


def refuse_past_faults(state: str | None, ended: bool, faults: bool) -> None:
    """Raises Invalid: what has ended has no fault any more."""
    if faults and (ended or state in (WorkerState.TERMINATED, WorkerState.FAILED)):
        raise Invalid(
            "Only live workers are asked for their faults.",
            field="faults",
            hint="Workers that could not be created have the state failed: ask for that state.",
        )
