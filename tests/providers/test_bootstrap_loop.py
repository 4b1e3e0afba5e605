"""The bootstraps loop with machines of a provider, a cluster and a bootstrap in memory: configuration in maintenance mode, health, repair,
removal, refused credentials, and a server that is killed in between."""

import json
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest
from sqlalchemy import select

from herder.control.access.tokens import Principal, Role
from herder.control.drivers.bootstraps import calling
from herder.control.drivers.bootstraps.consoles import console, logs
from herder.control.kernel.bounds.errors import NotKnown, NotReady
from herder.control.planning.observation import observe_now
from herder.control.pools.pool_actions import store_pool
from herder.control.reads.explanations.attention import attention
from herder.control.reads.fleet.bootstraps import bootstrap_views, check_bootstrap
from herder.control.reads.fleet.worker_health import worker_health_view
from herder.drivers.pretend import PretendSettings
from herder.engine.memory.state import WorkerLife
from herder.engine.memory.worker_repair import CLUSTER, SYSTEM
from herder.engine.workers import worker as life
from herder.memberships import registry
from herder.model.fleet.driver import (
    Driver,
    InvalidRequest,
    NotFound,
    OutcomeUnknown,
    Unauthorised,
    Unavailable,
)
from herder.model.fleet.driver_capabilities import Check
from herder.model.fleet.node import NodeCondition
from herder.model.fleet.repair import Condition, Rung
from herder.model.fleet.worker import WorkerSpec, WorkerState
from herder.model.ids import PlanNumber, PoolName, UserName, WorkerName
from herder.model.planning.plan import CreateWorker
from herder.model.stored.changes import Changes
from herder.model.values.money import PicoUsd
from herder.ports.bootstrap import Stage, SystemSeen
from herder.settings import pool_from_plain
from herder.store.rows.tables import workers
from tests.providers.conftest import MakeFleet
from tests.providers.fleet import BY_HAND, Fleet
from tests.support.fake_bootstrap import FakeBootstrap
from tests.support.fake_cluster import NODES, SIZE, FakeCluster, know_nodes, node

pytestmark = pytest.mark.virtual_time

NAME = WorkerName("burst-1-1")
ADDRESS = "192.0.2.7"
ALL = ("launch", "sweep", "lifecycle", "clusters", "bootstraps")
TEMPLATE = {"name": "n", "cpu": 4, "memory": "8Gi", "disk": "100000Mi", "price_per_hour": "0.10"}
CRASHES = NodeCondition(
    condition=Condition.KUBELET_CRASH_LOOP, since_ms=0, text="Service kubelet ended by itself.", count=3
)


