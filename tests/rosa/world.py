"""The simulated world whose workers are nodes of a ROSA cluster: the real driver for ROSA and the real membership of Kubernetes, on virtual time. Each of
their requests is an effect of the server, at which it can die, and can meet a fault.

OpenShift Cluster Manager and the cluster survive all servers. `mishaps.py` draws what goes wrong by itself; `story.py` is what happens, and what must be true.
"""

import asyncio
import contextvars
import re
from collections.abc import Mapping, Sequence
from typing import Any

import httpx
import msgspec

from herder.drivers.rosa import RosaDriver, RosaSettings
from herder.drivers.rosa.cluster import ClusterSide
from herder.drivers.rosa.ledger import Ledger
from herder.memberships.kubernetes.cluster import KubernetesCluster
from herder.model.fleet.cluster import WORKER_LABEL
from herder.model.fleet.driver import Driver
from herder.model.fleet.pool import PoolSpec
from herder.model.values.resources import PLAIN
from herder.ports.cluster import Cluster as ClusterPort
from herder.ports.cluster import ClusterContext
from herder.remote.kubernetes.connection import Connection
from herder.remote.kubernetes.credentials import Access, GivenToken
from herder.remote.kubernetes.sync_connection import SyncConnection
from herder.remote.ocm.api import Ocm
from herder.remote.ocm.sso import RedHatLogin
from herder.simulate.chaos import World
from herder.simulate.chaos.actors.cluster import NAME, NAMESPACE
from herder.simulate.chaos.actors.server import INSTALLATION, Server
from herder.simulate.chaos.faults.chance import stream
from herder.simulate.chaos.faults.kinds import Fault
from herder.simulate.chaos.hosts.loop import HOST
from herder.simulate.chaos.ports.cluster_wire import ClusterWire
from herder.simulate.chaos.world import check_memory
from herder.testing.fakes.transport import InProcessTransport
from herder.testing.kubernetes import ADMIN_TOKEN
from herder.testing.kubernetes.objects import Json
from herder.testing.kubernetes.objects.resources import PODS
from herder.testing.kubernetes.transport import InProcessTransport as KubernetesTransport
from herder.testing.kubernetes.transport import SyncInProcessTransport
from herder.testing.ocm import CLIENT, SECRET, PlayedOcm, Pool
from herder.testing.ocm.nodes import NodesOfPools

DRIVER = "rosa"
#: Of one request of the driver, besides those of whole calls.
OCM_FAULTS = (Fault.REFUSED, Fault.ANSWER_LOST, Fault.CUT_OFF, Fault.LATE)
CLUSTER_FAULTS = (Fault.REFUSED, Fault.ANSWER_LOST)
CAPACITY = {"cpu": "2", "memory": "4Gi", "ephemeral-storage": "30Gi", "pods": "110"}


class ServerDied(Exception):
    """Ends the verb of a driver whose server is dead."""


