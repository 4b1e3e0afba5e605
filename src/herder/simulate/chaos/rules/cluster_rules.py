"""Rules of nodes and pods, judged by the objects of the API server and by the machines of the provider.

Pods are evicted within their budgets. A Node object goes after its machine and soon after it. No machine is removed under pods, and no pod deleted instead of evicted, before the
deadline of a drain that is forced. A cordon that a person has set stays. What people order with force, machines that are gone, kubelets that
are not heard and machines that a provider denied to have are excused.
"""

import re
from collections.abc import Iterable, Iterator

from herder.model.fleet.cluster import WORKER_LABEL
from herder.model.fleet.drain import OnBlocked
from herder.model.fleet.worker import WorkerState
from herder.model.planning.plan import ReasonKind
from herder.simulate.chaos.actors.cluster import PlayedCluster
from herder.simulate.chaos.actors.cluster_users import ClusterUsers
from herder.simulate.chaos.rules.fleet_news import FleetNews, WorkerNews
from herder.simulate.chaos.world import World
from herder.testing.kubernetes.objects import Json
from herder.testing.kubernetes.objects.resources import BUDGETS, NODES, PODS
from herder.testing.kubernetes.objects.store import Change

#: How long a node may be there after its machine, counted while everything works.
LEFT_OVER_S = 1_200.0
#: A deadline is the server's, whose clock may have been set; what loops add is on the other side.
EARLY_S = 10.0
_POD = re.compile(r"/api/v1/namespaces/([^/]+)/pods/([^/]+)$")
EVICTED = b"EvictionByEvictionAPI"
Found = tuple[str, str]


