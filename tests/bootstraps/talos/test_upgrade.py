"""An upgrade of one machine in place: what is asked of Talos, when it is not asked again, and what is refused."""

from pathlib import Path

import pytest

from herder.bootstraps.talos import TalosSettings
from herder.bootstraps.talos.bootstrap import TalosBootstrap
from herder.model.fleet.driver import InvalidRequest, OutcomeUnknown, Unauthorised
from herder.model.fleet.repair import Condition, Rung
from herder.ports.bootstrap import Stage
from herder.remote.talos.methods import ADMIN, OPERATOR
from herder.testing.talos import AfterUpgrade, Fault, Kind
from tests.bootstraps.talos.cluster import CONTROL_PLANE, TARGET, Cluster

OLD, NEW = "v1.13.9", "v1.14.0"
IMAGE = f"ghcr.io/siderolabs/installer:{NEW}"


@pytest.fixture
def cluster(tmp_path: Path) -> Cluster:
    return Cluster(tmp_path)


def in_place(cluster: Cluster, role: str = ADMIN, image: str = IMAGE) -> TalosBootstrap:
    config = cluster.authority.talosconfig((CONTROL_PLANE,), roles=(role,))
    bootstrap = cluster.bootstrap(config, install_image=image, upgrade="in_place")
    cluster.boot_with_data(bootstrap)
    return bootstrap


def upgrades(cluster: Cluster) -> int:
    return cluster.machines.calls.count((cluster.worker.name, "Upgrade"))


async def outdated(bootstrap: TalosBootstrap) -> list[str]:
    found = await bootstrap.look(TARGET)
    return [each.text for each in found.conditions if each.condition is Condition.OUTDATED]


async def test_a_machine_with_another_version_is_outdated_until_it_is_upgraded(cluster: Cluster) -> None:
    bootstrap = in_place(cluster)
    assert (bootstrap.version, Rung.UPGRADE in bootstrap.rungs) == (NEW, True)
    assert await outdated(bootstrap) == [f"It runs Talos {OLD}, and its bootstrap wants {NEW}."]
    await bootstrap.repair(TARGET, Rung.UPGRADE)
    found = await bootstrap.look(TARGET)
    assert (found.stage, found.ready) == (Stage.UPGRADING, False)
    await bootstrap.repair(TARGET, Rung.UPGRADE)  # as a server does that has forgotten that it has asked
    cluster.after(120)
    assert cluster.worker.version == NEW
    assert await outdated(bootstrap) == []
    await bootstrap.repair(TARGET, Rung.UPGRADE)
    assert upgrades(cluster) == 1


async def test_a_lost_answer_may_be_asked_again(cluster: Cluster) -> None:
    bootstrap = in_place(cluster)
    cluster.machines.faults.append(Fault(kind=Kind.LOSE_ANSWER, method="Upgrade"))
    with pytest.raises(OutcomeUnknown, match="may have happened"):
        await bootstrap.repair(TARGET, Rung.UPGRADE)
    await bootstrap.repair(TARGET, Rung.UPGRADE)
    assert upgrades(cluster) == 1


async def test_an_upgrade_that_does_not_come_up_leaves_the_machine_outdated(cluster: Cluster) -> None:
    bootstrap = in_place(cluster)
    cluster.worker.after_upgrade = AfterUpgrade.OLD
    await bootstrap.repair(TARGET, Rung.UPGRADE)
    cluster.after(120)
    assert (await bootstrap.look(TARGET)).ready
    assert len(await outdated(bootstrap)) == 1


async def test_an_image_that_talos_refuses(cluster: Cluster) -> None:
    bootstrap = in_place(cluster)
    fault = Fault(
        kind=Kind.REFUSE,
        method="Upgrade",
        code="INVALID_ARGUMENT",
        words="error validating installer image: not found",
    )
    cluster.machines.faults.append(fault)
    with pytest.raises(InvalidRequest, match=r"refuses the call Upgrade\. error validating installer image"):
        await bootstrap.repair(TARGET, Rung.UPGRADE)
    assert cluster.worker.version == OLD


async def test_the_role_of_an_operator_is_not_enough_and_the_check_says_so(cluster: Cluster) -> None:
    bootstrap = in_place(cluster, OPERATOR)
    with pytest.raises(Unauthorised, match="needs the role os:admin"):
        await bootstrap.repair(TARGET, Rung.UPGRADE)
    (role,) = (each for each in await bootstrap.check() if each.name == "Role")
    assert not role.passed
    assert "--roles os:admin" in role.remedy
    assert upgrades(cluster) == 0


async def test_without_the_setting_versions_are_nobody_s_business(cluster: Cluster) -> None:
    bootstrap = cluster.bootstrap(install_image=IMAGE)
    cluster.boot_with_data(bootstrap)
    assert await outdated(bootstrap) == []
    assert Rung.UPGRADE not in bootstrap.rungs
    with pytest.raises(InvalidRequest, match="cannot carry out the rung upgrade"):
        await bootstrap.repair(TARGET, Rung.UPGRADE)


def test_the_fingerprint_leaves_out_only_the_version(cluster: Cluster) -> None:
    def fingerprint(image: str, upgrade: str) -> str:
        return cluster.bootstrap(install_image=image, upgrade=upgrade).fingerprint

    other = "factory.talos.dev/installer/376567988ad370138ad8b2698212367b8edcb69b5fd68c80be1f2ec7d603b4ba"
    assert fingerprint("a/b:v1.13.9", "in_place") == fingerprint("a/b:v1.14.0@sha256:12", "in_place")
    assert fingerprint("a/b:v1.14.0", "in_place") != fingerprint(f"{other}:v1.14.0", "in_place")
    assert fingerprint("a/b:v1.13.9", "replace") != fingerprint("a/b:v1.14.0", "replace")


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"upgrade": "later"}, "upgrade must be replace or in_place"),
        ({"upgrade": "in_place"}, "needs an install_image with a version"),
        ({"upgrade": "in_place", "install_image": "registry:5000/installer"}, "with a version"),
        ({"upgrade": "in_place", "install_image": "a/b@sha256:0123"}, "with a version"),
        ({"upgrade": "in_place", "install_image": "a/b:latest"}, "with a version"),
    ],
)
def test_settings_that_cannot_work(settings: dict[str, str], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        TalosSettings(base_config="worker.yaml", **settings)
