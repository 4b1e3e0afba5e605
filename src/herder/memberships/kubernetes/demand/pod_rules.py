"""Rules of pods about other pods: required anti-affinity, spreads and host ports, as rules about groups that packing counts. Pure.

Called by `pods`, which reads them of one pod, and by `pod_facts`, which knows all pods. A rule that is not honoured raises `NotHonoured`.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from herder.memberships.kubernetes import objects
from herder.model.work.apart import Apart, CountRule, Topology
from herder.model.work.demand import NO_AFFINITY, Affinity

TOPOLOGIES = {
    "kubernetes.io/hostname": Topology.WORKER,
    "topology.kubernetes.io/zone": Topology.ZONE,
}
#: A text of a group that is longer than this is not kept.
_TEXT_MAX = 1_000


class NotHonoured(Exception):
    """A rule that our planner does not have, in sentences."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Selector:
    """`namespaces`: where its pods are; none: anywhere. `required`: (label, operator, values)."""

    namespaces: tuple[str, ...]
    required: tuple[tuple[str, str, tuple[str, ...]], ...]

    def means(self, namespace: str, labels: Mapping[str, str]) -> bool:
        if self.namespaces and namespace not in self.namespaces:
            return False
        return all(_holds(labels.get(key), operator, values) for key, operator, values in self.required)

    @property
    def text(self) -> str:
        required = " ".join(
            f"{key} {operator} ({','.join(values)})" for key, operator, values in self.required
        )
        return f"{','.join(self.namespaces) or '*'}/{required}"


def _holds(have: str | None, operator: str, values: tuple[str, ...]) -> bool:
    if operator == "In":
        return have is not None and have in values
    if operator == "NotIn":
        return have is None or have not in values
    return (have is not None) == (operator == "Exists")


@dataclass(frozen=True, slots=True, kw_only=True)
class Nodes:
    """Of a spread: only nodes that its pods may select are counted."""

    selector: tuple[tuple[str, str], ...] = ()
    affinity: Affinity = NO_AFFINITY


@dataclass(frozen=True, slots=True, kw_only=True)
class Term:
    """One rule as it is written. `skew`: of a spread; None: pods that are to be apart."""

    topology: Topology
    selector: Selector
    skew: int | None = None
    least_domains: int = 1
    nodes: Nodes = Nodes()

    @property
    def meant(self) -> str:
        """The group of the pods that it means."""
        if self.skew is None:
            return f"pods {self.selector.text}"
        return f"spread {self.topology} {self.selector.text} on {_nodes_text(self.nodes)}"

    @property
    def carriers(self) -> str:
        """The group of the pods that have this rule: who is meant keeps away from them."""
        return f"apart {self.topology} {self.selector.text}"


def _nodes_text(nodes: Nodes) -> str:
    return f"{nodes.selector} {nodes.affinity.required}" if nodes != Nodes() else "any"


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity:
    """What of a pod other pods' rules look at, and its own rules."""

    namespace: str
    labels: tuple[tuple[str, str], ...] = ()
    terms: tuple[Term, ...] = ()
    ports: tuple[str, ...] = ()
    going: bool = False
    """It is being deleted: spreads do not count it."""


def identity_of(pod: objects.Pod, nodes: Nodes = Nodes(), *, bound: bool = False) -> Identity:
    """Raises NotHonoured; of a bound pod what is not honoured is left out."""
    metadata = pod.metadata
    labels = metadata.labels or {}
    terms = []
    try:
        terms += _apart(pod, labels)
        if not bound:
            terms += _spreads(pod, labels, nodes)
    except NotHonoured:
        if not bound:
            raise
    return Identity(
        namespace=metadata.namespace,
        labels=tuple(sorted(labels.items())),
        terms=tuple(dict.fromkeys(terms)),
        ports=_ports(pod.spec),
        going=metadata.deletion_timestamp is not None,
    )


def _ports(spec: objects.PodSpec) -> tuple[str, ...]:
    return tuple(
        sorted(
            {
                f"port {port.protocol or 'TCP'}/{port.host_port}"
                for each in spec.containers or ()
                for port in each.ports or ()
                if port.host_port
            }
        )
    )


def _apart(pod: objects.Pod, labels: Mapping[str, str]) -> list[Term]:
    affinity = pod.spec.affinity
    if affinity is None or affinity.pod_anti_affinity is None:
        return []
    found = []
    for each in affinity.pod_anti_affinity.required or ():
        if each.mismatch_label_keys:
            raise NotHonoured("The pods have an anti-affinity with mismatchLabelKeys, which is planned.")
        selector = each.namespace_selector
        if selector is not None and (selector.match_labels or selector.match_expressions):
            raise NotHonoured(
                "The pods have an anti-affinity that selects namespaces by label, which is planned."
            )
        namespaces = (
            () if selector is not None else tuple(sorted(each.namespaces or (pod.metadata.namespace,)))
        )
        found += _term(
            each.topology_key, each.label_selector, namespaces, each.match_label_keys, labels, "anti-affinity"
        )
    return found


