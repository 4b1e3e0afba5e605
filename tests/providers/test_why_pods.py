"""`why pod`: whether a pod is demand, which pools could take it, and what they wait for; of a pod that is placed, its worker."""

from collections.abc import Iterator

import pytest

from herder.control.kernel.bounds.errors import Invalid, NotKnown
from herder.control.reads.explanations.pods import why_pod
from herder.memberships import registry
from herder.model.fleet.pool import Taint
from herder.model.ids import UserName
from herder.model.planning.cluster import PodGroup, PodSeen
from herder.model.values.resources import Resources
from herder.model.work.demand import Shape
from herder.wire.api.resources import Explanation
from tests.providers.conftest import MakeFleet
from tests.providers.fleet import Fleet
from tests.providers.test_clusters import NAME, fleet_of, pool, ready
from tests.support.fake_cluster import FakeCluster, know_nodes
from tests.words.rules import faults

pytestmark = pytest.mark.virtual_time
SMALL = Shape(request=Resources(1000, 1024, 0), user=UserName("kubernetes"))


@pytest.fixture(autouse=True)
def known(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    know_nodes(monkeypatch)
    yield
    registry.load.cache_clear()
    registry.memberships.cache_clear()


def wait_in(cluster: FakeCluster, shape: Shape, since_ms: int, count: int = 1) -> None:
    """The pod shop/web-0, and others like it."""
    cluster.pods["shop/web-0"] = PodSeen(shape=shape, since_ms=since_ms)
    cluster.pending = (PodGroup(shape=shape, count=count, since_ms=since_ms, example="shop/web-0"),)
    cluster.changed.set()


async def asked(fleet: Fleet, name: str = "web-0", cluster: str | None = None) -> Explanation:
    found = await why_pod(fleet.core, "shop", name, cluster)
    assert [faults(text) for text in (found.summary, *(each.text for each in found.facts))] == [
        [] for _ in range(len(found.facts) + 1)
    ]
    return found


async def seen(fleet: Fleet, cluster: FakeCluster) -> None:
    await fleet.until(lambda: fleet.core.state.clusters["prod"].seen.pending == cluster.pending)
    await fleet.until(lambda: not fleet.core.state.clusters["prod"].stale)


async def test_too_few_pods_wait_for_more_and_enough_for_their_time(make_fleet: MakeFleet) -> None:
    cluster = FakeCluster()
    fleet = await fleet_of(make_fleet, cluster, pool(pending_pods=3, pending_pods_for="2m", max_workers=4))
    wait_in(cluster, SMALL, fleet.clock.now_ms() - 40_000)
    await seen(fleet, cluster)
    found = await asked(fleet)
    assert found.subject == "pod/shop/web-0"
    assert found.summary.startswith(
        "Pod shop/web-0 of cluster prod is demand: its scheduler has found no node for it for 4"
    )
    assert "1 of 1 such pods have no place" not in found.summary
    assert (
        "1 pending pod of cluster prod fits pool burst; it creates workers when at least 3 have waited"
        in found.summary
    )
    wait_in(cluster, SMALL, fleet.clock.now_ms() - 40_000, count=3)
    await seen(fleet, cluster)
    found = await asked(fleet)
    assert "2 other pods like it wait." in found.summary
    assert "3 of 3 such pods have no place." in found.summary
    assert "if this lasts." in found.summary, "when it is due"
    assert any(each.text.startswith("Pool burst can run it: 0 workers are ready") for each in found.facts)


async def test_pods_without_a_limit_get_workers_and_at_the_limit_it_is_named(make_fleet: MakeFleet) -> None:
    cluster = FakeCluster()
    fleet = await fleet_of(make_fleet, cluster, pool(pending_pods=1, pending_pods_for="0s", max_workers=4))
    wait_in(cluster, SMALL, fleet.clock.now_ms())
    await seen(fleet, cluster)
    assert "1 of 1 such pods waits for workers that the next plan creates." in (await asked(fleet)).summary
    spec = pool(pending_pods=1, pending_pods_for="0s", max_workers=0)
    fleet.core.state.pools[spec.name] = spec
    assert "its limit is 0" in (await asked(fleet)).summary


async def test_a_pod_that_no_pool_takes_is_told_why(make_fleet: MakeFleet) -> None:
    cluster = FakeCluster()
    spec = pool(taints=[{"key": "workload-type", "value": "burst"}])
    assert spec.taints == (Taint(key="workload-type", value="burst"),)
    fleet = await fleet_of(make_fleet, cluster, spec)
    wait_in(cluster, SMALL, fleet.clock.now_ms())
    await seen(fleet, cluster)
    assert "workload-type=burst" in (await asked(fleet)).summary


async def test_a_pod_that_is_no_demand_or_is_placed(make_fleet: MakeFleet) -> None:
    cluster = FakeCluster()
    fleet = await fleet_of(make_fleet, cluster)
    worker = await ready(fleet, cluster)
    cluster.pods = {
        "shop/gated": PodSeen(because="The pods have a scheduling gate."),
        "shop/mine": PodSeen(node=NAME),
        "shop/theirs": PodSeen(node="control-plane"),
    }
    assert (await asked(fleet, "gated")).summary == (
        "Pod shop/gated of cluster prod is not considered. The pods have a scheduling gate."
    )
    assert worker.node is not None
    assert (await asked(fleet, "mine")).summary == (
        f"Pod shop/mine of cluster prod is on node {NAME}, which is worker {NAME} of pool burst."
    )
    assert "which is not a worker of this server" in (await asked(fleet, "theirs")).summary
    with pytest.raises(NotKnown, match="No pod shop/lost runs or waits in any cluster"):
        await asked(fleet, "lost")
    with pytest.raises(NotKnown, match="no cluster 'edge'"):
        await asked(fleet, "mine", "edge")


async def test_pods_of_one_name_are_told_apart_by_their_cluster(make_fleet: MakeFleet) -> None:
    cluster, edge = FakeCluster(), FakeCluster(name="edge")
    fleet = await fleet_of(make_fleet, cluster)
    fleet.core.clusters["edge"] = edge
    cluster.pods = edge.pods = {"shop/web-0": PodSeen(node="n")}
    with pytest.raises(Invalid, match="Clusters edge and prod each have a pod shop/web-0"):
        await asked(fleet)
    assert "of cluster edge" in (await asked(fleet, cluster="edge")).summary


async def test_an_old_picture_is_said_first(make_fleet: MakeFleet) -> None:
    cluster = FakeCluster()
    fleet = await fleet_of(make_fleet, cluster)
    wait_in(cluster, SMALL, fleet.clock.now_ms())
    await seen(fleet, cluster)
    cluster.now, cluster.as_of_ms = None, fleet.clock.now_ms()
    await fleet.until(lambda: bool(fleet.core.state.clusters["prod"].stale))
    found = await asked(fleet)
    assert found.facts[0].kind == "not_seen"
    assert "nothing is decided for its pods" in found.summary