class RosaWorld(World):
    def __init__(
        self,
        seed: int,
        *,
        rosa_cluster: str,
        pools: tuple[PoolSpec, ...],
        request_faults: float = 0.0,
        **more: Any,
    ) -> None:
        """`request_faults`: the odds of a fault for each request to OCM or Kubernetes."""
        self.rosa_cluster, self.request_faults = rosa_cluster, request_faults
        self.opened = 0
        self._timer: asyncio.TimerHandle | None = None
        self.ocm = PlayedOcm()
        super().__init__(seed, pools=pools, cluster=True, **more)
        self.ends = self._check_memory
        self.ocm.step(self.played.times.now_ms())
        NodesOfPools(self.ocm, self.played.api, self.played.times.now_ms, lambda _pool: CAPACITY)
        self.ocm.state.hooks.append(self._node_changed)
        self.ask("POST", "/api/v1/namespaces", {"metadata": {"name": NAMESPACE}})

    @property
    def played(self) -> Any:
        assert self.kube is not None
        return self.kube

    def _check_memory(self, server: Server) -> None:
        """It may be called in the middle of a death, so what is wrong is raised at the end."""
        try:
            check_memory(server)
        except AssertionError as error:
            self.crashes.append(error)

    # --- one run of a server

    def _drivers(self) -> dict[str, Driver]:
        host = HOST.get()
        to_ocm = _Wire(self, host, "ocm", InProcessTransport(self.ocm, self.played.times.now_ms), OCM_FAULTS)
        to_cluster = _Wire(
            self, host, "configmaps", SyncInProcessTransport(self.played.running), CLUSTER_FAULTS
        )
        login = RedHatLogin(
            self.clock, client_id=CLIENT, client_secret=SECRET, transport=to_ocm, pause=lambda _s: None
        )
        access = Access(url="http://cluster", tokens=GivenToken(ADMIN_TOKEN))
        side = ClusterSide(SyncConnection(NAME, access, self.clock, transport=to_cluster), NAMESPACE)
        ocm = Ocm(login, self.clock, calls_per_s=1_000, transport=to_ocm, pause=lambda _s: None)
        settings = RosaSettings(rosa_cluster=self.rosa_cluster, cluster=NAME, client_id=CLIENT)
        return super()._drivers() | {DRIVER: RosaDriver(settings, self._context(DRIVER), ocm, side, login)}

    def _clusters(self) -> dict[str, ClusterPort]:
        self.opened += 1
        access = Access(url="http://cluster", tokens=GivenToken(ADMIN_TOKEN))
        context = ClusterContext(
            installation=INSTALLATION,
            resources=PLAIN,
            clock=self.clock,
            chance=stream(self.dice.seed, f"cluster {self.opened}").random,
        )
        wire = _MembershipWire(self, HOST.get())
        return {NAME: KubernetesCluster(NAME, Connection(NAME, access, transport=wire), context)}

    def effect(self, host: str, what: str) -> bool:
        """Whether it may happen: the server that wants it is alive, and does not die here."""
        server = next((each for each in (self.server, self.stale) if each and each.host == host), None)
        return server is not None and server.effects.at(what)

    # --- what the provider does by itself

    def look(self) -> None:
        """What is due is done, and a timer is set for what comes next."""
        if self._timer is not None:
            self._timer.cancel()
        self._timer = None
        now_ms = self.played.times.now_ms()
        due_ms = self.ocm.step(now_ms)
        self.played.running.poke()
        if due_ms is not None:
            wait_s = max(0.001, (due_ms - now_ms) / 1000)
            self._timer = self.loop.call_later(wait_s, self.look, context=contextvars.Context())

    def _node_changed(self, what: str, pool: Pool, node: str) -> None:
        self.trace("node", what, pool.name, node)

    # --- people

    def without_pools(self) -> None:
        """A server that starts from now on applies none: they are to be deleted."""
        self._pools = ()

    def ask(self, method: str, path: str, body: Any = None) -> tuple[int, Json]:
        found: tuple[int, Json] = self.played.ask(method, path, body)
        return found

    # --- looking

    def machine_pools(self) -> list[Pool]:
        """Without ROSA's own."""
        return [
            pool for pool in self.ocm.state.pools_of(self.rosa_cluster) if not pool.name.startswith("worker")
        ]

    def nodes(self) -> dict[str, str]:
        """By node, the worker that it is, or nothing."""
        return {
            node["metadata"]["name"]: node["metadata"].get("labels", {}).get(WORKER_LABEL, "")
            for node in self.played.nodes()
        }

    def ledgers(self) -> dict[str, Ledger]:
        """By machine pool."""
        _, found = self.ask("GET", f"/api/v1/namespaces/{NAMESPACE}/configmaps")
        ledgers = [
            msgspec.json.decode(each["data"]["ledger"], type=Ledger) for each in found.get("items", ())
        ]
        return {each.machine_pool: each for each in ledgers}

    def pods(self) -> dict[str, Mapping[str, Any]]:
        """Those that have not ended."""
        found = (each.decode() for each in self.played.api.store.all(PODS, "default"))
        ended = ("Succeeded", "Failed")
        return {
            each["metadata"]["name"]: each
            for each in found
            if each.get("status", {}).get("phase") not in ended
        }

    def left(self) -> str:
        pools = {pool.name: f"{len(pool.nodes)} of {pool.wanted} nodes" for pool in self.machine_pools()}
        return f"{super().left()}, {pools}, {self.nodes()}, {self.ledgers()}"


class _Wire(httpx.BaseTransport):
    """Of one run of a server: it can die before and after each call, and a call can fail."""

    def __init__(
        self, world: RosaWorld, host: str, where: str, target: httpx.BaseTransport, faults: Sequence[Fault]
    ) -> None:
        self._world, self._host, self._where, self._target = world, host, where, target
        self._faults = tuple(faults)

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        world, what = self._world, f"{self._where} {label(request)}"
        if not world.effect(self._host, f"before {what}"):
            raise ServerDied(what)
        fault = world.dice.fault(self._where, what, world.request_faults, self._faults)
        if fault is Fault.REFUSED:
            raise httpx.ConnectError("refused", request=request)
        if fault is Fault.LATE:  # it is asked to come again
            return httpx.Response(429, json={"kind": "Error", "reason": "slow down"}, request=request)
        answer = self._target.handle_request(request)
        world.look()
        if not world.effect(self._host, f"after {what}"):
            raise ServerDied(what)
        if fault is Fault.ANSWER_LOST:
            raise httpx.ReadError("the answer was lost", request=request)
        if fault is Fault.CUT_OFF:  # it has acted, and its front end answers with an error
            return httpx.Response(502, content=b"<html>Bad Gateway</html>", request=request)
        return answer


class _MembershipWire(ClusterWire):
    def __init__(self, world: RosaWorld, host: str) -> None:
        api = KubernetesTransport(world.played.running)
        super().__init__(api, world.dice, lambda _method, _path: None, world.request_faults)
        self._world, self._host = world, host

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        what = f"kubernetes {label(request)}"
        await self._lives(f"before {what}")
        found = await super().handle_async_request(request)
        await self._lives(f"after {what}")
        return found

    async def _lives(self, what: str) -> None:
        if not self._world.effect(self._host, what):
            await asyncio.get_running_loop().create_future()  # it is dead: nothing goes on


def label(request: httpx.Request) -> str:
    """`PATCH node_pools`: the call without the names in it."""
    kinds = re.findall(
        r"/(token|clusters|machine_pools|node_pools|configmaps|nodes|pods|eviction)\b", request.url.path
    )
    return f"{request.method} {kinds[-1] if kinds else 'other'}"
