"""Log lines as JSON: one object a line, with the ids of what it is about, and the id of each request."""

import asyncio
import io
import json
import logging
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from herder.agent.environment.settings import SettingsError, from_environment
from herder.api.http.request_ids import RequestIds
from herder.control.kernel.waiting.event_bus import EventBus
from herder.model.stored.records import EventRecord
from herder.observability import logs
from herder.observability.logs import JsonLines, LogFormat, LogLevel, about, of_attempt
from herder.observability.trace_ids import span_id, trace_id
from herder.settings.load import load
from herder.settings.syntax.problems import SettingsError as BadSettings
from tests.api.conftest import Server

HERDER = Path(sys.executable).with_name("herder")


class Lines:
    """What is logged by Herder from debug on, as JSON."""

    def __init__(self, formatter: JsonLines) -> None:
        self._text = io.StringIO()
        self.handler = logging.StreamHandler(self._text)
        self.handler.setFormatter(formatter)

    def all(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self._text.getvalue().splitlines()]

    def of_request(self, request_id: str) -> list[dict[str, Any]]:
        return [line for line in self.all() if line.get("request_id") == request_id]

    @property
    def text(self) -> str:
        return self._text.getvalue()


@pytest.fixture
def lines() -> Iterator[Lines]:
    made = Lines(JsonLines({"worker": "w-1"}, "abc"))
    logger = logging.getLogger("herder")
    before = logger.level
    logger.addHandler(made.handler)
    logger.setLevel(logging.DEBUG)
    yield made
    logger.setLevel(before)
    logger.removeHandler(made.handler)


def test_a_line_has_what_it_is_about_and_the_trace_of_its_job(lines: Lines) -> None:
    log = logging.getLogger("herder.some.module")
    with about(pool="burst"):
        log.warning("Job %s\nis late.", 17, extra=of_attempt(17, 2))
    log.debug("Nothing in particular.")
    first, second = lines.all()
    assert first.pop("time").endswith("Z")
    assert first == {
        "level": "warning",
        "logger": "herder.some.module",
        "message": "Job 17\nis late.",
        "job": 17,
        "attempt": 2,
        "worker": "w-1",
        "pool": "burst",
        "trace_id": trace_id("abc", 17),
    }
    assert "pool" not in second
    assert "trace_id" not in second


def test_an_error_has_its_traceback_in_the_same_line(lines: Lines) -> None:
    try:
        raise ValueError("broken\nin two")
    except ValueError:
        logging.getLogger("herder.x").exception("It failed.")
    (line,) = lines.all()
    assert line["level"] == "error"
    assert "ValueError: broken\nin two" in line["exception"]


def test_ids_of_traces_depend_on_installation_and_job_alone() -> None:
    assert trace_id("abc", 17) == trace_id("abc", 17)
    assert len({trace_id("abc", 17), trace_id("abc", 18), trace_id("abd", 17), trace_id("abc1", 7)}) == 4
    assert len(trace_id("abc", 17)) == 32
    assert len(span_id("abc", 17, "attempt/1")) == 16
    assert span_id("abc", 17, "attempt/1") != span_id("abc", 17, "attempt/2")


def test_an_event_is_a_line_with_its_object(lines: Lines) -> None:
    bus = EventBus()
    for subject in ("batch/3", "worker/burst-1-1", "user/ana"):
        bus.publish(EventRecord(1, 2, "x.y", subject, "ana", "It happened.", "{}"))
    batch, worker, user = lines.all()
    assert (batch["batch"], batch["event"], batch["actor"]) == (3, "x.y", "ana")
    assert worker["worker"] == "burst-1-1"
    assert user["object"] == "user/ana"


def test_requests_have_ids_and_lines_that_name_their_jobs(server: Server, lines: Lines) -> None:
    api = server.http
    made = api.post("/jobs", json={"runtime": "noop"}, headers={"X-Request-Id": "from-proxy:7"})
    job = made.raise_for_status().json()["first_job"]
    seen = api.get(f"/jobs/{job}?token=hidden", headers={"X-Request-Id": "bad id"})
    asked = api.get(f"/jobs/{job}")
    assert made.headers.get_list("X-Request-Id") == ["from-proxy:7"]
    given, other = seen.headers["X-Request-Id"], asked.headers["X-Request-Id"]
    assert given != other
    assert " " not in given

    (submitted,) = lines.of_request("from-proxy:7")
    assert (submitted["job"], submitted["method"], submitted["status"]) == (job, "POST", 200)
    (refused,) = lines.of_request(given)
    assert seen.status_code == refused["status"] == 422
    assert (refused["code"], refused["job"], refused["path"]) == ("invalid", job, f"/api/v1/jobs/{job}")
    assert refused["detail"] == seen.json()["detail"]
    (read,) = lines.of_request(other)
    assert read["trace_id"] == submitted["trace_id"] == trace_id("abc", job)
    assert "hidden" not in lines.text
    assert server.running.token not in lines.text


