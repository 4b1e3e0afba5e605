"""The Kubernetes cluster of the simulated world: an API server on the world's loop, and a played kubelet on each machine that is to be a node.

A machine that has booted registers its node; one that is off or gone is silent, and its node object stays. The cluster survives all servers.
"""

import asyncio
from collections.abc import Callable, Collection, Mapping
from typing import Any

from herder.drivers.kubernetes_jobs import KubernetesJobsDriver, KubernetesJobsSettings
from herder.memberships.kubernetes.cluster import KubernetesCluster
from herder.model.fleet.cluster import WORKER_LABEL
from herder.model.fleet.driver import DriverContext
from herder.model.fleet.worker import WorkerSpec
from herder.model.values.resources import PLAIN
from herder.ports.cluster import Cluster as ClusterPort
from herder.ports.cluster import ClusterContext
from herder.remote.kubernetes.connection import Connection
from herder.remote.kubernetes.credentials import Access, GivenToken
from herder.remote.kubernetes.sync_connection import SyncConnection
from herder.simulate.chaos.faults.chance import stream
from herder.simulate.chaos.faults.dice import Dice
from herder.simulate.chaos.hosts.clocks import EPOCH_MS, VirtualClock
from herder.simulate.chaos.ports.cluster_wire import ClusterWire, SyncClusterWire
from herder.testing.kubernetes import ADMIN_TOKEN, Away, Cluster, ClusterSettings
from herder.testing.kubernetes.objects import Json
from herder.testing.kubernetes.objects.resources import NODES, PODS
from herder.testing.kubernetes.running import LoopClock, Running
from herder.testing.kubernetes.transport import InProcessTransport, SyncInProcessTransport

NAME = "played"
#: Of Herder's own Jobs.
NAMESPACE = "herder"
#: A label of nodes that Herder has not made.
SITE = "site"
_TOKEN = "token-of-herder"
_ENDED = ("Succeeded", "Failed")
_MASTERS = ("system:masters",)
#: So long after a fault of the cluster its effects may last: a silent watch is noticed after 150 s, and a failed call is tried again
#: after a minute.
AFTERWARDS_S = 300.0


