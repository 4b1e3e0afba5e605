"""Quotas and networks that drivers report in the background, and the rows of the checklist that follow from them."""

import asyncio
from collections.abc import Sequence
from typing import Any

import pytest

from herder.control.kernel.bounds.errors import NotKnown
from herder.control.loops.quotas import look
from herder.control.pools.capacity import capacity, network
from herder.control.pools.pool_actions import keep_stored, store_pool
from herder.control.pools.quotas_left import STALE_MS
from herder.control.reads.fleet.offers import listed_offers
from herder.drivers.pretend import PretendDriver, PretendSettings
from herder.model.fleet.driver import DriverContext, InvalidRequest, RateLimited, Unavailable
from herder.model.fleet.driver_capabilities import Need, Network, OfferedShape, Price, Quota
from herder.model.fleet.pool import PoolSpec
from herder.model.fleet.worker import WorkerSpec
from herder.model.ids import PoolName, WorkerName
from herder.model.stored.changes import Changes
from herder.model.values.money import PicoUsd, parse_usd
from herder.model.values.resources import Resources
from herder.model.values.times import iso
from herder.settings import SettingsError, pool_from_plain, pool_to_plain
from herder.wire.api.resources import SafetyCheck
from tests.providers.conftest import MakeFleet
from tests.providers.fleet import Fleet
from tests.words.rules import faults

pytestmark = pytest.mark.virtual_time

PERIOD_S = 60.0


class Selling(PretendDriver):
    """A provider with two zones. `fails`: what the next calls raise."""

    def __init__(self, fleet: Fleet) -> None:
        super().__init__(PretendSettings(), fleet.world, DriverContext(name="cloud"))
        self.left: dict[str, Any] = {"a": 3000, "b": 1500}
        self.fails: Exception | None = None
        self.says: Any = None
        self.needs: Need | Exception = Need(quotas={"memory": 1000}, network="blue")
        self.charges, self.spot = PicoUsd(7), False
        self.calls = 0

    def quotas(self) -> Sequence[Quota]:
        self.calls += 1
        if self.fails is not None:
            raise self.fails
        if self.says is not None:
            return self.says  # type: ignore[no-any-return]
        return [
            Quota(name="memory", zone=zone, limit=9000, used=9000 - left) for zone, left in self.left.items()
        ]

    def networks(self) -> Sequence[Network]:
        return (Network(name="blue", zones=("a", "b"), vlans=((2, 40),)), Network(name="red", zones=("a",)))

    def offers(self) -> Sequence[OfferedShape]:
        return [OfferedShape(name="m1", resources=Resources(1000, 1000), zones=("a",))]

    def prices(self) -> Sequence[Price]:
        return [Price(shape="m1", zone="a", spot=self.spot, pico_per_hour=self.charges)]

    def need(self, spec: WorkerSpec) -> Need:
        if isinstance(self.needs, Exception):
            raise self.needs
        return self.needs


@pytest.fixture
async def fleet(make_fleet: MakeFleet) -> Fleet:
    made = make_fleet("cloud", loops=("quotas",), quotas_period_s=PERIOD_S)
    made.core.drivers["cloud"] = Selling(made)
    return made


def selling(fleet: Fleet) -> Selling:
    driver = fleet.core.drivers["cloud"]
    assert isinstance(driver, Selling)
    return driver


def specs(count: int) -> list[WorkerSpec]:
    return [
        WorkerSpec(
            name=WorkerName(f"p-1-{number}"),
            pool=PoolName("p"),
            template="t",
            driver="cloud",
            allocatable=Resources(1000, 1024),
            slots=1,
            price_pico_per_hour=PicoUsd(1),
        )
        for number in range(count)
    ]


def told(check: SafetyCheck) -> tuple[bool | None, str]:
    assert faults(check.detail) == []
    return check.passed, check.detail


def room(fleet: Fleet, count: int) -> tuple[bool | None, str]:
    return told(capacity(fleet.core, "cloud", specs(count), fleet.clock.now_ms()))


def net(fleet: Fleet) -> tuple[bool | None, str]:
    return told(network(fleet.core, "cloud", specs(1), fleet.clock.now_ms()))


