"""The store goes away, its disk fills up, another server wants it – each under load, and everything accepted still ends as it must."""

import time
from collections.abc import Callable
from pathlib import Path

import pytest

from herder.client import HerderClient
from tests.acceptance.conftest import Installation
from tests.acceptance.test_two_servers import Served, end_connections, until
from tests.storm.load import Load
from tests.storm.proxy import Proxy
from tests.storm.test_storm import CONFIG, SEED, check
from tests.support import postgres
from tests.support.restartable import Restartable
from tests.support.small_disk import fill, small_disk

pytestmark = [pytest.mark.acceptance, pytest.mark.slow, pytest.mark.timeout(600)]

#: The other server makes nothing of its own: it only wants the store.
OTHER_CONFIG = "drivers:\n  pretend: {kind: pretend}\n"
AWAY_S = 10
SECOND_SERVERS = 3


def under_load(made: Installation, trouble: Callable[[], None]) -> None:
    effects = made.folder / "effects"
    effects.touch()
    made.config.write_text(CONFIG)
    proxy = Proxy(lambda: int(made.port), SEED)
    made.more = ["--public-url", proxy.url]
    try:
        made.start()
        token = (made.data / "admin.token").read_text().strip()
        with HerderClient(proxy.url, token, retries=1000) as client:
            load = Load(client, effects, SEED)
            load.start()
            time.sleep(2)
            trouble()
            time.sleep(2)
            load.stop()
            proxy.chance = 0.0
        assert load.accepted, "nothing was submitted"
        check(made, load.accepted, effects)
    finally:
        proxy.close()
        made.close()


def test_a_postgresql_that_goes_away_for_ten_seconds(tmp_path: Path) -> None:
    with postgres.running_server(fsync=False) as server:
        if server.pid is None:
            pytest.skip("a server that was given is not ours to stop")
        database = Restartable(server)

        def away() -> None:
            database.stop()
            time.sleep(AWAY_S)
            database.start()

        try:
            under_load(Installation(tmp_path, database.url), away)
        finally:
            database.stop()


def test_a_disk_that_is_full_for_ten_seconds(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", 256) as disk:
        made = Installation(tmp_path, None)
        made.data = disk / "data"
        made.env["HERDER_DATA_DIR"] = str(made.data)

        def full() -> None:
            filling = fill(disk)
            time.sleep(AWAY_S)
            filling.unlink()

        under_load(made, full)


@pytest.mark.parametrize("kind", ["sqlite", "postgresql"])
def test_other_servers_want_the_store(kind: str, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    url = None if kind == "sqlite" else str(request.getfixturevalue("postgres_url"))
    made = Installation(tmp_path, url)

    def wanted() -> None:
        (tmp_path / "elsewhere").symlink_to(made.data)
        store = url or f"sqlite:///{tmp_path}/elsewhere/herder.db"
        for number in range(SECOND_SERVERS):
            if url is not None:
                end_connections(url)
            shared = made if url is not None else None
            other = Served(tmp_path / f"other-{number}", store, OTHER_CONFIG, secret_of=shared)
            began = (other.data / "server.json").exists
            until(lambda o=other, b=began: b() or o.process.poll() is not None, other.said)  # type: ignore[misc]
            assert url is not None or other.process.poll() is not None, "two servers on one file"
            if url is not None:
                assert other.begun(made).role() == "follower", other.said()
            other.close()
            assert made.server is not None
            assert made.server.poll() is None, made.said()
            time.sleep(1)

    under_load(made, wanted)
