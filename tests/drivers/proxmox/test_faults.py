"""What goes wrong at Proxmox, and what a person reads then."""

import io
import time
from collections.abc import Iterator
from typing import Any

import pycdlib
import pytest

from herder.drivers.proxmox import ProxmoxDriver
from herder.model.fleet.bootstrap import BootData
from herder.model.fleet.creation import Step
from herder.model.fleet.driver import (
    DriverError,
    InvalidRequest,
    NotFound,
    OutcomeUnknown,
    OutOfCapacity,
    Phase,
    Unauthorised,
    Unavailable,
)
from herder.model.ids import WorkerName
from herder.model.values.resources import Resources
from herder.remote.proxmox.machines.cidata import image
from herder.remote.proxmox.machines.names import candidates, vm_name
from tests.drivers.proxmox.fake import FakeProxmox, Refused
from tests.drivers.proxmox.lab import Lab, spec, start, until_running

WORKER = WorkerName("burst-1-0")
LOCKED = "can't lock file '/var/lock/pve-manager/pve-storage-local-lvm' - got timeout"


@pytest.fixture
def lab() -> Iterator[Lab]:
    lab = Lab()
    yield lab
    lab.close()


@pytest.fixture
def fake() -> FakeProxmox:
    return FakeProxmox()


@pytest.fixture
def driver(lab: Lab, fake: FakeProxmox) -> ProxmoxDriver:
    return lab.driver(fake)


def refused(driver: ProxmoxDriver, kind: type[DriverError], text: str, **changed: Any) -> None:
    with pytest.raises(kind, match=text):
        until_running(driver, driver.create(spec(**changed), start()))


def test_a_worker_has_what_its_pool_wants(lab: Lab, fake: FakeProxmox) -> None:
    driver = lab.driver(fake, bridge="vmbr1", vlan=20)
    options = {"template": "medium", "memory": "4Gi", "disk": "20Gi", "cpu": "host", "tags": "k8s-worker"}
    options["gpu_mapping"] = "t4"
    made = until_running(
        driver,
        driver.create(
            spec(driver_options=tuple(options.items()), allocatable=Resources(3800, 2048, 0, 1)), start()
        ),
    )
    (vm,) = fake.made()
    assert (str(vm.vmid), vm.running) == (made.handle, True)
    config = vm.config
    assert (config["cores"], config["memory"], config["net0"]) == ("4", "4096", "virtio,bridge=vmbr1,tag=20")
    assert config["hostpci0"] == "mapping=t4,pcie=1"
    assert "size=20G" in config["scsi0"]
    assert f"herder-w.{vm.vmid}.burst-1-0" in config["tags"].split(";")
    assert "k8s-worker" in config["tags"].split(";")
    assert "herder-new" not in config["tags"]


def test_boot_data_is_delivered_as_an_image_and_unread() -> None:
    content = image(BootData(user_data="version: v1alpha1\n"), "vm-1", "burst-1-0")
    disc = pycdlib.PyCdlib()
    disc.open_fp(io.BytesIO(content))
    assert disc.pvd.volume_identifier.decode().strip() == "cidata"
    for place in ("rr_path", "joliet_path"):
        out = io.BytesIO()
        disc.get_file_from_iso_fp(out, **{place: "/user-data"})
        assert out.getvalue() == b"version: v1alpha1\n"
    disc.close()


def test_wrong_token(lab: Lab, fake: FakeProxmox) -> None:
    refused(lab.driver(fake, secret="wrong"), Unauthorised, "herder@pve!workers.*Check token_id")


def test_missing_privilege_is_named(driver: ProxmoxDriver, fake: FakeProxmox) -> None:
    fake.refuse.append(("POST .*clone", Refused(403, "Permission check failed (/vms/20000, VM.Allocate)")))
    refused(driver, Unauthorised, "lacks the privilege VM.Allocate on /vms/20000")
    assert fake.images == {}


