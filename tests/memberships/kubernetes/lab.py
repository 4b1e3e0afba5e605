"""One API server in this process, what happens in it, and a `KubernetesCluster` that follows it as a service account with our role."""

import asyncio
from typing import Any

from ruamel.yaml import YAML

from herder.memberships.kubernetes import manifests
from herder.memberships.kubernetes.cluster import KubernetesCluster
from herder.memberships.kubernetes.uses import UseSource
from herder.model.fleet.cluster import ClusterSettings as Settings
from herder.model.fleet.node import NodeSeen
from herder.model.planning.cluster import ClusterSeen
from herder.model.values.resources import PLAIN
from herder.ports.cluster import ClusterContext
from herder.remote.kubernetes.connection import Connection
from herder.remote.kubernetes.credentials import Access, GivenToken
from herder.testing.kubernetes import Cluster, ClusterSettings
from herder.testing.kubernetes.rights.users import service_account
from herder.testing.kubernetes.running import LoopClock, Running
from herder.testing.kubernetes.transport import InProcessTransport
from tests.memberships.kubernetes.objects_made import STARTED_MS, node_json, pod_json

TOKEN = "token-of-herder"


class Clock:
    """The cluster's time, and ours: `skew_ms` is what ours is behind."""

    def __init__(self, clock: LoopClock) -> None:
        self._clock = clock

    def now_ms(self) -> int:
        return self._clock.now_ms()

    def monotonic_ms(self) -> int:
        return self._clock.now_ms()


class Lab:
    def __init__(
        self, *, played: bool = False, use: UseSource | None = None, start_ms: int = STARTED_MS
    ) -> None:
        """`played`: with a scheduler, kubelets and metrics. Else things are as a test puts them."""
        loop = asyncio.get_running_loop()
        clock = LoopClock(loop, start_ms)
        self.api = Cluster(ClusterSettings(scheduling=played, played_nodes=played), clock.now_ms())
        self.api.service.subresources.metrics_served = played
        self.running = Running(self.api, loop, clock)
        self.clock = Clock(clock)
        self.api.tokens.add(TOKEN, service_account("herder", "herder"))
        self.apply(manifests(Settings(name="prod")))
        access = Access(url="http://api", tokens=GivenToken(TOKEN))
        self.connection = Connection("prod", access, transport=InProcessTransport(self.running))
        context = ClusterContext(installation="here", resources=PLAIN, clock=self.clock, chance=lambda: 0.5)
        self.cluster = KubernetesCluster("prod", self.connection, context, use=use)
        self._task: asyncio.Task[None] | None = None

    # --- what happens in the cluster

    def ask(self, method: str, path: str, body: Any = None, expect: int | None = None) -> dict[str, Any]:
        status, answer = self.api.ask(method, path, self.clock.now_ms(), body)
        assert status == expect if expect is not None else status < 300, answer
        self.running.poke()
        return answer

    def apply(self, text: str) -> None:
        for each in YAML(typ="safe").load_all(text):
            group, _, version = each["apiVersion"].rpartition("/")
            prefix = f"/apis/{group}/{version}" if group else f"/api/{version}"
            scope = f"/namespaces/{each['metadata']['namespace']}" if "namespace" in each["metadata"] else ""
            self.ask("POST", f"{prefix}{scope}/{_PLURALS[each['kind']]}", each)

    def post(self, made: dict[str, Any]) -> None:
        """A pod or a node as a person would create it: without status, uid and version."""
        metadata = {
            key: made["metadata"][key] for key in ("name", "labels", "annotations") if key in made["metadata"]
        }
        path = "/api/v1/nodes" if made["kind"] == "Node" else "/api/v1/namespaces/default/pods"
        self.ask("POST", path, {"metadata": metadata, "spec": made["spec"]})

    def node(self, name: str = "w1", **given: Any) -> NodeSeen:
        """A node that is there and ready, as others would name it."""
        made = node_json(name, **given)
        self.api.load([made], self.clock.now_ms())
        return self.seen_of(name)

    def seen_of(self, name: str) -> NodeSeen:
        from tests.memberships.kubernetes.test_nodes import seen

        uid = self.ask("GET", f"/api/v1/nodes/{name}")["metadata"]["uid"]
        return seen(name=name, uid=uid)

    def pod(self, name: str, **given: Any) -> None:
        """As it is, status included."""
        made = pod_json(name, **given)
        del made["metadata"]["resourceVersion"]
        self.api.load([made], self.clock.now_ms())

    def budget(self, name: str, app: str, **spec: Any) -> None:
        body = {
            "apiVersion": "policy/v1",
            "kind": "PodDisruptionBudget",
            "metadata": {"name": name},
            "spec": {"selector": {"matchLabels": {"app": app}}, **spec},
        }
        self.ask("POST", "/apis/policy/v1/namespaces/default/poddisruptionbudgets", body)

    def pods(self) -> dict[str, dict[str, Any]]:
        items = self.ask("GET", "/api/v1/pods")["items"] or []
        return {each["metadata"]["name"]: each for each in items}

    def without(self, group: str, resource: str, verb: str) -> None:
        """Take one right away from our role."""
        path = "/apis/rbac.authorization.k8s.io/v1/clusterroles/herder"
        role = self.ask("GET", path)
        for rule in role["rules"]:
            if group in rule["apiGroups"] and resource in rule["resources"]:
                rule["verbs"].remove(verb)
        self.ask("PUT", path, role)

    # --- Herder

    def follow(self) -> None:
        self._task = asyncio.create_task(self.cluster.follow())

    async def after(self, seconds: float = 0.5) -> ClusterSeen:
        await asyncio.sleep(seconds)
        assert self._task is None or not self._task.done()
        return self.cluster.seen()

    async def close(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])
        await self.cluster.close()
        self.running.close()
        assert self.running.failure is None


_PLURALS = {
    "Namespace": "namespaces",
    "ServiceAccount": "serviceaccounts",
    "ClusterRole": "clusterroles",
    "ClusterRoleBinding": "clusterrolebindings",
    "PriorityClass": "priorityclasses",
    "NetworkPolicy": "networkpolicies",
}
