"""A real server on loopback, in a thread of this process, with pretend machines; and workers played over its own protocol."""

import asyncio
import threading
import time
from collections.abc import Callable, Coroutine, Iterator
from pathlib import Path
from typing import Any, TypeVar

import httpx
import msgspec
import pytest

from herder.model.values.resources import PLAIN, Dimensions
from herder.model.work.alerts import AlertRules
from herder.model.work.callbacks import CallbackRules
from herder.server.http.connections import HttpLimits
from herder.server.options import ServerOptions
from herder.server.runtime import Running, serve
from herder.settings.sections.jobs.intakes import IntakeSettings
from herder.settings.sections.jobs.object_stores import ObjectStore
from herder.settings.sections.observability import TraceSettings
from herder.settings.sections.server import DriverSettings, MetricSource, UserSettings
from herder.wire.worker.exchange import ActivateAnswer, ExchangeAnswer, ExchangeRequest, Finished

T = TypeVar("T")

POOLS: list[dict[str, Any]] = [
    {
        "name": "std",
        "driver": "pretend",
        "templates": [{"name": "two", "cpu": 2, "memory": "4Gi", "disk": "10Gi", "price_per_hour": "0.10"}],
        "max_workers": 3,
    },
    {
        "name": "big",
        "driver": "pretend",
        "templates": [{"name": "eight", "cpu": 8, "memory": "8Gi", "disk": "10Gi", "price_per_hour": "1"}],
        "max_workers": 2,
        "default_eligible": False,
    },
]


