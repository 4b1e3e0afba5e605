"""What is asked of Google for a worker, what it offers and costs there, and what the check of a driver says."""

from __future__ import annotations

import pytest

from herder.drivers.gcp import GcpDriver, GcpSettings, pool_faults
from herder.drivers.gcp.rights import ACT_AS, NEEDED, documented
from herder.model.fleet.bootstrap import BootData
from herder.model.fleet.driver import NotFound, Phase, Unavailable
from herder.model.fleet.driver_capabilities import capabilities
from herder.model.values.money import usd_text
from herder.model.values.resources import Resources
from herder.testing.fakes import Rule
from herder.testing.gcp import small_project
from herder.testing.gcp.settings import FAMILY, sku
from tests.drivers.gcp.lab import OPTIONS, SETTINGS, ZONE, Lab, spec, start
from tests.support.pools import pool_spec


def test_a_spot_worker_with_everything(lab: Lab) -> None:
    driver = lab.driver(
        subnetwork="batch", service_account="w@p.iam.gserviceaccount.com", external_ip=False, max_run_hours=0
    )
    more = {
        "image": FAMILY, "disk": "60Gi", "disk_type": "pd-ssd", "network_tags": "herder, batch",
        "accelerator": "nvidia-tesla-t4", "min_cpu_platform": "Intel Ice Lake", "max_run_hours": "12",
    }  # fmt: skip
    options = (*OPTIONS, *more.items())
    machine = lab.running(
        driver,
        spot=True,
        zone="us-central1-a",
        driver_options=options,
        allocatable=Resources(2000, 8192, 0, 2),
    )
    assert machine.phase is Phase.RUNNING
    assert machine.addresses[0].startswith("10.")
    (vm,) = lab.gcp.state.vms.values()
    body = vm.body
    assert (vm.zone, body["machineType"]) == (
        "us-central1-a",
        "zones/us-central1-a/machineTypes/n2-standard-2",
    )
    assert body["scheduling"] == {
        "automaticRestart": False,
        "provisioningModel": "SPOT",
        "onHostMaintenance": "TERMINATE",
        "maxRunDuration": {"seconds": "43200"},
        "instanceTerminationAction": "DELETE",
    }
    disk = body["disks"][0]
    assert (disk["autoDelete"], disk["initializeParams"]["diskSizeGb"]) == (True, "60")
    assert disk["initializeParams"]["sourceImage"] == FAMILY
    assert body["networkInterfaces"] == [{"subnetwork": "regions/us-central1/subnetworks/batch"}]
    assert body["tags"] == {"items": ["herder", "batch"]}
    assert body["serviceAccounts"][0]["email"] == "w@p.iam.gserviceaccount.com"
    assert body["guestAccelerators"] == [
        {"acceleratorType": "zones/us-central1-a/acceleratorTypes/nvidia-tesla-t4", "acceleratorCount": 2}
    ]


def test_a_plain_worker_lives_at_most_a_week_and_is_never_started_again_by_google(
    lab: Lab, driver: GcpDriver
) -> None:
    lab.running(driver, allocatable=Resources(2000, 8192, 50 * 1024))
    (vm,) = lab.gcp.state.vms.values()
    assert vm.body["scheduling"] == {
        "automaticRestart": False,
        "provisioningModel": "STANDARD",
        "maxRunDuration": {"seconds": "604800"},
        "instanceTerminationAction": "DELETE",
    }
    assert vm.body["disks"][0]["initializeParams"]["diskSizeGb"] == "60"
    assert "serviceAccounts" not in vm.body
    assert "HERDER_NOTICE_URL" not in vm.metadata["startup-script"]


def test_the_start_script_tells_the_agent_who_it_is(lab: Lab, driver: GcpDriver) -> None:
    lab.running(driver, spot=True)
    (vm,) = lab.gcp.state.vms.values()
    script = vm.metadata["startup-script"]
    for line in (
        "export HERDER_SERVER=http://10.0.0.5:8080",
        "export HERDER_WORKER=burst-1-0",
        "export HERDER_ACTIVATION_TOKEN=hush-hush",
        "export HERDER_NOTICE_URL=http://metadata.google.internal/computeMetadata/v1/instance/preempted",
        "/usr/local/bin/herder agent",
    ):
        assert line in script.splitlines()


def test_a_vm_with_an_engine_images_and_local_disks(lab: Lab) -> None:
    driver = lab.driver(container_engine=True, pull_images="debian:12, alpine:3")
    lab.running(driver, driver_options=(*OPTIONS, ("local_ssds", "2")))
    (vm,) = lab.gcp.state.vms.values()
    assert [disk.get("type", "") for disk in vm.body["disks"]] == ["", "SCRATCH", "SCRATCH"]
    script = vm.metadata["startup-script"]
    for words in (
        "podman pull --quiet debian:12",
        "podman pull --quiet alpine:3",
        "install podman",
        "/dev/disk/by-id/google-local-nvme-ssd-*",
    ):
        assert words in script.replace("install -y --no-install-recommends", "install")


