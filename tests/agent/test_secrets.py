"""Secrets of an attempt on its worker: as variables and as files in memory, for it alone, hidden in its output, and gone at its end."""

import os
import stat
import time
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from herder.agent.processes.output import Output
from herder.agent.processes.redaction import PATTERN_BYTES_MAX, Redaction
from herder.agent.processes.secret_files import SecretPlace, is_memory, remove_left_over
from herder.wire.api.secrets import Delivered, SecretsAnswer
from tests.agent.conftest import StartAgent
from tests.agent.fake_server import FakeServer

PASSWORD = b"correct horse battery"
KEY = b"-----BEGIN KEY-----\nabcdefghijklmnop\n-----END KEY-----\n"


def given_to(server: FakeServer, job: int, script: str, *values: Delivered) -> tuple[int, int]:
    server.secrets[job, 1] = SecretsAnswer(values=list(values))
    return server.shell(job, script, secret=True)


def ours() -> list[Path]:
    return [each for each in Path("/dev/shm").glob("herder-secrets-*") if any(each.iterdir())]


async def test_an_attempt_gets_variables_and_files_and_nothing_is_left(
    server: FakeServer, start_agent: StartAgent, tmp_path: Path
) -> None:
    before = set(ours())
    start_agent()
    script = (
        '[ "$DB" = "correct horse battery" ] || exit 3; cmp "$HERDER_SECRETS/keys/id" want || exit 4; '
        'stat -c %a "$HERDER_SECRETS/keys/id"; stat -c %a "$HERDER_SECRETS"; echo "$HERDER_SECRETS"; echo "password: $DB"; cat "$HERDER_SECRETS/keys/id"'
    )
    values = (
        Delivered(name="db", value=PASSWORD, env="DB"),
        Delivered(name="key", value=KEY, file="keys/id"),
    )
    server.secrets[1, 1] = SecretsAnswer(values=list(values))
    key = server.shell(1, script, secret=True, inputs={"want": KEY.decode()})
    end = await server.end_of(key)
    assert (end.state, end.exit_code) == ("succeeded", 0), (end.message, server.logs.get(key))
    said = server.logs[key]
    assert said.startswith("400\n700\n")
    folder = Path(said.splitlines()[2])
    assert not folder.exists()
    if is_memory(Path("/dev/shm")):
        assert folder.parent.parent == Path("/dev/shm")
    assert "password: *********************\n" in said
    assert b"abcdefghijklmnop" not in said.encode()
    assert set(ours()) <= before
    for path in (tmp_path / "work").rglob("*"):
        assert not path.is_file() or PASSWORD not in path.read_bytes()


async def test_a_job_without_secrets_asks_for_none_and_sees_none_of_others(
    server: FakeServer, start_agent: StartAgent
) -> None:
    start_agent()
    with_secret = given_to(server, 1, "true", Delivered(name="db", value=PASSWORD, env="DB"))
    without = server.shell(2, 'echo "${DB-none} ${HERDER_SECRETS-none}"')
    assert (await server.end_of(with_secret)).state == "succeeded"
    await server.end_of(without)
    assert server.logs[without] == "none none\n"
    assert server.secrets_asked == 1


async def test_what_the_server_cannot_give_fails_the_attempt_with_its_words(
    server: FakeServer, start_agent: StartAgent
) -> None:
    start_agent()
    text = "Secret db cannot be delivered: it was deleted from user ann."
    server.secrets[1, 1] = SecretsAnswer(missing=text)
    end = await server.end_of(server.shell(1, "touch ran", secret=True))
    assert (end.state, end.cause, end.message) == ("failed", "start_failed", text)


async def test_a_server_that_fails_for_a_moment_is_asked_again(
    server: FakeServer, start_agent: StartAgent
) -> None:
    start_agent(retry_first_s=0.01, retry_most_s=0.02)
    server.secret_faults = [503, 500]
    key = given_to(server, 1, '[ -n "$DB" ]', Delivered(name="db", value=PASSWORD, env="DB"))
    assert (await server.end_of(key)).state == "succeeded"
    server.secret_faults = [503] * 5
    lost = await server.end_of(given_to(server, 2, "true", Delivered(name="db", value=PASSWORD, env="DB")))
    assert (lost.state, lost.cause) == ("failed", "infrastructure")
    assert lost.message.startswith("The secrets could not be downloaded: ")


@pytest.fixture
def place(tmp_path: Path) -> Iterator[SecretPlace]:
    made = SecretPlace(tmp_path, memory=tmp_path / "none")
    yield made
    made.close()


def test_without_memory_files_lie_in_the_work_folder_and_are_overwritten(
    place: SecretPlace, tmp_path: Path
) -> None:
    folder = Path(place.write(1, 1, [Delivered(name="k", value=KEY, file="a/b")], None, shared=False))
    assert (folder.is_relative_to(tmp_path), place.in_memory) == (True, False)
    assert stat.S_IMODE((folder / "a/b").stat().st_mode) == 0o400
    with (folder / "a/b").open("rb") as kept:
        assert place.remove(str(folder))
        assert kept.read() == bytes(len(KEY))
    assert not folder.exists()


