"""Interruption notices of an agent: from a file, a signal and metadata addresses, told to the server and to real processes."""

import asyncio
import json
import signal
import subprocess
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from herder.agent.environment.settings import AgentSettings, SettingsError, from_environment
from herder.agent.machine.notice_formats import left_s
from herder.agent.main import _watch_notices
from herder.wire.worker import startup
from tests.agent.conftest import StartAgent
from tests.agent.fake_server import FakeServer, Key

NOW_MS = 1_700_000_000_000
FAST = {"notice_file_every_s": 0.02, "notice_url_every_s": 0.02}
#: Writes when it has begun, waits for the deadline, and says what it was told.
WAITS = 'echo begun; until [ -e "$HERDER_DEADLINE_FILE" ]; do sleep 0.02; done; cat "$HERDER_DEADLINE_FILE"'
TRAPS = "trap 'echo saved; exit 0' USR1; echo begun; while :; do sleep 0.02; done"


async def begun(server: FakeServer, key: Key) -> None:
    await server.until(lambda: "begun" in server.logs.get(key, ""))


async def interrupted(server: FakeServer) -> float:
    """What the server is told first, in seconds."""
    await server.until(lambda: bool(server.interrupted))
    return server.interrupted[0] / 1000


async def test_a_file_tells_server_and_attempts(
    server: FakeServer, start_agent: StartAgent, tmp_path: Path
) -> None:
    notice = tmp_path / "notice"
    agent = start_agent(notice_file=notice, **FAST)
    key = server.shell(1, WAITS)
    await begun(server, key)
    before = agent.settings.folder / "deadline.json"
    assert not before.exists()
    notice.write_text('{"left_s": 60}')
    assert 55 < await interrupted(server) <= 60
    end = await server.end_of(key)
    assert (end.state, end.cause) == ("succeeded", "")
    told = json.loads(server.logs[key].removeprefix("begun\n"))
    assert 50_000 < told["deadline_ms"] - end.started_at_ms <= 60_000
    assert told["deadline"].endswith("Z")


async def test_every_exchange_repeats_it_and_less_is_left_each_time(
    server: FakeServer, start_agent: StartAgent, tmp_path: Path
) -> None:
    notice = tmp_path / "notice"
    notice.touch()
    start_agent(notice_file=notice, notice_s=45.0, **FAST)
    await server.until(lambda: len(server.interrupted) > 3)
    assert server.interrupted == sorted(server.interrupted, reverse=True)
    assert 40_000 < server.interrupted[0] <= 45_000
    notice.unlink()  # a withdrawal changes nothing
    count = len(server.interrupted)
    await server.until(lambda: len(server.interrupted) > count + 1)


async def test_only_who_asks_gets_a_signal(
    server: FakeServer, start_agent: StartAgent, tmp_path: Path
) -> None:
    notice = tmp_path / "notice"
    start_agent(notice_file=notice, **FAST)
    asked = server.shell(1, TRAPS, env={"HERDER_CHECKPOINT_SIGNAL": "USR1"})
    silent = server.shell(2, f"{WAITS}; sleep 0.3; echo alive")
    for key in (asked, silent):
        await begun(server, key)
    notice.touch()
    for key, word in ((asked, "saved"), (silent, "alive")):
        end = await server.end_of(key)
        assert (end.state, word in server.logs[key]) == ("succeeded", True), end


async def test_who_ends_because_it_was_told_is_preempted(
    server: FakeServer, start_agent: StartAgent, tmp_path: Path
) -> None:
    notice = tmp_path / "notice"
    start_agent(notice_file=notice, **FAST)
    unaware = server.shell(1, "echo begun; sleep 60", env={"HERDER_CHECKPOINT_SIGNAL": "SIGUSR2"})
    saves = server.shell(2, TRAPS.replace("exit 0", "exit 85"), env={"HERDER_CHECKPOINT_SIGNAL": "USR1"})
    for key in (unaware, saves):
        await begun(server, key)
    notice.touch()
    for key, code in ((unaware, -signal.SIGUSR2), (saves, 85)):
        end = await server.end_of(key)
        assert (end.state, end.cause, end.exit_code) == ("failed", "preempted", code)
        assert end.message.startswith("Asked to checkpoint, because the machine is taken back.")


