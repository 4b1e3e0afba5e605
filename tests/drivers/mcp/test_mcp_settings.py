"""The settings of the MCP driver, its bounds, and what its program is given."""

from pathlib import Path

import pytest

from herder.drivers.mcp import McpSettings, make
from herder.drivers.registry import creation_limits, open_driver, settings_faults
from herder.model.fleet.driver import DriverContext


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({}, "set command or url, and not both"),
        ({"command": "x", "url": "http://h/mcp"}, "set command or url, and not both"),
        ({"url": "h:8765"}, "is not the address of an MCP server"),
        ({"command": "proxmox 'mcp"}, "has a quotation mark that does not end"),
        ({"command": "x", "tools": "clone"}, "'clone' is not of the form clone=copy_vm"),
        ({"command": "x", "tools": "copy=copy_vm"}, "'copy' is not a call; possible are resources, "),
        ({"command": "x", "call_timeout_s": 31}, "call_timeout_s must be from 1 to 30"),
        ({"command": "x", "start_timeout_s": 0}, "start_timeout_s must be from 1 to 30"),
        ({"command": "x", "vmid_first": 30_000}, "vmid_first and vmid_last must be in order"),
        ({"command": "x", "clone": "linked", "storage": "local-lvm"}, "a linked clone stays where"),
        ({"command": "x", "iso_storage": "local"}, "has no setting 'iso_storage'"),
    ],
)
def test_wrong_settings_are_found(settings: dict[str, object], words: str) -> None:
    assert [fault.message for fault in settings_faults("mcp", settings) if words in fault.message], words


def test_tools_are_read_as_pairs() -> None:
    settings = McpSettings(command="x", tools="clone=copy_vm, stop = halt_vm,")
    assert settings.tool_names == {"clone": "copy_vm", "stop": "halt_vm"}


def test_opening_starts_nothing_and_has_the_limits_of_proxmox() -> None:
    driver = open_driver("mcp", {"command": "/no/such/program"}, DriverContext())
    assert driver.name == "mcp"
    assert creation_limits("mcp") == creation_limits("proxmox")


def test_a_program_gets_address_and_token_as_servers_read_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PROXMOX_URL", "https://pve1.example:8443")
    monkeypatch.setenv("PROXMOX_TOKEN_ID", "herder@pve!workers")
    monkeypatch.setenv("PROXMOX_TOKEN_SECRET", "5ec2e7")
    monkeypatch.setenv("PROXMOX_VERIFY_SSL", "true")
    monkeypatch.setenv("HERDER_SECRET_OF_THE_SERVER", "not yours")
    file = tmp_path / "mcp.env"
    file.write_text('# more\n\nPROXMOX_PORT=8006\nTALOSCONFIG="/etc/talos"\n')
    driver = make(McpSettings(command="x -v", environment_file=str(file)), DriverContext())
    server = driver._tools.client.server
    assert server.command == ("x", "-v")
    assert {name: server.environment[name] for name in server.environment if name != "PROXMOX_URL"} == {
        "PROXMOX_HOST": "pve1.example",
        "PROXMOX_PORT": "8006",
        "PROXMOX_USER": "herder@pve",
        "PROXMOX_TOKEN_ID": "herder@pve!workers",
        "PROXMOX_TOKEN_NAME": "workers",
        "PROXMOX_TOKEN_VALUE": "5ec2e7",
        "PROXMOX_TOKEN_SECRET": "5ec2e7",
        "PROXMOX_VERIFY_SSL": "true",
        "TALOSCONFIG": "/etc/talos",
    }
    assert "5ec2e7" not in repr(server)
    file.write_text("PROXMOX_PORT 8006\n")
    with pytest.raises(ValueError, match=r"line 1 of .* is not NAME=VALUE"):
        make(McpSettings(command="x", environment_file=str(file)), DriverContext())
