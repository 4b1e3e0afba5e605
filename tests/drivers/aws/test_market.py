"""What AWS sells, what it costs, and how much of it the account may have: with its age, and never zero where it is not known."""

from __future__ import annotations

import pytest

from herder.drivers.aws import AwsDriver
from herder.drivers.aws.vcpu_quotas import quota_for, used_of, vcpu_quotas
from herder.model.fleet.driver import Unauthorised
from herder.model.fleet.driver_capabilities import Need, Price
from herder.model.values.resources import Resources
from herder.testing.aws.services import product
from herder.testing.fakes import Rule
from tests.drivers.aws.lab import Lab, spec, start


def spot_prices(driver: AwsDriver) -> list[Price]:
    return [each for each in driver.prices() if each.spot]


def on_demand(driver: AwsDriver) -> dict[tuple[str, str], int]:
    return {(each.shape, each.zone): each.pico_per_hour for each in driver.prices() if not each.spot}


def test_types_are_offered_in_their_zones_and_markets(lab: Lab, driver: AwsDriver) -> None:
    offers = {(each.name, each.spot): each for each in driver.offers()}
    assert set(offers) == {(kind, spot) for kind in ("m7i.large", "m7i.2xlarge") for spot in (False, True)}
    large = offers["m7i.2xlarge", True]
    assert large.resources == Resources(8_000, 32_768)
    assert large.zones == ("eu-west-1a", "eu-west-1b", "eu-west-1c")


def test_spot_prices_have_their_age(lab: Lab, driver: AwsDriver) -> None:
    read_ms = lab.clock.ms
    assert {each.zone: each.pico_per_hour for each in spot_prices(driver)} == {
        "eu-west-1a": 41_300_000_000,
        "eu-west-1b": 39_900_000_000,
    }
    lab.aws.missing.add("ec2:DescribeSpotPriceHistory")
    lab.jump(2 * 3600)
    assert {each.as_of_ms for each in spot_prices(driver)} == {read_ms}


@pytest.mark.parametrize("price", ["0", "", "soon", "NaN", "Infinity"])
def test_what_is_no_price_is_not_known(lab: Lab, driver: AwsDriver, price: str) -> None:
    lab.aws.spot_prices["m7i.large", "eu-west-1a"] = price
    assert [each.zone for each in spot_prices(driver)] == ["eu-west-1b"]


def test_prices_of_china_which_are_in_yuan_are_not_known(lab: Lab) -> None:
    assert lab.driver(region="cn-north-1", prices=False).prices() == []
    assert not lab.aws.asked


def test_prices_that_were_never_read_are_an_error(lab: Lab, driver: AwsDriver) -> None:
    lab.aws.missing.add("ec2:DescribeSpotPriceHistory")
    lab.aws.missing.add("pricing:GetProducts")
    with pytest.raises(Unauthorised, match="lacks the permission ec2:DescribeSpotPriceHistory"):
        driver.prices()


# --- on demand


def test_prices_on_demand_are_those_of_linux_in_the_region_with_their_age(
    lab: Lab, driver: AwsDriver
) -> None:
    read_ms = lab.clock.ms
    found = on_demand(driver)
    assert found["m7i.large", "eu-west-1a"] == found["m7i.large", "eu-west-1c"] == 107_000_000_000
    assert found["m7i.2xlarge", "eu-west-1b"] == 428_000_000_000
    assert len(found) == 6
    lab.aws.missing.add("pricing:GetProducts")
    lab.jump(2 * 3600)
    assert {each.as_of_ms for each in driver.prices() if not each.spot} == {read_ms}


def test_the_price_list_comes_in_pages_whose_tokens_expire(lab: Lab, driver: AwsDriver) -> None:
    lab.aws.page_rows = 1
    lab.aws.faults.add(Rule(path="GetProducts", status=400, code="ExpiredNextTokenException"))
    assert {kind for kind, _ in on_demand(driver)} == {"m7i.large", "m7i.2xlarge"}


