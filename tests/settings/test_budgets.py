"""The section `budgets:` of herder.yaml: read, written back, and refused with place and remedy."""

from pathlib import Path

import pytest

from herder.ledger.budgets.spec import BudgetSpec, Every, Period, Priority, Scope, Unit
from herder.settings import SettingsError
from herder.settings.lint import lint
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
        ("a: {limit: -5}", "is negative. Write an amount of 0 or more"),
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


def doubts(text: str) -> list[str]:
    return [str(each) for each in lint(load_texts([("herder.yaml", text)])) if "udget" in str(each)]


def test_a_minimum_that_costs_more_than_its_budget_is_told() -> None:
    """The permanent pool of Cortex: three workers at $0.24 cost $525.60 a month, and its budget is $500."""
    text = """
pools:
  permanent:
    templates: [{name: t, cpu: 4, memory: 8Gi, price_per_hour: "0.24"}]
    min_workers: 3
    max_workers: 10
budgets:
  permanent: {scope: pool, limit: LIMIT}
"""
    (told,) = doubts(text.replace("LIMIT", "500"))
    assert "(3 workers at $0.24/h) costs $525.60 in 730 hours, more than its budget of $500.00" in told
    assert "herder.yaml:8" in told
    assert doubts(text.replace("LIMIT", "526")) == []
    (told,) = doubts(text.replace("permanent: {scope: pool", "burst: {scope: pool").replace("LIMIT", "500"))
    assert "is for pool burst, which is not in these files" in told


def test_limits_below_that_cannot_all_be_used_are_told() -> None:
    (told,) = doubts("budgets: {org: {limit: 5}, a: {limit: 3, parent: org}, b: {limit: 3, parent: org}}")
    assert "The 2 budgets below org have limits of 6 together, and it has 5" in told


@pytest.mark.parametrize(
    ("above", "below", "told"),
    [
        ("limit: 305", "limit: 10, period: day", ""),  # 30.4 days
        ("limit: 300", "limit: 10, period: day", "limits of $304.17 in 730 hours (month), and it has $300.00"),
        ("limit: 1, period: day", "limit: 31, period: month", "limits of $1.02 in 24 hours (day), and it has $1.00"),
        ("limit: 1000, period: year", "limit: 3, period: rolling 24h", "limits of $1,095.00 in 8,760 hours (year)"),
        ("limit: 69, unit: tokens, period: week", "limit: 10, unit: tokens, period: day", "limits of 70 tokens in 168 hours (week), and it has 69 tokens"),
        ("limit: 1, period: once", "limit: 10, period: day", ""),
        ("limit: 1, period: day", "limit: 10, period: once", ""),
        ("limit: null", "limit: 10, period: day", ""),
    ],
)  # fmt: skip
def test_limits_of_other_periods_are_converted(above: str, below: str, told: str) -> None:
    found = doubts(f"budgets: {{org: {{{above}}}, a: {{{below}, parent: org}}}}")
    assert len(found) == bool(told)
    assert all(told in each and "herder.yaml:1" in each for each in found)


def test_minimums_of_several_pools_are_told_at_the_budget_above_them() -> None:
    text = """
pools:
  a: {templates: [{name: t, cpu: 4, memory: 8Gi, price_per_hour: "0.24"}], min_workers: 2, max_workers: 9}
  b: {templates: [{name: t, cpu: 4, memory: 8Gi, price_per_hour: "0.24"}], min_workers: 1, max_workers: 9}
budgets:
  org: {limit: ORG}
  fleet: {limit: null, parent: org}
  a: {scope: pool, parent: fleet, limit: 400}
  b: {scope: pool, parent: fleet, limit: 200}
"""
    (told,) = doubts(text.replace("ORG", "525"))
    assert (
        "The minimums of the pools below org (a, b) cost $525.60 in 730 hours, more than its $525.00" in told
    )
    assert "herder.yaml:6" in told
    assert doubts(text.replace("ORG", "526")) == []


TABLE = Path(__file__).parents[2] / "docs" / "how-to" / "cortex-token-budgets.yaml"
DIVISIONS = ("infrastructure", "containers", "workflows", "configuration", "monitoring", "intelligence")


def test_the_documented_token_table_adds_up() -> None:
    found = read(TABLE.read_text())
    assert doubts(TABLE.read_text()) == []

    def below(name: str) -> int:
        return sum(each.limit or 0 for each in found.values() if each.parent == name)

    assert found["tokens"].limit == below("tokens") == 200_000
    sums = {name: found[name].limit for name in ("divisions", "services", "meta", "emergency-reserve")}
    assert sums == {"divisions": 83_000, "services": 100_000, "meta": 15_000, "emergency-reserve": 2_000}
    assert [below(name) for name in ("divisions", "services", "meta")] == [83_000, 100_000, 15_000]
    for name in DIVISIONS:
        limit = found[name].limit or 0
        parts = [
            found[f"{name}-{part}"].limit
            for part in ("coordination", "contractors", "reporting", "emergency")
        ]
        assert [(part or 0) * 100 // limit for part in parts] == [20, 60, 10, 10]
        assert below(name) == limit
        assert (found[name].borrow, found[name].overage_percent, found[name].approval_percent) == (
            True,
            10,
            15,
        )
    assert below("infrastructure-contractors") == 12_000
    assert found["n8n-contractor"].limit == found["workflows-contractors"].limit == 7_200
    assert (found["contingency"].limit, found["contingency"].parent, found["contingency"].approvers) == (
        10_000, "", ("coo",),
    )  # fmt: skip
    assert found["k8s-cluster-migration"].limit == 14 * 25_000
    assert below("k8s-cluster-migration-daily") == found["k8s-cluster-migration-daily"].limit == 25_000
