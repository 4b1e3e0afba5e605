"""A cluster as a port: the picture of its nodes and pods, and the few things that are done to a node.

Implemented by `memberships/kubernetes` over HTTP, in the event loop; the simulated world gives it another connection. Every verb may be
repeated, names the node by name and uid (a later node of the same name is never touched), raises `ClusterError`s only, and answers within
its deadline.
"""

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from herder.model.fleet.cluster import ClusterSettings
from herder.model.fleet.driver_capabilities import Check
from herder.model.fleet.node import Blocked, BlockedBy, Emptying, NodeSeen
from herder.model.fleet.pool import Taint
from herder.model.planning.cluster import ClusterSeen, PodSeen
from herder.model.values.resources import Dimensions
from herder.ports.clock import Clock

if TYPE_CHECKING:
    import httpx

__all__ = [
    "Blocked",
    "BlockedBy",
    "Cluster",
    "ClusterContext",
    "ClusterError",
    "ClusterForbidden",
    "ClusterMaker",
    "ClusterManifests",
    "ClusterUnavailable",
    "Emptying",
    "NodeGone",
]


class ClusterError(Exception):
    """What happened and what to do, as sentences."""


class ClusterUnavailable(ClusterError):
    """It does not answer, or asks to wait: tried again later."""


class ClusterForbidden(ClusterError):
    """Credentials or a right are missing: a person must act. The message names the right."""


class NodeGone(ClusterError):
    """No node of that name and uid exists."""


class Cluster(Protocol):
    @property
    def name(self) -> str: ...

    @property
    def changed(self) -> asyncio.Event:
        """Set when the picture has changed; the reader clears it."""

    def seen(self) -> ClusterSeen:
        """The picture now. Cheap when nothing has changed; never waits."""

    def pod(self, namespace: str, name: str) -> PodSeen | None:
        """What the picture has of one pod; None: it does not exist, has ended, or its scheduler has not looked at it yet."""

    async def follow(self) -> None:
        """Keep the picture up to date until cancelled. It ends by no error of the cluster: faults are in the picture."""

    async def cordon(self, node: NodeSeen, cordoned: bool) -> None: ...

    async def mark(self, node: NodeSeen, labels: Mapping[str, str], taints: Sequence[Taint]) -> None:
        """Give it these labels and taints, and leave all others."""

    async def empty(self, node: NodeSeen, *, grace_s: float | None, at_once: int, force: bool) -> Emptying:
        """One pass of a drain: evict up to `at_once` pods that are not yet going. `force`: pods that an eviction cannot remove are deleted."""

    async def remove(self, node: NodeSeen) -> None:
        """Its machine is known to be gone: pods that are stuck on it are deleted by force, then the Node object."""

    async def check(self) -> Sequence[Check]:
        """Whether it answers, and each right that is needed."""

    async def close(self) -> None: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class ClusterContext:
    """What a connection is made with besides its settings."""

    installation: str
    """Only nodes with this installation's label, or with none, are ours."""
    resources: Dimensions
    """Which resources there are."""
    clock: Clock
    chance: Callable[[], float]
    """From 0 to 1: for the jitter of pauses."""
    transport: "httpx.AsyncBaseTransport | None" = None
    """None: through sockets."""


class ClusterMaker(Protocol):
    """A membership whose workers are nodes offers this beside `MEMBERSHIP`, under the name `make_cluster`. It makes no call and opens no
    connection yet. Raises ClusterError when the settings cannot be used (a kubeconfig that is not there)."""

    def __call__(self, settings: ClusterSettings, context: ClusterContext, /) -> Cluster: ...


class ClusterManifests(Protocol):
    """And this, under the name `manifests`: what a cluster needs so that Herder may work in it, as YAML."""

    def __call__(self, settings: ClusterSettings, /) -> str: ...
