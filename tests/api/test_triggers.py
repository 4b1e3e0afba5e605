"""What workers really do, and what a Prometheus says, makes workers: a real server, agent and load, and the real protocol."""

import json
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from herder.settings.sections.server import DriverSettings, MetricSource
from herder.simulate.history.verify import verify
from tests.api.conftest import Server

#: A tenth of a core: one loop that never rests passes any threshold of it, however busy the machine of the test is.
TENTH = {"name": "tenth", "cpu": "100m", "memory": "512Mi", "disk": "1Gi", "price_per_hour": "0.01"}
LOOP = ["sh", "-c", "while :; do :; done"]


TOKEN = "a-token-that-nobody-else-may-see"


class Prometheus:
    """Speaks /api/v1/query as prometheus.io documents it: instant vectors, scalars, errors as JSON with status 400 and 422."""

    def __init__(self) -> None:
        self.answer: tuple[int, Any] = vector(0)
        self.asked: list[tuple[str, str | None]] = []
        """(query, authorization) of each request."""
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                address = urlsplit(self.path)
                outer.asked.append((parse_qs(address.query)["query"][0], self.headers["Authorization"]))
                status, body = outer.answer if address.path == "/api/v1/query" else (404, "not found")
                data = body.encode() if isinstance(body, str) else json.dumps(body).encode()
                self.send_response(status)
                self.send_header("Content-Type", "application/json")
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            def log_message(self, *args: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(
            target=self.server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True
        ).start()

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()


def vector(*values: object) -> tuple[int, Any]:
    series = [{"metric": {"queue": str(n)}, "value": [1700000000.781, str(v)]} for n, v in enumerate(values)]
    return 200, {"status": "success", "data": {"resultType": "vector", "result": series}}


@pytest.fixture(scope="module")
def prometheus() -> Iterator[Prometheus]:
    made = Prometheus()
    yield made
    made.close()


@pytest.fixture(scope="module")
def local(tmp_path_factory: pytest.TempPathFactory, prometheus: Prometheus) -> Iterator[Server]:
    made = Server(tmp_path_factory.mktemp("data"))
    secret = made.folder / "metrics.token"
    secret.write_text(TOKEN + "\n")
    made.metric_sources = (
        MetricSource(name="prometheus", url=prometheus.url, token_file=str(secret), timeout_s=2.0),
        MetricSource(name="nobody", url="http://127.0.0.1:1", timeout_s=2.0),
    )
    made.drivers = (
        DriverSettings(name="local", kind="local"),
        DriverSettings(name="pretend", kind="pretend"),
    )
    made.start()
    yield made
    for pool in made.http.get("/pools").json()["items"]:
        made.http.delete(f"/pools/{pool['name']}").raise_for_status()
    for each in made.http.get("/workers").json()["items"]:
        made.http.post(f"/workers/{each['name']}/remove", json={"force": True})  # or it is going already
    until(lambda: not made.http.get("/workers").json()["items"], "the workers to go")
    made.stop()


def until(holds: Any, what: str, seconds: float = 30.0) -> None:
    deadline = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < deadline, f"waited in vain for {what}"
        time.sleep(0.05)


def workers(api: httpx.Client, pool: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = api.get("/workers", params={"pool": pool}).json()["items"]
    return found


def report(api: httpx.Client, pool: str) -> dict[str, Any]:
    return next(each for each in api.get("/plans/next").json()["pools"] if each["pool"] == pool)


def test_a_real_load_on_a_real_worker_makes_another(local: Server) -> None:
    pool = {
        "name": "loaded",
        "driver": "local",
        "templates": [TENTH],
        "max_workers": 2,
        "dead_after": "3s",
        "boot_timeout": "60s",
        "cpu_pressure": {"above": "50%", "for": "1s"},
    }
    local.http.post("/apply", json={"pools": [pool]}).raise_for_status()
    job = {"command": LOOP, "pool": "loaded", "cpu": "100m", "memory": "64Mi"}
    local.http.post("/jobs", json=job).raise_for_status()
    until(lambda: len(workers(local.http, "loaded")) == 2, "the second worker")
    first, second = sorted(workers(local.http, "loaded"), key=lambda each: str(each["requested_at"]))
    why = local.http.get(f"/workers/{second['name']}/why").json()
    assert "of the CPU of 1 worker, above 50%" in why["summary"]
    use = local.running.core.state.workers[first["name"]].use
    assert use is not None
    assert use.cpu_milli > 50
    assert use.memory_mib > 0
    until(
        lambda: local.running.core.state.workers[second["name"]].use is not None,
        "what the second worker uses",
    )
    assert report(local.http, "loaded")["reasons"]


def metric_pool(name: str, **more: Any) -> dict[str, Any]:
    metric = {
        "name": "backlog",
        "query": f"sum(messages{{queue='{name}'}})",
        "per_worker": 100,
        "every": "1s",
        **more,
    }
    template = {"name": "two", "cpu": 2, "memory": "4Gi", "price_per_hour": "0.10"}
    return {"name": name, "driver": "pretend", "templates": [template], "max_workers": 5, "metrics": [metric]}


def test_a_pool_grows_by_what_a_prometheus_says_and_holds_still_when_it_is_silent(
    local: Server, prometheus: Prometheus, caplog: pytest.LogCaptureFixture
) -> None:
    prometheus.answer = vector(250)
    local.http.post("/apply", json={"pools": [metric_pool("fed", keep="2s")]}).raise_for_status()
    until(lambda: len(workers(local.http, "fed")) == 3, "three workers")
    assert ("sum(messages{queue='fed'})", f"Bearer {TOKEN}") in prometheus.asked
    why = local.http.get(f"/workers/{workers(local.http, 'fed')[0]['name']}/why").json()
    assert "Metric backlog of pool fed is 250" in why["summary"]

    prometheus.answer = vector(900)
    until(lambda: len(workers(local.http, "fed")) == 5, "the pool's maximum")
    until(lambda: report(local.http, "fed")["desired"] == 9, "the four that the limit cuts")
    assert "at_maximum" in kinds(local, "fed")

    prometheus.answer = (
        422,
        {"status": "error", "errorType": "execution", "error": "query processing timed out"},
    )
    until(
        lambda: kinds(local, "fed") == ["waiting_on_observation"],
        "the end of what the last value is good for",
    )
    (reason,) = report(local.http, "fed")["reasons"]
    assert "query processing timed out" in reason["text"]
    assert TOKEN not in caplog.text + json.dumps(report(local.http, "fed"))
    prometheus.answer = vector(500)
    until(lambda: "waiting_on_observation" not in kinds(local, "fed"), "a value again")


def kinds(server: Server, pool: str) -> list[str]:
    return [each["kind"] for each in report(server.http, pool)["reasons"]]


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (vector(), "no data"),
        (vector(1, 2), "2 series; wrap it in sum"),
        (vector("NaN"), "returns NaN"),
        ((200, {"status": "success", "data": {"resultType": "matrix", "result": []}}), "a matrix"),
        ((200, "<html>"), "not from Prometheus"),
        ((401, {"status": "error", "error": "no"}), "the token of the source was refused"),
        ((302, {}), "status 302"),
        ((200, "x" * (2**20 + 1)), "longer than"),
    ],
)
def test_an_answer_that_is_no_number_is_unknown(
    local: Server, prometheus: Prometheus, answer: tuple[int, Any], words: str
) -> None:
    prometheus.answer = answer
    local.http.post("/apply", json={"pools": [metric_pool("odd")]}).raise_for_status()

    def told() -> bool:
        return any(words in reason["text"] for reason in report(local.http, "odd")["reasons"])

    until(told, words)
    assert workers(local.http, "odd") == []
    local.http.delete("/pools/odd").raise_for_status()


@pytest.mark.parametrize(
    ("source", "words"), [("nobody", "127.0.0.1:1"), ("elsewhere", "no metric source 'elsewhere'")]
)
def test_a_source_that_is_not_there_is_told(local: Server, source: str, words: str) -> None:
    pool = metric_pool("lost", source=source)
    local.http.post("/apply", json={"pools": [pool]}).raise_for_status()
    until(lambda: any(words in each["text"] for each in report(local.http, "lost")["reasons"]), words)
    local.http.delete("/pools/lost").raise_for_status()


def test_a_scalar_is_a_number_too(local: Server, prometheus: Prometheus) -> None:
    prometheus.answer = (200, {"status": "success", "data": {"resultType": "scalar", "result": [1.5, "120"]}})
    local.http.post("/apply", json={"pools": [metric_pool("plain")]}).raise_for_status()
    until(lambda: len(workers(local.http, "plain")) == 2, "two workers")


def test_plans_made_from_samples_and_readings_are_replayed_byte_for_byte(local: Server) -> None:
    found = verify(str(local.folder))
    assert found.equal == found.compared > 5, found.differences
