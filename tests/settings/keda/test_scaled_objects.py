"""ScaledObjects of KEDA from pools: of the form that KEDA defines, with what the pools say, and what they cannot say is named."""

import hashlib
import json
import re
import textwrap
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from herder.app import whole_app
from herder.cli.shell.main import run
from herder.settings import SettingsError
from herder.settings.cortex.importing import imported, written
from herder.settings.imports.result import Kind
from herder.settings.keda.scaled_objects import Exported, scaled_objects
from herder.settings.load import load_texts
from tests.docs.page import DOCS
from tests.settings.cortex.documented_scaling import SERVER, deployment, scaling
from tests.support.crds import schema_of
from tests.words.rules import faults

CRDS = Path(__file__).parent / "crds"
METRIC = {"name": "rate", "query": "sum(a)", "per_worker": 10}
POOL: dict[str, Any] = {
    "membership": "none",
    "frozen": True,
    "templates": ["small"],
    "min_workers": 1,
    "max_workers": 9,
    "idle_timeout": "5m",
    "metrics": [METRIC],
}
SOURCES = {"prometheus": {"url": "http://prometheus:9090"}}


def exported(pools: dict[str, Any], *names: str, sources: Any = SOURCES) -> Exported:
    text = json.dumps({"metric_sources": sources, "pools": pools})
    return scaled_objects(load_texts([("servers.yaml", text)]), "mcp", names)


def manifests(found: Exported) -> list[dict[str, Any]]:
    return [*YAML(typ="safe").load_all(found.text)]


def spec_of(**changes: Any) -> dict[str, Any]:
    (found,) = manifests(exported({"git": POOL | changes}))
    spec: dict[str, Any] = found["spec"]
    return spec


def told(**changes: Any) -> dict[str, str]:
    return {each.path: each.text for each in exported({"git": POOL | changes}).findings}


def of_the_documents() -> Exported:
    text = written(imported(json.dumps(scaling()), "mcp-scaling.json"), "mcp-scaling.json")
    return scaled_objects(load_texts([("servers.yaml", text)]), "cortex-mcp")


def test_the_definitions_are_those_that_we_pinned() -> None:
    pinned = dict(re.findall(r"`(\S+\.yaml)` \| ([0-9a-f]{64})", (CRDS / "README.md").read_text()))
    found = {each.name: hashlib.sha256(each.read_bytes()).hexdigest() for each in CRDS.glob("*.yaml")}
    assert found == pinned
    assert len(found) == 2


def test_manifests_have_the_form_that_keda_defines() -> None:
    jsonschema = pytest.importorskip("jsonschema")
    secret = {"prometheus": {"url": "https://prometheus", "token_file": "/run/token"}}
    changes = {
        "scale_down_fraction": "50%",
        "schedules": [{"cron": "0 8 * * *", "min_workers": 5, "duration": "1h"}],
    }
    mine = manifests(exported({"git": POOL | changes, "kept": POOL | {"idle_timeout": None}}, sources=secret))
    assert {each["kind"] for each in mine} == {"ScaledObject", "TriggerAuthentication"}
    schemas = {
        kind: jsonschema.Draft202012Validator(schema_of(CRDS / f"keda.sh_{kind.lower()}s.yaml"))
        for kind in ("ScaledObject", "TriggerAuthentication")
    }
    for each in [*mine, *manifests(of_the_documents())]:
        assert [error.message for error in schemas[each["kind"]].iter_errors(each)] == []
        each["spec"]["typo"] = 1
        assert not schemas[each["kind"]].is_valid(each)


def test_the_documented_file_comes_back_as_scaled_objects() -> None:
    """From mcp-scaling.json to herder.yaml to manifests: limits, times and triggers are those of the file, but for the trigger that the import names."""
    made = {each["spec"]["scaleTargetRef"]["name"]: each for each in manifests(of_the_documents())}
    for name, template in scaling()["scaling_templates"].items():
        limits, found = template["scaling_config"], made.pop(deployment(name))
        assert found["metadata"]["namespace"] == template["namespace"]
        spec = found["spec"]
        assert {
            "min_replicas": spec["minReplicaCount"],
            "max_replicas": spec["maxReplicaCount"],
            "polling_interval_seconds": spec["pollingInterval"],
            "cooldown_period_seconds": spec["cooldownPeriod"],
            "scale_to_zero": spec["minReplicaCount"] == 0,
        } == limits
        facts = [_as_documented(each) for each in spec["triggers"]]
        wanted = [each["metadata"] for each in template["triggers"] if each["type"] != "redis"]
        assert sorted(facts, key=_items) == sorted((_dashed(each) for each in wanted), key=_items)
    assert made == {}


