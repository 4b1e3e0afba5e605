"""An MCP server as a program of its own: started, watched, started again, ended with the driver; its log is kept within bounds."""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from herder.drivers.mcp import McpDriver, McpSettings
from herder.drivers.mcp.opening import make
from herder.model.fleet.driver import (
    DriverContext,
    InvalidRequest,
    Machine,
    NotFound,
    OutcomeUnknown,
    Phase,
    Unavailable,
)
from herder.remote.mcp.connection import LINE_CHARACTERS_MAX, LINES_MAX
from herder.testing.mcp.faults import DIE, HANG, HIDDEN, RUBBISH
from herder.testing.proxmox import TOKEN_ID, TOKEN_SECRET, Proxmox, small_cluster
from herder.testing.proxmox.server import serving
from tests.drivers.mcp.lab import Clock
from tests.drivers.mcp.test_mcp_faults import WORKER, spec
from tests.drivers.proxmox import lab

PLAYED = f"{sys.executable} -m herder.testing.mcp"


class Programs:
    """Drivers whose server is a program. Closes what it opened."""

    def __init__(self, folder: Path) -> None:
        self.folder, self._stack = folder, ExitStack()
        self.cluster = Proxmox(small_cluster(), now_ms=time.time_ns() // 1_000_000)
        self._url = self._stack.enter_context(serving(self.cluster, scale=50.0)).url

    def driver(
        self, command: str = PLAYED, faults: dict[str, Any] | None = None, **changed: Any
    ) -> McpDriver:
        variables = self.folder / "mcp.env"
        variables.write_text(
            f"# of Proxmox\nPROXMOX_URL={self._url}\nPROXMOX_TOKEN_ID={TOKEN_ID}\nPROXMOX_TOKEN_SECRET={TOKEN_SECRET}\n"
            f"HERDER_TEST_MCP_FAULTS={json.dumps(faults or {})}\n"
        )
        settings = McpSettings(command=command, environment_file=str(variables), **changed)
        driver = make(settings, DriverContext(name="mcp", installation="lab", clock=Clock()))
        self._stack.callback(driver.close)
        return driver

    def close(self) -> None:
        self._stack.close()


@pytest.fixture
def programs(tmp_path: Path) -> Iterator[Programs]:
    found = Programs(tmp_path)
    yield found
    found.close()


def until(driver: McpDriver, machine: Machine, phase: Phase) -> Machine:
    for _ in range(300):
        if machine.phase is phase:
            return machine
        time.sleep(0.05)
        machine = driver.get(machine.worker, machine.operation)
    raise AssertionError(f"it is {machine}")


def children() -> list[int]:
    """Of this process, by the command."""
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                words = (entry / "cmdline").read_bytes()
                parent = (entry / "stat").read_text().rpartition(")")[2].split()[1]
            except OSError:
                continue
            if b"herder.testing.mcp" in words and parent == str(os.getpid()):
                found.append(int(entry.name))
    return found


def test_a_machine_lives_and_ends_through_a_program_that_dies_on_the_way(programs: Programs) -> None:
    """The clone is begun, and its answer lost with the server; a new server goes on, and nothing is doubled."""
    once = {"does": DIE, "tool": "clone_vm", "acts": True, "once": str(programs.folder / "died")}
    driver = programs.driver(faults={"rules": [once]})
    with pytest.raises(
        OutcomeUnknown, match=r"MCP server python\S* ended while cloning .*ValueError: the server has died"
    ):
        driver.create(spec(), lab.start())
    machine = until(driver, driver.get(WORKER), Phase.RUNNING)
    assert machine.addresses
    assert [vmid for vmid in programs.cluster.state.vms if vmid >= 20_000] == [int(machine.handle)]
    assert len(children()) == 1
    ending = driver.delete(WORKER)
    with pytest.raises(NotFound):
        until(driver, ending, Phase.GONE)
    assert driver.list().machines == ()
    driver.close()
    assert children() == []


@pytest.mark.slow
def test_a_program_that_hangs_is_started_again(programs: Programs) -> None:
    once = {"does": HANG, "tool": "get_cluster_resources", "once": str(programs.folder / "hung")}
    driver = programs.driver(faults={"rules": [once]}, call_timeout_s=2.0)
    driver.health()
    before = children()
    with pytest.raises(Unavailable, match="did not answer within 2 s while listing the cluster"):
        driver.list()
    assert driver.list().complete
    assert children() != before


@pytest.mark.slow
def test_a_program_that_writes_rubbish_is_named_so(programs: Programs) -> None:
    once = {"does": RUBBISH, "tool": "get_cluster_resources", "once": str(programs.folder / "wrote")}
    driver = programs.driver(faults={"rules": [once]}, call_timeout_s=2.0)
    with pytest.raises(Unavailable, match="and wrote text outside the protocol MCP"):
        driver.list()


def test_the_reason_of_a_hidden_error_is_read_in_the_log(programs: Programs) -> None:
    driver = programs.driver(faults={"style": HIDDEN})
    with pytest.raises(NotFound, match=r"777.conf' does not exist"):
        driver._api.config("pve1", 777)


@pytest.mark.slow
def test_an_error_of_another_vm_in_the_log_does_not_speak_for_this_one(programs: Programs) -> None:
    script = programs.folder / "confused.py"
    script.write_text(
        "from herder.testing.mcp import tools\n"
        "plain = tools.ProxmoxTools._failed\n"
        "tools.ProxmoxTools._failed = lambda self, name, text: plain(self, name, text.replace('777', '778'))\n"
        "from herder.testing.mcp.__main__ import main\n"
        "main()\n"
    )
    driver = programs.driver(f"{sys.executable} {script}", faults={"style": HIDDEN})
    with pytest.raises(Unavailable):
        driver._api.config("pve1", 777)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("command", "error", "words"),
    [
        ("/no/such/mcp-server", InvalidRequest, r"MCP server mcp-server cannot be started: .*Check the setting command"),
        (f"{sys.executable} -c 'raise SystemExit(\"no PROXMOX_HOST\")'", Unavailable, "ended at its start; its last line is: no PROXMOX_HOST"),
        ("sleep 60", Unavailable, r"MCP server sleep did not introduce itself within 2 s\. Check"),
        ("sh -c 'echo Ready; cat >/dev/null'", Unavailable, "within 2 s, and wrote text outside the protocol MCP"),
    ],
)  # fmt: skip
def test_programs_that_are_no_servers(
    programs: Programs, command: str, error: type[Exception], words: str
) -> None:
    driver = programs.driver(command, start_timeout_s=2.0)
    with pytest.raises(error, match=words):
        driver.health()


