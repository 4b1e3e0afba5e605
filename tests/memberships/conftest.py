"""A world for each test, looked over when the test is done: no rule is broken, and a crash now would lose nothing."""

from collections.abc import Iterator

import pytest

from tests.support.engine_world import World


@pytest.fixture
def world() -> Iterator[World]:
    made = World()
    yield made
    made.commit()
    assert made.faults() == []
    made.sweep()
    assert made.faults() == []
