"""A store that cannot write for a while: nothing is lost, nothing overtakes, nothing is told before it holds; then it goes on."""

import asyncio
import sqlite3
from collections.abc import AsyncIterator, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from sqlalchemy import Engine, event, select, text

from herder.model.stored.changes import Changes
from herder.model.stored.records import MetaRecord
from herder.ports.store import StoreDown
from herder.store.opening.database import migrate, open_engine, sqlite_file, sqlite_url
from herder.store.opening.file import StoreFile
from herder.store.rows.tables import meta
from herder.store.sql_store import SqlStore
from tests.support import postgres
from tests.support.restartable import Restartable
from tests.support.small_disk import fill, small_disk


def put(key: str, value: str = "1") -> Changes:
    changes = Changes()
    changes.put(MetaRecord(key, value))
    return changes


def keys(engine: Engine) -> list[str]:
    with engine.connect() as connection:
        return list(connection.execute(select(meta.c.key).order_by(meta.c.key)).scalars())


async def until(done: "asyncio.Future[object] | None", store: SqlStore, code: str | None) -> None:
    """Waits until the store says so; `done`: a commit that cannot be written meanwhile."""
    async with asyncio.timeout(30):
        while True:
            trouble = store.trouble
            if (trouble.code if trouble is not None else None) == code and (
                done is None or (trouble is not None and trouble.stuck)
            ):
                return
            assert done is None or not done.done()
            await asyncio.sleep(0.01)


@pytest.fixture
def disk(tmp_path: Path) -> Iterator[Path]:
    with small_disk(tmp_path / "disk", 64) as folder:
        yield folder


@contextmanager
def opened(folder: Path) -> Iterator[tuple[Engine, StoreFile]]:
    engine = open_engine(sqlite_url(folder))
    with sqlite_file(engine) as file:
        assert file is not None
        migrate(engine)
        yield engine, file
        engine.dispose()


async def test_a_full_disk_is_waited_out_in_order(disk: Path) -> None:
    fatal: list[BaseException] = []
    with opened(disk) as (engine, file):
        store = SqlStore(engine, fatal.append, file=file)
        await store.commit(put("a"))
        filling = fill(disk)
        big = "x" * 400_000
        first = store.commit(put("b", big))
        await until(first, store, "store_full")
        second = store.call(lambda connection: connection.execute(select(meta.c.key)).scalars().all())
        third = store.commit(put("c"))
        assert store.trouble is not None
        assert store.trouble.stuck
        assert await store.read(
            lambda connection: connection.execute(select(meta.c.key)).scalars().all()
        ) == ["a"]
        assert not any(future.done() for future in (first, second, third))
        filling.unlink()
        await first
        assert "b" in await second
        await third
        await until(None, store, None)
        assert keys(engine) == ["a", "b", "c"]
        assert not fatal
        await store.close()


async def test_what_is_left_of_a_disk_is_for_work_under_way(disk: Path) -> None:
    with opened(disk) as (engine, file):
        store = SqlStore(engine, lambda error: None, file=file)
        await store.commit(put("a"))
        fill(disk, leave_bytes=10 * 2**20).exists()
        await until(None, store, "store_full")
        assert store.trouble is not None
        assert not store.trouble.stuck
        await store.commit(put("b"))
        assert keys(engine) == ["a", "b"]
        await store.close()


