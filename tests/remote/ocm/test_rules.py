"""The rules of machine pools: each with what breaks it and what just does not, and all against the played back end, which has its own."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from herder.model.fleet.driver import InvalidRequest
from herder.remote.ocm import rules, spelling
from herder.remote.ocm.pools import Autoscaling, Cluster, MachinePool, PoolTaint, Spot
from herder.testing.ocm import CLASSIC, HCP, MULTI_AZ, refusals
from herder.testing.ocm.settings import SUBNETS, ZONES, cluster_body, clusters
from tests.remote.ocm.lab import pool

BODIES = clusters()
PLACES = {
    name: spelling.cluster_of(BODIES[each])
    for name, each in (("classic", CLASSIC), ("three", MULTI_AZ), ("hcp", HCP))
}


def cluster(kind: str, version: str = "4.16.8") -> Cluster:
    if version == "4.16.8":
        return PLACES[kind]
    return spelling.cluster_of(cluster_body("x", "x", zones=ZONES, multi_az=kind == "three", version=version))


def names(asked: MachinePool, where: Cluster) -> list[str]:
    return [each.rule.name for each in rules.broken(asked, where, new=True)]


def auto(low: int | None, high: int | None) -> dict[str, Any]:
    return {"replicas": None, "autoscaling": Autoscaling(min_replicas=low, max_replicas=high)}


CASES: list[tuple[str, str, dict[str, Any], dict[str, Any]]] = [
    ("name", "classic", {"name": "Batch"}, {"name": "b"}),
    ("name", "hcp", {"name": "batch-"}, {"name": "b-7"}),
    ("default_pool", "classic", {"name": "worker"}, {"name": "workers-1"}),
    ("default_pool", "hcp", {"name": "workers-1"}, {"name": "workers-a"}),
    ("instance_type", "classic", {"instance_type": ""}, {}),
    ("replicas_or_autoscaling", "classic", {"replicas": None}, {"replicas": 0}),
    ("replicas", "classic", {"replicas": -1}, {"replicas": 0}),
    ("autoscaling", "classic", auto(1, None), auto(0, 1)),
    ("autoscaling", "classic", auto(0, 0), auto(1, 1)),
    ("autoscaling", "hcp", auto(3, 2), auto(2, 3)),
    ("multi_az_by_three", "three", {"replicas": 4}, {"replicas": 0}),
    ("multi_az_by_three", "three", auto(3, 5), auto(3, 6)),
    ("multi_az_by_three", "three", {"replicas": 4, "zones": tuple(ZONES[:2])}, {"replicas": 4, "zones": (ZONES[0],)}),
    ("node_limit", "classic", {"replicas": 250}, {"replicas": 249}),
    ("node_limit", "hcp", auto(0, 501), auto(0, 500)),
    ("disk", "classic", {"disk_gib": 127}, {"disk_gib": 128}),
    ("disk", "classic", {"disk_gib": 16_385}, {"disk_gib": 16_384}),
    ("disk", "hcp", {"disk_gib": 74}, {"disk_gib": 75}),
    ("spot_price", "classic", {"spot": Spot(max_price="0")}, {"spot": Spot(max_price="0.000001")}),
    ("spot_price", "hcp", {"spot": Spot(max_price="on-demand")}, {"spot": Spot()}),
    ("spot_reservation", "hcp", {"spot": Spot(), "capacity_reservation": "cr-1"}, {"capacity_reservation": "cr-1"}),
    ("zone_or_subnet", "hcp", {"zones": (ZONES[0],), "subnets": (SUBNETS[0],)}, {"subnets": (SUBNETS[0],)}),
    ("zones", "classic", {"zones": (ZONES[0],)}, {}),
    ("zones", "three", {"zones": ("us-east-1a",)}, {"zones": (ZONES[1],)}),
    ("subnets", "classic", {"subnets": (SUBNETS[0],)}, {}),
    ("labels", "classic", {"labels": (("a b", ""),)}, {"labels": (("x.dev/a", "b_c"),)}),
    ("labels", "classic", {"labels": (("a", "-"),)}, {"labels": (("a", ""),)}),
    ("taints", "hcp", {"taints": (PoolTaint(key="/a", effect="NoSchedule"),)}, {"taints": (PoolTaint(key="a", effect="NoSchedule"),)}),
    ("taint_effects", "hcp", {"taints": (PoolTaint(key="a"),)}, {"taints": (PoolTaint(key="a", effect="NoExecute"),)}),
    ("tags", "classic", {"tags": (("aws:a", "b"),)}, {"tags": (("a", ""),)}),
    ("tags", "hcp", {"tags": tuple((f"k{n}", "") for n in range(26))}, {"tags": tuple((f"k{n}", "") for n in range(25))}),
    ("drain_grace", "hcp", {"drain_grace_min": 10_081.0}, {"drain_grace_min": 10_080.0}),
    ("upgrade", "hcp", {"max_surge": "101%"}, {"max_surge": "100%"}),
    ("upgrade", "hcp", {"max_unavailable": "x"}, {"max_unavailable": "2"}),
]  # fmt: skip


@pytest.mark.parametrize(("rule", "kind", "bad", "good"), CASES)
def test_a_rule_is_named_where_it_is_broken_and_only_there(
    rule: str, kind: str, bad: dict[str, Any], good: dict[str, Any]
) -> None:
    assert names(pool(**bad), cluster(kind)) == [rule]
    assert names(pool(**good), cluster(kind)) == []
    for changed, refused in ((bad, True), (good, False)):
        assert _refused(pool(**changed), kind) is refused


#: What the JSON of OCM cannot say, so that its back end cannot refuse it.
ONLY_OURS = {"labels_once", "one_place", "hcp_only", "spot_local_zone"}


@pytest.mark.parametrize(
    ("rule", "kind", "bad"),
    [
        ("labels_once", "classic", {"labels": (("a", "b"), ("a", "c"))}),
        ("replicas_or_autoscaling", "classic", {"autoscaling": Autoscaling(min_replicas=1, max_replicas=2)}),
        ("one_place", "hcp", {"subnets": tuple(SUBNETS)}),
        ("hcp_only", "classic", {"auto_repair": True}),
        ("spot_local_zone", "classic", {"spot": Spot(), "local_zone": True}),
    ],
)
def test_rules_of_what_cannot_even_be_sent(rule: str, kind: str, bad: dict[str, Any]) -> None:
    assert names(pool(**bad), cluster(kind)) == [rule]


def test_each_rule_has_a_case() -> None:
    every = {rule.name for rule in (*rules.RULES, *rules.NEW_RULES)}
    assert every == {case[0] for case in CASES} | ONLY_OURS


@pytest.mark.parametrize(
    ("version", "nodes", "disk"), [("4.13.9", 180, 1_024), ("4.14.13", 180, 16_384), ("4.14.14", 249, 16_384), ("", 249, 16_384)]
)  # fmt: skip
def test_limits_by_version(version: str, nodes: int, disk: int) -> None:
    where = Cluster(id="x", version=version)
    assert (rules.node_limit(where), rules.disk_limits(where)[1]) == (nodes, disk)


def test_an_error_names_every_broken_rule() -> None:
    with pytest.raises(InvalidRequest) as caught:
        rules.check(pool(replicas=4, disk_gib=50), cluster("three"))
    assert str(caught.value) == (
        "Machine pool batch breaks rule multi_az_by_three: replicas is 4. Counts of a pool over the zones of a multi-AZ classic cluster are divisible "
        "by 3. Machine pool batch breaks rule disk: its disk is 50 GiB, 128 to 16,384 are allowed. The size of the root disk is set when the pool is "
        "created, and cannot change later."
    )


def test_the_last_pool_stays() -> None:
    with pytest.raises(InvalidRequest, match=r"the last one of cluster plain .rule last_pool"):
        rules.check_removal("batch", ["batch"], cluster("classic"))
    rules.check_removal("batch", ["batch", "worker"], cluster("classic"))


def test_what_is_allowed_and_may_surprise() -> None:
    spot = pool(spot=Spot())
    assert "not drained before a spot interruption" in rules.warnings(spot, cluster("hcp"), [], None)[0]
    assert rules.warnings(spot, cluster("classic"), [], None) == []
    assert (
        "may have 7 nodes together, but its autoscaler stops at 6"
        in rules.warnings(pool(), cluster("classic"), [pool(replicas=4)], 6)[0]
    )
    assert rules.warnings(pool(), cluster("classic"), [pool(replicas=3)], 6) == []


@pytest.mark.parametrize(
    ("changed", "hosted", "fields"),
    [
        ({"instance_type": "m5.large"}, False, ("instance_type",)),
        ({"disk_gib": 300, "tags": (("a", "b"),)}, True, ("disk_gib", "tags")),
        ({"spot": Spot(max_price="2")}, False, ("spot",)),
        ({"spot": Spot(max_price="2")}, True, ()),
        ({"spot": None}, True, ("spot",)),
        ({"labels": (("a", "b"),), "replicas": 9}, True, ()),
        ({"disk_gib": None}, True, ()),
    ],
)
def test_what_needs_another_pool(changed: dict[str, Any], hosted: bool, fields: tuple[str, ...]) -> None:
    before = pool(spot=Spot(max_price="1"), disk_gib=200)
    after = pool(**{"spot": Spot(max_price="1"), "disk_gib": 200, **changed})
    assert rules.forces_replacement(before, after, hosted=hosted) == fields


def _refused(asked: MachinePool, kind: str) -> bool:
    try:
        refusals.check_new(spelling.new_pool(asked, hosted=kind == "hcp"), BODIES[PLACES[kind].id])
    except refusals.ApiError:
        return True
    return False


COUNT = st.integers(-1, 12) | st.sampled_from([180, 249, 250, 500, 501])
WORD = st.sampled_from(
    ["a", "B", "x/y", "a.b/c-d", "-a", "a-", "a_b", "", "é", "a" * 63, "a" * 64, "A.b/c", "/a"]
)


@st.composite
def asked_pools(draw: st.DrawFn) -> MachinePool:
    size = draw(st.booleans())
    low, high = draw(COUNT), draw(COUNT)
    return pool(
        name=draw(st.sampled_from(["batch", "worker", "workers-2", "a-", "b1"])),
        replicas=low if size else None,
        autoscaling=None if size else Autoscaling(min_replicas=low, max_replicas=high),
        disk_gib=draw(st.none() | st.sampled_from([74, 75, 127, 128, 1_025, 16_384, 16_385])),
        zones=draw(st.sampled_from([(), (ZONES[0],), ("mars-1a",)])),
        subnets=draw(st.sampled_from([(), (SUBNETS[0],)])),
        labels=tuple({draw(WORD): draw(WORD)}.items()),
        taints=(
            PoolTaint(
                key=draw(WORD), value=draw(WORD), effect=draw(st.sampled_from(["NoSchedule", "Never"]))
            ),
        ),
        spot=draw(st.none() | st.sampled_from([Spot(), Spot(max_price="0"), Spot(max_price="0.5")])),
    )


@given(asked=asked_pools(), kind=st.sampled_from(sorted(PLACES)))
def test_our_rules_and_those_of_the_played_back_end_agree(asked: MachinePool, kind: str) -> None:
    assert bool(names(asked, cluster(kind))) == _refused(asked, kind)
