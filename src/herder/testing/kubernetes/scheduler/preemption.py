"""Preemption: which node, and which of its pods must go, so that a pod of higher priority fits."""

from dataclasses import dataclass

from herder.testing.kubernetes.api.evictions import budgets_of
from herder.testing.kubernetes.objects.resources import PODS
from herder.testing.kubernetes.objects.store import Store
from herder.testing.kubernetes.scheduler.filters import Topologies, refuses
from herder.testing.kubernetes.scheduler.pods import PodInfo
from herder.testing.kubernetes.scheduler.state import ClusterState, NodeState


@dataclass(frozen=True, slots=True, kw_only=True)
class Choice:
    node: str
    victims: tuple[PodInfo, ...]
    violations: int
    """Victims whose budget does not allow it."""

    @property
    def cost(self) -> tuple[object, ...]:
        priorities = [each.priority for each in self.victims]
        newest = max((each.created_ms for each in self.victims), default=0)
        return (
            self.violations,
            max(priorities, default=0),
            sum(priorities),
            len(self.victims),
            -newest,
            self.node,
        )


def _protected(store: Store, pod: PodInfo) -> bool:
    stored = store.get(PODS, pod.key)
    if stored is None:
        return False
    return any(budget.decode()["status"]["disruptionsAllowed"] <= 0 for budget in budgets_of(store, stored))


def _on(pod: PodInfo, node: NodeState, state: ClusterState, store: Store) -> Choice | None:
    lower = [each for each in node.pods.values() if each.priority < pod.priority]
    if not lower:
        return None
    for each in lower:
        node.remove(each.key)
    try:
        if refuses(pod, node, Topologies(pod, _without(state, lower))) is not None:
            return None
        protected = {each.key for each in lower if _protected(store, each)}
        victims = []
        for each in sorted(lower, key=lambda one: (one.key not in protected, -one.priority, one.created_ms)):
            node.add(each)
            if refuses(pod, node, Topologies(pod, state)) is not None:
                node.remove(each.key)
                victims.append(each)
    finally:
        for each in lower:
            if each.key not in node.pods:
                node.add(each)
    violations = sum(each.key in protected for each in victims)
    return Choice(node=node.name, victims=tuple(victims), violations=violations)


def _without(state: ClusterState, gone: list[PodInfo]) -> ClusterState:
    """The same nodes, without what these pods keep apart."""
    found = ClusterState()
    found.nodes = state.nodes
    keys = {each.key for each in gone}
    found.apart = {key: each for key, each in state.apart.items() if key not in keys}
    found.places = state.places
    return found


def choose(pod: PodInfo, candidates: list[NodeState], state: ClusterState, store: Store) -> Choice | None:
    choices = [found for node in candidates if (found := _on(pod, node, state, store)) is not None]
    return min(choices, key=lambda choice: choice.cost, default=None)
