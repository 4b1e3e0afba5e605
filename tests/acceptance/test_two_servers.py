"""Two installed servers on one store, each by a data folder of its own: whatever was answered as accepted is there in the end."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx
import pytest
from sqlalchemy import create_engine, select, text

from herder.store.rows.tables import jobs
from tests.acceptance.conftest import Installation

HERDER = str(Path(sys.executable).with_name("herder"))
CONFIG = """
drivers:
  pretend: {kind: pretend}
pools:
  std:
    driver: pretend
    templates:
      - {name: half, cpu: 500m, memory: 256Mi, disk: 1Gi, price_per_hour: "0.01"}
    max_workers: 3
    frozen: true
"""


class Served:
    """`herder server` on a store, in a folder of its own."""

    def __init__(
        self, folder: Path, store: str, text: str = CONFIG, secret_of: "Served | Installation | None" = None
    ) -> None:
        folder.mkdir()
        config = folder / "herder.yaml"
        config.write_text(text)
        self.data, self.log = folder / "data", folder / "log"
        environment = {k: v for k, v in os.environ.items() if not k.startswith("HERDER_")}
        self._words = [
            "server",
            "--data-dir",
            str(self.data),
            "-c",
            str(config),
            "--port",
            "0",
            "--store",
            store,
        ]
        self._environment = environment
        if secret_of is not None:
            self.data.mkdir(mode=0o700)
            shutil.copy(secret_of.data / "secret.key", self.data)
        self.start()

    def start(self) -> None:
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [HERDER, *self._words], env=self._environment, stdout=log, stderr=log
            )

    def begun(self, admin_of: "Served | Installation | None" = None) -> "Served":
        """Once it answers. A server that follows has no administrator's token of its own."""
        until((self.data / "server.json").exists, lambda: f"no start: {self.said()}")
        url = json.loads((self.data / "server.json").read_text())["url"]
        token = ((admin_of or self).data / "admin.token").read_text().strip()
        self.http = httpx.Client(
            base_url=f"{url}/api/v1", headers={"Authorization": f"Bearer {token}"}, timeout=20
        )
        return self

    def submit(self) -> int | None:
        """The number of a job that was accepted; None when it was not."""
        with suppress(httpx.TransportError):
            answer = self.http.post("/jobs", json={"runtime": "noop", "pool": "std"})
            assert answer.status_code in (200, 503), answer.text
            if answer.status_code == 200:
                return int(answer.json()["first_job"])
        return None

    def role(self) -> str:
        with suppress(httpx.TransportError):
            return str(self.http.get("/health").json()["role"])
        return ""

    def said(self) -> str:
        return self.log.read_text(errors="replace")

    def ended(self) -> int:
        return self.process.wait(30)

    def close(self) -> None:
        with suppress(AttributeError):
            self.http.close()
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGCONT)
            self.process.kill()
            self.process.wait(10)


def until(true: Callable[[], object], otherwise: Callable[[], str], limit_s: float = 60) -> None:
    deadline = time.monotonic() + limit_s
    while not true():
        assert time.monotonic() < deadline, otherwise()
        time.sleep(0.02)


@pytest.fixture
def serve(tmp_path: Path) -> Iterator[Callable[[str, str], Served]]:
    made: list[Served] = []

    def start(name: str, store: str) -> Served:
        shared = made[0] if made and name == "two" and store.startswith("postgresql") else None
        made.append(Served(tmp_path / name, store, secret_of=shared))
        return made[-1]

    yield start
    for each in made:
        each.close()


def owners(store: str) -> dict[int, Any]:
    engine = create_engine(store)
    with engine.connect() as connection:
        found = {row.id: row.payload for row in connection.execute(select(jobs.c.id, jobs.c.payload))}
    engine.dispose()
    return found


def end_connections(store: str) -> None:
    """Of everybody on this database: also the one that holds the lock."""
    engine = create_engine(store)
    with engine.connect() as connection:
        others = "datname = current_database() AND pid <> pg_backend_pid()"
        connection.execute(text(f"SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE {others}"))
    engine.dispose()


def test_a_second_server_on_a_sqlite_store_is_refused_whatever_its_folder(
    tmp_path: Path, serve: Callable[[str, str], Served]
) -> None:
    first = serve("one", f"sqlite:///{tmp_path}/shared.db").begun()
    (tmp_path / "elsewhere").symlink_to(tmp_path)
    second = serve("two", f"sqlite:///{tmp_path}/elsewhere/shared.db")
    assert second.ended() == 4
    assert "Another Herder server already uses the store" in second.said()
    assert "Traceback" not in second.said()
    assert first.submit() == 1


@pytest.mark.parametrize("paused", [False, True], ids=["its connections ended", "stopped and continued"])
def test_two_servers_on_a_postgresql_lose_nothing(
    postgres_url: str, serve: Callable[[str, str], Served], paused: bool
) -> None:
    """One whose connections ended keeps its lease and goes on. One that was stopped follows when it wakes up."""
    first = serve("one", postgres_url).begun()
    accepted = {first.submit() for _ in range(5)}
    if paused:
        first.process.send_signal(signal.SIGSTOP)
    end_connections(postgres_url)
    second = serve("two", postgres_url).begun(first)
    if paused:
        until(lambda: second.role() == "leader", second.said)
    else:
        assert second.role() == "follower"
    ours = {submitted(second) for _ in range(5)}
    first.process.send_signal(signal.SIGCONT)
    until(lambda: first.role() == ("follower" if paused else "leader"), first.said)
    theirs = {submitted(first) for _ in range(5)}
    assert {*map(type, accepted | ours | theirs)} == {int}
    assert set(owners(postgres_url)) == accepted | ours | theirs
    assert len(accepted | ours | theirs) == 15
    assert ("The store was taken over by" in first.said()) is paused
    assert "Traceback" not in first.said() + second.said()


def test_a_server_with_another_secret_is_refused(
    postgres_url: str, serve: Callable[[str, str], Served]
) -> None:
    first = serve("one", postgres_url).begun()
    second = serve("two", postgres_url)
    second.process.kill()
    second.process.wait(10)
    (second.data / "secret.key").unlink(missing_ok=True)
    for secret, said in ((None, "does not have the secret of the installation"), ("other", "is not the one")):
        if secret is not None:
            (second.data / "secret.key").write_text(secret)
        second.start()
        assert second.ended() == 4
        assert said in second.said()
        assert "Copy secret.key" in second.said()
    assert first.submit() == 1


def submitted(server: Served) -> int:
    """As a client does it: again, when there is no answer."""
    found: list[int] = []
    until(lambda: found.extend(filter(None, [server.submit()])) or found, server.said)
    return found[0]
