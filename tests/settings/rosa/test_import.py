"""A block of the ROSA module becomes a herder.yaml that says the same; what only Terraform knows is left to a person; bad input is told by its place."""

import json
import re
import sys
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from herder.app import whole_app
from herder.cli.shell.main import run
from herder.model.fleet.offer import offers_of
from herder.model.fleet.pool import PoolSpec
from herder.settings import SettingsError, expanded
from herder.settings.imports.result import Imported, Kind
from herder.settings.load import Settings, load_texts
from herder.settings.rosa.importing import imported, written
from tests.words.rules import faults

HERE = Path(__file__).parent
EXAMPLES = ("additional.tf", "gpu_spot.tf", "both.tf", "taints.tfvars", "machine_pools.tf")


def read(name: str, **changed: str) -> Imported:
    text = (HERE / name).read_text()
    for old, new in changed.items():
        assert old in text
        text = text.replace(old, new)
    return imported(text, name)


def filled(found: Imported) -> str:
    """As a person would write them: one value that fits everywhere it can be."""
    return re.sub(r"(?m)(['\"]?)<fill in: .*>\1$", "1", written(found, "a.tf"))


def settings_of(found: Imported) -> Settings:
    return load_texts([("herder.yaml", filled(found))])


def pools(name: str) -> dict[str, PoolSpec]:
    return {pool.name: pool for pool in settings_of(read(name)).pools}


def taints(pool: PoolSpec) -> list[str]:
    return [f"{each.key}={each.value}:{each.effect}" for each in pool.taints]


def test_the_example_of_an_additional_pool() -> None:
    ((name, pool),) = pools("additional.tf").items()
    assert (name, pool.driver, pool.membership.name) == ("batch-workers", "rosa", "kubernetes")
    assert (pool.size.min_workers, pool.size.max_workers) == (2, 10)
    assert dict(pool.driver_options) == {"machine_pool": "batch-workers", "instance_type": "m5.2xlarge"}
    assert dict(pool.labels) == {"workload-type": "batch", "team": "data-engineering"}
    assert taints(pool) == ["workload-type=batch:NoSchedule"]
    assert [each.allocatable.cpu_milli for each in pool.templates] == [7500]


def test_the_example_of_a_gpu_pool() -> None:
    ((name, pool),) = pools("gpu_spot.tf").items()
    assert name == "ml-training"
    assert (pool.size.min_workers, pool.size.max_workers) == (0, 5)
    assert dict(pool.driver_options) == {
        "machine_pool": "ml-training",
        "instance_type": "p3.2xlarge",
        "spot_max_price": "on-demand",
        "disk_gib": "500",
    }
    assert dict(pool.labels) == {"node-type": "gpu", "ml-framework": "pytorch"}
    assert taints(pool) == ["nvidia.com/gpu=true:NoSchedule", "spot=true:PreferNoSchedule"]
    (template,) = pool.templates
    assert (template.allocatable.gpu, [each.spot for each in offers_of(template)]) == (1, [True])


def test_the_example_of_both_pools() -> None:
    found = pools("both.tf")
    assert [*found] == ["compute", "gpu-spot"]
    assert (found["compute"].size.min_workers, found["compute"].size.max_workers) == (1, 20)
    assert dict(found["gpu-spot"].driver_options)["instance_type"] == "g4dn.xlarge"
    assert found["gpu-spot"].size.max_workers == 3


def test_both_spellings_of_a_taint() -> None:
    (pool,) = pools("taints.tfvars").values()
    assert (pool.name, taints(pool)) == ("additional", ["workload-type=batch:NoSchedule"])
    (same,) = settings_of(read("taints.tfvars", schedule_type="effect")).pools
    assert same.taints == pool.taints


def test_the_list_of_machine_pools() -> None:
    found = pools("machine_pools.tf")
    gpu, highmem, metal = (found[name] for name in ("gpu-spot", "highmem", "metal"))
    assert dict(gpu.driver_options) == {
        "machine_pool": "gpu-spot",
        "instance_type": "g4dn.2xlarge",
        "disk_gib": "300",
        "subnet": "subnet-b",
        "spot_max_price": "0.25",
    }
    assert (gpu.size.min_workers, gpu.size.max_workers) == (0, 4)
    assert dict(gpu.labels) == {"node-type": "gpu", "gpus": "1"}
    assert taints(gpu) == ["nvidia.com/gpu=true:NoSchedule"]
    assert [each.spot for each in offers_of(gpu.templates[0])] == [True]
    assert dict(highmem.driver_options)["subnet"] == "subnet-c"
    assert dict(highmem.driver_options)["disk_gib"] == "500"
    assert (highmem.size.min_workers, highmem.size.max_workers) == (2, 2), "the module has 2 replicas"
    assert (metal.size.min_workers, metal.size.max_workers) == (3, 3)
    assert "availability_zone" in dict(metal.driver_options)


