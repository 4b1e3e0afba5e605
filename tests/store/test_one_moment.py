"""Commands that read a store beside a running server see one moment of it, however long they read."""

from pathlib import Path

import pytest
from sqlalchemy import Engine, func, select

from herder.server.admin_commands.store import stored
from herder.store.opening.database import migrate, open_engine, sqlite_url
from herder.store.opening.one_moment import see_one_moment
from herder.store.rows import tables as t


def count(engine: Engine) -> int:
    with engine.connect() as connection:
        return int(connection.execute(select(func.count()).select_from(t.meta)).scalar_one())


@pytest.mark.parametrize("backend", ["sqlite", "postgresql"])
def test_what_is_written_meanwhile_is_not_seen(
    backend: str, tmp_path: Path, request: pytest.FixtureRequest
) -> None:
    url = sqlite_url(tmp_path) if backend == "sqlite" else str(request.getfixturevalue("postgres_url"))
    writing = open_engine(url)
    migrate(writing)
    with stored(tmp_path, url) as connection:
        see_one_moment(connection)
        query = select(func.count()).select_from(t.meta)
        before = connection.execute(query).scalar_one()
        with writing.begin() as other:
            other.execute(t.meta.insert().values(key="later", value="1"))
        assert count(writing) == before + 1
        assert connection.execute(query).scalar_one() == before
    writing.dispose()
