"""Calls of OCM, both kinds of cluster: what is sent, what is read, warnings, refusals, faults."""

from __future__ import annotations

from typing import Any

import pytest

from herder.model.fleet.driver import (
    AlreadyExists,
    DriverError,
    InvalidRequest,
    NotFound,
    OutcomeUnknown,
    QuotaExceeded,
    RateLimited,
    Unauthorised,
    Unavailable,
)
from herder.remote.ocm import spelling
from herder.remote.ocm.pools import Autoscaling, PoolTaint, Spot
from herder.testing.fakes import Rule
from herder.testing.ocm import CLASSIC, HCP, MULTI_AZ
from herder.testing.ocm.settings import SUBNETS
from tests.remote.ocm.lab import Lab, pool

FULL = pool(
    labels=(("team", "a"),),
    taints=(PoolTaint(key="spot", value="true", effect="NoSchedule"),),
    spot=Spot(max_price="0.5"),
    disk_gib=300,
    security_groups=("sg-1",),
    tags=(("cost", "7"),),
)


def test_what_creates_a_classic_pool() -> None:
    assert spelling.new_pool(FULL, hosted=False) == {
        "id": "batch",
        "instance_type": "m5.2xlarge",
        "replicas": 3,
        "labels": {"team": "a"},
        "taints": [{"key": "spot", "value": "true", "effect": "NoSchedule"}],
        "root_volume": {"aws": {"size": 300}},
        "aws": {
            "additional_security_group_ids": ["sg-1"],
            "tags": {"cost": "7"},
            "spot_market_options": {"max_price": 0.5},
        },
    }


def test_what_creates_a_node_pool() -> None:
    asked = pool(
        replicas=None,
        autoscaling=Autoscaling(min_replicas=0, max_replicas=4),
        subnets=(SUBNETS[0],),
        spot=Spot(max_price="0.5"),
        disk_gib=300,
        auto_repair=True,
        drain_grace_min=30.0,
        max_surge="1",
    )
    assert spelling.new_pool(asked, hosted=True) == {
        "id": "batch",
        "autoscaling": {"min_replica": 0, "max_replica": 4},
        "subnet": SUBNETS[0],
        "auto_repair": True,
        "node_drain_grace_period": {"value": 30.0, "unit": "minutes"},
        "management_upgrade": {"type": "Replace", "max_surge": "1"},
        "aws_node_pool": {
            "instance_type": "m5.2xlarge",
            "root_volume": {"size": 300},
            "spot_market_options": {"max_price": "0.5"},
        },
    }


@pytest.mark.parametrize("named", [CLASSIC, HCP, "plain", "hosted"])
def test_the_life_of_a_pool(lab: Lab, named: str) -> None:
    cluster = lab.ocm.cluster(named)
    made = lab.ocm.create(cluster, FULL).pool
    assert (made.labels, made.taints, made.spot, made.disk_gib) == (FULL.labels, FULL.taints, FULL.spot, 300)
    assert made.replicas == 3
    assert made.current_replicas == (0 if cluster.hosted else None)
    lab.jump(600)
    again = lab.ocm.pool(cluster, "batch")
    assert again.current_replicas == (3 if cluster.hosted else None)
    assert len(lab.state.pools[cluster.id, "batch"].nodes) == 3
    smaller = lab.ocm.change(cluster, again, pool(spot=FULL.spot, replicas=1), "replicas").pool
    assert (smaller.replicas, smaller.labels) == (1, FULL.labels)
    lab.jump(600)
    assert len(lab.state.pools[cluster.id, "batch"].nodes) == 1
    by_itself = pool(spot=FULL.spot, replicas=None, autoscaling=Autoscaling(min_replicas=2, max_replicas=5))
    assert (
        lab.ocm.change(cluster, smaller, by_itself, "autoscaling").pool.autoscaling == by_itself.autoscaling
    )
    assert "batch" in [each.name for each in lab.ocm.pools(cluster)]
    lab.ocm.delete(cluster, "batch")
    with pytest.raises(NotFound, match="Machine pool with id 'batch' not found"):
        lab.ocm.pool(cluster, "batch")
    with pytest.raises(NotFound):
        lab.ocm.delete(cluster, "batch")


def test_clusters(lab: Lab) -> None:
    three = lab.ocm.cluster("three-zones")
    assert (three.id, three.hosted, three.multi_az, len(three.zones), three.version) == (
        MULTI_AZ,
        False,
        True,
        3,
        "4.16.8",
    )
    with pytest.raises(InvalidRequest, match="knows no cluster 'none'"):
        lab.ocm.cluster("none")
    lab.state.clusters["second"] = {**lab.state.clusters[CLASSIC], "id": "second"}
    with pytest.raises(InvalidRequest, match=r"2 clusters have the name plain. Name the cluster by its id"):
        lab.ocm.cluster("plain")
    assert lab.ocm.nodes_max(three) is None
    lab.state.autoscalers[MULTI_AZ] = 60
    assert lab.ocm.nodes_max(three) == 60


def test_lists_of_several_pages(lab: Lab) -> None:
    cluster = lab.ocm.cluster(HCP)
    for number in range(205):
        lab.ocm.create(cluster, pool(name=f"batch-{number}", replicas=0))
    lab.played.asked.clear()
    assert len(lab.ocm.pools(cluster)) == 208
    assert len(lab.played.asked) == 3


