"""The installed server with OpenShift Cluster Manager and a cluster at addresses: a pod waits, a machine pool becomes larger, the pod runs on its node,
the worker is drained and removed, and the machine pool is smaller again."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from herder.testing.fakes.messages import Answer, Request
from herder.testing.fakes.serving import Serving
from herder.testing.kubernetes.cluster import Cluster
from herder.testing.kubernetes.server import Serving as ServingKubernetes
from herder.testing.kubernetes.server import serving as serving_kubernetes
from herder.testing.ocm import CLIENT, HCP, SECRET, OcmTimes, PlayedOcm, Pool
from herder.testing.ocm.nodes import NodesOfPools
from tests.acceptance.conftest import Installation

pytestmark = [pytest.mark.acceptance, pytest.mark.slow, pytest.mark.timeout(200)]

FILE = """
drivers:
  rosa:
    kind: rosa
    settings:
      rosa_cluster: hosted
      cluster: prod
      client_id: {client}
      client_secret_file: {secret}
      ocm_url: {ocm}
      sso_url: {ocm}/openid-connect
clusters:
  prod: {{kubeconfig: {kubeconfig}, stale_after: 2m}}
pools:
  batch:
    driver: rosa
    membership: kubernetes
    cluster: prod
    templates:
      - {{name: m5, cpu: 3500m, memory: 14Gi, price_per_hour: "0.192"}}
    max_workers: 2
    pending_pods: 1
    pending_pods_for: 1s
    idle_timeout: null
    labels: {{workload-type: batch}}
    taints: [{{key: workload-type, value: batch}}]
    driver_options: {{machine_pool: batch, instance_type: m5.xlarge}}
"""
CAPACITY = {"cpu": "4", "memory": "16Gi", "ephemeral-storage": "100Gi", "pods": "110"}


class Rosa:
    """All of it lives in the thread of the cluster."""

    def __init__(self, kubernetes: ServingKubernetes) -> None:
        self.kubernetes = kubernetes
        self.ocm = kubernetes.call(self._made)
        self.server = Serving(self.ocm, ask=self._asked)

    def _made(self, cluster: Cluster, now_ms: int) -> PlayedOcm:
        ocm = PlayedOcm(OcmTimes(node_starts_ms=1_500, node_drains_ms=1_000), now_ms)
        NodesOfPools(ocm, cluster, lambda: ocm.state.timeline.now_ms, lambda _pool: CAPACITY)
        cluster.ask("POST", "/api/v1/namespaces", now_ms, {"metadata": {"name": "herder"}})
        return ocm

    def _asked(self, request: Request) -> Answer:
        return self.kubernetes.call(lambda _cluster, now_ms: self.ocm.request(request, now_ms))

    def pool(self) -> Pool | None:
        def step(_cluster: Cluster, now_ms: int) -> Pool | None:
            self.ocm.step(now_ms)
            return self.ocm.state.pools.get((HCP, "batch"))

        return self.kubernetes.call(step)

    def ask(self, method: str, path: str, body: Any = None) -> dict[str, Any]:
        status, found = self.kubernetes.call(lambda cluster, now_ms: cluster.ask(method, path, now_ms, body))
        assert status < 300, found
        return found

    def pod(self) -> dict[str, Any]:
        """The spec of the only one."""
        found: dict[str, Any] = self.ask("GET", "/api/v1/namespaces/default/pods/web")["spec"]
        return found

    def nodes(self) -> dict[str, str]:
        """By node, its worker."""
        items = self.ask("GET", "/api/v1/nodes")["items"]
        return {
            each["metadata"]["name"]: each["metadata"]["labels"].get("herder.dev/worker", "")
            for each in items
        }


@pytest.fixture
def rosa() -> Iterator[Rosa]:
    with serving_kubernetes() as kubernetes:
        made = Rosa(kubernetes)
        made.server.start()
        yield made
        made.server.stop()


@pytest.mark.parametrize("installation", ["sqlite"], indirect=True)
def test_pods_make_a_machine_pool_larger_and_their_worker_is_removed(
    installation: Installation, rosa: Rosa, tmp_path: Path
) -> None:
    at = installation
    (tmp_path / "kubeconfig").write_text(rosa.kubernetes.kubeconfig())
    (tmp_path / "secret").write_text(SECRET)
    at.config.write_text(
        FILE.format(
            client=CLIENT,
            secret=tmp_path / "secret",
            ocm=rosa.server.url,
            kubeconfig=tmp_path / "kubeconfig",
        )
    )
    at.start()
    assert "failed" not in at.run("driver", "check", "rosa")
    found = YAML(typ="safe").load(at.run("driver", "import", "rosa"))["pools"]
    assert found["workers-0"]["driver_options"]["machine_pool"] == "workers-0"
    spec = {
        "containers": [
            {"name": "c", "image": "web", "resources": {"requests": {"cpu": "2", "memory": "4Gi"}}}
        ],
        "nodeSelector": {"workload-type": "batch"},
        "tolerations": [
            {"key": "workload-type", "operator": "Equal", "value": "batch", "effect": "NoSchedule"}
        ],
    }
    rosa.ask("POST", "/api/v1/namespaces/default/pods", {"metadata": {"name": "web"}, "spec": spec})
    at.until(lambda: rosa.pod().get("nodeName") is not None, 60, "the pod to be bound")
    worker = rosa.nodes()[rosa.pod()["nodeName"]]
    assert worker in at.run("worker", "list", "--pool", "batch")
    made = rosa.pool()
    assert made is not None
    assert (made.body["replicas"], made.body["labels"]["workload-type"]) == (1, "batch")

    changed = (
        at.config.read_text().replace("m5.xlarge", "m5.2xlarge").replace("workload-type: batch}", "team: a}")
    )
    (tmp_path / "changed.yaml").write_text(changed)
    plan = at.run("apply", "-f", str(tmp_path / "changed.yaml"), "--dry-run")
    assert "-/+ machine pool batch must be replaced" in plan
    assert '"m5.xlarge" -> "m5.2xlarge" # forces replacement' in plan
    assert "+ labels.team" in plan
    assert "\x1b" not in plan

    at.run("worker", "remove", worker, "--yes")
    at.until(lambda: rosa.pool() is made and not made.nodes, 60, "the node to be removed")
    at.until(lambda: worker not in at.run("worker", "list"), 60, "the worker to be gone")
    assert made.body["replicas"] == 0
    assert worker not in rosa.nodes().values()
    assert at.stop() == 0
