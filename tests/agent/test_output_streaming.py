"""Output is complete, in order, streamed while the job runs, bounded, and always text."""

import os
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from herder.agent.processes.output import Output
from tests.agent.conftest import RunningAgent, StartAgent
from tests.agent.fake_server import FakeServer, Fault


async def test_output_arrives_while_the_job_runs(
    server: FakeServer, agent: RunningAgent, tmp_path: Path
) -> None:
    key = server.shell(1, f"echo first; while [ ! -e {tmp_path}/go ]; do sleep 0.02; done; echo second")
    await server.until(lambda: server.logs.get(key) == "first\n")
    assert key not in server.finished
    (tmp_path / "go").touch()
    await server.end_of(key)
    assert server.logs[key] == "first\nsecond\n"


async def test_output_is_complete_and_in_order_although_answers_are_lost(
    server: FakeServer, agent: RunningAgent
) -> None:
    count = 0

    def fault(_: object) -> Fault:
        nonlocal count
        count += 1
        return (Fault.NONE, Fault.DROP_ANSWER, Fault.NONE, Fault.ERROR_500)[count % 4]

    server.fault = fault
    script = (
        "i=0; while [ $i -lt 400 ]; do echo line-$i-äöü; i=$((i+1)); [ $((i%40)) = 0 ] && sleep 0.05; done"
    )
    keys = [server.shell(job, script) for job in (1, 2)]
    expected = "".join(f"line-{number}-äöü\n" for number in range(400))
    for key in keys:
        await server.end_of(key, 20)
        assert server.logs[key] == expected


async def test_of_output_beyond_the_limit_head_and_tail_are_kept(
    server: FakeServer, start_agent: StartAgent
) -> None:
    start_agent(log_most_bytes=1000)
    key = server.shell(
        1,
        "head -c 5000 /dev/zero | tr '\\0' x; sleep 0.3; head -c 500 /dev/zero | tr '\\0' y; printf '\\nthe error\\n'",
    )
    await server.end_of(key)
    head, notice, rest = server.logs[key].split("\n", 2)
    assert head == "x" * 750
    assert notice == (
        "[herder: the output is longer than 1000 bytes: of what follows, the last 250 bytes are kept and shown when the attempt has ended]"
    )
    told, tail = rest.split("\n", 1)
    assert tail == "the error\n", "the tail begins with a whole line"
    assert told == f"[herder: {5000 + 500 + 11 - 750 - len(tail)} bytes of output were omitted here]"


async def test_output_up_to_the_limit_is_whole(server: FakeServer, start_agent: StartAgent) -> None:
    start_agent(log_most_bytes=1000)
    key = server.shell(1, "head -c 900 /dev/zero | tr '\\0' x; sleep 0.3; printf '%0100d' 7")
    await server.end_of(key)
    assert server.logs[key] == "x" * 900 + "7".rjust(100, "0")


async def test_the_server_says_how_much_is_kept(server: FakeServer, start_agent: StartAgent) -> None:
    server.limits["log_bytes"] = 400
    start_agent(log_most_bytes=1000)
    key = server.shell(1, "head -c 900 /dev/zero | tr '\\0' x")
    await server.end_of(key)
    assert server.logs[key].count("x") == 400
    assert "[herder: 500 bytes of output were omitted here]" in server.logs[key]


async def test_a_flood_of_output_does_not_fill_the_disk(server: FakeServer, start_agent: StartAgent) -> None:
    agent = start_agent(log_most_bytes=1000)
    shrunk = "while [ $(stat -c %s ../1-1.out) -gt 20000000 ]; do sleep 0.05; done"
    key = server.shell(1, f"head -c 30000000 /dev/zero | tr '\\0' x; {shrunk}; echo; echo the end")
    assert (await server.end_of(key)).state == "succeeded"
    left_out = int(server.logs[key].rsplit("[herder: about ", 1)[1].split()[0])
    assert 15_000_000 < left_out <= 30_000_000
    assert server.logs[key].endswith("were omitted here]\nthe end\n")
    await server.until(lambda: os.listdir(agent.settings.folder) == [])


