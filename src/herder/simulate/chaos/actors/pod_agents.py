"""The agents of Herder's own Kubernetes Jobs in the simulated world: what the played kubelet starts as the container of their pods.

Settings come from the variables of the pod and its Secret, as those of `herder agent` do. Its end is the end of the container; a pod whose
machine dies or that is deleted kills it. Called by the kubelet and by `agents.py`.
"""

import asyncio

from herder.agent.environment.settings import from_environment
from herder.model.values.resources import Resources
from herder.simulate.chaos.actors.agents import UNCUT, Machines
from herder.simulate.chaos.actors.cluster import PlayedCluster
from herder.testing.kubernetes.kubelets.plays import Container
from herder.testing.kubernetes.kubelets.processes import environment
from herder.testing.kubernetes.objects import Json
from herder.testing.kubernetes.objects.quantities import milli
from herder.wire.worker import startup

AGENT = "herder agent"
KILLED = 137
_MIB = 2**20


class PodAgents:
    """By worker: the agents that run in pods now."""

    def __init__(self, kube: PlayedCluster, machines: Machines) -> None:
        self._kube, self._machines = kube, machines
        kube.api.kubelets.runner.containers = self._begin
        machines.agent_died = self._died
        self.running: dict[str, PodAgent] = {}
        self.begun: dict[tuple[str, str], list[str]] = {}
        """By worker and uid of its Job: the pods in which its agent was started."""

    def _begin(self, pod: Json) -> Container | None:
        container = pod["spec"]["containers"][0]
        command = " ".join(container.get("command") or ())
        if not command.startswith(AGENT):
            return None
        return PodAgent(self, pod, container, one_job="--one-job" in command)

    def _died(self, worker: str) -> None:
        found = self.running.get(worker)
        if found is not None:
            found.ended(KILLED)

    def use_too_much_memory(self, worker: str) -> None:
        """The kernel kills the agent."""
        found = self.running.get(worker)
        if found is not None:
            found.reason = "OOMKilled"
            self._machines.kill(worker)


class PodAgent:
    """As `Container`."""

    poll_ms: int | None = None

    def __init__(self, all_: PodAgents, pod: Json, container: Json, *, one_job: bool) -> None:
        self._all = all_
        variables = environment(all_._kube.api.store, pod, container)
        variables |= {startup.ONE_JOB: "on"} if one_job else {}
        variables[startup.WORK_FOLDER] = str(UNCUT)
        settings = from_environment(variables)
        metadata = pod["metadata"]
        self.worker, self._key = settings.worker, (metadata["namespace"], metadata["name"])
        self.reason = ""
        self._code: int | None = None
        self._leave = asyncio.Event()
        job = metadata["ownerReferences"][0]["uid"]
        all_.begun.setdefault((self.worker, job), []).append(metadata["uid"])
        wanted = container["resources"]["requests"]
        size = Resources(milli(wanted["cpu"]), milli(wanted["memory"]) // 1000 // _MIB, 0)
        all_._machines.begin_agent(settings, size, self._leave, self.ended)
        all_.running[self.worker] = self

    def ended(self, code: int) -> None:
        if self._code is None:
            self._code = code
            if self._all.running.get(self.worker) is self:
                del self._all.running[self.worker]
            self._all._kube.look_at_pod(self._key)

    def exit_code(self) -> int | None:
        return self._code

    def log(self) -> bytes:
        return b""

    def stop(self) -> None:
        self._leave.set()

    def clear(self) -> None:
        if self._code is None:
            self._all._machines.kill(self.worker)
