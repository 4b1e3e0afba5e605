"""What a cluster says of one of its nodes: data only.

Made by a membership whose workers live by a node (`memberships/kubernetes`), kept by `engine/workers/cluster/nodes.py`. A node that is not in the
picture is not gone: only a complete, fresh picture without it says that.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

from herder.model.fleet.pool import Taint, TaintEffect
from herder.model.fleet.pressure import WorkerUse
from herder.model.fleet.repair import Condition
from herder.model.ids import WorkerName
from herder.model.values.resources import Resources

#: Taints under these names are set by the cluster itself.
CLUSTERS_OWN = ("node.kubernetes.io/", "node.cloudprovider.kubernetes.io/")
#: The mark of a cordon, which `NodeSeen.cordoned` tells.
CORDON_TAINT = "node.kubernetes.io/unschedulable"


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeCondition:
    """Something that is wrong with it now, in the cluster's words for people."""

    condition: Condition
    since_ms: int
    text: str = ""
    count: int = 0
    """Of one that is judged by how often (`repair.COUNTED`)."""


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
    """Why it is not ready, or why nothing fits on it although it is, for people."""
    cordoned: bool = False
    draining_by_taint: bool = False
    """It carries a taint that evicts pods, set by the cluster itself."""
    created_at_ms: int = 0
    kubelet_version: str = ""
    zone: str = ""
    addresses: tuple[str, ...] = ()
    """At which its machine can be reached: those of its own network first."""
    labels: tuple[tuple[str, str], ...] = ()
    taints: tuple[Taint, ...] = ()
    allocatable: Resources
    requested: Resources
    """By the pods that are bound to it and have not ended."""
    workload_pods: int = 0
    """That have not ended: all but those of DaemonSets and mirrors of static ones."""
    daemon_pods: int = 0
    """Those: each takes a place on the node, and none is work."""
    conditions: tuple[NodeCondition, ...] = ()
    use: WorkerUse | None = None

    @property
    def empty(self) -> bool:
        return self.workload_pods == 0

    @property
    def held_by(self) -> str:
        """A taint of the cluster's own that keeps pods away: to join is one thing, to be schedulable another. Empty: none."""
        for taint in self.taints:
            own = taint.key.startswith(CLUSTERS_OWN) and taint.key != CORDON_TAINT
            if own and taint.effect is not TaintEffect.PREFER_NO_SCHEDULE:
                return f"{taint.key}:{taint.effect}"
        return ""


class BlockedBy(StrEnum):
    BUDGET = "budget"
    """A PodDisruptionBudget allows no eviction now."""
    SEVERAL_BUDGETS = "several_budgets"
    """More than one budget selects the pod: the API refuses for ever."""
    FORBIDDEN = "forbidden"
    TERMINATING = "terminating"
    """Evicted, and still there past its grace."""
    UNKNOWN = "unknown"
    """The API answered otherwise: the text says what."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Blocked:
    """One pod that keeps a node from being empty."""

    pod: str
    by: BlockedBy
    text: str
    """A sentence that names the budget or the right."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Emptying:
    """How far a node's emptying is. `left`: workload pods still on it, evicted ones that have not ended included."""

    left: int
    evicted: int = 0
    """By this call."""
    blocked: Sequence[Blocked] = ()