def test_checks_name_each_privilege(driver: ProxmoxDriver, fake: FakeProxmox) -> None:
    fake.permissions = {"/": {"Sys.Audit": 1}}
    failed = {check.name: check.remedy for check in driver.checks() if not check.passed}
    assert "VM.Clone on /vms" in failed
    assert "Sys.Audit on /" not in failed
    assert "Add VM.Clone to the role" in failed["VM.Clone on /vms"]


def test_unknown_template_and_storage(lab: Lab, driver: ProxmoxDriver, fake: FakeProxmox) -> None:
    refused(driver, InvalidRequest, "no template VM 'large'", driver_options=(("template", "large"),))
    refused(lab.driver(fake, storage="ceph"), InvalidRequest, "Storage ceph does not exist")
    assert (fake.made(), fake.images) == ([], {})


def test_a_node_that_cannot_be_reached(driver: ProxmoxDriver, fake: FakeProxmox) -> None:
    made = until_running(driver, driver.create(spec(), start()))
    (vm,) = fake.made()
    fake.nodes[vm.node]["status"] = "offline"
    listing = driver.list()
    assert not listing.complete
    assert listing.machines == ()
    with pytest.raises(Unavailable, match=f"node {vm.node}, which is offline"):
        driver.get(made.worker)
    fake.nodes[vm.node]["status"] = "online"
    assert driver.get(made.worker).phase is Phase.RUNNING


def test_lost_quorum(driver: ProxmoxDriver, fake: FakeProxmox) -> None:
    fake.quorate = 0
    with pytest.raises(Unavailable, match="no quorum"):
        driver.health()
    fake.refuse.append(("POST .*clone", Refused(500, "cluster not ready - no quorum?")))
    refused(driver, Unavailable, "no quorum")


def test_a_full_storage_is_seen_before_and_in_the_task(driver: ProxmoxDriver, fake: FakeProxmox) -> None:
    for node in fake.nodes:
        fake.storages["local-lvm", node]["disk"] = 999 * 2**30
    refused(driver, OutOfCapacity, "storage local-lvm of node pve1 has 0 GiB free, and 10 GiB are needed")
    for node in fake.nodes:
        fake.storages["local-lvm", node]["disk"] = 0
    fake.clone_ends.append("clone failed: No space left on device")
    refused(driver, OutOfCapacity, "No space left")
    assert fake.made() == []


def test_a_node_in_maintenance_gets_nothing(driver: ProxmoxDriver, fake: FakeProxmox) -> None:
    fake.nodes["pve1"]["hastate"] = "maintenance"
    until_running(driver, driver.create(spec(), start()))
    assert [vm.node for vm in fake.made()] == ["pve2"]
    refused(driver, OutOfCapacity, "node pve1 is in maintenance", name="burst-1-1", zone="pve1")


def test_a_locked_template_is_tried_again(driver: ProxmoxDriver, fake: FakeProxmox) -> None:
    fake.refuse.append(
        ("POST .*clone", Refused(500, "can't lock file '/var/lock/qemu-server/lock-9001.conf' - got timeout"))
    )
    refused(driver, Unavailable, "can't lock file")
    until_running(driver, driver.create(spec(), start()))
    assert len(fake.made()) == 1


def test_a_vm_removed_by_hand_is_gone(driver: ProxmoxDriver, fake: FakeProxmox) -> None:
    until_running(driver, driver.create(spec(), start()))
    fake.vms.pop(fake.made()[0].vmid)
    with pytest.raises(NotFound):
        driver.get(WORKER)
    assert driver.delete(WORKER).phase is Phase.GONE
    assert fake.images == {}
    with pytest.raises(NotFound):
        driver.delete(WORKER)