@pytest.fixture(autouse=True)
def known(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    know_nodes(monkeypatch)
    yield
    registry.load.cache_clear()
    registry.memberships.cache_clear()


def maintenance(**more: Any) -> FakeBootstrap:
    return FakeBootstrap(name="talos", data=None, **more)


async def fleet_of(
    make_fleet: MakeFleet,
    talos: FakeBootstrap,
    *,
    settings: PretendSettings | None = None,
    **pool: Any,
) -> Fleet:
    cluster = FakeCluster()
    fleet = make_fleet(
        "cloud", clusters={"prod": cluster}, bootstraps={"talos": talos}, loops=ALL, settings=settings
    )
    cluster.now = fleet.clock.now_ms
    plain = {
        "name": "burst",
        "driver": "cloud",
        "membership": "nodes",
        "cluster": "prod",
        "bootstrap": "talos",
    }
    changes = Changes()
    spec = pool_from_plain({**plain, "templates": [TEMPLATE], **pool})
    store_pool(fleet.core, changes, spec, fleet.clock.now_ms())
    await fleet.core.commit(changes)
    return fleet


def cluster_of(fleet: Fleet) -> FakeCluster:
    found = fleet.core.clusters["prod"]
    assert isinstance(found, FakeCluster)
    return found


async def want(fleet: Fleet) -> WorkerLife:
    spec = WorkerSpec(
        name=NAME,
        pool=PoolName("burst"),
        template="n",
        driver="cloud",
        allocatable=SIZE,
        slots=110,
        price_pico_per_hour=PicoUsd(1000),
        plan=PlanNumber(1),
        membership=NODES,
        cluster="prod",
        bootstrap="talos",
    )
    changes = Changes()
    action = CreateWorker(spec=spec, expires_at_ms=None, reason=BY_HAND)
    worker = life.claim(fleet.core.state, changes, action, fleet.clock.now_ms())
    fleet.core.workers_changed.set()
    await fleet.core.commit(changes)
    await fleet.until(lambda: worker.state is WorkerState.JOINING)
    return worker


async def ready(fleet: Fleet) -> WorkerLife:
    worker = await want(fleet)
    cluster_of(fleet).put(node(NAME, addresses=(ADDRESS,)))
    await fleet.until(lambda: worker.state is WorkerState.READY)
    return worker


def reason_of(fleet: Fleet) -> dict[str, Any]:
    with fleet.engine.connect() as connection:
        row = connection.execute(select(workers).where(workers.c.name == NAME)).one()
    found: dict[str, Any] = json.loads(row.reason_removed)
    return found


def of_health(fleet: Fleet) -> set[tuple[str, Condition]]:
    return set(fleet.core.state.workers[NAME].health.conditions)


# --- configuration


async def test_a_machine_in_maintenance_mode_is_configured_when_it_answers(make_fleet: MakeFleet) -> None:
    talos = maintenance()
    fleet = await fleet_of(make_fleet, talos)
    await want(fleet)
    await fleet.until(lambda: len(talos.calls("configure")) >= 3)
    assert all(not each.addresses for each in talos.targets), "its driver does not know one yet"
    fleet.world.addresses[NAME] = (ADDRESS,)
    await fleet.until(lambda: talos.targets[-1].addresses == (ADDRESS,))
    assert talos.configured == []
    talos.reachable.add(ADDRESS)
    await fleet.until(lambda: talos.configured == [ADDRESS])
    await fleet.until(lambda: calling.system_of(fleet.core, "talos", NAME).configured)
    asked = len(talos.calls("configure"))
    cluster_of(fleet).put(node(NAME, addresses=(ADDRESS,)))
    await fleet.until(lambda: fleet.states()[NAME] == "ready")
    assert len(talos.calls("configure")) == asked
    assert talos.configured == [ADDRESS]


async def test_one_that_never_answers_ends_in_its_step_with_what_the_bootstrap_knows(
    make_fleet: MakeFleet,
) -> None:
    talos = maintenance(errors={"configure": Unavailable("Nothing answers at 192.0.2.7.")})
    fleet = await fleet_of(make_fleet, talos)
    await want(fleet)
    await fleet.until(lambda: fleet.states()[NAME] == "terminated")
    text = reason_of(fleet)["text"]
    assert "Bootstrap talos has not configured its machine: Nothing answers at 192.0.2.7." in text, text
    asked = len(talos.calls("configure"))
    assert 5 < asked < 60, "with a growing pause"
    assert not fleet.machines()


async def test_a_wrong_base_configuration_ends_the_creation_for_good(make_fleet: MakeFleet) -> None:
    talos = maintenance(errors={"configure": InvalidRequest("machine.type is controlplane")})
    fleet = await fleet_of(make_fleet, talos)
    await want(fleet)
    await fleet.until(lambda: fleet.states()[NAME] == "terminated")
    reason = reason_of(fleet)
    assert reason["text"] == "Bootstrap talos cannot configure the worker: machine.type is controlplane."
    assert reason["evidence"]["step"] == "configure"
    assert reason["evidence"]["cause"] == "invalid_request"
    assert len(talos.calls("configure")) == 1


async def test_a_bug_of_a_bootstrap_is_an_event_and_its_text_is_not_told(make_fleet: MakeFleet) -> None:
    talos = maintenance(errors={"configure": ValueError("token: secret")})
    fleet = await fleet_of(make_fleet, talos)
    await want(fleet)
    await fleet.until(lambda: fleet.states()[NAME] == "terminated")
    assert "has a bug in configure: ValueError." in fleet.events("bootstrap.fault")[0]
    assert "secret" not in str(fleet.events()) + str(reason_of(fleet))


async def test_a_bootstrap_that_hangs_holds_up_no_other_worker_and_is_asked_again(
    make_fleet: MakeFleet,
) -> None:
    talos = maintenance(hangs={"configure"})
    fleet = await fleet_of(make_fleet, talos)
    worker = await want(fleet)
    await fleet.until(lambda: bool(fleet.core.state.bootstraps["talos"].troubles))
    assert fleet.core.state.bootstraps["talos"].troubles == {
        NAME: "Bootstrap talos did not answer configure of worker burst-1-1 within 60 s"
    }
    talos.hangs.clear()
    talos.reachable.add(ADDRESS)
    fleet.world.addresses[NAME] = (ADDRESS,)
    await fleet.until(lambda: calling.system_of(fleet.core, "talos", NAME).configured)
    assert worker.state is WorkerState.JOINING


# --- health


async def test_what_the_system_reports_stands_beside_what_its_cluster_reports(make_fleet: MakeFleet) -> None:
    talos = FakeBootstrap(name="talos")
    fleet = await fleet_of(make_fleet, talos)
    worker = await ready(fleet)
    cluster_of(fleet).put(node(NAME, ready=None, addresses=(ADDRESS,)))
    talos.systems[NAME] = SystemSeen(
        stage=Stage.RUNNING, ready=False, text="Service kubelet is Waiting.", conditions=(CRASHES,)
    )
    await fleet.until(
        lambda: of_health(fleet) == {(CLUSTER, Condition.NOT_READY), (SYSTEM, Condition.KUBELET_CRASH_LOOP)},
        limit_s=150,
    )
    assert talos.targets[-1].addresses == (ADDRESS,)
    view = worker_health_view(fleet.core, NAME)
    assert {(each.source, each.condition) for each in view.conditions} >= {("system", "KubeletCrashLoop")}
    assert view.system is not None
    assert view.system.text == "Service kubelet is Waiting."
    await fleet.until(lambda: bool(talos.calls("restart_service")))  # counted three times
    assert worker.health.repair is not None
    assert worker.health.repair.rung is Rung.RESTART_SERVICE
    talos.systems.clear()
    cluster_of(fleet).put(node(NAME, addresses=(ADDRESS,)))
    await fleet.until(lambda: not of_health(fleet), limit_s=60)


async def test_a_sick_one_is_looked_at_each_15_s_and_a_well_one_each_120_s(make_fleet: MakeFleet) -> None:
    talos = FakeBootstrap(name="talos")
    fleet = await fleet_of(make_fleet, talos)
    await ready(fleet)
    await fleet.until(lambda: len(talos.calls("look")) == 1)
    now_ms = fleet.clock.now_ms()
    await fleet.until(lambda: len(talos.calls("look")) == 2)
    assert 118_000 < fleet.clock.now_ms() - now_ms < 123_000
    now_ms = fleet.clock.now_ms()
    cluster_of(fleet).put(node(NAME, ready=False, addresses=(ADDRESS,)))
    await fleet.until(lambda: len(talos.calls("look")) == 4)
    assert 29_000 < fleet.clock.now_ms() - now_ms < 45_000


async def test_a_system_that_does_not_answer_is_neither_well_nor_sick(make_fleet: MakeFleet) -> None:
    talos = FakeBootstrap(name="talos")
    talos.systems[NAME] = SystemSeen(
        stage=Stage.RUNNING, ready=False, conditions=(replace(CRASHES, count=1),)
    )
    fleet = await fleet_of(make_fleet, talos)
    worker = await ready(fleet)
    await fleet.until(lambda: of_health(fleet) == {(SYSTEM, Condition.KUBELET_CRASH_LOOP)})
    talos.errors["look"] = Unavailable("It does not answer.")
    asked = len(talos.calls("look"))
    await fleet.until(lambda: len(talos.calls("look")) > asked + 3)
    assert of_health(fleet) == {(SYSTEM, Condition.KUBELET_CRASH_LOOP)}
    assert worker.state is WorkerState.READY
    view = worker_health_view(fleet.core, NAME)
    assert view.system is not None
    assert view.system.trouble == "It does not answer."
    talos.errors.clear()
    talos.systems.clear()
    await fleet.until(lambda: not of_health(fleet))


# --- refused credentials


async def test_refused_credentials_stop_creations_until_a_check_succeeds(make_fleet: MakeFleet) -> None:
    talos = FakeBootstrap(name="talos", error=None)
    fleet = await fleet_of(make_fleet, talos)
    worker = await ready(fleet)
    talos.error = Unauthorised("the certificate has expired")
    await fleet.until(lambda: bool(calling.refused(fleet.core, "talos")))
    assert "the certificate has expired" in fleet.events("bootstrap.refused")[0]
    (pool,) = observe_now(fleet.core)[0].pools
    assert not pool.frozen, "its workers expire and are removed as ever"
    assert "herder bootstrap check talos" in pool.bootstrap_refused
    await fleet.crash()
    assert calling.refused(fleet.core, "talos"), "it is stored"
    talos.error = None
    await fleet.until(lambda: not calling.refused(fleet.core, "talos"), limit_s=130)
    assert fleet.events("bootstrap.accepted")
    assert not observe_now(fleet.core)[0].pools[0].bootstrap_refused
    await fleet.crash()
    assert not calling.refused(fleet.core, "talos")
    assert worker.state is WorkerState.READY


async def test_a_machine_of_somebody_else_that_refuses_us_is_no_matter_of_the_bootstrap(
    make_fleet: MakeFleet,
) -> None:
    talos = FakeBootstrap(name="talos", errors={"look": Unauthorised("it does not know the authority")})
    fleet = await fleet_of(make_fleet, talos)
    await ready(fleet)
    await fleet.until(lambda: len(talos.calls("look")) > 2)
    assert not calling.refused(fleet.core, "talos")
    assert not fleet.events("bootstrap.refused")


async def test_it_stays_refused_as_long_as_a_check_does_not_pass(make_fleet: MakeFleet) -> None:
    talos = FakeBootstrap(name="talos", errors={"look": Unauthorised("no")})
    talos.checked = (Check(name="Role", passed=False, detail="It has no role."),)
    fleet = await fleet_of(make_fleet, talos)
    await ready(fleet)
    await fleet.until(lambda: bool(calling.refused(fleet.core, "talos")))
    talos.errors.clear()
    asked = len(talos.calls("check"))
    await fleet.until(lambda: len(talos.calls("check")) > asked + 2)
    assert calling.refused(fleet.core, "talos")
    assert len(fleet.events("bootstrap.refused")) == 1


# --- repair


REPAIR: dict[str, Any] = {
    "settings": PretendSettings(repairs=True),
    "repair": [{"condition": "NotReady", "after": "1m", "rung": "reboot"}],
}


async def repaired(fleet: Fleet) -> str:
    cluster_of(fleet).put(node(NAME, ready=False, addresses=(ADDRESS,)))
    await fleet.until(lambda: bool(fleet.events("worker.repair_done") + fleet.events("worker.repair_failed")))
    return (fleet.events("worker.repair_done") + fleet.events("worker.repair_failed"))[0]


async def test_the_bootstrap_is_asked_first(make_fleet: MakeFleet) -> None:
    talos = FakeBootstrap(name="talos")
    fleet = await fleet_of(make_fleet, talos, **REPAIR)
    await ready(fleet)
    assert await repaired(fleet) == "Bootstrap talos has carried out reboot of worker burst-1-1."
    assert "reboot" not in {verb for _, verb, _ in fleet.world.calls}


@pytest.mark.parametrize(
    "error", [Unavailable("It is dead."), OutcomeUnknown("It is dead."), InvalidRequest("It is dead.")]
)
async def test_the_driver_does_what_the_bootstrap_cannot(make_fleet: MakeFleet, error: Exception) -> None:
    talos = FakeBootstrap(name="talos", errors={"reboot": error})
    fleet = await fleet_of(make_fleet, talos, **REPAIR)
    await ready(fleet)
    text = await repaired(fleet)
    assert text == (
        "Driver cloud has carried out reboot of worker burst-1-1. Bootstrap talos could not: It is dead."
    )
    assert ("reboot", NAME) in {(verb, worker) for _, verb, worker in fleet.world.calls}


async def test_one_that_hangs_is_waited_for_60_s_and_then_the_driver_does_it(make_fleet: MakeFleet) -> None:
    talos = FakeBootstrap(name="talos", hangs={"reboot"})
    fleet = await fleet_of(make_fleet, talos, **REPAIR)
    await ready(fleet)
    text = await repaired(fleet)
    assert text.startswith("Driver cloud has carried out reboot"), text
    assert "within 60 s" in text


async def test_a_rung_that_the_bootstrap_lacks_is_the_drivers(make_fleet: MakeFleet) -> None:
    talos = FakeBootstrap(name="talos", rungs=frozenset())
    fleet = await fleet_of(make_fleet, talos, **REPAIR)
    await ready(fleet)
    assert await repaired(fleet) == "Driver cloud has carried out reboot of worker burst-1-1."
    assert not talos.calls("reboot")


# --- removal


async def removed(fleet: Fleet, worker: WorkerLife) -> None:
    changes = Changes()
    life.drain(fleet.core.state, changes, worker, BY_HAND, fleet.clock.now_ms())
    await fleet.core.commit(changes)
    await fleet.until(lambda: fleet.states()[NAME] == "terminated")


async def test_a_system_is_shut_down_after_the_drain_and_before_the_deletion(make_fleet: MakeFleet) -> None:
    order: list[str] = []
    talos = FakeBootstrap(name="talos", reached=order.append)
    fleet = await fleet_of(make_fleet, talos)
    worker = await ready(fleet)
    await removed(fleet, worker)
    assert order == ["shut_down"]
    assert talos.targets[-1].addresses == (ADDRESS,)
    assert not fleet.machines()


@pytest.mark.parametrize("how", ["hangs", "errors"])
async def test_a_system_that_cannot_be_reached_never_blocks_a_removal(
    make_fleet: MakeFleet, how: str
) -> None:
    talos = FakeBootstrap(name="talos")
    fleet = await fleet_of(make_fleet, talos)
    worker = await ready(fleet)
    if how == "hangs":
        talos.hangs.add("shut_down")
    else:
        talos.errors["shut_down"] = Unavailable("It does not answer.")
    now_ms = fleet.clock.now_ms()
    await removed(fleet, worker)
    assert fleet.clock.now_ms() - now_ms < 60_000
    assert not fleet.machines()


async def test_a_machine_that_never_joined_is_not_shut_down(make_fleet: MakeFleet) -> None:
    talos = maintenance(errors={"configure": InvalidRequest("no")})
    fleet = await fleet_of(make_fleet, talos)
    await want(fleet)
    await fleet.until(lambda: fleet.states()[NAME] == "terminated")
    assert not talos.calls("shut_down")


# --- what people read


class WithoutConsole:
    """A driver that has its five verbs only."""

    def __init__(self, driver: Driver) -> None:
        self.name, self.create, self.get = driver.name, driver.create, driver.get
        self.delete, self.list, self.health = driver.delete, driver.list, driver.health


async def test_the_log_of_kubelet_is_the_console_where_the_driver_has_none(make_fleet: MakeFleet) -> None:
    talos = FakeBootstrap(name="talos")
    fleet = await fleet_of(make_fleet, talos)
    await ready(fleet)
    assert "kubelet" not in await console(fleet.core, "cloud", NAME)
    fleet.core.drivers["cloud"] = WithoutConsole(fleet.core.drivers["cloud"])
    assert await console(fleet.core, "cloud", NAME) == f"kubelet of {NAME}"


async def test_a_service_of_the_system_has_a_log(make_fleet: MakeFleet) -> None:
    fleet = await fleet_of(make_fleet, FakeBootstrap(name="talos"))
    await ready(fleet)
    assert await logs(fleet.core, "cloud", NAME, "containerd") == f"containerd of {NAME}"
    assert await logs(fleet.core, "cloud", NAME, "console") == await console(fleet.core, "cloud", NAME)
    with pytest.raises(
        NotFound, match=r"There is no service \.\./x\. Write agent, start-script or console\."
    ):
        await logs(fleet.core, "cloud", NAME, "../x")


async def test_lists_and_checks_show_what_depends_on_a_bootstrap(make_fleet: MakeFleet) -> None:
    talos = FakeBootstrap(name="talos")
    fleet = await fleet_of(make_fleet, talos)
    await ready(fleet)
    (view,) = bootstrap_views(fleet.core)
    assert (view.state, view.pools, view.workers, view.rungs) == (
        "ready",
        ["burst"],
        1,
        ["reboot", "restart_service"],
    )
    assert (await check_bootstrap(fleet.core, "talos")).passed
    with pytest.raises(NotKnown, match="There is no bootstrap 'tales'"):
        await check_bootstrap(fleet.core, "tales")
    talos.error = Unauthorised("the certificate has expired")
    with pytest.raises(NotReady, match="Bootstrap talos cannot be checked: the certificate has expired"):
        await check_bootstrap(fleet.core, "talos")
    (view,) = bootstrap_views(fleet.core)
    assert view.state == "refused"
    who = Principal(UserName("ann"), Role.ADMINISTRATOR)
    assert attention(fleet.core, who) == [view.reason]
    talos.error = None
    assert (await check_bootstrap(fleet.core, "talos")).passed
    assert not attention(fleet.core, who)
