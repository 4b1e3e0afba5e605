"""moto as a second opinion on the shapes of EC2: it reads what the driver asks, and the driver reads what it answers.

It does not know the filter by client token, so that nothing is listed or found again here, and it checks no signature.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace

import pytest
from moto.server import ThreadedMotoServer

from herder.drivers.aws import AwsDriver
from herder.drivers.aws.opening import opened
from herder.model.fleet.driver import DriverContext, Phase
from herder.model.ids import WorkerName
from tests.drivers.aws.lab import SETTINGS, GivenKeys, spec
from tests.drivers.gcp.lab import start

pytestmark = [pytest.mark.slow, pytest.mark.timeout(120)]
#: One that moto has from the start.
IMAGE = "ami-12c6146b"


class WallClock:
    def now_ms(self) -> int:
        return time.time_ns() // 1_000_000

    def monotonic_ms(self) -> int:
        return time.monotonic_ns() // 1_000_000


@pytest.fixture
def driver() -> Iterator[AwsDriver]:
    server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    settings = replace(SETTINGS, ec2_url=f"http://{host}:{port}", image=IMAGE, prices=False)
    context = DriverContext(name="aws", installation="lab", clock=WallClock())
    made = opened(settings, context, GivenKeys(WallClock()))
    yield made
    made.close()
    server.stop()


def test_an_instance_is_created_and_read(driver: AwsDriver) -> None:
    made = driver.create(spec("burst-1-0"), start())
    assert made.handle.startswith("i-")
    assert made.addresses
    found = driver.get(WorkerName("burst-1-0"), made.operation)
    assert (found.handle, found.phase) == (made.handle, Phase.RUNNING)
    assert (found.tags.pool, found.tags.template) == (made.tags.pool, made.tags.template)
    assert driver.console(WorkerName("burst-1-0"))


def test_types_zones_and_spot_prices_are_read(driver: AwsDriver) -> None:
    offers = {(each.name, each.spot): each for each in driver.offers()}
    large = offers["m5.xlarge", False]
    assert (large.resources.cpu_milli, large.resources.memory_mib) == (4_000, 16_384)
    assert set(large.zones) == {"eu-west-1a", "eu-west-1b", "eu-west-1c"}
    assert any(each.spot and each.pico_per_hour > 0 for each in driver.prices())
