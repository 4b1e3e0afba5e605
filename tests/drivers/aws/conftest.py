"""A played region, and a driver of it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from herder.drivers.aws import AwsDriver
from tests.drivers.aws.lab import Lab


@pytest.fixture
def lab() -> Iterator[Lab]:
    found = Lab()
    yield found
    found.close()


@pytest.fixture
def driver(lab: Lab) -> AwsDriver:
    return lab.driver()
