"""A datacentre for each test, closed after it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.datacentre.lab import Lab


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Lab]:
    found = Lab(tmp_path)
    yield found
    found.close()