def told(found: Imported, kind: Kind) -> dict[str, str]:
    return {each.path: each.text for each in found.findings if each.kind is kind}


def test_nothing_is_dropped_silently() -> None:
    found = read("machine_pools.tf")
    assert told(found, Kind.NOT_TAKEN) == {"machine_pools.0.auto_repair": "OCM's default stays in force."}
    assert [*told(found, Kind.CONTRADICTION)] == ["machine_pools.2.availability_zone"]
    text = (
        (HERE / "both.tf")
        .read_text()
        .replace(
            "create_gpu_spot_pool          = true", "create_gpu_spot_pool = false\n  colour = var.colour"
        )
    )
    off = told(imported(text, "a.tf"), Kind.NOT_TAKEN)
    assert off == {
        "{gpu_spot_pool_instance_type,gpu_spot_pool_max_replicas}": "The pool is not created: create_gpu_spot_pool is not true.",
        "colour": "Herder has no setting for it. It is var.colour.",
    }


@pytest.mark.parametrize("name", EXAMPLES)
def test_what_is_written_comes_back_the_same(name: str) -> None:
    first = settings_of(read(name))
    again = load_texts([("again.yaml", json.dumps(expanded(first)))])
    assert again.pools == first.pools
    assert again.drivers == first.drivers
    assert again.clusters == first.clusters


@pytest.mark.parametrize("name", EXAMPLES)
def test_the_findings_are_sentences_and_comments_of_the_file(name: str) -> None:
    found = read(name)
    text = written(found, name)
    for each in found.findings:
        assert faults(each.text) == []
        assert f"# {each.kind}: {each.path}: {each.text}\n" in text


def test_an_expression_has_to_be_written_before_the_file_can_be_used() -> None:
    found = read("additional.tf", **{"= 2\n": "= var.min\n", '"m5.2xlarge"': "local.types[0]"})
    with pytest.raises(SettingsError) as caught:
        load_texts([("herder.yaml", written(found, "a.tf"))])
    keys = [each.key for each in caught.value.problems]
    assert keys == [
        "drivers.rosa.settings.rosa_cluster",
        "pools.batch-workers.min_workers",
        "pools.batch-workers.driver_options.instance_type",
        *(f"pools.batch-workers.templates[0].{each}" for each in ("cpu", "memory", "gpu", "price_per_hour")),
    ]
    text = str(caught.value)
    assert "still to be written: module.rosa_cluster.cluster_id." in text
    assert "still to be written: var.min." in text
    assert [each for problem in caught.value.problems for each in faults(problem.message)] == []


@pytest.mark.parametrize(
    ("old", "new", "key"),
    [
        ("create_additional_pool        = true", "create_additional_pool = var.on", "description"),
        ('"batch-workers"', "var.name", "driver_options.machine_pool"),
        ('"team"          = "data-engineering"', '"team" = "a-${var.team}"', "labels.team"),
        ('value  = "batch"', "value = var.what", "taints[0].value"),
    ],
)
def test_each_expression_is_at_its_place(old: str, new: str, key: str) -> None:
    found = imported((HERE / "additional.tf").read_text().replace(old, new), "a.tf")
    with pytest.raises(SettingsError) as caught:
        load_texts([("herder.yaml", written(found, "a.tf"))])
    assert [each.key.split(".", 2)[2] for each in caught.value.problems[1:]] == [key]


