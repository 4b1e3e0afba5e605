"""What a pod asks of its node, by the rules of Kubernetes' scheduler."""

from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from herder.memberships.kubernetes.demand.requests import NamesOfResources, effective
from herder.memberships.kubernetes.objects import PodSpec
from herder.memberships.kubernetes.quantities import NANO
from herder.model.values.resources import PLAIN, Dimensions, Resources, declare
from tests.memberships.kubernetes.objects_made import container


def asked(**spec: Any) -> Resources:
    made = msgspec.json.decode(msgspec.json.encode({"containers": [], **spec}), type=PodSpec)
    return NamesOfResources(PLAIN).request(effective(made))


def cpu(amount: str, **more: Any) -> dict[str, Any]:
    return container({"cpu": amount}, **more)


def sidecar(amount: str) -> dict[str, Any]:
    return cpu(amount, restartPolicy="Always")


@pytest.mark.parametrize(
    ("spec", "cpu_milli"),
    [
        ({"containers": [cpu("1"), cpu("500m")]}, 1500),
        ({"containers": [cpu("1")], "initContainers": [cpu("3"), cpu("2")]}, 3000),
        ({"containers": [cpu("4")], "initContainers": [cpu("3")]}, 4000),
        # A sidecar runs on beside the containers, and beside the init containers after it, not before it.
        ({"containers": [cpu("1")], "initContainers": [sidecar("1"), cpu("3")]}, 4000),
        ({"containers": [cpu("1")], "initContainers": [cpu("3"), sidecar("1")]}, 3000),
        ({"containers": [cpu("3")], "initContainers": [sidecar("1"), cpu("1"), sidecar("2")]}, 6000),
        ({"containers": [cpu("1")], "initContainers": [cpu("5")], "overhead": {"cpu": "250m"}}, 5250),
        # What the whole pod requests replaces the sum.
        ({"containers": [cpu("1")], "resources": {"requests": {"cpu": "6"}}}, 6000),
        ({"containers": [cpu("1")], "resources": {"limits": {"cpu": "2"}}, "overhead": {"cpu": "1"}}, 3000),
        # A limit without a request is one.
        ({"containers": [container(resources={"limits": {"cpu": "2"}})]}, 2000),
        ({"containers": [container(resources={"limits": {"cpu": "2"}, "requests": {"cpu": "1"}})]}, 1000),
        ({"containers": [container()]}, 0),
    ],
)
def test_containers_init_containers_sidecars_overhead_and_the_whole_pod(
    spec: dict[str, Any], cpu_milli: int
) -> None:
    assert asked(**spec).cpu_milli == cpu_milli


def test_it_is_rounded_once_not_for_each_container() -> None:
    assert asked(containers=[container({"memory": "512Ki"})] * 4).memory_mib == 2


def test_each_resource_has_its_dimension() -> None:
    found = asked(
        containers=[
            container({"cpu": "1", "memory": "1Gi", "ephemeral-storage": "2Gi", "nvidia.com/gpu": "2"})
        ]
    )
    assert found == Resources(cpu_milli=1000, memory_mib=1024, disk_mib=2048, gpu=2)


def test_declared_resources_are_read_by_their_name_and_a_pod_takes_a_place() -> None:
    names = NamesOfResources(Dimensions((declare("pods"), declare("example.com/dongle"))))
    assert names.request({"example.com/dongle": 3 * NANO}).declared() == {"pods": 1, "example.com/dongle": 3}
    assert names.capacity({"pods": "110", "example.com/dongle": "4", "hugepages-2Mi": "0"}).declared() == {
        "pods": 110,
        "example.com/dongle": 4,
    }
    assert names.unknown(["cpu", "example.com/dongle"]) == ""
    assert names.unknown(["cpu", "example.com/other"]) == "example.com/other"


@given(
    st.lists(st.tuples(st.booleans(), st.integers(0, 9)), max_size=5), st.lists(st.integers(0, 9), max_size=3)
)
def test_it_is_enough_at_each_moment_of_the_pods_life(init: list[tuple[bool, int]], main: list[int]) -> None:
    """The peak over its life: each init container in turn beside the sidecars before it, then all that stay."""
    sidecars, peak = 0, 0
    for stays, amount in init:
        peak = max(peak, sidecars + amount)
        sidecars += amount if stays else 0
    peak = max(peak, sidecars + sum(main))
    spec = {
        "containers": [cpu(str(each)) for each in main],
        "initContainers": [sidecar(str(each)) if stays else cpu(str(each)) for stays, each in init],
    }
    assert asked(**spec).cpu_milli == peak * 1000
