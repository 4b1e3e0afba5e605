"""Whether a pod fits on a node: one filter after another, as the default plugins have them, each with the reason that Kubernetes gives."""

from collections.abc import Iterable

from herder.testing.kubernetes.controllers.nodes import tolerates
from herder.testing.kubernetes.scheduler.pods import PodInfo, PodTerm, Spread
from herder.testing.kubernetes.scheduler.state import ClusterState, NodeState

UNSCHEDULABLE_TAINT = {"key": "node.kubernetes.io/unschedulable", "effect": "NoSchedule"}


class Reasons:
    """Why it does not fit. `final`: no pod that goes would help."""

    __slots__ = ("final", "texts")

    def __init__(self, *texts: str, final: bool) -> None:
        self.texts, self.final = texts, final


def node_matches(pod: PodInfo, node: NodeState) -> bool:
    """By selector and required affinity."""
    if not all(each.allows(node.labels) for each in pod.node_selector):
        return False
    if pod.node_terms is None:
        return True
    return any(term.allows(node.name, node.labels) for term in pod.node_terms)


def tolerated(pod: PodInfo, node: NodeState) -> bool:
    return all(any(tolerates(each, taint) for each in pod.tolerations) for taint in node.taints)


def _static(pod: PodInfo, node: NodeState) -> Reasons | None:
    if node.unschedulable and not any(tolerates(each, UNSCHEDULABLE_TAINT) for each in pod.tolerations):
        return Reasons("node(s) were unschedulable", final=True)
    if not tolerated(pod, node):
        return Reasons("node(s) had untolerated taint(s)", final=True)
    if not node_matches(pod, node):
        return Reasons("node(s) didn't match Pod's node affinity/selector", final=True)
    return None


def _resources(pod: PodInfo, node: NodeState, reserved: Iterable[PodInfo]) -> Reasons | None:
    used, count = node.used, len(node.pods)
    reserved = [each for each in reserved if each.key not in node.pods and each.key != pod.key]
    if reserved:
        used = dict(used)
        for other in reserved:
            count += 1
            for name, value in other.requests.items():
                used[name] = used.get(name, 0) + value
    texts, final = [], False
    if count + 1 > node.pods_most:
        texts.append("Too many pods")
    for name, wanted in pod.requests.items():
        has = node.allocatable.get(name, 0)
        if wanted and wanted > has - used.get(name, 0):
            texts.append(f"Insufficient {name}")
            final = final or wanted > has
    return Reasons(*texts, final=final) if texts else None


def _ports(pod: PodInfo, node: NodeState) -> Reasons | None:
    if pod.ports and any(pod.ports & other.ports for other in node.pods.values()):
        return Reasons("node(s) didn't have free ports for the requested pod ports", final=False)
    return None


class Topologies:
    """What the place of other pods means for this one. Counted once for a pod, and read for each node."""

    def __init__(self, pod: PodInfo, state: ClusterState) -> None:
        self.pod = pod
        self._forbidden = self._of_others(state)
        self._apart = [(term.topology, self._domains(state, term)) for term in pod.apart_from]
        self._with = [(term, self._domains(state, term)) for term in pod.with_pods]
        self._spreads = [(each, *self._counts(state, each)) for each in pod.spreads]

    def _of_others(self, state: ClusterState) -> set[tuple[str, str]]:
        """Domains where a pod is that wants to be apart from this one."""
        found = set()
        for other in state.apart.values():
            node = state.node_of(other.key)
            for term in other.apart_from:
                if term.topology in node.labels and term.meets(self.pod):
                    found.add((term.topology, node.labels[term.topology]))
        return found

    def _domains(self, state: ClusterState, term: PodTerm) -> set[str]:
        """Where a pod is that the term means."""
        found: set[str] = set()
        for node in state.existing():
            domain = node.labels.get(term.topology)
            if domain is None or domain in found:
                continue
            if any(term.meets(other) for other in node.pods.values()):
                found.add(domain)
        return found

    def _counts(self, state: ClusterState, spread: Spread) -> tuple[dict[str, int], int]:
        """Pods in each domain, and the fewest of all domains."""
        keys = [each.topology for each in self.pod.spreads]
        counts: dict[str, int] = {}
        for node in state.existing():
            if any(key not in node.labels for key in keys):
                continue
            if spread.honours_affinity and not node_matches(self.pod, node):
                continue
            if spread.honours_taints and not tolerated(self.pod, node):
                continue
            domain = node.labels[spread.topology]
            counts[domain] = counts.get(domain, 0) + sum(
                not other.deleting and other.key[0] == self.pod.key[0] and spread.meets(other)
                for other in node.pods.values()
            )
        fewest = min(counts.values(), default=0)
        return counts, 0 if len(counts) < spread.least_domains else fewest

    def refuses(self, node: NodeState) -> Reasons | None:
        for spread, counts, fewest in self._spreads:
            domain = node.labels.get(spread.topology)
            text = "node(s) didn't match pod topology spread constraints"
            if domain is None:
                return Reasons(f"{text} (missing required label)", final=True)
            if counts.get(domain, 0) + spread.meets(self.pod) - fewest > spread.most_skew:
                return Reasons(text, final=False)
        return self._refuses_beside(node)

    def _refuses_beside(self, node: NodeState) -> Reasons | None:
        for term, domains in self._with:
            domain = node.labels.get(term.topology)
            first = not domains and term.meets(self.pod)
            if domain is None or (domain not in domains and not first):
                return Reasons("node(s) didn't match pod affinity rules", final=True)
        for topology, domains in self._apart:
            if node.labels.get(topology) in domains:
                return Reasons("node(s) didn't match pod anti-affinity rules", final=False)
        if any(node.labels.get(topology) == domain for topology, domain in self._forbidden):
            return Reasons("node(s) didn't satisfy existing pods anti-affinity rules", final=False)
        return None


def refuses(
    pod: PodInfo, node: NodeState, topologies: Topologies, reserved: Iterable[PodInfo] = ()
) -> Reasons | None:
    """None: it fits. `reserved`: pods that have a right to be placed there before this one."""
    return (
        _static(pod, node) or _ports(pod, node) or _resources(pod, node, reserved) or topologies.refuses(node)
    )
