"""The time for which a machine existed. Recorded once when a worker ends (`engine/workers/worker.py`), and computed for live workers
when their cost is shown.
"""

from herder.engine.memory.state import WorkerLife
from herder.model.work.usage import MachineUsage


def machine_usage(worker: WorkerLife, now_ms: int) -> MachineUsage | None:
    """From the moment the machine existed until it was gone (or now). None: the claim never became one."""
    if worker.provisioned_at_ms is None:
        return None
    until_ms = now_ms if worker.ended_at_ms is None else worker.ended_at_ms
    return MachineUsage(worker.machine, worker.provisioned_at_ms, until_ms, worker.ready_at_ms)
