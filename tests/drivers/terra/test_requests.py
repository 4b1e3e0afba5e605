"""What the driver asks of Terra for a worker, what it reads back, and what it checks."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import httpx
import pytest

from herder.drivers.terra import TerraDriver, TerraSettings, make, pool_faults
from herder.drivers.terra.credentials import TokenFile
from herder.drivers.terra.options import KNOWN
from herder.drivers.terra.rights import ROLES
from herder.model.fleet.bootstrap import BootData
from herder.model.fleet.driver import DriverContext, InvalidRequest, NotFound, Phase, Unauthorised
from herder.model.fleet.driver_capabilities import capabilities
from herder.remote.clouds.start_script import STATE_FOLDER
from herder.testing.fakes import Rule, serving
from herder.testing.fakes.user_data import script_in
from herder.testing.terra import REGION, TOKEN, WORKSPACE, Terra
from tests.drivers.terra.lab import OPTIONS, SETTINGS, SIZE, URL, Lab, spec, start
from tests.support.pools import pool_spec

WORKER = spec().name


def script_of(lab: Lab) -> str:
    return script_in(lab.vm.custom_data)


def test_a_spot_vm_and_its_marks(lab: Lab, driver: TerraDriver) -> None:
    machine = lab.running(driver, spot=True, zone=REGION)
    common, vm = lab.vm.body["common"], lab.vm.body["azureVm"]
    assert machine.handle == common["name"] == lab.vm.name
    assert {name: common[name] for name in ("accessScope", "managedBy", "cloningInstructions")} == {
        "accessScope": "PRIVATE_ACCESS",
        "managedBy": "USER",
        "cloningInstructions": "COPY_NOTHING",
    }
    assert {each["key"]: each["value"] for each in common["properties"]} == {
        "herder-worker": "burst-1-0", "herder-installation": "lab", "herder-pool": "burst",
        "herder-template": "medium", "herder-zone": REGION, "herder-spot": "true",
    }  # fmt: skip
    assert (vm["vmSize"], vm["priority"], vm["ephemeralOSDisk"]) == (SIZE, "SPOT", "NONE")
    assert len(vm["name"]) <= 15, "then the host has the name of its VM, by which it knows its interruptions"
    assert "hush" not in vm["vmUser"]["password"]
    (read,) = lab.driver().list()
    assert read.tags is not None
    assert (read.tags.pool, read.tags.template, read.tags.zone, read.tags.spot) == ("burst", "medium", REGION, True)  # fmt: skip


def test_options_of_a_pool_are_over_those_of_the_driver(lab: Lab) -> None:
    driver = lab.driver(
        image="Other:image:of:others", work_folder="/mnt/herder", ephemeral_os_disk="OS_CACHE"
    )
    options = (*OPTIONS, ("image", SETTINGS.image), ("ephemeral_os_disk", "TMP_DISK"))
    lab.running(driver, driver_options=options)
    vm = lab.vm.body["azureVm"]
    assert ":".join(vm["vmImage"].values()) == SETTINGS.image
    assert (vm["priority"], vm["ephemeralOSDisk"]) == ("REGULAR", "TMP_DISK")
    assert "export HERDER_WORK_FOLDER=/mnt/herder" in script_of(lab).splitlines()


def test_the_start_script_tells_the_agent_who_it_is(lab: Lab, driver: TerraDriver) -> None:
    lab.running(driver, spot=True)
    lines = script_of(lab).splitlines()
    for line in (
        "export HERDER_SERVER=http://10.0.0.5:8080",
        "export HERDER_WORKER=burst-1-0",
        "export HERDER_ACTIVATION_TOKEN=hush-hush",
        "export HERDER_NOTICE_URL='http://169.254.169.254/metadata/scheduledevents?api-version=2020-07-01'",
        "/usr/local/bin/herder agent",
    ):
        assert line in lines


def test_a_vm_deletes_itself_before_it_is_switched_off(lab: Lab, tmp_path: Path) -> None:
    """What it asks of Terra is what the played Terra takes."""
    driver = lab.driver(agent_command=f"{tmp_path}/agent")
    lab.running(driver)
    script, told, body = tmp_path / "start.sh", tmp_path / "told", tmp_path / "body"
    script.write_text(script_of(lab).replace(STATE_FOLDER, str(tmp_path / "state")))
    token = f'{{"access_token":"{TOKEN}","expires_in":"86399"}}'
    keep = f'while [ "$1" != -d ]; do shift; done; printf "%s" "$2" >{body}; printf "%s" "$3" >{tmp_path}/address; cat >{tmp_path}/header'
    answers = f"case \"$*\" in *identity/oauth2*) printf '%s' '{token}' ;; *POST*) {keep} ;; esac"
    for name, lines in (("agent", ""), ("curl", answers), ("shutdown", "")):
        program = tmp_path / name
        program.write_text(f'#!/bin/sh\necho "{name} $*" >>{told}\n{lines}\n')
        program.chmod(0o755)
    tools = {"PATH": f"{tmp_path}:/usr/bin:/bin"}
    done = subprocess.run(["/bin/sh", str(script)], env=tools, capture_output=True, text=True, check=True)
    agent, ask, delete, off = told.read_text().splitlines()
    assert (agent.strip(), off) == ("agent", "shutdown -h now")
    assert "resource=https%3A%2F%2Fmanagement.azure.com" in ask
    assert delete.startswith("curl -sf -K - -X POST -H Content-Type: application/json -d ")
    assert TOKEN not in done.stdout + done.stderr + delete
    shellcheck = str(Path(sys.executable).with_name("shellcheck"))
    subprocess.run([shellcheck, "--shell=sh", str(script)], check=True)
    name, _, value = (tmp_path / "header").read_text().strip().removeprefix('header = "').removesuffix('"').partition(": ")  # fmt: skip
    address = (tmp_path / "address").read_text()
    assert address.startswith(f"{URL}/api/workspaces/v1/{WORKSPACE}/")
    with serving(lab.terra, start_ms=lab.clock.ms) as server:
        answer = httpx.post(
            address.replace(URL, server.url), content=body.read_bytes(), headers={name: value}
        )
    assert answer.status_code == 202
    assert lab.vm.state == "DELETING"


def test_a_vm_that_may_not_is_switched_off_alone(lab: Lab) -> None:
    lab.running(lab.driver(deletes_itself=False))
    assert "curl" not in script_of(lab)


def test_the_boot_data_of_a_bootstrap_is_delivered_unread(lab: Lab, driver: TerraDriver) -> None:
    begun = driver.create(spec(), replace(start(), boot=BootData(user_data="version: v1alpha1\n")))
    lab.settled(driver, begun)
    assert lab.vm.custom_data == "version: v1alpha1\n"


def test_what_it_can_do(driver: TerraDriver) -> None:
    assert capabilities(driver) == ("Checks", "Operations")


def test_operations_are_told_also_when_the_vm_is_gone(lab: Lab, driver: TerraDriver) -> None:
    lab.terra.rows_max = 1
    lab.terra.faults.add(Rule(operation="create", code="InternalOperationError", text="An internal error."))
    driver.create(spec(), start())
    assert [each.state for each in driver.operations(WORKER)] == ["running"]
    lab.jump(60)
    machine = lab.running(driver)
    made = driver.operations(WORKER)[0]
    assert (made.kind, made.state, made.by) == ("CREATE", "done", "herder@example.com")
    with pytest.raises(NotFound):
        lab.settled(driver, driver.delete(machine.worker))
    lab.running(driver, name="burst-1-1")
    found = lab.driver().operations(WORKER)
    assert [(each.kind, each.state) for each in found] == [("DELETE", "done"), ("CREATE", "done"), ("CREATE", "failed")]  # fmt: skip
    assert "An internal error." in found[-1].detail


# --- checks


@pytest.mark.parametrize("role", ["WRITER", "OWNER", "PROJECT_OWNER"])
def test_a_role_that_may_create_vms_passes(lab: Lab, driver: TerraDriver, role: str) -> None:
    lab.terra.state.role = role
    assert all(each.passed for each in driver.checks())
    assert lab.running(driver).phase is Phase.RUNNING


@pytest.mark.parametrize("role", ["READER", "APPLICATION"])
def test_a_role_that_may_not_is_named_with_the_one_that_may(lab: Lab, driver: TerraDriver, role: str) -> None:
    lab.terra.state.role = role
    (failed,) = [each for each in driver.checks() if not each.passed]
    assert (failed.name, failed.detail) == ("role WRITER", f"The role of the account is {role}.")
    assert failed.remedy == "Share the workspace with the account as WRITER."
    with pytest.raises(Unauthorised):
        driver.create(spec(), start())


def test_a_check_of_a_workspace_that_is_not_there_or_not_on_azure(lab: Lab, driver: TerraDriver) -> None:
    (failed,) = lab.driver(workspace="00000000-0000-0000-0000-000000000000").checks()
    assert not failed.passed
    assert "Correct the setting workspace" in failed.detail
    for context in (None, {"operationState": {"state": "CREATING"}}):
        body = {"highestRole": "OWNER", "azureContext": context}
        lab.terra.faults.add(Rule(path=f"/{WORKSPACE}$", status=200, body=body))
        (failed,) = [each for each in driver.checks() if not each.passed]
        assert failed.name == "workspace on Azure"
    lab.terra.faults.add(Rule(path="/resources$", status=503, times=4))
    (failed,) = [each for each in driver.checks() if not each.passed]
    assert failed.name == "list of VMs"


def test_the_page_names_the_roles_and_each_setting_and_option() -> None:
    page = (Path(__file__).parents[3] / "docs/how-to/terra.md").read_text()
    settings = {each.name for each in fields(TerraSettings)}
    assert {name for name in (*ROLES, *settings, *KNOWN) if f"`{name}`" not in page} == set()


# --- who calls


def test_a_token_in_a_file_is_read_for_each_call(tmp_path: Path) -> None:
    file, terra = tmp_path / "token", Terra()
    with serving(terra) as server:
        settings = replace(SETTINGS, url=server.url, token_file=str(file))
        driver = make(settings, DriverContext(name="terra"))
        with pytest.raises(Unauthorised, match="token cannot be read: No such file"):
            driver.health()
        file.write_text("old\n")
        with pytest.raises(Unauthorised, match="Invalid or expired token"):
            driver.health()
        file.write_text(f"{TOKEN}\n")
        driver.health()
        driver.close()


@pytest.mark.parametrize("content", [b"", b"two words", b"{\n}", b"\xff\xfe", b"a\x00b"])
def test_a_file_without_a_token_is_said(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "token"
    file.write_bytes(content)
    with pytest.raises(Unauthorised, match=r"has no token\. Write what"):
        TokenFile(str(file)).sign(httpx.Request("GET", URL))


def test_without_a_file_azures_own_credentials_are_used(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    """Those of the machine here; the others are tested for Azure."""
    for name in ("AZURE_CLIENT_ID", "AZURE_TENANT_ID"):
        monkeypatch.delenv(name, raising=False)
    with serving(Terra()) as server:
        settings = replace(SETTINGS, url=server.url, metadata_url=server.url, login_url=server.url)
        driver = make(settings, DriverContext(name="terra"))
        driver.health()
        driver.close()


# --- settings


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"workspace": "my workspace"}, "not the id of a workspace"),
        ({"url": "workspace.example"}, "url 'workspace.example' is not an address"),
        ({"zone": "South Central"}, "zone 'South Central' is not possible"),
        ({"image": "debian"}, "image 'debian' is not possible; write for example Debian:debian-12"),
        ({"admin_user": "Root User"}, "admin_user 'Root User' is not possible"),
        ({"ephemeral_os_disk": "yes"}, "NONE, OS_CACHE or TMP_DISK"),
        ({"work_folder": "mnt"}, "work_folder 'mnt' is not possible"),
        ({"calls_per_s": 0.0}, "calls_per_s must be from"),
        ({"agent_command": " "}, "agent_command is empty"),
    ],
)
def test_bad_settings_are_refused(changed: dict[str, Any], words: str) -> None:
    plain = {"url": URL, "workspace": WORKSPACE}
    TerraSettings(**plain)
    with pytest.raises(ValueError, match=words):
        TerraSettings(**{**plain, **changed})


@pytest.mark.parametrize(
    ("name", "value"),
    [("vm_size", "big"), ("ephemeral_os_disk", "none"), ("image", "/subscriptions/x"), ("zone", "x")],
)
def test_bad_options_of_a_pool_are_found_before_a_server_starts(name: str, value: str) -> None:
    options = (*(each for each in OPTIONS if each[0] != name), (name, value))
    found = pool_faults(pool_spec("burst", driver="terra", driver_options=options))
    assert name in {fault[0] for fault in found}


def test_good_options_have_no_faults() -> None:
    options = (*OPTIONS, ("image", SETTINGS.image), ("ephemeral_os_disk", "TMP_DISK"))
    assert pool_faults(pool_spec("burst", driver="terra", driver_options=options)) == []
    with pytest.raises(InvalidRequest, match="a region that the setting zone does not name"):
        TerraDriver(
            replace(SETTINGS, zone=""),
            DriverContext(name="terra"),
            None,  # type: ignore[arg-type]
        ).create(spec(zone="x1"), start())