def test_two_installations_of_one_range_take_other_vmids(lab: Lab, fake: FakeProxmox) -> None:
    for name in ("a", "b"):
        driver = lab.driver(fake, installation=name, vmid_first=20_000, vmid_last=20_002)
        until_running(driver, driver.create(spec(), start()))
    assert len({vm.vmid for vm in fake.made()}) == 2


def test_a_vmid_that_is_taken_by_an_invisible_vm_is_passed(lab: Lab, fake: FakeProxmox) -> None:
    driver = lab.driver(fake, vmid_first=20_000, vmid_last=20_002)
    for vmid in (20_000, 20_001):
        fake.add(vmid, "pve1", name="theirs")
        fake.hidden.add(vmid)
    until_running(driver, driver.create(spec(), start()))
    assert fake.vms[20_002].running
    assert [fake.vms[vmid].config for vmid in (20_000, 20_001)] == [{"name": "theirs"}] * 2


def test_a_creation_that_the_listing_does_not_show_yet_is_met_again(lab: Lab, fake: FakeProxmox) -> None:
    begun, again = lab.driver(fake), lab.driver(fake)
    first = until_running(begun, begun.create(spec(), start()))
    fake.hidden.add(int(first.handle))
    second = until_running(again, again.create(spec(), start()))
    assert second.handle == first.handle
    assert (len(fake.made()), len(fake.images)) == (1, 1)


def test_a_copy_of_a_worker_and_a_template_are_never_touched(
    driver: ProxmoxDriver, fake: FakeProxmox
) -> None:
    until_running(driver, driver.create(spec(), start()))
    (vm,) = fake.made()
    fake.add(20_999 if vm.vmid != 20_999 else 20_998, "pve1", **vm.config | {"name": "copy"})
    assert [machine.handle for machine in driver.list()] == [str(vm.vmid)]
    while True:
        try:
            driver.delete(WORKER)
        except NotFound:
            break
    assert [each.config["name"] for each in fake.made()] == ["copy"]


def test_a_protected_vm_says_what_to_do(driver: ProxmoxDriver, fake: FakeProxmox) -> None:
    until_running(driver, driver.create(spec(), start()))
    fake.made()[0].config["protection"] = 1
    with pytest.raises(InvalidRequest, match="protection is on"):
        driver.delete(WORKER)


def test_a_migrated_vm_is_followed(driver: ProxmoxDriver, fake: FakeProxmox) -> None:
    made = until_running(driver, driver.create(spec(), start()))
    (vm,) = fake.made()
    vm.node = "pve2" if vm.node == "pve1" else "pve1"
    found = driver.get(WORKER)
    assert (found.handle, found.phase) == (made.handle, Phase.RUNNING)
    assert driver.delete(WORKER).phase is Phase.STOPPING


def test_a_clone_that_ends_after_its_time_out_is_removed_with_all(lab: Lab) -> None:
    fake = FakeProxmox(task_ms=600_000)
    driver = lab.driver(fake)
    driver.create(spec(), start())
    machine = driver.delete(WORKER)
    for _ in range(20):
        fake.jump(600_000)
        try:
            machine = driver.get(WORKER, machine.operation)
        except NotFound:
            break
    assert (fake.made(), fake.images) == ([], {})


def test_after_a_restart_a_clone_without_a_name_makes_the_listing_incomplete(lab: Lab) -> None:
    fake = FakeProxmox(task_ms=60_000)
    begun = lab.driver(fake).create(spec(), start())
    again = lab.driver(fake)
    assert not again.list().complete
    fake.jump(60_000)
    assert [machine.worker for machine in again.list()] == [WORKER]
    assert again.list().complete
    assert again.get(WORKER, begun.operation).step is Step.CONFIGURE


def test_a_lost_answer_of_a_clone_is_found_again(driver: ProxmoxDriver, fake: FakeProxmox) -> None:
    fake.lose.append("POST .*clone")
    with pytest.raises(OutcomeUnknown):
        driver.create(spec(), start())
    until_running(driver, driver.get(WORKER))
    assert [vm.config["name"] for vm in fake.made()] == [vm_name("lab", WORKER)]


