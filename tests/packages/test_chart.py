"""The Helm chart: every object is one that Kubernetes accepts, rights are those that are used, and values that make no sense are refused."""

from pathlib import Path
from typing import Any

import helm_python
import kubernetes_validate
import pytest
from jsonschema import Draft202012Validator
from ruamel.yaml import YAML

from herder.drivers.kubernetes_jobs.rights import NEEDED
from herder.memberships.kubernetes.access.rights import role_rules
from tests.packages.conftest import ROOT

CHART = ROOT / "packaging" / "helm" / "herder"
CRDS = ROOT / "tests" / "observability" / "crds"
VERSIONS = ("1.27", "1.31", "1.35")
SECRET = {"secretName": "keys"}
FULL: dict[str, Any] = {
    "replicas": 3,
    "store": {"kind": "bundled"},
    "postgresql": SECRET,
    "installation": SECRET,
    "tls": SECRET,
    "rbac": {"nodes": True, "jobs": True},
    "monitoring": {"serviceMonitor": True, "prometheusRule": True},
    "agents": {"replicas": 2, "tokenSecretName": "join"},
    "valkey": {"enabled": True},
    "imagePullSecrets": [{"name": "registry"}],
    "nodeSelector": {"disk": "ssd"},
    "tolerations": [{"key": "a", "operator": "Exists"}],
    "config": {"pools": {"std": {"driver": "local", "max_workers": 2}}},
}


def rendered(values: dict[str, Any]) -> list[dict[str, Any]]:
    with helm_python.Chart.load(str(CHART)) as chart:
        texts = chart.render(values, name="prod", namespace="work")
    return [each for text in texts.values() for each in YAML(typ="safe").load_all(text) if each]


def only(objects: list[dict[str, Any]], kind: str, name: str) -> dict[str, Any]:
    (found,) = [each for each in objects if (each["kind"], each["metadata"]["name"]) == (kind, name)]
    return found


def problems(each: dict[str, Any], version: str) -> list[str]:
    if each["apiVersion"].startswith("monitoring.coreos.com/"):
        crd = YAML(typ="safe").load(CRDS / f"monitoring.coreos.com_{each['kind'].lower()}s.yaml")
        schema = crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
        return [error.message for error in Draft202012Validator(schema).iter_errors(each)]
    try:
        kubernetes_validate.validate(each, version, strict=True)
    except kubernetes_validate.ValidationError as error:
        return [error.message]
    return []


@pytest.mark.parametrize("version", VERSIONS)
@pytest.mark.parametrize("values", [{}, FULL], ids=["defaults", "everything"])
def test_kubernetes_accepts_every_object(values: dict[str, Any], version: str) -> None:
    objects = rendered(values)
    assert {each["kind"] for each in objects} >= {"StatefulSet", "Service", "ConfigMap", "NetworkPolicy"}
    assert [(each["kind"], found) for each in objects if (found := problems(each, version))] == []
    names = [(each["kind"], each["metadata"]["name"]) for each in objects]
    assert len(names) == len(set(names))


def test_a_wrong_field_is_found() -> None:
    wrong = only(rendered({}), "Service", "prod")
    wrong["spec"]["prots"] = []
    assert problems(wrong, VERSIONS[0])
    rule = only(rendered(FULL), "PrometheusRule", "prod")
    rule["spec"]["groups"][0]["rules"] = "none"
    assert problems(rule, VERSIONS[0])


def test_the_chart_passes_the_linter() -> None:
    found = helm_python.lint(str(CHART))
    assert found["total_charts_linted"] == 1
    assert [each["error"] for each in found["messages"]] == ["icon is recommended"]
    assert found["errors"] == []


@pytest.mark.parametrize(
    ("values", "named"),
    [
        ({"replicas": 2, "installation": SECRET}, "store"),
        ({"replicas": 2, "store": {"kind": "bundled"}, "postgresql": SECRET}, "installation"),
        ({"replicas": 0}, "replicas"),
        ({"store": {"kind": "postgresql"}}, "store"),
        ({"store": {"kind": "bundled"}}, "postgresql"),
        ({"store": {"kind": "mysql"}}, "store"),
        ({"agents": {"replicas": 1}}, "agents"),
        ({"persistence": {"size": "ten"}}, "persistence"),
        ({"replica": 2}, "replica"),
    ],
)
def test_values_that_make_no_sense_are_refused(values: dict[str, Any], named: str) -> None:
    with pytest.raises(helm_python.HelmError, match=named):
        rendered(values)


def test_every_container_is_confined() -> None:
    for each in rendered(FULL):
        if each["kind"] not in {"StatefulSet", "Deployment"}:
            continue
        pod = each["spec"]["template"]["spec"]
        assert pod["securityContext"]["runAsNonRoot"] is True
        for container in [*pod["containers"], *pod.get("initContainers", [])]:
            security = container["securityContext"]
            assert security["readOnlyRootFilesystem"] is True
            assert security["allowPrivilegeEscalation"] is False
            assert security["capabilities"] == {"drop": ["ALL"]}


def test_the_rights_are_those_that_are_used() -> None:
    objects = rendered(FULL)
    nodes = only(objects, "ClusterRole", "work-prod")["rules"]
    wanted = {(group, resource): set(verbs) for group, resource, verbs in role_rules()}
    assert {(r["apiGroups"][0], r["resources"][0]): set(r["verbs"]) for r in nodes} == wanted
    jobs = only(objects, "Role", "prod")["rules"]
    found = {(r["apiGroups"][0], r["resources"][0], verb) for r in jobs for verb in r["verbs"]}
    assert found == {(right.group, right.resource, right.verb) for right in NEEDED}
    assert not [each for each in rendered({}) if "Role" in each["kind"]]


def test_the_settings_of_the_chart_are_a_herder_yaml(tmp_path: Path) -> None:
    from herder.settings.load import load

    config = only(rendered({}), "ConfigMap", "prod")["data"]["herder.yaml"]
    (tmp_path / "herder.yaml").write_text(config)
    load([tmp_path / "herder.yaml"])


def test_several_servers_have_a_disruption_budget_and_addresses_of_their_own() -> None:
    objects = rendered(FULL)
    assert only(objects, "PodDisruptionBudget", "prod")["spec"]["maxUnavailable"] == 1
    (server,) = only(objects, "StatefulSet", "prod")["spec"]["template"]["spec"]["containers"]
    assert "--public-url=https://$(POD_NAME).prod-servers.work.svc:8765" in server["args"]
    assert "--insecure" not in server["args"]
    assert not [each for each in rendered({}) if each["kind"] == "PodDisruptionBudget"]
