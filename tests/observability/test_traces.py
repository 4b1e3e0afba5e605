"""Traces of jobs: from a real server to a real collector, and what happens when the collector is down."""

import asyncio
import builtins
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from herder.control.jobs.traced import Traced
from herder.control.kernel.trace_queue import TraceQueue
from herder.control.loops import traces as loop
from herder.model.work.job import AttemptState, JobState
from herder.observability.job_spans import EndedAttempt, EndedJob, Span, spans_of
from herder.observability.trace_ids import trace_id
from herder.ports.store import StoreDown
from herder.remote.otlp import OtlpExporter
from herder.server.options import StartError
from herder.server.traces import trace_queue
from herder.settings.load import load
from herder.settings.sections.observability import TraceSettings
from herder.settings.show import expanded
from herder.settings.syntax.problems import SettingsError
from tests.api.conftest import POOLS, PlayedWorker, Server
from tests.observability.collector import Collector, attributes

INSTALLATION = "abc"


@pytest.fixture
def collector() -> Iterator[Collector]:
    made = Collector()
    yield made
    made.close()


def until(done: Callable[[], bool]) -> None:
    for _ in range(1000):
        if done():
            return
        time.sleep(0.01)
    raise AssertionError("it did not come about")


# --- spans of a job


def attempt(number: int, state: AttemptState = AttemptState.SUCCEEDED, **more: Any) -> EndedAttempt:
    at = 1000 * number
    given = {"assigned_at_ms": at, "started_at_ms": at + 100, "ended_at_ms": at + 500, "cause": "", **more}
    return EndedAttempt(number=number, state=state, worker=f"w-{number}", pool="std", exit_code=0, **given)


def job(state: JobState = JobState.SUCCEEDED, **more: Any) -> EndedJob:
    return EndedJob(
        id=7, state=state, created_at_ms=500, ended_at_ms=2500, **{"cause": "", "user": "ana", **more}
    )


def drawn(spans: list[Span]) -> list[tuple[str, int, int, str | None]]:
    return [(each.name, each.start_ms, each.end_ms, each.error) for each in spans]


def test_a_job_of_two_attempts_is_one_trace() -> None:
    lost = attempt(1, AttemptState.LOST, cause="worker_lost")
    spans = spans_of(INSTALLATION, job(), [lost, attempt(2)])
    assert drawn(spans) == [
        ("job", 500, 2500, None),
        ("waiting", 500, 1000, None),
        ("attempt", 1000, 1500, "worker_lost"),
        ("assigned", 1000, 1100, None),
        ("running", 1100, 1500, "worker_lost"),
        ("waiting", 1500, 2000, None),
        ("attempt", 2000, 2500, None),
        ("assigned", 2000, 2100, None),
        ("running", 2100, 2500, None),
    ]
    assert {each.trace_id for each in spans} == {trace_id(INSTALLATION, 7)}
    assert len({each.span_id for each in spans}) == len(spans)
    root, first = spans[0], spans[2]
    assert root.parent_id is None
    assert [each.parent_id for each in spans[1:3]] == 2 * [root.span_id]
    assert [each.parent_id for each in spans[3:5]] == 2 * [first.span_id]
    assert spans == spans_of(INSTALLATION, job(), [lost, attempt(2)])


def test_what_never_started_has_waited_only() -> None:
    assert drawn(spans_of(INSTALLATION, job(JobState.FAILED, cause="queue_timeout"), [])) == [
        ("job", 500, 2500, "queue_timeout"),
        ("waiting", 500, 2500, None),
    ]
    cancelled = attempt(1, AttemptState.CANCELLED, started_at_ms=None, cause="cancelled")
    assert drawn(spans_of(INSTALLATION, job(JobState.CANCELLED), [cancelled]))[2:] == [
        ("attempt", 1000, 1500, None),
        ("assigned", 1000, 1500, None),
    ]


def test_no_span_ends_before_it_begins() -> None:
    fast = attempt(1, assigned_at_ms=9000, started_at_ms=8000, ended_at_ms=7000)
    assert all(each.end_ms >= each.start_ms for each in spans_of(INSTALLATION, job(), [fast]))


# --- which jobs, and how many wait


def queue(sample: float = 1.0, most: int = 100, exporter: Any = None) -> TraceQueue:
    return TraceQueue(lambda: exporter, sample=sample, per_second=10, most=most)


