"""Bodies of the REST API about clusters: how each was seen, its nodes that are workers, and how a pod asks for a pool."""

from typing import Literal

import msgspec


class ClusterNodeView(msgspec.Struct, kw_only=True):
    """A node that is a worker."""

    node: str
    worker: str
    pool: str
    state: str
    """Of the worker."""
    ready: bool | None
    """None: the cluster does not know, or the node is not in the picture."""
    cordoned: bool
    pods: int
    """Workload pods on it."""
    reason: str
    """Why it is not ready, or how far its drain is; empty where there is nothing to say."""


class ClusterView(msgspec.Struct, kw_only=True):
    name: str
    membership: str
    state: Literal["seen", "stale", "never"]
    reason: str
    """Why it is not seen; empty when it is."""
    as_of: str | None
    """When everything here was known to be so."""
    version: str
    nodes: int
    ready_nodes: int
    workers: int
    """That have not ended and are to be its nodes."""
    pending_pods: int
    """Pods that wait and are demand."""
    pending: list[str]
    """They, each size in a sentence; the most frequent of them."""
    not_considered: list[str]
    """Pods that wait and are no demand, each sort in a sentence."""
    blocked_drains: list[str]
    """Of workers whose drain pods or their budgets hold up."""
    problems: list[str]
    """What a person should look at."""
    pools: list[str]
    worker_nodes: list[ClusterNodeView] = []
    """Only of one cluster that is asked for by name."""


class ClusterCheckView(msgspec.Struct, kw_only=True):
    name: str
    passed: bool
    detail: str
    remedy: str


class ClusterChecks(msgspec.Struct, kw_only=True):
    cluster: str
    passed: bool
    checks: list[ClusterCheckView]


class SchedulingInfo(msgspec.Struct, kw_only=True):
    """What a pod writes so that it runs on the workers of a pool."""

    pool: str
    cluster: str
    node_selector: dict[str, str]
    tolerations: list[dict[str, str]]
    priority_class: str
    """Empty: none."""
    requests: dict[str, str]
    limits: dict[str, str]
    yaml: str
    """All of it, for the `spec` of a pod."""