async def test_a_server_that_stops_does_not_wait_for_a_full_disk_without_end(
    disk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("herder.store.writing.writer.CLOSE_S", 0.2)
    with opened(disk) as (engine, file):
        store = SqlStore(engine, lambda error: None, file=file)
        await store.commit(put("a"))
        fill(disk)
        waiting = store.commit(put("b", "x" * 400_000))
        await until(waiting, store, "store_full")
        await store.close()
        with pytest.raises(StoreDown, match="not written") as told:
            await waiting
        assert "Free space on the disk or in the database, then start the server again" in str(told.value)
        assert "by itself" not in str(told.value)


async def test_trouble_that_lasts_already_is_not_waited_for_once_more(
    disk: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It counts from its beginning; one more try is made, and that is all."""
    with opened(disk) as (engine, file):
        store = SqlStore(engine, lambda error: None, file=file)
        await store.commit(put("a"))
        fill(disk)
        waiting = store.commit(put("b", "x" * 400_000))
        await until(waiting, store, "store_full")
        store._stuck_since -= 1_000
        monkeypatch.setattr("herder.store.writing.writer.CLOSE_S", 1_000.0)
        await asyncio.wait_for(store.close(), 60)
        with pytest.raises(StoreDown):
            await waiting


async def test_a_disk_that_is_freed_as_the_server_stops_loses_nothing(disk: Path) -> None:
    with opened(disk) as (engine, file):
        store = SqlStore(engine, lambda error: None, file=file)
        await store.commit(put("a"))
        filling = fill(disk)
        waiting = store.commit(put("b", "x" * 400_000))
        await until(waiting, store, "store_full")
        store._stuck_since -= 1_000
        filling.unlink()
        await store.close()
        await waiting
        assert keys(engine) == ["a", "b"]


async def test_little_space_is_said_once(disk: Path, caplog: pytest.LogCaptureFixture) -> None:
    with opened(disk) as (engine, file):
        fill(disk, leave_bytes=10 * 2**20)
        store = SqlStore(engine, lambda error: None, file=file)
        await until(None, store, "store_full")
        await store.commit(put("a"))
        await store.close()
    assert caplog.text.count("The store is almost full. New work is refused. Free space on the disk") == 1


@pytest.mark.parametrize("what", ["herder.db", "herder.db-wal"])
async def test_files_that_are_deleted_under_a_server_are_noticed_before_anybody_is_answered(
    tmp_path: Path, what: str
) -> None:
    fatal: list[BaseException] = []
    with opened(tmp_path) as (engine, file):
        store = SqlStore(engine, fatal.append, file=file)
        await store.commit(put("a"))
        (tmp_path / what).unlink()
        with pytest.raises(StoreDown, match="deleted or replaced under the running server"):
            await store.commit(put("b"))
        assert len(fatal) == 1
        await store.close()


async def test_an_idle_server_notices_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("herder.store.writing.writer.LOOK_S", 0.02)
    heard = asyncio.Event()
    with opened(tmp_path) as (engine, file):
        store = SqlStore(engine, lambda error: heard.set(), file=file)
        await store.commit(put("a"))
        (tmp_path / "herder.db").unlink()
        await asyncio.wait_for(heard.wait(), 20)
        await store.close()


async def test_a_file_that_somebody_else_holds_is_waited_for(tmp_path: Path) -> None:
    engine = open_engine(sqlite_url(tmp_path))
    event.listen(engine, "connect", lambda connection, _: connection.execute("PRAGMA busy_timeout=50"))
    migrate(engine)
    store = SqlStore(engine, lambda error: None)
    other = sqlite3.connect(tmp_path / "herder.db", isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    waiting = store.commit(put("a"))
    await until(waiting, store, "store_busy")
    other.execute("ROLLBACK")
    await waiting
    other.close()
    await store.close()
    engine.dispose()


@pytest.fixture
async def database() -> AsyncIterator[Restartable]:
    with postgres.running_server(fsync=False) as server:
        if server.pid is None:
            pytest.skip("a server that was given is not ours to stop")
        made = await asyncio.to_thread(Restartable, server)
        yield made
        made.stop()


async def test_a_postgresql_that_goes_away_and_comes_back_loses_nothing(database: Restartable) -> None:
    fatal: list[BaseException] = []
    engine = open_engine(database.url)
    migrate(engine)
    store = SqlStore(engine, fatal.append)
    await store.commit(put("a"))
    database.stop()
    first = store.commit(put("b"))
    await until(first, store, "store_away")
    with pytest.raises(StoreDown, match="does not answer"):
        await store.read(lambda connection: connection.execute(select(meta.c.key)).all())
    second = store.commit(put("c"))
    assert not any(future.done() for future in (first, second))
    database.start()
    await asyncio.wait_for(asyncio.gather(first, second), 30)
    await until(None, store, None)
    assert keys(engine) == ["a", "b", "c"]
    assert not fatal
    await store.close()
    engine.dispose()


async def test_connections_that_an_administrator_ends_cost_nothing(postgres_url: str) -> None:
    fatal: list[BaseException] = []
    engine, other = open_engine(postgres_url), open_engine(postgres_url)
    migrate(engine)
    store = SqlStore(engine, fatal.append)
    end = text(
        "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid()"
    )
    futures = []
    for number in range(200):
        futures.append(store.commit(put(f"{number:03}")))
        if number % 20 == 7:
            await asyncio.sleep(0)
            with other.connect() as connection:
                connection.execute(end)
        if number % 10 == 0:
            await futures[-1]
    await asyncio.wait_for(asyncio.gather(*futures), 60)
    assert keys(engine) == [f"{number:03}" for number in range(200)]
    assert not fatal
    await store.close()
    engine.dispose()
    other.dispose()


async def test_a_closed_store_leaves_no_connection_to_postgresql(postgres_url: str) -> None:
    engine, other = open_engine(postgres_url), open_engine(postgres_url)
    migrate(engine)
    store = SqlStore(engine, lambda error: None)
    await store.commit(put("a"))
    assert await store.read(lambda connection: connection.execute(select(meta.c.key)).scalars().all()) == [
        "a"
    ]
    await store.close()
    count = text(
        "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND pid <> pg_backend_pid() AND usename IS NOT NULL"
    )
    with other.connect() as connection:
        async with asyncio.timeout(20):  # the server takes a moment to notice
            while connection.execute(count).scalar_one():
                await asyncio.sleep(0.05)
    other.dispose()


async def test_a_postgresql_that_stands_still_is_told_and_a_slow_one_is_waited_for(
    database: Restartable, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("herder.store.sql_store.READ_LOOK_S", 0.2)
    monkeypatch.setattr("herder.store.sql_store.GREETING_S", 2.0)
    fatal: list[BaseException] = []
    engine = open_engine(database.url)
    migrate(engine)
    store = SqlStore(engine, fatal.append)
    await store.commit(put("a"))
    slow = store.read(lambda connection: connection.execute(text("SELECT 7 FROM pg_sleep(1)")).scalar_one())
    assert await slow == 7
    database.stand_still()
    written = store.commit(put("b"))
    try:
        async with asyncio.timeout(20):
            with pytest.raises(StoreDown, match="does not answer"):
                await store.read(lambda connection: connection.execute(select(meta.c.key)).all())
        assert not written.done()
    finally:
        database.go_on()
    await asyncio.wait_for(written, 30)
    assert keys(engine) == ["a", "b"]
    assert not fatal
    async with asyncio.timeout(
        30
    ):  # the read that nobody waits for any more ends too, or its connection outlives the engine
        while engine.pool.checkedout():  # type: ignore[attr-defined]
            await asyncio.sleep(0.02)
    await store.close()
    engine.dispose()