async def test_an_own_failure_during_a_notice_stays_one(
    server: FakeServer, start_agent: StartAgent, tmp_path: Path
) -> None:
    notice = tmp_path / "notice"
    start_agent(notice_file=notice, **FAST)
    key = server.shell(1, f"{WAITS}; exit 3")
    await begun(server, key)
    notice.touch()
    end = await server.end_of(key)
    assert (end.cause, end.exit_code) == ("exit_code", 3)


async def test_an_unknown_signal_cannot_start(server: FakeServer, start_agent: StartAgent) -> None:
    start_agent()
    end = await server.end_of(server.shell(1, "true", env={"HERDER_CHECKPOINT_SIGNAL": "KILL"}))
    assert end.cause == "start_failed"
    assert "write one of USR1, USR2, TERM, INT, HUP, QUIT" in end.message


async def test_the_server_tells_the_deadline_of_a_drivers_notice(
    server: FakeServer, start_agent: StartAgent
) -> None:
    agent = start_agent()
    key = server.shell(1, WAITS)
    await begun(server, key)
    server.deadline_ms = 20_000
    server.nudge()
    end = await server.end_of(key)
    assert end.state == "succeeded"
    assert not server.interrupted, "it has no notice of its own"
    agent.leave.set()
    await agent.left()
    assert not agent.settings.folder.exists(), "nothing is left behind"


async def test_a_signal_to_the_agent(
    server: FakeServer, agent_process: Callable[[], "subprocess.Popen[bytes]"]
) -> None:
    process = agent_process()
    key = server.shell(1, WAITS)
    await begun(server, key)
    process.send_signal(signal.SIGUSR1)
    assert 25 < await interrupted(server) <= 30
    assert (await server.end_of(key)).state == "succeeded"


# --- metadata addresses: small servers on loopback that answer as the clouds do

Answer = Callable[[str, dict[str, str]], tuple[int, str]]


@asynccontextmanager
async def cloud(answer: Answer, date: str = "") -> AsyncIterator[str]:
    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        first, *lines = (await reader.readuntil(b"\r\n\r\n")).decode().split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (each.partition(":") for each in lines)}
        status, body = answer(first.rsplit(" ", 1)[0], headers)
        dated = f"Date: {date}\r\n" if date else ""
        writer.write(f"HTTP/1.1 {status} -\r\n{dated}Content-Length: {len(body)}\r\n\r\n{body}".encode())
        await writer.drain()
        writer.close()

    server = await asyncio.start_server(serve, "127.0.0.1", 0)
    try:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}"
    finally:
        server.close()
        await server.wait_closed()


async def test_aws_with_a_session_token_and_a_clock_of_its_own(
    server: FakeServer, start_agent: StartAgent
) -> None:
    """Its time is of another year than this machine's: what counts is what it says itself that the time is."""
    comes, asked = asyncio.Event(), []

    def answer(request: str, headers: dict[str, str]) -> tuple[int, str]:
        asked.append(request)
        if request == "PUT /latest/api/token":
            return (200, "tok") if headers.get("x-aws-ec2-metadata-token-ttl-seconds") else (400, "")
        if headers.get("x-aws-ec2-metadata-token") != "tok":
            return 401, ""
        return (
            (200, '{"action": "terminate", "time": "2017-09-18T08:22:00Z"}') if comes.is_set() else (404, "")
        )

    async with cloud(answer, date="Mon, 18 Sep 2017 08:20:00 GMT") as url:
        start_agent(notice_url=f"{url}/latest/meta-data/spot/instance-action", **FAST)
        await server.until(lambda: asked.count("GET /latest/meta-data/spot/instance-action") > 3)
        assert asked.count("PUT /latest/api/token") == 1
        assert not server.interrupted
        comes.set()
        assert 115 < await interrupted(server) <= 120


async def test_google(server: FakeServer, start_agent: StartAgent) -> None:
    said = ["FALSE"]

    def answer(request: str, headers: dict[str, str]) -> tuple[int, str]:
        return (200, said[-1]) if headers.get("metadata-flavor") == "Google" else (403, "")

    async with cloud(answer) as url:
        start_agent(notice_url=f"{url}/computeMetadata/v1/instance/preempted", **FAST)
        await server.until(lambda: server.exchanges > 3)
        assert not server.interrupted
        said.append("TRUE")
        assert 25 < await interrupted(server) <= 30


