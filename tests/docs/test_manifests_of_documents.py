"""The manifests of Cortex, ROSA and Mimir, word by word, are applied to our Kubernetes API server: it answers what the table of the page has, Herder's plan
creates what the table has, and the scheduler binds the pod there. Each command of the documents has a row."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from tests.docs.page import DOCS
from tests.docs.scheduled import (
    PATHS,
    PODS,
    apply,
    close,
    demand,
    grown,
    nodes_of,
    picture,
    pools_of,
    world_of,
)
from tests.kubernetes.clusters import Json
from tests.kubernetes.random_clusters import World

HERE = Path(__file__).parent
PAGE = (DOCS / "how-to" / "coming-from-cortex.md").read_text()
MIMIR = (DOCS / "how-to" / "coming-from-mimir.md").read_text()
SECTION = PAGE.split("\n## Manifests\n")[1].split("\n## ")[0]
ROWS = {
    cells[0]: cells[1:]
    for line in SECTION.splitlines()
    if line.startswith("| ")
    for cells in [[each.strip() for each in line.strip("|").split("|")]]
    if cells[0] != "manifest"
}
#: Row → file of the manifest.
FILES = {
    "Cortex: Job `data-processing`": "cortex-data-processing",
    "Cortex: Job `ml-training`": "cortex-ml-training",
    "Cortex: schedule on permanent workers": "cortex-permanent",
    "Cortex: schedule on burst workers": "cortex-burst",
    "Cortex: schedule on spot workers": "cortex-spot",
    "Cortex: schedule on GPU workers": "cortex-gpu",
    "ROSA: Job `batch-job`": "rosa-batch-job",
    "ROSA: Job `ml-training`": "rosa-ml-training",
    "ROSA: PodDisruptionBudget `ml-training-pdb`": "rosa-ml-training-pdb",
    "ROSA: Pod with `preStop`": "rosa-pre-stop",
    "Mimir: Job `worker-job-12345`": "mimir-worker-job",
    "Mimir: Secret `job-12345-secrets`": "mimir-secrets",
    "Mimir: PrometheusRule `worker-scaling-alerts`": "mimir-alerts",
    "Mimir: `ttlSecondsAfterFinished`": "mimir-ttl",
}
MORE_PATHS = {
    "Secret": "/api/v1/namespaces/default/secrets",
    "PrometheusRule": "/apis/monitoring.coreos.com/v1/namespaces/default/prometheusrules",
    "Pod": PODS,
}
CLAIMS = "/api/v1/namespaces/default/persistentvolumeclaims"
CREATED = [title for title, row in ROWS.items() if " × " in row[2]]
REFUSED = [title for title, row in ROWS.items() if row[0]]


@pytest.fixture(autouse=True)
def _closed() -> Iterator[None]:
    yield
    close()


def world() -> World:
    (text,) = re.findall(r"```yaml\n(clusters:.*?)```", SECTION, re.DOTALL)
    return world_of(pools_of(text), ())


def manifest(title: str) -> Any:
    return YAML(typ="safe").load((HERE / "manifests" / f"{FILES[title]}.yaml").read_text())


def changed(title: str) -> Json:
    """As the column `change` has it."""
    found: Json = manifest(title)
    if "kind" not in found:
        container = {"name": "main", "image": "x", "resources": found.pop("resources", {})}
        return {"kind": "Pod", "metadata": {"name": "part"}, "spec": {**found, "containers": [container]}}
    if found["kind"] == "Pod":
        found["metadata"] = {"name": "whole"}
        found["spec"]["containers"][0]["image"] = "x"
    if found["kind"] == "Job" and ROWS[title][1] == "`restartPolicy: Never`":
        found["spec"]["template"]["spec"]["restartPolicy"] = "Never"
    return found


def test_each_manifest_has_a_row_and_each_row_a_manifest() -> None:
    assert ROWS.keys() == FILES.keys()
    assert {f"{name}.yaml" for name in FILES.values()} == {
        each.name for each in (HERE / "manifests").iterdir()
    }


@pytest.mark.parametrize("title", REFUSED)
def test_kubernetes_refuses_it_with_the_words_of_the_page(title: str) -> None:
    body = manifest(title)
    reply = world().cluster.send("POST", (PATHS | MORE_PATHS)[body["kind"]], body)
    said = reply.body["message"] if isinstance(reply.body, dict) else reply.body
    assert reply.status in (400, 404, 422)
    assert ROWS[title][0].strip("`") in said


@pytest.mark.parametrize("title", CREATED)
def test_it_is_demand_of_the_pool_and_runs_there(title: str, monkeypatch: pytest.MonkeyPatch) -> None:
    found, body = world(), changed(title)
    if not ROWS[title][0] and "kind" in manifest(title):
        assert body == manifest(title)
    if body["kind"] == "Pod":
        assert found.cluster.send("POST", PODS, body).status == 201
        found.cluster.sleep(5)
    else:
        apply(found.cluster, body)
    if "claim" in ROWS[title][1]:
        _wait_for_the_claim(found)
    assert demand(found) == ROWS[title][2]
    grown(found, monkeypatch)
    (node,) = nodes_of(found.cluster)
    spec, offer = found.existing[node]
    assert ROWS[title][2] == f"1 × {offer.name} of {spec.name}"


def _wait_for_the_claim(found: World) -> None:
    pods = picture(found).pods
    (left_out,) = pods.not_considered()
    assert pods.pending() == ()
    assert "wait for a volume" in left_out.because
    found.cluster.send("POST", CLAIMS, {"metadata": {"name": "model-cache-pvc"}, "spec": {}})
    found.cluster.send("PATCH", f"{CLAIMS}/model-cache-pvc/status", {"status": {"phase": "Bound"}})
    found.cluster.sleep(12)


def test_the_budget_of_rosa_allows_each_eviction(monkeypatch: pytest.MonkeyPatch) -> None:
    found = world()
    apply(found.cluster, manifest("ROSA: PodDisruptionBudget `ml-training-pdb`"))
    job = changed("ROSA: Job `ml-training`")
    job["spec"]["template"]["metadata"] = {"labels": {"app": "ml-training"}}
    apply(found.cluster, job)
    grown(found, monkeypatch)
    (pod,) = found.cluster.send("GET", PODS).body["items"]
    name = pod["metadata"]["name"]
    reply = found.cluster.send("POST", f"{PODS}/{name}/eviction", {"metadata": {"name": name}})
    assert reply.status == 201


def test_the_life_of_an_ended_job_is_part_of_its_manifest() -> None:
    job = manifest("Mimir: Job `worker-job-12345`")
    assert manifest("Mimir: `ttlSecondsAfterFinished`")["spec"].items() <= job["spec"].items()


def test_each_command_of_the_documents_has_a_row() -> None:
    lines = (PAGE + MIMIR).splitlines()
    cells = [line.split(" | ")[0] for line in lines if line.startswith("| ")]
    told = [code for cell in cells for code in re.findall(r"`([^`]+)`", cell)]
    commands = (HERE / "commands_of_documents.txt").read_text().splitlines()
    assert len(commands) > 60
    for command in commands[1:]:
        assert any(_same(command, code) for code in told), command


def _same(command: str, code: str) -> bool:
    """Options in any order; what the page omits at the end is not asked for."""
    return command.startswith(code) or sorted(command.split()) == sorted(code.split())