async def test_what_fits_is_told_in_the_words_of_the_provider_with_its_age(fleet: Fleet) -> None:
    assert room(fleet, 1) == (None, "Not known: driver cloud has not reported its quotas yet.")
    assert net(fleet) == (None, "Not known: driver cloud has not reported its networks yet.")
    await asyncio.sleep(40)
    passed, detail = room(fleet, 4)
    assert passed is True
    assert detail == (
        "Driver cloud has capacity for 4 of 4 workers: each takes memory 1,000, and it had memory 3,000 left in a and memory 1,500 left in b 40 s ago."
    )
    assert room(fleet, 5)[0] is False
    assert room(fleet, 5)[1].startswith("Driver cloud has capacity for 4 of 5 workers: ")
    passed, detail = net(fleet)
    assert passed is True
    assert detail.startswith("Network blue is in a and b, as driver cloud reported ")
    notes = fleet.core.driver_notes["cloud"]
    assert [each.name for each in notes.offers.values] == ["m1"]
    assert [each.pico_per_hour for each in notes.prices.values] == [7]


async def test_a_failed_read_keeps_what_was_said_until_it_is_too_old(fleet: Fleet) -> None:
    await asyncio.sleep(1)
    driver = selling(fleet)
    driver.fails, driver.left = Unavailable("the provider is closed"), {"a": 0}
    await asyncio.sleep(120)
    assert room(fleet, 4)[0] is True
    await asyncio.sleep(STALE_MS / 1000)
    passed, detail = room(fleet, 1)
    assert passed is None
    assert detail.startswith("Not known: the quotas that driver cloud reported last are 12 min old (")
    assert "the provider is closed" in detail
    driver.fails = None
    await asyncio.sleep(600)
    assert room(fleet, 1)[0] is False


async def test_less_and_less_is_asked_of_one_that_fails(fleet: Fleet) -> None:
    driver = selling(fleet)
    driver.fails = RateLimited("slower", 250.0)
    await asyncio.sleep(240)
    assert driver.calls == 1
    await asyncio.sleep(60)
    assert driver.calls == 2


async def test_a_frozen_driver_is_not_asked(fleet: Fleet) -> None:
    await fleet.decide("freeze", "cloud")
    await asyncio.sleep(PERIOD_S / 2)  # a call that had begun
    calls = selling(fleet).calls
    await asyncio.sleep(300)
    assert selling(fleet).calls == calls
    await fleet.decide("unfreeze", "cloud")
    await asyncio.sleep(2 * PERIOD_S)
    assert selling(fleet).calls > calls


async def test_workers_requested_since_then_are_counted(fleet: Fleet) -> None:
    await asyncio.sleep(30)
    await fleet.want("p-1-7", "p-1-8")
    passed, detail = room(fleet, 3)
    assert passed is False
    assert detail.startswith("Driver cloud has capacity for 2 of 3 workers: ")
    assert detail.endswith("Since then 2 workers were requested.")


async def test_each_market_and_zone_has_its_own_room(fleet: Fleet) -> None:
    await asyncio.sleep(1)
    driver = selling(fleet)
    driver.needs = Need(quotas={"memory": 1000}, zones=("b",))
    assert room(fleet, 2)[0] is False
    driver.needs = Need(quotas={"memory": 1000, "gpus": 1})
    assert room(fleet, 1) == (None, "Not known: driver cloud does not report gpus.")
    driver.needs = Need(quotas={"memory": 1000}, zones=("c",))
    assert room(fleet, 1)[0] is False
    driver.left = {"a": 5000, "": 2000}
    await look(fleet.core, "cloud")
    driver.needs = Need(quotas={"memory": 1000}, zones=("a",))
    assert room(fleet, 2)[0] is True
    assert room(fleet, 3)[0] is False, "a quota without a zone counts everywhere"


