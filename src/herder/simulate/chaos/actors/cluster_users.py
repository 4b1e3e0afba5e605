"""The people of the played cluster: they run apps (pods that are replaced when they go, some with a disruption budget) and Jobs, and cordon
nodes and delete them by hand. What they do when the API is away they do later.
"""

import asyncio
from dataclasses import dataclass, field
from typing import Any

from herder.model.fleet.cluster import POOL_LABEL
from herder.simulate.chaos.actors.cluster import PlayedCluster
from herder.simulate.chaos.cluster_fleet import TAINT
from herder.simulate.chaos.faults.chance import Chance
from herder.simulate.chaos.faults.dice import Dice

TICK_S = 30.0
POOLS = ("nodes", "flex")
PODS = "/api/v1/namespaces/default/pods"
JOBS = "/apis/batch/v1/namespaces/default/jobs"
BUDGETS = "/apis/policy/v1/namespaces/default/poddisruptionbudgets"
NODES = "/api/v1/nodes"
#: Beginnings per hour, and how many apps there are at most.
APPS_PER_HOUR, JOBS_PER_HOUR, APPS_MOST = 4.0, 8.0, 12
_BACKGROUND = {"propagationPolicy": "Background"}


@dataclass(slots=True, kw_only=True)
class App:
    name: str
    pool: str
    replicas: int
    cpu: str
    memory: str
    until_s: float
    available: int | None
    """Of its budget; None: it has none."""
    made: int = 0
    pods: set[str] = field(default_factory=set)


