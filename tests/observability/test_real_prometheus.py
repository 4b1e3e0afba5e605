"""A real Prometheus: it scrapes a real Herder, sees each alert fire and resolve, and evaluates each query of the dashboards.

What a real server cannot be brought to in a test is served to the same Prometheus as text that Herder's own exporter makes of given facts.
"""

import json
import re
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from prometheus_client import CollectorRegistry, generate_latest

from herder.control.kernel.tallies import Tallies
from herder.control.reads.metrics.series import Series
from herder.model.work.job import AttemptState
from herder.observability import prometheus
from herder.observability.dashboards import texts
from herder.observability.metrics import FAMILIES
from herder.observability.rules import ALERTS
from tests.api.conftest import Server
from tests.observability.prometheus import Prometheus, lacking, running
from tests.observability.situations import SITUATIONS

pytestmark = [pytest.mark.slow, pytest.mark.skipif(bool(lacking()), reason=lacking())]
WAIT_S = 40
JOB = prometheus.JOB


class Exporter:
    """Serves the facts of all alerts at once, bad or good, as Herder's exporter writes them."""

    def __init__(self) -> None:
        self.bad = True
        self.tallies = Tallies({}, 0)
        self.grown: dict[Any, float] = {}
        outer = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                down = self.path == "/down" and outer.bad
                body = b"" if self.path == "/down" else outer.text()
                self.send_response(503 if down else 200)
                self.send_header("Content-Type", "text/plain; version=0.0.4")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *args: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"127.0.0.1:{self.server.server_port}"
        threading.Thread(
            target=self.server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True
        ).start()

    def text(self) -> bytes:
        series, now_s = Series(), time.time()
        for fact in {fact.series(): fact for facts in SITUATIONS.values() for fact in facts}.values():
            if fact.metric not in FAMILIES:  # of histograms, and of Prometheus itself
                continue
            value = fact.bad if self.bad else fact.good
            if fact.ago:
                value = now_s - value
            if fact.rising:
                value = self.grown[fact.series()] = self.grown.get(fact.series(), 1.0) + value
            labels = dict(fact.labels)
            series.add(fact.metric, value, *(labels[name] for name in FAMILIES[fact.metric].labels))
        for _ in range(20):
            self.tallies.commit.observe(3 if self.bad else 0.002)
            self.tallies.note_request("jobs", "GET", 500 if self.bad else 200, 0.1)
            if self.bad:
                self.tallies._attempt[AttemptState.LOST].observe(1)
        registry = CollectorRegistry()
        registry.register(series)  # type: ignore[arg-type]
        return generate_latest(registry) + generate_latest(self.tallies.registry)

    def close(self) -> None:
        self.server.shutdown()
        self.server.server_close()


def in_a_hurry(text: str) -> Any:
    """The rules with windows of 6 s, which must be true for 1 s; nothing else is changed."""
    plain = json.loads(text)
    for group in plain["groups"]:
        group["interval"] = "1s"
        for rule in group["rules"]:
            rule["expr"] = re.sub(r"\[\d+[smh]\]", "[6s]", rule["expr"])
            if "for" in rule:
                rule["for"] = "1s"
    return plain


@contextmanager
def watching(
    folder: Path, jobs: list[dict[str, Any]], change: Callable[[str], str] = str
) -> Iterator[Prometheus]:
    rules = in_a_hurry(change(json.dumps({"groups": prometheus.groups("https://wiki.example/runbooks.md")})))
    (folder / "rules.yml").write_text(json.dumps(rules))
    config = {
        "global": {"scrape_interval": "1s", "scrape_timeout": "1s", "evaluation_interval": "1s"},
        "rule_files": ["rules.yml"],
        "scrape_configs": jobs,
    }
    with running(folder, config) as found:
        yield found


def until(what: Callable[[], set[str]]) -> None:
    """Until nothing is missing."""
    give_up_at = time.monotonic() + WAIT_S
    while missing := what():
        assert time.monotonic() < give_up_at, missing
        time.sleep(0.3)


def test_each_alert_fires_and_resolves(tmp_path: Path) -> None:
    exporter, names = Exporter(), {alert.name for alert in ALERTS}
    assert SITUATIONS.keys() == names
    bad = {"job_name": JOB, "static_configs": [{"targets": [exporter.address]}]}
    down = {
        "job_name": "down",
        "metrics_path": "/down",
        "relabel_configs": [{"target_label": "job", "replacement": JOB}],
        "static_configs": [{"targets": [exporter.address], "labels": {"instance": "down"}}],
    }
    try:
        with watching(tmp_path, [bad, down]) as found:
            until(lambda: names - found.alerts().keys())
            for alert in found.ask("/alerts")["alerts"]:
                said = alert["annotations"]
                assert "<no value>" not in said["summary"], said
                assert "error" not in said["summary"].lower(), said
                assert said["runbook_url"].endswith("#" + alert["labels"]["alertname"].lower())
            exporter.bad = False
            until(lambda: set(found.alerts()))
            rules = [rule for group in found.ask("/rules")["groups"] for rule in group["rules"]]
            assert {rule["name"]: rule.get("lastError") for rule in rules if rule["health"] != "ok"} == {}
    finally:
        exporter.close()


def test_a_real_server_raises_alerts_and_each_query_of_the_dashboards_runs(
    server: Server, tmp_path: Path
) -> None:
    api = server.http
    job = {
        "job_name": JOB,
        "authorization": {"type": "Bearer", "credentials": server.person("prometheus", "viewer")},
        "static_configs": [{"targets": [server.running.url.removeprefix("http://")]}],
    }
    provoked = {"WorkerQueueBacklog", "HerderPoolAtMaximum", "worker_provision_timeout"}
    with watching(tmp_path, [job], lambda text: text.replace("> 600", "> 2")) as found:
        until(lambda: set() if found.ask("/query", query="herder_leader")["result"] else {"herder_leader"})
        assert provoked & found.alerts().keys() == set()
        jobs = [api.post("/jobs", json={"runtime": "noop"}).json()["first_job"] for _ in range(80)]
        until(lambda: provoked - found.alerts().keys())
        fire_now = found.alerts()
        assert fire_now["HerderPoolAtMaximum"]["pool"] == "std"
        assert "HerderDown" not in fire_now
        for each in jobs:
            api.post(f"/jobs/{each}/cancel", json={}).raise_for_status()
        for worker in api.get("/workers").json()["items"]:
            api.post(f"/workers/{worker['name']}/remove", json={"force": True}).raise_for_status()
        until(lambda: provoked & found.alerts().keys())
        _evaluate_dashboards(found)


def _evaluate_dashboards(found: Prometheus) -> None:
    queries = [
        (target["expr"], target["legendFormat"])
        for text in texts().values()
        for panel in json.loads(text)["panels"]
        for target in panel.get("targets", ())
    ]
    assert len(queries) > 50
    answered = 0
    for written, legend in queries:
        expr = written.replace("$pool", ".*").replace("$__rate_interval", "10s").replace("$__range", "1m")
        assert "$" not in expr
        result = found.ask("/query", query=expr)["result"]
        answered += bool(result)
        for series in result:
            assert set(re.findall(r"{{(\w+)}}", legend)) <= series["metric"].keys(), (expr, legend)
    assert answered > len(queries) * 0.6
