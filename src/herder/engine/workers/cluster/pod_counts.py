"""Bound pods of the groups that rules of pending pods name, by worker and by zone: for the observation. Called by `control/planning/observation`."""

from dataclasses import replace

from herder.engine.memory.state import EngineState
from herder.model.work.apart import GroupCount, Topology


def pods_counted(state: EngineState) -> tuple[GroupCount, ...]:
    """As the clusters were seen last. Nodes that are no workers are left out: nothing is placed there."""
    found = [
        replace(each, cluster=name)
        for name, life in sorted(state.clusters.items())
        for each in life.seen.counted
    ]
    if not found:
        return ()
    workers = {
        (worker.spec.cluster, worker.node.name): str(worker.spec.name)
        for worker in state.workers.values()
        if worker.node is not None
    }
    known = (
        each
        if each.topology is Topology.ZONE
        else replace(each, domain=workers.get((each.cluster, each.domain), ""))
        for each in found
    )
    return tuple(each for each in known if each.domain)
