"""What people see of clusters: in lists, in the status, and of a drain; and what a check and a recipe say."""

from collections.abc import Iterator
from dataclasses import replace

import pytest

from herder.control.kernel.bounds.errors import Invalid, NotKnown, NotReady
from herder.control.pools.pool_actions import check_pools
from herder.control.reads.fleet import clusters
from herder.memberships import registry
from herder.model.fleet.node import Blocked, BlockedBy
from herder.model.fleet.pool import Toleration
from herder.model.ids import UserName, WorkerName
from herder.model.planning.cluster import NotConsidered, PodGroup
from herder.model.values.resources import Resources
from herder.model.work.demand import Shape
from herder.ports.cluster import ClusterUnavailable
from tests.providers.conftest import MakeFleet
from tests.providers.test_clusters import NAME, drain, fleet_of, pool, ready
from tests.support.fake_cluster import FakeCluster, know_nodes, node
from tests.support.pools import pool_spec
from tests.words.rules import faults

pytestmark = pytest.mark.virtual_time


@pytest.fixture(autouse=True)
def known(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    know_nodes(monkeypatch)
    yield
    registry.load.cache_clear()
    registry.memberships.cache_clear()


async def test_a_cluster_its_nodes_and_what_is_wrong_with_it(make_fleet: MakeFleet) -> None:
    gated = NotConsidered(because="They are gated.", count=2, example="shop/web-1")
    cluster = FakeCluster(not_considered=(gated,), evicts=False)
    fleet = await fleet_of(make_fleet, cluster)
    (before,) = clusters.cluster_views(fleet.core)
    assert before.state in ("never", "seen")
    worker = await ready(fleet, cluster, workload_pods=1)
    cluster.put(node("x", uid="x", worker=WorkerName("burst-9-9")), node("y", uid="y", worker=NAME))
    await fleet.until(lambda: len(clusters.troubles(fleet.core)) == 2)
    await drain(fleet, worker)
    await fleet.until(lambda: worker.node is not None and worker.node.left == 1)
    view = clusters.cluster_view(fleet.core, "prod")
    assert (view.state, view.version, view.nodes, view.workers, view.pools) == (
        "seen",
        "v1.36.2",
        3,
        1,
        ["burst"],
    )
    assert view.not_considered == ["2 pods, for example shop/web-1. They are gated."]
    assert view.problems == [
        f"Nodes {NAME} and y all say that they are worker {NAME}. Herder changes only the one that it knew first.",
        "1 node of cluster prod has the label of a worker that this server does not have: x. Remove them with kubectl when their machines no "
        "longer exist.",
    ]
    (mine,) = view.worker_nodes
    assert (mine.node, mine.state, mine.cordoned, mine.pods) == (NAME, "draining", True, 1)
    assert "0 of 1 pod has left its node" in mine.reason
    assert clusters.states(fleet.core) == [
        "Cluster prod: 3 of 3 nodes are ready, 0 pods are pending.",
        "Not considered in cluster prod: 2 pods, for example shop/web-1. They are gated.",
    ]
    cluster.now, cluster.as_of_ms, cluster.fault = (
        None,
        fleet.clock.now_ms(),
        "The API server does not answer.",
    )
    await fleet.until(lambda: clusters.cluster_view(fleet.core, "prod").state == "stale")
    assert (
        "so its pools create and remove no workers. It was last seen at" in clusters.troubles(fleet.core)[0]
    )
    assert clusters.states(fleet.core) == []
    cluster.evicts, cluster.now = True, fleet.clock.now_ms
    await fleet.until(lambda: fleet.states()[NAME] == "terminated")


async def test_pending_pods_are_told_by_size_and_blocked_drains_with_their_budget(
    make_fleet: MakeFleet,
) -> None:
    held = Blocked(pod="shop/web-1", by=BlockedBy.BUDGET, text="Budget web allows no eviction now.")
    cluster = FakeCluster(blocked=(held,))
    fleet = await fleet_of(make_fleet, cluster, pool(pending_pods=99))
    worker = await ready(fleet, cluster, workload_pods=1)
    since_ms = fleet.clock.now_ms() - 40_000
    for number in range(7):
        size = Resources(1000 * (20 + number), 2048, 0)
        shape = Shape(request=size, user=UserName("kubernetes"))
        tolerant = replace(shape, tolerations=(Toleration(key="spot"),))
        cluster.pending += (
            PodGroup(shape=shape, count=9 - number, since_ms=since_ms, example=f"shop/a-{number}"),
            PodGroup(shape=tolerant, count=1, since_ms=since_ms - 5_000, example="shop/b"),
        )
    await drain(fleet, worker)
    await fleet.until(lambda: worker.node is not None and bool(worker.node.blocked))
    view = clusters.cluster_view(fleet.core, "prod")
    assert len(view.pending) == 6
    assert view.pending[0].startswith("10 pods request 20 CPU, 2 GiB memory each. The oldest has waited for ")
    assert view.pending[0].endswith(" Example: shop/b.")
    assert view.pending[5] == "9 pods have one of 2 other sizes."
    (blocked,) = view.blocked_drains
    assert "Budget web allows no eviction now." in blocked
    assert [faults(text) for text in (*view.pending, blocked)] == [[]] * 7


async def test_a_check_and_a_recipe_say_what_is_missing(make_fleet: MakeFleet) -> None:
    cluster = FakeCluster()
    fleet = await fleet_of(make_fleet, cluster)
    assert (await clusters.check(fleet.core, "prod")).passed
    cluster.fails = ClusterUnavailable("The API server does not answer.")
    with pytest.raises(NotReady, match="Cluster prod cannot be checked: The API server does not answer"):
        await clusters.check(fleet.core, "prod")
    with pytest.raises(NotKnown, match="no cluster 'lost'"):
        clusters.cluster_view(fleet.core, "lost")
    assert "nodeSelector:" in clusters.scheduling_view(fleet.core, "burst").yaml
    with pytest.raises(NotKnown, match="Pool 'lost' does not exist"):
        clusters.scheduling_view(fleet.core, "lost")
    agents = pool_spec("std", driver="cloud")
    fleet.core.state.pools[agents.name] = agents
    with pytest.raises(Invalid, match="Workers of pool std run no pods"):
        clusters.scheduling_view(fleet.core, "std")


async def test_a_pool_of_a_cluster_that_the_server_does_not_have_is_refused(make_fleet: MakeFleet) -> None:
    fleet = await fleet_of(make_fleet, FakeCluster())
    with pytest.raises(Invalid, match="names cluster 'lost', which this server does not have"):
        check_pools(fleet.core, [replace(pool(), cluster="lost")])
