"""What people change at a machine pool: labels, autoscaling, the pool itself; and what a change that was interrupted leaves."""

from __future__ import annotations

import pytest

from herder.model.fleet.driver import InvalidRequest, NotFound, OutcomeUnknown, Phase, QuotaExceeded
from herder.model.ids import WorkerName
from herder.testing.fakes import Rule
from herder.testing.ocm import HCP, Pool
from tests.drivers.rosa.lab import Lab, spec, start

A, B, C = (WorkerName(f"burst-1-{number}") for number in range(3))
NAMED = (("instance_type", "m5.xlarge"), ("machine_pool", "batch"))
OURS = {"herder.dev/installation": "lab", "herder.dev/pool": "burst"}


def of_a_person(lab: Lab, name: str = "batch", **more: object) -> Pool:
    body = {"id": name, "replicas": 2, "aws_node_pool": {"instance_type": "m5.xlarge"}, **more}
    made = Pool(cluster=lab.rosa_cluster, hosted=lab.rosa_cluster == HCP, body=body)
    lab.ocm.state.pools[lab.rosa_cluster, name] = made
    lab.ocm.state.settle(made)
    return made


@pytest.mark.parametrize("verb", ["create", "delete", "list"])
def test_labels_that_a_person_has_replaced_are_put_back(lab: Lab, verb: str) -> None:
    driver = lab.driver()
    lab.running(driver, A)
    lab.ocm.state.label(lab.pool(), {"team": "blue"})
    if verb == "create":
        driver.create(spec(B), start())
    elif verb == "delete":
        driver.delete(A)
    else:
        driver.list()
    assert lab.pool().body["labels"] == {"team": "blue", **OURS}
    lab.jump(300)
    driver.list()
    assert set(lab.nodes().values()) == {"create": {A, B}, "delete": set(), "list": {A}}[verb]


def test_a_machine_pool_of_a_person_in_the_place_of_one_that_was_deleted_is_not_touched(lab: Lab) -> None:
    driver = lab.driver()
    lab.running(driver, A, driver_options=NAMED)
    lab.ocm.state.remove(lab.pool())
    lab.jump(120)
    assert list(driver.list()) == []
    theirs = of_a_person(lab)
    lab.jump(300)
    before = dict(theirs.body)
    with pytest.raises(NotFound):
        driver.get(A)
    with pytest.raises(NotFound):
        driver.delete(A)
    with pytest.raises(InvalidRequest, match="Machine pool batch exists and was not made for pool burst"):
        driver.create(spec(B, driver_options=NAMED), start())
    assert list(driver.list()) == []
    assert theirs.body == before
    assert set(lab.nodes().values()) == {""}


def test_one_that_a_person_hands_over_again(lab: Lab) -> None:
    driver = lab.driver()
    lab.running(driver, A, driver_options=NAMED)
    lab.ocm.state.remove(lab.pool())
    lab.jump(120)
    driver.list()
    theirs = of_a_person(lab, labels=OURS)
    driver.create(spec(B, driver_options=NAMED), start())
    assert theirs.body["replicas"] == 3
    assert "A person has set 2 more replicas than workers." in driver.get(B).detail


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (
            {"aws_node_pool": {"instance_type": "m5.large"}},
            "has instance type m5.large, and its pool wants m5.xlarge",
        ),
        (
            {"aws_node_pool": {"instance_type": "m5.xlarge", "spot_market_options": {}}},
            "has market spot, and its pool wants on-demand",
        ),
    ],
)
def test_a_machine_pool_of_other_machines_is_not_used(lab: Lab, body: dict[str, object], words: str) -> None:
    theirs = of_a_person(lab, labels=OURS, **body)
    driver = lab.driver()
    with pytest.raises(InvalidRequest, match=words):
        driver.create(spec(A, driver_options=NAMED), start())
    assert theirs.body["replicas"] == 2
    assert list(driver.list()) == []


def test_autoscaling_that_a_person_turns_on_and_off_stays_so(lab: Lab) -> None:
    driver = lab.driver()
    lab.running(driver, A, B)
    pool = lab.pool()
    replicas = pool.body.pop("replicas")
    pool.body["autoscaling"] = {"min_replica": 2, "max_replica": 4}
    pool.demand = 3
    lab.ocm.state.settle(pool)
    lab.ocm.asked.clear()
    driver.create(spec(C), start())
    lab.jump(300)
    assert driver.get(C).phase is Phase.RUNNING
    assert not [each for each in lab.ocm.asked if each.startswith("patch")], "sizes are the autoscaler's"
    del pool.body["autoscaling"]
    pool.body["replicas"] = replicas + 2
    lab.ocm.state.settle(pool)
    driver.delete(C)
    assert pool.body["replicas"] == 3, "a person has set 1 more than the 3 workers"


@pytest.mark.parametrize("new", [True, False])
def test_a_creation_that_was_interrupted_is_finished_by_the_next_look(lab: Lab, new: bool) -> None:
    driver = lab.driver()
    if not new:
        lab.running(driver, A)
    lab.ocm.faults.add(Rule(method="POST" if new else "PATCH", path="node_pools", status=503, times=-1))
    with pytest.raises(OutcomeUnknown):
        driver.create(spec(B), start())
    lab.ocm.faults.clear()
    assert lab.driver().get(B).phase is Phase.CREATING
    lab.jump(300)
    assert driver.get(B).phase is Phase.RUNNING
    assert lab.pool().body["replicas"] == (1 if new else 2)


def test_a_removal_that_was_interrupted_is_finished_by_the_next_look(lab: Lab) -> None:
    driver = lab.driver()
    lab.running(driver, A, B)
    lab.ocm.faults.add(Rule(method="PATCH", path="node_pools", status=503, times=-1))
    with pytest.raises(OutcomeUnknown):
        driver.delete(B)
    lab.ocm.faults.clear()
    assert lab.driver().get(B).phase is Phase.STOPPING
    assert lab.pool().body["replicas"] == 1
    lab.jump(300)
    assert [machine.worker for machine in driver.list()] == [A]


def test_what_is_refused_later_does_not_forget_a_worker_that_has_its_node(lab: Lab) -> None:
    driver = lab.driver()
    lab.running(driver, A)
    lab.ocm.faults.add(Rule(method="PATCH", path="node_pools", status=503, times=-1))
    with pytest.raises(OutcomeUnknown):
        driver.create(spec(B), start())
    lab.ocm.faults.clear()
    lab.ocm.faults.add(Rule(method="PATCH", path="node_pools", status=400, text="no quota", times=-1))
    with pytest.raises(QuotaExceeded):
        driver.create(spec(A), start())
    lab.ocm.faults.clear()
    assert driver.get(A).phase is Phase.RUNNING
    assert set(lab.nodes().values()) == {A}


def test_a_cluster_that_this_account_may_not_see_has_not_lost_its_machine_pools(lab: Lab) -> None:
    driver = lab.driver()
    lab.running(driver, A)
    lab.jump(30)
    hidden = lab.ocm.state.clusters.pop(lab.rosa_cluster)
    for ask in (driver.list, lambda: driver.get(A), lambda: driver.delete(A)):
        with pytest.raises(InvalidRequest, match="shows no cluster hosted"):
            ask()
    lab.ocm.state.clusters[lab.rosa_cluster] = hidden
    assert driver.get(A).phase is Phase.RUNNING