async def test_azure(server: FakeServer, start_agent: StartAgent) -> None:
    def event(kind: str, of: str, at: str) -> dict[str, object]:
        return {"EventType": kind, "Resources": [of], "EventStatus": "Scheduled", "NotBefore": at}

    events = [
        event("Reboot", "w", "Mon, 19 Sep 2016 18:29:50 GMT"),
        event("Preempt", "another", "Mon, 19 Sep 2016 18:29:51 GMT"),
    ]

    def answer(request: str, headers: dict[str, str]) -> tuple[int, str]:
        right = headers.get("metadata") == "true" and request.endswith("?api-version=2020-07-01")
        return (200, json.dumps({"DocumentIncarnation": 1, "Events": events})) if right else (400, "")

    async with cloud(answer, date="Mon, 19 Sep 2016 18:29:17 GMT") as url:
        start_agent(notice_url=f"{url}/metadata/scheduledevents?api-version=2020-07-01", **FAST)
        await server.until(lambda: server.exchanges > 3)
        assert not server.interrupted
        events.append(event("Preempt", "W", "Mon, 19 Sep 2016 18:29:47 GMT"))
        assert 25 < await interrupted(server) <= 30


async def test_an_address_that_hangs_or_talks_nonsense_costs_nothing(
    server: FakeServer, start_agent: StartAgent
) -> None:
    async def hang(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        connections.append(writer)
        if len(connections) % 2:
            writer.write(b"220 smtp ready\r\n\r\n")
            writer.close()

    connections: list[asyncio.StreamWriter] = []
    nonsense = await asyncio.start_server(hang, "127.0.0.1", 0)
    port = nonsense.sockets[0].getsockname()[1]
    start_agent(notice_url=f"http://127.0.0.1:{port}/", notice_url_deadline_s=0.05, **FAST)
    end = await server.end_of(server.shell(1, "echo hello"))
    assert end.state == "succeeded"
    await server.until(lambda: len(connections) > 3)
    assert not server.interrupted
    nonsense.close()
    for each in connections:
        each.close()


# --- what is written in a notice

ISO = "2023-11-14T22:14:20Z"  # a minute after NOW_MS


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", 30), ("\n", 30), ("TRUE", 30), ("FALSE", None), (ISO, 60), (f'"{ISO}"', 60), ("90", 90),
        ("2023-11-14T22:14:20", 60), ("2023-11-14T23:14:20+01:00", 60), ('{"time": "' + ISO + '"}', 60),
        ('{"left_s": 12.5}', 12.5), ("{}", 30), ("-5", 0), ("NaN", 30), ("not a time", 30), ("[" * 10_000, 30),
        ('{"action": "none"}', None), ('{"Events": []}', None), ('{"Events": [1, {}]}', None),
        ("2023-11-14T22:10:00Z", 0), ("2001-01-01T00:00:00Z", None), ('{"left_s": true}', 30),
        ('{"Events": [{"EventType": "Preempt", "NotBefore": ""}]}', 30), ("1e999", 30),
    ],
)  # fmt: skip
def test_what_a_notice_says(text: str, expected: float | None) -> None:
    assert left_s(text, NOW_MS, 30.0, {"w"}) == expected


@pytest.mark.parametrize(
    ("name", "value", "said"),
    [
        (startup.NOTICE_FILE, "notice", "not an absolute path"),
        (startup.NOTICE_URL, "https://x/", "not an http address"),
        (startup.NOTICE_URL, "http://x/a b", "not an http address"),
        (startup.NOTICE_URL, "http://[x/", "not an http address"),
        (startup.NOTICE_S, "0", "must be a number of seconds above 0"),
        (startup.NOTICE_S, "4000", "must be at most 3600 seconds"),
    ],
)
def test_settings_that_cannot_be(name: str, value: str, said: str) -> None:
    environ = {startup.SERVER: "http://x", startup.WORKER: "w", startup.ACTIVATION_TOKEN: "t", name: value}
    with pytest.raises(SettingsError, match=said):
        from_environment(environ)


async def test_a_fault_of_the_watch_is_logged_and_the_watch_begins_anew(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    tries = 0

    async def watch(*_: object) -> None:
        nonlocal tries
        tries += 1
        if tries < 3:
            raise ZeroDivisionError("division by zero")

    monkeypatch.setattr("herder.agent.main.watch", watch)
    monkeypatch.setattr("herder.agent.main._WATCH_AGAIN_S", 0.0)
    settings = AgentSettings(server_url="http://127.0.0.1:1", worker="w", activation_token="t")
    await _watch_notices(settings, lambda _left_s: None, None)
    assert tries == 3
    assert sum("interruption notices failed" in each.getMessage() for each in caplog.records) == 2
