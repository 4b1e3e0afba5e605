"""`herder doctor`: what is well, what is wrong with its remedy, and what cannot be asked; with a server, and without."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from herder.app import whole_app
from herder.cli.shell.main import run
from herder.client.http import clock
from herder.server.admin_commands import local_checks
from tests.api.conftest import Server

Doctor = Callable[..., tuple[int, dict[str, dict[str, Any]]]]


@pytest.fixture
def doctor(
    server: Server, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> Doctor:
    """Its exit code, and its rows by their names."""
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "nobodys"))
    monkeypatch.delenv("HERDER_DATA_DIR", raising=False)
    monkeypatch.setenv("HERDER_URL", server.running.url)

    def asked(*words: str, token: str = "") -> tuple[int, dict[str, dict[str, Any]]]:
        monkeypatch.setenv("HERDER_TOKEN", token or server.running.token)
        code = run(whole_app(), ["doctor", *words, "-o", "json"])
        return code, {row["check"]: row for row in json.loads(capsys.readouterr().out)["items"]}

    return asked


def test_all_is_well(doctor: Doctor, server: Server) -> None:
    code, rows = doctor("--data-dir", str(server.folder))
    assert {name for name, row in rows.items() if row["state"] != "ok"} <= {"attention", "disk"}
    assert {"server", "clock", "writes", "store", "disk", "secret.key"} <= rows.keys()
    assert any(name.startswith("driver pretend: ") for name in rows)
    assert code == 0


def test_who_may_not_ask_gets_unknown_and_not_well(doctor: Doctor, server: Server) -> None:
    _, rows = doctor(token=server.token_of("viewer"))
    assert rows["driver pretend"]["state"] == "unknown"
    assert "store" not in rows, "this machine has no data folder"


def test_what_is_wrong_is_told_with_its_remedy(
    doctor: Doctor, server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    now_s = clock.now_s
    monkeypatch.setattr(clock, "now_s", lambda: now_s() + 100)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: SimpleNamespace(free=local_checks.FREE_LEAST - 1))
    key = server.folder / "secret.key"
    mode = key.stat().st_mode
    key.chmod(0o640)
    try:
        code, rows = doctor("--data-dir", str(server.folder))
    finally:
        key.chmod(mode)
    assert code == 1
    assert (rows["clock"]["state"], rows["clock"]["remedy"]) == ("warning", "Synchronise both with NTP.")
    assert "differ by 100 s" in rows["clock"]["detail"] or "differ by 99 s" in rows["clock"]["detail"]
    assert rows["disk"]["state"] == "error"
    assert rows["secret.key"]["state"] == "error"
    assert f"chmod 600 {key}" in rows["secret.key"]["remedy"]


def test_without_a_server_the_data_folder_is_looked_at(
    doctor: Doctor, server: Server, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("HERDER_URL", "http://127.0.0.1:9")
    code, rows = doctor("--data-dir", str(server.folder))
    assert (code, rows["server"]["state"], rows["store"]["state"]) == (1, "error", "ok")
    assert "herder up" in rows["server"]["remedy"]
    _, rows = doctor("--data-dir", str(tmp_path / "none"))
    assert (rows["store"]["state"], "--store" in rows["store"]["remedy"]) == ("error", True)


def test_an_earlier_schema_and_a_file_that_is_no_store(doctor: Doctor, tmp_path: Path) -> None:
    import sqlite3
    from contextlib import closing

    folder = tmp_path / "old"
    folder.mkdir()
    with closing(sqlite3.connect(folder / "herder.db")) as made, made:
        made.execute("CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL)")
        made.execute("INSERT INTO alembic_version VALUES ('0036')")
    _, rows = doctor("--data-dir", str(folder))
    assert rows["store"]["state"] == "warning"
    assert "schema 0036 of an earlier version" in rows["store"]["detail"]
    assert "herder admin backup" in rows["store"]["remedy"]
    with closing(sqlite3.connect(folder / "herder.db")) as made, made:
        made.execute("UPDATE alembic_version SET version_num = '9999'")
    _, rows = doctor("--data-dir", str(folder))
    assert (rows["store"]["state"], "newer version" in rows["store"]["detail"]) == ("error", True)
    (folder / "herder.db").write_bytes(b"no database at all" * 100)
    code, rows = doctor("--data-dir", str(folder))
    assert (code, rows["store"]["state"]) == (1, "error")
