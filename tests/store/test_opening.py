"""Opening a store: addresses, migrations, a newer version, a second server."""

import json
from pathlib import Path

import pytest
from alembic import command
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Engine, inspect, text

from herder.app import whole_app
from herder.cli.shell.main import run
from herder.store.opening.database import (
    ADVISORY_LOCK,
    FileLock,
    StoreError,
    _migrations,
    migrate,
    open_engine,
    prepare,
    sqlite_url,
)
from herder.store.rows.tables import metadata


def test_migrations_make_exactly_our_tables(fresh_engine: Engine) -> None:
    with fresh_engine.connect() as connection:
        context = MigrationContext.configure(
            connection, opts={"compare_type": True, "compare_server_default": True}
        )
        assert compare_metadata(context, metadata) == []
        assert set(inspect(connection).get_table_names()) == {*metadata.tables, "alembic_version"}


def test_migrating_again_changes_nothing(fresh_engine: Engine) -> None:
    with fresh_engine.begin() as connection:
        connection.execute(text("INSERT INTO meta (key, value) VALUES ('a', 'b')"))
    migrate(fresh_engine)
    with fresh_engine.connect() as connection:
        assert connection.execute(text("SELECT value FROM meta")).scalar() == "b"


def test_data_of_a_newer_version_is_refused_and_left_alone(fresh_engine: Engine) -> None:
    with fresh_engine.begin() as connection:
        connection.execute(text("UPDATE alembic_version SET version_num = '9999'"))
    with pytest.raises(StoreError, match=r"newer version of Herder \(schema 9999\)") as refused:
        migrate(fresh_engine)
    assert "Nothing was changed." in refused.value.hint
    with fresh_engine.connect() as connection:
        assert connection.execute(text("SELECT version_num FROM alembic_version")).scalar() == "9999"


def test_one_server_in_a_folder(tmp_path: Path) -> None:
    with FileLock(tmp_path), pytest.raises(StoreError, match="Another Herder server"), FileLock(tmp_path):
        pass
    with FileLock(tmp_path):
        pass


def test_a_postgres_that_a_server_of_an_earlier_version_uses(
    postgres_url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It has no lease, and holds a lock on the database as long as it runs."""
    monkeypatch.setattr("herder.store.opening.database.MIGRATION_WAIT_MS", 200)
    engine = open_engine(postgres_url)
    with engine.connect() as earlier:
        earlier.execute(text(f"SELECT pg_advisory_lock({ADVISORY_LOCK})"))
        with pytest.raises(StoreError, match="of an earlier version"):
            prepare(engine)
    engine.dispose()
    prepare(engine)
    engine.dispose()


@pytest.mark.parametrize(
    ("url", "says"),
    [
        ("nonsense", "not a database URL"),
        ("mysql://u@h/d", "not supported"),
        ("sqlite://", "does not name a file"),
        ("sqlite:///:memory:", "does not name a file"),
        ("sqlite:///file:/tmp/herder.db?uri=true", "does not name a file"),
        ("sqlite:////tmp/herder.db?timeout=long", "does not name a file"),
    ],
)
def test_an_address_that_is_none_of_ours(url: str, says: str) -> None:
    with pytest.raises(StoreError, match=says):
        open_engine(url)


def test_a_postgres_address_with_an_option_that_there_is_not() -> None:
    with pytest.raises(StoreError, match="Cannot use the store"):
        prepare(open_engine("postgresql://me@127.0.0.1:1/db?colour=red"))


def test_another_driver_for_sqlite_is_the_same_store(tmp_path: Path) -> None:
    assert open_engine(f"sqlite+aiosqlite:///{tmp_path}/herder.db").driver == "pysqlite"


def test_a_postgres_that_is_not_there_and_no_password_in_the_text() -> None:
    engine = open_engine("postgresql://me:s3cret@127.0.0.1:1/db")
    with pytest.raises(StoreError, match="Cannot reach the store") as refused:
        prepare(engine)
    assert "s3cret" not in str(refused.value)


def test_a_sqlite_file_that_cannot_be_opened(tmp_path: Path) -> None:
    with pytest.raises(StoreError, match="Cannot open the store"):
        migrate(open_engine(f"sqlite:///{tmp_path}/no/such/folder/herder.db"))


def test_a_sqlite_file_with_two_names_is_refused_by_either(tmp_path: Path) -> None:
    """SQLite's log lies beside the name that was used: what was written by one name is not there by the other."""
    one, other = tmp_path / "herder.db", tmp_path / "other.db"
    engine = open_engine(f"sqlite:///{one}")
    migrate(engine)
    engine.dispose()
    other.hardlink_to(one)
    (tmp_path / "link.db").symlink_to(other)
    for name in (one, other, tmp_path / "link.db"):
        with pytest.raises(StoreError, match="has 2 names"):
            open_engine(f"sqlite:///{name}")
    other.unlink()
    migrate(open_engine(f"sqlite:///{one}"))


def test_sqlite_survives_a_power_cut(tmp_path: Path) -> None:
    engine = open_engine(f"sqlite:///{tmp_path}/herder.db")
    with engine.connect() as connection:
        assert connection.execute(text("PRAGMA journal_mode")).scalar() == "wal"
        assert connection.execute(text("PRAGMA synchronous")).scalar() == 2
    engine.dispose()


@pytest.mark.parametrize(
    "store", ["sqlite:///{}/empty.db", "postgresql://me:s3cret@127.0.0.1:1/db", "nonsense"]
)
def test_invariants_of_what_is_no_store(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], store: str
) -> None:
    code = run(whole_app(), ["admin", "invariants", "--store", store.format(tmp_path)])
    said = capsys.readouterr().err
    assert code == 1
    assert said.startswith("error: ")
    assert "s3cret" not in said


def test_invariants_for_programs(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    engine = open_engine(sqlite_url(tmp_path))
    migrate(engine)
    engine.dispose()
    assert run(whole_app(), ["admin", "invariants", "--data-dir", str(tmp_path), "-o", "json"]) == 0
    assert json.loads(capsys.readouterr().out)["violations"] == []


def test_a_store_of_the_version_before_keeps_its_jobs(fresh_engine: Engine) -> None:
    """Made at revision 0002, with a job that waits to be tried again."""
    config = _migrations()
    with fresh_engine.begin() as connection:
        config.attributes["connection"] = connection
        command.downgrade(config, "0002")
        assert "not_before_ms" not in {each["name"] for each in inspect(connection).get_columns("jobs")}
        connection.execute(
            text(
                "INSERT INTO jobs (id, position, class_id, payload, created_at_ms, state, ready_at_ms, attempts) "
                "VALUES (7, 0, 1, '{}', 5, 2, 6, 3)"
            )
        )
    migrate(fresh_engine)
    with fresh_engine.connect() as connection:
        row = connection.execute(metadata.tables["jobs"].select()).one()
        assert (row.id, row.attempts, row.ready_at_ms, row.not_before_ms) == (7, 3, 6, None)
