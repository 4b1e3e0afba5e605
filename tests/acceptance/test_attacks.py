"""Nobody without a token, and no user of role `user`, makes the server slow for others: `herder server` as a process, each attack
for a few seconds, and beside it a client that asks for `/health` all the time.
"""

import json
import multiprocessing
import os
import resource
import signal
import socket
import ssl
import subprocess
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from pathlib import Path
from typing import Any

import httpx
import psutil
import pytest

from tests.acceptance.conftest import HERDER

pytestmark = [pytest.mark.acceptance, pytest.mark.slow, pytest.mark.timeout(200)]

CONFIG = """
drivers:
  pretend: {kind: pretend}
pools:
  std:
    driver: pretend
    templates:
      - {name: two, cpu: 2, memory: 4Gi, disk: 10Gi, price_per_hour: "0.10"}
      - {name: eight, cpu: 8, memory: 64Gi, disk: 10Gi, price_per_hour: "0.50"}
    max_workers: 100
"""
#: At the 99th of 100 answers, on a machine that does nothing else.
HEALTH_P99_S = 0.25
FORK = multiprocessing.get_context("fork")
#: One for all clients: 64 that make one each would keep both processors for a second.
SSL = ssl.create_default_context()
ATTACK_S = 4.0
#: An attack goes on until so many were measured: of fewer the 99th of 100 is the slowest of all. At most for so long.
ANSWERS = 300
ANSWERS_S = 40.0
#: What all of an attack may add to the server's memory. Most is added by two clients that submit 29 MB at a time, 205 to 260 MiB: SQLite's
#: cache 68, payloads of queued jobs 16, one body that waits 29, another with the rows that are made of it 58.
GROWTH_BYTES = 300 * 2**20


class Target:
    """A server, and who attacks it."""

    def __init__(self, folder: Path, *, descriptors: int | None = None) -> None:
        self.data = folder / "data"
        config = folder / "herder.yaml"
        config.write_text(CONFIG)
        env = {k: v for k, v in os.environ.items() if not k.startswith("HERDER_")}
        env |= {"HERDER_DATA_DIR": str(self.data)}
        self.log = (folder / "server.log").open("ab")

        def fewer() -> None:
            if descriptors is not None:
                resource.setrlimit(resource.RLIMIT_NOFILE, (descriptors, descriptors))

        self.process = subprocess.Popen(
            [*HERDER, "server", "-c", str(config), "--port", "0"],
            env=env,
            stdout=self.log,
            stderr=self.log,
            preexec_fn=fewer,  # noqa: PLW1509 - there are no threads yet
        )
        give_up_at = time.monotonic() + 60
        while not (self.data / "server.json").exists():
            assert self.process.poll() is None
            assert time.monotonic() < give_up_at
            time.sleep(0.05)
        self.url = str(json.loads((self.data / "server.json").read_text())["url"])
        self.port = int(self.url.rpartition(":")[2])
        self.admin = self.client((self.data / "admin.token").read_text().strip())
        self.admin.post("/users", json={"name": "eve", "role": "user", "weight": 1}).raise_for_status()
        self.token = str(self.admin.post("/tokens", json={"user": "eve"}).raise_for_status().json()["token"])
        self.memory = psutil.Process(self.process.pid)

    def client(self, token: str) -> httpx.Client:
        return httpx.Client(
            base_url=self.url + "/api/v1",
            headers={"Authorization": f"Bearer {token}"},
            timeout=60,
            verify=SSL,
        )

    def dial(self) -> socket.socket:
        return socket.create_connection(("127.0.0.1", self.port), timeout=10)

    def said(self) -> bytes:
        return Path(self.log.name).read_bytes()

    def close(self) -> None:
        self.admin.close()
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(30)
        finally:
            self.process.kill()
            self.process.wait(10)
            self.log.close()


@pytest.fixture
def target(tmp_path: Path) -> Iterator[Target]:
    made = Target(tmp_path)
    yield made
    made.close()


Over = Callable[[], bool]
Attack = Callable[[Target, Over], None]