@pytest.mark.parametrize(
    "row",
    [
        product("eu-west-1", "m7i.large", "0.0000000000"),
        product("eu-west-1", "m7i.large", "free"),
        product("eu-west-1", "m7i.large", "0.1", unit="Quantity"),
        {"product": {"attributes": product("eu-west-1", "m7i.large", "1")["product"]["attributes"]}},
    ],
)
def test_a_row_that_says_no_price_leaves_it_unknown(
    lab: Lab, driver: AwsDriver, row: dict[str, object]
) -> None:
    lab.aws.products = [row, product("eu-west-1", "m7i.2xlarge", "0.428")]
    assert {kind for kind, _ in on_demand(driver)} == {"m7i.2xlarge"}


def test_of_two_prices_the_higher_one_counts(lab: Lab, driver: AwsDriver) -> None:
    lab.aws.products = [product("eu-west-1", "m7i.large", price) for price in ("0.2", "0.3", "0.1")]
    assert set(on_demand(driver).values()) == {300_000_000_000}


def test_without_the_permission_for_the_price_list_spot_prices_stay_and_it_is_told(
    lab: Lab, driver: AwsDriver, caplog: pytest.LogCaptureFixture
) -> None:
    lab.aws.missing.add("pricing:GetProducts")
    assert {each.spot for each in driver.prices()} == {True}
    assert "the account lacks the permission pricing:GetProducts. Add it to the policy" in caplog.text
    caplog.clear()
    lab.jump(3_700)
    driver.prices()
    assert not caplog.text, "once"
    failed = [check for check in driver.checks() if not check.passed]
    assert [check.name for check in failed] == ["prices (pricing:GetProducts)"]
    assert lab.running(driver).running


def test_the_price_list_is_not_read_where_the_settings_say_so(lab: Lab) -> None:
    driver = lab.driver(prices=False)
    assert {each.spot for each in driver.prices()} == {True}
    assert "pricing:GetProducts" not in lab.aws.asked


def test_a_price_list_that_is_no_json_is_an_error_with_what_helps(lab: Lab, driver: AwsDriver) -> None:
    lab.aws.faults.add(Rule(path="GetProducts", status=200, body={"PriceList": ["{"]}, times=-1))
    lab.aws.missing.add("ec2:DescribeSpotPriceHistory")
    checks = {check.name: check.detail for check in driver.checks()}
    assert "is not one of AWS. Check the addresses" in checks["prices (pricing:GetProducts)"]


# --- quotas


STANDARD, SPOT = "Running On-Demand Standard instances", "All Standard Spot Instance Requests"


def test_quotas_count_what_starts_and_runs_on_demand_and_as_spot(lab: Lab, driver: AwsDriver) -> None:
    lab.aws.cpus_limit, lab.aws.spot_cpus_limit = 640, 32
    lab.running(driver)
    lab.running(driver, name="burst-1-1", spot=True)
    driver.create(spec("burst-1-2", spot=True), start())
    found = {each.name: each for each in driver.quotas()}
    assert {name: (each.used, each.limit, each.zone) for name, each in found.items()} == {
        STANDARD: (2, 640, "eu-west-1"),
        SPOT: (4, 32, "eu-west-1"),
        "Running On-Demand G and VT instances": (0, 0, "eu-west-1"),
    }
    assert {each.as_of_ms for each in found.values()} == {lab.clock.ms}
    lab.jump(59)
    assert {each.as_of_ms for each in driver.quotas()} == {lab.clock.ms - 59_000}
    lab.jump(2)
    assert {each.as_of_ms for each in driver.quotas()} == {lab.clock.ms}, "limits and use are equally old"


def test_quotas_count_instances_of_others_too(lab: Lab, driver: AwsDriver) -> None:
    lab.running(lab.driver(installation="theirs"))
    assert {each.name: each.used for each in driver.quotas()}[STANDARD] == 2


