"""A played subscription, and a driver of it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from herder.drivers.azure import AzureDriver
from tests.drivers.azure.lab import Lab


@pytest.fixture
def lab() -> Iterator[Lab]:
    found = Lab()
    yield found
    found.close()


@pytest.fixture
def driver(lab: Lab) -> AzureDriver:
    return lab.driver()
