"""Machine pools as a pool of Herder describes them: what is created, adopted and refused, and what the check of the driver says."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from herder.drivers.rosa import RosaSettings, make, pool_faults
from herder.drivers.rosa.options import KNOWN, pool_name, wanted
from herder.model.fleet.cluster import ClusterSettings
from herder.model.fleet.driver import (
    DriverContext,
    DriverError,
    InvalidRequest,
    Phase,
    QuotaExceeded,
    Unauthorised,
)
from herder.model.fleet.pool import PoolSpec, Taint, TaintEffect, Template
from herder.model.ids import PoolName, WorkerName
from herder.model.values.money import PicoUsd
from herder.model.values.resources import Resources
from herder.remote.ocm.pools import PoolTaint, Spot
from herder.testing.fakes import Rule
from herder.testing.ocm import CLASSIC, MULTI_AZ
from herder.testing.ocm.settings import SUBNETS, ZONES
from tests.drivers.rosa.lab import Lab, spec, start

FULL = {
    "machine_pool": "batch",
    "instance_type": "m5.2xlarge",
    "subnet": SUBNETS[0],
    "spot_max_price": "0.5",
    "disk_gib": "300",
    "labels": "team=a, tier=batch",
    "taints": "spot=true:PreferNoSchedule, gpu:NoSchedule",
    "security_groups": "sg-1, sg-2",
    "tags": "cost=7",
}


def options(**changed: str) -> tuple[tuple[str, str], ...]:
    return tuple({"instance_type": "m5.xlarge", **changed}.items())


def test_what_a_pool_may_say() -> None:
    found = wanted("lab", spec(driver_options=tuple(FULL.items()), spot=True))
    assert (found.name, found.instance_type, found.subnets, found.disk_gib) == (
        "batch",
        "m5.2xlarge",
        (SUBNETS[0],),
        300,
    )
    assert found.spot == Spot(max_price="0.5")
    assert dict(found.labels) == {
        "team": "a",
        "tier": "batch",
        "herder.dev/installation": "lab",
        "herder.dev/pool": "burst",
    }
    assert found.taints == (
        PoolTaint(key="spot", value="true", effect="PreferNoSchedule"),
        PoolTaint(key="gpu", effect="NoSchedule"),
    )
    assert (found.security_groups, found.tags) == (("sg-1", "sg-2"), (("cost", "7"),))


def test_labels_and_taints_of_the_pool_are_those_of_its_machine_pool() -> None:
    taints = (
        Taint(key="nvidia.com/gpu", value="true"),
        Taint(key="spot", value="no", effect=TaintEffect.PREFER_NO_SCHEDULE),
    )
    labels = (("node-type", "gpu"), ("team", "b"), ("herder.dev/pool", "another"))
    found = wanted("lab", spec(driver_options=tuple(FULL.items()), spot=True, labels=labels, taints=taints))
    assert dict(found.labels) == {
        "node-type": "gpu",
        "team": "a",
        "tier": "batch",
        "herder.dev/installation": "lab",
        "herder.dev/pool": "burst",
    }
    assert found.taints == (
        PoolTaint(key="nvidia.com/gpu", value="true", effect="NoSchedule"),
        PoolTaint(key="spot", value="true", effect="PreferNoSchedule"),
        PoolTaint(key="gpu", effect="NoSchedule"),
    )


def test_it_is_created_as_described(lab: Lab) -> None:
    lab.driver().create(spec(driver_options=tuple(FULL.items()), spot=True), start())
    body = lab.pool().body
    assert (body["id"], body["subnet"], body["replicas"]) == ("batch", SUBNETS[0], 1)
    assert body["aws_node_pool"]["spot_market_options"] == {"max_price": "0.5"}
    assert body["aws_node_pool"]["root_volume"] == {"size": 300}


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        (
            {"instance_type": "large"},
            "instance_type 'large' of driver_options cannot be used. Write a type of machine of AWS",
        ),
        ({"kind": "x"}, "has no option 'kind' in driver_options. Use one of machine_pool"),
        ({"labels": "herder.dev/worker=a"}, "Label herder.dev/worker is set by Herder itself"),
        ({"autoscaling": "5"}, "Write the minimum and the maximum of nodes"),
        ({"spot_max_price": "1"}, "template medium is not spot"),
        ({"disk_gib": "50"}, "breaks rule disk: its disk is 50 GiB, 75 to 16,384 are allowed"),
        ({"taints": "a=b:Never"}, "breaks rule taint_effects"),
        ({"subnet": SUBNETS[0], "availability_zone": ZONES[0]}, "breaks rule zone_or_subnet"),
    ],
)
def test_what_cannot_be_is_refused_and_nothing_is_made(lab: Lab, changed: dict[str, str], words: str) -> None:
    driver = lab.driver()
    with pytest.raises(InvalidRequest) as caught:
        driver.create(spec(driver_options=options(**changed)), start())
    assert words in str(caught.value)
    assert list(driver.list()) == []
    assert all(not each.startswith(("post", "patch")) for each in lab.ocm.asked)


def test_a_zone_that_the_machine_pool_is_not_in(lab: Lab) -> None:
    with pytest.raises(
        InvalidRequest,
        match="is wanted in zone eu-central-1b, but the machine pool of pool burst is in no chosen zone",
    ):
        lab.driver().create(spec(zone="eu-central-1b"), start())


def test_counts_of_a_multi_az_cluster_need_a_zone() -> None:
    lab = Lab(MULTI_AZ)
    try:
        driver = lab.driver()
        with pytest.raises(InvalidRequest, match="breaks rule multi_az_by_three: replicas is 1"):
            driver.create(spec(), start())
        lab.running(driver, "burst-1-0", driver_options=options(availability_zone=ZONES[1]))
        lab.running(driver, "burst-1-1", driver_options=options(availability_zone=ZONES[1]))
        assert lab.pool().body["replicas"] == 2
    finally:
        lab.close()


def test_a_machine_pool_of_somebody_else_is_not_touched(lab: Lab) -> None:
    driver = lab.driver()
    with pytest.raises(
        InvalidRequest, match=r"Machine pool workers-1 exists and was not made for pool burst. Add the label"
    ):
        driver.create(spec(driver_options=options(machine_pool="workers-1")), start())
    assert lab.ocm.state.pools[lab.rosa_cluster, "workers-1"].body["replicas"] == 1
    lab.ocm.state.pools[lab.rosa_cluster, "workers-1"].body |= {
        "labels": {"herder.dev/installation": "lab", "herder.dev/pool": "burst"}
    }
    driver.create(spec(driver_options=options(machine_pool="workers-1")), start())
    assert lab.ocm.state.pools[lab.rosa_cluster, "workers-1"].body["replicas"] == 2


def test_two_pools_do_not_share_a_machine_pool(lab: Lab) -> None:
    lab.running(lab.driver(), "burst-1-0", driver_options=options(machine_pool="batch"))
    with pytest.raises(InvalidRequest, match="belongs to pool burst of installation lab"):
        lab.driver(installation="other").create(spec(driver_options=options(machine_pool="batch")), start())


@pytest.mark.parametrize(
    ("status", "text", "kind"),
    [
        (400, "Insufficient quota", QuotaExceeded),
        (403, "Account may not", Unauthorised),
        (400, "The instance type is not supported", InvalidRequest),
    ],
)
def test_what_ocm_refuses_is_forgotten(lab: Lab, status: int, text: str, kind: type[DriverError]) -> None:
    driver = lab.driver()
    lab.ocm.faults.add(Rule(method="POST", path="node_pools", status=status, text=text, times=-1))
    with pytest.raises(kind):
        driver.create(spec(), start())
    lab.ocm.faults.clear()
    assert list(driver.list()) == []


def test_autoscaling_by_ocm() -> None:
    lab = Lab(CLASSIC)
    try:
        driver = lab.driver()
        made = driver.create(spec(driver_options=options(autoscaling="0..3")), start())
        assert lab.pool().body["autoscaling"] == {"min_replicas": 0, "max_replicas": 3}
        lab.jump(600)
        assert driver.get(made.worker).phase is Phase.CREATING, "no pod needs it"
        lab.pool().demand = 2
        lab.ocm.state.settle(lab.pool())
        lab.jump(300)
        assert driver.get(made.worker).phase is Phase.RUNNING
        assert driver.delete(made.worker).phase is Phase.GONE
        assert set(lab.nodes().values()) == {""}
        assert not [each for each in lab.ocm.asked if each.startswith("patch")], "sizes are the autoscaler's"
    finally:
        lab.close()


def test_names_of_machine_pools_are_short_and_apart() -> None:
    names = {
        pool_name(installation, pool)
        for installation in ("a", "b")
        for pool in ("burst", "a-very-long-pool-name", "7")
    }
    assert len(names) == 6
    assert all(len(name) <= 15 and name[0].isalpha() for name in names)


def test_the_options_are_checked_before_a_server_starts() -> None:
    found = pool_faults(PoolSpec(name=PoolName("p"), driver_options=(("disk", "1"),)))
    assert [option for option, _, _ in found] == ["disk", "instance_type"]
    assert set(FULL) | {"autoscaling", "availability_zone"} == set(KNOWN)


def test_templates_of_one_machine_pool_have_the_same_labels() -> None:
    options = (("instance_type", "m5.xlarge"),)
    one = Template(name="a", allocatable=Resources(4000, 8192), price_pico_per_hour=PicoUsd(1))
    other = replace(one, name="b", labels=(("team", "b"),))
    pool = PoolSpec(name=PoolName("p"), driver_options=options, templates=(one, replace(one, name="b")))
    assert pool_faults(pool) == []
    ((option, message, _),) = pool_faults(replace(pool, templates=(one, other)))
    assert (option, "different labels" in message) == ("labels", True)


def test_the_check_of_the_driver(lab: Lab) -> None:
    checks = lab.driver().checks()
    assert [each.name for each in checks if not each.passed] == []
    assert "right patch nodes" in [each.name for each in checks]
    lab.ocm.state.clusters[lab.rosa_cluster]["state"] = "installing"
    (failed,) = [each for each in lab.driver().checks() if not each.passed]
    assert (failed.detail, failed.remedy) == ("Cluster hosted is installing.", "Wait until it is ready.")


def test_opening_needs_the_cluster_and_credentials(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    settings = RosaSettings(rosa_cluster="a", cluster="east")
    with pytest.raises(ValueError, match="there is no cluster 'east' under clusters; there are: none"):
        make(settings, DriverContext())
    context = DriverContext(clusters={"east": ClusterSettings(name="east", api="https://127.0.0.1:9")})
    monkeypatch.delenv("RHCS_TOKEN", raising=False)
    with pytest.raises(ValueError, match="there are no credentials of Red Hat"):
        make(settings, context)
    monkeypatch.setenv("RHCS_TOKEN", "offline")
    make(settings, context).close()
    with pytest.raises(ValueError, match="there is no client secret"):
        make(
            RosaSettings(rosa_cluster="a", cluster="east", client_id="b", client_secret_env="NOT_SET"),
            context,
        )
    (tmp_path / "secret").write_text("hush\n")
    file = str(tmp_path / "secret")
    make(
        RosaSettings(rosa_cluster="a", cluster="east", client_id="b", client_secret_file=file), context
    ).close()


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"rosa_cluster": " "}, "rosa_cluster is empty"),
        ({"namespace": "A"}, "not a name of a namespace"),
        ({"calls_per_s": 0.0}, "calls_per_s must be from 0.1 to 1,000"),
        ({"ocm_url": "api"}, "ocm_url 'api' is not an address"),
    ],
)
def test_settings_that_cannot_be(changed: dict[str, object], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        RosaSettings(**{"rosa_cluster": "a", "cluster": "b", **changed})  # type: ignore[arg-type]


def test_a_worker_whose_name_is_no_label(lab: Lab) -> None:
    for name in ("a" * 64, "../x", "a b", ""):
        with pytest.raises(InvalidRequest):
            lab.driver().get(WorkerName(name))
