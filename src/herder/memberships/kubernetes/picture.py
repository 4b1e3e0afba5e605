"""The picture of one cluster, kept up to date by two informers and the metrics API: nodes with their pods' sums, and what waits.

Only what has changed since is made again when it is looked at; what has not is the same object. `cluster` gives it to the control plane.
"""

from collections.abc import Mapping
from dataclasses import replace

from herder.memberships.kubernetes import objects
from herder.memberships.kubernetes.nodes import node_seen
from herder.memberships.kubernetes.pod_facts import Load, PodFacts
from herder.memberships.kubernetes.pods import Rules
from herder.model.fleet.node import NodeSeen
from herder.model.fleet.pressure import WorkerUse


class Nodes:
    """Nodes as they are, without their pods. The informer of nodes writes."""

    def __init__(self, installation: str, rules: Rules) -> None:
        self._installation = installation
        self._rules = rules
        self.bare: dict[str, NodeSeen] = {}
        self.stale: set[str] = set()
        self.changes = 0

    def put(self, key: str, item: objects.Node) -> None:
        """A heart-beat that says nothing new is no change."""
        seen = node_seen(item, self._installation, self._rules.resources)
        if self.bare.get(key) != seen:
            self.bare[key] = seen
            self.stale.add(key)
            self.changes += 1

    def drop(self, key: str) -> None:
        del self.bare[key]
        self.stale.add(key)
        self.changes += 1


class Picture:
    def __init__(self, installation: str, rules: Rules) -> None:
        self.nodes = Nodes(installation, rules)
        self.pods = PodFacts(rules)
        self._nothing = Load(rules.resources.capacity({}))
        self._uses: Mapping[str, WorkerUse] = {}
        self._seen: dict[str, NodeSeen] = {}
        self._tuple: tuple[NodeSeen, ...] = ()
        self._stale: set[str] = set()
        self._use_changes = 0

    @property
    def changes(self) -> int:
        """Grows with each change of what can be seen."""
        return self.nodes.changes + self.pods.changes + self._use_changes

    def use(self, uses: Mapping[str, WorkerUse]) -> bool:
        """What nodes really use, by name; a node that is not named is not known. Whether that is new."""
        names = uses.keys() | self._uses.keys()
        others = {name for name in names if uses.get(name) != self._uses.get(name)}
        self._uses = uses
        self._stale |= others
        self._use_changes += bool(others)
        return bool(others)

    def all_nodes(self) -> tuple[NodeSeen, ...]:
        """By name."""
        stale = self.nodes.stale | self.pods.stale_nodes | self._stale
        if not stale:
            return self._tuple
        born_or_gone = False
        for name in stale:
            bare = self.nodes.bare.get(name)
            if bare is None:
                born_or_gone |= self._seen.pop(name, None) is not None
            else:
                born_or_gone |= name not in self._seen
                self._seen[name] = self._loaded(bare)
        if born_or_gone:
            self._seen = dict(sorted(self._seen.items()))
        self._tuple = tuple(self._seen.values())
        for names in (self.nodes.stale, self.pods.stale_nodes, self._stale):
            names.clear()
        return self._tuple

    def _loaded(self, bare: NodeSeen) -> NodeSeen:
        load = self.pods.load(bare.name) or self._nothing
        return replace(
            bare,
            requested=load.requested,
            workload_pods=load.workload_pods,
            daemon_pods=load.daemon_pods,
            use=self._uses.get(bare.name),
        )
