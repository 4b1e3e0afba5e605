"""`herder admin` as an operator would use it: backup while the server runs, restore once it is stopped, and the sweep after it."""

import csv
import json
import sqlite3
import stat
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import pytest

from herder.app import whole_app
from herder.cli.shell.main import run
from herder.store.opening.database import migrate, open_engine, sqlite_url
from tests.api.conftest import POOLS, Server
from tests.cli.conftest import Result

JOB = {"command": ["true"], "runtime": "noop", "cpu": "100m", "memory": "64Mi"}


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


def installation(store: Path) -> str:
    with closing(sqlite3.connect(store)) as connection:
        (found,) = connection.execute("SELECT value FROM meta WHERE key = 'installation'").fetchone()
    return str(found)


def put_back(server: Server) -> list[str]:
    found = server.http.get("/events?kind=store.put_back").raise_for_status().json()["items"]
    return [each["text"] for each in found]


def test_what_the_sweep_refuses_has_an_exit_code(
    server: Server, herder: Callable[..., Result], tmp_path: Path
) -> None:
    assert herder("admin", "backup", str(tmp_path / "b.db")).code == 0
    workers = [server.worker() for _ in range(2)]
    machines = dict(server.running.core.drivers["pretend"].world.machines)  # type: ignore[attr-defined]
    server.stop()
    assert herder("admin", "restore", str(tmp_path / "b.db"), "--yes").code == 0
    server.start()
    server.http.post("/apply", json={"pools": [{**POOLS[0], "max_workers": 1}, POOLS[1]]}).raise_for_status()
    server.running.core.drivers["pretend"].world.machines.update(machines)  # type: ignore[attr-defined]
    shown = herder("admin", "sweep", "-o", "csv")
    assert [row["adoptable"] for row in csv.DictReader(shown.out.splitlines())] == ["yes", "no"]
    tried = herder("admin", "sweep", "--adopt", "--dry-run")
    done = herder("admin", "sweep", "--adopt", "--yes")
    assert (tried.code, done.code) == (8, 8)
    assert done.out.startswith(
        "1 machine of driver pretend is adopted, 1 cannot be adopted. Pool std cannot get"
    )
    assert tried.out == done.out.replace("is adopted", "would be adopted").replace(
        "\n", " (dry run, nothing was changed)\n"
    )
    assert "1 of 2 machines cannot be adopted." in done.err
    again = herder("admin", "sweep", "--adopt", "-o", "json")
    assert again.code == 4, "there is nothing to ask about"
    assert {key: json.loads(again.out)[key] for key in ("done", "refused")} == {"done": 0, "refused": 1}
    assert "1 machine of driver pretend cannot be adopted. Pool std cannot" in herder("admin", "sweep").err
    assert workers[0].name in herder("worker", "list").out
    operator = server.token_of("operator")
    (tmp_path / "operator.token").write_text(operator)
    few = herder("--token-file", str(tmp_path / "operator.token"), "admin", "sweep", "--remove", "--yes")
    assert few.code == 5
    assert "administrator" in few.err


def test_a_second_restore_into_a_used_folder_is_put_back_once(
    server: Server, herder: Callable[..., Result], tmp_path: Path
) -> None:
    file, numbers = str(tmp_path / "b.db"), [0]
    server.http.post("/jobs", json=JOB).raise_for_status()
    taken = json.loads(herder("admin", "backup", file, "-o", "json").out)["remembers_until"]
    for _ in range(2):
        for _ in range(3):
            server.http.post("/jobs", json=JOB).raise_for_status()
        server.restart()  # the mark in the folder says how far it was
        server.stop()
        done = json.loads(herder("admin", "restore", file, "--yes", "-o", "json").out)
        server.start()
        (told,) = put_back(server)
        assert (
            told
            == f"The store was restored from the backup b.db. It remembers nothing that happened after {taken}."
        )
        assert done["remembers_until"] == taken
        first = server.http.post("/jobs", json=JOB).raise_for_status().json()["first_job"]
        assert first == done["next_job"] > numbers[-1] + 4
        numbers.append(first)
        assert server.running.core.state.next_plan >= done["next_plan"]
        server.restart()
        assert len(put_back(server)) == 1


def test_a_mark_by_hand_is_not_followed_by_another(
    server: Server, herder: Callable[..., Result], tmp_path: Path
) -> None:
    """A file of the store that was copied, as an operator does it without `restore`."""
    store = server.folder / "herder.db"
    assert herder("admin", "backup", str(tmp_path / "b.db")).code == 0
    server.http.post("/jobs", json=JOB).raise_for_status()
    server.restart()
    server.stop()
    for suffix in ("-wal", "-shm"):
        store.with_name(store.name + suffix).unlink(missing_ok=True)
    store.write_bytes((tmp_path / "b.db").read_bytes())
    done = json.loads(herder("admin", "mark-restored", "--yes", "-o", "json").out)
    server.start()
    assert len(put_back(server)) == 1
    assert server.http.post("/jobs", json=JOB).raise_for_status().json()["first_job"] == done["next_job"]


def test_the_store_of_another_installation_is_replaced_only_on_demand(
    server: Server, herder: Callable[..., Result], tmp_path: Path
) -> None:
    file = str(tmp_path / "b.db")
    other = Server(tmp_path / "other").start()
    other.stop()
    assert herder("admin", "backup", file, "--data-dir", str(other.folder)).code == 0
    server.restart()
    server.stop()
    theirs, ours = installation(Path(file)), installation(server.folder / "herder.db")
    refused = herder("admin", "restore", file, "--yes")
    assert refused.code == 4
    assert f"is of installation {theirs}, but " in refused.err
    assert f"belongs to installation {ours}." in refused.err
    assert "--other-installation" in refused.err
    assert installation(server.folder / "herder.db") == ours
    (server.folder / "herder.db").unlink()
    assert herder("admin", "restore", file, "--yes").code == 4, "the mark in the folder says it, too"
    asked = herder("admin", "restore", file, "--other-installation")
    assert asked.code == 2
    assert f"It is of installation {ours}, and the backup is of installation {theirs}" in asked.err
    done = herder("admin", "restore", file, "--other-installation", "--yes", "-o", "json")
    assert done.code == 0, done.err
    server.start()
    (told,) = put_back(server)
    assert f"The previous store was that of installation {ours}, whose workers may still run" in told
    assert server.running.core.state.next_plan >= json.loads(done.out)["next_plan"]


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
    for verb in ("backup", "restore"):
        dash = herder("admin", verb, "-", "--yes") if verb == "restore" else herder("admin", verb, "-")
        assert (dash.code, dash.out) == (2, "")
        assert "cannot be read from stdin or written to stdout" in dash.err
    folder = herder("admin", "restore", str(tmp_path), "--yes", "--data-dir", str(tmp_path / "new"))
    assert folder.code == 4
    assert f"{tmp_path} is a folder, not a file." in folder.err
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
