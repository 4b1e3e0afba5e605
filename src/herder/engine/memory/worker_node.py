"""What the engine remembers of the node that a worker is, and of each cluster. Part of `WorkerLife` and `EngineState`.

What must survive a restart is stored in the worker's row (`text_of`, `read`): which node it is, whether it was marked, and whether the
cordon is ours. The rest is seen again.
"""

import json
from dataclasses import dataclass, field

from herder.model.fleet.node import Blocked, NodeSeen
from herder.model.ids import ClassId, WorkerName
from herder.model.planning.cluster import NEVER_SEEN, ClusterSeen
from herder.model.values.resources import Resources
from herder.model.work.demand import Shape


@dataclass(slots=True, kw_only=True)
class NodeLife:
    """`uid` tells it from a later node of the same name: nothing is ever done to another one."""

    name: str
    uid: str
    marked: bool = False
    """Whether it carries our labels and taints: before that it is not ours."""
    cordoned: bool = False
    """Whether Herder cordoned it, so that Herder may uncordon it. Stored before it is done."""
    # in memory only
    seen: NodeSeen | None = None
    """How it was seen last; None: it is not in the picture."""
    forced: bool = False
    """Pods that an eviction cannot remove are deleted."""
    left: int | None = None
    """Pods that the last pass of its emptying left; None: there was none."""
    empty_since_ms: int | None = None
    """Since when the passes of its emptying find nothing."""
    emptied: bool = False
    """It was cordoned, and afterwards nothing ran on it."""
    blocked: tuple[Blocked, ...] = ()
    missing: bool = False
    """The last fresh picture does not have it."""

    @property
    def pods(self) -> int:
        """Workload pods on it, as far as is known."""
        return 0 if self.seen is None else self.seen.workload_pods

    def free_of(self, bought: Resources) -> Resources:
        """What its pods leave of it, and of no more than it was bought with."""
        if self.seen is None:
            return bought
        return self.seen.allocatable.least(bought).minus(self.seen.requested)

    def begin_emptying(self) -> None:
        """A drain begins, or is taken back: what an earlier one has found says nothing."""
        self.left, self.empty_since_ms, self.emptied, self.forced, self.blocked = None, None, False, False, ()


def text_of(node: NodeLife | None) -> str:
    """Empty for a worker that is no node."""
    if node is None:
        return ""
    plain = {"name": node.name, "uid": node.uid, "marked": node.marked, "cordoned": node.cordoned}
    return json.dumps(plain, separators=(",", ":"))


def read(text: str) -> NodeLife | None:
    """What `text_of` wrote."""
    return NodeLife(**json.loads(text)) if text else None


@dataclass(slots=True, kw_only=True)
class ClusterLife:
    """In memory only: a new server sees it anew, and decides nothing before it has."""

    seen: ClusterSeen = NEVER_SEEN
    stale: str = "It has not been seen since the server started."
    """Why its picture decides nothing, in sentences; empty: it is fresh."""
    told: bool = False
    """That it is stale was recorded as an event."""
    numbers: dict[Shape, tuple[ClassId, Shape]] = field(default_factory=dict)
    """Of the shapes of pods that wait: the number, below zero, which a shape keeps as long as such pods wait; and the shape with its
    cluster."""
    trouble: str = ""
    """What is wrong with the calls to its nodes, as a clause."""
    strangers: tuple[str, ...] = ()
    """Nodes that say they are workers which this server does not have."""
    twins: dict[WorkerName, tuple[str, ...]] = field(default_factory=dict)
    """Workers that several nodes say they are, with the names of these nodes."""
