"""The driver at `proxmox-mcp-server` of PyPI: a real process, installed into a folder that is thrown away, pointed at a played Proxmox.

HERDER_TEST_MCP_COMMAND names another server instead, such as that of ry-ops.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from herder.drivers.mcp import McpDriver, McpSettings
from herder.drivers.mcp.opening import make
from herder.model.fleet.driver import AlreadyExists, DriverContext, NotFound, Phase, Unauthorised
from herder.testing.proxmox import TOKEN_ID, TOKEN_SECRET, Proxmox, small_cluster
from tests.drivers.mcp.lab import Clock
from tests.drivers.mcp.test_mcp_faults import spec
from tests.drivers.mcp.test_mcp_stdio import until
from tests.drivers.mcp.tls import serving_https
from tests.drivers.proxmox import lab

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]
#: The package and what it needs beyond the environment of developers, which has the library mcp.
PACKAGES = (
    "proxmox-mcp-server==1.4.4",
    "proxmoxer==2.3.0",
    "requests>=2.32,<3",
    "charset-normalizer>=3,<4",
    "urllib3>=2,<3",
)
INSTALL_S = 45
COMMAND = os.environ.get("HERDER_TEST_MCP_COMMAND", "")


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path | None:
    """None: another server is named."""
    if COMMAND:
        return None
    folder = tmp_path_factory.mktemp("proxmox-mcp-server")
    pip = [sys.executable, "-m", "pip", "install", "--quiet", "--no-deps", "--target", str(folder), *PACKAGES]
    try:
        done = subprocess.run(pip, capture_output=True, text=True, timeout=INSTALL_S, check=False)
    except subprocess.TimeoutExpired:
        pytest.skip(f"NOT RUN: pip did not install {PACKAGES[0]} within {INSTALL_S} s")
    if done.returncode:
        pytest.skip(f"NOT RUN: pip cannot install {PACKAGES[0]}: {done.stderr.strip()[-300:]}")
    return folder


@pytest.fixture
def cluster() -> Proxmox:
    return Proxmox(small_cluster(), now_ms=time.time_ns() // 1_000_000)


@pytest.fixture
def driver(installed: Path | None, cluster: Proxmox, tmp_path: Path) -> Iterator[McpDriver]:
    user, name = TOKEN_ID.split("!")
    with serving_https(cluster, tmp_path, scale=50.0) as server:
        address = urlsplit(server.url)
        variables = {
            "PROXMOX_HOST": address.hostname,
            "PROXMOX_PORT": address.port,
            "PROXMOX_USER": user,
            "PROXMOX_TOKEN_NAME": name,
            "PROXMOX_TOKEN_VALUE": TOKEN_SECRET,
            "PROXMOX_VERIFY_SSL": "false",
        }
        if installed is not None:
            variables["PYTHONPATH"] = str(installed)
        file = tmp_path / "mcp.env"
        file.write_text("".join(f"{key}={value}\n" for key, value in variables.items()))
        command = COMMAND or f"{sys.executable} -c 'from proxmox_mcp.server import main; main()'"
        settings = McpSettings(command=command, environment_file=str(file), start_timeout_s=30.0)
        found = make(settings, DriverContext(name="mcp", installation="lab", clock=Clock()))
        try:
            yield found
        finally:
            found.close()


def test_a_machine_lives_and_ends_through_the_real_server(driver: McpDriver, cluster: Proxmox) -> None:
    assert [each.name for each in driver.checks() if not each.passed] == []
    machine = until(driver, driver.create(spec(), lab.start()), Phase.RUNNING)
    assert machine.addresses
    config = cluster.state.vms[int(machine.handle)].config
    assert (config["cores"], config["memory"]) == ("1", "512")
    assert config["onboot"] in ("0", "false"), "the client of a server writes booleans its own way"
    assert "ide2" not in config
    assert [each.worker for each in driver.list()] == [machine.worker]
    assert "TASK OK" in driver.console(machine.worker)
    with pytest.raises(NotFound):
        until(driver, driver.delete(machine.worker), Phase.GONE)
    assert [vmid for vmid in cluster.state.vms if vmid >= 20_000] == []


def test_its_errors_have_their_types_although_it_hides_them(driver: McpDriver, cluster: Proxmox) -> None:
    """Its answer is "Error executing tool": what Proxmox said is in its log only."""
    with pytest.raises(NotFound, match=r"777.conf' does not exist"):
        driver._api.config("pve1", 777)
    with pytest.raises(AlreadyExists):
        driver._api.clone("pve1", 9001, {"newid": 9002, "name": "copy"})
    token = cluster.state.tokens[TOKEN_ID]
    token.grants["/"] = token.grants["/"] - {"VM.Clone"}
    with pytest.raises(Unauthorised, match=r"lacks the privilege VM.Clone on /vms/900\d"):
        driver.create(spec(), lab.start())