class ClusterUsers:
    def __init__(self, kube: PlayedCluster, loop: asyncio.AbstractEventLoop, dice: Dice) -> None:
        self._kube, self._loop, self._dice = kube, loop, dice
        self.apps: dict[str, App] = {}
        self.cordoned: dict[str, None] = {}
        """Nodes that a person has cordoned, and nobody had before."""
        self._numbers = 0
        self._jobs: set[str] = set()
        self._ending: set[str] = set()
        """Apps whose pods and budget are to go."""

    async def run(self) -> None:
        draw = self._dice.of("cluster users")
        for pool in POOLS:
            self._begin_app(draw, pool)
        while True:
            await asyncio.sleep(TICK_S)
            if draw.random() < APPS_PER_HOUR / 3600 * TICK_S and len(self.apps) < APPS_MOST:
                self._begin_app(draw, draw.choice(POOLS))
            if draw.random() < JOBS_PER_HOUR / 3600 * TICK_S:
                self._begin_job(draw)
            for app in [each for each in self.apps.values() if each.until_s <= self._loop.time()]:
                self._end(app)
            self.keep()

    def keep(self) -> None:
        """Each app gets the pods that it lacks; what is to go goes."""
        there = {each["metadata"]["name"] for each in self._kube.pods()}
        for app in self.apps.values():
            app.pods &= there
            while len(app.pods) < app.replicas:
                name = f"{app.name}-{app.made}"
                status, _ = self._kube.ask("POST", PODS, _pod(name, app))
                if status != 201:
                    break  # later
                app.made += 1
                app.pods.add(name)
        for name in sorted(self._ending):
            self._remove(name, there)

    def end_all(self) -> None:
        """All apps and Jobs are to go. To be called again until nothing is left."""
        for app in list(self.apps.values()):
            self._end(app)
        for name in sorted(self._jobs):
            if _done(self._kube.ask("DELETE", f"{JOBS}/{name}", _BACKGROUND)[0]):
                self._jobs.discard(name)
        self.keep()
        for name in list(self.cordoned):
            self.uncordon(name)

    def block(self, draw: Chance, seconds: float) -> None:
        """The budget of one app allows no eviction for a while."""
        names = sorted(name for name, app in self.apps.items() if app.available is not None)
        if names:
            app = self.apps[draw.choice(names)]
            self._kube.trace("budget allows nothing", app.name, round(seconds))
            self._set_budget(app, app.replicas)
            self._loop.call_later(seconds, self.unblock, app)

    def unblock(self, app: App) -> None:
        wanted = app.available if app.name in self.apps else None
        if wanted is not None and self._set_budget(app, wanted) != 200:
            self._loop.call_later(TICK_S, self.unblock, app)

    def cordon(self, name: str) -> bool:
        node = self._kube.node(name)
        if node is None or node["spec"].get("unschedulable"):
            return False
        if self._kube.ask("PATCH", f"{NODES}/{name}", {"spec": {"unschedulable": True}})[0] != 200:
            return False
        self._kube.trace("is cordoned by a person", name)
        self.cordoned[name] = None
        return True

    def uncordon(self, name: str) -> None:
        if name in self.cordoned:
            status, _ = self._kube.ask("PATCH", f"{NODES}/{name}", {"spec": {"unschedulable": None}})
            if _done(status):
                self.cordoned.pop(name, None)
            else:
                self._loop.call_later(TICK_S, self.uncordon, name)

    # --- inside

    def _begin_app(self, draw: Chance, pool: str) -> None:
        self._numbers += 1
        replicas = draw.randint(1, 4)
        app = App(
            name=f"app{self._numbers}",
            pool=pool,
            replicas=replicas,
            cpu=draw.choice(("500m", "1", "2", "3")),
            memory=draw.choice(("512Mi", "2Gi", "4Gi")),
            until_s=self._loop.time() + draw.uniform(900.0, 10_800.0),
            available=max(1, replicas - 1) if draw.random() < 0.5 else None,
        )
        if app.available is not None:
            body = _budget(app.name, app.available)
            if self._kube.ask("POST", BUDGETS, body)[0] != 201:
                return
        self.apps[app.name] = app
        self.keep()

    def _begin_job(self, draw: Chance) -> None:
        self._numbers += 1
        name, pool = f"job{self._numbers}", draw.choice(POOLS)
        spec = {**_pod_spec(pool, draw.choice(("500m", "2", "4")), "1Gi"), "restartPolicy": "Never"}
        many = draw.randint(1, 3)
        annotations = {"testing.herder.dev/run-s": str(draw.randint(60, 1800))}
        template = {"metadata": {"annotations": annotations}, "spec": spec}
        body = {
            "metadata": {"name": name},
            "spec": {
                "parallelism": many, "completions": many, "backoffLimit": 1000,
                "ttlSecondsAfterFinished": 300, "template": template,
            },
        }  # fmt: skip
        if self._kube.ask("POST", JOBS, body)[0] == 201:
            self._jobs.add(name)

    def _end(self, app: App) -> None:
        self.apps.pop(app.name, None)
        self._ending.add(app.name)

    def _remove(self, name: str, there: set[str]) -> None:
        left = sorted(each for each in there if each.rpartition("-")[0] == name)
        paths = [f"{BUDGETS}/{name}", *(f"{PODS}/{each}" for each in left)]
        if all(_done(self._kube.ask("DELETE", path)[0]) for path in paths) and not left:
            self._ending.discard(name)

    def _set_budget(self, app: App, available: int) -> int:
        return self._kube.ask("PATCH", f"{BUDGETS}/{app.name}", {"spec": {"minAvailable": available}})[0]


def _done(status: int) -> bool:
    """Whether it is as it should be, or there is nothing to be changed any more."""
    return status in (200, 202, 404)


def _pod_spec(pool: str, cpu: str, memory: str) -> dict[str, Any]:
    requests = {"requests": {"cpu": cpu, "memory": memory}}
    return {
        "containers": [{"name": "c", "image": "example.com/app:1", "resources": requests}],
        "nodeSelector": {POOL_LABEL: pool},
        "tolerations": [{"key": TAINT, "operator": "Equal", "value": pool, "effect": "NoSchedule"}],
    }


def _pod(name: str, app: App) -> dict[str, Any]:
    metadata = {"name": name, "labels": {"app": app.name}}
    return {"metadata": metadata, "spec": _pod_spec(app.pool, app.cpu, app.memory)}


def _budget(name: str, available: int) -> dict[str, Any]:
    spec = {"minAvailable": available, "selector": {"matchLabels": {"app": name}}}
    return {"metadata": {"name": name}, "spec": spec}
