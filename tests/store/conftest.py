"""Both databases for every test of the store. `engine` is shared and emptied for each test; `fresh_engine` is a test's own."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from sqlalchemy import Engine

from herder.store.opening.database import migrate, open_engine, sqlite_url
from herder.store.rows.tables import metadata
from herder.store.writing.writer import Writer
from tests.support import postgres
from tests.support.migrated import real_migrations

BOTH = ["sqlite", "postgresql"]


@pytest.fixture(scope="module", autouse=True)
def stores_are_migrated() -> Iterator[None]:
    with real_migrations():
        yield


@pytest.fixture(scope="session", params=BOTH)
def shared_engine(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Engine]:
    if request.param == "sqlite":
        url = sqlite_url(tmp_path_factory.mktemp("store"))
    else:
        server: postgres.Server = request.getfixturevalue("postgres_server")
        url = server.url(server.create_database())
    made = open_engine(url)
    migrate(made)
    yield made
    made.dispose()


@pytest.fixture
def engine(shared_engine: Engine) -> Engine:
    with shared_engine.begin() as connection:
        for table in metadata.sorted_tables:
            connection.execute(table.delete())
    return shared_engine


@pytest.fixture(params=BOTH)
def fresh_engine(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Engine]:
    url = sqlite_url(tmp_path) if request.param == "sqlite" else request.getfixturevalue("postgres_url")
    made = open_engine(url)
    migrate(made)
    yield made
    made.dispose()


@pytest.fixture
def fatal() -> list[BaseException]:
    return []


@pytest.fixture
async def writer(engine: Engine, fatal: list[BaseException]) -> AsyncIterator[Writer]:
    made = Writer(engine, fatal.append)
    yield made
    await made.close()
