"""The bootstrap for Talos against machines in the process: joining, health, repair, removal, and each thing that can go wrong."""

from dataclasses import replace
from pathlib import Path

import pytest

from herder.model.fleet.driver import (
    InvalidRequest,
    NotFound,
    OutcomeUnknown,
    Unauthorised,
    Unavailable,
)
from herder.model.fleet.repair import Condition, Rung
from herder.model.ids import WorkerName
from herder.ports.bootstrap import Stage, Target
from herder.remote.talos.talosconfig import host_of
from herder.testing.talos import Fault, Kind
from herder.testing.talos.authority import DAY_MS, Authority
from tests.bootstraps.talos.cluster import CONTROL_PLANE, JOINING, START_MS, TARGET, WORKER, Cluster

SECRETS = ("abcdef.0123456789abcdef", "fedcba.fedcba9876543210")


@pytest.fixture
def cluster(tmp_path: Path) -> Cluster:
    return Cluster(tmp_path)


# --- joining


def test_a_machine_boots_with_its_data_and_registers(cluster: Cluster) -> None:
    bootstrap = cluster.bootstrap()
    cluster.boot_with_data(bootstrap)
    assert cluster.happened == ["kubelet_up burst-7-1"]
    assert cluster.worker.hostname == "burst-7-1"
    assert cluster.worker.node_taints == [{"key": "burst", "value": "true", "effect": "NoSchedule"}]
    # Those that NodeRestriction refuses would keep the others from being set.
    assert "node-role.kubernetes.io/worker" not in cluster.worker.node_labels
    assert cluster.worker.node_labels["topology.kubernetes.io/zone"] == "a"


def test_boot_data_is_no_text_for_people(cluster: Cluster) -> None:
    data = cluster.bootstrap().boot_data(JOINING)
    assert data is not None
    assert all(each in data.user_data for each in SECRETS)
    assert not any(each in repr(data) for each in SECRETS)
    assert data.meta_data == "instance-id: burst-7-1\nlocal-hostname: burst-7-1\n"


async def test_a_machine_in_maintenance_mode_is_configured_once(cluster: Cluster) -> None:
    bootstrap = cluster.bootstrap(delivery="maintenance")
    assert bootstrap.boot_data(JOINING) is None
    assert not await bootstrap.configure(JOINING, Target(worker=TARGET.worker))
    cluster.worker.power_on(cluster.clock.ms)
    assert not await bootstrap.configure(JOINING, TARGET)  # it boots
    cluster.after(20)
    assert (await bootstrap.look(TARGET)).stage is Stage.MAINTENANCE
    assert await bootstrap.configure(JOINING, TARGET)
    cluster.after(70)
    assert cluster.happened == ["kubelet_up burst-7-1"]
    assert await bootstrap.configure(JOINING, TARGET)
    assert cluster.worker.applied == 1


async def test_a_lost_answer_configures_once_too(cluster: Cluster) -> None:
    bootstrap = cluster.bootstrap(delivery="maintenance")
    cluster.worker.power_on(cluster.clock.ms)
    cluster.after(20)
    cluster.machines.faults.append(Fault(kind=Kind.LOSE_ANSWER, method="ApplyConfiguration"))
    assert not await bootstrap.configure(JOINING, TARGET)
    cluster.after(70)
    assert await bootstrap.configure(JOINING, TARGET)
    assert cluster.worker.applied == 1


async def test_a_machine_of_another_cluster_is_not_ours(cluster: Cluster) -> None:
    bootstrap = cluster.bootstrap(delivery="maintenance")
    cluster.machines.by_name.pop("burst-7-1")
    assert not await bootstrap.configure(JOINING, TARGET)


def test_a_hostname_has_a_limit(cluster: Cluster) -> None:
    bootstrap = cluster.bootstrap(hostname="{pool}-{worker}")
    assert "local-hostname: burst-burst-7-1\n" in bootstrap.boot_data(JOINING).meta_data
    with pytest.raises(InvalidRequest, match="63 characters"):
        bootstrap.boot_data(replace(JOINING, worker=WorkerName("w" * 60)))


