"""Two servers on one store: whoever was taken over changes nothing any more, and what it was told is durable is all there."""

import asyncio
import os
import threading
from pathlib import Path

import pytest
from sqlalchemy import Engine, insert, select, text

from herder.model.stored.changes import Changes
from herder.model.stored.records import MetaRecord
from herder.ports.store import StoreDown
from herder.store.opening.database import StoreError, migrate, open_engine, sqlite_file
from herder.store.opening.leadership import Fenced, take_over
from herder.store.rows.tables import leader, meta
from herder.store.writing.writer import Writer


def put(key: str) -> Changes:
    changes = Changes()
    changes.put(MetaRecord(key, "1"))
    return changes


def stored(engine: Engine) -> set[str]:
    with engine.connect() as connection:
        return set(connection.execute(select(meta.c.key)).scalars())


async def test_who_was_taken_over_writes_nothing_and_says_by_whom(engine: Engine) -> None:
    fatal: list[BaseException] = []
    first, second = Writer(engine, fatal.append), Writer(engine, fatal.append)
    late, call = (
        first.commit(put("late")),
        first.call(lambda c: c.execute(insert(meta).values(key="x", value=""))),
    )
    for waiting in (late, call, first.commit(put("later"))):
        with pytest.raises(
            Fenced, match=rf"taken over by process {os.getpid()} on .* \(epoch 2, this server's is 1\)"
        ):
            await waiting
    await second.commit(put("mine"))
    assert stored(engine) == {"mine"}
    assert [type(error) for error in fatal] == [Fenced]
    with pytest.raises(StoreDown):  # and it stays so
        await first.commit(put("much later"))
    await first.close()
    await second.close()


async def test_a_call_alone_is_fenced_too(engine: Engine) -> None:
    fatal: list[BaseException] = []
    first = Writer(engine, fatal.append)
    take_over(engine, 5)
    with pytest.raises(Fenced):
        await first.call(lambda connection: connection.execute(insert(meta).values(key="x", value="")))
    assert stored(engine) == set()
    assert len(fatal) == 1
    await first.close()


async def test_a_store_that_was_emptied_is_not_written(engine: Engine) -> None:
    fatal: list[BaseException] = []
    writer = Writer(engine, fatal.append)
    with engine.begin() as connection:
        connection.execute(leader.delete())
    with pytest.raises(Fenced, match="emptied or replaced"):
        await writer.commit(put("a"))
    await writer.close()


async def test_a_successor_waits_for_the_commit_under_way(engine: Engine) -> None:
    """Between the look at the epoch and the end of the transaction nobody can take over."""
    writer = Writer(engine, lambda error: None)
    inside, gate = threading.Event(), threading.Event()

    def slow(connection: object) -> None:
        inside.set()
        assert gate.wait(20)
        connection.execute(insert(meta).values(key="under way", value=""))  # type: ignore[attr-defined]

    seen: list[set[str]] = []

    def successor() -> None:
        take_over(engine, 5)
        seen.append(stored(engine))

    under_way = writer.call(slow)
    await asyncio.to_thread(inside.wait, 20)
    thread = threading.Thread(target=successor)
    thread.start()
    await asyncio.to_thread(thread.join, 0.3)  # it would be through by now, were nothing in its way
    gate.set()
    await under_way
    await asyncio.to_thread(thread.join, 20)
    assert seen == [{"under way"}]
    with pytest.raises(Fenced):
        await writer.commit(put("after"))
    await writer.close()


async def test_what_was_told_to_be_durable_is_there_for_the_successor(engine: Engine) -> None:
    """Takings over in the middle of a stream of commits: nothing that was answered is missing, nothing comes afterwards."""
    for turn in range(8):
        writer = Writer(engine, lambda error: None)
        told: set[str] = set()
        seen: list[set[str]] = []
        begun = threading.Event()

        def successor(begun: threading.Event = begun, seen: list[set[str]] = seen) -> None:
            begun.wait(20)
            take_over(engine, 5)
            seen.append(stored(engine))

        thread = threading.Thread(target=successor)
        thread.start()
        with pytest.raises(Fenced):
            await _commit_on(writer, turn, told, begun)
        await asyncio.to_thread(thread.join, 20)
        mine = {key for key in seen[0] if key.startswith(f"{turn}/")}
        assert told <= mine
        assert mine == {key for key in stored(engine) if key.startswith(f"{turn}/")}
        await writer.close()


async def _commit_on(writer: Writer, turn: int, told: set[str], begun: threading.Event) -> None:
    """Until it is over; `told` is what was durable."""
    for number in range(1_000_000):
        await writer.commit(put(f"{turn}/{number}"))
        told.add(f"{turn}/{number}")
        if number == 3 + turn:
            begun.set()


@pytest.mark.parametrize("way", ["the same path", "a symbolic link", "a hard link"])
def test_one_server_on_a_sqlite_file_by_whatever_path(tmp_path: Path, way: str) -> None:
    path = tmp_path / "one" / "herder.db"
    other = tmp_path / "two" / "other.db"
    path.parent.mkdir()
    other.parent.mkdir()
    first = open_engine(f"sqlite:///{path}")
    with sqlite_file(first):
        migrate(first)
        assert path.stat().st_mode & 0o777 == 0o600
        if way == "a symbolic link":
            other.symlink_to(path)
        elif way == "a hard link":
            other.hardlink_to(path)
        said = "has 2 names" if way == "a hard link" else "Another Herder server already uses the store"
        with (
            pytest.raises(StoreError, match=said),
            sqlite_file(open_engine(f"sqlite:///{path if way == 'the same path' else other}")),
        ):
            pass
        pid = os.fork()  # another process has no table of ours to look into
        if pid == 0:
            refused = _refused_in_another_process(path)
            os._exit(0 if refused else 1)
        assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
        with first.begin() as connection:  # SQLite's own locks are as they were
            connection.execute(text("INSERT INTO meta (key, value) VALUES ('a', 'b')"))
        first.dispose()
    other.unlink(missing_ok=True)
    with sqlite_file(open_engine(f"sqlite:///{path}")):
        pass


def _refused_in_another_process(path: Path) -> bool:
    from herder.store.opening.file import InUse, StoreFile

    StoreFile._here.clear()
    try:
        with StoreFile(path):
            return False
    except InUse:
        return True
