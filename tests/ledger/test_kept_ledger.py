"""The ledger of a store: kept rows and closed months are what the log gives, byte for byte; a byte that was changed is found."""

from collections import Counter
from collections.abc import Sequence
from random import Random
from typing import Any

import pytest
from sqlalchemy import Connection, select, update

from herder.ledger.lines import COST, Kind, Line
from herder.ledger.months import begin_of, month_of
from herder.ledger.pricing import Payers, Project
from herder.ledger.quantities import DAY_MS
from herder.ledger.totals import Totals
from herder.model.stored.changes import Changes
from herder.model.stored.records import TotalRecord
from herder.model.values.money import cost_of
from herder.store.ledger_rebuild import rebuild
from herder.store.rows import ledger_tables as t
from herder.store.rows.known_rates import rates_at
from herder.store.rows.month_rows import closed, closing_records, computed_lines, stored_lines
from herder.store.rows.use_events import events_of
from herder.store.rows.use_rows import FOLDED, folded, next_rows
from tests.support.engine_world import Agent, World, write

PAYERS = Payers({"default": Project("research", "internal")})


@pytest.fixture
def books() -> "Books":
    return Books()


class Books:
    """A world, and what a server does with its ledger."""

    def __init__(self) -> None:
        self.world = World()
        self.agents: list[Agent] = []

    def fold(self) -> int:
        while True:
            with self.world.engine.connect() as connection:
                rows, last = next_rows(connection, folded(connection))
                if not last:
                    return folded(connection)
            changes = Changes()
            for row in rows:
                changes.put(row)
            changes.put(TotalRecord(FOLDED, str(last)))
            write(self.world.engine, changes)

    def lines(self, month: str) -> list[Line]:
        with self.world.engine.connect() as connection:
            closes = closed(connection)
            if month in closes:
                return list(stored_lines(connection, month))
            return computed_lines(connection, month, closes, rates_at(connection), PAYERS)

    def close(self, month: str) -> None:
        number, lines, changes = self.fold(), self.lines(month), Changes()
        for row in closing_records(month, lines, number, self.world.now_ms, "user/ann", PAYERS):
            changes.put(row)
        write(self.world.engine, changes)

    def sample(self) -> None:
        self.world.ledger.sample_due = True
        self.world.commit()

    def differences(self) -> list[str]:
        with self.world.engine.connect() as connection:
            return rebuild(connection).differences

    def work(self, jobs: int, dice: Random) -> None:
        """On one worker, some minutes each."""
        world = self.world
        if not self.agents:
            self.agents.append(world.ready_worker()[1])
        (agent,) = self.agents
        world.submit(jobs)
        for _ in range(3 * jobs):
            world.commit()
            world.talk(agent)
            world.now_ms += dice.randrange(600_000)
            for key in sorted(agent.held):
                if dice.random() < 0.6:
                    agent.end(key, world.now_ms)
            if dice.random() < 0.3:
                self.sample()
            world.talk(agent)
        world.commit()


def total(lines: list[Line]) -> int:
    return sum(line.pico or 0 for line in lines if line.card == COST)


def machine_cost(rows: Sequence[Any]) -> int:
    """Of each machine on each day, whatever month it was booked in."""
    ms: Counter[tuple[int, str]] = Counter()
    for row in rows:
        ms[row.day_ms, row.worker] += row.ms
    return sum(cost_of(360, each) for each in ms.values())


def to(books: Books, month: str) -> None:
    """The clock goes to its beginning; nothing ends meanwhile."""
    books.world.now_ms = begin_of(month)


def test_what_is_kept_is_what_the_log_gives(books: Books) -> None:
    books.work(20, Random(1))
    books.sample()
    books.fold()
    month = month_of(books.world.now_ms)
    lines = books.lines(month)
    kinds = {line.kind for line in lines}
    assert kinds == {Kind.WORKLOAD, Kind.IDLE}, "the worker was ready at once"
    with books.world.engine.connect() as connection:
        done = rebuild(connection)
        machines = connection.execute(select(t.machine_days)).all()
    assert done.differences == []
    assert (done.attempts, done.rows > 0) == (20, True)
    assert total(lines) == machine_cost(machines)


