"""Several installed servers on one PostgreSQL, and an agent and a client beside them, all as processes. They listen on loopback."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import httpx
from sqlalchemy import create_engine, text

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
    dead_after: 12s
"""


class ServerProcess:
    """`herder server` with a data folder of its own."""

    def __init__(self, folder: Path, store: str, secret_of: "ServerProcess | None" = None) -> None:
        self.folder, self.data, self.log = folder, folder / "data", folder / "log"
        self.data.mkdir(parents=True, mode=0o700)
        if secret_of is not None:
            shutil.copy(secret_of.data / "secret.key", self.data / "secret.key")
        config = folder / "herder.yaml"
        config.write_text(CONFIG)
        self.port = "0"
        self._words = ["server", "--data-dir", str(self.data), "-c", str(config), "--store", store]
        self.start()

    def start(self) -> None:
        (self.data / "server.json").unlink(missing_ok=True)
        environment = {k: v for k, v in os.environ.items() if not k.startswith("HERDER_")}
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                [HERDER, *self._words, "--port", self.port], env=environment, stdout=log, stderr=log
            )

    def begun(self) -> "ServerProcess":
        """Once it answers."""
        until((self.data / "server.json").exists, lambda: f"no start: {self.said()}")
        self.url = json.loads((self.data / "server.json").read_text())["url"]
        self.port = self.url.rpartition(":")[2]
        return self

    def health(self) -> dict[str, Any]:
        with suppress(httpx.TransportError):
            return dict(httpx.get(f"{self.url}/api/v1/health", timeout=2).json())
        return {}

    def leads(self) -> bool:
        return self.health().get("role") == "leader"

    def follows(self) -> bool:
        return self.health().get("role") == "follower"

    def token(self) -> str:
        return (self.data / "admin.token").read_text().strip()

    def said(self) -> str:
        return self.log.read_text(errors="replace")

    def send(self, number: signal.Signals) -> None:
        self.process.send_signal(number)

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGCONT)
            self.process.kill()
            self.process.wait(10)


class Installation:
    """Servers of one store; the first leads at the beginning."""

    def __init__(self, folder: Path, store: str, store_of_first: str | None = None) -> None:
        self.folder, self.store = folder, store
        self._agents: list[subprocess.Popen[bytes]] = []
        self._clients: list[subprocess.Popen[str]] = []
        self.first = ServerProcess(folder / "first", store_of_first or store).begun()
        until(self.first.leads, self.first.said)
        self.second = ServerProcess(folder / "second", store, self.first).begun()
        until(self.second.follows, self.second.said)
        self.token = self.first.token()
        known = self.first
        until(lambda: len(self.call(known, "GET", "/status").json()["servers"]) == 2, known.said)

    @property
    def urls(self) -> str:
        return f"{self.first.url},{self.second.url}"

    def call(
        self, server: ServerProcess, method: str, path: str, key: str = "", **more: Any
    ) -> httpx.Response:
        headers = {"Authorization": f"Bearer {self.token}"} | ({"Idempotency-Key": key} if key else {})
        return httpx.request(method, f"{server.url}/api/v1{path}", headers=headers, timeout=20, **more)

    def add_agent(self, *, alone: bool = False) -> subprocess.Popen[bytes]:
        made = self.call(self.first, "POST", "/pools/std/join-tokens", json={"template": "half"})
        assert made.status_code == 200, made.text
        said = made.json()
        assert alone or said["server_url"] == self.urls, said
        environment = self.environment() | {"HERDER_JOIN_TOKEN": said["token"]}
        words = [HERDER, "agent", "--server", said["server_url"], "--work-folder", str(self.folder / "work")]
        with (self.folder / "agent.log").open("ab") as log:
            agent = subprocess.Popen(words, env=environment, stdout=log, stderr=log)
        self._agents.append(agent)
        ready = {"pool": "std", "state": "ready"}
        until(lambda: self.call(self.first, "GET", "/workers", params=ready).json()["items"], self.agent_said)
        return agent

    def agent_said(self) -> str:
        return (self.folder / "agent.log").read_text(errors="replace")

    def client(self, *words: str) -> subprocess.Popen[str]:
        environment = self.environment() | {"HERDER_URL": self.urls, "HERDER_TOKEN": self.token}
        client = subprocess.Popen(
            [HERDER, *words], env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
        )
        self._clients.append(client)
        return client

    def environment(self) -> dict[str, str]:
        found = {k: v for k, v in os.environ.items() if not k.startswith("HERDER_")}
        return found | {"HERDER_DATA_DIR": str(self.folder / "nothing"), "XDG_CONFIG_HOME": str(self.folder)}

    def rows(self, query: str) -> list[tuple[Any, ...]]:
        engine = create_engine(self.store)
        try:
            with engine.connect() as connection:
                return [tuple(row) for row in connection.execute(text(query))]
        finally:
            engine.dispose()

    def close(self) -> None:
        for client in self._clients:
            if client.poll() is None:
                client.kill()
                client.communicate(timeout=10)
        for agent in self._agents:
            if agent.poll() is None:
                agent.terminate()
                try:
                    agent.wait(10)
                except subprocess.TimeoutExpired:
                    agent.kill()
                    agent.wait(10)
        for server in (self.first, getattr(self, "second", None)):
            if server is not None:
                server.close()


def until(true: Callable[[], object], otherwise: Callable[[], str], limit_s: float = 60) -> float:
    """Seconds until it was."""
    began = time.monotonic()
    while not true():
        assert time.monotonic() < began + limit_s, otherwise()
        time.sleep(0.02)
    return time.monotonic() - began
