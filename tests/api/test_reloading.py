"""SIGHUP of a server: what `reload` puts in force, what it refuses, and what it records."""

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from herder.model.permissions import Role
from herder.model.values.resources import Dimension, Dimensions, Unit
from herder.server.options import ServerOptions
from herder.server.reloading import reload
from herder.settings import pool_from_plain
from herder.settings.sections.server import UserSettings
from tests.api.conftest import POOLS, Server


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    made = Server(tmp_path_factory.mktemp("data")).start()
    made.http.post("/apply", json={"pools": POOLS}).raise_for_status()
    yield made
    made.stop()


def reloaded(server: Server, **read: Any) -> str:
    options = ServerOptions(data_dir=Path("/nowhere"), **read)
    return server.run(reload(server.running.core, lambda: options))


def kinds(server: Server, subject: str) -> list[str]:
    found = server.http.get("/events", params={"object": subject}).json()["items"]
    return [each["kind"] for each in found]


def test_what_a_reload_changes_is_recorded_as_events(server: Server) -> None:
    pool = pool_from_plain({**POOLS[0], "max_workers": 5})
    ann = UserSettings(name="ann", role=Role.VIEWER)
    shared = {"projects": {"research": {}}}
    text = reloaded(server, pools=(pool,), users=(ann,), sharing=shared)
    assert text == "Reloaded: 1 of 1 pool and 1 of 1 user changed."
    assert server.http.get("/pools/std").json()["max_workers"] == 5
    assert kinds(server, "pool/std")[-1] == "pool.updated"
    assert kinds(server, "user/ann") == ["user.created"]
    assert kinds(server, "sharing/fleet")[-1] == "sharing.updated"
    again = reloaded(server, pools=(pool,), users=(ann,), sharing=shared)
    assert again == "Reloaded: 0 of 1 pool and 0 of 1 user changed."
    assert kinds(server, "user/ann") == ["user.created"]


@pytest.mark.parametrize(
    ("read", "words"),
    [
        ({"pools": (pool_from_plain({**POOLS[0], "membership": "none"}),)}, "with membership exchange"),
        (
            {"resources": Dimensions((Dimension(name="licence", key="licence", unit=Unit.COUNT),))},
            "The section `resources` has changed.",
        ),
        (
            {"pools": (pool_from_plain({**POOLS[0], "driver": "other"}),)},
            "Declare the driver in the server's herder.yaml and restart",
        ),
    ],
)
def test_what_a_reload_refuses_changes_nothing(server: Server, read: dict[str, Any], words: str) -> None:
    server.http.post("/pools/std/scale", json={"workers": 1, "ttl_s": 3600}).raise_for_status()
    before = dict(server.running.core.state.pools)
    bob = UserSettings(name="bob", role=Role.VIEWER)
    text = reloaded(server, users=(bob,), **read)
    assert text.startswith("Not reloaded; nothing was changed. ")
    assert words in text
    assert server.running.core.state.pools == before
    assert kinds(server, "user/bob") == []
