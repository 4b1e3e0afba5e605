from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.drivers.rosa.lab import Lab


@pytest.fixture
def lab() -> Iterator[Lab]:
    found = Lab()
    yield found
    found.close()
