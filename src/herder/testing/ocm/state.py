"""What is true in a played OCM: clusters, their pools, and the nodes of each pool, which follow its size with time."""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from herder.testing.fakes.faults import Faults
from herder.testing.fakes.timeline import Timeline
from herder.testing.ocm.settings import OcmTimes, clusters, default_pools

Json = dict[str, Any]


@dataclass(slots=True, kw_only=True)
class Pool:
    cluster: str
    hosted: bool
    body: Json
    """As it was asked for, with the changes since."""
    nodes: list[str] = field(default_factory=list)
    """Names, in the order in which they came."""
    starting: int = 0
    draining: list[str] = field(default_factory=list)
    """They are nodes still."""
    demand: int = 0
    """Nodes that pending pods need, for an autoscaling pool."""
    deleted: bool = False

    @property
    def name(self) -> str:
        return str(self.body["id"])

    @property
    def instance_type(self) -> str:
        where = self.body["aws_node_pool"] if self.hosted else self.body
        return str(where["instance_type"])

    @property
    def wanted(self) -> int:
        auto = self.body.get("autoscaling")
        if auto is None:
            return int(self.body["replicas"])
        low, high = (
            (auto["min_replica"], auto["max_replica"])
            if self.hosted
            else (auto["min_replicas"], auto["max_replicas"])
        )
        return int(max(low, min(high, self.demand)))


@dataclass(slots=True)
class State:
    times: OcmTimes
    timeline: Timeline
    faults: Faults = field(default_factory=Faults)
    clusters: dict[str, Json] = field(default_factory=clusters)
    autoscalers: dict[str, int] = field(default_factory=dict)
    """max_nodes_total of the clusters that have an autoscaler."""
    pools: dict[tuple[str, str], Pool] = field(default_factory=dict)
    tokens: dict[str, int] = field(default_factory=dict)
    """And until when they hold."""
    terms_accepted: bool = True
    delete_protected: set[str] = field(default_factory=set)
    sold_out: set[str] = field(default_factory=set)
    """Types of machines of which no node starts."""
    warning: str = ""
    """A `Warning` header of each creation."""
    removes: Callable[[list[str]], str] = lambda nodes: nodes[0]
    """Which node a smaller pool loses: the provider's choice, and nobody else's."""
    hooks: list[Callable[[str, Pool, str], None]] = field(default_factory=list)
    """Called with `node`, `labels`, `draining` or `gone`, the pool and the node."""
    _number: int = 0

    def __post_init__(self) -> None:
        for cluster, body in self.clusters.items():
            hosted = body["hypershift"]["enabled"]
            for pool in default_pools(body):
                made = Pool(cluster=cluster, hosted=hosted, body=pool)
                made.nodes = [self.next_node(cluster) for _ in range(made.wanted)]
                self.pools[cluster, made.name] = made

    def pools_of(self, cluster: str) -> list[Pool]:
        return [pool for (where, _), pool in sorted(self.pools.items()) if where == cluster]

    def next_node(self, cluster: str) -> str:
        self._number += 1
        return f"ip-10-0-{self._number // 250}-{self._number % 250 + 1}.{cluster}.compute.internal"

    def settle(self, pool: Pool) -> None:
        """Begin what the pool's size asks for."""
        have = len(pool.nodes) - len(pool.draining) + pool.starting
        now_ms = self.timeline.now_ms
        for _ in range(max(0, pool.wanted - have)):
            pool.starting += 1
            self.timeline.at(now_ms + self.times.node_starts_ms, lambda: self._started(pool))
        for _ in range(max(0, have - pool.wanted)):
            self._begin_removal(pool)

    def label(self, pool: Pool, labels: dict[str, str]) -> None:
        """In the place of those that it had."""
        pool.body["labels"] = labels
        for node in pool.nodes:
            self._tell("labels", pool, node)

    def remove(self, pool: Pool) -> None:
        """The pool is deleted: its nodes are drained and end."""
        self.pools.pop((pool.cluster, pool.name), None)
        pool.deleted = True
        for node in [each for each in pool.nodes if each not in pool.draining]:
            self._drain(pool, node)

    def interrupt(self, pool: Pool, node: str) -> None:
        """AWS takes a spot machine; another one starts in its place."""
        if node in pool.draining:
            pool.draining.remove(node)
        self._ended(pool, node)
        if not pool.deleted:
            self.settle(pool)

    def retry_starts(self, pool: Pool) -> None:
        """A stock-out is over."""
        for _ in range(pool.starting):
            self._started(pool)

    def _started(self, pool: Pool) -> None:
        if pool.deleted or not pool.starting or pool.instance_type in self.sold_out:
            return
        pool.starting -= 1
        pool.nodes.append(self.next_node(pool.cluster))
        self._tell("node", pool, pool.nodes[-1])

    def _begin_removal(self, pool: Pool) -> None:
        if pool.starting:
            pool.starting -= 1
            return
        self._drain(pool, self.removes([node for node in pool.nodes if node not in pool.draining]))

    def _drain(self, pool: Pool, node: str) -> None:
        pool.draining.append(node)
        self._tell("draining", pool, node)
        self.timeline.at(self.timeline.now_ms + self.times.node_drains_ms, lambda: self._drained(pool, node))

    def _drained(self, pool: Pool, node: str) -> None:
        if node in pool.draining:
            pool.draining.remove(node)
            self._ended(pool, node)

    def _ended(self, pool: Pool, node: str) -> None:
        pool.nodes.remove(node)
        self._tell("gone", pool, node)

    def _tell(self, what: str, pool: Pool, node: str) -> None:
        for hook in self.hooks:
            hook(what, pool, node)
