"""What makes machines join: its data reaches the driver as it was made, also after a crash, and its errors end creations."""

import json

import pytest
from sqlalchemy import select

from herder.model.fleet.bootstrap import BootData
from herder.model.fleet.cluster import INSTALLATION_LABEL, POOL_LABEL, WORKER_LABEL
from herder.model.fleet.driver import InvalidRequest
from herder.model.fleet.pool import Taint
from herder.model.ids import WorkerName
from herder.ports.bootstrap import Joining
from herder.store.rows.tables import workers
from tests.providers.conftest import MakeFleet
from tests.providers.fleet import Fleet
from tests.support.fake_bootstrap import FakeBootstrap

pytestmark = pytest.mark.virtual_time

TAINT = Taint(key="workload-type", value="burst")


def reason_of(fleet: Fleet, name: str) -> str:
    with fleet.engine.connect() as connection:
        row = connection.execute(select(workers).where(workers.c.name == name)).one()
    return f"{row.reason_removed}"


def booted(fleet: Fleet) -> dict[str, BootData | None]:
    return {str(name): machine.start.boot for (_, name), machine in fleet.world.machines.items()}


async def test_a_machine_boots_with_what_its_bootstrap_made_for_it(make_fleet: MakeFleet) -> None:
    talos = FakeBootstrap(name="talos")
    fleet = make_fleet(bootstraps={"talos": talos})
    await fleet.want("w-1", bootstrap="talos", labels=(("gpu", "none"),), taints=(TAINT,), zone="z1")
    await fleet.want("w-2")
    await fleet.until(lambda: fleet.states() == {"w-1": "joining", "w-2": "joining"})
    assert booted(fleet) == {"w-1": BootData(user_data="#secret-machine-config"), "w-2": None}
    (joining,) = talos.calls("boot_data")
    assert isinstance(joining, Joining)
    assert (joining.worker, joining.installation, joining.zone) == ("w-1", "test", "z1")
    assert dict(joining.labels) == {
        "gpu": "none",
        WORKER_LABEL: "w-1",
        INSTALLATION_LABEL: "test",
        POOL_LABEL: "p",
    }
    assert joining.taints == (TAINT,)


async def test_a_server_that_was_killed_makes_the_data_again(make_fleet: MakeFleet) -> None:
    talos = FakeBootstrap(name="talos")
    fleet = make_fleet(bootstraps={"talos": talos}, loops=())
    await fleet.want("w-1", bootstrap="talos", bootstrap_fingerprint="1")
    fleet._loops = ("launch",)
    await fleet.crash()
    spec = fleet.core.state.workers[WorkerName("w-1")].spec
    assert (spec.bootstrap, spec.bootstrap_fingerprint) == ("talos", "1")
    await fleet.until(lambda: fleet.states() == {"w-1": "joining"})
    assert booted(fleet) == {"w-1": talos.data}


@pytest.mark.parametrize(
    ("error", "words"),
    [
        (InvalidRequest("the base configuration has no machine section"), "has no machine section"),
        (ValueError("no such key"), "has a bug: ValueError."),
    ],
)
async def test_its_error_ends_the_creation_in_step_configure(
    make_fleet: MakeFleet, error: Exception, words: str
) -> None:
    fleet = make_fleet(bootstraps={"talos": FakeBootstrap(name="talos", error=error)})
    await fleet.want("w-1", bootstrap="talos")
    await fleet.until(lambda: fleet.states() == {"w-1": "failed"})
    reason = json.loads(reason_of(fleet, "w-1"))
    assert reason["text"].startswith("Bootstrap talos cannot configure the worker: ")
    assert words in reason["text"]
    assert "secret" not in reason["text"]
    assert reason["evidence"]["step"] == "configure"
    assert not fleet.world.machines


async def test_a_bootstrap_that_was_taken_out_of_the_settings_ends_the_creation(
    make_fleet: MakeFleet,
) -> None:
    fleet = make_fleet()
    await fleet.want("w-1", bootstrap="talos")
    await fleet.until(lambda: fleet.states() == {"w-1": "failed"})
    assert "This server has no bootstrap talos." in reason_of(fleet, "w-1")