class ClusterRules:
    def __init__(self, world: World, kube: PlayedCluster, users: ClusterUsers, news: FleetNews) -> None:
        self._world, self._kube, self._users, self._news = world, kube, users, news
        self.met: list[Found] = []
        """What was seen between two calls of `look`."""
        self._drains_s: dict[str, float] = {}
        """Since when a worker drains."""
        self._denied: set[str] = set()
        """Workers whose machines a provider has denied to have at any time."""
        self._left_s: dict[str, float] = {}
        """By node: for how long its machine is gone."""
        kube.asked = self._asked
        kube.api.store.listen(NODES, self._node_changed)
        kube.api.store.listen(PODS, self._pod_changed)

    # --- when something happens

    def acted(self) -> None:
        """A provider may have done something."""
        for provider in self._world.providers.values():
            self._denied.update(provider.concealed)

    def look(self, news: Iterable[WorkerNews]) -> Iterator[Found]:
        for each in news:
            if not self._is_node(each.pool):
                continue
            if each.state is WorkerState.DRAINING:
                self._drains_s.setdefault(each.name, self._world.loop.time())
            elif each.before is WorkerState.DRAINING and not each.state.leaving and not each.state.ended:
                self._drains_s.pop(each.name, None)  # it was taken back
            if each.state is WorkerState.TERMINATING and each.before is not WorkerState.TERMINATING:
                yield from self._removed(each)
            if each.ends:
                self._drains_s.pop(each.name, None)

    def minute(self, seconds: float) -> Iterator[Found]:
        met, self.met = self.met, []
        yield from met
        left, works = dict[str, float](), self._works()
        for node in self._kube.nodes():
            name = _worker_of(node)
            if self._machine(name) or name in self._news.workers:
                continue
            left[name] = self._left_s.get(name, 0.0) + (seconds if works else 0.0)
            if left[name] > LEFT_OVER_S:
                yield (
                    "no node is left over",
                    f"Node {name} is there {left[name] / 60:.0f} min after its machine and its worker, in which everything worked.",
                )
        self._left_s = left

    # --- inside

    def _is_node(self, pool: str) -> bool:
        spec = self._news.pools.get(pool)
        return spec is not None and bool(spec.cluster)

    def _machine(self, worker: str) -> bool:
        now_ms = self._world.clock.true_ms()
        return any(
            name == worker and (each.gone_at_ms is None or each.gone_at_ms > now_ms)
            for provider in self._world.providers.values()
            for (_, name), each in provider.machines.items()
        )

    def _works(self) -> bool:
        server = self._world.server
        return (
            server is not None
            and self._world.loop.running(server.host)
            and not self._kube.troubled
            and not server.core.state.frozen_drivers
        )

    def _removed(self, worker: WorkerNews) -> Iterator[Found]:
        """Its machine is going to be removed."""
        name, pods = worker.name, self._kube.pods_on(worker.name)
        dead = worker.why_removed == ReasonKind.DEAD.value or not self._kube.hears(name)
        joined = worker.before in (WorkerState.READY, WorkerState.UNHEALTHY, WorkerState.DRAINING)
        if pods and joined and not dead and not self._may_force(name, worker.pool):
            yield (
                "no machine is removed under pods",
                f"The machine of {name} is removed, and pods {', '.join(pods[:5])} run on its node.",
            )

    def _may_force(self, worker: str, pool: str) -> bool:
        """Whether the deadline of its drain has passed, in a pool that forces drains, or a person has ordered it."""
        people = self._world.people
        if worker in people.forced or worker in self._denied:
            return True
        spec, since_s = self._news.pools.get(pool), self._drains_s.get(worker)
        if spec is None or spec.lifetime.on_blocked is not OnBlocked.FORCE:
            return False
        if worker in people.hastened:
            return True
        if since_s is None:
            return False
        return self._world.loop.time() - since_s >= spec.lifetime.drain_grace_s - EARLY_S

    def _asked(self, method: str, path: str) -> None:
        """A server asks for the end of a pod, and does not evict it."""
        found = _POD.match(path) if method == "DELETE" else None
        pod = self._kube.api.store.get(PODS, (found[1], found[2])) if found is not None else None
        node = "" if pod is None else str(pod.fields["spec.nodeName"])
        worker = self._news.workers.get(node)
        if pod is None or not node or not self._kube.hears(node) or node in self._denied:
            return
        if worker is None or not self._may_force(node, worker.pool):
            self.met.append(
                (
                    "no pod is deleted before its deadline",
                    f"Pod {pod.key[1]} on node {node} is deleted and not evicted.",
                )
            )

    def _pod_changed(self, change: Change) -> None:
        """An eviction that was allowed: so many pods of its app must still be ready as the budget says."""
        pod, old, store = change.new, change.old, self._kube.api.store
        if (
            old is None
            or old.deleting
            or not pod.deleting
            or EVICTED not in pod.body
            or not old.fields[".ready"]
        ):
            return
        app = pod.labels.get("app", "")
        budget = store.get(BUDGETS, (pod.key[0], app))
        if budget is None:
            return
        alike = (each for each in store.all(PODS, pod.key[0]) if each.labels.get("app") == app)
        ready = sum(bool(each.fields[".ready"]) and not each.deleting for each in alike)
        least = int(budget.decode()["spec"]["minAvailable"])
        if ready < least:
            self.met.append(
                (
                    "pods are evicted within their budgets",
                    f"Pod {pod.key[1]} was evicted; {ready} pods of its app are ready, and its budget is {least}.",
                )
            )

    def _node_changed(self, change: Change) -> None:
        name = change.new.key[1]
        if change.deleted:
            self._users.cordoned.pop(name, None)
            if not self._kube.by_people and self._machine(name) and name not in self._denied:
                self.met.append(
                    (
                        "no node is removed whose machine exists",
                        f"Node {name} was removed; its machine exists.",
                    )
                )
        elif change.old is not None and name in self._users.cordoned and not self._kube.by_people:
            taken_away = _cordoned(change.old.decode()) and not _cordoned(change.new.decode())
            if taken_away:
                self.met.append(
                    ("cordons of others stay", f"Node {name} was cordoned by a person and is not.")
                )


def _cordoned(node: Json) -> bool:
    return bool(node["spec"].get("unschedulable"))


def _worker_of(node: Json) -> str:
    return str((node["metadata"].get("labels") or {}).get(WORKER_LABEL) or node["metadata"]["name"])
