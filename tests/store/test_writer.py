"""The one writer: group commit, order, and what a failure means."""

import asyncio
import threading
from functools import partial

import pytest
from sqlalchemy import Connection, Engine, Table, insert, select, text

from herder.control.kernel.jobs.class_rows import put_classes
from herder.control.kernel.jobs.usage_ledger import book
from herder.engine.memory.dirty_rows import flush
from herder.model.stored.changes import Changes
from herder.model.stored.records import MetaRecord
from herder.ports.store import StoreDown
from herder.store.invariants import violations
from herder.store.rows.tables import meta, metadata
from herder.store.writing.writer import Writer
from tests.support.engine_world import World


def put(key: str, value: str) -> Changes:
    changes = Changes()
    changes.put(MetaRecord(key, value))
    return changes


def stored(engine: Engine) -> dict[str, str]:
    with engine.connect() as connection:
        return {row.key: row.value for row in connection.execute(select(meta))}


async def test_what_comes_while_it_is_busy_is_one_commit(writer: Writer, engine: Engine) -> None:
    gate = threading.Event()
    busy = writer.call(lambda connection: gate.wait(10))
    futures = [writer.commit(put(f"k{number % 7}", str(number))) for number in range(50)]
    await asyncio.sleep(0.02)
    assert not any(future.done() for future in futures)
    assert stored(engine) == {}
    gate.set()
    await asyncio.gather(busy, *futures)
    assert writer.commits == 1
    assert stored(engine) == {f"k{number % 7}": str(number) for number in range(50)}


async def test_nothing_to_write_costs_no_commit(writer: Writer) -> None:
    await writer.commit(Changes())
    assert writer.commits == 0


async def test_work_sees_what_was_handed_over_before_it_and_not_what_came_after(writer: Writer) -> None:
    def look(connection: Connection) -> dict[str, str]:
        return {row.key: row.value for row in connection.execute(select(meta))}

    first = writer.commit(put("a", "1"))
    seen = writer.call(look)
    second = writer.commit(put("a", "2"))
    later = writer.call(look)
    assert await seen == {"a": "1"}
    assert await later == {"a": "2"}
    assert first.done()
    assert second.done()


async def test_a_huge_commit_takes_nobody_along(writer: Writer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("herder.store.writing.writer.ROWS_PER_COMMIT", 0)
    futures = [writer.commit(put("a", str(number))) for number in range(3)]
    monkeypatch.setattr("herder.store.writing.writer.ROWS_PER_COMMIT", 1)
    await asyncio.wait_for(asyncio.gather(*futures), 5)


@pytest.mark.parametrize("error", [text("SELECT nothing FROM nowhere"), None])
async def test_errors_of_work_go_to_its_caller_and_stop_nobody(
    writer: Writer, engine: Engine, fatal: list[BaseException], error: object
) -> None:
    def work(connection: Connection) -> None:
        connection.execute(insert(meta).values(key="half", value="done"))
        if error is None:
            raise ZeroDivisionError
        connection.execute(error)  # type: ignore[call-overload]

    with pytest.raises(Exception, match=r"nowhere|^$"):
        await writer.call(work)
    await writer.commit(put("a", "1"))
    assert stored(engine) == {"a": "1"}
    assert not fatal


async def test_a_commit_that_fails_is_fatal_and_everybody_hears_of_it(
    fresh_engine: Engine, fatal: list[BaseException]
) -> None:
    writer = Writer(fresh_engine, fatal.append)
    await writer.call(lambda connection: connection.execute(text("DROP TABLE meta")))
    one, two = writer.commit(put("a", "1")), writer.commit(put("b", "2"))
    with pytest.raises(Exception, match="meta"):
        await one
    with pytest.raises(Exception, match="meta"):
        await asyncio.wait_for(two, 5)
    assert len(fatal) == 1
    await writer.close()


async def test_a_failed_transaction_leaves_nothing(
    writer: Writer, engine: Engine, fatal: list[BaseException]
) -> None:
    changes = put("a", "1")
    changes.rows[dict] = {1: (1,)}  # type: ignore[dict-item] - no such table
    with pytest.raises(KeyError):
        await writer.commit(changes)
    assert stored(engine) == {}
    assert len(fatal) == 1


async def test_a_busy_store_is_not_taken_for_a_broken_one(writer: Writer, engine: Engine) -> None:
    """The look at the invariants sees one moment, whatever is written meanwhile."""
    world = World()
    worker, agent = world.ready_worker()
    world.commit()

    async def work() -> None:
        for _ in range(60):
            world.submit(2)
            for step in ("assign", "end"):
                for key in list(agent.held) if step == "end" else ():
                    agent.end(key, world.now_ms)
                world.take_in(worker, agent.message(world.now_ms))
                world.placer.run(world.state, world.changes, world.now_ms)
                flush(world.state, world.changes)
                put_classes(world.changes)
                book(world.ledger, world.state, world.changes, world.now_ms)
                changes, world.changes = world.changes, Changes()
                world.state.durable, world.state.hand_over = world.state.hand_over, world.state.hand_over + 1
                await writer.commit(changes)
                agent.hear(world.answer(agent.message(world.now_ms)), world.now_ms)
                agent.outbox.clear()

    def look() -> list[str]:
        with engine.connect() as connection:
            return violations(connection)

    with world.engine.connect() as connection:  # what the world began with
        for table in metadata.sorted_tables:
            rows = [dict(row) for row in connection.execute(select(table)).mappings()]
            if rows:
                await writer.call(partial(_copy, table=table, rows=rows))
    task = asyncio.create_task(work())
    looks = 0
    while not task.done():
        assert await asyncio.to_thread(look) == []
        looks += 1
    await task
    assert looks > 5
    assert len(world.accepted) == 120
    world.engine.dispose()


def _copy(connection: Connection, table: Table, rows: list[dict[str, object]]) -> None:
    connection.execute(insert(table), rows)


async def test_closing_writes_what_was_handed_over_and_takes_nothing_more(engine: Engine) -> None:
    writer = Writer(engine, lambda error: None)
    futures = [writer.commit(put(f"k{number}", "1")) for number in range(20)]
    await writer.close()
    await asyncio.gather(*futures)
    assert len(stored(engine)) == 20
    with pytest.raises(StoreDown, match="closed"):
        await writer.commit(put("late", "1"))
    with pytest.raises(StoreDown, match="closed"):
        await writer.call(lambda connection: None)
