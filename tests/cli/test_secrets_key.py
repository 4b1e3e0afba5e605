"""`herder admin rotate-secrets-key`: every secret under a new key, old backups still readable, and nothing lost when it is cut off."""

import json
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest
from sqlalchemy import create_engine

from herder.app import whole_app
from herder.cli.shell.main import run
from herder.control.access.secrets import place_of
from herder.model.stored.service_records import SecretRecord
from herder.secrets.key_file import KEY_FILE, read_keys, read_or_make
from herder.server.admin_commands import secrets as admin_secrets
from herder.store.opening.database import migrate, open_engine, sqlite_url
from herder.store.rows.secrets_table import secrets
from tests.cli.conftest import Herder, Result

VALUES = {"db": b"hunter2", "key": bytes(range(256))}


@pytest.fixture
def herder(environment: dict[str, str], capsys: pytest.CaptureFixture[str]) -> Herder:
    def call(*words: str) -> Result:
        code = run(whole_app(), words)
        captured = capsys.readouterr()
        return Result(int(code), captured.out, captured.err)

    return call


@pytest.fixture
def data(tmp_path: Path) -> Path:
    """The folder of a stopped server with two secrets and one that was deleted."""
    folder = tmp_path / "data"
    folder.mkdir(mode=0o700)
    ring = read_or_make(folder / KEY_FILE)
    engine = open_engine(sqlite_url(folder))
    migrate(engine)
    with engine.begin() as connection:
        for name, value in VALUES.items():
            row = SecretRecord("user", "ann", name, 1, "", "", len(value), 1, 1, 1, "ann")
            key_id, sealed = ring.seal(place_of(row), value)
            connection.execute(secrets.insert().values(row._replace(key_id=key_id, sealed=sealed)._asdict()))
        gone = SecretRecord("user", "ann", "gone", 1, "old", "", 1, 1, 1, 1, "ann", 2)
        connection.execute(secrets.insert().values(gone._asdict()))
    engine.dispose()
    return folder


def opened(folder: Path) -> dict[str, bytes]:
    """By name, with the keys of the file."""
    ring = read_keys(folder / KEY_FILE)
    engine = create_engine(sqlite_url(folder))
    with engine.connect() as connection:
        rows = [SecretRecord(*row) for row in connection.execute(secrets.select()) if row.sealed]
    engine.dispose()
    return {row.name: ring.open(row.key_id, place_of(row), row.sealed) for row in rows}


def rotate(herder: Herder, data: Path, *more: str, code: int = 0) -> dict[str, object]:
    done = herder("admin", "rotate-secrets-key", "--data-dir", str(data), "--yes", "-o", "json", *more)
    assert done.code == code, done.err
    return dict(json.loads(done.out)) if code == 0 else {"error": done.err}


def test_all_secrets_get_the_new_key_and_the_old_one_is_kept_for_backups(herder: Herder, data: Path) -> None:
    (old,) = read_keys(data / KEY_FILE).keys
    said = rotate(herder, data)
    new, kept = read_keys(data / KEY_FILE).keys
    assert (said["secrets"], said["key"], said["old_keys"]) == (2, new.id, [old.id])
    assert kept == old != new
    with closing(sqlite3.connect(data / "herder.db")) as store:
        used = store.execute("SELECT DISTINCT key_id FROM secrets WHERE sealed != ''").fetchall()
    assert used == [(new.id,)]
    assert opened(data) == VALUES
    rotate(herder, data, "--forget-old")
    (only,) = read_keys(data / KEY_FILE).keys
    assert only not in (old, new)
    assert opened(data) == VALUES


def test_a_command_that_is_cut_off_in_the_middle_loses_nothing(
    herder: Herder,
    data: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    again, done = admin_secrets._again, []

    def fails(ring: object, row: SecretRecord) -> SecretRecord:
        if done:
            raise KeyboardInterrupt
        done.append(row)
        return again(ring, row)  # type: ignore[arg-type]

    monkeypatch.setattr(admin_secrets, "_again", fails)
    herder("admin", "rotate-secrets-key", "--data-dir", str(data), "--yes")
    monkeypatch.undo()
    assert opened(data) == VALUES
    rotate(herder, data, "--forget-old")
    assert opened(data) == VALUES


def test_secrets_of_a_lost_key_are_named_and_deleted_only_when_that_is_wanted(
    herder: Herder, data: Path
) -> None:
    (data / KEY_FILE).unlink()
    said = str(rotate(herder, data, code=4)["error"])
    assert "2 secrets cannot be decrypted" in said
    assert "db of user ann" in said
    assert "--drop-unreadable" in said
    assert rotate(herder, data, "--drop-unreadable")["secrets"] == 0
    assert opened(data) == {}


def test_it_is_refused_while_a_server_runs(herder: Herder, data: Path) -> None:
    from herder.store.opening.database import FileLock

    before = (data / KEY_FILE).read_bytes()
    with FileLock(data):
        said = str(rotate(herder, data, code=4)["error"])
    assert "data folder" in said or "server" in said
    assert (data / KEY_FILE).read_bytes() == before


def test_a_folder_without_a_store_is_told(herder: Herder, tmp_path: Path) -> None:
    rotate(herder, tmp_path / "none", code=3)
    assert not (tmp_path / "none").exists()