def _send(connection: socket.socket, data: bytes, over: Over) -> None:
    """Again and again, until it is closed."""
    with suppress(OSError):
        while not over():
            connection.sendall(data)


def endless_header(target: Target, over: Over) -> None:
    while not over():
        with target.dial() as connection, suppress(OSError):
            connection.sendall(b"GET / HTTP/1.1\r\nX: ")
            _send(connection, b"a" * 65536, over)


def bodies_to_activation(target: Target, over: Over) -> None:
    while not over():
        with ExitStack() as stack:
            dialled = [stack.enter_context(target.dial()) for _ in range(15)]
            for connection in dialled:
                with suppress(OSError):
                    connection.sendall(
                        b"POST /api/v1/worker/activate HTTP/1.1\r\nHost: x\r\nContent-Length: 33554432\r\n\r\n"
                    )
                    connection.setblocking(False)
            for _ in range(50):
                for connection in dialled:
                    with suppress(OSError):
                        connection.send(b"x" * 65536)


def idle_connections(target: Target, over: Over) -> None:
    with ExitStack() as stack:
        for number in range(600):
            connection = stack.enter_context(target.dial())
            with suppress(OSError):
                connection.sendall(b"GET / HTTP/1.1\r\nX: " if number % 2 else b"")
        while not over():
            time.sleep(0.1)


def sent_ahead(target: Target, over: Over) -> None:
    while not over():
        with target.dial() as connection:
            connection.settimeout(0.2)
            _send(connection, b"GET /api/v1/openapi.json HTTP/1.1\r\nHost: x\r\n\r\n" * 3000, over)


def calls_of(target: Target, over: Over, call: Callable[[httpx.Client], Any], threads: int = 4) -> None:
    def go_on() -> None:
        with target.client(target.token) as client:
            while not over():
                with suppress(httpx.TransportError):
                    call(client)

    with ThreadPoolExecutor(threads) as pool:
        for _ in range(threads):
            pool.submit(go_on)


def large_batches(target: Target, over: Over) -> None:
    text = json.dumps({"jobs": [{"command": ["x" * 2900]}] * 10_000}).encode()
    calls_of(target, over, lambda client: client.post("/batches", content=text), 2)


def many_jobs_in_small_bodies(target: Target, over: Over) -> None:
    """20 bytes each become a row of 400, and take the event loop as long as a large one."""
    texts = [
        json.dumps({"jobs": [{"runtime": "noop"}] * count}, separators=(",", ":")).encode()
        for count in (10_000, 1_000, 100)
    ]
    calls_of(target, over, lambda client: [client.post("/batches", content=text) for text in texts], 64)


def bodies_that_stop(target: Target, over: Over) -> None:
    head = f"POST /api/v1/batches HTTP/1.1\r\nHost: x\r\nContent-Length: 33554432\r\nAuthorization: Bearer {target.token}\r\n\r\n"
    with ExitStack() as stack:
        for _ in range(15):
            connection = stack.enter_context(target.dial())
            with suppress(OSError):
                connection.sendall(head.encode())
                for _ in range(400):
                    connection.sendall(b"[" * 65536)
        while not over():
            time.sleep(0.1)


def distinct_shapes(target: Target, over: Over) -> None:
    """17,500 of them, and questions on top."""
    numbers = iter(range(17_500))
    with target.client(target.token) as client:
        while not over():
            some = [number for _, number in zip(range(500), numbers, strict=False)]
            if not some:
                break
            jobs = [
                {
                    "runtime": "noop",
                    "cpu": f"{100 + n % 1900}m",
                    "memory": f"{64 + n}Mi",
                    "sleep_ms": 60_000,
                    "pool": "std",
                }
                for n in some
            ]
            client.post("/batches", json={"jobs": jobs, "commit": True}).raise_for_status()
    calls_of(target, over, lambda client: [client.get(path) for path in QUESTIONS])


QUESTIONS = (
    "/pools/std/why",
    "/plans/next",
    "/jobs/1/explain",
    "/status",
    "/jobs?limit=1000",
    "/workers?limit=1000",
)