def _items(facts: dict[str, str]) -> list[tuple[str, str]]:
    return sorted(facts.items())


def _as_documented(trigger: dict[str, Any]) -> dict[str, str]:
    names = {
        re.sub("[A-Z]", lambda found: f"_{found[0].lower()}", key): value
        for key, value in trigger["metadata"].items()
    }
    return names | ({"metric_name": trigger["name"]} if "name" in trigger else {})


def _dashed(facts: dict[str, str]) -> dict[str, str]:
    return facts | ({"metric_name": facts["metric_name"].replace("_", "-")} if "metric_name" in facts else {})


def test_the_rate_of_scale_down_comes_back() -> None:
    (http,) = (
        each for each in manifests(of_the_documents()) if each["metadata"]["name"] == "mcp-http-server"
    )
    behavior = http["spec"]["advanced"]["horizontalPodAutoscalerConfig"]["behavior"]
    assert behavior["scaleDown"]["policies"] == [{"type": "Percent", "value": 50, "periodSeconds": 60}]
    assert SERVER in str(http)


def test_a_mean_is_compared_and_a_sum_is_shared() -> None:
    mean = METRIC | {"name": "p95", "value": "average", "activation": 0.5}
    assert [(each["metricType"], each["metadata"].get("activationThreshold")) for each in spec_of(metrics=[METRIC, mean])["triggers"]] == [
        ("AverageValue", None),
        ("Value", "0.5"),
    ]  # fmt: skip


def test_idle_replicas_are_kept_as_long_as_idle_workers() -> None:
    down = ("advanced", "horizontalPodAutoscalerConfig", "behavior", "scaleDown")

    def rule(**changes: Any) -> Any:
        found: Any = spec_of(**changes)
        for key in down:
            found = found[key]
        return found

    assert (spec_of()["cooldownPeriod"], rule()) == (300, {"stabilizationWindowSeconds": 300})
    assert rule(idle_timeout="2h") == {"stabilizationWindowSeconds": 3600}
    assert told(idle_timeout="2h") == {
        "pools.git.idle_timeout": "An HPA keeps a replica for at most 1 h; only the last one is kept for 2h."
    }
    assert rule(idle_timeout=None) == {"selectPolicy": "Disabled"}
    assert "cooldownPeriod" not in spec_of(idle_timeout=None)


def test_a_token_is_read_from_a_secret_and_never_written() -> None:
    given = {
        "a": {"url": "http://a", "token_file": "/run/my token"},
        "b": {"url": "http://b", "token_env": "B_TOKEN"},
        "c": {"url": "http://c"},
    }
    metrics = [METRIC | {"name": name, "source": name} for name in given]
    found = exported({"git": POOL | {"metrics": metrics}}, sources=given)
    scaled, *more = manifests(found)
    assert [each.get("authenticationRef") for each in scaled["spec"]["triggers"]] == [
        {"name": "herder-a"},
        {"name": "herder-b"},
        None,
    ]
    assert [each["metadata"]["authModes"] for each in scaled["spec"]["triggers"][:2]] == ["bearer", "bearer"]
    assert [each["spec"]["secretTargetRef"] for each in more] == [
        [{"parameter": "bearerToken", "name": name, "key": "token"}] for name in ("herder-a", "herder-b")
    ]
    words = [each.text for each in found.findings]
    assert "--from-file=token='/run/my token'" in words[0]
    assert '--from-literal=token="$B_TOKEN"' in words[1]


@pytest.mark.parametrize(
    ("changes", "path", "words"),
    [
        ({"frozen": False}, "frozen", "Set frozen: true if only KEDA is to scale git."),
        ({"driver": "vms"}, "driver", "A Deployment has its own image"),
        ({"labels": {"a": "b"}}, "labels", "A Deployment has its own image"),
        ({"ttl": "4h"}, "ttl", "A replica has no time to live."),
        ({"scale_up_cooldown": "5m"}, "scale_up_cooldown", "no such time"),
        ({"headroom": 2}, "headroom", "no spare replicas"),
        ({"max_live_workers": 3}, "max_live_workers", "KEDA has no such setting."),
        ({"metrics": [METRIC, METRIC | {"name": "b", "every": "10s"}]}, "metrics.every", "the shortest was written"),
        ({"metrics": [METRIC | {"tolerance": "20%"}]}, "metrics.rate.tolerance", "that of its cluster"),
        ({"metrics": [METRIC | {"keep": "1h"}]}, "metrics.rate.keep", "leaves the replicas"),
        ({"scale_down_fraction": "20%", "scale_down_period": "2h"}, "scale_down_period", "30 min"),
        ({"scale_down_fraction": "12.5%"}, "scale_down_fraction", "whole percentages"),
        ({"schedules": [{"cron": "*/5 * * * *", "min_workers": 5}]}, "schedules.*/5 * * * *", "one start a day"),
        ({"schedules": [{"cron": "0 8 * * *", "min_workers": 0, "duration": "1h"}]}, "schedules.0 8 * * *", "cannot lower"),
        ({"schedules": [{"cron": "0 8 * * *", "min_workers": 5, "max_workers": 20, "duration": "1h"}]}, "schedules.0 8 * * *.max_workers", "one maxReplicaCount"),
    ],
)  # fmt: skip
def test_what_keda_cannot_say_is_named(changes: dict[str, Any], path: str, words: str) -> None:
    found = told(**changes)
    assert [*found] == [f"pools.git.{path}"]
    assert words in found[f"pools.git.{path}"]
    assert [each for text in found.values() for each in faults(text)] == []
    assert (
        f"# {Kind.NOT_TAKEN if path != 'frozen' else Kind.TO_DO}: pools.git.{path}: "
        in exported({"git": POOL | changes}).text
    )


