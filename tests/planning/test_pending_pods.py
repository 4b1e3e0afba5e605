"""Pods as demand: which pools grow for them and when, that clusters are apart, and that what is not seen is not zero."""

from collections import Counter
from dataclasses import replace

from herder.decide.plan.planner import decide
from herder.decide.scaling.triggers.pending_pods import pods_since
from herder.model.fleet.membership import LivesBy, Membership
from herder.model.fleet.pool import PoolSpec, Taint, Toleration, Zone
from herder.model.fleet.pressure import Pressure, WorkerUse
from herder.model.fleet.worker import WorkerState
from herder.model.ids import ClassId, UserName
from herder.model.planning.cluster import NotConsidered
from herder.model.planning.observed import Observed, ObservedWorker, PoolHistory
from herder.model.planning.plan import DrainWorker, ReasonKind
from herder.model.values.resources import Resources
from herder.model.work.apart import Apart, CountRule, GroupCount, Topology
from herder.model.work.demand import Affinity, DemandSource, Expression, Operator, Shape, ShapeGroup
from herder.store.writing.flight_recorder import Recorder, play
from tests.planning.world import (
    MINUTE,
    NOW,
    applied,
    cores,
    creations,
    observed,
    pool,
    queued,
    template,
    worker,
)

NODES = Membership(name="kubernetes", takes_pods=True, lives_by=LivesBy.NODE, reports_use=True)
TWO_MINUTES = 120_000


def nodes(name: str = "burst", cluster: str = "prod", **more: object) -> PoolSpec:
    return replace(pool(name, **more), membership=NODES, cluster=cluster)


def pods(
    count: int, size: Resources | None = None, *, number: int = 1, cluster: str = "prod", **shape: object
) -> ShapeGroup:
    return ShapeGroup(
        class_id=ClassId(-number),
        count=count,
        oldest_ready_at_ms=NOW - 5 * MINUTE,
        source=DemandSource.PENDING_PODS,
        shape=Shape(request=size or cores(4), user=UserName("k8s"), cluster=cluster, **shape),  # type: ignore[arg-type]
    )


def scene(
    pools: list[PoolSpec],
    groups: list[ShapeGroup],
    *workers: ObservedWorker,
    since_ms: int | None = NOW - TWO_MINUTES,
) -> Observed:
    history = {each.name: PoolHistory(pods_since_ms=since_ms) for each in pools}
    return observed(pools, list(workers), groups, history)  # type: ignore[arg-type]


def on_node(number: int, of: PoolSpec, **more: object) -> ObservedWorker:
    made = worker(number, of, **more)  # type: ignore[arg-type]
    return replace(made, spec=replace(made.spec, membership=NODES, cluster=of.cluster))


def test_five_pods_that_waited_two_minutes_get_workers_and_fewer_or_younger_do_not() -> None:
    spec = nodes()
    plan = decide(scene([spec], [pods(5)]), NOW)
    (first, second) = creations(plan)
    assert (first.spec.cluster, first.spec.membership, second.reason.kind) == (
        "prod",
        NODES,
        ReasonKind.PENDING_PODS,
    )
    assert (
        first.reason.text == "4 pending pods do not fit on existing or starting workers; adding 1 × medium."
    )
    few = decide(scene([spec], [pods(4)]), NOW)
    assert creations(few) == []
    (report,) = few.pools
    assert "it creates workers when at least 5 have waited for 2 min" in report.reasons[0].text
    assert few.unplaced[0].reason.kind is ReasonKind.PENDING_PODS
    young = decide(scene([spec], [pods(5)], since_ms=NOW - TWO_MINUTES + 1), NOW)
    assert creations(young) == []
    assert decide(scene([spec], [pods(5)], since_ms=NOW - TWO_MINUTES + 1), NOW + 1).actions
    assert creations(decide(scene([spec], [pods(5)], since_ms=None), NOW)) == []


def test_a_pool_may_grow_for_the_first_pod_at_once_or_never() -> None:
    eager = nodes()
    eager = replace(eager, scale_up=replace(eager.scale_up, pending_pods=1, pending_pods_for_s=0.0))
    assert len(creations(decide(scene([eager], [pods(1)], since_ms=None), NOW))) == 1
    never = replace(eager, scale_up=replace(eager.scale_up, pending_pods=None))
    plan = decide(scene([never], [pods(100)]), NOW)
    assert creations(plan) == []
    assert "creates no workers for pending pods" in plan.pools[0].reasons[0].text


def test_how_long_is_counted_without_a_break() -> None:
    spec = nodes()
    assert pods_since(scene([spec], [pods(5)], since_ms=None), NOW) == {"burst": NOW}
    assert pods_since(scene([spec], [pods(5)], since_ms=NOW - 9), NOW) == {"burst": NOW - 9}
    assert pods_since(scene([spec], [pods(4)], since_ms=NOW - 9), NOW) == {}
    assert pods_since(scene([spec], [pods(5, cores(64))], since_ms=NOW - 9), NOW) == {}