async def test_binary_output_becomes_text(server: FakeServer, agent: RunningAgent) -> None:
    key = server.shell(1, "printf 'a\\377\\000b\\303'")
    await server.end_of(key)
    assert server.logs[key] == "a\ufffdb\ufffd"


@given(
    text=st.text(alphabet="aä€😀\n\0", max_size=60),
    cuts=st.lists(st.integers(1, 20), max_size=12),
)
def test_pieces_join_to_the_whole(
    tmp_path_factory: pytest.TempPathFactory, text: str, cuts: list[int]
) -> None:
    path: Path = tmp_path_factory.mktemp("output") / "out"
    descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND)
    try:
        output = Output(1, 1, descriptor, 10_000)
        rest = text.encode()
        chunks = []
        for cut in cuts:
            os.write(descriptor, rest[:cut])
            rest = rest[cut:]
            chunks += output.news()
        os.write(descriptor, rest)
        chunks += output.news(final=True)
    finally:
        os.close(descriptor)
    assert "".join(chunk.text for chunk in chunks) == text.replace("\0", "")
    assert "\ufffd" not in "".join(chunk.text for chunk in chunks)
    position = 0
    for chunk in chunks:
        assert chunk.offset == position
        position += len(chunk.text.encode())


@given(st.binary(max_size=80), st.integers(1, 60))
def test_the_limit_holds_and_never_splits_a_character(
    tmp_path_factory: pytest.TempPathFactory, content: bytes, most: int
) -> None:
    path: Path = tmp_path_factory.mktemp("output") / "out"
    path.write_bytes(content)
    descriptor = os.open(path, os.O_RDWR | os.O_APPEND)
    try:
        output = Output(1, 1, descriptor, most)
        text = "".join(chunk.text for chunk in output.news() + output.news(final=True))
    finally:
        os.close(descriptor)
    text.encode()
    assert "\0" not in text
    assert ("omitted" in text) == (len(content) > most)
    if len(content) > most:
        head, rest = text.split("\n[herder: the output is longer than", 1)
        told, tail = rest.split("omitted here]\n", 1)
        left_out = int(told.rsplit("[herder: ", 1)[1].split()[0])
        kept = len(content) - left_out
        assert 0 <= kept <= most
        clean = content.replace(b"\0", b"")
        if clean.isascii():
            assert clean.startswith(head.encode())
            assert clean.endswith(tail.encode())


def test_what_was_counted_before_its_space_is_given_back_is_not_counted_again(tmp_path: Path) -> None:
    descriptor = os.open(tmp_path / "out", os.O_CREAT | os.O_RDWR | os.O_APPEND)
    try:
        output = Output(1, 1, descriptor, 1000)
        for _ in range(3):
            os.write(descriptor, b"x" * 5_000_000)
            output.news()
        assert os.fstat(descriptor).st_size < 8 * 2**20, "space is given back"
        os.write(descriptor, b"\nthe end\n")
        told, tail = output.news(final=True)
    finally:
        os.close(descriptor)
    assert tail.text == "the end\n"
    left_out = 15_000_000 + 9 - 750 - len("the end\n")
    assert told.text == f"[herder: about {left_out} bytes of output were omitted here]\n"


def test_the_tail_is_there_although_it_was_written_before_space_was_given_back(tmp_path: Path) -> None:
    descriptor = os.open(tmp_path / "out", os.O_CREAT | os.O_RDWR | os.O_APPEND)
    try:
        output = Output(1, 1, descriptor, 1000)
        os.write(descriptor, b"x" * 9_000_000 + b"\nthe end\n")
        output.news()
        assert os.fstat(descriptor).st_size == 0
        assert output.news(final=True)[-1].text == "the end\n"
    finally:
        os.close(descriptor)
