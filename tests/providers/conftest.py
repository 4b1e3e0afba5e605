"""Fleets in the simulated world, closed at the end of each test. Tests of real threads run on a real loop."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping
from typing import Any

import pytest

from herder.simulate.chaos.hosts.loop import VirtualLoop
from tests.providers.fleet import Fleet

MakeFleet = Callable[..., Fleet]


def pytest_asyncio_loop_factories(item: pytest.Item) -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    """Of pytest-asyncio: which event loop a test runs on."""
    if item.get_closest_marker("virtual_time") is not None:
        return {"virtual": VirtualLoop}
    return {"real": asyncio.new_event_loop}


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
        fleet.engine.dispose()
