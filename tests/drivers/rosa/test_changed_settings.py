"""Settings of a pool that change reach its machine pool with the next worker; what a person has written there stays until then."""

from __future__ import annotations

import pytest

from herder.model.fleet.driver import InvalidRequest, OutcomeUnknown, Unavailable
from herder.model.fleet.pool import Taint, TaintEffect
from herder.model.ids import WorkerName
from herder.testing.fakes import Rule
from herder.testing.ocm import CLASSIC
from tests.drivers.rosa.lab import Lab, spec, start

A, B, C = (WorkerName(f"burst-1-{number}") for number in range(3))
OURS = {"herder.dev/installation": "lab", "herder.dev/pool": "burst"}
TAINT = (Taint(key="spot", value="true", effect=TaintEffect.PREFER_NO_SCHEDULE),)


def changes(lab: Lab) -> list[str]:
    return [each for each in lab.ocm.asked if each.startswith("patch")]


def test_labels_and_taints_follow_the_settings(lab: Lab) -> None:
    driver = lab.driver()
    lab.running(driver, A, labels=(("team", "a"),))
    driver.create(spec(B, labels=(("team", "b"),), taints=TAINT), start())
    body = lab.pool().body
    assert body["labels"] == {"team": "b", **OURS}
    assert body["taints"] == [{"key": "spot", "value": "true", "effect": "PreferNoSchedule"}]
    assert body["replicas"] == 2
    before = len(changes(lab))
    driver.create(spec(C, labels=(("team", "b"),), taints=TAINT), start())
    assert len(changes(lab)) == before + 1, "only the count"


def test_what_a_person_has_written_stays_until_the_settings_change(lab: Lab) -> None:
    driver = lab.driver()
    lab.running(driver, A, labels=(("team", "a"),))
    lab.ocm.state.label(lab.pool(), {"team": "blue", **OURS})
    driver.create(spec(B, labels=(("team", "a"),)), start())
    assert lab.pool().body["labels"] == {"team": "blue", **OURS}
    driver.create(spec(C, labels=(("team", "c"),)), start())
    assert lab.pool().body["labels"] == {"team": "c", **OURS}


def test_the_price_of_spot_in_an_hcp_cluster(lab: Lab) -> None:
    driver = lab.driver()
    options = (("instance_type", "m5.xlarge"), ("spot_max_price", "0.5"))
    lab.running(driver, A, driver_options=options, spot=True)
    driver.create(spec(B, driver_options=(options[0], ("spot_max_price", "0.7")), spot=True), start())
    assert lab.pool().body["aws_node_pool"]["spot_market_options"] == {"max_price": "0.7"}


def test_the_price_of_spot_in_a_classic_cluster_stays() -> None:
    lab = Lab(CLASSIC)
    try:
        driver = lab.driver()
        options = (("instance_type", "m5.xlarge"), ("spot_max_price", "0.5"))
        lab.running(driver, A, driver_options=options, spot=True)
        driver.create(spec(B, driver_options=(options[0], ("spot_max_price", "0.7")), spot=True), start())
        assert lab.pool().body["aws"]["spot_market_options"] == {"max_price": 0.5}
        assert lab.pool().body["replicas"] == 2
    finally:
        lab.close()


def test_the_limits_of_autoscaling(lab: Lab) -> None:
    driver = lab.driver()
    options = (("instance_type", "m5.xlarge"), ("autoscaling", "0..3"))
    driver.create(spec(A, driver_options=options), start())
    driver.create(spec(B, driver_options=(options[0], ("autoscaling", "1..9"))), start())
    assert lab.pool().body["autoscaling"] == {"min_replica": 1, "max_replica": 9}
    driver.create(spec(C), start())
    assert lab.pool().body["autoscaling"] == {"min_replica": 1, "max_replica": 9}, "a person turns it off"


@pytest.mark.parametrize("at", ["ocm", "map"])
def test_a_change_that_failed_is_made_with_the_next_try(lab: Lab, at: str) -> None:
    driver = lab.driver()
    lab.running(driver, A, labels=(("team", "a"),))
    if at == "ocm":
        lab.ocm.faults.add(Rule(method="PATCH", path="node_pools", status=500, text="no", times=-1))
    else:
        lab.rule(path="/configmaps", method="PUT", status=500, times=-1)
    changed = spec(B, labels=(("team", "b"),))
    with pytest.raises((Unavailable, OutcomeUnknown)):
        driver.create(changed, start())
    lab.ocm.faults.clear()
    lab.cluster.faults.clear()
    driver.create(changed, start())
    assert lab.pool().body["labels"] == {"team": "b", **OURS}
    assert lab.pool().body["replicas"] == 2
    before = len(changes(lab))
    driver.create(spec(C, labels=(("team", "b"),)), start())
    assert len(changes(lab)) == before + 1


def test_taints_that_break_a_rule_change_nothing(lab: Lab) -> None:
    driver = lab.driver()
    lab.running(driver, A)
    options = (("instance_type", "m5.xlarge"), ("taints", "a=b:Never"))
    with pytest.raises(InvalidRequest, match="taint_effects"):
        driver.create(spec(B, driver_options=options), start())
    assert lab.pool().body["replicas"] == 1
    assert [each.worker for each in driver.list()] == [A]


def test_a_machine_pool_that_was_handed_over_keeps_its_taints(lab: Lab) -> None:
    theirs = lab.ocm.state.pools[lab.rosa_cluster, "workers-1"]
    theirs.body |= {"labels": {"team": "x", **OURS}, "taints": []}
    options = (("instance_type", "m5.xlarge"), ("machine_pool", "workers-1"))
    driver = lab.driver()
    driver.create(spec(A, driver_options=options, taints=TAINT), start())
    assert (theirs.body["labels"], theirs.body["taints"]) == ({"team": "x", **OURS}, [])
    driver.create(spec(B, driver_options=options, taints=TAINT, labels=(("team", "y"),)), start())
    assert theirs.body["labels"] == {"team": "y", **OURS}
    assert [each["key"] for each in theirs.body["taints"]] == ["spot"]
