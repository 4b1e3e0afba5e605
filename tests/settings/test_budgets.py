"""The section `budgets:` of herder.yaml: read, written back, and refused with place and remedy."""

import pytest

from herder.ledger.budgets.spec import BudgetSpec, Every, Period, Priority, Scope, Unit
from herder.settings import SettingsError
from herder.settings.load import load_texts
from herder.settings.sections.budgets import budgets_from_plain, budgets_to_plain

FILE = """
budgets:
  org: {scope: organisation, limit: "$800", overage: 0%}
  burst:
    scope: pool
    parent: org
    limit: 200
    period: month
    timezone: Europe/Berlin
    overage: 10%
    borrow: true
    priority: high
    approvers: [coo]
    thresholds: [50%, 80%]
  tokens: {unit: tokens, limit: 20000, period: rolling 24h}
"""


def read(text: str) -> dict[str, BudgetSpec]:
    return {each.name: each for each in load_texts([("herder.yaml", text)]).budgets}


def test_a_file_says_what_may_be_spent() -> None:
    found = read(FILE)
    assert found["org"].limit == 800 * 10**12
    assert found["burst"] == BudgetSpec(
        name="burst", scope=Scope.POOL, parent="org", limit=200 * 10**12, timezone="Europe/Berlin", overage_percent=10,
        borrow=True, priority=Priority.HIGH, approvers=("coo",), thresholds=(50, 80),
    )  # fmt: skip
    assert (found["tokens"].unit, found["tokens"].limit) == (Unit.TOKENS, 20_000)
    assert found["tokens"].period == Period(Every.ROLLING, 24)


def test_what_is_written_is_read_again_as_it_was() -> None:
    found = read(FILE)
    assert budgets_from_plain(budgets_to_plain(found.values()), {}) == found


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("a: {limit: -5}", "is not an amount of US dollars"),
        ("a: {limit: 1.5, unit: tokens}", "is not a number of tokens"),
        ("a: {scope: pool}", "The budget has no limit"),
        ("a: {limit: 1, period: fortnight}", "is not a period. Write day, week"),
        ("a: {limit: 1, timezone: Mars}", "is not a time zone"),
        ("a: {limit: 1, overage: 101%}", "The value must be 0% to 100%"),
        ("a: {limit: 1, thresholds: [90%, 50%]}", "not in ascending order"),
        ("a: {limit: 1, parent: z}", "has the parent z, which does not exist"),
        ("a: {limit: 1, color: red}", "There is no such setting"),
        ("a: {limit: 1, scope: planet}", "is not a possible value"),
        ("{a: {limit: 1, parent: b}, b: {limit: 1, parent: a}}", "Budgets are above themselves: a → b → a"),
        ("{a: {limit: 1}, b: {limit: 5, unit: tokens, parent: a}}", "is in tokens and its parent a in usd"),
        ("{a: {limit: 1, scope: pool, of: x}, x: {limit: 5, scope: pool}}", "are both for pool x"),
    ],
)
def test_what_cannot_be_is_refused_with_its_place(line: str, message: str) -> None:
    with pytest.raises(SettingsError) as raised:
        read(f"budgets:\n  {line}\n")
    told = str(raised.value)
    assert message in told, told
    assert "herder.yaml:2" in told


def test_budgets_of_two_files_are_one_set() -> None:
    texts = [("a.yaml", "budgets: {org: {limit: 5}}"), ("b.yaml", "budgets: {pool: {limit: 2, parent: org}}")]
    assert len(load_texts(texts).budgets) == 2
