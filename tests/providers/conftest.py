"""Fleets on virtual time, closed at the end of each test."""

from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from tests.providers.fleet import Fleet

MakeFleet = Callable[..., Fleet]


@pytest.fixture
async def make_fleet() -> AsyncIterator[MakeFleet]:
    made: list[Fleet] = []

    def make(*names: str, **more: Any) -> Fleet:
        made.append(Fleet(*names, **more))
        return made[-1]

    yield make
    for fleet in made:
        await fleet.close()
        fleet.check()
        fleet.store.engine.dispose()
