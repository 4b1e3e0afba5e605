"""The picture of one cluster, kept up to date by two informers and the metrics API: nodes with their pods' sums, and what waits.

Only what has changed since is made again when it is looked at; what has not is the same object. `cluster` gives it to the control plane.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import replace

from herder.decide.eligibility.affinity import labels_fulfil
from herder.memberships.kubernetes import objects
from herder.memberships.kubernetes.demand.pod_facts import Load, PodFacts
from herder.memberships.kubernetes.demand.pod_rules import Nodes as SpreadOver
from herder.memberships.kubernetes.demand.pods import OWNER, Rules
from herder.memberships.kubernetes.nodes import node_seen
from herder.model.fleet.node import NodeSeen
from herder.model.fleet.pressure import WorkerUse
from herder.model.values.resources import ZERO
from herder.model.work.apart import GroupCount, Topology
from herder.model.work.demand import Shape

#: Types of addresses that no other node has: not those behind a translation.
_OWN_ADDRESSES = ("InternalIP", "Hostname")


class Nodes:
    """Nodes as they are, without their pods. The informer of nodes writes."""

    def __init__(self, installation: str, rules: Rules) -> None:
        self._installation = installation
        self._rules = rules
        self.bare: dict[str, NodeSeen] = {}
        self._addresses: dict[str, frozenset[str]] = {}
        self.stale: set[str] = set()
        self.changes = 0

    def put(self, key: str, item: objects.Node) -> None:
        """A heart-beat that says nothing new is no change."""
        seen = node_seen(item, self._installation, self._rules.resources)
        own = (each for each in item.status.addresses or () if each.type in _OWN_ADDRESSES)
        self._addresses[key] = frozenset(each.address for each in own if each.address)
        if self.bare.get(key) != seen:
            self.bare[key] = seen
            self.stale.add(key)
            self.changes += 1

    def drop(self, key: str) -> None:
        del self.bare[key]
        self._addresses.pop(key, None)
        self.stale.add(key)
        self.changes += 1

    def by_address(self) -> dict[str, str]:
        """The node of each name and each address of its own. An address that two nodes have is of none; a name is before an address."""
        had = Counter(address for addresses in self._addresses.values() for address in addresses)
        found = {
            address: name
            for name, addresses in self._addresses.items()
            for address in addresses
            if had[address] == 1
        }
        return {**found, **{name: name for name in self.bare}}


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

    def counted(self) -> tuple[GroupCount, ...]:
        """Of the groups that rules of pending pods name; nothing where there are no such rules."""
        wanted = {
            (rule.group, rule.topology): None
            for group in self.pods.pending()
            for rule in (group.shape.apart.rules if group.shape.apart is not None else ())
        }
        if not wanted:
            return ()
        spreads = {term.meant: term.nodes for term in self.pods.terms() if term.skew is not None}
        found: list[GroupCount] = []
        for group, topology in sorted(wanted):
            by_node = self.pods.counts(group)
            by_domain = by_node if topology is Topology.WORKER else self._by_zone(by_node, spreads.get(group))
            found += [
                GroupCount(group=group, topology=topology, domain=domain, pods=pods)
                for domain, pods in sorted(by_domain.items())
                if pods or topology is Topology.ZONE
            ]
        return tuple(found)

    def _by_zone(self, by_node: Mapping[str, int], over: SpreadOver | None) -> dict[str, int]:
        """`over`: of a spread, the nodes that count; each has its zone counted, also without pods."""
        found: dict[str, int] = {}
        names = by_node if over is None else self.nodes.bare
        for name in names:
            node = self.nodes.bare.get(name)
            if node is not None and node.zone and (over is None or _counts(node, over)):
                found[node.zone] = found.get(node.zone, 0) + by_node.get(name, 0)
        return found

    def _loaded(self, bare: NodeSeen) -> NodeSeen:
        load = self.pods.load(bare.name) or self._nothing
        return replace(
            bare,
            requested=load.requested,
            workload_pods=load.workload_pods,
            daemon_pods=load.daemon_pods,
            use=self._uses.get(bare.name),
        )


def _counts(node: NodeSeen, over: SpreadOver) -> bool:
    if over == SpreadOver():
        return True
    return labels_fulfil(
        Shape(request=ZERO, user=OWNER, selector=over.selector, affinity=over.affinity), node.labels
    )
