"""What workers join: found by name, and heeded by engine, admission and planner as capabilities."""

import importlib.metadata
import types
from dataclasses import replace

import pytest

from herder.decide.eligibility.admission import RefusalKind, refusal
from herder.decide.plan.planner import decide
from herder.engine.workers import worker as life
from herder.engine.workers.deadlines import tick
from herder.memberships import registry
from herder.model.fleet.membership import EXCHANGE, LivesBy, Membership
from herder.model.fleet.pool import Headroom
from herder.model.fleet.worker import WorkerState
from herder.model.ids import ClassId, UserName
from herder.model.planning.plan import CreateWorker, DrainWorker, Reason, ReasonKind
from herder.model.work.demand import DemandSource, Shape, ShapeGroup
from herder.settings import SettingsError, pool_from_plain, pool_to_plain
from tests.planning.world import MINUTE, NOW, cores, observed, pool, queued, template, worker
from tests.support.engine_world import POOL, World

NONE = registry.load("none")
NODE = Membership(name="node", takes_pods=True, lives_by=LivesBy.NODE)


@pytest.fixture(autouse=True)
def forgotten() -> None:
    registry.load.cache_clear()
    registry.memberships.cache_clear()


def test_built_in_ones_are_found_and_a_wrong_name_is_answered_with_the_nearest() -> None:
    assert {"exchange", "none"} <= set(registry.memberships())
    assert registry.load("exchange") is EXCHANGE
    assert not NONE.work_is_known
    with pytest.raises(registry.UnknownMembership, match="Did you mean 'exchange'"):
        registry.load("exchang")


def test_those_of_others_are_found(monkeypatch: pytest.MonkeyPatch) -> None:
    point = importlib.metadata.EntryPoint(name="node", value="no.such:thing", group=registry.GROUP)
    monkeypatch.setattr(registry, "entry_points", lambda group: [point])
    with pytest.raises(registry.UnknownMembership, match="cannot be used"):
        registry.load("node")
    monkeypatch.setattr(
        importlib.metadata.EntryPoint, "load", lambda self: types.SimpleNamespace(MEMBERSHIP=NODE)
    )
    assert registry.load("node") == NODE
    assert "node" in registry.memberships()
    made = pool_from_plain({"name": "k", "templates": ["small"], "membership": "node", "cluster": "prod"})
    assert (made.membership, made.cluster) == (NODE, "prod")


def test_a_folder_that_defines_none_or_another_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    for offered, words in (({}, "MEMBERSHIP"), ({"MEMBERSHIP": NODE}, "has the name 'node'")):
        monkeypatch.setattr(
            registry, "import_module", lambda name, offered=offered: types.SimpleNamespace(**offered)
        )
        with pytest.raises(registry.UnknownMembership, match=words):
            registry.load("none")


def test_a_pool_names_its_membership_and_it_comes_back() -> None:
    made = pool_from_plain({"name": "sized", "templates": ["small"], "membership": "none"})
    assert made.membership == NONE
    assert pool_to_plain(made)["membership"] == "none"
    assert pool_from_plain(pool_to_plain(made)) == made
    with pytest.raises(SettingsError, match="There is no membership 'nope'"):
        pool_from_plain({"name": "sized", "templates": ["small"], "membership": "nope"})
    with pytest.raises(SettingsError, match="do not report what they use"):
        pool_from_plain({"name": "s", "templates": ["small"], "membership": "none", "cpu_pressure": "80%"})
    for wrong, words in (
        ("non", "Did you mean 'none'\\? Memberships are"),
        ("zzz", "Memberships are exchange"),
    ):
        with pytest.raises(SettingsError, match=words):
            pool_from_plain({"name": "s", "templates": ["small"], "membership": wrong})


def test_a_machine_that_joins_nothing_is_ready_when_it_is_made_and_lives_by_its_provider(
    world: World,
) -> None:
    world.state.pools[POOL.name] = replace(POOL, membership=NONE)
    spec = replace(world.spec(1, POOL), membership=NONE)
    action = CreateWorker(
        spec=spec, expires_at_ms=None, reason=Reason(kind=ReasonKind.REQUESTED, text="by hand")
    )
    made = life.claim(world.state, world.changes, action, world.now_ms)
    life.provisioning(world.state, made, "hash")
    life.provisioned(world.state, world.changes, made, "m-1", world.now_ms)
    assert made.state is WorkerState.READY
    assert made.idle_since_ms is None
    assert not made.takes_work
    assert not world.state.open_workers
    world.now_ms += 3_600_000
    tick(world.state, world.changes, world.now_ms)
    assert made.state is WorkerState.READY
    world.commit()
    recovered, _ = world.recovered()
    assert recovered.workers[made.spec.name].spec.membership == NONE
    assert recovered.workers[made.spec.name].idle_since_ms is None


def test_jobs_are_neither_let_in_nor_given_workers_where_none_takes_them() -> None:
    spec = pool(membership=NONE)
    asked = queued(1, 3)
    refused = refusal(asked.job_class, {spec.name: spec})
    assert refused is not None
    assert refused.kind is RefusalKind.NO_POOL
    assert "No worker of pool std (none) runs jobs" in refused.text
    assert decide(observed([spec], [], [asked]), NOW).actions == ()


def test_pods_go_where_pods_are_taken_and_jobs_where_jobs_are() -> None:
    eager = {"pending_pods": 1, "pending_pods_for_s": 0.0}
    nodes = pool("nodes", template(price=1), membership=NODE, **eager)
    agents = pool("agents", template(price=100))
    pods = ShapeGroup(
        class_id=ClassId(-1),
        count=2,
        oldest_ready_at_ms=NOW,
        source=DemandSource.PENDING_PODS,
        shape=Shape(request=cores(4), user=UserName("k8s")),
    )
    plan = decide(observed([nodes, agents], [], [queued(1, 2), pods]), NOW)  # type: ignore[list-item]
    made = [action.spec for action in plan.actions if isinstance(action, CreateWorker)]
    assert sorted((spec.pool, spec.membership.name) for spec in made) == [
        ("agents", "exchange"),
        ("nodes", "node"),
    ]


def test_what_runs_there_is_unknown_so_it_is_never_idle_nor_headroom() -> None:
    spec = pool(membership=NONE, idle_timeout_s=60.0, headroom=Headroom(workers=1), max_workers=1)
    there = worker(1, spec)
    there = replace(there, spec=replace(there.spec, membership=NONE))
    plan = decide(observed([spec], [there]), NOW + 60 * MINUTE)
    assert not any(isinstance(action, DrainWorker) for action in plan.actions)
