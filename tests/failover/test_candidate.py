"""A server's thread for the lease: it leads, is taken over, stands by, and leads again, and never holds a lease that is not its own."""

import asyncio
from collections.abc import AsyncIterator, Callable

import pytest
from sqlalchemy import make_url, text

from herder.server.leadership import candidate as module
from herder.server.leadership.candidate import Candidate
from herder.store.opening.database import migrate, open_engine
from herder.store.opening.lease import Me, take_over
from tests.failover.cuttable import Cuttable

Begin = Callable[[str, str], Candidate]


def server(name: str) -> Me:
    return Me(
        server=name, instance=f"{name}-1", url=f"http://{name}", holder=f"process of {name}", version="1"
    )


@pytest.fixture
async def begin(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Begin]:
    monkeypatch.setattr(module, "RENEW_S", 0.05)
    monkeypatch.setattr(module, "LOOK_S", 0.05)
    made: list[Candidate] = []

    def start(url: str, name: str) -> Candidate:
        made.append(Candidate(url, server(name)))
        return made[-1]

    yield start
    for each in made:
        await each.retire()


async def until(true: Callable[[], object], limit_s: float = 20) -> None:
    async with asyncio.timeout(limit_s):
        while not true():
            await asyncio.sleep(0.01)


async def test_a_turn_after_the_other(postgres_url: str, begin: Begin) -> None:
    engine = open_engine(postgres_url)
    migrate(engine)
    first = begin(postgres_url, "a")
    await until(lambda: first.epoch == 1)
    assert first.holds()
    second = begin(postgres_url, "b")
    await until(lambda: second.leader() is not None)
    assert not second.holds()
    await until(lambda: first.addresses == second.addresses == ("http://a", "http://b"))
    same = first.addresses
    await asyncio.sleep(0.2)
    assert first.addresses is same, "a list that is the same is not told again"

    await first.retire()
    await until(lambda: second.epoch == 2)
    assert second.predecessor == ""  # it has left in order, and is no server any more

    with engine.begin() as connection:  # somebody else is faster
        connection.execute(text("UPDATE lease SET expires_at_ms = 0"))
        assert take_over(connection, server("c")) == 3
    await until(lambda: second.fenced)
    assert (second.epoch, second.holds()) == (0, False)
    assert second.fenced == "The store was taken over by another server (epoch 3, this server's is 2)."
    with engine.begin() as connection:
        connection.execute(text("UPDATE lease SET expires_at_ms = 0"))
    await asyncio.sleep(0.3)
    assert second.epoch == 0, "the memory of its last term is not dropped yet"
    second.stand_by()
    await until(lambda: second.epoch == 4)
    assert second.holds()
    assert second.fenced == ""
    engine.dispose()


async def test_a_lease_ends_by_the_own_clock_when_the_network_is_cut(
    postgres_url: str, begin: Begin, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "TURN_MS", 300)
    engine = open_engine(postgres_url)
    migrate(engine)
    network = Cuttable(int(make_url(postgres_url).port or 5432))
    through = make_url(postgres_url).set(host="127.0.0.1", port=network.port)
    cut_off = begin(through.render_as_string(hide_password=False), "a")
    await until(lambda: cut_off.epoch == 1)
    loop = asyncio.get_running_loop()
    network.cut()
    began = loop.time()
    await until(lambda: not cut_off.holds())
    assert loop.time() - began <= (module.LEASE_MS - module.MARGIN_MS) / 1000 + 0.5
    with engine.connect() as connection:
        query = text("SELECT expires_at_ms > EXTRACT(EPOCH FROM clock_timestamp()) * 1000, epoch FROM lease")
        assert connection.execute(query).one() == (True, 1), "for the database it is not over yet"
    await asyncio.sleep(0.5)
    cut_off.look()  # a call that hangs is ended
    network.mend()
    await until(cut_off.holds)
    assert cut_off.epoch == 1, "nobody was faster"
    network.close()
    engine.dispose()