def test_the_boot_data_of_a_bootstrap_is_delivered_unread(lab: Lab, driver: GcpDriver) -> None:
    from dataclasses import replace

    begun = driver.create(spec(), replace(start(), boot=BootData(user_data="version: v1alpha1\n")))
    lab.settled(driver, begun)
    (vm,) = lab.gcp.state.vms.values()
    assert vm.metadata["user-data"] == "version: v1alpha1\n"
    assert "startup-script" not in vm.metadata


def test_tags_are_read_back(lab: Lab, driver: GcpDriver) -> None:
    lab.running(driver, spot=True, zone=ZONE)
    (machine,) = lab.driver().list()
    assert machine.tags is not None
    assert (machine.tags.pool, machine.tags.template, machine.tags.zone, machine.tags.spot) == (
        "burst", "medium", ZONE, True,
    )  # fmt: skip


def test_the_console_is_the_serial_port_and_a_reboot_resets(lab: Lab, driver: GcpDriver) -> None:
    lab.running(driver)
    (vm,) = lab.gcp.state.vms.values()
    vm.console = "herder: the agent starts\n"
    assert driver.console(spec().name) == "herder: the agent starts\n"
    heard: list[str] = []
    lab.gcp.state.hooks.append(lambda what, _vm: heard.append(what))
    assert driver.reboot(spec().name).phase is Phase.RUNNING
    lab.jump(2)
    assert heard == ["reset"]


def test_operations_of_a_vm_are_told_also_when_it_is_gone(lab: Lab, driver: GcpDriver) -> None:
    assert driver.operations(spec().name) == []
    lab.running(driver)
    [made] = driver.operations(spec().name)
    assert (made.kind, made.state, made.detail) == ("insert", "done", "")
    assert made.began_ms is not None
    assert "@" in made.by
    driver.delete(spec().name)
    lab.jump(60)
    other = lab.driver()  # it remembers nothing of where the VM was
    assert [(each.kind, each.state) for each in other.operations(spec().name)] == [
        ("delete", "done"),
        ("insert", "done"),
    ]


def test_an_operation_that_failed_says_why(lab: Lab, driver: GcpDriver) -> None:
    lab.gcp.state.sold_out.add((ZONE, False))
    driver.create(spec(), start())
    lab.jump(30)
    [failed] = driver.operations(spec().name)
    assert (failed.kind, failed.state) == ("insert", "failed")
    assert "ZONE_RESOURCE_POOL_EXHAUSTED" in failed.detail


def test_what_it_can_do(driver: GcpDriver) -> None:
    assert capabilities(driver) == (
        "Checks",
        "Console",
        "Interruptions",
        "Offers",
        "Operations",
        "Prices",
        "Quotas",
        "Reboots",
    )


# --- offers, prices, quotas


def test_prices_are_put_together_from_parts(driver: GcpDriver) -> None:
    prices = {(each.shape, each.zone, each.spot): usd_text(each.pico_per_hour) for each in driver.prices()}
    assert prices["n2-standard-2", ZONE, False] == "0.1048"  # 2 × 0.034 + 8 × 0.0046
    assert prices["n2-standard-8", "us-central1-a", False] == "0.4192"
    assert prices["g2-standard-4", ZONE, False] == "0.7848"  # 4 × 0.028 + 16 × 0.0033 + 0.62
    assert float(prices["n2-standard-2", ZONE, True]) == pytest.approx(0.1048 / 3, rel=1e-4)
    assert ("g2-standard-4", "us-central1-a", False) not in prices, "nobody knows what it costs there"
    assert not any(shape == "e2-micro" for shape, _, _ in prices)
    assert all(each.as_of_ms is not None for each in driver.prices())


def test_a_price_that_misses_a_part_is_unknown_and_never_less() -> None:
    def prices(*skus: object) -> set[str]:
        lab = Lab(inventory=small_project(skus=skus))
        try:
            return {each.shape for each in lab.driver().prices()}
        finally:
            lab.close()

    core = sku("N2 Instance Core running in Netherlands", "europe-west4", 34_000_000)
    ram = sku("N2 Instance Ram running in Netherlands", "europe-west4", 4_600_000, "GiBy.h")
    assert prices(core, ram) == {"n2-standard-2", "n2-standard-8"}
    assert prices(core) == set()
    assert prices(core, sku("N2 Instance Ram running in Netherlands", "europe-west4", 0, "GiBy.h")) == set()
    monthly = sku("N2 Instance Ram running in Netherlands", "europe-west4", 4_600_000, "GiBy.mo")
    assert prices(core, monthly) == set()


