"""`herder admin` as an operator would use it: backup while the server runs, restore once it is stopped, and the sweep after it."""

import json
import stat
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from herder.app import whole_app
from herder.cli.shell.main import run
from herder.store.opening.database import migrate, open_engine, sqlite_url
from tests.api.conftest import POOLS, Server
from tests.cli.conftest import Result


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    made = Server(tmp_path / "data").start()
    made.http.post("/apply", json={"pools": POOLS}).raise_for_status()
    yield made
    made.stop()


@pytest.fixture
def herder(
    server: Server, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Callable[..., Result]:
    def call(*words: str) -> Result:
        monkeypatch.setenv("HERDER_URL", server.running.url)
        monkeypatch.setenv("HERDER_TOKEN", server.running.token)
        monkeypatch.setenv("HERDER_DATA_DIR", str(server.folder))
        code = run(whole_app(), words)
        captured = capsys.readouterr()
        return Result(int(code), captured.out, captured.err)

    return call


def test_backup_restore_and_sweep(server: Server, herder: Callable[..., Result], tmp_path: Path) -> None:
    file = tmp_path / "b.db"
    done = herder("admin", "backup", str(file))
    assert done.code == 0, done.err
    assert done.out.startswith(f"Backup {file} was written and checked: ")
    assert "with 0 jobs, 0 of them not ended, and 0 workers." in done.out
    assert f"Keep {server.folder / 'secret.key'} and herder.yaml too" in done.err
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    again = herder("admin", "backup", str(file))
    assert (again.code, again.out) == (4, "")
    assert "already exists" in again.err
    assert json.loads(herder("admin", "backup", str(tmp_path / "c.db"), "-o", "json").out)["jobs"] == 0

    running = herder("admin", "restore", str(file), "--yes")
    assert running.code == 4
    assert "Another Herder server already uses" in running.err

    name = server.worker().name
    machines = dict(server.running.core.drivers["pretend"].world.machines)  # type: ignore[attr-defined]
    server.stop()
    asked = herder("admin", "restore", str(file))
    assert asked.code == 2
    assert "This command needs confirmation" in asked.err
    restored = herder("admin", "restore", str(file), "--yes")
    assert restored.code == 0, restored.err
    assert "It remembers nothing that happened after 20" in restored.out
    assert "The previous store is kept as" in restored.err
    assert "herder admin sweep" in restored.err

    server.start()
    server.running.core.drivers["pretend"].world.machines.update(machines)  # type: ignore[attr-defined]
    shown = herder("admin", "sweep")
    assert shown.code == 0
    (row,) = [line for line in shown.out.splitlines() if name in line]
    assert "It is kept until you decide." in row
    assert "The store was restored from the backup b.db." in shown.err
    (found,) = json.loads(herder("admin", "sweep", "-o", "json").out)["drivers"]
    assert [each["worker"] for each in found["unknown"]] == [name]
    assert herder("status").out.count("herder admin sweep --driver pretend") == 1
    assert herder("admin", "sweep", "--adopt", "--remove").code == 2
    assert herder("admin", "sweep", "--machine", name, "--remove").code == 2
    tried = herder("admin", "sweep", "--adopt", "--dry-run")
    assert tried.out == "1 machine of driver pretend would be adopted. (dry run, nothing was changed)\n"
    assert herder("admin", "sweep", "--remove").code == 2, "there is no terminal to ask"
    removed = herder(
        "admin", "sweep", "--driver", "pretend", "--machine", name, "--remove", "--wait", "--yes"
    )
    assert removed.code == 0, removed.err
    assert "1 unknown machine of driver pretend is removed." in removed.out
    assert "All machines belong to workers" in herder("admin", "sweep").err
    assert herder("admin", "sweep", "--driver", "pretned").code == 3


def test_what_cannot_be_backed_up_or_restored(herder: Callable[..., Result], tmp_path: Path) -> None:
    postgres = herder("admin", "backup", str(tmp_path / "b.db"), "--store", "postgresql://me@127.0.0.1:1/x")
    assert postgres.code == 2
    assert "pg_dump" in postgres.err
    assert herder("admin", "backup", str(tmp_path / "b.db"), "--data-dir", str(tmp_path / "no")).code == 3
    assert (
        herder("admin", "restore", str(tmp_path / "no.db"), "--yes", "--data-dir", str(tmp_path / "new")).code
        == 3
    )
    (tmp_path / "text").write_text("no store")
    wrong = herder("admin", "restore", str(tmp_path / "text"), "--yes", "--data-dir", str(tmp_path / "new"))
    assert wrong.code == 4
    assert "Check that it is a backup of Herder's store." in wrong.err
    assert not (tmp_path / "new" / "herder.db").exists()


def test_a_store_that_other_tools_restored_is_marked(herder: Callable[..., Result], tmp_path: Path) -> None:
    folder = tmp_path / "other"
    folder.mkdir(mode=0o700)
    engine = open_engine(sqlite_url(folder))
    migrate(engine)
    engine.dispose()
    done = herder("admin", "mark-restored", "--data-dir", str(folder), "--yes")
    assert done.code == 0, done.err
    assert "The store is marked as restored." in done.out
    assert (
        json.loads(herder("admin", "mark-restored", "--data-dir", str(folder), "--yes", "-o", "json").out)[
            "next_job"
        ]
        > 1
    )


def test_a_restore_into_an_empty_folder(
    server: Server, herder: Callable[..., Result], tmp_path: Path
) -> None:
    assert herder("admin", "backup", str(tmp_path / "b.db")).code == 0
    done = herder("admin", "restore", str(tmp_path / "b.db"), "--yes", "--data-dir", str(tmp_path / "new"))
    assert done.code == 0, done.err
    assert "secret.key is missing" in done.err
    assert herder("admin", "invariants", "--data-dir", str(tmp_path / "new")).out == "All invariants hold.\n"