@pytest.mark.timeout(20)
def test_links_and_pipes_that_a_job_left_among_its_secrets_lead_nowhere(
    place: SecretPlace, tmp_path: Path
) -> None:
    """The agent may be root, the job not."""
    other, folder_elsewhere = tmp_path / "precious", tmp_path / "elsewhere"
    folder_elsewhere.mkdir()
    for path in (other, folder_elsewhere / "precious"):
        path.write_bytes(b"precious")
        path.chmod(0o644)
    folder = Path(place.write(1, 1, [Delivered(name="k", value=KEY, file="a/b")], None, shared=False))
    (folder / "soft").symlink_to(other)
    (folder / "hard").hardlink_to(other)
    (folder / "folder").symlink_to(folder_elsewhere)
    os.mkfifo(folder / "pipe")
    with (folder / "a/b").open("rb") as kept:
        assert place.remove(str(folder))
        assert kept.read() == bytes(len(KEY))
    for path in (other, folder_elsewhere / "precious"):
        assert path.read_bytes() == b"precious"
        assert stat.S_IMODE(path.stat().st_mode) == 0o644


def test_two_attempts_have_folders_of_their_own(place: SecretPlace) -> None:
    one, two = (
        place.write(1, attempt, [Delivered(name="k", value=bytes([attempt]), file="k")], None, shared=False)
        for attempt in (1, 2)
    )
    assert place.remove(one)
    assert Path(two, "k").read_bytes() == b"\2"


def test_what_a_dead_agent_left_is_removed_and_what_a_living_one_has_is_not(
    place: SecretPlace, tmp_path: Path
) -> None:
    dead = tmp_path / "herder-secrets-dead"
    (dead / "1-1").mkdir(parents=True)
    (dead / "1-1" / "k").write_bytes(KEY)
    living = Path(place.write(1, 1, [Delivered(name="k", value=KEY, file="k")], None, shared=False))
    remove_left_over(tmp_path)
    assert not dead.exists()
    assert (living / "k").read_bytes() == KEY


@given(
    text=st.lists(st.sampled_from([b"secret-1", b"secret-22", b"sec", b"ret-1", b"x", b"\n", b"\xc3\xa4"])),
    cuts=st.lists(st.integers(0, 60)),
)
def test_no_piece_of_a_value_leaves_however_the_output_is_cut(text: list[bytes], cuts: list[int]) -> None:
    whole = b"".join(text)
    redaction, came = Redaction([b"secret-1", b"secret-22"]), b""
    marks = sorted({0, len(whole), *(cut for cut in cuts if cut < len(whole))})
    for begin, end in pairwise(marks):
        came += redaction.clean(whole[begin:end])
        assert b"secret-1" not in came
    came += redaction.clean(b"", final=True)
    assert len(came) == len(whole)
    assert b"secret-1" not in came
    assert came == Redaction([b"secret-1", b"secret-22"]).clean(whole, final=True)


def starred_by_hand(text: bytes, values: list[bytes]) -> bytes:
    hidden = bytearray(text)
    for value in values:
        for at in range(len(text)):
            if text.startswith(value, at):
                hidden[at : at + len(value)] = b"*" * len(value)
    return bytes(hidden)


@given(
    st.lists(st.text("ab", min_size=6, max_size=12).map(str.encode), max_size=5),
    st.lists(st.text("ab", max_size=30).map(str.encode), max_size=8),
)
def test_values_that_overlap_are_all_hidden(values: list[bytes], pieces: list[bytes]) -> None:
    redaction = Redaction(values)
    came = b"".join(map(redaction.clean, pieces)) + redaction.clean(b"", final=True)
    assert came == starred_by_hand(b"".join(pieces), values)


def test_output_costs_the_same_whatever_the_values_are() -> None:
    """The agent does nothing else meanwhile. This cost 0.4 s for each piece."""
    lines = (b"a" * 4000 + b"%02d" % number for number in range(15))
    redaction, came = Redaction([b"zzzzzz\n" + b"\n".join(lines)]), 0
    before = time.thread_time()
    for _ in range(64):
        came += len(redaction.clean(b"a" * 8192))
    assert time.thread_time() - before < 6
    assert came + len(redaction.clean(b"", final=True)) == 64 * 8192


def test_a_long_value_leaves_room_for_the_others() -> None:
    long = b"\n".join(b"%04d" % number + b"x" * 1000 for number in range(64))
    redaction = Redaction([long, PASSWORD])
    assert redaction.clean(b"0000" + b"x" * 1000 + PASSWORD, final=True) == b"*" * (1004 + len(PASSWORD))
    assert len(redaction._depth) <= PATTERN_BYTES_MAX + 1


def test_a_value_at_the_end_of_the_head_is_hidden_too(tmp_path: Path) -> None:
    """Where the output is longer than what is kept of it."""
    descriptor = os.open(tmp_path / "out", os.O_RDWR | os.O_CREAT | os.O_APPEND)
    output = Output(1, 1, descriptor, 400, Redaction([PASSWORD]))
    os.write(descriptor, b"x" * 290 + PASSWORD + b"y" * 600 + b"\n" + PASSWORD + b" end\n")
    text = "".join(chunk.text for chunk in (*output.news(), *output.news(final=True)))
    os.close(descriptor)
    assert "correct ho" not in text
    assert text.endswith(" end\n")
