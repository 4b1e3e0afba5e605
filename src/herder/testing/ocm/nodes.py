"""The nodes of a played OCM in a played Kubernetes cluster: they register, are drained and go as the machine pools say. Used by tests and simulated worlds.

What happens here is the provider's own doing: it needs no answer of the cluster's API and is not met by faults that a test asks of it.
"""

import json
from collections.abc import Callable, Mapping
from typing import Any

from herder.testing.kubernetes import ADMIN_TOKEN, Cluster
from herder.testing.kubernetes.api.answers import Answer, Request
from herder.testing.kubernetes.objects.resources import NODES, PODS
from herder.testing.ocm.cloud import PlayedOcm
from herder.testing.ocm.state import Pool


class NodesOfPools:
    """`capacity`: what a node of a pool has to give; None: what the cluster's settings say."""

    def __init__(
        self,
        ocm: PlayedOcm,
        kubernetes: Cluster,
        now_ms: Callable[[], int],
        capacity: Callable[[Pool], Mapping[str, str]] | None = None,
    ) -> None:
        self._kubernetes, self._now_ms, self._capacity = kubernetes, now_ms, capacity
        self._labels: dict[str, dict[str, str]] = {}
        """By node, those that its pool has given it."""
        ocm.state.hooks.append(self._changed)

    def _changed(self, what: str, pool: Pool, node: str) -> None:
        {"node": self._register, "labels": self._label, "draining": self._drain, "gone": self._go}[what](
            pool, node
        )

    def _register(self, pool: Pool, node: str) -> None:
        self._labels[node] = dict(pool.body.get("labels", {}))
        self._kubernetes.kubelets.boot(
            node,
            self._now_ms(),
            labels={**self._labels[node], "node.kubernetes.io/instance-type": pool.instance_type},
            taints=[dict(each) for each in pool.body.get("taints", ())],
            capacity=None if self._capacity is None else dict(self._capacity(pool)),
            ready_after_ms=0,
        )

    def _label(self, pool: Pool, node: str) -> None:
        """Labels that the pool has lost are taken from its nodes, too."""
        wanted = dict(pool.body.get("labels", {}))
        lost: dict[str, str | None] = dict.fromkeys(self._labels.get(node, {}).keys() - wanted.keys())
        self._labels[node] = wanted
        self._ask("PATCH", f"/api/v1/nodes/{node}", {"metadata": {"labels": {**lost, **wanted}}})

    def _drain(self, _pool: Pool, node: str) -> None:
        """Pods that their budgets keep go with the machine."""
        self._ask("PATCH", f"/api/v1/nodes/{node}", {"spec": {"unschedulable": True}})
        for pod in list(self._kubernetes.store.pods_on(PODS, node)):
            namespace, name = pod.key
            path = f"/api/v1/namespaces/{namespace}/pods/{name}/eviction"
            eviction = {"apiVersion": "policy/v1", "kind": "Eviction"}
            self._ask("POST", path, {**eviction, "metadata": {"name": name, "namespace": namespace}})

    def _go(self, _pool: Pool, node: str) -> None:
        self._labels.pop(node, None)
        if node in self._kubernetes.kubelets.machines:
            self._kubernetes.kubelets.remove(node)
        if self._kubernetes.store.get(NODES, ("", node)) is not None:
            self._ask("DELETE", f"/api/v1/nodes/{node}")

    def _ask(self, method: str, path: str, body: Any = None) -> None:
        """A node that a person has deleted, and a pod that a budget keeps, are no errors."""
        media = "application/merge-patch+json" if method == "PATCH" else "application/json"
        request = Request(
            method=method,
            path=path,
            query={},
            headers={"authorization": f"Bearer {ADMIN_TOKEN}", "content-type": media},
            body=b"" if body is None else json.dumps(body).encode(),
        )
        self._kubernetes.moment.now_ms = self._now_ms()
        found = self._kubernetes.service.handle(request, self._now_ms())
        assert isinstance(found, Answer)
        assert found.status in (200, 201, 404, 429), found.body
