"""A server that may call this machine, its API, and a receiver."""

import asyncio
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from herder.model.work.callbacks import CallbackRules
from tests.api.conftest import POOLS, Server
from tests.support.receiver import Receiver

HERE = CallbackRules(allow=("127.0.0.0/8",))


class CallingServer(Server):
    callbacks = HERE


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with Receiver() as found:
        yield found


@pytest.fixture
def server(tmp_path: Path) -> Iterator[CallingServer]:
    made = CallingServer(tmp_path / "data").start()
    made.http.post("/apply", json={"pools": POOLS}).raise_for_status()
    yield made
    made.stop()


@pytest.fixture
def api(server: CallingServer) -> httpx.Client:
    return server.http


@pytest.fixture
def callback_of(server: CallingServer) -> Callable[..., dict[str, Any]]:
    """What `GET /batches/{batch}` says of its callback, once it is in this state."""

    def look(batch: int, state: str) -> dict[str, Any]:
        for _ in range(3000):
            found = server.http.get(f"/batches/{batch}").raise_for_status().json()["callback"]
            if found["state"] == state and (state != "due" or found["tries"]):
                return dict(found)
            server.run(_breathe())
        raise AssertionError(found)

    return look


async def _breathe() -> None:
    await asyncio.sleep(0.01)
