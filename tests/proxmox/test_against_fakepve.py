"""The driver against another implementation of the API: fakepve, which was written without Herder, as a process of its own.

Its licence (AGPL) is its own: nothing of it is imported here. It is installed from PyPI into a folder of the test; where that is not
possible the tests are skipped and say so.
"""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from herder.control.kernel.clock import SystemClock
from herder.drivers.proxmox import ProxmoxDriver, ProxmoxSettings
from herder.model.fleet.driver import DriverContext, InvalidRequest, Machine, NotFound, Phase, Unauthorised
from herder.model.ids import WorkerName
from herder.remote.proxmox import ProxmoxClient
from tests.drivers.proxmox.lab import spec, start, until_running

PACKAGE, INSTALL_S = "fakepve[crypto]==0.5.0", 90
TOKEN_ID, SECRET = "herder@pve!tests", "5ec2e7"
TEMPLATE = "talos-worker"
WORKER = WorkerName("burst-1-0")
#: Run by the other Python: one node with a template, an API token, tasks that end at once.
SERVE = """
import asyncio, sys, tempfile
from fakepve import FakePve
from fakepve.certs import make_cert
async def serve():
    pve = FakePve(user="root@pam", password="secret", host="127.0.0.1", port=0)
    pve.time_scale = 0
    pve.apitokens["herder@pve!tests"] = "5ec2e7"
    config = {"cores": 2, "memory": 2048, "boot": "order=scsi0", "scsi0": "local-lvm:base-9001-disk-0,size=20G"}
    pve.add_vm(9001, "talos-worker", node="pve1", status="stopped", config=config, template=True)
    with tempfile.TemporaryDirectory() as folder:
        cert, key, _ = make_cert(folder, hosts=("127.0.0.1",))
        await pve.start(cert, key)
    print(pve.port, flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.read)
asyncio.run(serve())
"""

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]


def environment(folder: Path) -> dict[str, str]:
    """Of the other process: a folder that it alone imports from, and that goes with the test."""
    install = [sys.executable, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--target"]
    try:
        subprocess.run(
            [*install, str(folder), PACKAGE], check=True, capture_output=True, timeout=INSTALL_S, text=True
        )
    except (subprocess.SubprocessError, OSError) as error:
        pytest.skip(f"NOT RUN: {PACKAGE} cannot be installed: {str(error)[-200:]}")
    return {**os.environ, "PYTHONPATH": str(folder)}


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    process_of = environment(tmp_path_factory.mktemp("fakepve"))
    with subprocess.Popen(
        [sys.executable, "-c", SERVE],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=process_of,
    ) as process:
        assert process.stdout is not None
        port = process.stdout.readline().strip()
        assert port, "fakepve did not start"
        yield f"https://127.0.0.1:{port}"
        process.communicate(timeout=20)


def opened(url: str, secret: str = SECRET) -> ProxmoxDriver:
    settings = ProxmoxSettings(url=url, token_id=TOKEN_ID, verify=False)
    client = ProxmoxClient(url, TOKEN_ID, secret, SystemClock(), verify=False)
    return ProxmoxDriver(
        settings, DriverContext(name="proxmox", installation="lab", clock=SystemClock()), client
    )


@pytest.fixture
def driver(url: str) -> Iterator[ProxmoxDriver]:
    found = opened(url)
    yield found
    found.close()


def removed(driver: ProxmoxDriver, machine: Machine) -> None:
    for _ in range(20):
        try:
            machine = driver.get(machine.worker, machine.operation)
        except NotFound:
            return
        if machine.phase is Phase.GONE:
            return
    raise AssertionError(f"it is {machine}")


def test_a_worker_from_clone_to_removal(driver: ProxmoxDriver) -> None:
    driver.health()
    assert list(driver.list()) == []
    machine = until_running(
        driver, driver.create(spec(WORKER, driver_options=(("template", TEMPLATE),)), start())
    )
    assert machine.phase is Phase.RUNNING
    (listed,) = driver.list()
    assert (listed.worker, listed.phase, listed.handle) == (WORKER, Phase.RUNNING, machine.handle)
    assert driver.reboot(WORKER).phase is Phase.RUNNING
    again = driver.create(spec(WORKER, driver_options=(("template", TEMPLATE),)), start())
    assert again.handle == machine.handle
    removed(driver, driver.delete(WORKER))
    assert list(driver.list()) == []


def test_refusals_have_the_same_kinds(url: str, driver: ProxmoxDriver) -> None:
    with pytest.raises(InvalidRequest, match="There is no template VM 'other'"):
        driver.create(spec(WORKER, driver_options=(("template", "other"),)), start())
    with pytest.raises(NotFound):
        driver.get(WorkerName("burst-9-9"))
    wrong = opened(url, "wrong")
    with pytest.raises(Unauthorised, match="does not accept the API token"):
        wrong.list()
    wrong.close()