@pytest.mark.parametrize(
    ("needs", "why"),
    [
        (InvalidRequest("Pool p: there is no option x."), "Not known: Pool p: there is no option x."),
        (ZeroDivisionError("one"), "driver cloud has a bug in need (ZeroDivisionError: one)."),
        (Need(), "driver cloud does not report what a worker takes of its quotas."),
    ],
)
async def test_without_a_need_nothing_is_known(fleet: Fleet, needs: Need | Exception, why: str) -> None:
    await asyncio.sleep(1)
    selling(fleet).needs = needs
    passed, detail = room(fleet, 1)
    assert passed is None
    assert detail.endswith(why)
    assert net(fleet)[0] is None


async def test_a_network_that_is_not_everywhere(fleet: Fleet) -> None:
    await asyncio.sleep(40)
    driver = selling(fleet)
    driver.needs = Need(network="red")
    passed, detail = net(fleet)
    assert passed is False
    assert detail.startswith("Network red is not in b, as driver cloud reported ")
    driver.needs = Need(network="red", zones=("a",))
    assert net(fleet)[0] is True
    driver.needs = Need(network="blue", vlan=40)
    passed, detail = net(fleet)
    assert passed is True
    assert detail.startswith("Network blue with VLAN 40 is in a and b, ")
    driver.needs = Need(network="blue", vlan=41)
    assert net(fleet)[0] is False
    driver.needs = Need(network="green")
    assert net(fleet)[0] is False


async def test_an_answer_of_another_form_is_a_bug_of_the_driver(fleet: Fleet) -> None:
    await asyncio.sleep(1)
    selling(fleet).says = ["memory"]
    await asyncio.sleep(2 * PERIOD_S)
    notes = fleet.core.driver_notes["cloud"]
    assert notes.quotas.values
    assert "instead of a list of Quota" in notes.quotas.problem
    assert any("has a bug in quotas" in text for text in fleet.events("driver.fault"))


async def test_a_driver_without_quotas(make_fleet: MakeFleet) -> None:
    fleet = make_fleet("cloud", loops=("quotas",), quotas_period_s=PERIOD_S)
    await asyncio.sleep(100)
    assert room(fleet, 1) == (
        None,
        "Not known: driver cloud reports no quotas, and reserves capacity when it creates a machine.",
    )
    assert net(fleet)[1].startswith("Not known: driver cloud does not report networks")


async def test_simulated_worlds_ask_nobody(make_fleet: MakeFleet) -> None:
    fleet = make_fleet("cloud", loops=("quotas",))
    fleet.core.drivers["cloud"] = Selling(fleet)
    await asyncio.sleep(1_000)
    assert selling(fleet).calls == 0


async def with_pool(fleet: Fleet, **template: Any) -> None:
    plain = {
        "name": "p",
        "driver": "cloud",
        "max_workers": 9,
        "templates": [{"name": "t", "cpu": 1, "memory": "1Gi", **template}],
    }
    changes = Changes()
    store_pool(fleet.core, changes, pool_from_plain(plain), fleet.clock.now_ms())
    await fleet.core.commit(changes)


async def test_offers_are_listed_with_what_is_left_and_its_age(fleet: Fleet) -> None:
    await with_pool(fleet, price_per_hour="0.5", zones=[{"name": "a"}, {"name": "b", "max_workers": 2}])
    (first, _) = listed_offers(fleet.core, "cloud", shapes=False)
    assert (first.workers_left, first.quota_as_of) == (None, None)
    assert first.reason == "Not known: driver cloud has not reported its quotas yet."
    await asyncio.sleep(30)
    found = listed_offers(fleet.core, None, shapes=True)
    rows = [(each.pool, each.name, each.zone, each.price_per_hour_usd, each.workers_left) for each in found]
    assert rows == [
        ("p", "t", "a", "0.5", 4),
        ("p", "t", "b", "0.5", 2),
        ("", "m1", "a", "0.000000000007", None),
    ]
    assert [each.reason for each in found] == ["", "", ""]
    assert found[0].quota_as_of is not None
    assert found[2].price_as_of is not None
    await fleet.want("p-1-7", "p-1-8")
    assert listed_offers(fleet.core, "cloud", shapes=False)[0].workers_left == 2
    with pytest.raises(NotKnown, match="There is no driver 'moon'"):
        listed_offers(fleet.core, "moon", shapes=False)


