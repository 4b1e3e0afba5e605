"""What is kept of a cluster's pods: a fact a pod, sums by node, groups of equal demand. The informer of pods writes, `picture` reads.

A change of a pod costs the same however many pods there are. Facts that are equal are one object, so that a hundred thousand pods take tens
of megabytes.
"""

from collections.abc import Hashable, Mapping
from dataclasses import dataclass, field, replace
from typing import TypeVar

from herder.memberships.kubernetes import objects
from herder.memberships.kubernetes.demand.group_counts import GroupCounts
from herder.memberships.kubernetes.demand.pod_rules import Identity, Term
from herder.memberships.kubernetes.demand.pods import Bound, Excluded, Fact, Rules, Waiting, fact_of
from herder.model.planning.cluster import NotConsidered, PodGroup, PodSeen
from herder.model.values.resources import Resources
from herder.model.work.demand import Shape

#: More different values than this are not shared.
_SHARED_MAX = 100_000
#: More kinds of pods that are no demand than this are not told apart.
EXCLUDED_MAX = 50
#: Pods with more different rules about other pods than this are not planned for.
TERMS_MAX = 500

H = TypeVar("H", bound=Hashable)


@dataclass(slots=True)
class Load:
    """Of one node."""

    requested: Resources
    pods: int = 0
    workload_pods: int = 0
    daemon_pods: int = 0


@dataclass(slots=True)
class _Group:
    """Waiting pods of one shape: since when each waits, by namespace and name."""

    since_ms: dict[str, int] = field(default_factory=dict)
    made: PodGroup | None = None