def test_a_schedule_that_keda_cannot_say_is_no_trigger() -> None:
    schedules = [
        {"cron": "*/5 * * * *", "min_workers": 5},
        {"cron": "0 8 * * *", "min_workers": 1, "duration": "1h"},
    ]
    assert [each["type"] for each in spec_of(schedules=schedules)["triggers"]] == ["prometheus"]


def test_pools_that_are_named_are_written_once_and_in_this_order() -> None:
    pools = {"a": POOL, "b": POOL, "c": POOL, "jobs": {"templates": ["small"]}}
    assert [each["metadata"]["name"] for each in manifests(exported(pools))] == ["a", "b", "c"]
    assert [each["metadata"]["name"] for each in manifests(exported(pools, "c", "a", "c"))] == ["c", "a"]


@pytest.mark.parametrize(
    ("changes", "names", "words"),
    [
        ({"max_workers": 0, "min_workers": 0}, (), "servers.yaml:1:"),
        ({"max_workers": 0, "min_workers": 0}, (), "pools.git.max_workers: Pool git has max_workers 0"),
        ({"metrics": []}, (), "pools.git: Pool git has no metric and no schedule"),
        ({"metrics": [], "schedules": [{"cron": "*/5 * * * *", "min_workers": 5}]}, (), "no metric and no schedule"),
        ({"idle_timeout": None, "min_workers": 0}, (), "pools.git.idle_timeout: Pool git never removes"),
        ({"metrics": [METRIC | {"source": "other"}]}, (), "Metric source 'other' of pool git is not defined."),
        ({"membership": "exchange"}, ("git",), "pools.git.membership: Pool git has membership exchange"),
        ({"membership": "exchange"}, (), "The files have no pool with membership none"),
        ({}, ("gti",), "The files have no pool 'gti'. They have git."),
    ],
)  # fmt: skip
def test_what_cannot_be_written_is_refused_with_its_place(
    changes: dict[str, Any], names: tuple[str, ...], words: str
) -> None:
    with pytest.raises(SettingsError) as error:
        exported({"git": POOL | changes}, *names)
    assert words in str(error.value)
    assert [
        each for problem in error.value.problems for each in faults(f"{problem.message} {problem.remedy}")
    ] == []


def test_the_page_shows_what_is_written() -> None:
    settings, manifest = (
        textwrap.dedent(text)
        for text in re.findall(r"```yaml\n(.*?)```", (DOCS / "how-to" / "keda.md").read_text(), re.DOTALL)
    )
    found = scaled_objects(load_texts([("servers.yaml", settings)]), "cortex-mcp")
    assert found.text.partition("---\n")[2] == manifest
    assert found.findings == ()


def test_the_command(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "servers.yaml"
    file.write_text(json.dumps({"metric_sources": SOURCES, "pools": {"git": POOL | {"ttl": "4h"}}}))
    words = ["pool", "scaled-objects", "-f", str(file)]
    assert run(whole_app(), [*words, "--namespace", "mcp"]) == 0
    captured = capfd.readouterr()
    assert [each["metadata"]["namespace"] for each in YAML(typ="safe").load_all(captured.out)] == ["mcp"]
    assert "A replica has no time to live." in captured.err
    assert run(whole_app(), [*words, "--namespace", "Mcp"]) == 2
    assert "--namespace 'Mcp' is not the name of a Kubernetes namespace." in capfd.readouterr().err
    assert run(whole_app(), [*words, "other"]) == 2
    captured = capfd.readouterr()
    assert (captured.out, "The files have no pool 'other'." in captured.err) == ("", True)
