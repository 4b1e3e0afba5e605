"""What AWS sells and what spot instances cost: with its age, and never zero where it is not known."""

from __future__ import annotations

import pytest

from herder.drivers.aws import AwsDriver
from herder.model.fleet.driver import Unauthorised
from herder.model.values.resources import Resources
from tests.drivers.aws.lab import Lab


def test_types_are_offered_in_their_zones_and_markets(lab: Lab, driver: AwsDriver) -> None:
    offers = {(each.name, each.spot): each for each in driver.offers()}
    assert set(offers) == {(kind, spot) for kind in ("m7i.large", "m7i.2xlarge") for spot in (False, True)}
    large = offers["m7i.2xlarge", True]
    assert large.resources == Resources(8_000, 32_768)
    assert large.zones == ("eu-west-1a", "eu-west-1b", "eu-west-1c")


def test_spot_prices_have_their_age(lab: Lab, driver: AwsDriver) -> None:
    read_ms = lab.clock.ms
    assert {each.zone: each.pico_per_hour for each in driver.prices()} == {
        "eu-west-1a": 41_300_000_000,
        "eu-west-1b": 39_900_000_000,
    }
    lab.aws.missing.add("ec2:DescribeSpotPriceHistory")
    lab.jump(2 * 3600)
    assert {each.as_of_ms for each in driver.prices()} == {read_ms}


@pytest.mark.parametrize("price", ["0", "", "soon", "NaN", "Infinity"])
def test_what_is_no_price_is_not_known(lab: Lab, driver: AwsDriver, price: str) -> None:
    lab.aws.spot_prices["m7i.large", "eu-west-1a"] = price
    assert [each.zone for each in driver.prices()] == ["eu-west-1b"]


def test_prices_that_were_never_read_are_an_error(lab: Lab, driver: AwsDriver) -> None:
    lab.aws.missing.add("ec2:DescribeSpotPriceHistory")
    with pytest.raises(Unauthorised, match="lacks the permission ec2:DescribeSpotPriceHistory"):
        driver.prices()
