"""A cluster in this process, on the event loop whose clock jumps, and Herder's view on it with the rights of its manifests."""

import asyncio
from collections.abc import AsyncIterator, Callable, Mapping

import pytest

from herder.simulate.chaos.hosts.loop import VirtualLoop
from tests.memberships.kubernetes.lab import Lab


def pytest_asyncio_loop_factories(item: pytest.Item) -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    """Of pytest-asyncio: which event loop a test runs on."""
    if item.get_closest_marker("virtual_time") is not None:
        return {"virtual": VirtualLoop}
    return {"real": asyncio.new_event_loop}


@pytest.fixture
async def lab() -> AsyncIterator[Lab]:
    made = Lab()
    yield made
    await made.close()


@pytest.fixture
async def played() -> AsyncIterator[Lab]:
    """The same with a scheduler and kubelets."""
    made = Lab(played=True)
    yield made
    await made.close()
