"""With `check_free_capacity` a Job is made only when a node may have room for its pod; what is not known never prevents one."""

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from herder.model.fleet.driver import OutOfCapacity
from herder.model.ids import WorkerName
from herder.model.values.resources import Resources
from tests.drivers.kubernetes_jobs.lab import SETTINGS, Lab, spec, start

CHECKED = replace(SETTINGS, check_free_capacity=True)
GPU = "nvidia.com/gpu"


@pytest.fixture
def lab() -> Iterator[Lab]:
    made = Lab()
    yield made
    made.close()


def sized(name: str, cpu_milli: int, memory_mib: int = 100, gpu: int = 0) -> Any:
    size = Resources(cpu_milli, memory_mib, 0, gpu)
    return replace(spec(), name=WorkerName(name), allocatable=size)


def test_what_no_node_has_free_is_out_of_capacity_and_nothing_is_made(lab: Lab) -> None:
    driver = lab.driver(CHECKED)
    driver.create(sized("a-1", 5000), start())
    lab.until(lambda: any(pod["spec"].get("nodeName") for pod in lab.items("v1/pods")))
    for checked in (driver, lab.driver(CHECKED)):  # one that knows what it has placed, and one that sees it
        with pytest.raises(OutOfCapacity) as caught:
            checked.create(sized("a-2", 5000), start())
        assert str(caught.value) == (
            "No node has free capacity for the pod of worker a-2: 1 of 1 node match its node selector and taints, and none of these has what it "
            "requests (check_free_capacity)."
        )
    assert lab.of_worker("a-2") == []
    driver.create(sized("a-3", 2000), start())


@pytest.mark.parametrize(
    "settings",
    [{"node_selector": "disktype=ssd"}, {}],
    ids=["node selector", "gpu"],
)
def test_a_node_that_the_pod_may_not_use_is_none(lab: Lab, settings: dict[str, Any]) -> None:
    driver = lab.driver(CHECKED, **settings)
    with pytest.raises(OutOfCapacity):
        driver.create(sized("a-1", 1000, gpu=0 if settings else 1), start())
    lab.driver(**settings).create(sized("a-1", 1000, gpu=0 if settings else 1), start())


def test_a_taint_keeps_pods_away_unless_they_tolerate_it(lab: Lab) -> None:
    taint = {"spec": {"taints": [{"key": "team", "value": "a", "effect": "NoSchedule"}]}}
    status, _ = lab.server.call(
        lambda cluster, now_ms: cluster.ask("PATCH", "/api/v1/nodes/node-1", now_ms, taint)
    )
    assert status == 200
    with pytest.raises(OutOfCapacity):
        lab.driver(CHECKED).create(sized("a-1", 1000), start())
    lab.driver(CHECKED, tolerations="team=a:NoSchedule").create(sized("a-1", 1000), start())


@pytest.mark.parametrize("status", [403, 500, 503])
def test_what_is_not_known_prevents_nothing(lab: Lab, status: int) -> None:
    lab.rule(path="^/api/v1/(nodes|pods)$", status=status, times=-1)
    lab.driver(CHECKED).create(sized("a-1", 50_000), start())
    assert lab.of_worker("a-1")