def test_the_fingerprint_changes_with_what_machines_get(cluster: Cluster) -> None:
    first = cluster.bootstrap().fingerprint
    assert cluster.bootstrap().fingerprint == first
    assert cluster.bootstrap(install_image="ghcr.io/siderolabs/installer:v1.13.10").fingerprint != first
    changed = cluster.authority.worker_base("https://10.0.0.11:6443")
    assert cluster.bootstrap(base=changed).fingerprint != first


# --- health


async def test_a_healthy_machine(cluster: Cluster) -> None:
    bootstrap = cluster.bootstrap()
    cluster.boot_with_data(bootstrap)
    seen = await bootstrap.look(TARGET)
    assert (seen.stage, seen.ready, seen.version, seen.text) == (Stage.RUNNING, True, "v1.13.9", "")
    assert seen.conditions == ()


async def test_a_kubelet_that_crashes(cluster: Cluster) -> None:
    bootstrap = cluster.bootstrap()
    cluster.boot_with_data(bootstrap)
    cluster.worker.crash_kubelet(cluster.clock.ms, times=3)
    seen = await bootstrap.look(TARGET)
    assert not seen.ready
    assert seen.text == (
        "Talos waits for services (service kubelet is not healthy). Service kubelet is Waiting: connection refused."
    )
    (condition,) = seen.conditions
    assert condition.condition is Condition.KUBELET_CRASH_LOOP
    assert condition.text == "Service kubelet ended by itself 3 times in the last 10 min."
    cluster.after(601)
    assert (await bootstrap.look(TARGET)).conditions == ()


async def test_an_unreached_machine(cluster: Cluster) -> None:
    with pytest.raises(Unavailable, match=rf"Talos at {WORKER} \(through {CONTROL_PLANE}\) cannot serve"):
        await cluster.bootstrap().look(TARGET)
    with pytest.raises(Unavailable, match="address of worker burst-7-1 is not known yet"):
        await cluster.bootstrap().look(Target(worker=TARGET.worker))


# --- repair and removal


async def test_rungs(cluster: Cluster) -> None:
    bootstrap = cluster.bootstrap()
    cluster.boot_with_data(bootstrap)
    assert bootstrap.rungs == {Rung.RESTART_SERVICE, Rung.REBOOT}
    await bootstrap.repair(TARGET, Rung.RESTART_SERVICE)
    cluster.after(10)
    await bootstrap.repair(TARGET, Rung.REBOOT)
    cluster.after(60)
    assert cluster.happened == [
        "kubelet_up burst-7-1", "kubelet_down burst-7-1", "kubelet_up burst-7-1",
        "kubelet_down burst-7-1", "rebooting burst-7-1", "kubelet_up burst-7-1",
    ]  # fmt: skip
    with pytest.raises(InvalidRequest, match="Talos cannot carry out the rung clean_up"):
        await bootstrap.repair(TARGET, Rung.CLEAN_UP)


async def test_a_reboot_of_which_nobody_knows_is_not_repeated(cluster: Cluster) -> None:
    bootstrap = cluster.bootstrap()
    cluster.boot_with_data(bootstrap)
    cluster.machines.faults.append(Fault(kind=Kind.LOSE_ANSWER, method="Reboot"))
    target = Target(worker=TARGET.worker, addresses=(WORKER, "10.0.0.99"))
    with pytest.raises(OutcomeUnknown, match="may have happened"):
        await bootstrap.repair(target, Rung.REBOOT)
    assert cluster.machines.calls.count(("burst-7-1", "Reboot")) == 1


async def test_only_kubelet_can_be_restarted(cluster: Cluster) -> None:
    bootstrap = cluster.bootstrap()
    cluster.boot_with_data(bootstrap)
    with pytest.raises(InvalidRequest, match="doesn't support restart operation via API"):
        await bootstrap._client.restart_service(WORKER, "containerd")


async def test_shut_down(cluster: Cluster) -> None:
    bootstrap = cluster.bootstrap()
    cluster.boot_with_data(bootstrap)
    await bootstrap.shut_down(TARGET)
    cluster.after(3)
    assert cluster.happened[-1] == "powered_off burst-7-1"
    with pytest.raises(NotFound):
        await bootstrap.shut_down(TARGET)