def _spreads(pod: objects.Pod, labels: Mapping[str, str], nodes: Nodes) -> list[Term]:
    found = []
    for each in pod.spec.topology_spread_constraints or ():
        if each.when_unsatisfiable == "ScheduleAnyway":
            continue
        if each.node_affinity_policy == "Ignore" or each.node_taints_policy == "Honor":
            raise NotHonoured(
                "The pods are spread with a nodeAffinityPolicy or nodeTaintsPolicy of their own, which is planned."
            )
        found += _term(
            each.topology_key, each.label_selector, (pod.metadata.namespace,), each.match_label_keys, labels,
            "topologySpreadConstraints", skew=each.max_skew, least_domains=each.min_domains or 1, nodes=nodes,
        )  # fmt: skip
    return found


def _term(
    topology_key: str,
    selector: objects.LabelSelector | None,
    namespaces: tuple[str, ...],
    keys: Iterable[str] | None,
    labels: Mapping[str, str],
    kind: str,
    *,
    skew: int | None = None,
    least_domains: int = 1,
    nodes: Nodes = Nodes(),
) -> list[Term]:
    topology = TOPOLOGIES.get(topology_key)
    if topology is None:
        raise NotHonoured(
            f"The pods have a rule about {topology_key[:100]} ({kind}), and packing knows nodes and topology.kubernetes.io/zone only."
        )
    if selector is None:  # it means no pod
        return [] if skew is None else [_nothing(topology, namespaces)]
    required: set[tuple[str, str, tuple[str, ...]]] = {
        (key, "In", (value,)) for key, value in (selector.match_labels or {}).items()
    }
    required |= {
        (each.key, each.operator, tuple(sorted(each.values or ())))
        for each in selector.match_expressions or ()
    }
    required |= {(key, "In", (labels[key],)) for key in keys or () if key in labels}
    term = Term(
        topology=topology,
        selector=Selector(namespaces=namespaces, required=tuple(sorted(required))),
        skew=skew,
        least_domains=least_domains,
        nodes=nodes,
    )
    if len(term.meant) > _TEXT_MAX:
        raise NotHonoured(
            f"The pods have a rule about other pods ({kind}) that is too long to be planned for."
        )
    return [term]


def _nothing(topology: Topology, namespaces: tuple[str, ...]) -> Term:
    """A spread that counts no pod still wants its label on the node."""
    none = Selector(namespaces=namespaces, required=(("", "Exists", ()),))
    return Term(topology=topology, selector=none, skew=1)


def groups_of(identity: Identity, terms: Iterable[Term]) -> tuple[str, ...]:
    """The groups in which it is counted."""
    carried = {term.carriers for term in identity.terms if term.skew is None}
    return tuple(sorted(selected_by(identity, terms) | carried | set(identity.ports)))


def selected_by(identity: Identity, terms: Iterable[Term]) -> set[str]:
    """The groups of those terms that select it."""
    labels = dict(identity.labels)
    return {
        term.meant
        for term in terms
        if not (identity.going and term.skew is not None) and term.selector.means(identity.namespace, labels)
    }


def apart_for(identity: Identity, terms: Iterable[Term]) -> Apart | None:
    """Its rules, those of other pods that mean it included. `terms`: of all pods."""
    terms = tuple(terms)
    counted_in = groups_of(identity, terms)
    labels, rules = dict(identity.labels), set()
    for term in identity.terms:
        if term.skew is None:
            rules.add(_none_beside(term.meant, term.topology, counted_in))
        else:
            in_zone = term.topology is Topology.ZONE
            # A new node may have none: over nodes, the fewest counts as 0.
            rules.add(
                CountRule(
                    group=term.meant, topology=term.topology, most=term.skew, above_least=in_zone,
                    domains=term.least_domains if in_zone else 1,
                )
            )  # fmt: skip
    for term in terms:
        if term.skew is None and term.selector.means(identity.namespace, labels):
            rules.add(_none_beside(term.carriers, term.topology, counted_in))
    rules |= {_none_beside(port, Topology.WORKER, counted_in) for port in identity.ports}
    if not rules and not counted_in:
        return None
    return Apart(rules=tuple(sorted(rules)), counted_in=counted_in)


def _none_beside(group: str, topology: Topology, counted_in: tuple[str, ...]) -> CountRule:
    return CountRule(group=group, topology=topology, most=1 if group in counted_in else 0)