class PlayedCluster:
    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        clock: VirtualClock,
        dice: Dice,
        trace: Callable[..., None],
        installation: str,
    ) -> None:
        self._loop, self._clock, self._dice, self.trace = loop, clock, dice, trace
        self._installation = installation
        self.times = LoopClock(loop, EPOCH_MS)
        settings = ClusterSettings(
            seed=dice.seed,
            leases=False,
            managed_fields=False,
            played_nodes=False,
            tokens={ADMIN_TOKEN: ("root", _MASTERS), _TOKEN: ("herder", _MASTERS)},
        )
        self.api = Cluster(settings, self.times.now_ms())
        self.running = Running(self.api, loop, self.times)
        self.there: set[str] = set()
        """Machines whose kubelet runs, also one that nobody hears."""
        self.silent: set[str] = set()
        """Of them, those whose reports do not get through."""
        self.asked: Callable[[str, str], None] = lambda _method, _path: None
        """Called with each request of a server that reaches the API."""
        self.by_people = False
        """Whether what happens now is done by people, and not by a server."""
        self.sites: dict[str, None] = {}
        """Nodes of the cluster's own, which Herder has not made: Herder's own Jobs run there."""
        self._troubled_until_s = 0.0
        self._opened = 0

    # --- the server's side

    def clusters(self) -> dict[str, ClusterPort]:
        """The connections of one run of a server."""
        self._opened += 1
        wire = ClusterWire(
            InProcessTransport(self.running),
            self._dice,
            lambda method, path: self.asked(method, path),  # noqa: PLW0108 - asked anew each time: it may be replaced
            self._dice.odds.cluster_calls,
        )
        connection = Connection(NAME, Access(url="http://cluster", tokens=GivenToken(_TOKEN)), transport=wire)
        context = ClusterContext(
            installation=self._installation,
            resources=PLAIN,
            clock=self._clock,
            chance=stream(self._dice.seed, f"cluster {self._opened}").random,
        )
        return {NAME: KubernetesCluster(NAME, connection, context)}

    def jobs_driver(self, settings: KubernetesJobsSettings, context: DriverContext) -> KubernetesJobsDriver:
        """The driver of one run of a server for Herder's own Jobs here."""
        wire = SyncClusterWire(
            SyncInProcessTransport(self.running), self._dice, self._dice.odds.cluster_calls
        )
        access = Access(url="http://cluster", tokens=GivenToken(_TOKEN))
        connection = SyncConnection(NAME, access, self._clock, transport=wire)
        return KubernetesJobsDriver(settings, context, connection)

    # --- machines

    def add_sites(self, many: int, cpu: int) -> None:
        """Nodes that nobody removes, and the namespace of Herder's own Jobs."""
        self.ask("POST", "/api/v1/namespaces", {"metadata": {"name": NAMESPACE}})
        for number in range(many):
            self.sites[f"site-{number + 1}"] = None
        self._site_cpu = cpu
        for name in self.sites:
            self.start_site(name)

    def start_site(self, name: str) -> None:
        """Its machine runs, for the first time or again."""
        now_ms, machines = self.times.now_ms(), self.api.kubelets.machines
        if self.node(name) is not None and name in machines:
            self.api.kubelets.revive(name, now_ms)
        else:
            size = {"cpu": str(self._site_cpu), "memory": f"{4 * self._site_cpu}Gi", "pods": "110"}
            self.api.kubelets.boot(name, now_ms, labels={SITE: "own"}, capacity=size)
        self.running.poke()

    def stop_site(self, name: str) -> None:
        """Its machine is dead, and its node object stays."""
        self.api.kubelets.kill(name)
        self.running.poke()

    def look_at_pod(self, key: tuple[str, str]) -> None:
        self.api.kubelets.look_at(key)
        self.running.poke()

    def boot(self, spec: WorkerSpec) -> None:
        """A machine has booted, for the first time or again: its kubelet registers the node."""
        name, size = str(spec.name), spec.allocatable
        self.trace("kubelet starts", name)
        self.silent.discard(name)
        self.there.add(name)
        capacity = {
            "cpu": f"{size.cpu_milli}m",
            "memory": f"{size.memory_mib}Mi",
            "ephemeral-storage": f"{size.disk_mib}Mi",
            "pods": "110",
        }
        self.api.kubelets.boot(
            name, self.times.now_ms(), labels={WORKER_LABEL: name}, capacity=capacity, ready_after_ms=5_000
        )
        self.running.poke()

    def keep(self, machines: Collection[str]) -> None:
        """The kubelets of all other machines end without a word."""
        for name in sorted(self.there.difference(machines)):
            self.trace("kubelet dies", name)
            self.there.discard(name)
            self.silent.discard(name)
            self.api.kubelets.kill(name)
            self.running.poke()

    def restart(self, name: str) -> None:
        """Its machine was restarted: what ran on it runs no more."""
        if name in self.there:
            self.api.kubelets.kill(name)
            self.silent.discard(name)
            self.api.kubelets.connect(name)
            self.api.kubelets.revive(name, self.times.now_ms())
            self.running.poke()

    def silence(self, name: str) -> None:
        """The reports of this kubelet do not get through any more."""
        if name in self.there:
            self.trace("kubelet is silent", name)
            self.silent.add(name)
            self.api.kubelets.cut_off(name)
            self.running.poke()

    def hear(self, name: str) -> None:
        """They do again."""
        if name in self.silent:
            self.silent.discard(name)
            self.api.kubelets.connect(name)
            self.running.poke()

    # --- people and rules

    def ask(self, method: str, path: str, body: Json | None = None) -> tuple[int, Json]:
        """As a person. While the API is away, the answer is 503."""
        self.by_people = True
        try:
            return self.api.ask(method, path, self.times.now_ms(), body)
        except Away:
            return 503, {}
        finally:
            self.by_people = False
            self.running.poke()

    def node(self, name: str) -> Json | None:
        found = self.api.store.get(NODES, ("", name))
        return None if found is None else found.decode()

    def nodes(self) -> list[Json]:
        """Those that Herder has made."""
        return [each.decode() for each in self.api.store.all(NODES) if each.key[1] not in self.sites]

    def pods(self) -> list[Json]:
        """Those of people that have not ended."""
        pods = self.api.store.all(PODS, "default")
        found = (each for each in pods if each.fields["status.phase"] not in _ENDED)
        return [each.decode() for each in found]

    def pods_on(self, node: str) -> list[str]:
        """Names of those that have not ended."""
        found = self.api.store.pods_on(PODS, node)
        return sorted(each.key[1] for each in found if each.fields["status.phase"] not in _ENDED)

    def hears(self, name: str) -> bool:
        """Whether the kubelet of this machine runs and is heard."""
        return name in self.there and name not in self.silent

    # --- trouble

    def trouble(self, seconds: float) -> None:
        until_s = self._loop.time() + seconds + AFTERWARDS_S
        self._troubled_until_s = max(self._troubled_until_s, until_s)

    @property
    def troubled(self) -> bool:
        """Whether a fault of the API lasts, or its effects may."""
        return self._loop.time() < self._troubled_until_s

    def summary(self) -> Mapping[str, Any]:
        """For what is said when something is not as it should be."""
        waiting = [each["metadata"]["name"] for each in self.pods() if not each["spec"].get("nodeName")]
        names = [each["metadata"]["name"] for each in self.nodes()]
        return {"nodes": names, "waiting": waiting[:10]}
