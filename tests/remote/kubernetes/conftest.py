"""Tests of the informer run on the event loop whose clock jumps; tests of files, processes and sockets on a real one."""

import asyncio
from collections.abc import Callable, Mapping

import pytest

from herder.simulate.chaos.hosts.loop import VirtualLoop


def pytest_asyncio_loop_factories(item: pytest.Item) -> Mapping[str, Callable[[], asyncio.AbstractEventLoop]]:
    """Of pytest-asyncio: which event loop a test runs on."""
    if item.get_closest_marker("virtual_time") is not None:
        return {"virtual": VirtualLoop}
    return {"real": asyncio.new_event_loop}
