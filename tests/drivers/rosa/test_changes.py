"""What a change of a pool means for its machine pool: which fields change in place, and which force a new one. No call is made for it."""

from __future__ import annotations

from typing import Any

import pytest

from herder.drivers.rosa.changes import planned
from herder.model.fleet.driver import InvalidRequest
from herder.model.fleet.driver_capabilities import PlannedChange, ProviderAction
from herder.model.fleet.pool import PoolSpec
from herder.remote.ocm.pools import Cluster
from herder.settings import pool_from_plain
from tests.drivers.rosa.lab import Lab, spec, start
from tests.words.rules import faults

HCP = Cluster(id="1", name="hosted", hosted=True, version="4.16.1", subnets=("subnet-a", "subnet-b"))
CLASSIC = Cluster(id="2", name="classic", version="4.16.1")


def pool(preset: str = "rosa_gpu_spot", **own: Any) -> PoolSpec:
    return pool_from_plain(
        {"name": "gpu", "preset": preset, "membership": "kubernetes", "cluster": "prod", **own}
    )


def change(before: PoolSpec | None, after: PoolSpec, cluster: Cluster | None = HCP) -> PlannedChange:
    (found,) = planned("lab", "rosa", cluster, before, after)
    return found


def rows(found: PlannedChange) -> dict[str, tuple[str | None, str | None, bool]]:
    return {each.name: (each.before, each.after, each.replaces) for each in found.fields}


def test_a_new_pool_creates_a_machine_pool_with_all_its_fields() -> None:
    found = change(None, pool())
    assert (found.object, found.action) == ("machine pool gpu-spot", ProviderAction.CREATE)
    assert {each.name: each.after for each in found.fields} == {
        "instance_type": "g4dn.xlarge",
        "min_replicas": "0",
        "max_replicas": "3",
        "spot_max_price": "on-demand",
        "labels.node-type": "gpu",
        "labels.spot": "true",
        "labels.herder.dev/installation": "lab",
        "labels.herder.dev/pool": "gpu",
        "taints.nvidia.com/gpu:NoSchedule": "true",
        "taints.spot:PreferNoSchedule": "true",
    }
    assert not any(each.before or each.replaces for each in found.fields)


@pytest.mark.parametrize(
    ("own", "expected"),
    [
        ({"max_workers": 5}, {"max_replicas": ("3", "5", False)}),
        ({"labels": {"node-type": "gpu", "team": "a"}}, {"labels.team": (None, "a", False)}),
        ({"labels": {}}, {"labels.node-type": ("gpu", None, False)}),
        (
            {"taints": [{"key": "spot", "value": "true", "effect": "PreferNoSchedule"}]},
            {"taints.nvidia.com/gpu:NoSchedule": ("true", None, False)},
        ),
        (
            {"driver_options": {"spot_max_price": "0.3"}},
            {"spot_max_price": ("on-demand", "0.3", False)},
        ),
        (
            {"driver_options": {"autoscaling": "1..9"}},
            {"min_replicas": ("0", "1", False), "max_replicas": ("3", "9", False)},
        ),
    ],
)
def test_what_changes_in_place(own: dict[str, Any], expected: dict[str, Any]) -> None:
    found = change(pool(), pool(**own))
    assert found.action is ProviderAction.UPDATE
    assert rows(found) == expected


@pytest.mark.parametrize(
    ("options", "expected"),
    [
        ({"instance_type": "g5.xlarge"}, {"instance_type": ("g4dn.xlarge", "g5.xlarge", True)}),
        ({"subnet": "subnet-b"}, {"subnet": (None, "subnet-b", True)}),
        ({"availability_zone": "eu-central-1a"}, {"availability_zone": (None, "eu-central-1a", True)}),
        ({"disk_gib": "500"}, {"disk_gib": (None, "500", True)}),
        ({"tags": "cost=7"}, {"tags.cost": (None, "7", True)}),
        ({"security_groups": "sg-1"}, {"security_groups": (None, "sg-1", True)}),
    ],
)
def test_what_forces_a_new_one(options: dict[str, str], expected: dict[str, Any]) -> None:
    found = change(pool(), pool(driver_options=options, max_workers=4))
    assert found.action is ProviderAction.REPLACE
    assert rows(found) == {**expected, "max_replicas": ("3", "4", False)}


