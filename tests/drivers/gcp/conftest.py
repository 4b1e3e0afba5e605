"""A played project, and a driver of it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from herder.drivers.gcp import GcpDriver
from tests.drivers.gcp.lab import Lab


@pytest.fixture
def lab() -> Iterator[Lab]:
    found = Lab()
    yield found
    found.close()


@pytest.fixture
def driver(lab: Lab) -> GcpDriver:
    return lab.driver()