def test_pods_of_one_cluster_never_count_for_a_pool_of_another() -> None:
    here, there = nodes("here", "prod"), nodes("there", "edge")
    plan = decide(scene([here, there], [pods(5), pods(9, number=2, cluster="lost")]), NOW)
    assert {each.spec.pool for each in creations(plan)} == {"here"}
    (lost,) = plan.unplaced
    assert "runs pods of cluster lost" in lost.reason.text
    coming = on_node(1, there, state=WorkerState.JOINING)
    assert len(creations(decide(scene([here, there], [pods(5)], coming), NOW))) == 2


def test_pods_are_packed_on_what_is_free_and_what_is_starting_first() -> None:
    spec = nodes()
    assert (
        creations(
            decide(
                scene([spec], [pods(8)], on_node(1, spec, state=WorkerState.JOINING), on_node(2, spec)), NOW
            )
        )
        == []
    )
    cordoned = on_node(1, spec, cordoned=True)
    assert len(creations(decide(scene([spec], [pods(8)], cordoned, on_node(2, spec)), NOW))) == 1


def test_labels_that_every_node_has_need_not_stand_in_the_pool() -> None:
    spec = nodes()
    tainted = replace(spec, name=spec.name, taints=(Taint(key="workload-type", value="burst"),))
    selector = (("herder.dev/pool", "burst"), ("kubernetes.io/os", "linux"))
    amd = Affinity(
        required=((Expression(key="kubernetes.io/arch", operator=Operator.IN, values=("amd64",)),),)
    )
    assert creations(decide(scene([tainted], [pods(5, selector=selector)]), NOW)) == []
    tolerant = pods(5, selector=selector, affinity=amd, tolerations=(Toleration(key="workload-type"),))
    assert len(creations(decide(scene([tainted], [tolerant]), NOW))) == 2
    arm = pods(5, selector=(("kubernetes.io/arch", "arm64"),))
    plan = decide(scene([spec], [arm]), NOW)
    assert "Change the selector or affinity of the pod" in plan.unplaced[0].reason.text


def test_a_cluster_that_is_not_seen_is_waited_for() -> None:
    why = "Cluster prod is not seen now."
    spec = replace(nodes(min_workers=3, idle_timeout_s=60.0), frozen=True, unseen=why)
    lone = replace(on_node(1, spec, idle_since_ms=NOW - 60 * MINUTE), expires_at_ms=NOW - MINUTE)
    plan = decide(scene([spec], [pods(50)], lone), NOW)
    assert plan.actions == ()
    assert {each.kind for each in plan.pools[0].reasons} >= {ReasonKind.WAITING_ON_OBSERVATION}
    assert any(why in each.text for each in plan.pools[0].reasons)
    assert plan.unplaced[0].reason.kind is ReasonKind.WAITING_ON_OBSERVATION


def test_pods_that_are_no_demand_are_told() -> None:
    gated = NotConsidered(
        because="They are gated: remove the scheduling gate x.", count=2, example="shop/web-1"
    )
    seen = replace(scene([nodes(), pool("std")], []), not_considered=(("prod", gated),))
    burst, std = decide(seen, NOW).pools
    told = burst.reasons[-1]
    assert told.kind is ReasonKind.NOT_CONSIDERED
    assert (
        told.text
        == "2 pending pods of cluster prod are not considered, for example shop/web-1. They are gated: remove the scheduling gate x."
    )
    assert not any(each.kind is ReasonKind.NOT_CONSIDERED for each in std.reasons)
    assert burst.reasons[0].text.startswith("No pending pod may use pool burst")


def test_pressure_of_nodes_counts_as_that_of_agents_and_busy_nodes_stay() -> None:
    spec = nodes(cpu_pressure=Pressure(above=0.8), idle_timeout_s=60.0)
    used = WorkerUse(cpu_milli=15_000, memory_mib=1, at_ms=NOW - 90_000)
    hot = replace(on_node(1, spec, use=used), live_attempts=4)
    history = {spec.name: PoolHistory(pressed_since_ms=((_cpu(), NOW - 300_000),))}
    plan = decide(observed([spec], [hot], [], history), NOW)
    assert [each.reason.kind for each in creations(plan)] == [ReasonKind.CPU_PRESSURE]
    quiet = replace(on_node(2, spec, idle_since_ms=NOW - 60 * MINUTE), live_attempts=1)
    assert not any(
        isinstance(each, DrainWorker) for each in decide(observed([nodes()], [quiet]), NOW).actions
    )


def _cpu():  # type: ignore[no-untyped-def]
    from herder.model.fleet.pressure import Measured

    return Measured.CPU


