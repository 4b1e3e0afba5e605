"""Many workers, several pools and several installations at once: few calls, and nobody is in another's way."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from typing import Any

import pytest

from herder.drivers.rosa import RosaDriver, creation_limits
from herder.drivers.rosa.in_turn import InTurn
from herder.model.fleet.driver import DriverError, InvalidRequest, Machine, Phase, QuotaExceeded, Unauthorised
from herder.model.ids import PoolName, WorkerName
from herder.remote.ocm.pools import Cluster
from herder.testing.fakes import Rule
from tests.drivers.rosa.lab import Lab, spec, start

OPTIONS = (("instance_type", "m5.xlarge"), ("machine_pool", "batch"))


def together(driver: RosaDriver, names: list[str]) -> dict[str, Machine | DriverError]:
    """All calls of `create` wait when the first one acts."""
    found: dict[str, Machine | DriverError] = {}

    def create(name: str) -> None:
        try:
            found[name] = driver.create(spec(name), start())
        except DriverError as error:
            found[name] = error

    threads = [threading.Thread(target=create, args=(name,)) for name in names]
    with driver._lock:
        for each in threads:
            each.start()
        wait_for(lambda: len(driver._asked) == len(names))
    for each in threads:
        each.join(20)
    return found


def wait_for(holds: Callable[[], bool]) -> None:
    end_s = time.monotonic() + 20
    while not holds():
        assert time.monotonic() < end_s
        time.sleep(0.005)


NAMES = [f"burst-1-{number}" for number in range(8)]


def test_creations_that_wait_are_one_change(lab: Lab) -> None:
    driver = lab.driver()
    lab.running(driver, "burst-2-0")
    lab.ocm.asked.clear()
    found = together(driver, NAMES)
    assert {each.phase for each in found.values() if isinstance(each, Machine)} == {Phase.CREATING}
    assert len(found) == 8
    assert lab.pool().body["replicas"] == 9
    assert len([each for each in lab.ocm.asked if each.startswith("patch")]) == 1
    lab.jump(300)
    assert {machine.phase for machine in driver.list()} == {Phase.RUNNING}
    assert sorted(lab.nodes().values()) == sorted([*NAMES, "burst-2-0"])


@pytest.mark.parametrize(("status", "text"), [(400, "no quota"), (503, "")])
def test_what_fails_for_all_is_tried_one_by_one(lab: Lab, status: int, text: str) -> None:
    driver = lab.driver()
    lab.running(driver, "burst-2-0")
    tries = 1 if status == 400 else 4
    lab.ocm.faults.add(Rule(method="PATCH", path="node_pools", status=status, text=text, times=tries))
    found = together(driver, NAMES)
    assert [each for each in found.values() if isinstance(each, DriverError)] == []
    assert lab.pool().body["replicas"] == 9


def test_newcomers_after_a_failure_do_not_replace_those_who_wait(lab: Lab) -> None:
    driver = lab.driver()
    lab.running(driver, "burst-2-0")
    lab.ocm.faults.add(Rule(method="PATCH", path="node_pools", status=400, text="no quota", times=2))
    add, late = driver._add, list[threading.Thread]()

    def with_newcomers(cluster: Cluster, batch: Sequence[Any]) -> Any:
        if not late:
            late.extend(
                threading.Thread(target=driver.create, args=(spec(name), start()))
                for name in ("burst-3-0", "burst-3-1")
            )
            for each in late:
                each.start()
            wait_for(lambda: len(driver._asked) == 2)
        return add(cluster, batch)

    driver._add = with_newcomers  # type: ignore[method-assign]
    found = together(driver, NAMES)
    for each in late:
        each.join(20)
    assert len([each for each in found.values() if isinstance(each, QuotaExceeded)]) == 1, "the first alone"
    assert lab.pool().body["replicas"] == 10
    assert len(list(driver.list())) == 10


def test_calls_take_their_turns_in_order() -> None:
    lock, order, threads = InTurn(), list[int](), list[threading.Thread]()

    def take(number: int) -> None:
        with lock:
            order.append(number)

    with lock:
        for number in range(8):
            threads.append(threading.Thread(target=take, args=(number,)))
            threads[-1].start()
            wait_for(lambda expected=number + 2: lock._next == expected)
    for each in threads:
        each.join(20)
    assert order == list(range(8))


def test_the_limit_of_nodes_refuses_those_that_are_over_it(lab: Lab) -> None:
    driver = lab.driver()
    lab.running(driver, "burst-2-0")
    lab.pool().body["replicas"] = 496
    found = together(driver, NAMES)
    refused = [each for each in found.values() if isinstance(each, DriverError)]
    assert len(refused) == 4
    assert all("breaks rule node_limit" in str(each) for each in refused)
    assert lab.pool().body["replicas"] == 500
    assert len(list(driver.list())) == 5


def test_as_many_may_be_asked_for_as_a_machine_pool_has_nodes() -> None:
    """A node takes minutes: with the usual limit, a hundred would take an hour."""
    assert creation_limits.parallel_creates == 500


def test_two_pools_of_a_cluster_do_not_mix(lab: Lab) -> None:
    driver = lab.driver()
    other = {"pool": PoolName("other"), "driver_options": OPTIONS}
    for number in range(3):
        driver.create(spec(f"burst-1-{number}"), start())
        driver.create(spec(f"other-1-{number}", **other), start())
    lab.jump(300)
    assert {machine.phase for machine in driver.list()} == {Phase.RUNNING}
    driver.delete(WorkerName("burst-1-1"))
    lab.jump(120)
    pools = {pool.name: pool for pool in lab.ocm.state.pools_of(lab.rosa_cluster)}
    assert pools["batch"].body["replicas"] == 3
    named = lab.nodes()
    assert {named[node] for node in pools["batch"].nodes} == {f"other-1-{number}" for number in range(3)}
    assert {machine.worker for machine in driver.list() if machine.tags.pool == "burst"} == {
        "burst-1-0",
        "burst-1-2",
    }


def test_two_installations_of_a_cluster_do_not_see_each_other(lab: Lab) -> None:
    """Also where their workers have the same names."""
    ours, theirs = lab.driver(), lab.driver(installation="theirs")
    for driver in (ours, theirs):
        driver.create(spec(), start())
    lab.jump(300)
    (mine,) = ours.list()
    (other,) = theirs.list()
    assert mine.phase is other.phase is Phase.RUNNING
    assert mine.detail != other.detail, "two nodes"
    theirs.delete(other.worker)
    lab.jump(120)
    assert list(theirs.list()) == []
    assert [machine.phase for machine in ours.list()] == [Phase.RUNNING]


def test_terms_that_are_not_accepted_stop_everything_and_forget_nothing(lab: Lab) -> None:
    driver = lab.driver()
    lab.running(driver, "burst-1-0")
    lab.ocm.state.terms_accepted = False
    lab.jump(30)
    for ask in (
        driver.list,
        lambda: driver.create(spec("burst-1-1"), start()),
        lambda: driver.get(WorkerName("burst-1-0")),
        lambda: driver.delete(WorkerName("burst-1-0")),
    ):
        with pytest.raises(Unauthorised, match="Accept Red Hat's terms"):
            ask()
    lab.ocm.state.terms_accepted = True
    assert [machine.worker for machine in driver.list()] == ["burst-1-0"]
    assert lab.pool().body["replicas"] == 1


def test_the_last_pool_is_kept_by_the_provider_and_that_is_told(lab: Lab) -> None:
    """OCM may refuse to make the last pool of a cluster empty: its worker stays, and the next try is the same."""
    driver = lab.driver()
    lab.running(driver, "burst-1-0")
    lab.ocm.faults.add(
        Rule(method="PATCH", path="node_pools", status=400, text="needs at least 2 nodes", times=-1)
    )
    for _ in range(2):
        with pytest.raises(InvalidRequest, match="needs at least 2 nodes"):
            driver.delete(WorkerName("burst-1-0"))
    assert lab.pool().body["replicas"] == 1
    lab.ocm.faults.clear()
    driver.delete(WorkerName("burst-1-0"))
    lab.jump(120)
    assert list(driver.list()) == []
