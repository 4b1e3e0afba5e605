"""How many machines of a driver the sweep may close or remove in a minute without a person, and how many workers that is measured by.

Asked by the sweep (`reconciliation.py`) and where a person's decision ends a freeze (`sweep_decisions.py`). It only counts.
"""

from herder.control.kernel.core import Core
from herder.engine.memory.state import WorkerLife
from herder.model.fleet.worker import WorkerState

#: States in which a machine must be there. Before, it may not have been made yet; after, it may have gone.
EXPECTED = frozenset({WorkerState.JOINING, WorkerState.READY, WorkerState.UNHEALTHY, WorkerState.DRAINING})


def expected_workers(core: Core, driver: str) -> list[WorkerLife]:
    """Those whose machine a complete listing must show."""
    return [
        worker
        for worker in core.state.workers.values()
        if worker.spec.driver == driver and worker.state in EXPECTED
    ]


def removals_most(core: Core, fleet: int) -> int:
    """Of a driver with so many expected workers."""
    return max(core.settings.removals_least, int(fleet * core.settings.removals_part))
