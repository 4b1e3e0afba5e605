"""The use of nodes from Prometheus: a real HTTP server that answers as prometheus.io documents, and what of it is in the picture."""

import asyncio
import json
import random
import threading
import time
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from herder.memberships.kubernetes.opening import open_cluster
from herder.memberships.kubernetes.prometheus_use import PrometheusUse, amounts
from herder.model.fleet.cluster import PROMETHEUS_CPU_QUERY, PROMETHEUS_MEMORY_QUERY, ClusterSettings
from herder.model.fleet.driver_capabilities import Check
from herder.model.fleet.pressure import WorkerUse
from herder.model.values.resources import PLAIN
from herder.ports.cluster import ClusterContext, ClusterUnavailable
from herder.remote.prometheus import Series
from tests.memberships.kubernetes.lab import Lab
from tests.words.rules import faults

GIB = 2**30
NODES = {"w1": "w1", "10.0.0.1": "w1", "w2": "w2", "fd00::2": "w2"}
Answer = tuple[int, Any]


class Prometheus:
    """Answers each query with what a test puts."""

    def __init__(self) -> None:
        self.cpu: Answer = vector(
            ({"instance": "10.0.0.1:9100"}, 1.5), ({"instance": "[fd00::2]:9100"}, 0.25)
        )
        self.memory: Answer = vector(({"node": "w1"}, 3 * GIB), ({"node": "w2"}, 0))
        self.asked: list[tuple[str, str | None]] = []
        """(query, authorization) of each request."""
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                query = parse_qs(urlsplit(self.path).query)["query"][0]
                outer.asked.append((query, self.headers["Authorization"]))
                status, body = outer.cpu if "cpu" in query else outer.memory
                data = body if isinstance(body, bytes) else json.dumps(body).encode()
                self.send_response(status)
                self.send_header("Content-Length", str(len(data)))
                self.send_header("Location", "http://127.0.0.1:1/")
                self.end_headers()
                self.wfile.write(data)

            def log_message(self, *args: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        self.thread = threading.Thread(target=self.server.serve_forever, kwargs={"poll_interval": 0.02})
        self.thread.start()

    def close(self) -> None:
        self.server.shutdown()
        self.thread.join()
        self.server.server_close()


def vector(*series: tuple[dict[str, str], object]) -> Answer:
    result = [{"metric": labels, "value": [1700000000.781, str(value)]} for labels, value in series]
    return 200, {"status": "success", "data": {"resultType": "vector", "result": result}}


@pytest.fixture
def prometheus() -> Iterator[Prometheus]:
    made = Prometheus()
    yield made
    made.close()


async def asked(settings: ClusterSettings) -> dict[str, WorkerUse]:
    source = PrometheusUse(settings)
    try:
        return await source.uses(NODES, 7)
    finally:
        await source.close()


async def checked(settings: ClusterSettings) -> Check:
    source = PrometheusUse(settings)
    try:
        (found,) = await source.check(NODES, answers=True)
        return found
    finally:
        await source.close()


async def test_nodes_are_found_by_name_and_by_address(prometheus: Prometheus) -> None:
    found = await asked(ClusterSettings(name="prod", prometheus=prometheus.url + "/"))
    assert found == {
        "w1": WorkerUse(cpu_milli=1500, memory_mib=3072, at_ms=7),
        "w2": WorkerUse(cpu_milli=250, memory_mib=0, at_ms=7),
    }
    assert prometheus.asked == [(PROMETHEUS_CPU_QUERY, None), (PROMETHEUS_MEMORY_QUERY, None)]


async def test_queries_and_token_are_those_of_the_settings(prometheus: Prometheus, tmp_path: Path) -> None:
    token = tmp_path / "token"
    token.write_text("a-token\n")
    settings = ClusterSettings(
        name="prod",
        prometheus=prometheus.url,
        prometheus_token_file=str(token),
        prometheus_cpu_query="nodes:cpu",
        prometheus_memory_query="nodes:memory",
    )
    assert (await asked(settings)).keys() == {"w1", "w2"}
    assert prometheus.asked == [("nodes:cpu", "Bearer a-token"), ("nodes:memory", "Bearer a-token")]


BAD = [
    (vector(), "the query returns no data"),
    ((200, {"status": "success", "data": {"resultType": "scalar", "result": [1, "2"]}}), "returns a scalar"),
    ((200, {"status": "success", "data": {"resultType": "vector", "result": [7]}}), "not from Prometheus"),
    ((200, b"<html>"), "not from Prometheus"),
    ((200, b"\xff"), "not from Prometheus"),
    ((400, {"status": "error", "error": "parse error: 1:5"}), "parse error: 1:5"),
    ((401, {"status": "error", "error": "no"}), "the token of the source was refused"),
    ((302, b""), "HTTP status 302"),
    ((503, b"busy"), "HTTP status 503"),
    ((200, b"[" * (8 * 2**20 + 1)), "longer than 8,388,608 bytes"),
]


@pytest.mark.parametrize(("answer", "words"), BAD, ids=[words for _, words in BAD])
@pytest.mark.parametrize("which", ["cpu", "memory"])
async def test_what_is_no_answer_is_said(
    prometheus: Prometheus, which: str, answer: Answer, words: str
) -> None:
    setattr(prometheus, which, answer)
    settings = ClusterSettings(name="prod", prometheus=prometheus.url)
    with pytest.raises(ClusterUnavailable, match=f"no data for prometheus_{which}_query of cluster prod"):
        await asked(settings)
    check = await checked(settings)
    assert not check.passed
    assert words in check.detail
    assert prometheus.url in check.detail
    assert "nodes use are not known" in check.detail
    assert faults(check.detail) + faults(check.remedy) == []


async def test_nobody_at_the_address_is_said() -> None:
    check = await checked(ClusterSettings(name="prod", prometheus="http://127.0.0.1:1"))
    assert not check.passed
    assert "http://127.0.0.1:1: ConnectError" in check.detail


async def test_a_check_counts_the_nodes_that_are_measured(prometheus: Prometheus) -> None:
    settings = ClusterSettings(name="prod", prometheus=prometheus.url)
    check = await checked(settings)
    assert (check.passed, check.remedy) == (True, "")
    assert check.detail.endswith("It answers. It measures 2 of 2 nodes.")
    prometheus.memory = vector(({"node": "w1"}, GIB))
    check = await checked(settings)
    assert (check.passed, "1 of 2 nodes" in check.detail, "InternalIP" in check.remedy) == (True, True, True)
    prometheus.memory = vector(({"host": "w1"}, GIB))
    check = await checked(settings)
    assert (check.passed, "0 of 2 nodes" in check.detail, "InternalIP" in check.remedy) == (False, True, True)


@pytest.mark.parametrize("text", ["NaN", "+Inf", "-Inf", "-1", "", "many"])
def test_what_is_no_amount_is_unknown_and_not_zero(text: str) -> None:
    series = [
        Series(value=(1.0, text), metric={"node": "w1"}),
        Series(value=(1.0, "2"), metric={"node": "w2"}),
    ]
    assert amounts(series, NODES) == {"w2": 2.0}
    assert amounts([*series[:1], Series(value=(1.0, "2"), metric={"node": "w1"})], NODES) == {}


def test_a_node_with_two_series_is_unknown() -> None:
    series = [
        Series(value=(1.0, "1"), metric={"node": "w1", "job": "a"}),
        Series(value=(1.0, "1"), metric={"instance": "10.0.0.1:9100"}),
        Series(value=(1.0, "4"), metric={"node": "of-another-cluster", "instance": "fd00::2"}),
    ]
    assert amounts(series, NODES) == {"w2": 4.0}


@pytest.mark.virtual_time
async def test_the_picture_has_the_use_while_prometheus_answers_and_no_longer() -> None:
    answers: dict[str, Answer] = {}

    def answer(request: httpx.Request) -> httpx.Response:
        status, body = answers["cpu" if "cpu" in request.url.params["query"] else "memory"]
        return httpx.Response(status, json=body)

    settings = ClusterSettings(name="prod", prometheus="http://prometheus:9090")
    lab = Lab(use=PrometheusUse(settings, transport=httpx.MockTransport(answer)))
    try:
        for name, address in (("w1", "10.0.0.1"), ("w2", "10.0.0.2"), ("w3", "10.0.0.3"), ("w4", "10.0.0.3")):
            lab.node(name, addresses=[{"type": "InternalIP", "address": address}])
        series = [({"instance": f"10.0.0.{n}:9100"}, n) for n in (1, 3)]
        answers |= {"cpu": vector(*series), "memory": vector(*series)}
        lab.follow()
        uses = {node.name: node.use for node in (await lab.after(40)).nodes}
        assert uses["w1"] is not None
        assert uses["w1"].cpu_milli == 1000
        assert lab.clock.now_ms() - uses["w1"].at_ms <= 40_000
        assert (uses["w2"], uses["w3"], uses["w4"]) == (None, None, None)  # two nodes have 10.0.0.3
        answers["memory"] = (503, {})
        seen = await lab.after(40)
        assert [node.use for node in seen.nodes] == [None] * 4
        assert seen.fault == ""
        answers["memory"] = answers["cpu"]
        assert (await lab.after(40)).nodes[0].use is not None
    finally:
        await lab.close()


@pytest.mark.virtual_time
async def test_with_prometheus_no_right_to_the_metrics_api_is_asked_for() -> None:
    source = PrometheusUse(
        ClusterSettings(name="prod", prometheus="http://x"),
        transport=httpx.MockTransport(lambda _: httpx.Response(503)),
    )
    lab = Lab(use=source)
    try:
        names = {check.name: check for check in await lab.cluster.check()}
    finally:
        await lab.close()
    assert not [name for name in names if "metrics.k8s.io" in name]
    assert "Prometheus at http://x" in names["use of nodes"].detail
    assert not names["use of nodes"].passed


@pytest.mark.virtual_time
async def test_the_check_says_that_the_metrics_api_is_the_source(played: Lab, lab: Lab) -> None:
    checks = {check.name: check for check in await played.cluster.check()}
    assert checks["use of nodes"].passed
    assert "is the metrics API of the cluster. It measures 0 nodes." in checks["use of nodes"].detail
    without = {check.name: check for check in await lab.cluster.check()}["use of nodes"]
    assert without.passed
    assert "are not known" in without.detail
    lab.without("metrics.k8s.io", "nodes", "list")
    denied = {check.name: check for check in await lab.cluster.check()}["use of nodes"]
    assert denied.passed
    assert "does not allow Herder" in denied.detail
    assert faults(denied.detail) + faults(denied.remedy) == []


class _Clock:
    def now_ms(self) -> int:
        return int(time.time() * 1000)

    def monotonic_ms(self) -> int:
        return int(time.monotonic() * 1000)


async def test_the_settings_of_a_cluster_lead_to_it(
    prometheus: Prometheus, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("KUBE", "a-token")
    settings = ClusterSettings(
        name="prod", api="http://127.0.0.1:1", token_env="KUBE", prometheus=prometheus.url
    )
    context = ClusterContext(installation="i", resources=PLAIN, clock=_Clock(), chance=random.random)
    cluster = open_cluster(settings, context)
    try:
        async with asyncio.timeout(30):
            api, use = await cluster.check()
    finally:
        await cluster.close()
    assert (api.passed, use.passed) == (False, True)
    assert "It answers. It measures 0 of 0 nodes." in use.detail
