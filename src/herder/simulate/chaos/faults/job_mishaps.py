"""Mishaps of Herder's own Kubernetes Jobs: Jobs that somebody removes, pods that are killed or evicted, images that cannot be pulled, nodes
that go or are full, quotas. Drawn as those in `mishaps.py`; each ends by itself, and `heal` ends all.
"""

import asyncio
from collections.abc import Callable

from herder.simulate.chaos.actors.cluster import NAMESPACE, PlayedCluster
from herder.simulate.chaos.actors.cluster_users import NODES
from herder.simulate.chaos.actors.pod_agents import PodAgents
from herder.simulate.chaos.cluster_fleet import IMAGE
from herder.simulate.chaos.faults.mishaps import TICK_S
from herder.simulate.chaos.world import World
from herder.testing.kubernetes.objects.resources import JOBS, PODS

#: As `mishaps.MISHAPS`.
JOB_MISHAPS = {
    "job removed": ("job_removed", "_remove_job"),
    "pod out of memory": ("pod_out_of_memory", "_out_of_memory"),
    "pod evicted": ("pod_evicted", "_evict"),
    "image missing": ("image_missing", "_miss_image"),
    "site lost": ("site_lost", "_lose_site"),
    "sites full": ("sites_full", "_fill_sites"),
    "quota of namespace": ("quota_of_namespace", "_set_quota"),
}
_JOBS = f"/apis/batch/v1/namespaces/{NAMESPACE}/jobs"
_PODS = f"/api/v1/namespaces/{NAMESPACE}/pods"
_QUOTAS = f"/api/v1/namespaces/{NAMESPACE}/resourcequotas"
_BACKGROUND = {"propagationPolicy": "Background"}
AGAIN_S = 30.0


class JobMishaps:
    def __init__(self, world: World, kube: PlayedCluster, agents: PodAgents) -> None:
        self._world, self._kube, self._agents = world, kube, agents
        self._chance = world.dice.of("job mishaps")
        self._down: set[str] = set()

    async def run(self) -> None:
        dice = self._world.dice
        causes = tuple(
            (kind, getattr(dice.odds, name), getattr(self, method))
            for kind, (name, method) in JOB_MISHAPS.items()
        )
        while True:
            for kind, per_second, cause in causes:
                if dice.happens(kind, per_second * TICK_S):
                    cause()
            await asyncio.sleep(TICK_S)

    def heal(self) -> None:
        """Called when the API works again."""
        self._kube.api.kubelets.runner.unpullable.clear()
        for name in sorted(self._down):
            self._site_back(name)
        self._uncordon()
        self._no_quota()

    # --- inside

    def _later(self, least_s: float, most_s: float, mend: Callable[[], None]) -> float:
        seconds = self._chance.uniform(least_s, most_s)
        self._world.loop.call_later(seconds, mend)
        return seconds

    def _remove_job(self) -> None:
        jobs = sorted(self._kube.api.store.all(JOBS, NAMESPACE), key=lambda each: each.key)
        over = [each for each in jobs if b'"completionTime"' in each.body or b'"Failed"' in each.body]
        if jobs:
            name = self._chance.choice(over or jobs).key[1]
            self._world.trace("Job is removed by a person", name)
            self._kube.ask("DELETE", f"{_JOBS}/{name}", _BACKGROUND)

    def _some_worker(self) -> str | None:
        workers = sorted(self._agents.running)
        return self._chance.choice(workers) if workers else None

    def _out_of_memory(self) -> None:
        worker = self._some_worker()
        if worker is not None:
            self._world.trace("pod is out of memory", worker)
            self._agents.use_too_much_memory(worker)

    def _evict(self) -> None:
        pods = sorted(
            each.key
            for each in self._kube.api.store.all(PODS, NAMESPACE)
            if each.fields["status.phase"] == "Running" and not each.deleting
        )
        if not pods:
            return
        key, kubelet = self._chance.choice(pods), self._chance.random() < 0.5
        self._world.trace("pod is evicted", key[1], "by its kubelet" if kubelet else "by a person")
        if kubelet:
            self._kube.api.kubelets.evict_pod(key, self._kube.times.now_ms())
            self._kube.running.poke()
        else:
            self._kube.ask("DELETE", f"{_PODS}/{key[1]}")

    def _miss_image(self) -> None:
        images = self._kube.api.kubelets.runner.unpullable
        images.add(IMAGE)
        self._world.trace("image is missing", round(self._later(30.0, 600.0, images.clear)))

    def _lose_site(self) -> None:
        names = sorted(set(self._kube.sites) - self._down)
        if not names:
            return
        name = self._chance.choice(names)
        self._down.add(name)
        self._kube.stop_site(name)
        seconds = self._later(30.0, 1500.0, lambda: self._site_back(name))
        deleted = self._chance.random() < 0.5
        self._world.trace("site is lost", name, round(seconds), deleted)
        if deleted:
            self._kube.ask("DELETE", f"{NODES}/{name}")

    def _site_back(self, name: str) -> None:
        if name in self._down:
            self._down.discard(name)
            self._kube.start_site(name)

    def _fill_sites(self) -> None:
        self._world.trace("sites are full", round(self._later(60.0, 900.0, self._uncordon)))
        for name in self._kube.sites:
            self._kube.ask("PATCH", f"{NODES}/{name}", {"spec": {"unschedulable": True}})

    def _uncordon(self) -> None:
        for name in self._kube.sites:
            if self._kube.ask("PATCH", f"{NODES}/{name}", {"spec": {"unschedulable": None}})[0] >= 500:
                self._world.loop.call_later(AGAIN_S, self._uncordon)
                return

    def _set_quota(self) -> None:
        hard = {"pods": str(self._chance.randint(0, 3))}
        self._kube.ask("POST", _QUOTAS, {"metadata": {"name": "small"}, "spec": {"hard": hard}})
        self._world.trace("quota of the namespace", round(self._later(60.0, 1200.0, self._no_quota)))

    def _no_quota(self) -> None:
        if self._kube.ask("DELETE", f"{_QUOTAS}/small")[0] >= 500:
            self._world.loop.call_later(AGAIN_S, self._no_quota)