def test_jobs_are_planned_as_before_beside_pods() -> None:
    spec = pool("agents", template(price=100))
    plan = decide(scene([spec, nodes()], [queued(1, 3), pods(5)]), NOW)  # type: ignore[list-item]
    assert sorted(each.spec.pool for each in creations(plan)) == ["agents", "burst", "burst"]


def test_under_pressure_permanent_grows_first_and_burst_when_permanent_is_at_its_maximum() -> None:
    rule = Pressure(above=0.8)
    burst = nodes("burst", cpu_pressure=rule, grows_after=("permanent",))
    since = PoolHistory(pressed_since_ms=((_cpu(), NOW - 300_000),))
    used = WorkerUse(cpu_milli=15_000, memory_mib=1, at_ms=NOW)

    def plan_with(most: int, **more: object):  # type: ignore[no-untyped-def]
        permanent = nodes("permanent", cpu_pressure=rule, max_workers=most, **more)
        hot = replace(on_node(1, permanent, use=used), live_attempts=4)
        return decide(observed([permanent, burst], [hot], [], {"permanent": since, "burst": since}), NOW)

    first = plan_with(3)
    assert {each.spec.pool for each in creations(first)} == {"permanent"}
    told = [each.text for each in first.pools[0].reasons]
    assert "Pool burst grows for pressure after pool permanent, which can still grow (grows_after)." in told
    assert {each.spec.pool for each in creations(plan_with(1))} == {"burst"}
    assert {each.spec.pool for each in creations(plan_with(3, frozen=True))} == {"burst"}


def apart(topology: Topology = Topology.WORKER, most: int = 1, spread: bool = False) -> Apart:
    rule = CountRule(group="pods web", topology=topology, most=most, above_least=spread)
    return Apart(rules=(rule,), counted_in=("pods web",))


def test_replicas_that_are_apart_get_a_worker_each_and_one_that_runs_already_counts() -> None:
    spec = nodes(max_workers=20)
    there = on_node(1, spec)
    count = GroupCount(cluster="prod", group="pods web", topology=Topology.WORKER, domain=there.name, pods=1)
    seen = replace(scene([spec], [pods(6, cores(1), apart=apart())], there), counted=(count,))
    plan = decide(seen, NOW)
    assert len(creations(plan)) == 6
    assert creations(decide(replace(applied(seen, plan)), NOW)) == []


def test_new_workers_go_where_a_spread_over_zones_wants_them() -> None:
    zones = tuple(Zone(name=name) for name in ("a", "b", "c"))
    spec = nodes("burst", max_workers=20)
    spec = replace(spec, templates=(template(zones=zones),))
    seen = scene([spec], [pods(6, cores(16), apart=apart(Topology.ZONE, spread=True))])
    counts = tuple(
        GroupCount(cluster="prod", group="pods web", topology=Topology.ZONE, domain=zone, pods=number)
        for zone, number in (("a", 3), ("b", 0))
    )
    made = creations(decide(replace(seen, counted=counts), NOW))
    assert Counter(each.spec.zone for each in made) == {"b": 3, "c": 3}


def test_pods_whose_rules_leave_no_place_are_told() -> None:
    spec = nodes("burst", max_workers=20)
    spec = replace(spec, templates=(template(zones=(Zone(name="a"),)),))
    count = GroupCount(cluster="prod", group="pods web", topology=Topology.ZONE, domain="a", pods=1)
    seen = replace(scene([spec], [pods(5, apart=apart(Topology.ZONE))]), counted=(count,))
    plan = decide(seen, NOW)
    assert plan.actions == ()
    assert "keep apart from other pods" in plan.unplaced[0].reason.text


def test_a_recorded_observation_of_a_cluster_gives_the_same_plan() -> None:
    gated = NotConsidered(because="They are gated.", count=2, example="shop/web-1")
    amd = Affinity(
        required=((Expression(key="kubernetes.io/arch", operator=Operator.IN, values=("amd64",)),),)
    )
    tolerant = pods(
        5, affinity=amd, tolerations=(Toleration(key="x"),), selector=(("herder.dev/pool", "burst"),)
    )
    spec = nodes(grows_after=("permanent",))
    unseen = replace(nodes("far", "edge"), frozen=True, unseen="Cluster edge is not seen now.")
    lone = pods(3, number=2, apart=apart(Topology.ZONE, spread=True))
    count = GroupCount(cluster="prod", group="pods web", topology=Topology.ZONE, domain="a", pods=1)
    seen = replace(
        scene([spec, unseen], [tolerant, lone], on_node(1, spec)),
        not_considered=(("prod", gated),),
        counted=(count,),
    )
    (played,) = play([Recorder().frame(seen, NOW)])
    assert played.observed == seen
    assert decide(played.observed, NOW) == decide(seen, NOW)
