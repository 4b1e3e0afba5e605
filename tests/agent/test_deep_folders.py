"""Folders that a job nests deeper than Python's recursion goes, and than the system takes as one path: they are removed like others."""

import errno
import os
import sys
from pathlib import Path
from typing import Any

import pytest

from herder.agent.data.checkpoints import discard, prepare
from herder.agent.data.local import LEVELS_MAX, named_by
from herder.agent.machine.clean_up import clean_up
from herder.agent.processes import shredding
from herder.agent.processes.scratch import remove_folder as remove_scratch
from herder.remote.folders import remove_folder
from herder.remote.object_stores.opening import DataFault
from herder.wire.api.secrets import Delivered, SecretsAnswer
from herder.wire.data import JobData, checkpoint_path
from tests.agent.conftest import RunningAgent, StartAgent
from tests.agent.fake_server import FakeServer
from tests.agent.test_conditions import settings
from tests.agent.test_shredding import until
from tests.support.deep_folders import LEVELS, NESTS, nest


@pytest.mark.parametrize("shred", [False, True])
async def test_the_scratch_of_a_job(server: FakeServer, agent: RunningAgent, shred: bool) -> None:
    command = [sys.executable, "-c", NESTS, ".", str(LEVELS)]
    assert (await server.end_of(server.assign(1, command=command, shred=shred))).state == "succeeded"
    await until(lambda: not list(agent.settings.work_folder.glob("1-1*")))


async def test_a_job_with_secrets(server: FakeServer, agent: RunningAgent) -> None:
    """Its folder of secrets is its own, too."""
    server.secrets[1, 1] = SecretsAnswer(values=[Delivered(name="key", value=b"secret", file="key")])
    script = f'echo "$HERDER_SECRETS"; {sys.executable} -c "$NESTS" "$HERDER_SECRETS" {LEVELS}'
    key = server.shell(1, script, secret=True, env={"NESTS": NESTS})
    assert (await server.end_of(key)).state == "succeeded"
    folder = Path(server.logs[key].strip())
    await until(lambda: not folder.exists() and not list(agent.settings.work_folder.glob("1-1*")))


async def test_outputs_and_checkpoints(server: FakeServer, start_agent: StartAgent, tmp_path: Path) -> None:
    """The attempt ends, with an error of the job's where nothing could read so much."""
    agent = start_agent(data_folders=(str(tmp_path),))
    data: dict[str, Any] = {"mark": "m", "checkpoint": f"file://{tmp_path}/shared/"}
    script = f'{sys.executable} -c "$NESTS" "$HERDER_CHECKPOINT_DIR" {LEVELS}'
    end = await server.end_of(
        server.assign(1, data=data, command=["/bin/sh", "-c", script], env={"NESTS": NESTS})
    )
    assert (end.state, end.message) == ("succeeded", "")
    assert list((tmp_path / "shared").iterdir()) == []
    data = {"mark": "m", "outputs": [{"path": "./", "url": f"file://{tmp_path}/out/"}]}
    for shred in (False, True):
        script = f'{sys.executable} -c "$NESTS" . {LEVELS}'
        command = ["/bin/sh", "-c", script]
        key = server.assign(2 + shred, data=data, command=command, env={"NESTS": NESTS}, shred=shred)
        end = await server.end_of(key)
        assert (end.state, end.cause) == ("failed", "exit_code")
        assert end.message == f"The folder has folders nested more than {LEVELS_MAX} levels deep."
    await until(lambda: not [each for each in agent.settings.work_folder.iterdir() if each.name[0] in "123"])


def test_what_an_agent_left(tmp_path: Path) -> None:
    nest(tmp_path / "1-1", 400)
    said = clean_up(settings(tmp_path, clean_up_entries_most=10_000), ())
    assert said.startswith("It removed 1,201 files"), "400 times a folder, a link and a file"
    assert not (tmp_path / "1-1").exists()


def test_every_file_is_overwritten_before(tmp_path: Path) -> None:
    folder = nest(tmp_path / "scratch", 200)
    kept = [os.open(each, os.O_RDONLY) for each in folder.rglob("file")]
    shredding.shred(str(folder))
    assert [os.pread(each, 10, 0) for each in kept] == [bytes(6)] * 200
    for each in kept:
        os.close(each)
    assert remove_folder(str(folder)) is None
    assert Path("/etc/hostname").read_text()


def test_in_its_place_a_link(tmp_path: Path) -> None:
    precious = tmp_path / "precious"
    precious.mkdir()
    precious.joinpath("file").touch()
    (tmp_path / "1-1").symlink_to(precious)
    assert remove_scratch(str(tmp_path / "1-1"))
    assert [each.name for each in tmp_path.rglob("*")] == ["precious", "file"]


def test_what_cannot_be_removed_is_told_and_the_rest_is_gone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    real = os.unlink

    def unlink(name: str, *, dir_fd: int | None = None) -> None:
        if name == "file":
            raise PermissionError(errno.EPERM, "Operation not permitted")
        real(name, dir_fd=dir_fd)

    nest(tmp_path / "outer", 2)
    monkeypatch.setattr("herder.remote.folders.os.unlink", unlink)
    fault = remove_folder(str(tmp_path / "outer"))
    assert fault is not None
    assert {each.name for each in tmp_path.rglob("*")} == {"outer", "folder", "file"}


@pytest.mark.parametrize("content", [b"", b"x"])
def test_a_checkpoint_folder_whose_note_was_lost_is_told(tmp_path: Path, content: bytes) -> None:
    """After a crash of the machine that others share it from: the success is one."""
    data, key, allowed = JobData(checkpoint=f"file://{tmp_path}/", mark="m"), (7, 1), (str(tmp_path),)
    prepare(data, key, allowed, None, contained=False)
    (tmp_path / "job-7-m/attempt").write_bytes(content)
    assert discard(data, key, allowed).startswith("Its checkpoint folder job-7-m could not be removed: ")
    prepare(data, (7, 2), allowed, None, contained=False)
    assert discard(data, (7, 2), allowed) == ""
    assert not Path(checkpoint_path(data, 7)).exists()


def test_inputs(tmp_path: Path) -> None:
    folder = os.open(nest(tmp_path / "folder", LEVELS_MAX + 2), os.O_RDONLY)
    with pytest.raises(DataFault, match="nested more than 256 levels deep"):
        named_by(folder, "")
    os.close(folder)
