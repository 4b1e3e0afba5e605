"""`$HERDER_CHECKPOINT_DIR`: what one attempt leaves there the next one finds, and after a success it is gone."""

import os
from pathlib import Path
from typing import Any

import pytest

from herder.agent.data.checkpoints import discard, prepare
from herder.agent.processes.run_as import Identity
from herder.remote.object_stores.opening import DataFault
from herder.wire.data import JobData, checkpoint_path
from tests.agent.conftest import StartAgent
from tests.agent.fake_server import FakeServer

COUNTS = 'cd "$HERDER_CHECKPOINT_DIR" && echo >> steps && wc -l < steps && exit {code}'


@pytest.fixture
def shared(tmp_path: Path) -> Path:
    return tmp_path / "shared"


def url(shared: Path) -> str:
    return f"file://{shared}/checkpoints/"


def attempt(server: FakeServer, number: int, script: str, shared: Path, **more: Any) -> tuple[int, int]:
    data = {"mark": "m", "checkpoint": url(shared)}
    return server.assign(7, attempt=number, data=data, command=["/bin/sh", "-c", script], **more)


async def test_the_next_attempt_finds_what_the_one_before_has_left(
    server: FakeServer, start_agent: StartAgent, shared: Path
) -> None:
    start_agent(data_folders=(str(shared),))
    for number, code in ((1, 3), (2, 3), (3, 0)):
        key = attempt(server, number, COUNTS.format(code=code), shared)
        end = await server.end_of(key)
        assert (end.state, server.logs[key].strip()) == ("failed" if code else "succeeded", str(number)), (
            end.message
        )
        assert (shared / "checkpoints/job-7-m/files/steps").exists() == bool(code)
    assert list((shared / "checkpoints").iterdir()) == []


async def test_an_older_attempt_that_succeeds_leaves_the_folder_to_the_newer_one(
    server: FakeServer, start_agent: StartAgent, shared: Path, tmp_path: Path
) -> None:
    """The older was lost: its worker was silent, and works on."""
    start_agent(data_folders=(str(shared),))
    go = tmp_path / "go"
    old = attempt(server, 1, f"while [ ! -e {go} ]; do sleep 0.02; done", shared)
    assert (await server.end_of(attempt(server, 2, COUNTS.format(code=1), shared))).state == "failed"
    go.touch()
    assert (await server.end_of(old)).state == "succeeded"
    newest = await server.end_of(attempt(server, 3, COUNTS.format(code=0), shared))
    assert (newest.state, server.logs[7, 3].strip()) == ("succeeded", "2")


async def test_a_folder_that_the_worker_does_not_allow_is_an_error_of_the_job(
    server: FakeServer, start_agent: StartAgent, shared: Path
) -> None:
    start_agent(data_folders=("/elsewhere",))
    end = await server.end_of(attempt(server, 1, "true", shared))
    assert (end.state, end.cause) == ("failed", "start_failed")
    assert (
        "which this worker does not allow. Allowed folders: /elsewhere (HERDER_DATA_FOLDERS)." in end.message
    )
    assert not shared.exists()


async def test_what_cannot_be_removed_is_told_and_fails_nothing(
    server: FakeServer, start_agent: StartAgent, shared: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuses(name: str, *, dir_fd: int, onerror: Any) -> None:
        onerror(os.unlink, name, None)

    monkeypatch.setattr("herder.agent.data.checkpoints.shutil.rmtree", refuses)
    start_agent(data_folders=(str(shared),))
    end = await server.end_of(attempt(server, 1, "true", shared))
    assert (end.state, end.message) == (
        "succeeded",
        "Its checkpoint folder job-7-m could not be removed: job-7-m.",
    )


def test_a_folder_whose_newest_attempt_is_unknown_stays_and_that_is_told(shared: Path) -> None:
    data = JobData(checkpoint=url(shared), mark="m")
    prepare(data, (7, 1), (str(shared),), None, contained=False)
    folder = Path(checkpoint_path(data, 7)).parent
    (folder / "attempt").write_bytes(b"")
    said = discard(data, (7, 1), (str(shared),))
    assert said.startswith("Its checkpoint folder job-7-m could not be removed: its file 'attempt' ")
    assert folder.exists()


@pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")
def test_a_link_that_a_job_put_there_leads_nowhere(shared: Path, tmp_path: Path) -> None:
    precious = tmp_path / "precious"
    precious.mkdir(0o755)
    data = JobData(checkpoint=url(shared), mark="m")
    key, allowed, who = (7, 1), (str(shared),), Identity(uid=65534, gid=65534, name="nobody")
    prepare(data, key, allowed, who, contained=False)
    files = Path(checkpoint_path(data, 7))
    assert (files.stat().st_uid, files.parent.stat().st_uid) == (65534, 0)
    files.rmdir()
    files.symlink_to(precious)
    with pytest.raises(NotADirectoryError):
        prepare(data, key, allowed, who, contained=False)
    files.parent.rename(files.parent.with_name("old"))
    files.parent.symlink_to(precious)
    with pytest.raises(NotADirectoryError):
        prepare(data, key, allowed, who, contained=False)
    assert "could not be removed" in discard(data, key, allowed)
    files.parent.unlink()
    files.parent.mkdir()
    os.chown(files.parent, 65534, 65534)
    with pytest.raises(DataFault, match="belongs to another user"):
        prepare(data, key, allowed, who, contained=False)
    assert (precious.stat().st_uid, precious.stat().st_mode & 0o777) == (0, 0o755)