@pytest.mark.slow
def test_a_log_is_kept_within_bounds_and_no_secret_is_quoted(programs: Programs) -> None:
    script = programs.folder / "chatty.py"
    script.write_text(
        "import os, sys\n"
        "for number in range(5_000):\n"
        "    print(number, 'x' * 2_000, file=sys.stderr)\n"
        "print('the secret is', os.environ['PROXMOX_TOKEN_SECRET'], file=sys.stderr)\n"
    )
    driver = programs.driver(f"{sys.executable} {script}")
    with pytest.raises(Unavailable, match=r"its last line is: the secret is \(secret\)") as caught:
        driver.health()
    assert TOKEN_SECRET not in str(caught.value)


def test_the_bounds_of_a_log() -> None:
    assert LINES_MAX * LINE_CHARACTERS_MAX < 2**20


TALOS = """
import json, sys
TOOLS = {"talos_get_services": ["nodes"], "talos_logs": ["nodes", "service", "tail"]}
for line in sys.stdin:
    asked = json.loads(line)
    if "id" not in asked:
        continue
    say = {"jsonrpc": "2.0", "id": asked["id"]}
    if asked["method"] == "initialize":
        say["result"] = {"protocolVersion": "2025-06-18", "capabilities": {"tools": {}}, "serverInfo": {"name": "talos", "version": "0"}}
    elif asked["method"] == "tools/list":
        schemas = {name: {"type": "object", "properties": {key: {"type": "string"} for key in keys}} for name, keys in TOOLS.items()}
        say["result"] = {"tools": [{"name": name, "inputSchema": schema} for name, schema in schemas.items()]}
    elif asked["method"] == "tools/call":
        given = asked["params"]
        text = "kubelet Running " + given["arguments"]["nodes"] if given["name"] == "talos_get_services" else ""
        say["result"] = {"content": [{"type": "text", "text": text}]}
    else:
        say["error"] = {"code": -32601, "message": "unknown"}
    print(json.dumps(say), flush=True)
"""


@pytest.mark.slow
def test_a_talos_server_adds_services_and_logs_to_the_console(programs: Programs) -> None:
    script = programs.folder / "talos.py"
    script.write_text(TALOS)
    driver = programs.driver(talos_command=f"{sys.executable} {script}")
    machine = until(driver, driver.create(spec(), lab.start()), Phase.RUNNING)
    told = driver.console(machine.worker)
    assert "TASK OK" in told
    assert f"talos_get_services:\nkubelet Running {machine.addresses[0]}" in told
    assert "answered with an empty text. Check that talosctl is installed beside it." in told, "the logs"