async def test_logs_are_bounded(cluster: Cluster) -> None:
    bootstrap = cluster.bootstrap()
    cluster.boot_with_data(bootstrap)
    for number in range(5):
        cluster.worker.log("kubelet", f"line {number}")
    assert await bootstrap.logs(TARGET, "kubelet", 2) == "line 3\nline 4"


# --- rights and certificates


async def test_a_missing_role_is_named(cluster: Cluster) -> None:
    reader = cluster.authority.talosconfig((CONTROL_PLANE,), roles=("os:reader",))
    bootstrap = cluster.bootstrap(config=reader)
    cluster.boot_with_data(bootstrap)
    assert (await bootstrap.look(TARGET)).ready
    with pytest.raises(Unauthorised, match="it needs the role os:operator"):
        await bootstrap.repair(TARGET, Rung.REBOOT)
    assert [each.name for each in await bootstrap.check() if not each.passed] == ["Role"]


@pytest.mark.parametrize(
    ("valid_ms", "words"),
    [
        ((START_MS - 2 * DAY_MS, START_MS - 1), "testing has expired"),
        ((START_MS + DAY_MS, START_MS + 9 * DAY_MS), "is not yet valid: the clock of this server is wrong"),
    ],
)
async def test_a_certificate_out_of_its_time(cluster: Cluster, valid_ms: tuple[int, int], words: str) -> None:
    from_ms, until_ms = valid_ms
    config = cluster.authority.talosconfig((CONTROL_PLANE,), from_ms=from_ms, until_ms=until_ms)
    bootstrap = cluster.bootstrap(config=config)
    with pytest.raises(Unauthorised, match=words):
        await bootstrap.look(TARGET)
    assert "Client certificate" in [each.name for each in await bootstrap.check() if not each.passed]


async def test_a_certificate_that_expires_soon_is_told(cluster: Cluster) -> None:
    config = cluster.authority.talosconfig((CONTROL_PLANE,), until_ms=START_MS + 10 * DAY_MS)
    (found,) = [each for each in await cluster.bootstrap(config=config).check() if not each.passed]
    assert found.detail == "It is valid for another 10 days."


async def test_an_endpoint_that_does_not_forward(cluster: Cluster) -> None:
    cluster.machines.control_planes.clear()
    with pytest.raises(Unauthorised, match="Set endpoints of control plane machines"):
        await cluster.bootstrap().look(TARGET)


async def test_the_next_endpoint_is_tried(cluster: Cluster) -> None:
    config = cluster.authority.talosconfig(("10.0.0.11", CONTROL_PLANE))
    bootstrap = cluster.bootstrap(config=config)
    cluster.boot_with_data(bootstrap)
    assert (await bootstrap.look(TARGET)).ready
    assert [each.passed for each in await bootstrap.check()] == [True, True, True, False, True]


async def test_without_endpoints_machines_are_called_directly(cluster: Cluster) -> None:
    bootstrap = cluster.bootstrap(config=cluster.authority.talosconfig(()))
    cluster.boot_with_data(bootstrap)
    assert (await bootstrap.look(TARGET)).ready


def test_an_endpoint_may_be_the_address_of_the_api_server() -> None:
    assert host_of("https://192.168.1.10:6443") == "192.168.1.10"
    assert host_of("192.168.1.10") == "192.168.1.10"


# --- files


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"context": "absent"}, "has no context 'absent'. It has: testing"),
        ({"config": "a: ["}, "not valid YAML"),
        ({"config": "[]"}, "not a mapping"),
        ({"config": '{"context": "a", "contexts": {"a": {"ca": "!"}}}'}, "field ca"),
    ],
)
def test_a_wrong_talosconfig(cluster: Cluster, settings: dict[str, str], words: str) -> None:
    with pytest.raises(InvalidRequest, match=words):
        cluster.bootstrap(**settings)


def test_a_key_of_another_certificate(cluster: Cluster) -> None:
    own, other = (Authority(START_MS).talosconfig(()) for _ in range(2))
    key = other.split('"key": "')[1].split('"')[0]
    mixed = own.replace(own.split('"key": "')[1].split('"')[0], key)
    with pytest.raises(InvalidRequest, match="cannot be used") as found:
        cluster.bootstrap(config=mixed)
    assert key not in str(found.value)
