"""The picture of a cluster: its nodes, the pods that wait, and the pods that cannot be demand, with the time of the picture. Data only.

Made by `memberships/kubernetes`, read by `control/`. An old picture is no picture of an empty cluster: `as_of_ms` says how old it is, and
None that there has never been one.
"""

from dataclasses import dataclass

from herder.model.fleet.node import NodeSeen
from herder.model.work.apart import GroupCount
from herder.model.work.demand import Shape


@dataclass(frozen=True, slots=True, kw_only=True)
class PodGroup:
    """Pending pods of one shape. `since_ms`: of the one that waits longest, since when its scheduler has found no place."""

    shape: Shape
    count: int
    since_ms: int
    example: str
    """The namespace and name of one of them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NotConsidered:
    """Pods that wait and are no demand. `because`: a sentence, with the remedy where there is one."""

    because: str
    count: int
    example: str


@dataclass(frozen=True, slots=True, kw_only=True)
class PodSeen:
    """One pod. It is on a node, or it waits and is demand (`shape`), or it waits and is none (`because`)."""

    node: str = ""
    shape: Shape | None = None
    """That of its group in the picture."""
    since_ms: int = 0
    """Since when its scheduler has found no place, when it is demand."""
    because: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class ClusterSeen:
    cluster: str
    as_of_ms: int | None = None
    """When everything in it was known to be so; None: never."""
    fault: str = ""
    """A sentence: why it is not up to date, and what to do."""
    notes: tuple[str, ...] = ()
    """Sentences about what is wrong although it is up to date."""
    version: str = ""
    nodes: tuple[NodeSeen, ...] = ()
    pending: tuple[PodGroup, ...] = ()
    not_considered: tuple[NotConsidered, ...] = ()
    counted: tuple[GroupCount, ...] = ()
    """Bound pods of the groups that rules of pending pods name."""


NEVER_SEEN = ClusterSeen(cluster="")
