"""Figures of AWS's types of machine, against a table of somebody else's."""

import gzip
import json
from decimal import Decimal
from pathlib import Path

import moto
import pytest

from herder.model.values.resources import parse_cpu, parse_mib
from herder.settings.rosa import instance_types
from herder.settings.rosa.instance_types import nominal, template
from herder.settings.sections.pool.presets import PRESETS

TYPES = [
    *(f"{family}.{size}" for family, (sizes, _, _) in instance_types._FAMILIES.items() for size in sizes),
    *instance_types._GPU_TYPES,
]


def test_cpus_memory_and_gpus_are_those_of_aws() -> None:
    path = Path(moto.__file__).with_name("ec2") / "resources" / "instance_types.json.gz"
    table = json.loads(gzip.decompress(path.read_bytes()))
    compared = 0
    for name in TYPES:
        if name.startswith("p3."):
            continue  # not in that table
        row, found = table[name], nominal(name)
        assert found is not None
        cpus, gib, gpus, _ = found
        theirs = sum(each["Count"] for each in row.get("GpuInfo", {}).get("Gpus", ()))
        assert (cpus, gib * 1024, gpus) == (
            row["VCpuInfo"]["DefaultVCpus"],
            row["MemoryInfo"]["SizeInMiB"],
            theirs,
        ), name
        compared += 1
    assert compared > 100


@pytest.mark.parametrize("name", TYPES)
def test_a_node_leaves_less_to_pods_than_its_machine_has(name: str) -> None:
    found, plain = nominal(name), template(name)
    assert found is not None
    assert plain is not None
    cpus, gib, gpus, price = found
    assert 0 < parse_cpu(plain["cpu"]) < cpus * 1000
    assert gib * 1024 * 0.7 < parse_mib(plain["memory"]) < gib * 1024
    assert (plain.get("gpu", 0), Decimal(plain["price_per_hour"])) == (gpus, Decimal(price))


@pytest.mark.parametrize("preset", ["rosa_additional", "rosa_gpu_spot"])
def test_the_presets_have_the_same_figures(preset: str) -> None:
    (written,) = PRESETS[preset]["templates"]
    made = template(PRESETS[preset]["driver_options"]["instance_type"])
    assert {key: value for key, value in written.items() if key != "spot"} == made


@pytest.mark.parametrize("name", ["m5.metal", "m5.3xlarge", "p4d.24xlarge", "c5.8xlarge", "m5", ".", ""])
def test_an_unknown_type_is_not_guessed(name: str) -> None:
    assert nominal(name) is None
    assert template(name) is None
