"""`herder usage`: files in three forms are booked once, a wrong event is named by its line, and days are shown by payer."""

import json
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from sqlalchemy import insert

from herder.model.stored.metering_records import MeteredDayRecord
from herder.store.rows.metering_tables import metered_days
from herder.store.rows.rate_rows import day_of
from tests.api.conftest import Server
from tests.cli.conftest import Result

Herder = Callable[..., Result]
HOUR_AGO = datetime.now(UTC) - timedelta(hours=1)
NANOS = str(int(HOUR_AGO.timestamp()) * 10**9)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    made = Server(tmp_path_factory.mktemp("data")).start()
    yield made
    made.stop()


@pytest.fixture
def usage(server: Server, herder: Herder, monkeypatch: pytest.MonkeyPatch) -> Herder:
    monkeypatch.setenv("HERDER_URL", server.running.url)
    monkeypatch.setenv("HERDER_TOKEN", server.running.token)
    return lambda *words: herder("usage", *words)


def event(number: int, **more: object) -> str:
    said = {"id": f"e{number}", "time": HOUR_AGO.isoformat(), "resource": "storage.hot", "unit": "GB-hours"}
    return json.dumps({**said, "quantity": 1.5, **more})


def test_events_of_a_file_are_booked_once_whatever_the_size_of_the_file(
    usage: Herder, tmp_path: Path
) -> None:
    file = tmp_path / "events.jsonl"
    file.write_text("\n".join(event(number) for number in range(2_500)) + "\n")
    words = ("import", str(file), "--source", "disks", "--project", "alpha")
    assert "2,000 new events and 0 known events" in usage(*words, "--dry-run").out
    first = usage(*words)
    assert first.code == 0, first.err
    assert "2,000 new events and 0 known events" in first.out
    assert "500 new events and 0 known events" in first.out
    assert "0 new events and 2,000 known events" in usage(*words).out
    lines = usage("list", "--source", "disks").out.splitlines()
    assert lines[1].split() == [
        f"{HOUR_AGO:%Y-%m-%d}",
        "disks",
        "storage.hot",
        "-",
        "alpha",
        "5.208333333",
        "GB-months",
    ]
    assert max(map(len, lines)) <= 80
    assert "No reports of use fit the search." in usage("list", "--source", "none").err
    day, before = f"{HOUR_AGO:%Y-%m-%d}", f"{HOUR_AGO - timedelta(days=1):%Y-%m-%d}"
    assert usage("list", "--source", "disks", "--from", day, "--to", day).out.splitlines() == lines
    assert usage("list", "--source", "disks", "--to", before).out == ""
    assert usage("list", "--source", "disks", "--to", "today").code == 2


def test_the_last_day_that_can_be_written_is_included(server: Server, usage: Herder) -> None:
    last_ms = day_of("9999-12-31")
    record = MeteredDayRecord(last_ms, "9999-12", "late", "storage.hot", "", "", "alpha", "", "3600000000000")
    server.run(written(server, record))
    assert "9999-12-31" in usage("list", "--source", "late", "--to", "9999-12-31").out
    assert "9999-12-31" not in usage("list", "--source", "late", "--to", "9999-12-30").out


async def written(server: Server, record: MeteredDayRecord) -> None:
    await server.running.core.store.call(
        lambda connection: connection.execute(insert(metered_days).values(record._asdict()))
    )


def test_traces_and_spend_logs_are_read(usage: Herder, tmp_path: Path) -> None:
    values = {"gen_ai.request.model": {"stringValue": "m"}, "gen_ai.usage.input_tokens": {"intValue": "30"}}
    call = {"traceId": "a", "spanId": "1", "endTimeUnixNano": NANOS, "attributes": [{"key": k, "value": v} for k, v in values.items()]}  # fmt: skip
    other = {"traceId": "a", "spanId": "2", "endTimeUnixNano": NANOS, "attributes": []}
    traces = tmp_path / "traces.json"
    traces.write_text(json.dumps({"resourceSpans": [{"scopeSpans": [{"spans": [call, other]}]}]}) + "\n")
    found = usage("import", str(traces), "--format", "otel", "--source", "tracer", "--project", "alpha")
    assert "1 new event and 0 known events" in found.out, found.err
    row = {
        "request_id": "r",
        "model": "m",
        "endTime": HOUR_AGO.isoformat(),
        "prompt_tokens": 7,
        "completion_tokens": 5,
    }
    spend = tmp_path / "spend.json"
    spend.write_text(json.dumps([row, {**row, "request_id": "cached", "cache_hit": "True"}], indent=1))
    found = usage("import", str(spend), "--format", "litellm", "--source", "litellm", "--user", "ann")
    assert "1 new event and 0 known events" in found.out, found.err
    shown = json.loads(usage("list", "--source", "litellm", "-o", "json").out)["items"]
    assert {(day["resource"], day["quantity"], day["user"], day["project"]) for day in shown} == {
        ("tokens.input", "7", "ann", "default"),
        ("tokens.output", "5", "ann", "default"),
    }


@pytest.mark.parametrize(
    ("text", "code", "said"),
    [
        (f"{event(1)}\n\n{event(2, quantity=-1)}\n", 2, "bad.jsonl:3: quantity: -1 GB-hours is not an amount of use"),
        (f"{event(1)}\n{event(1, quantity=2)}\n", 4, "bad.jsonl:2: id: Event 'e1' of source bad was reported before"),
        (f"{event(1, colour='red')}\n", 2, "There is no field 'colour'"),
        (f"{event(1)}\n{{\n", 2, "bad.jsonl:2:2: This is not valid JSON"),
        ("5\n", 2, "bad.jsonl:1:1: This is not a mapping. Write one event a line."),
        ("", 2, "The file has no events"),
    ],
)  # fmt: skip
def test_what_cannot_be_booked_is_named_by_its_line(
    usage: Herder, tmp_path: Path, text: str, code: int, said: str
) -> None:
    file = tmp_path / "bad.jsonl"
    file.write_text(text)
    found = usage("import", str(file), "--source", "bad")
    assert (found.code, said in found.err) == (code, True), found.err
    assert usage("list", "--source", "bad", "-o", "name").out == ""
