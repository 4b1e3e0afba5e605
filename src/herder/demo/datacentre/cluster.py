"""The Kubernetes API and the datacentre as the story needs them: pods, nodes, a disruption budget, VMs. Used by `scenes`.

It calls the API as an administrator would, in the thread of the datacentre. It decides nothing.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from herder.testing.datacentre import Sickness
from herder.testing.datacentre.running import Serving
from herder.wire.api.clusters import SchedulingInfo

Json = dict[str, Any]
PODS = "/api/v1/namespaces/default/pods"
BUDGETS = "/apis/policy/v1/namespaces/default/poddisruptionbudgets"
BUDGET = "web"


@dataclass(frozen=True, slots=True, kw_only=True)
class VmSeen:
    vmid: int
    name: str
    host: str
    cores: int
    memory_mib: int
    network: str
    running: bool


class Site:
    def __init__(self, server: Serving) -> None:
        self._server = server

    def _ask(self, method: str, path: str, body: Json | None = None) -> Json:
        status, found = self._server.call(
            lambda centre, now_ms: centre.kubernetes.ask(method, path, now_ms, body)
        )
        if status >= 400:
            raise RuntimeError(f"{method} {path}: {found.get('message', status)}")
        return found

    # --- Kubernetes

    def create_pod(self, name: str, app: str, info: SchedulingInfo) -> None:
        """With what `herder pool scheduling-info` prints for its pool."""
        container = {"name": app, "image": app, "resources": {"requests": {"cpu": "900m", "memory": "1Gi"}}}
        spec = {
            "nodeSelector": info.node_selector,
            "tolerations": info.tolerations,
            "containers": [container],
        }
        metadata = {"name": name, "labels": {"app": app}}
        self._ask("POST", PODS, {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec})

    def pods(self, app: str) -> list[Json]:
        return [each for each in self._ask("GET", PODS)["items"] if each["metadata"]["labels"]["app"] == app]

    def delete_pods(self, app: str) -> None:
        for pod in self.pods(app):
            self._ask("DELETE", f"{PODS}/{pod['metadata']['name']}")

    def nodes(self) -> dict[str, Json]:
        return {each["metadata"]["name"]: each for each in self._ask("GET", "/api/v1/nodes")["items"]}

    def ready(self, node: str) -> str:
        """True, False or Unknown; empty: there is no such node."""
        found = self.nodes().get(node)
        conditions: Sequence[Mapping[str, str]] = found["status"].get("conditions", ()) if found else ()
        return next((each["status"] for each in conditions if each["type"] == "Ready"), "")

    def require_available(self, app: str, pods: int) -> None:
        """A PodDisruptionBudget."""
        spec = {"minAvailable": pods, "selector": {"matchLabels": {"app": app}}}
        metadata = {"name": BUDGET}
        body = {
            "apiVersion": "policy/v1",
            "kind": "PodDisruptionBudget",
            "metadata": metadata,
            "spec": spec,
        }
        self._ask("POST", BUDGETS, body)

    def allow_disruption(self) -> None:
        self._ask("PATCH", f"{BUDGETS}/{BUDGET}", {"spec": {"minAvailable": 0}})

    def delete_budget(self) -> None:
        self._ask("DELETE", f"{BUDGETS}/{BUDGET}")

    # --- the datacentre

    def vm(self, node: str) -> VmSeen | None:
        """None: no machine has this name."""

        def look(centre: Any, _now_ms: int) -> VmSeen | None:
            try:
                vm = centre.vm_of(node)
            except KeyError:
                return None
            return VmSeen(
                vmid=vm.vmid,
                name=vm.name,
                host=vm.node,
                cores=vm.cores,
                memory_mib=vm.memory_mib,
                network=vm.config.get("net0", ""),
                running=vm.running,
            )

        return self._server.call(look)

    def sicken(self, node: str, sickness: Sickness) -> None:
        self._server.call(lambda centre, _: centre.sicken(node, sickness))

    def left_over(self) -> list[str]:
        return self._server.call(lambda centre, _: centre.left_over())
