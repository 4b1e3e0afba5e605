"""What the driver asks of Azure for a worker, what it reads back, and what it offers."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from herder.drivers.azure import AzureDriver, AzureSettings, pool_faults
from herder.drivers.azure.rights import ADDRESS, GROUP, IDENTITY, NEEDED, READS, allowed, documented
from herder.model.fleet.bootstrap import BootData
from herder.model.fleet.driver import InvalidRequest, NotFound, OutOfCapacity, Phase, Unavailable
from herder.model.fleet.driver_capabilities import Need, capabilities
from herder.model.values.money import usd_text
from herder.model.values.resources import Resources
from herder.remote.clouds.start_script import STATE_FOLDER
from herder.testing.azure import GROUP as RESOURCE_GROUP
from herder.testing.azure import SUBSCRIPTION, Size, small_subscription
from herder.testing.azure.settings import GALLERY_IMAGE, IMAGE_ID, retail
from herder.testing.fakes import Rule
from herder.testing.fakes.user_data import script_in
from tests.drivers.azure.lab import OPTIONS, SETTINGS, SIZE, ZONE, Lab, spec, start
from tests.support.pools import pool_spec

RESOURCES = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/{RESOURCE_GROUP}/providers"
IDENTITY_ID = f"{RESOURCES}/Microsoft.ManagedIdentity/userAssignedIdentities/worker"
SECURITY_GROUP = f"{RESOURCES}/Microsoft.Network/networkSecurityGroups/closed"


def script_of(lab: Lab) -> str:
    return script_in(lab.vm.custom_data)


def test_a_spot_vm_and_its_parts(lab: Lab) -> None:
    driver = lab.driver(spot_max_price="0.05")
    machine = lab.running(driver, spot=True, zone=ZONE, allocatable=Resources(2000, 8192, 50 * 1024))
    vm, name = lab.vm, lab.vm.name
    assert {key: vm.body[key] for key in ("location", "zones")} == {
        "location": "westeurope",
        "zones": ["1"],
    }
    properties = vm.body["properties"]
    market = {key: properties[key] for key in ("priority", "evictionPolicy", "billingProfile")}
    assert market == {"priority": "Spot", "evictionPolicy": "Delete", "billingProfile": {"maxPrice": 0.05}}
    disk = properties["storageProfile"]["osDisk"]
    assert (disk["name"], disk["diskSizeGB"], disk["deleteOption"]) == (f"{name}-disk", 80, "Delete")
    assert properties["osProfile"]["computerName"] == name, "scheduled events name the VM"
    tags = {
        "herder-worker": "burst-1-0", "herder-installation": "lab", "herder-pool": "burst",
        "herder-template": "medium", "herder-zone": ZONE, "herder-spot": "true",
    }  # fmt: skip
    assert all(each.body["tags"] == tags for each in lab.azure.state.parts.values())
    assert sorted(lab.left()) == [
        f"disks {name}-disk", name, f"networkInterfaces {name}-nic", f"publicIPAddresses {name}-ip",
    ]  # fmt: skip
    assert len(machine.addresses) == 2
    (read,) = lab.driver().list()
    assert read.tags is not None
    assert (read.tags.pool, read.tags.template, read.tags.zone, read.tags.spot) == (
        "burst",
        "medium",
        ZONE,
        True,
    )


def test_a_plain_vm_says_nothing_of_spot_and_is_warned_of_nothing(lab: Lab) -> None:
    lab.running(lab.driver(public_ip=False, security_group=SECURITY_GROUP), zone="northeurope")
    properties = lab.vm.body["properties"]
    assert properties["priority"] == "Regular"
    assert {"evictionPolicy", "billingProfile", "scheduledEventsProfile"}.isdisjoint(properties)
    assert {"zones", "identity"}.isdisjoint(lab.vm.body)
    assert "HERDER_NOTICE_URL" not in script_of(lab)
    kinds = sorted(kind for kind, _ in lab.azure.state.parts)
    assert kinds == ["disks", "networkInterfaces"]
    (card,) = [each for each in lab.azure.state.parts.values() if each.kind == "networkInterfaces"]
    assert card.body["properties"]["networkSecurityGroup"] == {"id": SECURITY_GROUP}
    subnet = card.body["properties"]["ipConfigurations"][0]["properties"]["subnet"]["id"]
    assert subnet.endswith("/virtualNetworks/herder-northeurope/subnets/workers")


def test_the_start_script_runs_at_each_boot_and_tells_the_agent_who_it_is(
    lab: Lab, driver: AzureDriver
) -> None:
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
    assert "-X DELETE" not in script_of(lab)


def test_a_vm_that_may_deletes_itself_before_it_is_switched_off(lab: Lab, tmp_path: Path) -> None:
    driver = lab.driver(identity=IDENTITY_ID, deletes_itself=True, agent_command=f"{tmp_path}/agent")
    lab.running(driver)
    assert lab.vm.body["identity"] == {"type": "UserAssigned", "userAssignedIdentities": {IDENTITY_ID: {}}}
    script, told = tmp_path / "start.sh", tmp_path / "told"
    script.write_text(script_of(lab).replace(STATE_FOLDER, str(tmp_path / "state")))
    token = '{"access_token":"eyJ.a-b_c","expires_in":"86399"}'
    answers = f"case \"$*\" in *identity/oauth2*) printf '%s' '{token}' ;; *DELETE*) cat >>{told} ;; esac"
    for name, lines in (("agent", ""), ("curl", answers), ("shutdown", "")):
        program = tmp_path / name
        program.write_text(f'#!/bin/sh\necho "{name} $*" >>{told}\n{lines}\n')
        program.chmod(0o755)
    tools = {"PATH": f"{tmp_path}:/usr/bin:/bin"}
    done = subprocess.run(["/bin/sh", str(script)], env=tools, capture_output=True, text=True, check=True)
    agent, ask, delete, header, off = told.read_text().splitlines()
    assert (agent.strip(), off) == ("agent", "shutdown -h now")
    assert ask.startswith("curl -sf -H Metadata:true http://169.254.169.254/metadata/identity/oauth2/token?")
    assert "mi_res_id=%2Fsubscriptions%2F" in ask
    vm = f"https://management.azure.com{RESOURCES}/Microsoft.Compute/virtualMachines/{lab.vm.name}"
    assert delete == f"curl -sf -K - -X DELETE {vm}?api-version=2024-07-01&forceDeletion=true"
    assert header == 'header = "Authorization: Bearer eyJ.a-b_c"'
    assert "eyJ" not in done.stdout + done.stderr
    shellcheck = str(Path(sys.executable).with_name("shellcheck"))
    subprocess.run([shellcheck, "--shell=sh", str(script)], check=True)


def test_the_boot_data_of_a_bootstrap_is_delivered_unread(lab: Lab, driver: AzureDriver) -> None:
    begun = driver.create(spec(), replace(start(), boot=BootData(user_data="version: v1alpha1\n")))
    lab.settled(driver, begun)
    assert lab.vm.custom_data == "version: v1alpha1\n"


@pytest.mark.parametrize(
    ("image", "reference"),
    [
        ("Debian:debian-12:12-gen2:latest", {"publisher": "Debian", "offer": "debian-12", "sku": "12-gen2", "version": "latest"}),
        ("/subscriptions/x/resourceGroups/g/providers/Microsoft.Compute/galleries/a/images/b", {"id": "/subscriptions/x/resourceGroups/g/providers/Microsoft.Compute/galleries/a/images/b"}),
        ("/CommunityGalleries/a/Images/b/Versions/1", {"communityGalleryImageId": "/CommunityGalleries/a/Images/b/Versions/1"}),
        ("/SharedGalleries/a/Images/b/Versions/1", {"sharedGalleryImageId": "/SharedGalleries/a/Images/b/Versions/1"}),
    ],
)  # fmt: skip
def test_images_are_named_in_four_ways(image: str, reference: dict[str, str]) -> None:
    from herder.drivers.azure.bodies import image_of

    assert image_of(image) == reference


def test_the_console_is_the_serial_log_and_a_reboot_restarts(lab: Lab, driver: AzureDriver) -> None:
    lab.running(driver)
    lab.vm.console = "herder: the agent starts\n"
    assert driver.console(spec().name) == "herder: the agent starts\n"
    heard: list[str] = []
    lab.azure.state.hooks.append(lambda what, _vm: heard.append(what))
    assert driver.reboot(spec().name).phase is Phase.RUNNING
    lab.jump(2)
    assert heard == ["reset"]


def test_the_signature_of_a_boot_log_is_not_told(lab: Lab, driver: AzureDriver) -> None:
    lab.running(driver)
    lab.azure.faults.add(
        Rule(path="/bootdiagnostics-herder/", status=500, text="of sig=signature-of-the-boot-log", times=4)
    )
    with pytest.raises(Unavailable) as caught:
        driver.console(spec().name)
    lab.azure.faults.clear()
    assert "blob.core.windows.net/bootdiagnostics" not in str(caught.value)


def test_what_it_can_do(driver: AzureDriver) -> None:
    assert capabilities(driver) == (
        "Checks",
        "Console",
        "Offers",
        "Operations",
        "Prices",
        "Quotas",
        "Reboots",
    )


def test_operations_of_a_vm_are_told_also_when_it_is_gone(lab: Lab, driver: AzureDriver) -> None:
    assert driver.operations(spec().name) == []
    begun = driver.create(spec(), start())
    assert [each.state for each in driver.operations(spec().name)] == ["running"]
    lab.settled(driver, begun)
    began = lab.vm.created_ms
    (made,) = driver.operations(spec().name)
    assert (made.kind, made.state, made.detail) == ("Microsoft.Compute/virtualMachines/write", "done", "")
    assert (made.began_ms, made.by) == (began, "herder@example.com")
    driver.delete(spec().name)
    lab.jump(60)
    lab.running(lab.driver(), name="burst-1-1")
    kinds = [(each.kind.rpartition("/")[2], each.state) for each in lab.driver().operations(spec().name)]
    assert kinds == [("delete", "done"), ("write", "done")]


def test_an_operation_that_failed_says_why(lab: Lab, driver: AzureDriver) -> None:
    lab.azure.state.sold_out.add((ZONE, False))
    driver.create(spec(), start())
    lab.jump(30)
    (failed,) = driver.operations(spec().name)
    assert failed.state == "failed"
    assert "ZonalAllocationFailed" in failed.detail


# --- offers, prices, quotas


def test_prices_are_those_of_linux_by_the_hour(driver: AzureDriver) -> None:
    prices = {(each.shape, each.zone, each.spot): usd_text(each.pico_per_hour) for each in driver.prices()}
    assert prices[SIZE, ZONE, False] == "0.115"
    assert prices[SIZE, ZONE, True] == "0.023"
    assert prices["Standard_NC4as_T4_v3", ZONE, False] == "0.558"
    assert ("Standard_NC4as_T4_v3", ZONE, True) not in prices, "nobody knows what it costs"
    assert ("Standard_NC4as_T4_v3", "northeurope", False) not in prices
    assert all(each.as_of_ms is not None for each in driver.prices())


@pytest.mark.parametrize(
    ("rows", "price"),
    [
        ([retail("westeurope", SIZE, 0.1), retail("westeurope", SIZE, 0.2)], "0.2"),
        ([retail("westeurope", SIZE, 0.0)], None),
        ([retail("westeurope", SIZE, 0.1, unit="1/Month")], None),
        ([retail("westeurope", SIZE, 0.1, product="Dsv5 Series Dedicated Host")], None),
        ([retail("westeurope", SIZE, 0.1) | {"currencyCode": "EUR"}], None),
    ],
)
def test_a_price_is_never_less_than_it_costs(rows: list[dict[str, Any]], price: str | None) -> None:
    lab = Lab(inventory=small_subscription(retail=tuple(rows)))
    found = [usd_text(each.pico_per_hour) for each in lab.driver(zones=ZONE).prices()]
    lab.close()
    assert found == ([] if price is None else [price])


def test_prices_come_in_pages_and_can_be_left_alone(lab: Lab, driver: AzureDriver) -> None:
    lab.azure.pages.rows_max = 3
    assert len(driver.prices()) == len(lab.driver().prices()) == 14
    assert lab.driver(prices=False).prices() == ()


def test_quotas_stay_when_they_cannot_be_read_and_say_their_age(lab: Lab, driver: AzureDriver) -> None:
    first = driver.quotas()
    assert {each.name for each in first} >= {"cores", "lowPriorityCores", "standardDSv5Family"}
    lab.running(driver)
    lab.jump(120)
    lab.azure.faults.add(Rule(path="/usages", status=503, times=-1))
    later = driver.quotas()
    assert [each.as_of_ms for each in later] == [each.as_of_ms for each in first]
    lab.azure.faults.clear()
    lab.jump(120)
    used = {(each.name, each.zone): each.used for each in driver.quotas()}
    assert used["cores", "westeurope"] == 2
    fresh = lab.driver()
    lab.azure.faults.add(Rule(path="/usages", status=503, times=-1))
    with pytest.raises(Unavailable):
        fresh.quotas()


def test_offers_are_sizes_in_zones_on_demand_and_spot(lab: Lab, driver: AzureDriver) -> None:
    offers = {(each.name, each.spot): each for each in driver.offers()}
    assert offers["Standard_NC4as_T4_v3", True].resources == Resources(4000, 28 * 1024, 0, 1)
    assert offers[SIZE, False].zones == SETTINGS.zone_names
    assert ("Standard_B2s", True) not in offers, "Azure does not sell it as spot"
    lab.azure.state.restricted.add((SIZE, "westeurope"))
    again = {(each.name, each.spot): each for each in lab.driver().offers()}
    assert again[SIZE, False].zones == ("northeurope",), "where the subscription may have it"


def test_a_family_is_found_whatever_its_letters() -> None:
    size = Size(name=SIZE, family="StandardDsv5Family", cpus=2, memory_gib=8)
    lab = Lab(inventory=small_subscription(sizes=(size,)))
    driver = lab.driver()
    driver.offers(), driver.quotas()
    assert driver.need(spec()).quotas == {"cores": 2, "standardDSv5Family": 2, "virtualMachines": 1}
    lab.close()


@pytest.mark.parametrize("spot", [False, True])
def test_a_running_vm_took_what_was_needed(lab: Lab, driver: AzureDriver, spot: bool) -> None:
    assert driver.need(spec(spot=spot)) == Need(shape="Standard_D2s_v5"), "nothing was read yet"
    driver.offers()
    before = {each.name: each.used for each in driver.quotas() if each.zone == "westeurope"}
    need = driver.need(spec(spot=spot))
    cores = {"lowPriorityCores": 2} if spot else {"cores": 2, "standardDSv5Family": 2}
    assert need == Need(
        quotas={**cores, "virtualMachines": 1}, zones=("westeurope",), shape="Standard_D2s_v5"
    )
    lab.running(driver, spot=spot)
    lab.jump(120)
    after = {each.name: each.used for each in driver.quotas() if each.zone == "westeurope"}
    assert {name: after[name] - before[name] for name in need.quotas} == need.quotas
    with pytest.raises(InvalidRequest, match="vm_size"):
        driver.need(spec(driver_options=()))


# --- checks


def test_a_check_names_each_missing_permission(lab: Lab, driver: AzureDriver) -> None:
    assert all(check.passed for check in driver.checks())
    lab.azure.state.missing.update(
        {"Microsoft.Compute/virtualMachines/delete", "Microsoft.Compute/skus/read"}
    )
    failed = {check.name: check for check in driver.checks() if not check.passed}
    assert set(failed) == {
        "sizes of VMs in westeurope",
        "sizes of VMs in northeurope",
        "Microsoft.Compute/virtualMachines/delete",
        "Microsoft.Compute/skus/read",
    }
    assert failed["Microsoft.Compute/virtualMachines/delete"].remedy == (
        "Add it to the role of the account in resource group herder."
    )
    assert f"in subscription {SUBSCRIPTION}" in failed["Microsoft.Compute/skus/read"].remedy
    assert "Microsoft.Compute/skus/read" in failed["sizes of VMs in westeurope"].detail


def test_permissions_that_cannot_be_read_are_not_all_missing(lab: Lab, driver: AzureDriver) -> None:
    lab.azure.state.missing.add("Microsoft.Authorization/permissions/read")
    (failed,) = [each for each in driver.checks() if not each.passed]
    assert failed.name == "Microsoft.Authorization/permissions/read"
    assert "lacks the permission Microsoft.Authorization/permissions/read" in failed.detail


def test_a_check_without_credentials_says_so_and_changes_nothing(lab: Lab) -> None:
    checks = lab.driver(token="other").checks()
    assert [each.name for each in checks if each.passed] == ["prices in westeurope", "prices in northeurope"]
    assert lab.left() == []


def test_rights_are_counted_as_azure_counts_them() -> None:
    write = "Microsoft.Compute/virtualMachines/write"
    assert allowed(write, [{"actions": ["microsoft.compute/*"], "notActions": []}])
    assert not allowed(write, [{"actions": ["*"], "notActions": ["Microsoft.Compute/*/write"]}])
    assert allowed(write, [{"actions": ["*"], "notActions": ["*/write"]}, {"actions": [write]}])
    assert not allowed(write, [])


def test_the_role_has_exactly_the_permissions_that_are_used(lab: Lab) -> None:
    driver = lab.driver(identity=IDENTITY_ID, security_group=SECURITY_GROUP)
    machine = lab.running(driver, spot=True)
    for part in lab.azure.state.parts.values():
        part.stays = True
    (
        driver.list(),
        driver.console(machine.worker),
        driver.reboot(machine.worker),
        driver.health(),
        driver.operations(machine.worker),
    )
    driver.quotas(), driver.prices(), driver.checks()
    with pytest.raises(NotFound):
        lab.settled(driver, driver.delete(machine.worker))
    for number, image in enumerate((IMAGE_ID, GALLERY_IMAGE), start=1):
        lab.running(lab.driver(image=image), name=f"burst-1-{number}")
    lab.azure.state.sold_out.add(("westeurope-1", False))
    with pytest.raises(OutOfCapacity):
        lab.running(driver)
    assert lab.azure.permissions == {*NEEDED, *ADDRESS, *GROUP, *IDENTITY, *READS}
    assert all(permission in documented() for permission in lab.azure.permissions)


# --- settings


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"subscription": "my subscription"}, "not the id of a subscription"),
        ({"resource_group": "a/b"}, "not the name of a resource group"),
        ({"zones": ""}, "zones is empty"),
        ({"zones": "westeurope-x"}, "'westeurope-x' is neither a location nor a zone"),
        ({"image": "debian"}, "image 'debian' is not possible"),
        ({"subnet": "workers"}, "subnet 'workers' is not possible; write for example NETWORK/SUBNET"),
        ({"identity": "worker"}, "identity 'worker' is not possible"),
        ({"ssh_public_key": ""}, "ssh_public_key is empty"),
        ({"ssh_public_key": "-----BEGIN PRIVATE KEY-----"}, "is not possible"),
        ({"eviction_policy": "Keep"}, "Delete or Deallocate"),
        ({"spot_max_price": "cheap"}, "not an amount of US dollars"),
        ({"deletes_itself": True}, "deletes_itself needs identity"),
        ({"calls_per_s": 0.0}, "calls_per_s must be from"),
        ({"arm_url": "management.azure.com"}, "is not an address"),
        ({"agent_command": " "}, "agent_command is empty"),
    ],
)
def test_bad_settings_are_refused(changed: dict[str, object], words: str) -> None:
    plain: dict[str, object] = {
        "subscription": SUBSCRIPTION,
        "resource_group": RESOURCE_GROUP,
        "zones": ZONE,
        "ssh_public_key": SETTINGS.ssh_public_key,
    }
    AzureSettings(**plain)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=words):
        AzureSettings(**{**plain, **changed})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("vm_size", "big"),
        ("disk", "0"),
        ("disk", "lots"),
        ("eviction_policy", "delete"),
        ("spot_max_price", "0"),
        ("subnet", "workers"),
        ("zone", "x"),
    ],
)
def test_bad_options_of_a_pool_are_found_before_a_server_starts(name: str, value: str) -> None:
    options = (*(each for each in OPTIONS if each[0] != name), (name, value))
    found = pool_faults(pool_spec("burst", driver="azure", driver_options=options))
    assert name in {fault[0] for fault in found}


def test_good_options_have_no_faults() -> None:
    options = (*OPTIONS, ("disk", "100Gi"), ("eviction_policy", "Deallocate"), ("spot_max_price", "0.05"))
    assert pool_faults(pool_spec("burst", driver="azure", driver_options=options)) == []