def test_what_a_commit_does_for_all_has_the_request_of_none(server: Server, lines: Lines) -> None:
    made = server.http.post("/users", json={"name": "bea", "role": "user", "weight": 1}).raise_for_status()
    (event,) = [line for line in lines.all() if line.get("event") == "user.created"]
    assert "request_id" not in event
    assert lines.of_request(made.headers["X-Request-Id"])


def test_what_is_called_all_the_time_is_logged_at_debug(server: Server, lines: Lines) -> None:
    paths = ("health", "fleet")
    ids = {path: server.http.get(f"/{path}").headers["X-Request-Id"] for path in paths}
    assert {path: lines.of_request(ids[path])[0]["level"] for path in paths} == {
        "health": "debug",
        "fleet": "info",
    }


def test_files_of_the_dashboard_and_what_is_not_found_have_one_id_each(server: Server) -> None:
    seen = set()
    for path in ("/static/herder.css", "/static/herder.css", "/nowhere", "/metrics"):
        (one,) = httpx.get(server.running.url + path).headers.get_list("x-request-id")
        seen.add(one)
    assert len(seen) == 4


def test_a_line_of_a_request_cannot_be_forged(lines: Lines) -> None:
    async def refuse(scope: Any, receive: Any, send: Any) -> None:
        await send({"type": "http.response.start", "status": 404, "headers": own})

    own: list[Any] = []
    sent: list[Any] = []
    scope = {
        "type": "http",
        "method": "GET",
        "path": "/a\nb\x1b" + 400 * "x",
        "headers": [(b"x-request-id", b"a\nb"), (b"x-request-id", b"c")],
    }

    async def ask() -> None:
        async def send(message: Any) -> None:
            sent.append(message)

        await RequestIds(refuse, "http://here")(scope, None, send)  # type: ignore[arg-type]

    asyncio.run(ask())
    (answered,) = sent[0]["headers"]
    assert scope["headers"] == [answered]  # a follower hands it on to the leader
    assert own == []  # that of an answer that is kept for the next caller
    (line,) = lines.all()
    assert line["path"].startswith("/a%0Ab%1Bxxx")
    assert len(line["path"]) < 310


def test_settings_of_logs_are_read_shown_and_refused(tmp_path: Path) -> None:
    file = tmp_path / "herder.yaml"
    file.write_text("server: {log_format: json, log_level: debug}\n")
    found = load([file]).server
    assert (found.log_format, found.log_level) == (LogFormat.JSON, LogLevel.DEBUG)
    file.write_text("server: {log_format: jsonn}\n")
    with pytest.raises(BadSettings) as refused:
        load([file])
    assert "'jsonn' is not a possible value" in str(refused.value)
    given = {"HERDER_SERVER": "http://x", "HERDER_WORKER": "w", "HERDER_ACTIVATION_TOKEN": "t"}
    agent = from_environment({**given, "HERDER_LOG_FORMAT": "json"})
    assert (agent.log_format, agent.log_level) == (LogFormat.JSON, LogLevel.INFO)
    with pytest.raises(SettingsError, match=r"HERDER_LOG_LEVEL is 'loud'\. Write debug, info"):
        from_environment({**given, "HERDER_LOG_LEVEL": "loud"})


def test_lines_of_libraries_are_left_out_below_warnings(monkeypatch: pytest.MonkeyPatch) -> None:
    """Their addresses contain secrets, such as those of webhooks."""
    monkeypatch.setattr(logging.root, "handlers", [])
    root, herder = logging.root.level, logging.getLogger("herder").level
    try:
        logs.set_up(LogFormat.JSON, LogLevel.DEBUG, "")
        assert not logging.getLogger("httpx").isEnabledFor(logging.INFO)
        assert logging.getLogger("herder.x").isEnabledFor(logging.DEBUG)
        logs.name_installation("abc")
        formatter = logging.root.handlers[0].formatter
        assert isinstance(formatter, JsonLines)
        assert formatter.installation == "abc"
    finally:
        logging.root.setLevel(root)
        logging.getLogger("herder").setLevel(herder)


@pytest.mark.slow
def test_all_that_a_server_says_is_lines_of_json(tmp_path: Path) -> None:
    env = {name: value for name, value in os.environ.items() if not name.startswith("HERDER_")}
    words = [HERDER, "server", "--data-dir", tmp_path / "data", "--port", "0", "--log-format", "json"]
    with subprocess.Popen(words, env=env, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        said = []
        for text in process.stderr:
            said.append(json.loads(text))
            if "The server listens on" in said[-1]["message"]:
                process.send_signal(signal.SIGTERM)
    assert process.returncode == 0
    assert any(line["logger"] == "herder.events" for line in said)