def test_a_price_of_spot_is_fixed_in_classic_clusters_alone() -> None:
    after = pool(driver_options={"spot_max_price": "0.3"})
    assert change(pool(), after, HCP).action is ProviderAction.UPDATE
    assert change(pool(), after, CLASSIC).action is ProviderAction.REPLACE
    unknown = change(pool(), after, None)
    assert unknown.action is ProviderAction.REPLACE
    assert "Whether the cluster is classic is not known yet" in unknown.note


def test_whether_it_is_spot_is_fixed_everywhere() -> None:
    on_demand = pool(
        templates=[{"name": "a", "cpu": 1, "memory": "1Gi", "price_per_hour": "1"}], driver_options={}
    )
    plain = pool_from_plain(
        {
            "name": "gpu",
            "driver": "rosa",
            "membership": "kubernetes",
            "cluster": "prod",
            "templates": [{"name": "a", "cpu": 1, "memory": "1Gi", "price_per_hour": "1"}],
            "driver_options": {"machine_pool": "gpu-spot", "instance_type": "g4dn.xlarge"},
        }
    )
    for cluster in (HCP, CLASSIC):
        found = change(pool(), plain, cluster)
        assert rows(found)["spot_max_price"] == ("on-demand", None, True)
    with pytest.raises(InvalidRequest, match="has spot_max_price, but template a is not spot"):
        planned("lab", "rosa", HCP, pool(), on_demand)


def test_a_template_that_prefers_spot_is_a_spot_machine_pool() -> None:
    shape = {"name": "a", "cpu": 1, "memory": "1Gi", "price_per_hour": "1", "spot": "prefer"}
    assert rows(change(None, pool(templates=[shape])))["spot_max_price"] == (None, "on-demand", False)


def test_another_name_is_another_machine_pool() -> None:
    found = planned("lab", "rosa", HCP, pool(), pool(driver_options={"machine_pool": "gpu-2"}))
    assert [(each.object, each.action) for each in found] == [
        ("machine pool gpu-2", ProviderAction.CREATE),
        ("machine pool gpu-spot", ProviderAction.RELEASE),
    ]


def test_what_does_not_concern_the_machine_pool_is_no_change() -> None:
    assert planned("lab", "rosa", HCP, pool(), pool(idle_timeout="5m", description="x")) == []
    assert planned("lab", "other", HCP, pool(), pool(max_workers=5)) == []


def test_what_is_not_said_any_more_stays_as_it_is() -> None:
    assert planned("lab", "rosa", HCP, pool(driver_options={"disk_gib": "500"}), pool()) == []


def test_a_pool_that_moves_to_another_driver_releases_its_machine_pool() -> None:
    found = change(pool(), pool(driver="local", driver_options={}))
    assert (found.object, found.action) == ("machine pool gpu-spot", ProviderAction.RELEASE)


def test_a_rule_that_would_be_broken_is_named() -> None:
    found = change(None, pool(driver_options={"disk_gib": "50"}))
    assert "breaks rule disk: its disk is 50 GiB, 75 to 16,384 are allowed" in found.note
    multi = Cluster(id="3", name="multi", multi_az=True, zones=("a", "b", "c"))
    assert "multi_az_by_three: replicas is 1" in change(None, pool(min_workers=1), multi).note


def test_the_notes_are_sentences() -> None:
    found = [
        change(None, pool()),
        change(pool(), pool(labels={})),
        change(pool(), pool(driver_options={"instance_type": "g5.xlarge"})),
        *planned("lab", "rosa", None, pool(), pool(driver_options={"machine_pool": "b"})),
        change(pool(), pool(driver_options={"spot_max_price": "0.3"}), None),
    ]
    assert [fault for each in found for fault in faults(each.note)] == []


def test_the_driver_answers_without_a_call(lab: Lab) -> None:
    driver = lab.driver()
    asked = list(lab.ocm.asked)
    assert [each.action for each in driver.planned(None, pool())] == [ProviderAction.CREATE]
    assert lab.ocm.asked == asked
    driver.create(spec(), start())
    price = driver.planned(pool(), pool(driver_options={"spot_max_price": "0.3"}))
    assert [each.action for each in price] == [ProviderAction.UPDATE], (
        "by now it is known that it is an HCP cluster"
    )
