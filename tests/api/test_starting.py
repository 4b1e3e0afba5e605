"""What a start does to what is there: pools of files, pools that were frozen by hand, pools for a store that never had one."""

import asyncio
import re
import threading
from dataclasses import replace
from pathlib import Path

import msgspec
import pytest

from herder.server.command_run import say
from herder.server.data.opening import last_url, port_of
from herder.server.http.server import listen
from herder.server.options import ServerOptions, StartError
from herder.server.runtime import Running, serve
from herder.settings import pool_from_plain
from herder.settings.sections.server import DriverSettings
from herder.wire.worker.exchange import ExchangeRequest
from tests.api.conftest import POOLS, Server


def pools_after_start(options: ServerOptions) -> dict[str, bool]:
    """Names of the pools of a server started with these options, and whether each is frozen; then it is stopped."""
    found: dict[str, bool] = {}

    def begun(running: Running) -> None:
        found.update({name: pool.frozen for name, pool in running.core.state.pools.items()})
        running.stop()

    codes: list[int] = []
    thread = threading.Thread(target=lambda: codes.append(asyncio.run(serve(options, begun))))
    thread.start()
    thread.join(30)
    assert codes == [0]
    return found


def options_for(folder: Path, store_url: str | None = None) -> ServerOptions:
    return ServerOptions(
        data_dir=folder,
        port=0,
        store_url=store_url,
        drivers=(DriverSettings(name="pretend", kind="pretend"),),
    )


def test_default_pools_are_made_once_also_on_postgresql(tmp_path: Path, postgres_url: str) -> None:
    std = pool_from_plain(POOLS[0])
    for url in (None, postgres_url):
        options = replace(options_for(tmp_path / str(url)[:4], url), default_pools=(std,))
        assert pools_after_start(options) == {"std": False}
        other = replace(options, default_pools=(pool_from_plain(POOLS[1]),))
        assert pools_after_start(other) == {"std": False}, "a store that had pools gets no others"


def test_a_file_does_not_thaw_what_was_frozen_by_hand(tmp_path: Path) -> None:
    std = pool_from_plain(POOLS[0])
    options = replace(options_for(tmp_path), pools=(std,))
    assert pools_after_start(options) == {"std": False}
    server = Server(tmp_path).start()
    try:
        server.http.post("/pools/std/freeze", json={}).raise_for_status()
        server.http.post("/apply", json={"pools": [{**POOLS[0], "max_workers": 5}]}).raise_for_status()
        pool = server.http.get("/pools/std").json()
        assert (pool["frozen"], pool["max_workers"]) == (True, 5)
    finally:
        server.stop()
    assert pools_after_start(options) == {"std": True}


def test_pools_and_sharing_of_the_files_are_recorded_as_events(tmp_path: Path) -> None:
    std = pool_from_plain(POOLS[0])
    options = replace(options_for(tmp_path), pools=(std,), sharing={"projects": {"research": {}}})
    pools_after_start(options)
    pools_after_start(options)
    pools_after_start(
        replace(
            options, pools=(replace(std, size=replace(std.size, max_workers=5)),), sharing={"projects": {}}
        )
    )
    server = Server(tmp_path).start()
    try:
        found = server.http.get("/events").json()["items"]
    finally:
        server.stop()
    told = [(each["kind"], each["actor"]) for each in found if each["kind"].startswith(("pool.", "sharing."))]
    assert sorted(told) == [
        ("pool.created", "herder"),
        ("pool.updated", "herder"),
        ("sharing.updated", "herder"),
        ("sharing.updated", "herder"),
    ]
    (updated,) = [each for each in found if each["kind"] == "pool.updated"]
    assert list(updated["data"]["fields"]) == ["max_workers"]


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"membership": "none"}, "Pool std has 1 worker with membership exchange"),
        ({"driver": "other"}, "Pool std names driver 'other', which this server does not have."),
    ],
)
def test_a_start_refuses_what_apply_refuses(tmp_path: Path, wrong: dict[str, str], words: str) -> None:
    server = Server(tmp_path).start()
    try:
        server.http.post("/apply", json={"pools": [POOLS[0]]}).raise_for_status()
        server.http.post("/pools/std/scale", json={"workers": 1, "ttl_s": 3600}).raise_for_status()
    finally:
        server.stop()
    options = replace(options_for(tmp_path), pools=(pool_from_plain({**POOLS[0], **wrong}),))
    with pytest.raises(StartError, match=re.escape(words)) as said:
        asyncio.run(serve(options))
    assert said.value.hint


def test_port_0_is_the_port_of_last_time_because_agents_look_there(tmp_path: Path) -> None:
    """A worker of before the restart is heard at the address it knows; when another has taken the port, the start says who is lost."""
    server = Server(tmp_path).start()
    try:
        server.http.post("/apply", json={"pools": [POOLS[0]]}).raise_for_status()
        worker, url = server.worker(), server.running.url
        server.stop()
        server.start()
        assert server.running.url == url
        with server.client(worker.token) as client:
            body = msgspec.json.encode(ExchangeRequest(number=1, ack=0, wait=False))
            client.post(f"{url}/api/v1/worker/exchange", content=body).raise_for_status()
    finally:
        server.stop()
    told: list[str] = []
    with listen("127.0.0.1", 0, port_of(url)) as taken:
        assert taken.getsockname()[1] == port_of(url)
        codes = [asyncio.run(serve(options_for(tmp_path), lambda running: running.stop(), told.append))]
    assert codes == [0]
    (said,) = [text for text in told if "replaced" in text]
    now = last_url(tmp_path)
    assert now not in ("", url)
    assert said == (
        f"The server listens on {now}, but 1 worker looks for it at {url} and is replaced after dead_after. "
        f"To keep it, start the server with --port {port_of(url)}."
    )


@pytest.mark.parametrize(
    "content", ["", "[]", "{}", '{"url": 1}', '{"url": "http://h:99999"}', '{"url": "h"}']
)
def test_a_damaged_address_of_last_time_is_none(tmp_path: Path, content: str) -> None:
    (tmp_path / "server.json").write_text(content)
    assert last_url(tmp_path) == ""


def test_cancelling_a_batch_wakes_who_waits_for_one_of_its_jobs(tmp_path: Path) -> None:
    server = Server(tmp_path).start()
    try:
        jobs = [{"command": ["true"], "pool": "std"}] * 3
        server.http.post("/apply", json={"pools": [{**POOLS[0], "frozen": True}]}).raise_for_status()
        batch = server.http.post("/batches", json={"jobs": jobs, "commit": True}).json()["id"]
        answers: list[str] = []

        def wait() -> None:
            with server.client(server.running.token) as client:
                answers.append(client.get("/jobs/1/wait", params={"timeout_s": 25}).json()["state"])

        waiting = threading.Thread(target=wait)
        waiting.start()
        while not server.running.core.jobs_ended.by_key:
            waiting.join(0.02)
        server.http.post(f"/batches/{batch}/cancel", json={}).raise_for_status()
        waiting.join(10)
        assert answers == ["cancelled"]
    finally:
        server.stop()


def test_up_says_how_commands_find_a_data_folder_of_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("HERDER_DATA_DIR", str(tmp_path / "usual"))
    for folder, told in ((tmp_path / "usual", False), (tmp_path / "my own", True)):
        say(options_for(folder), "http://127.0.0.1:1", hint=True)
        assert (f"export HERDER_DATA_DIR='{folder}'" in capsys.readouterr().err) is told
