"""Rules of pods about other pods, found by label and counted as pods come and go, are what a look at each pair of pod and rule gives."""

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from herder.memberships.kubernetes.demand.group_counts import GroupCounts
from herder.memberships.kubernetes.demand.pod_rules import (
    Identity,
    Selector,
    Term,
    apart_for,
    groups_of,
)
from herder.model.work.apart import Topology

_NAMESPACES = ("shop", "bank")
_VALUES = ("a", "b", "c")
_REQUIRED = (
    ("app", "In", ("a",)),
    ("app", "In", ("a", "b", "a")),
    ("app", "In", ()),
    ("app", "NotIn", ("a",)),
    ("tier", "In", ("c",)),
    ("tier", "Exists", ()),
)
_SELECTORS = st.builds(
    lambda namespaces, required: Selector(namespaces=namespaces, required=tuple(required)),
    st.sampled_from([(), ("shop",), ("shop", "bank"), ("shop", "shop")]),
    st.lists(st.sampled_from(_REQUIRED), max_size=2),
)
_TERMS = st.builds(
    lambda selector, topology, skew: Term(selector=selector, topology=topology, skew=skew),
    _SELECTORS,
    st.sampled_from(Topology),
    st.sampled_from([None, None, 1, 2]),
)
_IDENTITIES = st.builds(
    lambda namespace, labels, terms, ports, going: Identity(
        namespace=namespace,
        labels=tuple(sorted(labels.items())),
        terms=tuple(dict.fromkeys(terms)),
        ports=ports,
        going=going,
    ),
    st.sampled_from(_NAMESPACES),
    st.dictionaries(st.sampled_from(["app", "tier"]), st.sampled_from(_VALUES)),
    st.lists(_TERMS, max_size=2),
    st.sampled_from([(), ("port TCP/80",)]),
    st.booleans(),
)


@given(st.lists(_IDENTITIES, min_size=1, max_size=6), st.lists(st.integers(0, 20), max_size=40))
def test_whatever_comes_and_goes_each_group_has_its_pods(
    identities: list[Identity], steps: list[int]
) -> None:
    """A step brings a pod, on one of two nodes or waiting, takes it away if it is there, or looks."""
    counts = GroupCounts()
    there: set[tuple[Identity, str]] = set()
    for step in steps:
        identity, node = identities[step % len(identities)], ("", "w1", "w2")[step % 3]
        by = -1 if (identity, node) in there else 1
        there ^= {(identity, node)}
        counts.count_terms(identity, by)
        if node:
            counts.count_bound(identity, node, by)
        if step % 5 == 0:
            counts.by_node("any")
    terms = {term for identity, _ in there for term in identity.terms}
    expected: dict[str, Counter[str]] = {}
    for identity, node in there:
        for group in groups_of(identity, terms) if node else ():
            expected.setdefault(group, Counter())[node] += 1
    groups = {term.meant for term in terms} | {term.carriers for term in terms} | set(expected)
    for group in groups | {"port TCP/80"}:
        assert counts.by_node(group) == expected.get(group, {}), group
    for identity in identities:
        assert counts.apart(identity) == apart_for(identity, terms)
    assert set(counts.terms) == terms


def test_a_new_rule_does_not_look_at_each_pair_of_pod_and_rule(monkeypatch: pytest.MonkeyPatch) -> None:
    """1,000 pods, each with labels of its own and a rule of its app: 100,000 pairs."""
    looks = 0
    means = Selector.means

    def counted(self: Selector, *given: object) -> bool:
        nonlocal looks
        looks += 1
        return means(self, *given)  # type: ignore[arg-type]

    monkeypatch.setattr(Selector, "means", counted)
    counts = GroupCounts()
    for number in range(1_000):
        counts.count_terms(_replica(number), 1)
        counts.count_bound(_replica(number), f"w{number}", 1)
    assert sum(counts.by_node(_replica(7).terms[0].meant).values()) == 10
    assert looks < 10_000
    looks = 0
    counts.count_terms(_replica(5, app="new"), 1)
    counts.by_node(_replica(5, app="new").terms[0].meant)
    counts.apart(_replica(5, app="new"))
    assert looks < 100


def _replica(number: int, app: str = "") -> Identity:
    app = app or f"a{number % 100}"
    selector = Selector(namespaces=("shop",), required=(("app", "In", (app,)), ("kind", "In", ("db",))))
    return Identity(
        namespace="shop",
        labels=(("app", app), ("kind", "db"), ("pod", f"p{number}")),
        terms=(Term(topology=Topology.WORKER, selector=selector),),
    )
