"""Names and nodes: which node ends is the provider's choice, counts of a person stay, and what was under way is known after a restart."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from herder.drivers.rosa.ledger import Entry, Ledger, Node, settle
from herder.model.fleet.driver import Machine, NotFound, OutcomeUnknown, Phase, Unavailable
from herder.model.ids import WorkerName
from herder.testing.fakes import Rule
from tests.drivers.rosa.lab import Lab, spec, start

A, B, C = (WorkerName(f"burst-1-{number}") for number in range(3))


def phases(machines: list[Machine]) -> dict[str, str]:
    return {machine.worker: machine.phase.value for machine in machines}


def test_a_worker_is_a_node_with_its_name(lab: Lab) -> None:
    driver = lab.driver()
    lab.running(driver, A, B)
    assert lab.pool().body["replicas"] == 2
    assert sorted(lab.nodes().values()) == [A, B]
    assert dict(lab.pool().body["labels"]) == {"herder.dev/installation": "lab", "herder.dev/pool": "burst"}


def test_the_node_that_was_chosen_ends(lab: Lab) -> None:
    driver = lab.driver()
    lab.running(driver, A, B)
    chosen = next(node for node, worker in lab.nodes().items() if worker == B)
    lab.ocm.state.removes = lambda _nodes: chosen
    assert driver.delete(B).phase is Phase.STOPPING
    lab.jump(120)
    with pytest.raises(NotFound):
        driver.get(B)
    assert list(lab.nodes().values()) == [A]
    assert lab.pool().body["replicas"] == 1


def test_names_swap_when_the_provider_chose_another_node(lab: Lab) -> None:
    driver = lab.driver()
    lab.running(driver, A, B)
    of = {worker: node for node, worker in lab.nodes().items()}
    lab.ask("PATCH", f"/api/v1/nodes/{of[B]}", {"spec": {"unschedulable": True}})  # Herder drained it
    lab.ocm.state.removes = lambda _nodes: of[A]
    assert driver.delete(B).phase is Phase.STOPPING
    assert phases(list(driver.list())) == {A: "running", B: "stopping"}, "until the provider has chosen"
    lab.jump(120)
    assert phases(list(driver.list())) == {A: "running"}
    assert lab.nodes() == {of[B]: A}
    assert lab.cordoned() == set()
    with pytest.raises(NotFound):
        driver.get(B)


def test_an_interrupted_node_is_followed_by_another(lab: Lab) -> None:
    driver = lab.driver()
    lab.running(driver, A, B)
    lost = next(node for node, worker in lab.nodes().items() if worker == A)
    lab.ocm.state.interrupt(lab.pool(), lost)
    waiting = driver.get(A)
    assert waiting.phase is Phase.CREATING
    assert waiting.detail.startswith(f"Machine pool {lab.pool().name} has 1 of 2 nodes.")
    lab.jump(300)
    assert driver.get(A).phase is Phase.RUNNING


@pytest.mark.parametrize(("by_hand", "than"), [(4, "2 more"), (1, "1 fewer")])
def test_a_count_that_a_person_has_set_is_told_and_kept(lab: Lab, by_hand: int, than: str) -> None:
    driver = lab.driver()
    lab.running(driver, A, B)
    pool = lab.pool()
    pool.body["replicas"] = by_hand
    lab.ocm.state.settle(pool)
    lab.jump(300)
    found = {machine.worker: machine for machine in driver.list()}
    assert f"A person has set {than} replicas than workers." in found[A].detail
    assert pool.body["replicas"] == by_hand, "it is not set back"
    driver.create(spec(C), start())
    assert pool.body["replicas"] == by_hand + 1
    lab.jump(300)
    driver.delete(C)
    lab.jump(300)
    assert phases(list(driver.list())).keys() == {A, B}
    # With fewer nodes than workers, the one without a node is forgotten, and no other worker's node ends.
    assert pool.body["replicas"] == (by_hand if by_hand > 2 else 2)


@pytest.mark.parametrize("verb", ["create", "delete"])
def test_a_change_that_was_interrupted_is_carried_out_once(lab: Lab, verb: str) -> None:
    """Names were written, and the server ended before the count was set."""
    driver = lab.driver()
    lab.running(driver, A)
    lab.ocm.faults.add(Rule(method="PATCH", path="node_pools", status=503, times=-1))
    with pytest.raises(Unavailable):
        driver.create(spec(B), start()) if verb == "create" else driver.delete(A)
    lab.ocm.faults.clear()
    again = lab.driver()
    assert lab.pool().body["replicas"] == 1
    for _ in range(2):
        again.create(spec(B), start()) if verb == "create" else again.delete(A)
        assert lab.pool().body["replicas"] == (2 if verb == "create" else 0)
    assert all("person" not in machine.detail for machine in again.list())


def test_a_count_that_was_set_although_the_answer_was_lost(lab: Lab) -> None:
    driver = lab.driver()
    lab.running(driver, A)
    lab.rule(path="/configmaps", method="PUT", lose_answer=True)
    with pytest.raises(OutcomeUnknown):
        driver.create(spec(B), start())
    assert driver.get(B).phase is Phase.CREATING
    driver.create(spec(B), start())
    assert lab.pool().body["replicas"] == 2


def test_a_machine_pool_that_was_deleted_by_hand(lab: Lab) -> None:
    driver = lab.driver()
    lab.running(driver, A, B)
    lab.ocm.state.remove(lab.pool())
    lab.jump(120)
    assert list(driver.list()) == []
    with pytest.raises(NotFound, match="was deleted"):
        driver.get(A)
    lab.running(driver, C)
    assert lab.pool().body["replicas"] == 1
    assert list(lab.nodes().values()) == [C]


def test_many_workers_and_the_last_one_gone(lab: Lab) -> None:
    driver = lab.driver()
    names = [f"burst-2-{number}" for number in range(12)]
    lab.running(driver, *names)
    assert sorted(lab.nodes().values()) == sorted(names)
    lab.ocm.state.removes = lambda nodes: nodes[len(nodes) // 2]
    for name in names:
        driver.delete(WorkerName(name))
    lab.jump(300)
    assert list(driver.list()) == []
    assert (lab.nodes(), lab.pool().body["replicas"]) == ({}, 0)


def test_many_workers_that_are_created_cost_few_calls_of_ocm(lab: Lab) -> None:
    driver = lab.driver()
    for number in range(20):
        driver.create(spec(f"burst-3-{number}"), start())
    lab.ocm.asked.clear()
    for _ in range(3):
        lab.jump(10)
        for number in range(20):
            driver.get(WorkerName(f"burst-3-{number}"))
    assert len(lab.ocm.asked) == 3


# --- the pure part

NAMES = ("a", "b", "c")


@st.composite
def scenes(draw: st.DrawFn) -> tuple[Ledger, list[Node], int]:
    workers = {
        name: Entry(template="t", leaving=draw(st.booleans()))
        for name in draw(st.sets(st.sampled_from(NAMES)))
    }
    nodes = [
        Node(
            name=f"n{number}",
            uid=f"u{number}",
            worker=draw(st.sampled_from(["", *NAMES])),
            going=draw(st.booleans()),
            cordoned=draw(st.booleans()),
        )
        for number in range(draw(st.integers(0, 5)))
    ]
    ledger = Ledger(
        installation="i", pool="p", machine_pool="m", workers=workers, autoscaling=draw(st.booleans())
    )
    return ledger, nodes, draw(st.integers(0, 5))


@given(scene=scenes())
def test_each_node_has_one_name_and_each_name_one_node(scene: tuple[Ledger, list[Node], int]) -> None:
    ledger, nodes, replicas = scene
    settled = settle(ledger, nodes, replicas)
    assert set(settled.nodes) <= set(ledger.workers) - set(settled.ended)
    assert len({node.name for node in settled.nodes.values()}) == len(settled.nodes)
    assert set(settled.ended) <= set(ledger.workers) - set(ledger.staying)
    assert len({move.node.name for move in settled.moves}) == len(settled.moves)
    lacking = [name for name in ledger.staying if name not in settled.nodes]
    usable = [node for node in nodes if not node.going and (node.worker or not node.cordoned)]
    assert not lacking or len(settled.nodes) == len(usable), "no worker waits while there is a node for it"


@given(scene=scenes())
def test_what_was_settled_stays_so(scene: tuple[Ledger, list[Node], int]) -> None:
    ledger, nodes, replicas = scene
    settled = settle(ledger, nodes, replicas)
    named = {move.node.name: move.worker for move in settled.moves}
    after = [
        Node(
            name=node.name,
            uid=node.uid,
            worker=named.get(node.name, node.worker),
            going=node.going,
            cordoned=node.cordoned and node.name not in named,
        )
        for node in nodes
    ]
    for name in settled.ended:
        del ledger.workers[name]
    again = settle(ledger, after, replicas)
    assert (again.moves, again.ended) == ([], [])
