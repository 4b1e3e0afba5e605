"""Stored rates and days of use on both databases: what holds when, what was known when, and pages that hold everything once."""

from collections.abc import Iterator

import pytest
from sqlalchemy import Connection, Engine

from herder.control.kernel.bounds.errors import Invalid
from herder.control.reads.rates import RateFilter, rate_groups
from herder.control.reads.usage import UsageFilter, stored_days
from herder.ledger.months import begin_of
from herder.ledger.quantities import DAY_MS
from herder.ledger.rates import Subject
from herder.model.permissions import Scope
from herder.model.stored.changes import Changes
from herder.model.stored.metering_records import MeteredDayRecord, RateRecord
from herder.store.rows.rate_rows import read_rates
from herder.store.writing.change_rows import ChangeRows

BEGIN = begin_of("2026-11")


@pytest.fixture
def connection(engine: Engine) -> Iterator[Connection]:
    with engine.connect() as made:
        yield made


def put(connection: Connection, *records: RateRecord | MeteredDayRecord) -> None:
    changes = Changes()
    for record in records:
        changes.put(record)
    ChangeRows(connection.dialect.name).write(connection, changes)


def rate(card: str, product: str, day: int, price: str, added_ms: int = 0) -> RateRecord:
    name = f"{card}/tokens.input/{product}@{day}"
    tiers = f'[[0,"{price}"]]'
    return RateRecord(
        name, card, "tokens.input", product, BEGIN + day * DAY_MS, 1, tiers, "", added_ms, "ann"
    )


def test_rates_are_read_by_card_and_product_as_they_were_known(connection: Connection) -> None:
    put(connection, rate("a", "", 0, "1"), rate("a", "m", 2, "2"), rate("a", "n", 0, "3"), rate("b", "m", 0, "4"), rate("a", "m", 5, "5", 99))  # fmt: skip
    subject = Subject("a", "tokens.input", "m")

    def price(day: int, **only: object) -> int | None:
        found = read_rates(connection, **only).at(subject, BEGIN + day * DAY_MS)  # type: ignore[arg-type]
        return None if found is None else int(found.exact(1) / 10**12)

    assert [price(day) for day in (-1, 0, 2, 5)] == [None, 1, 2, 5]
    assert [price(day, cards=["a"], products=["m"]) for day in (0, 2, 5)] == [1, 2, 5]
    assert price(5, products=["n"]) == 1
    assert price(5, cards=["b"]) is None
    assert price(5, known_ms=98) == 2


@pytest.mark.parametrize("limit", [1, 3, 100])
def test_pages_of_rates_hold_each_subject_once_and_whole(connection: Connection, limit: int) -> None:
    names = ["", "B", "a", "ä", "gpt/x", "z z"]
    put(
        connection,
        *(rate(card, name, day, f"{day + 1}") for card in ("a", "b") for name in names for day in (0, 3)),
    )
    found: list[list[RateRecord]] = []
    after, more = None, True
    while more:
        groups, more = rate_groups(connection, asked=RateFilter(), after=after, limit=limit)
        found += groups
        after = groups[-1][-1].id
    assert {(group[0].card, group[0].product) for group in found} == {
        (card, name) for card in "ab" for name in names
    }
    assert len(found) == 2 * len(names)
    assert all([each.from_ms for each in group] == [BEGIN, BEGIN + 3 * DAY_MS] for group in found)
    with pytest.raises(Invalid, match="no rate 'gone'"):
        rate_groups(connection, asked=RateFilter(), after="gone", limit=1)


def test_pages_of_days_hold_what_the_scope_covers(connection: Connection) -> None:
    days = [
        MeteredDayRecord(BEGIN + day * DAY_MS, "2026-11", "s", "tokens.input", "m", "", project, user, amount)
        for day in range(3)
        for project, user, amount in (
            ("p", "Ann", "1"),
            ("q", "bob", "2"),
            ("q", "ann", "3"),
            ("r", "bob", "0"),
        )
    ]
    put(connection, *days)

    def read(scope: Scope | None, **asked: str) -> list[MeteredDayRecord]:
        found: list[MeteredDayRecord] = []
        after: list[str] = []
        while True:
            page = stored_days(
                connection, days=(BEGIN + DAY_MS, None), asked=UsageFilter(**asked), scope=scope, after=after, limit=2
            )  # fmt: skip
            found += page[:2]
            if len(page) <= 2:
                return found
            after = [str(value) for value in page[1][:-1]]

    assert sorted(read(None)) == sorted(each for each in days if each.quantity != "0" and each.day_ms > BEGIN)
    assert {each.user for each in read(Scope(user="ann"))} == {"ann"}
    assert {each.project for each in read(Scope(user="x", projects=frozenset({"p"})))} == {"p"}
    assert {each.user for each in read(None, project="q")} == {"ann", "bob"}
