"""What a cluster says of one of its nodes: data only.

Made by a membership whose workers live by a node (`memberships/kubernetes`), kept by `engine/workers/nodes.py`. A node that is not in the
picture is not gone: only a complete, fresh picture without it says that.
"""

from dataclasses import dataclass

from herder.model.fleet.pool import Taint
from herder.model.fleet.pressure import WorkerUse
from herder.model.fleet.repair import Condition
from herder.model.ids import WorkerName
from herder.model.values.resources import Resources


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeCondition:
    """Something that is wrong with it now, in the cluster's words for people."""

    condition: Condition
    since_ms: int
    text: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeSeen:
    """One node. `uid` tells it from a later node of the same name."""

    name: str
    uid: str
    worker: WorkerName | None
    """Which of our workers it is, by its label; None: it is not ours, or does not say so yet."""
    ready: bool | None
    """None: the cluster does not know (its kubelet is silent)."""
    text: str = ""
    """Why it is not ready, for people."""
    cordoned: bool = False
    draining_by_taint: bool = False
    """It carries a taint that evicts pods, set by the cluster itself."""
    created_at_ms: int = 0
    kubelet_version: str = ""
    zone: str = ""
    labels: tuple[tuple[str, str], ...] = ()
    taints: tuple[Taint, ...] = ()
    allocatable: Resources
    requested: Resources
    """By the pods that are bound to it and have not ended."""
    workload_pods: int = 0
    """That have not ended: all but those of DaemonSets and mirrors of static ones."""
    daemon_pods: int = 0
    conditions: tuple[NodeCondition, ...] = ()
    use: WorkerUse | None = None

    @property
    def empty(self) -> bool:
        return self.workload_pods == 0
