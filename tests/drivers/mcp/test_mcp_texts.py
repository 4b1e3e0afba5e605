"""What is read in the answers of tools, as real servers write them. Pure."""

import pytest

from herder.model.fleet.driver import (
    AlreadyExists,
    DriverError,
    InvalidRequest,
    NotFound,
    OutcomeUnknown,
    OutOfCapacity,
    Unauthorised,
    Unavailable,
)
from herder.remote.mcp import texts
from herder.remote.mcp.routes import ROUTES, arguments_for, route_of

UPID = "UPID:pve1:00001001:00000001:6B099C9C:qmclone:9001:herder@pve!tests:"
PLACE = "the MCP server m"


@pytest.mark.parametrize(
    ("text", "data"),
    [
        ('{"data": [{"vmid": 1}]}', [{"vmid": 1}]),
        ('[{"vmid": 1}]', [{"vmid": 1}]),
        ('{"result": "[1, 2]"}', [1, 2]),
        (UPID, UPID),
        (f'"{UPID}"', UPID),
        (f"✅ begun: {UPID}", UPID),
        ("null", None),
        ('{"data": null}', None),
        ('{"status": "running", "exitstatus": ""}', {"status": "running", "exitstatus": ""}),
    ],
)
def test_data_is_unwrapped(text: str, data: object) -> None:
    assert texts.error_in(text, marked=False) is None
    assert texts.data_in(text) == data


@pytest.mark.parametrize(
    "text",
    [
        "Error: VM 1 not found",
        "❌ Failed to clone",
        "✗ no",
        '{"error": "boom", "tool": "clone_vm"}',
        '{"error": {"code": 1, "message": "boom"}}',
        '{"success": false, "message": "boom"}',
        '"Error executing tool clone_vm"',
        "[error] boom",
        "**Error** boom",
        "Traceback (most recent call last):",
        "Raw Proxmox API access is disabled by PROXMOX_DISABLE_RAW_API.",
        "Tool 'clone_vm' is not active. Call route_tools first to find available tools.",
        "Unknown tool: clone_vm",
        "Permission check failed (/vms/1, VM.Clone)",
    ],
)
def test_errors_are_found_in_texts_without_a_mark(text: str) -> None:
    assert texts.error_in(text, marked=False)


@pytest.mark.parametrize(
    "text", ['{"data": [{"name": "error-burst-1"}]}', '[{"t": "Error: of a task"}]', UPID, "null"]
)
def test_data_with_the_word_error_is_data(text: str) -> None:
    assert texts.error_in(text, marked=False) is None


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("Error executing tool clone_vm: 500 Internal Server Error: VM 1 already exists on node 'pve1'", AlreadyExists),
        ("Server error '500 Configuration file 'nodes/pve1/qemu-server/1.conf' does not exist' for url 'https://h'", NotFound),
        ("Client error '403 Permission check failed (/vms/1, VM.Clone)' for url 'https://h'", Unauthorised),
        ("401 Unauthorized: authentication failure", Unauthorised),
        ("Client error '400 Parameter verification failed.' for url 'https://h'", InvalidRequest),
        ("500 Internal Server Error: no space left on device", OutOfCapacity),
        ("595 Errors during connection establishment, proxy handshake: no route to host", Unavailable),
        ("no space left on device", OutOfCapacity),
        ("HTTPSConnectionPool(host='h', port=9): Max retries exceeded with url: /", Unavailable),
        ("All connection attempts failed", Unavailable),
        ("HTTPSConnectionPool(host='h', port=9): Read timed out. (read timeout=30)", OutcomeUnknown),
        ("Proxmox MCP server is running in read-only mode; write operations are disabled", InvalidRequest),
        ("Unknown tool: clone_vm", InvalidRequest),
        ("1 validation error for clone_vmArguments", InvalidRequest),
        ("Error executing tool clone_vm", OutcomeUnknown),
        ("boom", OutcomeUnknown),
    ],
)  # fmt: skip
def test_what_proxmox_said_decides_the_error(text: str, kind: type[DriverError]) -> None:
    error = texts.error_of("cloning template 9 as VM 1", text, PLACE, writes=True)
    assert type(error) is kind, error
    assert str(error).endswith(".")


def test_a_read_has_no_open_outcome() -> None:
    for text in ("boom", "Read timed out.", "Error executing tool get_vm_config"):
        assert type(texts.error_of("reading VM 1", text, PLACE, writes=False)) is Unavailable


def test_the_last_error_of_the_tool_is_read_in_a_log() -> None:
    log = [
        "ERROR Tool 'start_vm' raised an unexpected exception",
        "ResourceException: 500 Internal Server Error: of another tool",
        "ERROR Tool 'clone_vm' raised an unexpected exception server.py:455",
        "╭─ Traceback ─╮",
        "ResourceException: 500 Internal Server Error: VM 1 already exists",
        "UnexpectedToolError: Error executing tool clone_vm",
    ]
    assert texts.explanation(log, "clone_vm") == "500 Internal Server Error: VM 1 already exists"
    assert texts.explanation(log, "stop_vm") == ""


def test_each_call_of_the_machines_has_one_route() -> None:
    assert len({each.key for each in ROUTES}) == len(ROUTES)
    found = route_of("POST", "/nodes/pve1/qemu/9001/config")
    assert found is not None
    assert (found[0].key, found[1]) == ("configure", {"node": "pve1", "vmid": "9001"})
    assert route_of("GET", "/nodes/pve1/storage/local/content") is None


def test_arguments_have_the_names_and_types_of_the_tool() -> None:
    schema = {
        "properties": {
            "vmid": {"type": "integer"},
            "full": {"type": "boolean"},
            "destroy_unreferenced_disks": {"type": "boolean"},
            "onboot": {"anyOf": [{"type": "boolean"}, {"type": "null"}]},
            "size": {"type": "string"},
        }
    }
    values = {
        "vmid": "7",
        "full": 0,
        "destroy-unreferenced-disks": 1,
        "onboot": 0,
        "size": 5,
        "digest": "d",
        "hostpci0": "x",
    }
    arguments, undeclared = arguments_for(schema, values)
    assert arguments == {
        "vmid": 7,
        "full": False,
        "destroy_unreferenced_disks": True,
        "onboot": False,
        "size": "5",
    }
    assert undeclared == ["hostpci0"]