def test_a_late_clone_of_a_lost_call_is_not_doubled(driver: ProxmoxDriver, fake: FakeProxmox) -> None:
    fake.refuse.append(("POST .*clone", Refused(596, "Broken pipe")))
    with pytest.raises(OutcomeUnknown):
        driver.create(spec(), start())
    with pytest.raises(NotFound):
        driver.get(WORKER)
    assert fake.images == {}
    vmid = next(candidates("lab", WORKER, 20_000, 29_999))
    fake.add(vmid, "pve1", lock="clone")
    fake.hidden.add(vmid)
    refused(driver, Unavailable, "is being cloned and has no name yet")
    assert len(fake.made()) == 1


def test_a_failed_start_is_tried_again_or_told(driver: ProxmoxDriver, fake: FakeProxmox) -> None:
    fake.refuse.append(("POST .*start", Refused(500, LOCKED)))
    machine = driver.create(spec(), start())
    for _ in range(10):
        try:
            machine = driver.get(WORKER, machine.operation)
        except Unavailable:
            continue
    assert machine.phase is Phase.RUNNING


def test_fifty_clones_under_lock_time_outs_none_lost_none_doubled(lab: Lab) -> None:
    fake = FakeProxmox(nodes=4, task_ms=40_000)
    driver = lab.driver(fake)
    fake.clone_ends = [LOCKED, "OK", LOCKED] * 15
    left = {f"burst-1-{number}": "" for number in range(50)}
    for _ in range(40):
        for name in list(left):
            if left[name] == "":
                left[name] = driver.create(spec(name), start()).operation
                continue
            try:
                machine = driver.get(WorkerName(name), left[name])
            except NotFound:
                left[name] = ""  # the loop creates it again
                continue
            left[name] = machine.operation
            if machine.phase is Phase.RUNNING:
                del left[name]
        fake.jump(40_000)
        if not left:
            break
    assert left == {}
    assert sorted(vm.config["name"] for vm in fake.made()) == sorted(
        vm_name("lab", f"burst-1-{number}") for number in range(50)
    )
    assert len(fake.images) == len(driver.list()) == 50


def test_two_hundred_vms_never_exceed_the_memory_of_a_host(lab: Lab) -> None:
    """And cost less than a second of CPU time."""
    fake = FakeProxmox(nodes=8, task_ms=10**9)
    driver = lab.driver(fake)
    begun, placed, reasons = time.process_time(), 0, set[str]()
    for number in range(200):
        try:
            driver.create(spec(f"burst-1-{number}", allocatable=Resources(1000, 4096)), start())
            placed += 1
        except OutOfCapacity as error:
            reasons.add(str(error))
    spent_s = time.process_time() - begun
    promised = dict.fromkeys(fake.nodes, 0)
    for promise in driver._clones.promises().values():
        promised[promise.node] += promise.wanted.memory_mib
    assert placed == 8 * (64 * 1024 * 9 // 10 // 4096)
    assert all(mib <= 64 * 1024 * 0.9 for mib in promised.values())
    assert all("node pve8 has 1,638 MiB of memory unallocated" in each for each in reasons), reasons
    assert spent_s < 5, f"{spent_s:.1f} s for 200 workers, with the images and the fake's own work"


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ((), "does not name a template"),
        ((("template", "medium"), ("memroy", "4Gi")), "no option 'memroy'"),
        ((("template", "medium"), ("memory", "lots")), "memory"),
        ((("template", "medium"), ("vlan", "20")), "Set bridge"),
    ],
)
def test_options_that_cannot_be(
    driver: ProxmoxDriver, fake: FakeProxmox, options: tuple[tuple[str, str], ...], text: str
) -> None:
    refused(driver, InvalidRequest, text, driver_options=options)
    assert (fake.made(), fake.images) == ([], {})