def test_prices_and_quotas_stay_when_they_cannot_be_read_and_say_their_age(
    lab: Lab, driver: GcpDriver
) -> None:
    first = driver.quotas()
    assert {each.name for each in first} >= {"CPUS", "PREEMPTIBLE_CPUS"}
    lab.running(driver)
    lab.jump(120)
    lab.gcp.faults.add(Rule(path="/regions/", status=503, times=-1))
    later = driver.quotas()
    assert [each.as_of_ms for each in later] == [each.as_of_ms for each in first]
    lab.gcp.faults.clear()
    lab.jump(120)
    used = {(each.name, each.zone): each.used for each in driver.quotas()}
    assert used["CPUS", "europe-west4"] == 2
    fresh = lab.driver()
    lab.gcp.faults.add(Rule(path="/regions/", status=503, times=-1))
    with pytest.raises(Unavailable):
        fresh.quotas()


def test_offers_are_types_in_zones_on_demand_and_spot(driver: GcpDriver) -> None:
    offers = {(each.name, each.spot): each for each in driver.offers()}
    assert offers["g2-standard-4", True].resources == Resources(4000, 16_384, 0, 1)
    assert offers["n2-standard-2", False].zones == SETTINGS.zone_names


def test_prices_can_be_left_alone(lab: Lab) -> None:
    assert lab.driver(prices=False).prices() == ()
    assert "cloudbilling.services.skus.list" not in lab.gcp.asked


# --- checks


def test_a_check_names_each_missing_permission(lab: Lab, driver: GcpDriver) -> None:
    assert all(check.passed for check in driver.checks())
    lab.gcp.state.missing.update({"compute.instances.delete", "compute.regions.get"})
    failed = {check.name: check for check in driver.checks() if not check.passed}
    assert set(failed) == {
        "quotas of europe-west4",
        "quotas of us-central1",
        "compute.instances.delete",
        "compute.regions.get",
    }
    assert failed["compute.instances.delete"].remedy == (
        "Add compute.instances.delete to the role of the account in project herder-tests."
    )


def test_a_check_without_credentials_says_so_and_changes_nothing(lab: Lab) -> None:
    checks = lab.driver(token="ya29.other").checks()
    assert not any("Enable the API" in check.remedy for check in checks), "the credentials fail, not the API"
    assert not any(check.passed for check in checks)
    assert (lab.gcp.state.vms, lab.gcp.state.operations) == ({}, {})


def test_the_role_has_exactly_the_permissions_that_are_used(lab: Lab) -> None:
    """Each one that is taken away breaks something; with them alone everything works."""
    from herder.testing.gcp.permissions import needed

    driver = lab.driver(service_account="w@p.iam.gserviceaccount.com", network_tags="herder")
    bodies = []
    machine = lab.running(driver, spot=True)
    (vm,) = lab.gcp.state.vms.values()
    bodies.append(vm.body)
    next(iter(lab.gcp.state.disks.values())).auto_delete = False
    driver.list(), driver.console(machine.worker), driver.reboot(machine.worker), driver.interruptions()
    driver.quotas(), driver.prices(), driver.checks(), driver.health()
    lab.driver(image=FAMILY).checks()
    removed = driver.delete(machine.worker)
    for _ in range(3):
        lab.jump(20)
        try:
            removed = driver.get(machine.worker, removed.operation)
        except NotFound:
            break
    else:
        pytest.fail(f"the machine is not gone: {removed}")
    used = {each for name in set(lab.gcp.asked) for each in needed(name, bodies[0])}
    assert used == {*NEEDED, ACT_AS}
    assert all(permission in documented() for permission in NEEDED)


# --- settings


@pytest.mark.parametrize(
    ("changed", "words"),
    [
        ({"project": "My Project"}, "not the id of a project"),
        ({"zones": ""}, "zones is empty"),
        ({"zones": "europe-west4"}, "'europe-west4' is not a zone of Google Cloud"),
        ({"service_account": "worker"}, "must be an address"),
        ({"image": "my image"}, "'my image' is not a name of Google Cloud"),
        ({"max_run_hours": 3_000.0}, "max_run_hours must be from 0 to 2,880"),
        ({"calls_per_s": 0.0}, "calls_per_s must be from"),
        ({"compute_url": "compute.googleapis.com"}, "is not an address"),
        ({"agent_command": " "}, "agent_command is empty"),
    ],
)
def test_bad_settings_are_refused(changed: dict[str, object], words: str) -> None:
    plain: dict[str, object] = {"project": "my-project", "zones": ZONE}
    with pytest.raises(ValueError, match=words):
        GcpSettings(**{**plain, **changed})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("machine_type", "big"),
        ("disk", "0"),
        ("disk", "lots"),
        ("max_run_hours", "2881"),
        ("local_ssds", "10"),
        ("network_tags", "A B"),
        ("zone", "x"),
    ],
)
def test_bad_options_of_a_pool_are_found_before_a_server_starts(name: str, value: str) -> None:
    found = pool_faults(
        pool_spec(
            "burst",
            driver="gcp",
            driver_options=(*(each for each in OPTIONS if each[0] != name), (name, value)),
        )
    )
    assert name in {fault[0] for fault in found}


def test_good_options_have_no_faults() -> None:
    assert pool_faults(pool_spec("burst", driver="gcp", driver_options=OPTIONS)) == []
