"""A played workspace, and a driver of it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from herder.drivers.terra import TerraDriver
from tests.drivers.terra.lab import Lab


@pytest.fixture
def lab() -> Iterator[Lab]:
    found = Lab()
    yield found
    found.close()


@pytest.fixture
def driver(lab: Lab) -> TerraDriver:
    return lab.driver()
