"""What other tests get instead of migrations is what the migrations give."""

import sqlite3
from contextlib import closing
from pathlib import Path

from herder.store.opening.database import migrate, open_engine, sqlite_url
from tests.support.migrated import quick_migrations, real_migrations


def content(folder: Path) -> tuple[list[object], list[str]]:
    """All of the schema, and all rows of all tables."""
    folder.mkdir()
    engine = open_engine(sqlite_url(folder))
    migrate(engine)
    path = str(engine.url.database)
    engine.dispose()
    with closing(sqlite3.connect(path)) as made:
        schema = made.execute("SELECT type, name, tbl_name, sql FROM sqlite_master ORDER BY 1, 2").fetchall()
        return schema, sorted(made.iterdump())


def test_the_script_gives_what_the_migrations_give(tmp_path: Path) -> None:
    with real_migrations():
        migrated = content(tmp_path / "migrated")
    with quick_migrations():
        assert content(tmp_path / "quick") == migrated
        assert content(tmp_path / "again") == migrated