def test_an_instance_whose_cores_are_not_known_makes_its_quota_unknown(
    lab: Lab, driver: AwsDriver, monkeypatch: pytest.MonkeyPatch
) -> None:
    lab.running(driver)
    rows = driver._api.running()
    rows[0]["cpuOptions"] = {}
    assert STANDARD not in used_of(vcpu_quotas(driver._services.quotas()), rows)


def test_quotas_that_may_not_be_read_are_told_and_the_driver_goes_on(lab: Lab, driver: AwsDriver) -> None:
    lab.aws.missing.add("servicequotas:ListServiceQuotas")
    with pytest.raises(Unauthorised, match="lacks the permission servicequotas:ListServiceQuotas"):
        driver.quotas()
    failed = [check for check in driver.checks() if not check.passed]
    assert [check.name for check in failed] == ["quotas (servicequotas:ListServiceQuotas)"]
    assert lab.running(driver).running


def test_a_worker_needs_the_cores_of_its_type_and_has_its_price(lab: Lab, driver: AwsDriver) -> None:
    assert driver.need(spec()) == Need(shape="m7i.large"), "nothing was read yet, and it asks nobody"
    assert not lab.aws.asked
    driver.quotas()
    driver.offers()
    calls = len(lab.aws.asked)
    assert driver.need(spec()) == Need(quotas={STANDARD: 2}, zones=("eu-west-1",), shape="m7i.large")
    large = (("instance_type", "m7i.2xlarge"),)
    assert driver.need(spec(spot=True, driver_options=large)) == Need(
        quotas={SPOT: 8}, zones=("eu-west-1",), shape="m7i.2xlarge"
    )
    unknown = (("instance_type", "q9.large"),)
    assert driver.need(spec(driver_options=unknown)) == Need(shape="q9.large")
    assert len(lab.aws.asked) == calls


@pytest.mark.parametrize(
    ("kind", "spot", "name"),
    [
        ("m7i-flex.large", False, "Running On-Demand Standard instances"),
        ("t3.micro", True, "All Standard Spot Instance Requests"),
        ("g6.xlarge", False, "Running On-Demand G and VT instances"),
        ("vt1.3xlarge", False, "Running On-Demand G and VT instances"),
        ("p5.48xlarge", True, "All P5 Spot Instance Requests"),
        ("p4d.24xlarge", True, "All P4, P3 and P2 Spot Instance Requests"),
        ("inf2.xlarge", False, "Running On-Demand Inf instances"),
        ("i4i.large", False, "Running On-Demand Standard instances"),
        ("im4gn.large", False, "Running On-Demand Standard instances"),
        ("gr6.4xlarge", False, "Running On-Demand G and VT instances"),
        ("u-6tb1.metal", False, "Running On-Demand High Memory instances"),
        ("x2idn.16xlarge", False, ""),
        ("", False, ""),
    ],
)
def test_a_type_counts_against_the_quota_of_its_family(kind: str, spot: bool, name: str) -> None:
    families = "(A, C, D, H, I, M, R, T, Z)"
    names = [
        f"Running On-Demand Standard {families} instances", f"All Standard {families} Spot Instance Requests",
        "Running On-Demand G and VT instances", "All P4, P3 and P2 Spot Instance Requests",
        "All P5 Spot Instance Requests", "Running On-Demand Inf instances",
        "Running On-Demand High Memory instances", "EC2-VPC Elastic IPs", "Running Dedicated m7i Hosts",
    ]  # fmt: skip
    quotas = vcpu_quotas([{"QuotaName": each, "Value": 64.0} for each in names])
    found = quota_for(quotas, kind, spot=spot)
    assert (found.name if found is not None else "") == name


@pytest.mark.parametrize("value", [None, "64", -1, True])
def test_a_limit_that_is_none_is_no_quota(value: object) -> None:
    assert vcpu_quotas([{"QuotaName": "Running On-Demand P instances", "Value": value}]) == []
