"""What goes wrong between the driver, an MCP server over HTTP and Proxmox: each has its error and its sentence."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from herder.drivers.mcp import McpDriver
from herder.model.fleet.bootstrap import BootData
from herder.model.fleet.driver import (
    AlreadyExists,
    DriverError,
    InvalidRequest,
    Machine,
    NotFound,
    OutcomeUnknown,
    Phase,
    StartData,
    Unauthorised,
    Unavailable,
)
from herder.model.fleet.worker import WorkerSpec
from herder.model.ids import WorkerName
from herder.model.values.resources import Resources
from herder.testing.mcp import McpRule
from herder.testing.mcp.faults import DIE, HANG, HIDDEN, JSON, LOSE_SESSION, MARKED, RUBBISH, SAY, TEXT
from herder.testing.proxmox import TOKEN_ID, Rule
from tests.drivers.mcp.lab import Site
from tests.drivers.proxmox import lab

WORKER = WorkerName("burst-1-0")


@pytest.fixture
def site() -> Iterator[Site]:
    found = Site()
    yield found
    found.close()


def spec(**changed: Any) -> WorkerSpec:
    plain = lab.spec(driver_options=(("template", "talos-worker"),), bootstrap="talos", driver="mcp")
    return replace(plain, **changed)


def until_running(site: Site, driver: McpDriver, machine: Machine) -> Machine:
    for _ in range(50):
        if machine.phase is not Phase.CREATING:
            return machine
        site.clock.ms += 5_000
        machine = driver.get(machine.worker, machine.operation)
    raise AssertionError(f"it is {machine}")


def rule(site: Site, does: str, tool: str, **more: Any) -> None:
    site.faults.rules.append(McpRule(does=does, tool=tool, **more))


# --- the server of MCP


def test_a_lost_session_is_begun_again_and_the_call_repeated(site: Site) -> None:
    driver = site.driver()
    driver.health()
    rule(site, LOSE_SESSION, "clone_vm")
    machine = until_running(site, driver, driver.create(spec(), lab.start()))
    assert machine.phase is Phase.RUNNING
    assert site.server.played.calls.count("clone_vm") == 2, "the refused call and its repetition"


def test_a_server_that_ends_in_a_call_leaves_its_outcome_open_and_nothing_is_doubled(site: Site) -> None:
    driver = site.driver()
    rule(site, DIE, "clone_vm", acts=True)
    with pytest.raises(OutcomeUnknown, match=r"while cloning template 900\d of node pve\d as VM \d+"):
        driver.create(spec(), lab.start())
    machine = until_running(site, driver, driver.get(WORKER))
    assert machine.phase is Phase.RUNNING
    assert [vmid for vmid in site.cluster.state.vms if vmid >= 20_000] == [int(machine.handle)]


def test_a_server_that_ends_in_a_read_is_asked_again(site: Site) -> None:
    driver = site.driver()
    rule(site, DIE, "get_cluster_resources")
    with pytest.raises(Unavailable) as caught:
        driver.list()
    assert not isinstance(caught.value, OutcomeUnknown)
    assert driver.list().machines == ()


def test_a_tool_that_hangs_is_late(site: Site) -> None:
    driver = site.driver(call_timeout_s=1.0)
    rule(site, HANG, "clone_vm")
    with pytest.raises(OutcomeUnknown, match=r"did not answer within 1 s while cloning"):
        driver.create(spec(), lab.start())
    site.server.let_go()
    assert driver.list().complete


@pytest.mark.parametrize("text", ["The VM is on its way!", "{not json", '"later"'])
def test_what_is_no_data_is_not_believed(site: Site, text: str) -> None:
    driver = site.driver()
    rule(site, SAY, "clone_vm", text=text)
    with pytest.raises(OutcomeUnknown, match=r"tool clone_vm .* without data of Proxmox"):
        driver.create(spec(), lab.start())
    rule(site, SAY, "get_cluster_resources", text=text)
    with pytest.raises(Unavailable):
        driver.list()


def test_an_answer_that_is_no_message_of_the_protocol(site: Site) -> None:
    driver = site.driver()
    rule(site, RUBBISH, "get_cluster_resources")
    with pytest.raises(Unavailable):
        driver.list()
    assert driver.list().complete


def test_the_id_of_a_task_is_found_in_prose(site: Site) -> None:
    driver = site.driver()
    upid = "UPID:pve1:00001001:00000001:6B099C9C:qmclone:9001:herder@pve!tests:"
    rule(site, SAY, "clone_vm", text=f"✅ Cloning has begun (task {upid}).")
    assert driver.create(spec(), lab.start()).operation.endswith(upid)


def test_a_missing_tool_is_named_with_its_setting(site: Site) -> None:
    site.faults.without = "clone_vm"
    driver = site.driver()
    with pytest.raises(InvalidRequest, match=r"has no tool clone_vm for cloning .* tools: clone=NAME"):
        driver.create(spec(), lab.start())
    failed = [each for each in driver.checks() if not each.passed]
    assert [(each.name, each.remedy) for each in failed] == [
        ("tool clone", "Name the tool in the settings: tools: clone=NAME.")
    ]


def test_the_setting_tools_names_another_tool(site: Site) -> None:
    driver = site.driver(tools="stop=shutdown_vm")
    until_running(site, driver, driver.create(spec(), lab.start()))
    driver.delete(WORKER)
    assert "shutdown_vm" in site.server.played.calls
    with pytest.raises(InvalidRequest, match="has no tool no_such_tool for cloning"):
        site.driver(tools="clone=no_such_tool").create(spec(name=WorkerName("burst-1-1")), lab.start())


def test_a_version_of_the_protocol_that_is_unknown(site: Site) -> None:
    site.faults.version = "2039-01-01"
    driver = site.driver()
    with pytest.raises(InvalidRequest, match=r"speaks no version of MCP that Herder knows: .*2039-01-01"):
        driver.health()
    assert [each.passed for each in driver.checks()] == [False]


def test_a_token_that_the_server_does_not_accept(site: Site) -> None:
    url = site.serve(token="right").url
    site.driver(url=url, token="right").health()
    with pytest.raises(
        Unauthorised, match=r"does not accept the token of the driver \(status 401\)"
    ) as caught:
        site.driver(url=url, token="much-too-wrong").health()
    assert "much-too-wrong" not in str(caught.value)


def test_a_server_that_is_not_there(site: Site) -> None:
    with pytest.raises(Unavailable, match=r"MCP server http://127.0.0.1:9/mcp cannot be reached"):
        site.driver(url="http://127.0.0.1:9/mcp").health()


def test_a_closed_driver_says_so(site: Site) -> None:
    driver = site.driver()
    driver.health()
    driver.close()
    with pytest.raises(Unavailable, match="was closed"):
        driver.list()


# --- errors of Proxmox, hidden in texts


@pytest.mark.parametrize("style", [JSON, TEXT, MARKED])
def test_errors_of_proxmox_are_found_in_the_text(site: Site, style: str) -> None:
    site.faults.style = style
    driver = site.driver()
    with pytest.raises(NotFound, match=r"777.conf' does not exist"):
        driver._api.config("pve1", 777)
    with pytest.raises(AlreadyExists):
        driver._api.clone("pve1", 9001, {"newid": 9002, "name": "copy"})
    token = site.cluster.state.tokens[TOKEN_ID]
    token.grants["/"] = token.grants["/"] - {"VM.Clone"}
    with pytest.raises(Unauthorised, match=r"lacks the privilege VM.Clone on /vms/900\d"):
        driver.create(spec(), lab.start())
    token.grants.clear()
    token.secret = "another"
    with pytest.raises(Unauthorised, match="does not accept the API token"):
        driver.list()


def test_an_error_without_an_explanation_is_no_proof(site: Site) -> None:
    site.faults.style = HIDDEN
    driver = site.driver()
    with pytest.raises(OutcomeUnknown, match="it gives no reason"):
        driver._api.clone("pve1", 9001, {"newid": 9002, "name": "copy"})
    with pytest.raises(Unavailable) as caught:
        driver._api.config("pve1", 777)
    assert type(caught.value) is Unavailable


def test_a_task_that_fails_says_why(site: Site) -> None:
    driver = site.driver()
    site.cluster.faults.add(Rule(task="qmclone", text="no space left on device"))
    machine = driver.create(spec(), lab.start())
    with pytest.raises(DriverError, match="no space left on device"):
        until_running(site, driver, machine)


def test_arguments_that_a_tool_drops_are_noticed(site: Site) -> None:
    """The mapping of a GPU is no declared argument of `set_vm_config`."""
    options = (("template", "talos-worker"), ("gpu_mapping", "t4"))
    wants = spec(driver_options=options, allocatable=Resources(1000, 512, gpu=1))
    site.faults.extra_arguments = False
    driver = site.driver()
    with pytest.raises(InvalidRequest, match="does not take hostpci0"):
        until_running(site, driver, driver.create(wants, lab.start()))


# --- machines that could never join


def test_a_pool_without_a_bootstrap_is_refused_before_anything_is_made(site: Site) -> None:
    driver = site.driver()
    with pytest.raises(InvalidRequest, match=r"Pool burst: driver mcp delivers no boot data .* no bootstrap"):
        driver.create(spec(bootstrap=""), lab.start())
    boot = StartData(
        server_url="http://127.0.0.1:9",
        activation_token="hush",
        self_delete_after_s=60.0,
        boot=BootData(user_data="#cloud-config"),
    )
    with pytest.raises(InvalidRequest, match="bootstrap talos needs boot data"):
        driver.create(spec(), boot)
    assert "clone_vm" not in site.server.played.calls
