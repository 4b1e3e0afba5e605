"""The installed server with a Kubernetes API server in another process: pods wait, machines become nodes, pods run, the node is drained and
removed. The machines are pretended; what a machine does when it boots, registering its node, the test does."""

import json
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import httpx
import pytest
from ruamel.yaml import YAML

from tests.acceptance.conftest import Installation

pytestmark = [pytest.mark.acceptance, pytest.mark.slow, pytest.mark.timeout(200)]

FILE = """
drivers:
  cloud: {{kind: pretend}}
clusters:
  prod: {{kubeconfig: {kubeconfig}, stale_after: 2m}}
pools:
  burst:
    driver: cloud
    membership: kubernetes
    cluster: prod
    templates:
      - {{name: four, cpu: 4, memory: 8Gi, disk: 20Gi, price_per_hour: "0.12"}}
    max_workers: 2
    pending_pods: 2
    pending_pods_for: 1s
    idle_timeout: null
    labels: {{node-pool: burst}}
    taints: [{{key: workload-type, value: burst}}]
"""


SMALL = {"cpu": "4", "memory": "8Gi", "ephemeral-storage": "20Gi", "pods": "110"}


class Kubernetes:
    """The API server, as kubectl would ask it."""

    def __init__(self, folder: Path) -> None:
        self.kubeconfig = folder / "kubeconfig"
        self.process = subprocess.Popen(
            [
                sys.executable,
                "-m",
                "herder.testing.kubernetes",
                "--anonymous-admin",
                "--port",
                "0",
                "--kubeconfig",
                self.kubeconfig,
            ],
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self.process.stdout is not None
        url = self.process.stdout.readline().strip()
        user = YAML(typ="safe").load(self.kubeconfig.read_text())["users"][0]["user"]
        self.http = httpx.Client(
            base_url=url, headers={"Authorization": f"Bearer {user['token']}"}, timeout=20
        )

    def close(self) -> None:
        self.http.close()
        self.process.terminate()
        self.process.wait(10)
        assert self.process.stdout is not None
        self.process.stdout.close()

    def nodes(self) -> dict[str, Any]:
        return {each["metadata"]["name"]: each for each in self._items("/api/v1/nodes")}

    def pods(self) -> dict[str, Any]:
        return {each["metadata"]["name"]: each for each in self._items("/api/v1/namespaces/default/pods")}

    def _items(self, path: str) -> list[Any]:
        return list(self.http.get(path).raise_for_status().json()["items"])

    def boot(self, name: str, have: Mapping[str, str] = SMALL) -> None:
        """Its kubelet registers the node."""
        body = {
            "apiVersion": "v1",
            "kind": "Node",
            "metadata": {"name": name},
            "status": {"capacity": have, "allocatable": have},
        }
        self.http.post("/api/v1/nodes", json=body).raise_for_status()

    def run_pod(self, name: str, spec: dict[str, Any]) -> None:
        body = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": name}, "spec": spec}
        self.http.post("/api/v1/namespaces/default/pods", json=body).raise_for_status()


@pytest.fixture
def kubernetes(tmp_path: Path) -> Iterator[Kubernetes]:
    made = Kubernetes(tmp_path)
    yield made
    made.close()


def _workers(at: Installation, state: str) -> list[str]:
    found = json.loads(at.run("worker", "list", "-o", "json"))
    items = found["items"] if isinstance(found, dict) else found
    return [each["name"] for each in items if each["state"] == state]


@pytest.mark.parametrize("installation", ["sqlite"], indirect=True)
def test_pods_get_nodes_and_nodes_are_drained_and_removed(
    installation: Installation, kubernetes: Kubernetes
) -> None:
    at = installation
    at.config.write_text(FILE.format(kubeconfig=kubernetes.kubeconfig))
    at.start()
    info = YAML(typ="safe").load(at.run("pool", "scheduling-info", "burst"))
    info["containers"][0] |= {"image": "web"}
    assert info["nodeSelector"] == {"herder.dev/pool": "burst"}
    assert info["priorityClassName"] == "burst-workload"
    del info["priorityClassName"]  # its class is one of the manifests, which are not applied here
    for number in range(3):
        kubernetes.run_pod(f"web-{number}", info)
    at.until(lambda: bool(_workers(at, "joining")), 40, "a worker for the pods")
    (worker,) = _workers(at, "joining")
    assert "starting worker" in at.run("why", "pod", "web-0")
    kubernetes.boot(worker)
    at.until(lambda: _workers(at, "ready") == [worker], 40, "its node to be ready")
    labels = kubernetes.nodes()[worker]["metadata"]["labels"]
    assert (labels["herder.dev/worker"], labels["node-pool"]) == (worker, "burst")
    assert {each["key"] for each in kubernetes.nodes()[worker]["spec"]["taints"]} == {"workload-type"}
    at.until(
        lambda: {pod["spec"].get("nodeName") for pod in kubernetes.pods().values()} == {worker},
        40,
        "the pods to be bound",
    )
    at.until(lambda: "of pool burst" in at.run("why", "pod", "default/web-0"), 20, "its node to be told")
    at.until(lambda: "0 pods are pending" in at.run("status"), 20, "the picture to follow")
    assert "prod" in at.run("cluster", "list")
    assert worker in at.run("cluster", "show", "prod")
    at.run("cluster", "check", "prod")
    assert "kind: ClusterRole" in at.run("cluster", "manifests", "prod", "-f", str(at.config))

    at.run("worker", "drain", worker, "--yes")
    at.until(lambda: "is drained" in at.run("worker", "get", worker), 60, "the drain to end")
    assert kubernetes.nodes()[worker]["spec"]["unschedulable"] is True
    assert kubernetes.pods() == {}
    at.run("worker", "remove", worker, "--yes")
    at.until(lambda: not kubernetes.nodes(), 60, "the node to be removed")
    assert at.stop() == 0
