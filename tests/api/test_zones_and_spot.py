"""Spot in several zones in a running server: interruptions, the next zone, on-demand, and back; shown, and kept over a restart."""

import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from herder.drivers.pretend import PretendWorld
from herder.settings.sections.server import DriverSettings
from herder.simulate.history.verify import verify
from tests.api.conftest import PlayedWorker, Server

TEMPLATE = {
    "name": "two",
    "cpu": 2,
    "memory": "4Gi",
    "price_per_hour": "0.10",
    "zones": ["a", {"name": "b", "spot_price_per_hour": "0.03"}],
    "spot": "prefer",
}


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    made = Server(tmp_path_factory.mktemp("data"))
    made.sweep_period_s = 0.2
    small = DriverSettings(name="small", kind="pretend", settings=(("machines_most", "2"),))
    other = replace(small, name="other")
    made.drivers = (*made.drivers, small, other)
    made.start()
    yield made
    made.stop()


@pytest.fixture
def world(server: Server) -> PretendWorld:
    found: PretendWorld = server.running.core.drivers["pretend"].world  # type: ignore[attr-defined]
    return found


def live(server: Server, pool: str = "mixed") -> list[dict[str, Any]]:
    states = ("requested", "provisioning", "joining", "ready")
    found = server.http.get("/workers", params={"pool": pool}).json()["items"]
    return [each for each in found if each["state"] in states]


def sold(server: Server) -> Counter[tuple[str, bool]]:
    return Counter((each["zone"], each["spot"]) for each in live(server))


def rows(server: Server) -> dict[str, tuple[str, bool]]:
    found = server.http.get("/workers", params={"pool": "mixed", "ended": True}).json()["items"]
    return {each["name"]: (each["zone"], each["spot"]) for each in found}


def becomes(server: Server, wanted: dict[tuple[str, bool], int]) -> None:
    for _ in range(600):
        if sold(server) == wanted:
            return
        time.sleep(0.05)
    raise AssertionError(f"{sold(server)} instead of {wanted}")


def join(server: Server, world: PretendWorld) -> None:
    """Agents for what has booted: a worker that never joins is no loss when it goes."""
    for booted in world.newly_booted():
        PlayedWorker(server, booted.spec.name, booted.start.activation_token).close()


def test_spot_goes_zone_by_zone_to_on_demand_and_comes_back(server: Server, world: PretendWorld) -> None:
    pool = {"name": "mixed", "driver": "pretend", "templates": [TEMPLATE], "max_workers": 6, "min_workers": 2}
    pool |= {"offer_backoff": "2s", "offer_backoff_max": "2s", "dead_after": "60s"}
    server.http.post("/apply", json={"pools": [pool]}).raise_for_status()
    becomes(server, {("a", True): 1, ("b", True): 1})
    join(server, world)
    (lost,) = [each["name"] for each in live(server) if each["zone"] == "a"]
    shown = server.http.get(f"/workers/{lost}").json()
    assert (shown["zone"], shown["spot"], shown["price_per_hour_usd"]) == ("a", True, "0.03")
    offers = server.http.get("/pools/mixed").json()["templates"][0]["offers"]
    assert [(each["zone"], each["spot"]) for each in offers] == [
        ("a", True),
        ("a", False),
        ("b", True),
        ("b", False),
    ]

    assert world.interrupt("a") == [lost]
    becomes(server, {("b", True): 2})
    for _ in range(600):  # a worker is there before its machine
        if len(world.spot_of("b")) == 2:
            break
        time.sleep(0.05)
    why = server.http.get(f"/workers/{lost}").json()["why_removed"]
    assert "It was a spot machine" in why
    join(server, world)

    assert len(world.interrupt("b")) == 2
    becomes(server, {("a", False): 1, ("b", False): 1})
    made = live(server)
    assert all("no spot worker can be created" in each["why_made"] for each in made)
    join(server, world)

    world.sold_out.clear()
    time.sleep(2.1)  # the rest after the last failure
    server.http.post("/apply", json={"pools": [{**pool, "min_workers": 4}]}).raise_for_status()
    becomes(server, {("a", False): 1, ("b", False): 1, ("a", True): 1, ("b", True): 1})

    before, offers_before = rows(server), set(server.running.core.state.offers)
    assert {(key.zone, key.spot) for key in offers_before} == set(sold(server))
    server.restart()
    after = rows(server)
    assert before == {name: after[name] for name in before}
    assert offers_before <= set(server.running.core.state.offers)


def test_what_cannot_be_sold_is_refused(server: Server) -> None:
    template = {**TEMPLATE, "spot": "yes", "max_spot_price": "0.01"}
    pool = {"name": "never", "driver": "pretend", "templates": [template]}
    answer = server.http.post("/apply", json={"pools": [pool]})
    assert answer.status_code == 422
    assert "max_spot_price" in answer.text


def test_a_scale_by_hand_takes_the_cheapest_offer(server: Server, world: PretendWorld) -> None:
    pool = {"name": "byhand", "driver": "pretend", "templates": [TEMPLATE], "max_workers": 3}
    server.http.post("/apply", json={"pools": [pool]}).raise_for_status()
    answer = server.http.post("/pools/byhand/scale", json={"workers": 1, "ttl_s": 3600}).raise_for_status()
    (name,) = answer.json()["workers"]
    assert server.http.get(f"/workers/{name}").json()["spot"] is True


