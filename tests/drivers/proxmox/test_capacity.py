"""What the driver says of the room and the bridges of each node, and of what a worker takes: as a creation takes it."""

from collections.abc import Iterator

import pytest

from herder.drivers.proxmox import ProxmoxDriver
from herder.model.fleet.driver import InvalidRequest
from herder.model.fleet.driver_capabilities import Needs, Networks, Quotas
from tests.drivers.proxmox.fake import FakeProxmox
from tests.drivers.proxmox.lab import Lab, spec, start, until_running


@pytest.fixture
def lab() -> Iterator[Lab]:
    made = Lab()
    yield made
    made.close()


def left(driver: ProxmoxDriver, name: str) -> dict[str, int]:
    return {each.zone: each.limit - each.used for each in driver.quotas() if each.name == name}


def test_a_creation_takes_what_was_said_that_it_needs(lab: Lab) -> None:
    fake = FakeProxmox()
    driver = lab.driver(fake, worker_overhead_mib=512)
    assert isinstance(driver, Needs)
    assert isinstance(driver, Quotas)
    need = driver.need(spec())
    assert need.quotas == {"memory_mib": 1024, "virtual_cpus": 1}
    before = {name: left(driver, name) for name in need.quotas}
    assert all(set(zones) == set(fake.nodes) for zones in before.values())
    until_running(driver, driver.create(spec(), start()))
    for name, amount in need.quotas.items():
        taken = {zone: before[name][zone] - now for zone, now in left(driver, name).items()}
        assert sorted(taken.values()) == [0] * (len(taken) - 1) + [amount]


def test_options_of_the_pool_count(lab: Lab) -> None:
    driver = lab.driver(FakeProxmox(), bridge="vmbr0", vlan=7, cpu_ratio=0)
    need = driver.need(spec())
    assert (need.network, need.vlan, need.zones) == ("vmbr0", 7, ())
    assert set(need.quotas) == {"memory_mib"}
    assert {each.name for each in driver.quotas()} == {"memory_mib"}
    options = (("template", "medium"), ("memory", "8Gi"), ("bridge", "vmbr5"), ("vlan", "30"))
    need = driver.need(spec(driver_options=options, zone="pve2"))
    assert (need.quotas["memory_mib"], need.network, need.vlan, need.zones) == (8192, "vmbr5", 30, ("pve2",))
    with pytest.raises(InvalidRequest, match="no option 'colour'"):
        driver.need(spec(driver_options=(("template", "medium"), ("colour", "red"))))
    assert lab.driver(FakeProxmox(), nodes="pve1").need(spec()).zones == ("pve1",)


def test_a_node_in_maintenance_has_no_room(lab: Lab) -> None:
    fake = FakeProxmox()
    driver = lab.driver(fake)
    fake.nodes["pve1"]["hastate"] = "maintenance"
    assert "pve1" not in left(driver, "memory_mib")
    fake.nodes["pve2"]["status"] = "offline"
    assert {"pve1", "pve2"}.isdisjoint(left(driver, "memory_mib"))


def test_bridges_are_told_with_their_vlans(lab: Lab) -> None:
    fake = FakeProxmox()
    driver = lab.driver(fake, bridge="vmbr1")
    assert isinstance(driver, Networks)
    fake.bridges["pve1"].append({"iface": "vmbr1", "bridge_vlan_aware": 1, "bridge_vids": "2-100 400"})
    found = {(each.name, *each.zones): each.vlans for each in driver.networks()}
    assert found["vmbr1", "pve1"] == ((2, 100), (400, 400))
    assert found["vmbr0", "pve2"] == ()
    (check,) = [each for each in driver.checks() if each.name == "bridge vmbr1"]
    assert not check.passed
    assert "pve2" in check.detail
    assert "pve1" not in check.detail
    for node in fake.nodes:
        fake.bridges[node] = [{"iface": "vmbr1"}]
    assert all(each.passed for each in driver.checks() if each.name == "bridge vmbr1")
