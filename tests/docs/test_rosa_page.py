"""The page on ROSA has a row for each variable, output and example of the module, and each row is what presets, import and commands do."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from herder.decide.eligibility.matching import job_may_use
from herder.decide.eligibility.scheduling_info import scheduling_info
from herder.model.fleet.pool import PoolSpec, Taint, TaintEffect, Toleration
from herder.model.ids import UserName
from herder.model.values.resources import Resources
from herder.model.work.demand import Shape
from herder.settings import pool_from_plain, pool_to_plain
from herder.settings.load import load_texts
from herder.settings.rosa.importing import imported
from herder.settings.rosa.pools import NAMED
from tests.docs.page import DOCS

PAGE = (DOCS / "how-to" / "rosa.md").read_text()
SECTION = PAGE.split("\n## Variables, outputs and examples of the module\n")[1].split("\n## ")[0]
EXAMPLES = Path(__file__).parents[1] / "settings" / "rosa"
#: The table of the module: names and defaults.
DOCUMENTED = {
    "cluster_id": "n/a",
    "create_additional_pool": "false",
    "additional_pool_name": '"additional"',
    "additional_pool_instance_type": '"m5.xlarge"',
    "additional_pool_min_replicas": "1",
    "additional_pool_max_replicas": "5",
    "additional_pool_labels": "{}",
    "additional_pool_taints": "[]",
    "create_gpu_spot_pool": "false",
    "gpu_spot_pool_instance_type": '"g4dn.xlarge"',
    "gpu_spot_pool_min_replicas": "0",
    "gpu_spot_pool_max_replicas": "3",
    "gpu_spot_max_price": '""',
}
ONLY_IN_EXAMPLES = {"gpu_spot_pool_name", "gpu_spot_pool_labels", "gpu_spot_pool_disk_size"}
OUTPUTS = {"additional_pool_id", "gpu_spot_pool_id", "workload_scheduling_info"}
#: A value of each variable, and what the setting then is.
SAMPLES: dict[str, tuple[str, Any]] = {
    "name": ('"mine"', "mine"),
    "instance_type": ('"m6i.2xlarge"', "m6i.2xlarge"),
    "min_replicas": ("2", 2),
    "max_replicas": ("2", 2),
    "labels": ('{ "a" = "b" }', {"a": "b"}),
    "taints": ('[{ key = "a", effect = "NoExecute" }]', [{"key": "a", "effect": "NoExecute"}]),
    "disk_size": ("500", "500"),
    "max_price": ('"0.7"', "0.7"),
}


def table(first: str) -> dict[str, list[str]]:
    """Rows of the table whose first column has this name, by their first cell."""
    (body,) = re.findall(rf"(?m)^\| {first} \|.*\n\|[-|]+\n((?:\|.*\n)+)", SECTION)
    cells = [[each.strip() for each in line.strip("|").split(" | ")] for line in body.splitlines()]
    return {row[0].strip("` "): [each.strip() for each in row[1:]] for row in cells}


VARIABLES = table("variable")


def at(plain: dict[str, Any], path: str) -> Any:
    for key in path.split("."):
        plain = plain.get(key, {})
    return plain


def test_each_documented_variable_has_a_row_with_its_default() -> None:
    assert set(VARIABLES) == {*DOCUMENTED, *ONLY_IN_EXAMPLES}
    assert set(VARIABLES) == {"cluster_id", *(each for named in NAMED for each in named.variables)}
    for name, default in DOCUMENTED.items():
        said = VARIABLES[name][0]
        assert said == "required" if default == "n/a" else said.startswith(f"`{default}`"), name
    assert {VARIABLES[name][0] for name in ONLY_IN_EXAMPLES} == {"not documented"}


@pytest.mark.parametrize("named", NAMED, ids=lambda each: each.preset)
def test_the_defaults_are_those_of_the_preset(named: Any) -> None:
    expanded = pool_to_plain(pool_from_plain({"name": "x", "preset": named.preset}))
    for variable in named.variables:
        _, setting, default = VARIABLES[variable]
        value = at(expanded, setting.strip("`"))
        if variable == named.create:
            assert default == f"`{named.preset}`"
        elif default == "OCM's":
            assert value == {}
        elif isinstance(value, str):
            assert default == f"`{value}`"
        else:
            assert json.loads(default.strip("`")) == value


@pytest.mark.parametrize("named", NAMED, ids=lambda each: each.preset)
def test_the_import_sets_the_setting_of_each_variable_and_no_other(named: Any) -> None:
    base = f'cluster_id = "2abc"\n{named.create} = true\n'
    (without,) = imported(base, "a.tfvars").plain["pools"].values()
    assert without["preset"] == named.preset
    for variable in named.variables:
        if variable == named.create:
            continue
        (last,) = [each for each in SAMPLES if variable.endswith(each)]
        text, expected = SAMPLES[last]
        (found,) = imported(f"{base}{variable} = {text}\n", "a.tfvars").plain["pools"].values()
        setting = VARIABLES[variable][1].strip("`")
        if last == "labels" and named.max_price:
            expected = {"node-type": "gpu", **expected}
        assert at(found, setting) == expected, variable
        changed = {key for key in {*found, *without} if found.get(key) != without.get(key)}
        assert changed - {"templates"} == {setting.split(".")[0]}
        assert ("templates" in changed) == (last == "instance_type")


def test_cluster_id_is_a_setting_of_the_driver() -> None:
    plain = imported('cluster_id = "2abc"\ncreate_additional_pool = true\n', "a.tfvars").plain
    assert plain["drivers"]["rosa"]["settings"][VARIABLES["cluster_id"][1].strip("`")] == "2abc"


def test_each_output_has_a_row() -> None:
    assert set(table("output")) == OUTPUTS


def test_each_example_has_a_row() -> None:
    found = " ".join(table("example"))
    for words in (
        "taints",
        "batch-job",
        "ml-training` on GPUs",
        "GPU Operator",
        "ml-training-pdb",
        "preStop",
        "additional pool, GPU spot pool, both pools",
        "oc get",
    ):
        assert words in found  # fmt: skip
    for words in (
        "helm repo add nvidia",
        "operator.defaultRuntime=crio",
        "minAvailable: 0",
        "save_checkpoint.sh",
    ):
        assert words in PAGE
    for words in (
        "machinepool -A",
        "nodes -l node.kubernetes.io/machinepool=additional",
        "nodes -l node-type=gpu",
    ):
        assert f"| `oc get {words}` | `herder " in PAGE


def test_the_example_of_the_page_is_that_of_the_module_and_its_import() -> None:
    (hcl,) = re.findall(r"```hcl\n(.*?)```", PAGE, re.DOTALL)
    assert hcl == (EXAMPLES / "gpu_spot.tf").read_text()
    (shown,) = re.findall(r"```yaml\n(pools:.*?)```", SECTION, re.DOTALL)
    made = imported(hcl, "a.tf").plain
    made["drivers"]["rosa"]["settings"]["rosa_cluster"] = "2abc"
    expected = load_texts([("a.yaml", json.dumps(made))])
    assert YAML(typ="safe").load(shown)["pools"].keys() == made["pools"].keys()
    assert load_texts([("b.yaml", shown)]).pools == expected.pools


def presets() -> dict[str, PoolSpec]:
    more = {"membership": "kubernetes", "cluster": "prod"}
    return {
        name: pool_from_plain({"name": name, "preset": preset, **more})
        for name, preset in (("additional", "rosa_additional"), ("gpu-spot", "rosa_gpu_spot"))
    }


def test_what_scheduling_info_prints_is_on_the_page() -> None:
    assert f"```text\n{scheduling_info(presets()['gpu-spot']).yaml}```" in PAGE


def test_the_job_of_the_page_runs_on_the_gpu_pool_alone() -> None:
    (job,) = [each for each in re.findall(r"```yaml\n(.*?)```", PAGE, re.DOTALL) if "kind: Job" in each]
    spec = YAML(typ="safe").load(job)["spec"]["template"]["spec"]
    shape = Shape(
        request=Resources(500, 512, 0, int(spec["containers"][0]["resources"]["limits"]["nvidia.com/gpu"])),
        user=UserName("x"),
        cluster="prod",
        selector=tuple(spec["nodeSelector"].items()),
        tolerations=tuple(
            Toleration(key=each["key"], value=each["value"], effect=TaintEffect(each["effect"]))
            for each in spec["tolerations"]
        ),
    )
    assert [name for name, pool in presets().items() if job_may_use(shape, pool)] == ["gpu-spot"]


def test_the_taint_of_the_batch_pool_can_be_written_as_the_row_has_it() -> None:
    written = YAML(typ="safe").load(table("example")["taints of a batch pool"][0].strip("`"))
    pool = pool_from_plain({"name": "x", "preset": "rosa_additional", **written})
    assert pool.taints == (Taint(key="workload-type", value="batch"),)
