"""Files of channels: what hangs is given up and fills nothing, and only regular files are read."""

import asyncio
import os
import threading
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from herder.control.kernel.driver_calls import DriverCalls
from herder.notify import files, handoff
from herder.notify.files import FileError, on_file, small_text
from herder.notify.handoff import write_handoff


def test_what_is_read(tmp_path: Path) -> None:
    file = tmp_path / "chat"
    file.write_text(" https://chat.example.org/x\n")
    assert small_text(str(file)) == "https://chat.example.org/x"


def fifo(path: Path) -> None:
    os.mkfifo(path)


@pytest.mark.parametrize(
    ("made", "said"),
    [
        (fifo, "is not a regular file."),
        (Path.mkdir, "cannot be read: Is a directory."),
        (lambda path: path.symlink_to("/dev/null"), "is not a regular file."),
        (lambda path: None, "cannot be read: No such file or directory."),
        (lambda path: path.write_bytes(b"s3cret\xff"), "is not text in UTF-8."),
        (lambda path: path.write_text("s3cret" * 1_000), "has more than 4,096 bytes."),
    ],
)
def test_what_is_refused(tmp_path: Path, made: Callable[[Path], object], said: str) -> None:
    made(tmp_path / "chat")
    with pytest.raises(FileError) as refused:
        small_text(str(tmp_path / "chat"))
    assert str(refused.value) == f"The file {tmp_path / 'chat'} {said}"


async def test_what_hangs_is_given_up_and_fills_only_its_own_places(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "TIMEOUT_S", 0.05)
    calls, goes_on = DriverCalls(places=3), threading.Event()
    hung = partial(on_file, calls, "file /net/chat", goes_on.wait)
    try:
        said = await asyncio.gather(*(hung() for _ in range(6)), return_exceptions=True)
        assert [str(each) for each in said[:3]] == ["The file /net/chat did not answer within 0.05 s."] * 3
        assert {str(each).partition(".")[0] for each in said[3:]} == {"The file /net/chat does not answer"}
        assert await on_file(calls, "file /etc/chat", lambda: "x") == "x"
        assert await asyncio.wait_for(asyncio.to_thread(lambda: "free"), 5) == "free"
    finally:
        goes_on.set()
    for _ in range(500):
        if not calls.report("file /net/chat").under_way:
            break
        await asyncio.sleep(0.01)
    assert await on_file(calls, "file /net/chat", lambda: "back") == "back"


async def test_a_folder_that_hangs_uses_none_of_the_threads_of_others(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(files, "TIMEOUT_S", 0.05)
    goes_on, used = threading.Event(), set[str]()

    def hang(*_: object) -> None:
        used.add(threading.current_thread().name)
        goes_on.wait()

    monkeypatch.setattr(handoff, "_write", hang)
    calls = DriverCalls(places=2)
    try:
        for _ in range(4):
            assert await write_handoff(calls, str(tmp_path), "a.json", "{}")
    finally:
        goes_on.set()
    assert len(used) == 2
    assert all(each.startswith("driver-folder") for each in used)