def test_a_part_of_the_jobs_is_traced_and_it_is_always_the_same() -> None:
    tenth = queue(0.1, most=10_000)
    tenth.note(range(1, 10_001))
    assert 950 < len(tenth) < 1050
    assert tenth.dropped == 0
    assert tenth.first() == [each for each in range(1, 200) if queue(0.1).takes(each)][:10]
    assert all(queue(0.2).takes(each) for each in tenth.first())  # more of them, not others


def test_what_finds_no_place_is_dropped_and_counted() -> None:
    full = queue(most=5)
    full.note([1, 2, 3])
    full.note([4, 5, 6, 7])
    assert (len(full), full.dropped) == (5, 2)
    full.note([8])
    full.done(3, exported=2, dropped=1)
    assert (full.first(), full.exported, full.dropped) == ([4, 5], 2, 4)
    full.note([9])
    assert full.first() == [4, 5, 9]


class Refusing:
    def __init__(self, refusals: int) -> None:
        self.left, self.calls = refusals, 0

    async def export(self, spans: Any) -> str:
        self.calls += 1
        self.left -= 1
        return "It is full." if self.left >= 0 else ""


@pytest.mark.parametrize(("refusals", "exported", "dropped", "calls"), [(2, 4, 1, 3), (99, 0, 5, 10)])
def test_a_collector_that_refuses_is_tried_some_times(
    refusals: int, exported: int, dropped: int, calls: int, monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:  # fmt: skip
    pauses: list[float] = []

    async def sleep(seconds: float) -> None:
        pauses.append(seconds)

    monkeypatch.setattr(loop.asyncio, "sleep", sleep)
    exporter, waiting = Refusing(refusals), queue()
    waiting.note([1, 2, 3, 4, 5, 6])
    found = Traced(spans=spans_of(INSTALLATION, job(), []), traces=4, missing=1)
    asyncio.run(loop._export(waiting, exporter, 5, found))  # type: ignore[arg-type]
    assert (waiting.exported, waiting.dropped, waiting.first()) == (exported, dropped, [6])
    assert exporter.calls == calls
    assert pauses[:2] == [1, 2]
    assert max(pauses) <= loop.PAUSE_LONGEST_S
    said = [each.getMessage() for each in caplog.records]
    assert said[0] == "The collector of traces does not take them: It is full. Herder tries again."
    assert len(said) == 2  # once, and its end


async def test_a_store_that_is_down_loses_no_trace(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(loop, "LOOK_S", 0)
    closed: list[bool] = []

    async def read(query: Any) -> Any:
        raise StoreDown("It is away.")

    waiting = queue(exporter=SimpleNamespace(close=lambda: closed.append(True)))
    waiting.note([1, 2])
    settings = SimpleNamespace(installation=INSTALLATION)
    core = SimpleNamespace(tallies=SimpleNamespace(traces=waiting), settings=settings, read=read)
    with pytest.raises(StoreDown):
        await loop.run(core)  # type: ignore[arg-type]
    assert (waiting.first(), waiting.dropped, closed) == ([1, 2], 0, [True])


# --- to a collector


@pytest.fixture
def traced_server(tmp_path: Path, collector: Collector, monkeypatch: pytest.MonkeyPatch) -> Iterator[Server]:
    monkeypatch.setattr(loop, "LOOK_S", 0.02)
    server = Server(tmp_path / "data")
    server.traces = TraceSettings(endpoint=collector.url)
    server.start()
    server.http.post("/apply", json={"pools": POOLS}).raise_for_status()
    yield server
    server.stop()


def submit(server: Server) -> int:
    answer = server.http.post("/jobs", json={"runtime": "noop", "key": "a-job"}).raise_for_status()
    return int(answer.json()["first_job"])


def metric(server: Server, name: str) -> float:
    text = server.http.get(server.running.url + "/metrics").text
    return float(next(line.split()[1] for line in text.splitlines() if line.startswith(name + " ")))


def run_one(server: Server, worker: PlayedWorker, state: str = "succeeded", **more: Any) -> int:
    number = submit(server)
    worker.take()
    worker.end(number, state=state, **more)
    return number


def test_a_job_reaches_the_collector_and_the_metrics(traced_server: Server, collector: Collector) -> None:
    worker = traced_server.worker()
    number = run_one(traced_server, worker, "failed", exit_code=3, cause="exit_code")
    until(lambda: len(collector.spans) >= 5)
    assert collector.paths == {"/v1/traces"}
    installation = traced_server.running.core.settings.installation
    assert collector.resources[0]["service.name"] == "herder"
    assert collector.resources[0]["service.instance.id"] == installation
    assert {each.trace_id.hex() for each in collector.spans} == {trace_id(installation, number)}
    by_name = {each.name: each for each in collector.spans}
    assert set(by_name) == {"job", "waiting", "attempt", "assigned", "running"}
    root, attempted = by_name["job"], by_name["attempt"]
    assert root.parent_span_id == b""
    assert attempted.parent_span_id == root.span_id
    assert by_name["running"].parent_span_id == attempted.span_id
    about = attributes(root)
    assert (about["herder.job.state"], about["herder.job.key"], about["herder.job.attempts"]) == (
        "failed",
        "a-job",
        1,
    )
    assert root.status.code == 2
    assert root.status.message == "exit_code"
    found = attributes(attempted)
    assert (found["herder.worker"], found["herder.pool"]) == (worker.name, "std")
    assert (found["process.exit.code"], found["herder.attempt.cause"]) == (3, "exit_code")
    row = traced_server.http.get(f"/jobs/{number}").json()
    assert root.start_time_unix_nano // 10**6 > 1_700_000_000_000
    assert root.end_time_unix_nano >= root.start_time_unix_nano
    assert row["state"] == "failed"
    until(lambda: metric(traced_server, "herder_traces_exported_total") == 1)
    assert metric(traced_server, "herder_traces_dropped_total") == 0


def test_a_collector_that_is_down_costs_no_job(
    traced_server: Server, collector: Collector, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(loop, "TRIES_MAX", 2)
    collector.status = 400
    worker = traced_server.worker()
    run_one(traced_server, worker)
    until(lambda: metric(traced_server, "herder_traces_dropped_total") == 1)
    assert collector.spans == []
    collector.status = 200
    number = run_one(traced_server, worker)
    until(lambda: bool(collector.spans))
    assert attributes(collector.spans[0])["herder.job.id"] == number
    assert collector.calls == 3


async def test_a_missing_collector_is_named() -> None:
    exporter = OtlpExporter("http://127.0.0.1:1/v1/traces", INSTALLATION, 0.3)
    try:
        assert await exporter.export(spans_of(INSTALLATION, job(), []))
    finally:
        exporter.close()


# --- settings


def test_settings_of_traces(tmp_path: Path) -> None:
    file = tmp_path / "herder.yaml"
    file.write_text("observability: {traces: {endpoint: 'http://c:4318', sample: 10%}}\n")
    settings = load([file])
    assert settings.traces == TraceSettings(endpoint="http://c:4318", sample=0.1)
    assert settings.traces.url == "http://c:4318/v1/traces"
    assert TraceSettings(endpoint="https://c/otlp/v1/traces").url == "https://c/otlp/v1/traces"
    assert expanded(settings)["observability"] == {
        "traces": {"endpoint": "http://c:4318", "sample": 0.1, "per_second": 100}
    }


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("sample: 2", "'2' is not a part of all jobs"),
        ("sample: nan", "'nan' is not a part of all jobs"),
        ("per_second: 5000", "per_second must be at most 1,000"),
        ("endpoint: collector", "'collector' is not a URL"),
        ("endpoint: 'http://me:secret@c'", "contains a user name or a password"),
        ("sampel: 1", "sampel"),
    ],
)
def test_wrong_settings_of_traces_are_refused(tmp_path: Path, text: str, told: str) -> None:
    file = tmp_path / "herder.yaml"
    file.write_text(f"observability: {{traces: {{{text}}}}}\n")
    with pytest.raises(SettingsError) as refused:
        load([file])
    assert told in str(refused.value)


def test_traces_are_off_by_default_and_need_their_packages(monkeypatch: pytest.MonkeyPatch) -> None:
    assert trace_queue(TraceSettings(), INSTALLATION) is None
    assert trace_queue(TraceSettings(endpoint="http://c", sample=0), INSTALLATION) is None
    real = builtins.__import__

    def without(name: str, *args: Any, **kwargs: Any) -> Any:
        if name.startswith("opentelemetry"):
            raise ImportError(name=name)
        return real(name, *args, **kwargs)

    monkeypatch.setattr(builtins, "__import__", without)
    with pytest.raises(StartError) as refused:
        trace_queue(TraceSettings(endpoint="http://c"), INSTALLATION)
    assert "herder[otel]" in refused.value.hint


def test_the_loop_ends_where_traces_are_off(server: Server) -> None:
    core = server.running.core
    assert core.tallies.traces is None
    server.run(asyncio.wait_for(partial(loop.run, core)(), 1))