def test_a_scale_by_hand_takes_the_template_whose_spot_price_is_the_lowest(server: Server) -> None:
    """Without a template that is named; that of the lower price on demand is another one."""
    common = {"cpu": 2, "memory": "4Gi", "spot": "prefer"}
    templates = [
        {**common, "name": "steady", "price_per_hour": "0.10", "spot_price_per_hour": "0.04"},
        {**common, "name": "spotty", "price_per_hour": "0.12", "spot_price_per_hour": "0.02"},
    ]
    pool = {"name": "choice", "driver": "pretend", "templates": templates, "max_workers": 3}
    server.http.post("/apply", json={"pools": [pool]}).raise_for_status()
    answer = server.http.post("/pools/choice/scale", json={"workers": 1, "ttl_s": 3600}).raise_for_status()
    (name,) = answer.json()["workers"]
    made = server.http.get(f"/workers/{name}").json()
    assert (made["template"], made["spot"]) == ("spotty", True)


def test_a_scale_by_hand_keeps_the_limits_of_zones(server: Server) -> None:
    zones = [{"name": "a", "max_workers": 1}, {"name": "b", "max_workers": 1}]
    template = {"name": "two", "cpu": 2, "memory": "4Gi", "price_per_hour": "0.10", "zones": zones}
    pool = {"name": "limited", "driver": "pretend", "templates": [template], "max_workers": 5}
    server.http.post("/apply", json={"pools": [pool]}).raise_for_status()
    many = server.http.post("/pools/limited/scale", json={"workers": 3, "ttl_s": 3600})
    assert many.status_code == 409
    assert "is at the limits of its zones with 2 more workers" in many.text
    server.http.post("/pools/limited/scale", json={"workers": 2, "ttl_s": 3600}).raise_for_status()
    assert Counter(each["zone"] for each in live(server, "limited")) == {"a": 1, "b": 1}


def test_a_minimum_takes_its_room_from_spot_and_keeps_it(server: Server) -> None:
    """The driver holds two machines. The rest of ten minutes shows that the end of the spot worker is what ends it."""
    template = {"name": "two", "cpu": 2, "memory": "4Gi", "price_per_hour": "0.10"}
    common = {"driver": "small", "max_workers": 2, "offer_backoff": "10m", "dead_after": "60s"}
    cheap = {**common, "name": "cheap", "templates": [{**template, "spot": "yes"}], "min_workers": 2}
    server.http.post("/apply", json={"pools": [cheap]}).raise_for_status()
    small: PretendWorld = server.running.core.drivers["small"].world  # type: ignore[attr-defined]
    for _ in range(200):
        if len(small.machines) == 2:
            break
        time.sleep(0.05)
    join(server, small)
    fixed = {**common, "name": "fixed", "templates": [template], "min_workers": 1, "preempts_spot": True}
    server.http.post("/apply", json={"pools": [fixed]}).raise_for_status()
    for _ in range(300):
        made = [each for each in live(server, "fixed") if each["state"] == "joining"]
        if made:
            break
        time.sleep(0.05)
    assert len(made) == 1
    ended = server.http.get("/workers", params={"pool": "cheap", "ended": True}).json()["items"]
    (preempted,) = [each for each in ended if "is out of capacity" in each["why_removed"]]
    why = server.http.get(f"/workers/{preempted['name']}/why").json()
    assert "Pool fixed is missing 1 worker of its minimum" in str(why)
    assert len(small.machines) == 2


def test_plans_for_zones_and_spot_are_replayed_byte_for_byte(server: Server) -> None:
    found = verify(str(server.folder))
    assert found.equal == found.compared > 5, found.differences


def test_a_pool_of_two_drivers_goes_on_with_the_other_when_one_has_no_capacity(server: Server) -> None:
    shape = {"cpu": 2, "memory": "4Gi"}
    cheap = {"name": "cheap", "driver": "other", "price_per_hour": "0.10", **shape}
    dear = {"name": "dear", "price_per_hour": "0.20", **shape}
    pool = {
        "name": "both",
        "driver": "pretend",
        "templates": [dear, cheap],
        "max_workers": 9,
        "min_workers": 4,
    }
    wrong = {**pool, "templates": [{**cheap, "driver": "nowhere"}]}
    refused = server.http.post("/apply", json={"pools": [wrong]})
    assert refused.status_code == 422
    assert "names driver 'nowhere', which this server does not have" in refused.json()["detail"]
    server.http.post("/apply", json={"pools": [pool]}).raise_for_status()

    def drivers() -> Counter[tuple[str, str]]:
        return Counter((each["template"], each["driver"]) for each in live(server, "both"))

    for _ in range(600):
        if drivers() == {("cheap", "other"): 2, ("dear", "pretend"): 2}:
            break
        time.sleep(0.05)
    assert drivers() == {("cheap", "other"): 2, ("dear", "pretend"): 2}
    assert server.http.get("/pools/both").json()["driver"] == "other, pretend"
    offers = server.http.get("/offers").json()["items"]
    assert {(each["driver"], each["name"]) for each in offers if each["pool"] == "both"} == {
        ("pretend", "dear"),
        ("other", "cheap"),
    }
    order = {"workers": 1, "template": "cheap"}
    checks = server.http.post("/pools/both/scale?dry_run=true", json=order).json()["checks"]
    assert "The last creation from template cheap found no capacity" in checks[0]["detail"]
    server.http.post("/drivers/other/freeze", json={}).raise_for_status()
    frozen = server.http.post("/pools/both/scale", json={"workers": 1, "template": "dear"})
    assert frozen.status_code == 409
    assert "Driver other was frozen" in frozen.json()["detail"]
    server.http.post("/drivers/other/unfreeze", json={}).raise_for_status()
