"""Each fault of a Kubernetes cluster ends in a sentence that a person reads in `herder status`: the server's loops, our connection and an API
server in which the fault is made. One row a fault."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from io import StringIO
from typing import Any

import httpx
import pytest

from herder.cli.output.printer import Format, Printer
from herder.cli.views.details import pool as pool_details
from herder.cli.views.status import show_status
from herder.cli.views.tables import pool_status
from herder.control.pools.pool_actions import store_pool
from herder.control.reads.fleet import clusters
from herder.control.reads.fleet.pools_and_workers import pool_views, status
from herder.engine.memory.state import WorkerLife
from herder.engine.workers import worker as life
from herder.memberships.kubernetes.prometheus_use import PrometheusUse
from herder.model.fleet.cluster import ClusterSettings
from herder.model.fleet.worker import WorkerSpec, WorkerState
from herder.model.ids import PlanNumber, PoolName, WorkerName
from herder.model.planning.plan import CreateWorker
from herder.model.stored.changes import Changes
from herder.model.values.money import PicoUsd
from herder.settings import pool_from_plain
from herder.simulate.chaos.hosts.clocks import VirtualClock
from herder.testing.kubernetes.faults import Rule
from tests.memberships.kubernetes.lab import TOKEN, Lab
from tests.memberships.kubernetes.objects_made import node_json
from tests.providers.conftest import MakeFleet
from tests.providers.fleet import ANN, BY_HAND, Fleet
from tests.words.rules import faults

pytestmark = pytest.mark.virtual_time

NAME = "burst-1-1"
POOL = pool_from_plain(
    {
        "name": "burst",
        "driver": "cloud",
        "membership": "kubernetes",
        "cluster": "prod",
        "templates": [{"name": "n", "cpu": 4, "memory": "8Gi", "disk": "0Mi", "price_per_hour": "0.10"}],
        "drain_grace": "30s",
        "on_blocked": "wait",
    }
)


class Silent(httpx.AsyncBaseTransport):
    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("connection refused", request=request)


@dataclass(slots=True)
class World:
    lab: Lab
    fleet: Fleet

    async def machine(self, name: str = NAME) -> WorkerLife:
        """A worker whose machine has become a node."""
        core = self.fleet.core
        spec = WorkerSpec(
            name=WorkerName(name), pool=PoolName("burst"), template="n", driver="cloud", slots=110,
            allocatable=POOL.templates[0].allocatable, price_pico_per_hour=PicoUsd(1000), plan=PlanNumber(1),
            membership=POOL.membership, cluster="prod",
        )  # fmt: skip
        changes = Changes()
        action = CreateWorker(spec=spec, expires_at_ms=None, reason=BY_HAND)
        worker = life.claim(core.state, changes, action, self.fleet.clock.now_ms())
        core.workers_changed.set()
        await core.commit(changes)
        self.lab.node(name)
        return worker

    async def worker(self, name: str = NAME) -> WorkerLife:
        """One that is ready."""
        worker = await self.machine(name)
        await self.fleet.until(lambda: worker.state is WorkerState.READY)
        return worker

    async def drained_worker(self) -> None:
        worker = await self.worker()
        changes = Changes()
        life.drain(self.fleet.core.state, changes, worker, BY_HAND, self.fleet.clock.now_ms())
        await self.fleet.core.commit(changes)

    def restart(self, away_ms: int = 0) -> None:
        self.lab.api.restart(self.lab.clock.now_ms(), away_ms)

    async def read(self) -> str:
        """`herder status`."""
        out = StringIO()
        printer = Printer(
            format=Format.TABLE, headers=True, pretty=False, out=out, now_s=self.fleet.clock.now_ms() / 1000
        )
        show_status(printer, await status(self.fleet.core, ANN))
        return out.getvalue()


@pytest.fixture
async def world(make_fleet: MakeFleet, request: pytest.FixtureRequest) -> AsyncIterator[World]:
    loop: Any = asyncio.get_running_loop()
    settings = ClusterSettings(name="prod", prometheus="http://prometheus:9090")
    use = PrometheusUse(settings, transport=Silent()) if "prometheus" in request.node.callspec.id else None
    lab = Lab(start_ms=VirtualClock(loop).now_ms(), use=use)
    fleet = make_fleet(
        "cloud", clusters={"prod": lab.cluster}, loops=("launch", "sweep", "lifecycle", "clusters")
    )
    changes = Changes()
    store_pool(fleet.core, changes, POOL, fleet.clock.now_ms())
    await fleet.core.commit(changes)
    await fleet.until(
        lambda: "prod" in fleet.core.state.clusters and not fleet.core.state.clusters["prod"].stale
    )
    yield World(lab, fleet)
    await fleet.close()
    await lab.close()


async def refused(world: World) -> None:
    world.lab.api.tokens.revoke(TOKEN)
    world.restart()


async def right_missing(world: World) -> None:
    world.lab.without("", "pods", "watch")
    world.restart()


async def eviction_missing(world: World) -> None:
    world.lab.without("", "pods/eviction", "create")
    world.lab.pod("web", node=NAME)
    await world.drained_worker()


async def restarting(world: World) -> None:
    world.restart(60_000)


async def away(world: World) -> None:
    world.restart(900_000)
    await asyncio.sleep(400)


async def silent(world: World) -> None:
    world.lab.api.faults.stall_new_watches = True
    world.lab.api.stall_watches()


async def compacted(world: World) -> None:
    """No fault for a person: it goes on."""
    world.lab.node("w1")
    world.lab.api.compact()
    world.restart()
    world.lab.node("w2")


async def skewed(world: World) -> None:
    world.lab.api.faults.skew_ms = 600_000


async def deleted(world: World) -> None:
    await world.worker()
    world.lab.ask("DELETE", f"/api/v1/nodes/{NAME}")


async def renamed(world: World) -> None:
    await deleted(world)
    world.lab.node("other")


async def another_cluster(world: World) -> None:
    """Here with the nodes of none of its workers; the address that is given may be a wrong one."""
    names = (NAME, "burst-1-2", "burst-1-3")
    for name in names:
        await world.worker(name)
    for name in names:
        world.lab.ask("DELETE", f"/api/v1/nodes/{name}")
    world.lab.api.compact()
    world.restart(5_000)


async def busy(world: World) -> None:
    world.lab.api.faults.add(Rule(status=429, retry_after_s=3, times=-1))
    world.restart()


async def marks_refused(world: World) -> None:
    message = 'admission webhook "policy.example" denied the request: labels are managed elsewhere'
    world.lab.api.faults.add(Rule(method="PATCH", status=403, message=message, times=-1))
    await world.machine()


async def eviction_refused(world: World) -> None:
    message = 'admission webhook "policy.example" denied the request: not in office hours'
    world.lab.api.faults.add(Rule(path="eviction", status=403, message=message, times=-1))
    world.lab.pod("web", node=NAME)
    await world.drained_worker()


async def webhook_away(world: World) -> None:
    message = 'Internal error occurred: failed calling webhook "policy.example": connection refused'
    world.lab.api.faults.add(Rule(path="eviction", status=500, message=message, times=-1))
    world.lab.pod("web", node=NAME)
    await world.drained_worker()


async def twins(world: World) -> None:
    await world.worker()
    labels = {"herder.dev/worker": NAME, "herder.dev/installation": "here"}
    world.lab.node("twin", labels=labels)


async def stranger(world: World) -> None:
    world.lab.node("old", labels={"herder.dev/worker": "burst-9-9", "herder.dev/installation": "here"})


async def unreadable(world: World) -> None:
    world.lab.node("w1", allocatable={"cpu": "NaN", "memory": "-5"})


async def escapes(world: World) -> None:
    message = "bad \x1b]0;title\x07 disk\nsecond line"
    made = node_json("\x1b[31mw1", ready="False", labels={"herder.dev/worker": "\x1b[2Jx"})
    made["status"]["conditions"][0]["message"] = message
    world.lab.api.load([made], world.lab.clock.now_ms())


async def never_allowed(world: World) -> None:
    world.lab.pod("web", node=NAME, metadata={"labels": {"app": "web"}})
    world.lab.budget("never", "web", maxUnavailable=0)
    await world.drained_worker()


async def two_budgets(world: World) -> None:
    world.lab.pod("web", node=NAME, metadata={"labels": {"app": "web"}})
    world.lab.budget("one", "web", maxUnavailable=1)
    world.lab.budget("two", "web", maxUnavailable=1)
    await world.drained_worker()


async def without_owner(world: World) -> None:
    """It is evicted as all others. Its kubelet ends it, and the worker and its node are removed."""
    world.lab.pod("bare", node=NAME)
    await world.drained_worker()
    await world.fleet.until(lambda: "deletionTimestamp" in world.lab.pods()["bare"]["metadata"])
    world.lab.ask("DELETE", "/api/v1/namespaces/default/pods/bare", {"gracePeriodSeconds": 0})


async def gated(world: World) -> None:
    world.lab.pod("gated", schedulingGates=[{"name": "example.com/wait"}])


async def volume(world: World) -> None:
    condition = {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "pod has unbound immediate PersistentVolumeClaims"}  # fmt: skip
    world.lab.pod(
        "data", conditions=[condition], volumes=[{"name": "v", "persistentVolumeClaim": {"claimName": "d"}}]
    )


async def nothing(world: World) -> None:
    pass


Make = Callable[[World], Awaitable[None]]
TABLE: tuple[tuple[str, Make, tuple[str, ...]], ...] = (
    ("credentials refused", refused, ("Cluster prod refuses the credentials (HTTP status 401). Renew the token or the client certificate of its kubeconfig.",)),
    ("right missing", right_missing, (
        "Cluster prod does not allow Herder to watch pods. Add the rule "
        '{apiGroups: [""], resources: ["pods"], verbs: ["watch"]} to its ClusterRole: herder cluster manifests.',
    )),
    ("right to evict missing", eviction_missing, (
        "The drain of worker burst-1-1 is blocked",
        "Pod default/web: Cluster prod does not allow Herder to create pods/eviction. Add the rule "
        '{apiGroups: [""], resources: ["pods/eviction"], verbs: ["create"]} to its ClusterRole: herder cluster manifests.',
    )),
    ("API server restarts", restarting, ("Cluster prod was last seen at ", "Cluster prod at http://api does not answer: the server does not listen.")),
    ("API server away", away, ("Cluster prod is not seen, so its pools create and remove no workers. It was last seen at ", "Cluster prod at http://api does not answer: ")),
    ("API server is busy", busy, ("Cluster prod cannot serve the call watch nodes now (HTTP status 429). The server has received too many requests",)),
    ("webhook refuses marks", marks_refused, (
        "A call to cluster prod failed: ", 'Admission webhook "policy.example" denied the request: labels are managed elsewhere. It is tried again.',
    )),
    ("webhook refuses evictions", eviction_refused, (
        "The drain of worker burst-1-1 is blocked", 'Admission webhook "policy.example" denied the request: not in office hours.',
    )),
    ("webhook does not answer", webhook_away, ("The drain of worker burst-1-1 is blocked", 'failed calling webhook "policy.example": connection refused.')),
    ("watch is silent", silent, ("Cluster prod has sent nothing about its nodes for 75 s. Herder asks again.",)),
    ("410", compacted, ("Cluster prod: 2 of 2 nodes are ready, 0 pods are pending.",)),
    ("clocks apart", skewed, ("Cluster prod: The clocks of the API server and of this server are 600 s apart. Synchronise both clocks, for example with chrony.",)),
    ("node deleted", deleted, (
        "Node burst-1-1 of worker burst-1-1 is not in cluster prod: it was deleted or has another name now. Let its kubelet register it again, "
        "or run `herder worker remove burst-1-1`.",
    )),
    ("node renamed", renamed, ("Node burst-1-1 of worker burst-1-1 is not in cluster prod: it was deleted or has another name now.",)),
    ("another cluster", another_cluster, (
        "Cluster prod is not seen, so its pools create and remove no workers. It has none of the 3 nodes of its workers, so another "
        "cluster may answer at its address. Correct its address, its kubeconfig or its context.",
    )),
    ("two nodes", twins, ("Nodes burst-1-1 and twin all say that they are worker burst-1-1. Herder changes only the one that it knew first.",)),
    ("stranger", stranger, ("1 node of cluster prod has the label of a worker that this server does not have: old. Remove them with kubectl",)),
    ("unreadable amounts", unreadable, ("The allocatable resources of node w1 cannot be read, so nothing fits on it. Correct its kubelet or its device plugin.",)),
    ("escape sequences", escapes, ("1 node of cluster prod has the label of a worker that this server does not have: \\x1b[31mw1.",)),
    ("budget never allows", never_allowed, (
        "The drain of worker burst-1-1 is blocked: its deadline passed", "Pod default/web may not be evicted now.", "The disruption budget never needs",
        "The pool waits for them (on_blocked: wait). To delete them against their budgets, run `herder worker remove burst-1-1 --force`.",
    )),
    ("two budgets", two_budgets, (
        "Pod default/web has more than one PodDisruptionBudget, and Kubernetes evicts no such pod. Delete all but one.",
    )),
    ("pod without an owner", without_owner, ("Cluster prod: 0 of 0 nodes are ready, 0 pods are pending.",)),
    ("gated pod", gated, ("Not considered in cluster prod: 1 pod, for example default/gated. The pods have a scheduling gate, and are not demand until it is removed.",)),
    ("pod waits for a volume", volume, ("Not considered in cluster prod: 1 pod, for example default/data. The pods wait for a volume, not for a node. See: kubectl get persistentvolumeclaims.",)),
    ("prometheus silent", nothing, (
        "Prometheus gives no data for prometheus_cpu_query of cluster prod: ", "The CPU and memory that nodes use are not known.",
    )),
)  # fmt: skip


@pytest.mark.parametrize(("make", "sentences"), [row[1:] for row in TABLE], ids=[row[0] for row in TABLE])
async def test_a_person_reads_each_fault_in_the_status(
    world: World, make: Make, sentences: tuple[str, ...]
) -> None:
    await make(world)
    text = ""
    for _ in range(200):
        await asyncio.sleep(1)
        text = await world.read()
        if all(sentence in text for sentence in sentences):
            break
    for sentence in sentences:
        assert sentence in text, text
    for problem in clusters.troubles(world.fleet.core):
        if "\x1b" not in problem:
            assert faults(problem) == [], problem


async def test_a_pool_whose_cluster_is_not_seen_is_not_called_ok(world: World) -> None:
    core = world.fleet.core
    (before,) = [each for each in await pool_views(core) if each.name == "burst"]
    assert (before.unseen, pool_status(before)) == ("", "ok")
    await away(world)
    for _ in range(200):
        await asyncio.sleep(1)
        (found,) = [each for each in await pool_views(core) if each.name == "burst"]
        if found.unseen:
            break
    assert pool_status(found) == "unseen"
    assert found.unseen.startswith("Cluster prod is not seen now, so nothing is known of its nodes and pods.")
    assert dict(pool_details(found, 0).rows)["Cluster"] == found.unseen