def deep_and_wide(target: Target, over: Over) -> None:
    texts = [
        b"[" * 2**20,
        b'{"jobs":' * 100_000,
        json.dumps({"jobs": [{"tolerations": [{"key": "a"}] * 9}] * 9_000}).encode(),
    ]
    calls_of(target, over, lambda client: [client.post("/batches", content=text) for text in texts])


ATTACKS: dict[str, tuple[Attack, float]] = {
    "endless header": (endless_header, ATTACK_S),
    "bodies to activation": (bodies_to_activation, ATTACK_S),
    "idle connections": (idle_connections, ATTACK_S),
    "calls sent ahead": (sent_ahead, ATTACK_S),
    "large batches": (large_batches, ATTACK_S),
    "many jobs in small bodies": (many_jobs_in_small_bodies, ATTACK_S),
    "bodies that stop": (bodies_that_stop, ATTACK_S),
    "distinct shapes": (distinct_shapes, 30.0),
    "deep and wide": (deep_and_wide, ATTACK_S),
}


def _health(target: Target, over: Over) -> tuple[list[float], float]:
    """How long each answer took, and how often longer than its own time a piece of work took beside it. A new connection each
    time, as a probe does it."""
    took = []
    began_all, ran_all = 0.0, 0.0
    give_up_at = time.monotonic() + ANSWERS_S
    while not over() or (len(took) < ANSWERS and time.monotonic() < give_up_at):
        began = time.monotonic()
        with target.dial() as connection:
            connection.settimeout(60)
            connection.sendall(b"GET /api/v1/health HTTP/1.1\r\nHost: x\r\n\r\n")
            assert connection.recv(100).startswith(b"HTTP/1.1 200 ")
        took.append(time.monotonic() - began)
        began, ran = time.monotonic(), time.thread_time()
        while time.thread_time() - ran < 0.003:
            pass
        began_all, ran_all = began_all + time.monotonic() - began, ran_all + time.thread_time() - ran
        time.sleep(0.01)
    return sorted(took), began_all / ran_all


def _for(seconds: float) -> Over:
    end = time.monotonic() + seconds
    return lambda: time.monotonic() > end


@pytest.mark.parametrize("name", ATTACKS)
def test_health_answers_beside_an_attack(target: Target, name: str) -> None:
    """On a machine that is busy with other things everything takes longer: by as much as anybody has to wait for a processor."""
    attack, seconds = ATTACKS[name]
    before = target.memory.memory_info().rss
    over = FORK.Event()
    attacker = FORK.Process(target=attack, args=(target, over.is_set))  # what it burns is not ours
    attacker.start()
    try:
        took, busy = _health(target, _for(seconds))
        grown = target.memory.memory_info().rss - before
    finally:
        over.set()
        attacker.join(30)
        attacker.kill()
    p50, p99 = took[len(took) // 2], took[len(took) * 99 // 100]
    print(f"{name}: {len(took)} answers, p50 {p50 * 1000:.0f} ms, p99 {p99 * 1000:.0f} ms, longest {took[-1] * 1000:.0f} ms, "
          f"memory +{grown / 2**20:.0f} MiB; {busy:.1f} times slower than alone")  # fmt: skip
    assert p99 < HEALTH_P99_S * busy
    assert grown < GROWTH_BYTES
    assert target.process.poll() is None
    assert b"Traceback" not in target.said()


def test_without_free_descriptors_it_waits_and_goes_on(tmp_path: Path) -> None:
    """80 descriptors: strangers fill them, go in their time, and the server neither ends nor spins."""
    target = Target(tmp_path, descriptors=80)
    try:
        with ExitStack() as stack:
            for _ in range(300):
                with suppress(OSError):
                    stack.enter_context(target.dial())
            before = sum(target.memory.cpu_times()[:2])
            time.sleep(2)
            assert sum(target.memory.cpu_times()[:2]) - before < 1.0
        give_up_at = time.monotonic() + 30
        while True:
            with suppress(httpx.TransportError):
                assert httpx.get(target.url + "/api/v1/health", timeout=5).status_code == 200
                break
            assert time.monotonic() < give_up_at
            time.sleep(0.2)
        assert b"Traceback" not in target.said()
    finally:
        target.close()
