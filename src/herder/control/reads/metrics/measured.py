"""The measured use of workers, of samples that are not too old to say something about now."""

from collections.abc import Iterable

from herder.engine.memory.state import WorkerLife
from herder.model.fleet.pressure import FRESH_MS, FRESH_ON_NODES_MS, Measured
from herder.model.fleet.worker import WorkerState


def measured(workers: Iterable[WorkerLife], kind: Measured, now_ms: int) -> tuple[int, int]:
    """(used, capacity) of the ready workers with a fresh sample, in thousandths of a core or MiB; (0, 0): none has one."""
    used = capacity = 0
    for worker in workers:
        fresh_ms = FRESH_ON_NODES_MS if worker.spec.cluster else FRESH_MS
        if (
            worker.state is not WorkerState.READY
            or worker.use is None
            or now_ms - worker.use.at_ms > fresh_ms
        ):
            continue
        size = worker.spec.allocatable
        used += worker.use.of(kind)
        capacity += size.cpu_milli if kind is Measured.CPU else size.memory_mib
    return used, capacity
