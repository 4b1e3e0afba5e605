"""Reports of use in a store: what is kept by day is what is computed anew, whatever came in which order, how often, and after which months were closed."""

from __future__ import annotations

from collections.abc import Iterator
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sqlalchemy import Connection, Engine, create_engine
from sqlalchemy import event as events_of_engine

from herder.control.kernel.bounds.errors import Conflict
from herder.control.usage.intake import Outcome, outcome_of
from herder.control.usage.reports import NOT_YET, Reported
from herder.ledger.metering import UsageEvent, metered_days
from herder.ledger.quantities import DAY_MS, MeteredDay
from herder.model.stored.changes import Changes
from herder.model.stored.metering_records import MeteredDayRecord
from herder.store.rows.columns import metadata
from herder.store.rows.usage_event_rows import all_events, read_metered_days, record_of
from herder.store.writing.change_rows import ChangeRows

NOVEMBER = 1_793_491_200_000
CLOSED = {"2026-11": NOVEMBER + 31 * DAY_MS}


@pytest.fixture
def connection(engine: Engine) -> Iterator[Connection]:
    with engine.connect() as made:
        yield made


def fresh() -> Connection:
    engine = create_engine("sqlite://")
    metadata.create_all(engine)
    return engine.connect()


def take_in(connection: Connection, *events: UsageEvent, closed: dict[str, int] | None = None) -> Outcome:
    reported = [
        Reported(f"events[{place}]", event._replace(arrived_ms=NOT_YET)) for place, event in enumerate(events)
    ]
    arrived_ms = max(event.arrived_ms for event in events)
    outcome = outcome_of(connection, reported=reported, arrived_ms=arrived_ms, closed=closed or {})
    changes = Changes()
    for event in outcome.new:
        changes.put(record_of(event, "ann"))
    for key, quantity in outcome.days.items():
        changes.put(MeteredDayRecord(*key, str(quantity)))
    ChangeRows(connection.dialect.name).write(connection, changes)
    return outcome


def use(
    name: str, at_ms: int, amount: int, counter: str = "", arrived_ms: int = 0, **more: str
) -> UsageEvent:
    said = {"product": "m", "division": "", "project": "p", "user": "ann", "claim": "", **more}
    return UsageEvent(
        "s", name, "tokens.input", at_ms, arrived_ms or at_ms, said["product"], said["division"], said["project"],
        said["user"], counter, amount, said["claim"],
    )  # fmt: skip


def kept(connection: Connection) -> list[MeteredDay]:
    return sorted(read_metered_days(connection))


@st.composite
def histories(draw: st.DrawFn) -> list[UsageEvent]:
    found = [
        use(f"u{number}", NOVEMBER + at, amount)
        for number, (at, amount) in enumerate(
            draw(st.lists(st.tuples(st.integers(0, 50 * DAY_MS), st.integers(0, 10**25)), max_size=6))
        )
    ]
    for counter in ("a", "b"):
        total = 0
        for at in sorted(draw(st.sets(st.integers(0, 50 * DAY_MS), max_size=5))):
            total += draw(st.integers(0, 10**12))
            found.append(use(f"{counter}{at}", NOVEMBER + at, total, counter))
    return found


@settings(max_examples=60, deadline=None)
@given(histories(), st.integers(0, 2**32), st.integers(1, 4))
def test_what_is_kept_is_what_is_computed_anew(events: list[UsageEvent], seed: int, size: int) -> None:
    """Shuffled, some sent twice, in requests of several sizes, up to 40 days late, over the close of a month."""
    random = Random(seed)
    sent = [*events, *events[::2]]
    random.shuffle(sent)
    with fresh() as connection:
        now_ms = NOVEMBER + 50 * DAY_MS if not CLOSED else NOVEMBER
        for begin in range(0, len(sent), size):
            now_ms += random.randrange(12 * DAY_MS)
            some = [each._replace(arrived_ms=now_ms) for each in sent[begin : begin + size]]
            closed = {month: at for month, at in CLOSED.items() if at <= now_ms}
            take_in(connection, *some, closed=closed)
        stored = list(all_events(connection))
        assert len(stored) == len(events)
        assert kept(connection) == metered_days(stored, CLOSED)
        assert sum(each.quantity for each in kept(connection)) == sum(each.amount for each in events if not each.counter) + sum(
            max((each.amount for each in events if each.counter == name), default=0) for name in ("a", "b")
        )  # fmt: skip


