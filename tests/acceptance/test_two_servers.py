"""Two installed servers on one store, each by a data folder of its own: whatever was answered as accepted is there in the end."""

import json
import os
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

    def __init__(self, folder: Path, store: str, text: str = CONFIG) -> None:
        folder.mkdir()
        config = folder / "herder.yaml"
        config.write_text(text)
        self.data, self.log = folder / "data", folder / "log"
        environment = {k: v for k, v in os.environ.items() if not k.startswith("HERDER_")}
        words = ["server", "--data-dir", str(self.data), "-c", str(config), "--port", "0", "--store", store]
        with self.log.open("ab") as log:
            self.process = subprocess.Popen([HERDER, *words], env=environment, stdout=log, stderr=log)

    def begun(self) -> "Served":
        """Once it answers."""
        until((self.data / "server.json").exists, lambda: f"no start: {self.said()}")
        url = json.loads((self.data / "server.json").read_text())["url"]
        token = (self.data / "admin.token").read_text().strip()
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
        made.append(Served(tmp_path / name, store))
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
def test_a_server_that_was_taken_over_accepts_nothing_and_loses_nothing(
    postgres_url: str, serve: Callable[[str, str], Served], paused: bool
) -> None:
    first = serve("one", postgres_url).begun()
    accepted = {first.submit() for _ in range(5)}
    if paused:
        first.process.send_signal(signal.SIGSTOP)
    second = None
    for number in range(20):  # the first takes its lock again when it is quicker
        end_connections(postgres_url)
        second = serve(f"two-{number}", postgres_url)
        until(
            lambda s=second: (s.data / "server.json").exists() or s.process.poll() is not None,
            lambda: "hangs",
        )  # type: ignore[misc]
        if second.process.poll() is None:
            break
    assert second is not None
    second.begun()
    first.process.send_signal(signal.SIGCONT)
    ours, theirs = {second.submit() for _ in range(5)}, {first.submit() for _ in range(5)}
    assert None not in ours
    assert theirs == {None}
    assert first.ended() == 1
    said = first.said()
    assert f"The server stopped: The store was taken over by process {second.process.pid}" in said
    assert "Traceback" not in said
    assert set(owners(postgres_url)) == accepted | ours
    assert len(accepted | ours) == 10