def test_time_that_is_sampled_counts_once(books: Books) -> None:
    """A worker that lives for three days with a job on it, a sample each hour: as if it had been told once."""
    once = Books()
    for each in (books, once):
        _, agent = each.world.ready_worker()
        each.world.submit(1)
        each.world.commit()
        each.world.talk(agent)
        for _ in range(72):
            each.world.now_ms += 3_600_000
            if each is books:
                each.sample()
        agent.end(next(iter(agent.held)), each.world.now_ms)
        each.world.talk(agent)
        each.world.commit()
        each.sample()
        each.fold()
    month = month_of(books.world.now_ms)
    assert books.lines(month) == once.lines(month)
    days = {line.day_ms for line in books.lines(month)}
    assert len(days) == 4
    assert all(day % DAY_MS == 0 for day in days)


def test_a_closed_month_never_changes_and_what_comes_late_corrects_it(books: Books) -> None:
    month = month_of(books.world.now_ms)
    books.work(10, Random(2))
    books.world.submit(1)
    books.world.commit()
    books.world.talk(books.agents[0])
    to(books, "2023-12")
    books.close(month)
    before = books.lines(month)
    books.world.now_ms += DAY_MS
    for key in sorted(books.agents[0].held):
        books.agents[0].end(key, books.world.now_ms)
    books.world.talk(books.agents[0])
    books.world.commit()
    books.sample()
    books.fold()
    assert books.lines(month) == before
    late = [line for line in books.lines("2023-12") if line.corrects]
    assert {line.corrects for line in late} == {month}
    assert {line.kind for line in late} >= {Kind.WORKLOAD, Kind.IDLE}
    to(books, "2024-01")
    books.close("2023-12")
    assert books.differences() == []
    with books.world.engine.connect() as connection:
        machines = connection.execute(select(t.machine_days)).all()
    assert total([*before, *books.lines("2023-12")]) == machine_cost(machines)


@pytest.mark.parametrize("what", ["a row", "a line", "an entry"])
def test_a_byte_that_was_changed_is_found(books: Books, what: str) -> None:
    month = month_of(books.world.now_ms)
    books.work(5, Random(3))
    to(books, "2023-12")
    books.close(month)
    assert books.differences() == []
    with books.world.engine.begin() as connection:
        if what == "a row":
            connection.execute(update(t.work_days).values(ms=t.work_days.c.ms + 1))
        elif what == "a line":
            body = connection.execute(select(t.month_lines.c.body)).scalar_one()
            connection.execute(update(t.month_lines).values(body=body.replace("idle", "Idle", 1)))
        else:
            connection.execute(t.use_log.delete().where(t.use_log.c.number == 2))
    assert books.differences() != []


def test_a_line_is_explained_to_the_event(books: Books) -> None:
    books.work(8, Random(4))
    books.sample()
    books.fold()
    with books.world.engine.connect() as connection:
        for line in books.lines(month_of(books.world.now_ms)):
            events = list(events_of(connection, line))
            assert events
            if line.card != COST:
                assert sum(each.quantity for each in events) == line.quantity


def test_a_new_server_goes_on_where_the_log_ends(books: Books) -> None:
    books.work(5, Random(5))
    books.sample()
    again: Totals = books.world.read_ledger()
    ledger = books.world.ledger
    assert (again.last_entry, again.sampled_ms) == (ledger.last_entry, ledger.sampled_ms)
    assert again.last_entry > 0


def test_an_empty_store_has_an_empty_ledger(books: Books) -> None:
    with books.world.engine.connect() as connection:
        assert _nothing(connection)


def _nothing(connection: Connection) -> bool:
    done = rebuild(connection)
    return not done.differences and done.entries == done.rows == 0