class PodFacts:
    def __init__(self, rules: Rules) -> None:
        self._rules = rules
        self._facts: dict[str, Fact] = {}
        self._loads: dict[str, Load] = {}
        self._groups: dict[tuple[Shape, Identity], _Group] = {}
        self._beside = GroupCounts()
        self._excluded: dict[str, dict[str, None]] = {}
        self._shared: dict[Hashable, Hashable] = {}
        self._pending: tuple[PodGroup, ...] | None = ()
        self._not_considered: tuple[NotConsidered, ...] | None = ()
        self.stale_nodes: set[str] = set()
        """Nodes whose sums have changed; the reader clears it."""
        self.changes = 0

    def put(self, key: str, item: objects.Pod) -> None:
        fact = fact_of(item, self._rules)
        before = self._facts.get(key)
        if fact == before:
            return
        if before is not None:
            self._leave(key, before)
        if fact is None:
            self._facts.pop(key, None)
        else:
            fact = self._one(fact)
            self._facts[key] = fact
            self._enter(key, fact)
        self.changes += 1

    def drop(self, key: str) -> None:
        before = self._facts.pop(key, None)
        if before is not None:
            self._leave(key, before)
            self.changes += 1

    def load(self, node: str) -> Load | None:
        return self._loads.get(node)

    def pod(self, key: str) -> PodSeen | None:
        """By namespace and name."""
        fact = self._facts.get(key)
        if isinstance(fact, Bound):
            return PodSeen(node=fact.node)
        if isinstance(fact, Waiting):
            apart = self._beside.apart(fact.identity)
            shape = fact.shape if apart is None else replace(fact.shape, apart=apart)
            return PodSeen(shape=shape, since_ms=fact.since_ms)
        return None if fact is None else PodSeen(because=fact.because)

    def pending(self) -> tuple[PodGroup, ...]:
        if self._pending is None:
            merged: dict[Shape, PodGroup] = {}
            for (shape, identity), group in self._groups.items():
                apart = self._beside.apart(identity)
                found = _made(shape if apart is None else replace(shape, apart=apart), group)
                merged[found.shape] = _both(merged.get(found.shape), found)
            self._pending = tuple(merged.values())
        return self._pending

    def terms(self) -> tuple[Term, ...]:
        return tuple(self._beside.terms)

    def counts(self, group: str) -> Mapping[str, int]:
        """Bound pods of the group, by node."""
        return self._beside.by_node(group)

    def _count_terms(self, identity: Identity, by: int) -> None:
        if self._beside.count_terms(identity, by):
            self._pending = None

    def _count_bound(self, fact: Bound, by: int) -> None:
        self._count_terms(fact.identity, by)
        self._beside.count_bound(fact.identity, fact.node, by)

    def not_considered(self) -> tuple[NotConsidered, ...]:
        """The most frequent first."""
        if self._not_considered is None:
            found = [
                NotConsidered(because=because, count=len(keys), example=next(iter(keys)))
                for because, keys in self._excluded.items()
            ]
            found.sort(key=lambda each: (-each.count, each.because))
            self._not_considered = tuple(found)
        return self._not_considered

    def _one(self, fact: Fact) -> Fact:
        if isinstance(fact, Bound):
            return self._share(fact)
        if isinstance(fact, Waiting):
            terms = self._beside.terms
            if len(terms) < TERMS_MAX or all(term in terms for term in fact.identity.terms):
                return fact
            fact = Excluded(
                because=f"There are more than {TERMS_MAX} different rules of pods about other pods. Those that came later are not planned for."
            )
        if fact.because not in self._excluded and len(self._excluded) >= EXCLUDED_MAX:
            return Excluded(because="The pods are not demand for other reasons.")
        return self._share(fact)

    def _share(self, value: H) -> H:
        if len(self._shared) >= _SHARED_MAX:
            self._shared.clear()
        return self._shared.setdefault(value, value)  # type: ignore[return-value]

    def _enter(self, key: str, fact: Fact) -> None:
        if isinstance(fact, Bound):
            load = self._loads.get(fact.node)
            if load is None:
                load = self._loads[fact.node] = Load(fact.request)
            else:
                load.requested = load.requested.plus(fact.request)
            load.pods += 1
            load.workload_pods += fact.workload
            load.daemon_pods += not fact.workload
            self.stale_nodes.add(fact.node)
            self._count_bound(fact, 1)
        elif isinstance(fact, Waiting):
            self._count_terms(fact.identity, 1)
            group = self._groups.setdefault((fact.shape, fact.identity), _Group())
            group.since_ms[key] = fact.since_ms
            group.made = self._pending = None
        else:
            self._excluded.setdefault(fact.because, {})[key] = None
            self._not_considered = None

    def _leave(self, key: str, fact: Fact) -> None:
        if isinstance(fact, Bound):
            self._unload(fact)
            self._count_bound(fact, -1)
        elif isinstance(fact, Waiting):
            self._count_terms(fact.identity, -1)
            group = self._groups[fact.shape, fact.identity]
            del group.since_ms[key]
            group.made = self._pending = None
            if not group.since_ms:
                del self._groups[fact.shape, fact.identity]
        else:
            keys = self._excluded[fact.because]
            del keys[key]
            self._not_considered = None
            if not keys:
                del self._excluded[fact.because]

    def _unload(self, fact: Bound) -> None:
        load = self._loads[fact.node]
        load.requested = load.requested.minus(fact.request)
        load.pods -= 1
        load.workload_pods -= fact.workload
        load.daemon_pods -= not fact.workload
        self.stale_nodes.add(fact.node)
        if not load.pods:
            del self._loads[fact.node]


def _made(shape: Shape, group: _Group) -> PodGroup:
    if group.made is None or group.made.shape != shape:
        oldest = min(group.since_ms.values())
        group.made = PodGroup(
            shape=shape, count=len(group.since_ms), since_ms=oldest, example=next(iter(group.since_ms))
        )
    return group.made


def _both(first: PodGroup | None, other: PodGroup) -> PodGroup:
    if first is None:
        return other
    return replace(first, count=first.count + other.count, since_ms=min(first.since_ms, other.since_ms))