def test_an_item_of_the_list_that_is_an_expression_is_a_pool_to_be_written() -> None:
    text = 'module "a" {\n  cluster_id = "2abc"\n  machine_pools = [merge(local.base, { name = "x" })]\n}\n'
    found = imported(text, "a.tf")
    (pool,) = found.plain["pools"]
    assert pool == "machine-pool-0"
    with pytest.raises(
        SettingsError, match=r"pools.machine-pool-0.driver_options.machine_pool: .*merge\(local.base"
    ):
        load_texts([("herder.yaml", written(found, "a.tf"))])


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("module {", "a.tf:2:1: This is not HCL."),
        ("a = [\n  1,\n  %\n]\n", "a.tf:3:"),
        ('a = "open', "a.tf:1:"),
        ("", "The file has no machine pools of the ROSA module. Name the file whose module block has"),
        ('module "vpc" { source = "x" }', "The file has no machine pools"),
        ("[" * 500, "nested too deeply"),
        ("a = " + "(" * 3000 + "1" + ")" * 3000, "nested too deeply"),
        ("x" * 300_001, "more than 300,000 characters"),
        (
            'module "a" { create_additional_pool = true }\nmodule "b" { machine_pools = [] }'.replace("{ ", "{\n").replace(" }", "\n}"),
            "The file has 2 modules with machine pools: a, b. Import each from a file of its own.",
        ),
        ("create_additional_pool = 7", "create_additional_pool: Expected true or false, and the file has 7."),
        ("machine_pools = var.pools", "machine_pools: machine_pools is the expression var.pools. Write the list itself, or name the .tfvars file that has it."),
        ("machine_pools = {}", "machine_pools: Expected a list"),
        ("machine_pools = [{ }]", "machine_pools.0.name: The machine pool has no name."),
        ('machine_pools = [{ name = "a", instance_type = "m5.large", replicas = 1.5 }]', "machine_pools.0.replicas: Expected a whole number"),
        ('machine_pools = [{ name = "a", instance_type = "m5.large", autoscaling = { enabled = true, min = 1 } }]', "machine_pools.0.autoscaling.max: Autoscaling has no max."),
        ('machine_pools = [{ name = "a", instance_type = "m5.large" }, { name = "a", instance_type = "m5.large" }]', "Two machine pools have the name a."),
        ("create_additional_pool = true\nadditional_pool_min_replicas = 9", "pools.additional.min_workers: min_workers 9 is above max_workers 5."),
        ('create_additional_pool = true\nadditional_pool_taints = [{ key = "a" }]', "additional_pool_taints.0.effect: A taint has one effect, and this one has none."),
        ('create_additional_pool = true\nadditional_pool_taints = [{ key = "a", effect = "NoExecute", schedule_type = "NoSchedule" }]', "has NoExecute and NoSchedule."),
        ('create_additional_pool = true\nadditional_pool_taints = [{ key = "a", effect = "Never" }]', "'Never'"),
        ('create_additional_pool = true\nadditional_pool_taints = [{ effect = "NoSchedule" }]', "The taint has no key."),
    ],
)  # fmt: skip
def test_what_cannot_be_read_is_told_by_its_place(text: str, words: str) -> None:
    with pytest.raises(SettingsError) as caught:
        imported(text, "a.tf")
    assert words in str(caught.value)
    for problem in caught.value.problems:
        assert faults(problem.message) == faults(problem.remedy) == []


_VALUES: st.SearchStrategy[str] = st.one_of(
    st.sampled_from(["true", "false", "null", "var.x", '"a"', '"a-${x}"', "0.5", "[]", "{}", "[1]", '{ a = "b" }', "[{}]", "[null]", "f(1)"]),
    st.integers(-5, 10**20).map(str),
    st.text(max_size=20).map(json.dumps),
)  # fmt: skip
_NAMES = st.sampled_from(
    [
        "cluster_id", "create_additional_pool", "additional_pool_name", "additional_pool_instance_type", "additional_pool_labels",
        "additional_pool_taints", "additional_pool_max_replicas", "create_gpu_spot_pool", "gpu_spot_max_price", "gpu_spot_pool_disk_size",
        "machine_pools", "az_subnet_map", "other",
    ]
)  # fmt: skip


@given(st.dictionaries(_NAMES, _VALUES, max_size=8))
def test_no_value_anywhere_breaks_the_import(given_values: dict[str, str]) -> None:
    text = "create_additional_pool = true\n" if "create_additional_pool" not in given_values else ""
    text += "".join(f"{name} = {value}\n" for name, value in given_values.items())
    with suppress(SettingsError):
        written(imported(text, "a.tfvars"), "a.tfvars")


def test_the_command_writes_a_file_that_passes_the_check(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    target = tmp_path / "herder.yaml"
    assert run(whole_app(), ["config", "import-rosa", str(HERE / "both.tf"), "--write", str(target)]) == 0
    assert f"Check it with: herder config lint -f {target}" in capsys.readouterr().err
    assert run(whole_app(), ["config", "lint", "-f", str(target)]) == 1
    assert "still to be written: module.rosa_cluster.cluster_id" in capsys.readouterr().out
    target.write_text(target.read_text().replace("<fill in: module.rosa_cluster.cluster_id>", "2abc"))
    assert run(whole_app(), ["config", "lint", "--strict", "-f", str(target)]) == 0, capsys.readouterr().out
    assert run(whole_app(), ["config", "import-rosa", str(HERE / "both.tf"), "--write", str(target)]) == 2
    assert run(whole_app(), ["config", "import-rosa", str(tmp_path / "no.tf")]) == 2


def test_without_the_library_it_says_how_to_install_it(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "hcl2", None)
    assert run(whole_app(), ["config", "import-rosa", str(HERE / "both.tf")]) == 2
    assert "pip install 'herder[rosa]'" in capsys.readouterr().err