class Server:
    """One data folder; `start` and `stop` as often as a test likes."""

    store_url: str | None = None
    drivers: tuple[DriverSettings, ...] = (DriverSettings(name="pretend", kind="pretend"),)
    metric_sources: tuple[MetricSource, ...] = ()
    object_stores: tuple[ObjectStore, ...] = ()
    resources: Dimensions = PLAIN
    users: tuple[UserSettings, ...] = ()
    callbacks = CallbackRules()
    alerts = AlertRules()
    sweep_period_s = 5.0
    limits = HttpLimits()
    intakes: tuple[IntakeSettings, ...] = ()
    traces = TraceSettings()

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._thread: threading.Thread | None = None
        self._clients: list[httpx.Client] = []
        self.code: int | BaseException | None = None

    def start(self) -> "Server":
        ready: threading.Event = threading.Event()

        def begun(running: Running) -> None:
            self.running = running
            self._loop = asyncio.get_running_loop()
            ready.set()

        def run() -> None:
            options = ServerOptions(
                data_dir=self.folder,
                port=0,
                store_url=self.store_url,
                poll_s=2.0,
                drivers=self.drivers,
                metric_sources=self.metric_sources,
                object_stores=self.object_stores,
                resources=self.resources,
                users=self.users,
                callbacks=self.callbacks,
                alerts=self.alerts,
                sweep_period_s=self.sweep_period_s,
                http=self.limits,
                intakes=self.intakes,
                traces=self.traces,
            )
            try:
                self.code = asyncio.run(serve(options, begun))
            except BaseException as error:  # noqa: BLE001 - the test looks at it
                self.code = error
            ready.set()

        self._thread = threading.Thread(target=run, daemon=True)
        self._thread.start()
        assert ready.wait(30)
        assert self.code is None, self.code
        self.http = self.client(self.running.token)
        return self

    def stop(self) -> None:
        if self._thread is not None:
            while self._clients:
                self._clients.pop().close()
            self._loop.call_soon_threadsafe(self.running.stop)
            self._thread.join(30)
            assert not self._thread.is_alive()
            self._thread = None
            code, self.code = self.code, None
            assert code == 0, code

    def restart(self) -> None:
        self.stop()
        self.start()

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """On the server's event loop."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result(30)

    def client(self, token: str = "") -> httpx.Client:
        """Closed with the server: a connection that nobody closes makes another test fail when it is collected."""
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        made = httpx.Client(base_url=self.running.url + "/api/v1", headers=headers, timeout=40)
        self._clients.append(made)
        return made

    # --- people

    def token_of(self, role: str) -> str:
        return self.person(f"a-{role}", role)

    def person(self, name: str, role: str = "user") -> str:
        """A token of a user who is made for it."""
        self.http.post("/users", json={"name": name, "role": role, "weight": 1}).raise_for_status()
        answer = self.http.post("/tokens", json={"user": name}).raise_for_status()
        return str(answer.json()["token"])

    # --- workers

    def worker(self, pool: str = "std") -> "PlayedWorker":
        answer = self.http.post(f"/pools/{pool}/scale", json={"workers": 1, "ttl_s": 3600}).raise_for_status()
        (name,) = answer.json()["workers"]
        world = self.running.core.drivers["pretend"].world  # type: ignore[attr-defined]
        for _ in range(500):
            for booted in world.newly_booted():
                if booted.spec.name == name:
                    return PlayedWorker(self, name, booted.start.activation_token)
            time.sleep(0.01)
        raise AssertionError(f"{name} did not boot")


class PlayedWorker:
    def __init__(self, server: Server, name: str, activation_token: str) -> None:
        self.name = name
        self.activation_token = activation_token
        with server.client(activation_token) as client:
            answer = client.post("/worker/activate", json={"nonce": "n"}).raise_for_status()
        self.token = msgspec.json.decode(answer.content, type=ActivateAnswer).token
        self.http = server.client(self.token)
        self.number = self.ack = 0

    def exchange(self, *, wait: bool = False, **more: Any) -> ExchangeAnswer:
        self.number += 1
        request = ExchangeRequest(number=self.number, ack=self.ack, wait=wait, **more)
        answer = self.http.post("/worker/exchange", content=msgspec.json.encode(request))
        assert answer.status_code == 200, answer.text
        heard = msgspec.json.decode(answer.content, type=ExchangeAnswer)
        self.ack = heard.number or self.ack
        return heard

    def take(self, count: int = 1) -> list[Any]:
        got: dict[tuple[int, int], Any] = {}
        for _ in range(100):
            got.update({(each.job, each.attempt): each for each in self.exchange().assign})
            if len(got) >= count:
                return list(got.values())
            time.sleep(0.02)
        raise AssertionError(f"{len(got)} of {count} jobs came")

    def end(self, job: int, attempt: int = 1, state: Any = "succeeded", **more: Any) -> None:
        done = Finished(job=job, attempt=attempt, state=state, started_at_ms=1, ended_at_ms=2**53, **more)
        self.exchange(finished=[done])

    def close(self) -> None:
        self.http.close()


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Shared by the tests of a module."""
    made = Server(tmp_path_factory.mktemp("data")).start()
    made.http.post("/apply", json={"pools": POOLS}).raise_for_status()
    yield made
    made.stop()


@pytest.fixture
def api(server: Server) -> httpx.Client:
    return server.http


@pytest.fixture
def worker(server: Server, request: pytest.FixtureRequest) -> Iterator[PlayedWorker]:
    made = server.worker()
    yield made
    server.http.post(f"/workers/{made.name}/remove", json={"force": True})
    made.close()
    for _ in range(300):
        if server.http.get(f"/workers/{made.name}").json()["ended_at"]:
            return
        time.sleep(0.02)


Refusal = Callable[..., dict[str, Any]]


@pytest.fixture
def refused(api: httpx.Client) -> Refusal:
    """Sends what must be refused, and answers the problem."""

    def send(
        status: int, method: str, path: str, client: httpx.Client | None = None, **more: Any
    ) -> dict[str, Any]:
        answer = (client or api).request(method, path, **more)
        assert answer.status_code == status, (answer.status_code, answer.text[:300])
        assert answer.headers["content-type"] == "application/problem+json"
        body = answer.json()
        assert body["status"] == status
        assert body["title"]
        assert body["detail"]
        return dict(body)

    return send
