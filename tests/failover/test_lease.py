"""The lease as rows: who may lead, until when by the database's clock, and what becomes of a predecessor's sessions and commits."""

import asyncio
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import Engine, text

from herder.model.stored.changes import Changes
from herder.model.stored.records import MetaRecord
from herder.store.opening.database import Sockets, migrate, open_engine
from herder.store.opening.leadership import Fenced, Leader
from herder.store.opening.lease import (
    APPLICATION,
    LEASE_MS,
    LeaseRow,
    Me,
    Step,
    heard,
    next_step,
    read_lease,
    read_servers,
    release,
    renew,
    take_over,
)
from herder.store.writing.writer import Writer


def server(name: str, run: str = "1") -> Me:
    return Me(
        server=name, instance=f"{name}-{run}", url=f"http://{name}", holder=f"process of {name}", version="1"
    )


A, B = server("a"), server("b")


def row(of: Me, epoch: int = 3, expires_at_ms: int = 1000) -> LeaseRow:
    return LeaseRow(epoch=epoch, server=of.server, instance=of.instance, expires_at_ms=expires_at_ms)


@pytest.mark.parametrize(
    ("now_ms", "found", "epoch", "step"),
    [
        (0, None, 0, Step.TAKE_OVER),
        (999, row(B), 0, Step.STAND_BY),
        (1000, row(B), 0, Step.TAKE_OVER),
        (0, row(server("a", "before")), 0, Step.TAKE_OVER),
        (999, row(A), 3, Step.RENEW),
        (5000, row(A), 3, Step.RENEW),
        (0, row(B, epoch=4), 3, Step.STEP_DOWN),
        (5000, row(B, epoch=4), 3, Step.STEP_DOWN),
        (0, row(server("a", "after"), epoch=4), 3, Step.STEP_DOWN),
        (0, None, 3, Step.STEP_DOWN),
    ],
    ids=[
        "nobody has led", "another leads", "its lease has ended", "an earlier run of this server led",
        "renewed in time", "renewed late, and nobody was faster", "another has taken over",
        "another had taken over and is gone", "a later run of this server leads", "the row was deleted",
    ],
)  # fmt: skip
def test_what_a_server_does_next(now_ms: int, found: LeaseRow | None, epoch: int, step: Step) -> None:
    assert next_step(now_ms, found, A, epoch) is step


@given(now_ms=st.integers(0, 2000), epoch=st.integers(0, 3), of=st.sampled_from([A, B]), at=st.integers(1, 3))
def test_two_servers_never_both_go_on(now_ms: int, epoch: int, of: Me, at: int) -> None:
    """Of one row: whoever holds it keeps it, and the other may lead only when the holder's time is over."""
    found = row(of, at)
    other = B if of is A else A
    assert next_step(now_ms, found, other, epoch) is not Step.RENEW
    if now_ms < found.expires_at_ms:
        assert next_step(now_ms, found, other, 0) is Step.STAND_BY


@pytest.fixture
def engine(postgres_url: str) -> Iterator[Engine]:
    made = open_engine(postgres_url)
    migrate(made)
    yield made
    made.dispose()


def led_by(engine: Engine, me: Me) -> int:
    with engine.begin() as connection:
        return take_over(connection, me)


def end_lease(engine: Engine) -> None:
    with engine.begin() as connection:
        connection.execute(text("UPDATE lease SET expires_at_ms = 0"))


def test_one_of_two_leads_until_its_lease_ends(engine: Engine) -> None:
    assert led_by(engine, A) == 1
    assert led_by(engine, B) == 0
    with engine.begin() as connection:
        now_ms, found = read_lease(connection)
        assert found is not None
        assert found.instance == A.instance
        assert 0 < found.expires_at_ms - now_ms <= LEASE_MS
        assert renew(connection, A, 1)
        assert not renew(connection, B, 1)
    end_lease(engine)
    assert led_by(engine, B) == 2
    with engine.begin() as connection:
        assert not renew(connection, A, 1), "late, and another was faster"
        assert connection.execute(text("SELECT epoch, holder FROM leader")).one() == (2, B.holder)
        release(connection, A, 1)
    assert led_by(engine, A) == 0, "a lease that is not one's own cannot be released"


def test_a_server_that_was_killed_leads_again_without_waiting(engine: Engine) -> None:
    assert led_by(engine, A) == 1
    assert led_by(engine, server("a", "2")) == 2


def test_servers_are_known_the_leader_first(engine: Engine) -> None:
    with engine.begin() as connection:
        for each in (A, B):
            heard(connection, each, fresh=True)
        assert [note.url for note in read_servers(connection, "b")] == ["http://b", "http://a"]
        connection.execute(text("UPDATE servers SET seen_at_ms = seen_at_ms - 86400001 WHERE id = 'a'"))
    assert led_by(engine, B) == 1
    with engine.begin() as connection:
        assert [(note.id, note.leads) for note in read_servers(connection, "b")] == [("b", True)]


async def test_a_predecessor_that_stopped_in_a_transaction_does_not_hold_up_its_successor(
    engine: Engine, postgres_url: str
) -> None:
    """It has looked at the epoch, so its transaction holds that row; its session is ended, and what it had not committed is gone."""
    epoch = led_by(engine, A)
    old = open_engine(postgres_url, APPLICATION + A.instance)
    writer = Writer(old, lambda error: None, Leader(epoch=epoch, holder=A.holder))
    stopped, go_on = asyncio.Event(), asyncio.Event()
    loop = asyncio.get_running_loop()

    def stop(connection: object) -> None:
        loop.call_soon_threadsafe(stopped.set)
        asyncio.run_coroutine_threadsafe(go_on.wait(), loop).result()
        connection.execute(text("INSERT INTO meta (key, value) VALUES ('late', '')"))  # type: ignore[attr-defined]

    call = writer.call(stop)
    await stopped.wait()
    end_lease(engine)
    assert await asyncio.to_thread(led_by, engine, B) == epoch + 1
    go_on.set()
    with pytest.raises(Fenced, match="taken over by process of b"):
        await call  # tried again on a new session, and refused
    changes = Changes()
    changes.put(MetaRecord("later", ""))
    with pytest.raises(Fenced):
        await writer.commit(changes)
    with engine.connect() as connection:
        assert connection.execute(text("SELECT key FROM meta WHERE key LIKE 'late%'")).all() == []
    await writer.close()
    old.dispose()


async def test_a_call_on_a_network_that_was_cut_can_be_ended(postgres_url: str) -> None:
    engine = open_engine(postgres_url)
    sockets = Sockets(engine)
    begun = asyncio.Event()
    loop = asyncio.get_running_loop()

    def hang() -> None:
        with engine.connect() as connection:
            loop.call_soon_threadsafe(begun.set)
            connection.execute(text("SELECT pg_sleep(60)"))

    hanging = asyncio.ensure_future(asyncio.to_thread(hang))
    await begun.wait()
    await asyncio.sleep(0.05)
    sockets.cut()
    with pytest.raises(Exception, match=r"closed|lost|terminated"):
        await asyncio.wait_for(hanging, 10)
    engine.dispose()
