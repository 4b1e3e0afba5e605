"""New SQLite stores get today's tables from a script that the migrations gave once in this process: 36 migrations take 20 times as long as
what is left of them. `tests/conftest.py` installs it for all tests; `tests/store`, which is about the migrations, runs them.
"""

import sqlite3
import tempfile
from collections.abc import Iterator
from contextlib import closing, contextmanager
from functools import cache
from pathlib import Path
from types import SimpleNamespace

import pytest
from alembic import command
from alembic.config import Config
from sqlalchemy import Connection, inspect

from herder.store.opening import database
from herder.store.opening.database import migrate, open_engine, sqlite_url


@contextmanager
def real_migrations() -> Iterator[None]:
    """Here the migrations run as they do in a server."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(database, "command", command)
        yield


@contextmanager
def quick_migrations() -> Iterator[None]:
    """Only empty SQLite stores are made by the script; a store with tables and PostgreSQL are migrated."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(database, "command", SimpleNamespace(upgrade=_upgrade))
        yield


def _upgrade(config: Config, revision: str) -> None:
    connection: Connection = config.attributes["connection"]
    if revision != "head" or connection.dialect.name != "sqlite" or inspect(connection).get_table_names():
        command.upgrade(config, revision)
        return
    for statement in _script():
        connection.exec_driver_sql(statement)


@cache
def _script() -> list[str]:
    with tempfile.TemporaryDirectory() as folder, real_migrations():
        engine = open_engine(sqlite_url(Path(folder)))
        migrate(engine)
        with closing(sqlite3.connect(str(engine.url.database))) as made:
            lines = [each for each in made.iterdump() if each not in ("BEGIN TRANSACTION;", "COMMIT;")]
        engine.dispose()
    return lines
