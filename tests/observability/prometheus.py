"""Debian's Prometheus and promtool, for tests. `tests/support/prometheus` installs them."""

import json
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

START_S = 30


def lacking() -> str:
    """What this machine lacks; empty: nothing."""
    missing = [name for name in ("prometheus", "promtool") if shutil.which(name) is None]
    return f"no {' and no '.join(missing)} (Debian: apt install prometheus)" if missing else ""


def promtool(*words: str, cwd: Path | None = None) -> str:
    """Fails the test with what it says."""
    done = subprocess.run(
        ["promtool", *words], cwd=cwd, capture_output=True, text=True, timeout=50, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


class Prometheus:
    def __init__(self, url: str) -> None:
        self.http = httpx.Client(base_url=url + "/api/v1", timeout=20)

    def ask(self, path: str, **query: str) -> Any:
        answer = self.http.get(path, params=query)
        body = answer.json()
        assert body["status"] == "success", (query, body)
        return body["data"]

    def alerts(self, state: str = "firing") -> dict[str, dict[str, str]]:
        """Labels by name of the alert; of several of one name, any."""
        return {
            each["labels"]["alertname"]: each["labels"]
            for each in self.ask("/alerts")["alerts"]
            if each["state"] == state
        }


@contextmanager
def running(folder: Path, config: dict[str, Any]) -> Iterator[Prometheus]:
    """A real Prometheus with this configuration, on a free port of loopback."""
    if lacking():
        pytest.skip(lacking())
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    (folder / "prometheus.yml").write_text(json.dumps(config))  # JSON is YAML
    with (folder / "prometheus.log").open("wb") as log:
        process = subprocess.Popen(
            [
                "prometheus",
                f"--config.file={folder / 'prometheus.yml'}",
                f"--storage.tsdb.path={folder / 'data'}",
                f"--web.listen-address=127.0.0.1:{port}",
                "--log.level=warn",
            ],
            stdout=log,
            stderr=log,
        )
    made = Prometheus(f"http://127.0.0.1:{port}")
    try:
        give_up_at = time.monotonic() + START_S
        while True:
            assert process.poll() is None, (folder / "prometheus.log").read_text()
            try:
                if httpx.get(f"http://127.0.0.1:{port}/-/ready").status_code == 200:
                    break
            except httpx.TransportError:
                assert time.monotonic() < give_up_at, "Prometheus does not start"
            time.sleep(0.1)
        yield made
    finally:
        made.http.close()
        process.terminate()
        process.wait(20)