def test_a_report_in_the_middle_changes_the_days_around_it(connection: Connection) -> None:
    take_in(connection, use("1", NOVEMBER, 0, "c"), use("2", NOVEMBER + 2 * DAY_MS, 100, "c"))
    assert [each.quantity for each in kept(connection)] == [50, 50]
    take_in(connection, use("3", NOVEMBER + DAY_MS, 90, "c"))
    assert [each.quantity for each in kept(connection)] == [90, 10]
    take_in(connection, use("4", NOVEMBER + DAY_MS, 100, "c"))
    assert [each.quantity for each in kept(connection)] == [100], "a day that has nothing left is none"


def test_the_same_event_again_is_booked_once_and_another_content_is_refused(connection: Connection) -> None:
    first = use("1", NOVEMBER, 7)
    take_in(connection, first)
    again = take_in(
        connection, first._replace(arrived_ms=NOVEMBER + 9), first._replace(arrived_ms=NOVEMBER + 9)
    )
    assert (again.known, again.new, again.days) == (1, [], {})
    with pytest.raises(Conflict, match="with the quantity 7 tokens, not 8 tokens") as refused:
        take_in(connection, use("2", NOVEMBER, 1), first._replace(amount=8))
    assert refused.value.field == "events[1].id"
    with pytest.raises(Conflict, match="other resources"):
        take_in(connection, first, first._replace(resource="tokens.output"))
    assert [each.quantity for each in kept(connection)] == [7]


def test_a_counter_that_falls_or_changes_its_payer_is_refused(connection: Connection) -> None:
    take_in(connection, use("1", NOVEMBER, 50, "c"), use("2", NOVEMBER + 100, 80, "c"))
    with pytest.raises(
        Conflict, match=r"The total of 49 tokens does not fit 50 tokens, which the counter had before it"
    ):
        take_in(connection, use("3", NOVEMBER + 50, 49, "c"))
    with pytest.raises(
        Conflict, match=r"The total of 81 tokens does not fit 80 tokens, which the counter had after it"
    ):
        take_in(connection, use("3", NOVEMBER + 50, 81, "c"))
    with pytest.raises(Conflict, match=r"counts for user ann, not bob"):
        take_in(connection, use("3", NOVEMBER + 50, 60, "c", user="bob"))
    take_in(connection, use("3", NOVEMBER + 50, 60, "c"), use("4", NOVEMBER + 50, 60, "other", user="bob"))


def test_two_reports_of_one_use_are_refused(connection: Connection) -> None:
    take_in(connection, use("1", NOVEMBER, 5, claim="answer-1"))
    other = use("x", NOVEMBER, 5, claim="answer-1")._replace(source="gateway")
    with pytest.raises(Conflict, match=r"'answer-1' was reported before, as event '1' of source s"):
        take_in(connection, other)
    with pytest.raises(Conflict, match=r"'answer-2' was reported before, as event 'x'"):
        take_in(connection, use("x", NOVEMBER, 5, claim="answer-2"), use("y", NOVEMBER, 5, claim="answer-2"))


def test_late_use_of_a_closed_month_is_booked_in_the_open_one(connection: Connection) -> None:
    take_in(connection, use("1", NOVEMBER, 5))
    late = use("2", NOVEMBER, 6, arrived_ms=CLOSED["2026-11"] + 1)
    take_in(connection, late, closed=CLOSED)
    assert [(each.day_ms, each.booked, each.quantity) for each in kept(connection)] == [
        (NOVEMBER, "2026-11", 5),
        (NOVEMBER, "2026-12", 6),
    ]


def test_looks_go_by_keys(connection: Connection) -> None:
    """Of events and days, as SQLite itself says."""
    if connection.dialect.name != "sqlite":
        pytest.skip("SQLite has the plan in words")
    plans: list[str] = []

    def explain(made: Connection, cursor: object, statement: str, parameters: object, *_: object) -> None:
        if statement.startswith("SELECT"):
            rows = cursor.connection.cursor().execute(f"EXPLAIN QUERY PLAN {statement}", parameters)  # type: ignore[attr-defined]
            plans.extend(row[3] for row in rows)

    events_of_engine.listen(connection.engine, "before_cursor_execute", explain)
    take_in(connection, use("1", NOVEMBER, 5, claim="c1"), use("2", NOVEMBER, 5, "c"))
    assert plans
    assert [each for each in plans if each.startswith(("SCAN usage_events", "SCAN metered_days"))] == []
