"""Rules of Herder's own Kubernetes Jobs, judged by the objects of the API server.

A Job, its pods and its Secret go soon after the row of their worker. A Job runs one agent in its life: what is tried again is decided by
Herder, in a Job of its own. No worker is taken for gone whose pod runs.
"""

from collections.abc import Iterable, Iterator

from herder.drivers.kubernetes_jobs.manifest import WORKER
from herder.drivers.kubernetes_jobs.names import job_name
from herder.model.planning.plan import ReasonKind
from herder.simulate.chaos.actors.cluster import NAMESPACE, PlayedCluster
from herder.simulate.chaos.actors.pod_agents import PodAgents
from herder.simulate.chaos.actors.server import INSTALLATION
from herder.simulate.chaos.cluster_fleet import JOBS as DRIVER
from herder.simulate.chaos.rules.fleet_news import FleetNews, WorkerNews
from herder.simulate.chaos.world import World
from herder.testing.kubernetes.objects.resources import JOBS, PODS, SECRETS
from herder.testing.kubernetes.objects.stored import Stored

#: How long an object may be there after the row of its worker, counted while everything works. An agent that is cut off gives up after
#: 600 s, and must not hide what is left.
LEFT_OVER_S = 480.0
Found = tuple[str, str]


class JobObjectRules:
    def __init__(self, world: World, kube: PlayedCluster, agents: PodAgents, news: FleetNews) -> None:
        self._world, self._kube, self._agents, self._news = world, kube, agents, news
        self._left_s: dict[tuple[str, str], float] = {}
        """By kind and name: for how long its worker is closed."""
        self._told: set[str] = set()

    def workers(self) -> set[str]:
        """Of Jobs that are there."""
        return {
            str(each.decode()["metadata"]["annotations"][WORKER])
            for each in self._kube.api.store.all(JOBS, NAMESPACE)
        }

    def look(self, news: Iterable[WorkerNews]) -> Iterator[Found]:
        for each in news:
            if each.driver == DRIVER and each.goes and each.why_removed == ReasonKind.DEAD.value:
                yield from self._gone(each)

    def _gone(self, worker: WorkerNews) -> Iterator[Found]:
        if worker.evidence or worker.name not in self._agents.running:
            return
        job = self._kube.api.store.get(JOBS, (NAMESPACE, job_name(INSTALLATION, worker.name)))
        pods = [each for each in self._pods_of(worker.name) if each.fields["status.phase"] == "Running"]
        if job is not None and not job.deleting and any(not each.deleting for each in pods):
            yield (
                "no worker is gone while its machine exists",
                f"Worker {worker.name} was taken for gone, and its pod runs.",
            )

    def minute(self, seconds: float) -> Iterator[Found]:
        left, works = dict[tuple[str, str], float](), self._works()
        open_ = {job_name(INSTALLATION, name): name for name in self._news.workers}
        for kind, each in self._objects():
            job = each.labels.get("batch.kubernetes.io/job-name", each.key[1])
            if job in open_:
                continue
            key = kind, each.key[1]
            left[key] = self._left_s.get(key, 0.0) + (seconds if works else 0.0)
            if left[key] > LEFT_OVER_S:
                yield (
                    "no Job is left over",
                    f"{kind} {each.key[1]} is there {left[key] / 60:.0f} min after the end of its worker, in which everything worked.",
                )
        self._left_s = left
        yield from self._one_agent()

    def _one_agent(self) -> Iterator[Found]:
        for (worker, _), pods in self._agents.begun.items():
            if len(set(pods)) > 1 and worker not in self._told:
                self._told.add(worker)
                yield (
                    "a Job runs one pod",
                    f"The agent of worker {worker} was started in {len(set(pods))} pods of its Job.",
                )

    # --- inside

    def _objects(self) -> Iterator[tuple[str, Stored]]:
        for resource, kind in ((JOBS, "Job"), (SECRETS, "Secret"), (PODS, "Pod")):
            for each in self._kube.api.store.all(resource, NAMESPACE):
                yield kind, each

    def _pods_of(self, worker: str) -> list[Stored]:
        name = job_name(INSTALLATION, worker)
        pods = self._kube.api.store.all(PODS, NAMESPACE)
        return [each for each in pods if each.labels.get("batch.kubernetes.io/job-name") == name]

    def _works(self) -> bool:
        server = self._world.server
        return (
            server is not None
            and self._world.loop.running(server.host)
            and not self._kube.troubled
            and DRIVER not in server.core.state.frozen_drivers
        )