def test_a_rule_is_checked_before_the_call(lab: Lab) -> None:
    cluster = lab.ocm.cluster(MULTI_AZ)
    with pytest.raises(InvalidRequest, match="rule multi_az_by_three"):
        lab.ocm.create(cluster, pool(replicas=4))
    made = lab.ocm.create(cluster, pool()).pool
    with pytest.raises(InvalidRequest, match=r"cannot change its instance_type .rule immutable"):
        lab.ocm.change(cluster, made, pool(instance_type="m5.large"), "replicas")
    assert len(lab.writes()) == 1


def test_the_last_pool_is_not_deleted(lab: Lab) -> None:
    with pytest.raises(InvalidRequest, match="rule last_pool"):
        lab.ocm.delete(lab.ocm.cluster(CLASSIC), "worker")
    assert lab.writes() == []


def test_warnings_are_told(lab: Lab) -> None:
    lab.state.warning = 'the type \\"m5\\" is old'
    assert lab.ocm.create(lab.ocm.cluster(CLASSIC), pool()).warnings == ('the type "m5" is old',)


def test_terms_that_were_not_accepted(lab: Lab) -> None:
    lab.state.terms_accepted = False
    with pytest.raises(Unauthorised) as caught:
        lab.ocm.cluster(CLASSIC)
    assert str(caught.value) == (
        f"OpenShift Cluster Manager refused reading cluster {CLASSIC}: CLUSTERS-MGMT-451: You must accept the Terms and Conditions in order to continue "
        "(operation 0d1f2e3c-4b5a). Accept Red Hat's terms: log in at https://console.redhat.com with the account of these credentials."
    )


@pytest.mark.parametrize(
    ("status", "text", "kind", "words"),
    [
        (400, "Insufficient quota for m5.2xlarge", QuotaExceeded, "CLUSTERS-MGMT-400: Insufficient quota"),
        (400, "Machine pool with id 'batch' already exists", AlreadyExists, "already exists"),
        (400, "Attribute 'x' is unknown", InvalidRequest, "Correct the driver's settings"),
        (403, "Account may not do that", Unauthorised, "may edit the cluster's machine pools"),
        (403, "Delete protection is enabled", InvalidRequest, "Turn off the cluster's delete protection"),
        (500, "Internal", OutcomeUnknown, "which may have happened"),
    ],
)
def test_refusals(lab: Lab, status: int, text: str, kind: type[DriverError], words: str) -> None:
    cluster = lab.ocm.cluster(CLASSIC)
    lab.played.faults.add(Rule(method="POST", path="machine_pools", status=status, text=text, times=-1))
    with pytest.raises(DriverError) as caught:
        lab.ocm.create(cluster, pool())
    assert type(caught.value) is kind
    assert words in str(caught.value)


@pytest.mark.parametrize("status", [429, 503])
@pytest.mark.parametrize("method", ["POST", "PATCH", "DELETE"])
def test_busy_is_tried_again_for_every_method(lab: Lab, status: int, method: str) -> None:
    cluster = lab.ocm.cluster(CLASSIC)
    lab.played.faults.add(
        Rule(method=method, status=status, path="machine_pools", times=2, headers={"Retry-After": "1"})
    )
    made = lab.ocm.create(cluster, pool()).pool
    lab.ocm.change(cluster, made, pool(replicas=1), "replicas")
    lab.ocm.delete(cluster, "batch")
    assert len(lab.waited) == 2
    assert [each.partition(" ")[0] for each in lab.writes()] == ["post", "patch", "delete"]


def test_busy_for_too_long(lab: Lab) -> None:
    lab.played.faults.add(Rule(status=429, path="clusters", times=-1, headers={"Retry-After": "120"}))
    with pytest.raises(RateLimited) as caught:
        lab.ocm.cluster(CLASSIC)
    assert caught.value.retry_after_s == 120


def test_a_creation_whose_answer_is_lost_is_found_again(lab: Lab) -> None:
    cluster = lab.ocm.cluster(CLASSIC)
    lab.played.faults.add(Rule(method="POST", path="machine_pools", lose_answer=True))
    with pytest.raises(AlreadyExists):
        lab.ocm.create(cluster, pool())
    assert lab.ocm.pool(cluster, "batch").replicas == 3


def test_an_answer_of_somebody_else(lab: Lab) -> None:
    lab.played.faults.add(Rule(status=200, path="clusters", body=[1]))
    with pytest.raises(Unavailable, match=r"not one of OpenShift Cluster Manager. Check the address ocm_url"):
        lab.ocm.cluster(CLASSIC)


def test_delete_protection(lab: Lab) -> None:
    cluster = lab.ocm.cluster(CLASSIC)
    lab.ocm.create(cluster, pool())
    lab.state.delete_protected.add(CLASSIC)
    with pytest.raises(InvalidRequest, match="Delete protection is enabled"):
        lab.ocm.delete(cluster, "batch")


@pytest.mark.parametrize(("name", "hosted"), [(CLASSIC, False), (HCP, True)])
def test_a_misspelled_property_is_refused(
    lab: Lab, monkeypatch: pytest.MonkeyPatch, name: str, hosted: bool
) -> None:
    cluster = lab.ocm.cluster(name)
    wrong: dict[str, Any] = {"id": "batch", "replicaz": 1}
    monkeypatch.setattr(spelling, "new_pool", lambda _pool, hosted: wrong)
    with pytest.raises(InvalidRequest, match="Malformed request: the value: property replicaz is unknown"):
        lab.ocm.create(cluster, pool())
    assert (cluster.id, "batch") not in lab.state.pools
