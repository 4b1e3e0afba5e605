"""Scratch that is overwritten before it is removed (`shred`), as seen by who has the files open."""

import asyncio
import os
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from herder.agent.processes import shredding
from tests.agent.conftest import RunningAgent
from tests.agent.fake_server import FakeServer

WRITES = """
mkdir -p deep/er; printf secret > deep/er/a; printf secret > b; ln b deep/b2; ln -s /etc/hostname link
chmod 0 deep/er/a; chmod 0 deep/er; printf '"secret"' > $HERDER_RESULT; printf secret
touch ready; while [ ! -e go ]; do sleep 0.02; done
"""


async def until(true: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not true():
            await asyncio.sleep(0.02)


@pytest.mark.parametrize("shred", [True, False])
async def test_the_scratch_of_a_job_is_overwritten_when_it_asks_for_that(
    server: FakeServer, agent: RunningAgent, shred: bool
) -> None:
    scratch = agent.settings.work_folder / "1-1"
    key = server.shell(1, WRITES, shred=shred)
    await until((scratch / "ready").exists)
    scratch.joinpath("deep/er").chmod(0o700)
    scratch.joinpath("deep/er/a").chmod(0o600)
    kept = [
        open(path, "rb")  # noqa: ASYNC230, SIM115 - read after its names are gone
        for path in (
            scratch / "deep/er/a",
            scratch / "b",
            scratch.with_suffix(".out"),
            scratch.with_suffix(".json"),
        )
    ]
    scratch.joinpath("deep/er/a").chmod(0)
    scratch.joinpath("deep/er").chmod(0)
    scratch.joinpath("go").touch()
    end = await server.end_of(key)
    assert (end.state, bytes(end.result)) == ("succeeded", b'"secret"')
    await until(lambda: not list(agent.settings.work_folder.glob("1-1*")))
    contents = [file.read().strip(b"\0") for file in kept]
    assert contents == [b""] * 4 if shred else [b"secret", b"secret", b"secret", b'"secret"']
    for file in kept:
        file.close()
    assert Path("/etc/hostname").read_text(), "a link leads nowhere"


async def test_an_agent_that_stops_finishes_what_it_has_begun(
    server: FakeServer, agent: RunningAgent, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun, real = asyncio.Event(), shredding.shred
    loop = asyncio.get_running_loop()

    def slowly(path: str) -> None:
        loop.call_soon_threadsafe(begun.set)
        time.sleep(0.3)
        real(path)

    monkeypatch.setattr("herder.agent.processes.scratch.shred", slowly)
    await server.end_of(server.shell(1, "printf secret > a", shred=True))
    await begun.wait()
    agent.leave.set()
    await agent.left()
    assert not list(agent.settings.work_folder.glob("1-1*"))


def test_a_file_with_a_name_elsewhere_keeps_its_content_there(tmp_path: Path) -> None:
    folder, other = tmp_path / "scratch", tmp_path / "precious"
    folder.mkdir()
    other.write_text("precious")
    (folder / "hard").hardlink_to(other)
    (folder / "folder").symlink_to(tmp_path)
    os.mkfifo(folder / "pipe")
    shredding.shred(str(folder))
    assert other.read_text() == "precious"
    assert [each.name for each in folder.iterdir()] == ["folder"], "removed with the folder that it is in"


def test_holes_are_not_filled(tmp_path: Path) -> None:
    path = tmp_path / "sparse"
    with path.open("wb") as file:
        file.seek(2**42)
        file.write(b"secret")
    with path.open("rb") as kept:
        shredding.shred(str(path))
        assert os.fstat(kept.fileno()).st_blocks * 512 < 2**20
        kept.seek(2**42)
        assert kept.read() == bytes(6)
    assert not path.exists()
    shredding.shred(str(path))
