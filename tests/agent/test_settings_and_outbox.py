"""Where the settings come from, and the two rules of the outbox."""

import os
from pathlib import Path

import msgspec
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from herder.agent.attempts.outbox import Outbox
from herder.agent.environment.clock import BackOff
from herder.agent.environment.settings import AgentSettings, SettingsError, from_environment
from herder.agent.processes import process_table
from herder.agent.processes.process_table import Process, owners
from herder.wire.worker.exchange import Finished, LogChunk

BASE = {"HERDER_SERVER": "http://s:1/", "HERDER_WORKER": "w"}


def test_the_token_is_taken_out_of_the_environment() -> None:
    environment = BASE | {"HERDER_ACTIVATION_TOKEN": "hush", "HERDER_SELF_DELETE_AFTER_S": "12.5"}
    settings = from_environment(environment)
    assert (settings.activation_token, settings.server_url) == ("hush", "http://s:1")
    assert settings.self_delete_after_s == 12.5
    assert "HERDER_ACTIVATION_TOKEN" not in environment
    assert "hush" not in repr(settings)


def test_the_token_may_come_from_a_private_file(tmp_path: Path) -> None:
    path = tmp_path / "token"
    path.write_text("hush\n")
    path.chmod(0o600)
    environment = BASE | {"HERDER_ACTIVATION_TOKEN_FILE": str(path)}
    assert from_environment(environment).activation_token == "hush"
    path.chmod(0o644)
    with pytest.raises(SettingsError, match="chmod 600"):
        from_environment(environment)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({}, "HERDER_ACTIVATION_TOKEN"),
        ({"HERDER_ACTIVATION_TOKEN_FILE": "/no/such/file"}, "/no/such/file"),
        ({"HERDER_ACTIVATION_TOKEN": "t", "HERDER_SERVER": ""}, "HERDER_SERVER is not set"),
        ({"HERDER_ACTIVATION_TOKEN": "t", "HERDER_WORKER": ""}, "HERDER_WORKER is not set"),
        ({"HERDER_ACTIVATION_TOKEN": "t", "HERDER_SELF_DELETE_AFTER_S": "soon"}, "number of seconds"),
        ({"HERDER_ACTIVATION_TOKEN": "t", "HERDER_SELF_DELETE_AFTER_S": "-1"}, "above 0"),
        (
            {"HERDER_ACTIVATION_TOKEN": "t", "HERDER_DATA_CACHE_MIB": "2Gi"},
            "'2Gi', which is not a number of MiB",
        ),
        ({"HERDER_ACTIVATION_TOKEN": "t", "HERDER_DATA_CACHE_MIB": "-1"}, "not a number of MiB"),
    ],
)
def test_wrong_settings_say_what_to_set(changes: dict[str, str], words: str) -> None:
    with pytest.raises(SettingsError, match=words):
        from_environment(BASE | changes)


def test_back_off_doubles_up_to_its_bound() -> None:
    back_off = BackOff(0.05, 2.0)
    waits = [back_off.next_s() for _ in range(20)]
    assert all(0.025 <= wait <= 2.0 for wait in waits)
    assert all(wait >= 1.0 for wait in waits[6:])
    back_off.reset()
    assert back_off.next_s() <= 0.05


def _finished(job: int, size: int = 0) -> Finished:
    result = msgspec.Raw(msgspec.json.encode("x" * size))
    return Finished(job=job, attempt=1, state="succeeded", started_at_ms=0, ended_at_ms=0, result=result)


events = st.lists(
    st.one_of(
        st.tuples(st.just("log"), st.integers(0, 2), st.integers(1, 70)),
        st.tuples(st.just("end"), st.integers(0, 2), st.integers(0, 60)),
        st.tuples(st.just("send"), st.booleans(), st.just(0)),
    ),
    max_size=60,
)


@given(events)
@example([("log", 0, 60), ("log", 0, 60), ("log", 0, 60), ("end", 0, 0), ("send", 0, 0)])
def test_nothing_is_lost_or_doubled_and_no_end_overtakes_its_output(
    steps: list[tuple[str, int, int]],
) -> None:
    """`send` with False is an answer that was lost: the same things must go again."""
    settings = AgentSettings(
        server_url="", worker="w", activation_token="", bytes_per_exchange=150, finished_per_exchange=2
    )
    outbox = Outbox(settings)
    logged: dict[int, int] = {}
    arrived: dict[int, int] = {}
    ended: set[int] = set()
    told: list[int] = []

    def send(receipt: bool) -> None:
        shipment = outbox.pack()
        for chunk in shipment.logs if receipt else ():
            assert chunk.offset == arrived.get(chunk.job, 0)
            arrived[chunk.job] = chunk.offset + len(chunk.text)
        for end in shipment.finished if receipt else ():
            assert arrived.get(end.job, 0) == logged.get(end.job, 0)
            told.append(end.job)
        assert sum(len(chunk.text) for chunk in shipment.logs) <= 150
        assert len(shipment.finished) <= 2
        if receipt:
            outbox.receipt(shipment)

    for verb, number, size in steps:
        if verb == "send":
            send(bool(number))
        elif verb == "log" and number not in ended:
            offset = logged.get(number, 0)
            outbox.add_logs([LogChunk(job=number, attempt=1, offset=offset, text="x" * size)])
            logged[number] = offset + size
        elif verb == "end" and number not in ended:
            outbox.add_finished(_finished(number, size))
            ended.add(number)
    for _ in range(200):
        send(True)
    assert outbox.empty
    assert not outbox.waiting.is_set()
    assert sorted(told) == sorted(ended)
    assert arrived == logged
    assert all(outbox.knows_end_of((job, 1)) for job in ended)


def test_processes_belong_by_session_descent_or_adoption() -> None:
    def process(pid: int, parent: int, session: int) -> Process:
        return Process(pid, parent, session, False, 1)

    found = {
        each.pid: each
        for each in (
            process(1, 0, 1),
            process(5, 1, 5),
            process(10, 5, 10),
            process(11, 10, 10),
            process(12, 11, 12),
            process(13, 12, 12),
            process(20, 5, 20),
            process(30, 5, 30),
            process(31, 30, 31),
        )
    }
    assert owners(found, {10: None}, {30: 10, 99: 10}) == {10: 10, 11: 10, 12: 10, 13: 10, 30: 10, 31: 10}


def test_this_process_is_seen() -> None:
    me = process_table.processes()[os.getpid()]
    assert (me.parent, me.session, me.zombie) == (os.getppid(), os.getsid(0), False)
    assert me.resident_kib > 10_000
    assert 0 < (process_table.proportional_kib([os.getpid()]) or 0) <= me.resident_kib * 1.2