async def test_an_unknown_price_is_none_and_no_quota_no_number(
    fleet: Fleet, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(Selling, "prices", lambda self: [])
    await with_pool(fleet, price_per_hour="0.5")
    await asyncio.sleep(30)
    selling(fleet).needs = Need(quotas={"memory": 0})
    template, shape = listed_offers(fleet.core, "cloud", shapes=True)
    assert (shape.price_per_hour_usd, shape.price_as_of) == (None, None)
    assert template.workers_left is None
    assert template.reason.startswith("Not known: driver cloud does not report what a worker takes")


async def test_a_template_whose_price_is_not_that_of_its_provider_is_told_once(fleet: Fleet) -> None:
    template = {"name": "t", "cpu": 1, "memory": "1Gi", "price_per_hour": "0.12", "zones": ["a", "b"]}
    changes = Changes()
    spec = pool_from_plain({"name": "p", "driver": "cloud", "templates": [template]})
    store_pool(fleet.core, changes, spec, fleet.clock.now_ms())
    await fleet.core.commit(changes)
    driver = selling(fleet)
    driver.needs = Need(quotas={"memory": 1000}, shape="m1")
    driver.charges = parse_usd("0.1195")
    asked_ms = fleet.clock.now_ms()
    await look(fleet.core, "cloud")
    assert fleet.events("offer.price_differs") == []
    rows = {each.zone: each for each in listed_offers(fleet.core, "cloud", shapes=False)}
    assert (rows["a"].price_per_hour_usd, rows["a"].provider_price_per_hour_usd) == ("0.12", "0.1195")
    assert iso(asked_ms) <= (rows["a"].price_as_of or "") <= iso(fleet.clock.now_ms())
    assert (rows["b"].provider_price_per_hour_usd, rows["b"].price_as_of) == (None, None)
    driver.charges = parse_usd("0.15")
    for _ in range(3):
        await look(fleet.core, "cloud")
    (event,) = fleet.events("offer.price_differs")
    assert event == (
        "Template t in zone a of pool p costs $0.1200 per hour in herder.yaml, but driver cloud reports $0.1500. "
        "Plans and costs follow herder.yaml. Correct the price of the template, or write `prices: provider`."
    )
    driver.charges = parse_usd("0.16")
    await look(fleet.core, "cloud")
    assert len(fleet.events("offer.price_differs")) == 2
    driver.needs = Need(quotas={"memory": 1000})
    await look(fleet.core, "cloud")
    assert listed_offers(fleet.core, "cloud", shapes=False)[0].provider_price_per_hour_usd is None


ADAPTING = {
    "name": "t",
    "cpu": 1,
    "memory": "1Gi",
    "price_per_hour": "0.12",
    "zones": ["a", "b"],
    "spot": "prefer",
    "prices": "provider",
}


async def _adapting(fleet: Fleet, **changed: Any) -> PoolSpec:
    spec = pool_from_plain({"name": "p", "driver": "cloud", "templates": [{**ADAPTING, **changed}]})
    changes = Changes()
    store_pool(fleet.core, changes, keep_stored(fleet.core, spec), fleet.clock.now_ms())
    await fleet.core.commit(changes)
    return fleet.core.state.pools[PoolName("p")]


def _prices(fleet: Fleet) -> dict[str, str]:
    rows = listed_offers(fleet.core, "cloud", shapes=False)
    return {f"{each.zone}{' spot' if each.spot else ''}": str(each.price_per_hour_usd) for each in rows}


async def test_a_template_may_have_the_prices_of_its_provider(fleet: Fleet) -> None:
    driver = selling(fleet)
    driver.needs, driver.charges = Need(quotas={"memory": 1000}, shape="m1"), parse_usd("0.15")
    await _adapting(fleet)
    assert _prices(fleet) == {"a": "0.12", "a spot": "0.036", "b": "0.12", "b spot": "0.036"}
    await look(fleet.core, "cloud")
    # The price of spot, which is not reported, follows that of its zone.
    assert _prices(fleet) == {"a": "0.15", "a spot": "0.045", "b": "0.12", "b spot": "0.036"}
    rows = listed_offers(fleet.core, "cloud", shapes=False)
    assert {(each.zone, each.spot): each.price_reason for each in rows} == {
        ("a", False): "",
        **{
            (
                zone,
                spot,
            ): f"Driver cloud reports no price of t in zone {zone}{' (spot)' * spot}: the last known one counts, or that of herder.yaml."
            for zone, spot in (("a", True), ("b", False), ("b", True))
        },
    }
    assert fleet.events("offer.") == [
        "Prices of 1 template of pool p are now those that driver cloud reports: t."
    ]
    await look(fleet.core, "cloud")
    assert len(fleet.events("offer.")) == 1, "nothing has changed"
    kept = await _adapting(fleet)
    assert kept.templates[0].zones[0].price_pico_per_hour == parse_usd("0.15"), (
        "a file that says nothing of it"
    )
    written = await _adapting(fleet, zones=["a", {"name": "b", "price_per_hour": "0.2"}])
    assert written.templates[0].zones[1].price_pico_per_hour == parse_usd("0.2"), "nothing was reported there"
    kept = await _adapting(fleet)
    stored = pool_from_plain(pool_to_plain(kept))
    assert stored.templates == kept.templates, "a restart keeps it"
    driver.charges = parse_usd("0.01")
    await look(fleet.core, "cloud")
    assert _prices(fleet)["a"] == "0.01"
    other = await _adapting(fleet, driver_options={"machine_type": "m9"})
    assert other.templates[0].zones[0].price_pico_per_hour is None, "what was reported is of another machine"
    assert (await _adapting(fleet, prices="file")).templates[0].zones[0].price_pico_per_hour is None


async def test_spot_that_has_become_too_dear_is_not_bought_and_may_come_back(fleet: Fleet) -> None:
    driver = selling(fleet)
    driver.needs, driver.charges, driver.spot = Need(shape="m1"), parse_usd("0.15"), True
    await _adapting(fleet, zones=["a"], spot="yes", max_spot_price="0.1")
    assert _prices(fleet) == {"a spot": "0.036"}
    await look(fleet.core, "cloud")
    assert _prices(fleet) == {}
    pool = fleet.core.state.pools[PoolName("p")]
    assert pool_from_plain(pool_to_plain(pool)).templates == pool.templates, "a restart reads it"
    driver.charges = parse_usd("0.05")
    await look(fleet.core, "cloud")
    assert _prices(fleet) == {"a spot": "0.05"}


async def test_a_price_of_spot_that_flaps_is_told_once(fleet: Fleet) -> None:
    driver = selling(fleet)
    driver.needs, driver.spot = Need(shape="m1"), True
    await _adapting(fleet, prices="file")
    for dollars in ("0.05", "0.051", "0.05", "0.036", "0.05", "0.06"):
        driver.charges = parse_usd(dollars)
        await look(fleet.core, "cloud")
    assert len(fleet.events("offer.price_differs")) == 1
    driver.charges = parse_usd("0.09")
    await look(fleet.core, "cloud")
    assert len(fleet.events("offer.price_differs")) == 2, "much more than what was told"


@pytest.mark.parametrize("wrong", [-(10**10), 0, 0.15, 10**30, None, True, "0.15"])
async def test_what_is_no_price_is_unknown(fleet: Fleet, wrong: Any) -> None:
    """A pool with it could not be read at the next start, or would cost nothing."""
    driver = selling(fleet)
    driver.needs, driver.charges = Need(shape="m1"), parse_usd("0.15")
    await _adapting(fleet)
    await look(fleet.core, "cloud")
    driver.charges = wrong
    await look(fleet.core, "cloud")
    assert _prices(fleet)["a"] == "0.15", "the last that was known"
    rows = listed_offers(fleet.core, "cloud", shapes=True)
    assert {each.provider_price_per_hour_usd for each in rows} == {None}
    await _adapting(fleet, prices="file")
    await look(fleet.core, "cloud")
    assert fleet.events("offer.price_differs") == []


def test_prices_of_a_provider_need_zones() -> None:
    with pytest.raises(SettingsError, match=r"no zones, and prices are those of zones\. Name the zones"):
        pool_from_plain({"name": "p", "driver": "cloud", "templates": [{**ADAPTING, "zones": []}]})
