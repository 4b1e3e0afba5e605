"""Attempts that run as somebody else: they can do their work, and cannot read what belongs to the agent. Needs root."""

import json
import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest

from herder.agent.environment.settings import AgentSettings, SettingsError, from_environment
from herder.agent.main import ExitCode
from herder.agent.processes.run_as import identity_of
from tests.agent.conftest import StartAgent, processes_with
from tests.agent.fake_server import FakeServer

NOBODY = "65534:65534"
needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root can run attempts as others")


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """One that others can reach, unlike pytest's own."""
    folder = Path(f"/tmp/herder-run-as-{os.getpid()}")
    yield folder / "work"
    shutil.rmtree(folder, ignore_errors=True)


@needs_root
async def test_an_attempt_runs_as_the_user_it_was_given(
    server: FakeServer, start_agent: StartAgent, open_folder: Path
) -> None:
    open_folder.parent.mkdir(mode=0o755)
    start_agent(run_as=NOBODY, work_folder=open_folder)
    script = "id -u; id -g; id -G; cat a/in parents.json; echo; touch mine; stat -c %u . mine a/in; echo $HOME $PWD"
    server.inputs[1, 1] = b"[1]"
    key = server.shell(
        1, f"{script}; echo '{{\"n\": 1}}' > $HERDER_RESULT", inputs={"a/in": "given "}, fetch=True
    )
    end = await server.end_of(key)
    assert (end.state, end.message) == ("succeeded", "")
    scratch = f"{open_folder}/1-1"
    assert server.logs[key].splitlines() == [
        *["65534"] * 3,
        "given [1]",
        *["65534"] * 3,
        f"{scratch} {scratch}",
    ]
    assert json.loads(bytes(end.result)) == {"n": 1}
    await server.until(lambda: os.listdir(open_folder) == [])


@needs_root
async def test_it_cannot_read_what_is_the_agents(
    server: FakeServer, start_agent: StartAgent, open_folder: Path, tmp_path: Path
) -> None:
    """A token in a folder of mode 0700 as the server's data folder is, the agent's environment, and the attempts of others."""
    open_folder.parent.mkdir(mode=0o755)
    secret = tmp_path / "admin.token"
    secret.write_text("hush")
    secret.chmod(0o644)
    tmp_path.chmod(0o700)
    start_agent(run_as=NOBODY, work_folder=open_folder)
    for job, command in enumerate(
        (
            f"cat {secret}",
            f"cat /proc/{os.getpid()}/environ",
            f"ls {open_folder}",
            "cat ../*.out",
            "kill -0 $PPID",
        )
    ):
        end = await server.end_of(server.shell(job, command))
        assert end.state == "failed", command
        assert "hush" not in server.logs.get((job, 1), "")


@needs_root
@pytest.mark.parametrize("trick", ["ln -s /etc/shadow $HERDER_RESULT", "ln /etc/passwd $HERDER_RESULT"])
async def test_a_result_cannot_be_somebody_elses_file(
    server: FakeServer, start_agent: StartAgent, open_folder: Path, trick: str
) -> None:
    open_folder.parent.mkdir(mode=0o755)
    start_agent(run_as=NOBODY, work_folder=open_folder)
    end = await server.end_of(server.shell(1, f"{trick}; true"))
    assert bytes(end.result) == b"null"


@needs_root
async def test_its_processes_end_with_it(
    server: FakeServer, start_agent: StartAgent, open_folder: Path
) -> None:
    open_folder.parent.mkdir(mode=0o755)
    start_agent(run_as="nobody", work_folder=open_folder)
    mark = f"1500.{os.getpid()}"
    key = server.shell(1, f"setsid sleep {mark} & sleep {mark}", timeout_ms=500)
    assert (await server.end_of(key)).cause == "timeout"
    await server.until(lambda: processes_with(mark) == [])


@needs_root
async def test_what_cannot_work_is_said_at_the_start(
    start_agent: StartAgent, open_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def said(run_as: str, folder: Path) -> str:
        settings = AgentSettings(
            server_url="http://x", worker="w", activation_token="t", run_as=run_as, work_folder=folder
        )
        with pytest.raises(SettingsError) as caught:
            identity_of(settings)
        return str(caught.value)

    assert "no such user" in said("nobody-of-this-name", open_folder)
    assert "no such user" in said("1:x", open_folder)
    assert "root" in said("root", open_folder)
    assert "root" in said("0:0", open_folder)
    closed = tmp_path / "closed"
    closed.mkdir(mode=0o700)
    assert "cannot reach the work folder" in said(NOBODY, closed / "work")
    assert await start_agent(run_as=NOBODY, work_folder=closed / "work").left() is ExitCode.USAGE
    monkeypatch.setattr(os, "geteuid", lambda: 1000)
    assert "only an agent that runs as root" in said(NOBODY, open_folder)


@needs_root
async def test_a_work_folder_of_somebody_else_is_not_used(start_agent: StartAgent, open_folder: Path) -> None:
    open_folder.mkdir(parents=True)
    open_folder.parent.chmod(0o755)
    os.chown(open_folder, 65534, 65534)
    assert await start_agent(run_as=NOBODY, work_folder=open_folder).left() is ExitCode.FAILURE


def test_it_comes_from_the_environment() -> None:
    base = {"HERDER_SERVER": "http://s:1", "HERDER_WORKER": "w", "HERDER_ACTIVATION_TOKEN": "t"}
    assert from_environment(dict(base)).run_as == ""
    assert from_environment(dict(base)).cgroups
    settings = from_environment(base | {"HERDER_RUN_AS": NOBODY, "HERDER_CGROUPS": "off"})
    assert (settings.run_as, settings.cgroups) == (NOBODY, False)
