"""What a server says and does whose store is full, away or damaged: a sentence with a remedy, and no traceback."""

import asyncio
import sqlite3
import time
from contextlib import ExitStack
from pathlib import Path

import pytest
from sqlalchemy import text

from herder.server.data.opening import ensure_admin, open_data
from herder.server.data.place import open_place
from herder.server.options import ServerOptions, StartError
from herder.server.runtime import serve
from herder.store.opening.database import open_engine, sqlite_url
from herder.store.opening.database_errors import AWAY
from herder.store.sql_store import SqlStore
from herder.store.writing.change_rows import ChangeRows
from tests.api.conftest import POOLS, Server
from tests.support.small_disk import fill, read_only, small_disk

JOB = {"runtime": "noop", "pool": "std"}


def until_ready(server: Server, status: int) -> None:
    for _ in range(3000):
        if server.http.get("/ready").status_code == status:
            return
        time.sleep(0.01)
    raise AssertionError(f"/ready does not come to answer {status}")


def test_a_full_disk_refuses_new_work_in_words_serves_reads_and_ends_with_the_space(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", 64) as disk:
        server = Server(disk).start()
        try:
            server.http.post("/apply", json={"pools": POOLS}).raise_for_status()
            before = server.http.post("/jobs", json=JOB).json()["first_job"]
            filling = fill(disk)
            until_ready(server, 503)
            key = {"Idempotency-Key": "again"}
            refused = server.http.post("/jobs", json=JOB, headers=key)
            assert (refused.status_code, refused.headers["content-type"]) == (503, "application/problem+json")
            assert refused.json()["code"] == "store_full"
            assert "full" in refused.json()["detail"]
            assert "Free space" in refused.json()["hint"]
            assert server.http.get("/health").status_code == 200
            assert server.http.get(f"/jobs/{before}").status_code == 200
            assert server.http.get("/status").json()["recent_failures"][0].startswith("The store is ")
            filling.unlink()
            until_ready(server, 200)
            made = server.http.post("/jobs", json=JOB, headers=key).json()["first_job"]
            assert [job["id"] for job in server.http.get("/jobs").json()["items"]] == [made, before]
        finally:
            server.stop()


def test_a_worker_keeps_what_cannot_be_written_and_lives_on(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = Server(tmp_path).start()
    try:
        server.http.post("/apply", json={"pools": POOLS}).raise_for_status()
        worker = server.worker()
        job = server.http.post("/jobs", json=JOB).json()["first_job"]
        worker.take()
        core = server.running.core
        monkeypatch.setattr(SqlStore, "trouble", AWAY)
        life = core.state.workers[worker.name]  # type: ignore[index]
        life.last_seen_at_ms = 0
        answer = worker.http.post("/worker/exchange", json={"number": 99, "ack": 0, "wait": False})
        assert (answer.status_code, answer.json()["code"]) == (503, "store_away")
        assert life.last_seen_at_ms
        assert server.http.post("/jobs", json=JOB).status_code == 503
        monkeypatch.undo()
        worker.number = 100
        worker.end(job)
        assert server.http.get(f"/jobs/{job}").json()["state"] == "succeeded"
        worker.close()
    finally:
        server.stop()


def test_a_database_that_is_away_is_said_to_be_so_by_reads_too(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    server = Server(tmp_path).start()
    try:
        core = server.running.core
        monkeypatch.setattr(core.store, "engine", open_engine("postgresql://me@127.0.0.1:1/none"))
        answer = server.http.get("/jobs")
        assert (answer.status_code, answer.headers["content-type"]) == (503, "application/problem+json")
        assert "does not answer" in answer.json()["detail"]
    finally:
        monkeypatch.undo()
        server.stop()


# --- starting


def refusal(folder: Path) -> str:
    """Of a server that is started on this folder: one line for people, and what to do."""
    with pytest.raises(StartError) as refused:
        used(folder)
    told = f"{refused.value} {refused.value.hint}"
    assert "\n" not in told
    return told


def used(folder: Path) -> Path:
    """A data folder that a server has used."""
    with ExitStack() as stack:
        options = ServerOptions(data_dir=folder)
        ensure_admin(options, open_data(options, open_place(options, stack)))
    return folder


def test_an_empty_secret_is_none(tmp_path: Path) -> None:
    (used(tmp_path) / "secret.key").write_text("\n")
    assert "secret.key is empty" in refusal(tmp_path)


@pytest.mark.parametrize("name", ["secret.key", "admin.token", "server.lock", "herder.db"])
def test_a_file_that_cannot_be_read(tmp_path: Path, name: str) -> None:
    used(tmp_path)
    (tmp_path / name).unlink()
    (tmp_path / name).mkdir()
    assert "cannot" in refusal(tmp_path)


def test_a_secret_that_is_no_text(tmp_path: Path) -> None:
    (used(tmp_path) / "secret.key").write_bytes(b"\xff\xfe")
    assert "it is not a text file" in refusal(tmp_path)


@pytest.mark.parametrize("damage", ["no database", "a page in the middle"])
def test_a_damaged_store(tmp_path: Path, damage: str) -> None:
    path = used(tmp_path) / "herder.db"
    if damage == "no database":
        path.write_bytes(b"nothing of the kind" * 1000)
    else:
        content = bytearray(path.read_bytes())
        content[4096:] = b"\xa5" * (len(content) - 4096)
        path.write_bytes(content)
    for name in ("herder.db-wal", "herder.db-shm"):
        (tmp_path / name).unlink(missing_ok=True)
    assert "is damaged or is not a store of Herder" in refusal(tmp_path)


def test_a_stored_pool_of_a_version_to_come(tmp_path: Path) -> None:
    engine = open_engine(sqlite_url(used(tmp_path)))
    with engine.begin() as connection:
        connection.execute(text("INSERT INTO pools VALUES ('std', '{\"version\": 9}', 0, 0, 1)"))
    engine.dispose()
    assert "The stored pool std has version 9, but this version of Herder reads version 2" in refusal(
        tmp_path
    )


def test_a_disk_that_is_full_at_the_start(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", 40) as disk:
        used(disk / "data")
        fill(disk)
        assert "is full. Free space on its disk, then start the server again" in refusal(disk / "data")
        assert "space" in refusal(disk / "new")


@pytest.mark.timeout(60)
def test_a_store_that_cannot_take_the_first_commit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It could be opened: SQLite still had pages of its log to write to."""
    monkeypatch.setattr("herder.server.runtime.STUCK_S", 0.1)
    monkeypatch.setattr("herder.server.runtime.FIRST_WRITES_S", 1_000.0)

    def full(rows: ChangeRows, connection: object, changes: object) -> None:
        raise sqlite3_full()

    monkeypatch.setattr(ChangeRows, "write", full)
    with pytest.raises(StartError) as refused:
        asyncio.run(serve(ServerOptions(data_dir=tmp_path, port=0)))
    assert str(refused.value) == "The store is full."
    assert refused.value.hint.startswith(
        "Free space on the disk or in the database, then start the server again"
    )


def sqlite3_full() -> sqlite3.Error:
    error = sqlite3.OperationalError("database or disk is full")
    error.sqlite_errorcode = sqlite3.SQLITE_FULL
    return error


def test_a_folder_that_is_read_only(tmp_path: Path) -> None:
    with small_disk(tmp_path / "disk", 40) as disk:
        used(disk / "data")
        read_only(disk)
        assert "Read-only file system" in refusal(disk / "data")


def test_a_data_folder_that_is_a_file(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("")
    assert "Cannot use" in refusal(tmp_path / "data")


def test_a_folder_that_others_could_read_is_made_private(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    folder = tmp_path / "data"
    folder.mkdir(mode=0o755)
    used(folder)
    assert folder.stat().st_mode & 0o777 == 0o700
    assert "Other users could read the data folder" in caplog.text
    assert {
        path.name: path.stat().st_mode & 0o077 for path in folder.iterdir() if path.name != "server.lock"
    } == {
        "herder.db": 0,
        "secret.key": 0,
        "secrets.key": 0,
        "admin.token": 0,
    } | ({"herder.db-wal": 0, "herder.db-shm": 0} if (folder / "herder.db-wal").exists() else {})
