"""Rules of pods about other pods, and how many bound pods are in the groups that they name. Pure; called by `pod_facts`.

Rules are found by the labels that they select, and a new rule counts its own group only: a cluster has thousands of replicas that are to be
apart, and whoever may create pods could otherwise stop the server with pairs of pods and rules.
"""

from collections import Counter
from collections.abc import Hashable, Iterable, Iterator, Mapping
from typing import TypeVar

from herder.memberships.kubernetes.demand.pod_rules import Identity, Term, apart_for, groups_of, selected_by
from herder.model.work.apart import Apart

#: More pods with different labels than this are not kept.
_APARTS_MAX = 100_000

_Label = tuple[str, str] | None
"""None: of rules that select by no value of a label."""

H = TypeVar("H", bound=Hashable)


class Terms:
    """Rules, by a namespace and a label of the pods that they select."""

    def __init__(self, terms: Iterable[Term] = ()) -> None:
        self._count: Counter[Term] = Counter()
        self._labels: dict[Term, tuple[_Label, ...]] = {}
        self._by_namespace: dict[str, dict[_Label, dict[Term, None]]] = {}
        for term in terms:
            self.count(term, 1)

    def __len__(self) -> int:
        return len(self._count)

    def __contains__(self, term: Term) -> bool:
        return term in self._count

    def __iter__(self) -> Iterator[Term]:
        return iter(self._count)

    def count(self, term: Term, by: int) -> bool:
        """Whether it came or went."""
        before = self._count[term]
        self._count[term] += by
        if not before:
            self._enter(term)
        elif not self._count[term]:
            del self._count[term]
            self._leave(term)
        else:
            return False
        return True

    def about(self, identity: Identity) -> list[Term]:
        """Those that may select the pod, and all that do."""
        found: dict[Term, None] = {}
        for namespace in (identity.namespace, ""):
            by_label = self._by_namespace.get(namespace)
            if by_label is not None:
                for label in (None, *identity.labels):
                    found |= by_label.get(label, {})
        return list(found)

    def _enter(self, term: Term) -> None:
        values = [
            tuple(dict.fromkeys((key, value) for value in values))
            for key, operator, values in term.selector.required
            if operator == "In" and values
        ]
        labels: tuple[_Label, ...] = min(values, key=self._taken) if values else (None,)
        self._labels[term] = labels
        for namespace in _namespaces(term):
            by_label = self._by_namespace.setdefault(namespace, {})
            for label in labels:
                by_label.setdefault(label, {})[term] = None

    def _taken(self, labels: tuple[_Label, ...]) -> int:
        by_labels = self._by_namespace.values()
        return sum(len(by_label.get(label, ())) for by_label in by_labels for label in labels)

    def _leave(self, term: Term) -> None:
        labels = self._labels.pop(term)
        for namespace in _namespaces(term):
            by_label = self._by_namespace[namespace]
            for label in labels:
                del by_label[label][term]
                if not by_label[label]:
                    del by_label[label]
            if not by_label:
                del self._by_namespace[namespace]


def _namespaces(term: Term) -> Iterable[str]:
    return dict.fromkeys(term.selector.namespaces) or ("",)


class GroupCounts:
    def __init__(self) -> None:
        self.terms = Terms()
        """Of all pods that are bound or wait."""
        self._bound: dict[Identity, Counter[str]] = {}
        """By node."""
        self._counts: dict[str, Counter[str]] = {}
        """Bound pods of each group, by node."""
        self._selecting: Counter[str] = Counter()
        """How many rules select each group."""
        self._uncounted: dict[str, Term] = {}
        """Groups of new rules, until somebody looks."""
        self._aparts: dict[Identity, Apart | None] = {}

    def count_terms(self, identity: Identity, by: int) -> bool:
        """Whether a rule came or went: then all that waits has other rules."""
        changed = False
        for term in identity.terms:
            if self.terms.count(term, by):
                changed = True
                self._count_rule(term, by)
        if changed:
            self._aparts.clear()
        return changed

    def count_bound(self, identity: Identity, node: str, by: int) -> None:
        _add(self._bound, identity, node, by)
        if not (self.terms or identity.terms or identity.ports):
            return
        for group in groups_of(identity, self.terms.about(identity)):
            if group not in self._uncounted:
                _add(self._counts, group, node, by)

    def apart(self, identity: Identity) -> Apart | None:
        """What a pod that waits asks of the pods beside it."""
        if identity not in self._aparts:
            if len(self._aparts) >= _APARTS_MAX:
                self._aparts.clear()
            self._aparts[identity] = apart_for(identity, self.terms.about(identity))
        return self._aparts[identity]

    def by_node(self, group: str) -> Mapping[str, int]:
        """Bound pods of the group."""
        if self._uncounted:
            new, self._uncounted = Terms(self._uncounted.values()), {}
            for identity, nodes in self._bound.items():
                for each in selected_by(identity, new.about(identity)):
                    self._counts.setdefault(each, Counter()).update(nodes)
        return self._counts.get(group, {})

    def _count_rule(self, term: Term, by: int) -> None:
        group = term.meant
        self._selecting[group] += by
        if by > 0 and self._selecting[group] == 1:
            self._uncounted[group] = term
        elif not self._selecting[group]:
            del self._selecting[group]
            self._uncounted.pop(group, None)
            self._counts.pop(group, None)


def _add(to: dict[H, Counter[str]], key: H, node: str, by: int) -> None:
    """Nothing is kept of what there is none of."""
    nodes = to.setdefault(key, Counter())
    nodes[node] += by
    if not nodes[node]:
        del nodes[node]
    if not nodes:
        del to[key]
