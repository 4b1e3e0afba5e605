"""When a worker must be empty before a rung is carried out on it, and when it is. Called by `repair.py`; it decides nothing else."""

from herder.engine.memory.state import WorkerLife
from herder.model.fleet.repair import BOOTS, RESTARTS, Rung


def must_be_empty(worker: WorkerLife, rung: Rung) -> bool:
    """A reboot ends all work; the restart of a node's service ends no pod."""
    node = worker.node
    if node is None:
        return rung in RESTARTS and bool(worker.live)
    if rung in BOOTS:
        node.begin_emptying()
    return rung in BOOTS


def may_act(worker: WorkerLife, *, late: bool, forced: bool) -> bool:
    """Whether the rung that waits can be carried out. Pods of a node that does not answer cannot end, so they are not waited for."""
    node = worker.node
    if node is None:
        return not worker.live
    answers = node.seen is not None and node.seen.ready is True
    return not worker.occupied or (late and (forced or not answers))


def is_over(worker: WorkerLife) -> None:
    """Its rung was carried out or given up: new pods may come, so that nothing is known to be empty any more, unless a drain goes on."""
    node = worker.node
    if node is not None and worker.drain is None and not worker.state.leaving:
        node.begin_emptying()
