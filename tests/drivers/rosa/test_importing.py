"""Machine pools that exist, as pools of Herder that would adopt them."""

from __future__ import annotations

import re

import pytest

from herder.cli.views.fleet.adoptable_pools import comments, settings
from herder.model.fleet.driver import Phase
from herder.model.fleet.driver_capabilities import AdoptablePool, Imports
from herder.model.ids import WorkerName
from herder.remote.ocm.pools import Cluster, MachinePool
from herder.settings import pool_from_plain
from herder.testing.ocm import CLASSIC, HCP, MULTI_AZ
from herder.testing.ocm.settings import SUBNETS, ZONES
from herder.wire.api.drivers import AdoptablePoolView, DriverImport
from tests.drivers.rosa.lab import Lab, spec, start
from tests.drivers.rosa.test_what_people_change import of_a_person
from tests.words.rules import faults

A = WorkerName("burst-1-0")
FULL = {
    "replicas": 2,
    "labels": {"workload-type": "batch"},
    "taints": [{"key": "spot", "value": "true", "effect": "PreferNoSchedule"}],
    "subnet": SUBNETS[0],
    "aws_node_pool": {
        "instance_type": "g4dn.xlarge",
        "spot_market_options": {"max_price": "0.5"},
        "root_volume": {"size": 300},
        "additional_security_group_ids": ["sg-1", "sg-2"],
        "tags": {"cost": "7"},
    },
}


def found(lab: Lab) -> dict[str, AdoptablePool]:
    driver = lab.driver()
    assert isinstance(driver, Imports)
    pools = {each.name: each for each in driver.importable()}
    for each in pools.values():
        texts = (each.refused, *each.needs, *each.notes)
        assert [faults(text) for text in texts if text] == [[] for text in texts if text]
    return pools


def filled(pool: AdoptablePool) -> dict[str, object]:
    """As a person completes it."""
    plain = {"name": pool.name, **pool.settings}
    (template,) = plain["templates"]
    sizes = {"cpu": "3", "memory": "8Gi", "price_per_hour": "0.2"}
    lacking = {key: sizes[key] for key, value in template.items() if "<fill in" in str(value)}
    return {**plain, "templates": [{**template, **lacking}]}


def test_everything_of_a_machine_pool_is_written() -> None:
    lab = Lab(HCP)
    try:
        of_a_person(lab, "gpu-spot", **FULL)
        pool = found(lab)["gpu-spot"]
        made = pool_from_plain(filled(pool))
        assert dict(made.driver_options) == {
            "machine_pool": "gpu-spot",
            "instance_type": "g4dn.xlarge",
            "subnet": SUBNETS[0],
            "spot_max_price": "0.5",
            "disk_gib": "300",
            "security_groups": "sg-1, sg-2",
            "tags": "cost=7",
        }
        assert made.labels == (("workload-type", "batch"),)
        assert [(each.key, each.value, each.effect.value) for each in made.taints] == [
            ("spot", "true", "PreferNoSchedule")
        ]
        assert (made.size.min_workers, made.size.max_workers) == (0, 2)
        assert made.templates[0].spot == "yes"
        assert (made.driver, made.cluster) == ("rosa", "east")
        assert pool.needs == (
            "Hand it over by its labels, of which an edit replaces all: `rosa edit machinepool --cluster hosted "
            '--labels "workload-type=batch,herder.dev/installation=lab,herder.dev/pool=gpu-spot" gpu-spot`.',
        )
        assert "Its 2 nodes count as a person's" in pool.notes[0]
    finally:
        lab.close()


def test_sizes_are_those_of_nodes_of_the_type() -> None:
    lab = Lab(HCP)
    try:
        of_a_person(lab)
        lab.jump(300)
        (template,) = found(lab)["batch"].settings["templates"]
        assert (template["cpu"], template["memory"]) == ("8000m", "32768Mi")
        of_a_person(lab, "other", aws_node_pool={"instance_type": "m5.metal"})
        (template,) = found(lab)["other"].settings["templates"]
        assert template["cpu"] == "<fill in: CPU that a m5.metal has for pods>"
    finally:
        lab.close()


def test_it_is_adopted_as_it_was_printed() -> None:
    """The labels are set, the pool is configured, and a worker is made; the nodes of before stay."""
    lab = Lab(CLASSIC)
    try:
        theirs = of_a_person(lab, instance_type="m5.xlarge")
        del theirs.body["aws_node_pool"]
        lab.jump(300)
        (need,) = found(lab)["batch"].needs
        words = re.search(r'--labels "([^"]+)" batch', need)
        assert words is not None
        labels = dict(pair.split("=") for pair in words[1].split(","))
        lab.ocm.state.label(theirs, labels)
        assert found(lab)["batch"].needs == ()
        options = dict(pool_from_plain(filled(found(lab)["batch"])).driver_options)
        driver = lab.driver()
        changed = {"pool": "batch", "driver_options": tuple(options.items())}
        driver.create(spec(A, **changed), start())
        assert theirs.body["replicas"] == 3
        assert driver.get(A).phase is Phase.RUNNING, "it has one of the nodes that were there"
        assert found(lab)["batch"].used_by == "batch"
    finally:
        lab.close()


def test_a_pool_over_three_zones_is_refused_and_one_with_autoscaling_is_not() -> None:
    lab = Lab(MULTI_AZ)
    try:
        assert found(lab)["worker"].refused.startswith(
            "Machine pool worker is in several zones of a multi-AZ classic cluster"
        )
        theirs = of_a_person(lab, replicas=3, instance_type="m5.xlarge", availability_zones=ZONES)
        del theirs.body["aws_node_pool"], theirs.body["replicas"]
        theirs.body["autoscaling"] = {"min_replicas": 3, "max_replicas": 6}
        pool = found(lab)["batch"]
        assert pool.refused == ""
        made = pool_from_plain(filled(pool))
        assert dict(made.driver_options)["autoscaling"] == "3..6"
        assert (made.size.min_workers, made.size.max_workers) == (3, 6)
    finally:
        lab.close()


def test_what_cannot_be_an_option_is_said() -> None:
    from herder.drivers.rosa.importing import adoptable

    pool = MachinePool(
        name="batch", instance_type="m5.xlarge", replicas=0, tags=(("owner", "a, b"),), labels=(("a", "b"),)
    )
    cluster = Cluster(id="1", name="hosted", hosted=True)
    made = adoptable(
        pool, cluster, installation="lab", driver="rosa", kubernetes="prod", used_by="", node=None
    )
    assert made.notes == ("Its tags cannot be written here; the machine pool keeps them.",)
    assert "tags" not in made.settings["driver_options"]


@pytest.mark.parametrize("used", ["", "burst"])
def test_what_a_person_reads_fits_a_terminal_and_keeps_commands_whole(used: str) -> None:
    lab = Lab(HCP)
    try:
        of_a_person(lab, "gpu-spot", **FULL)
        pool = found(lab)["gpu-spot"]
        view = AdoptablePoolView(
            name=pool.name,
            settings=dict(pool.settings),
            used_by=used,
            refused="",
            needs=list(pool.needs),
            notes=list(pool.notes),
        )
        answer = DriverImport(driver="rosa", pools=[view])
        lines = comments(answer).splitlines()
        commands = [line for line in lines if "rosa edit machinepool" in line]
        assert len(commands) == (0 if used else 1)
        assert all(line.startswith("#") and (len(line) <= 80 or line in commands) for line in lines)
        assert settings(answer) == {"pools": {} if used else {"gpu-spot": pool.settings}}
    finally:
        lab.close()
