"""Which lines a budget pays."""

from herder.ledger.budgets.accounts import accounts_of, paid
from herder.ledger.budgets.spec import BudgetSpec, Scope, Unit
from herder.ledger.lines import COST, Kind
from tests.reports.some_lines import ANN, BOB, CY, DAY_MS, NOVEMBER, USD, charge, machine

SPECS = {
    each.name: each
    for each in (
        BudgetSpec(name="all", scope=Scope.ORGANISATION, of="acme"),
        BudgetSpec(name="tree"),
        BudgetSpec(name="research", scope=Scope.DIVISION, parent="tree"),
        BudgetSpec(name="ann", scope=Scope.USER, parent="research"),
        BudgetSpec(name="gamma", scope=Scope.PROJECT, parent="tree"),
        BudgetSpec(name="burst", scope=Scope.POOL),
        BudgetSpec(name="party", scope=Scope.EVENT),
        BudgetSpec(name="words", scope=Scope.USER, of="cy", unit=Unit.TOKENS),
    )
}
LINES = [
    machine(Kind.WORKLOAD, 3 * USD, ANN),
    machine(Kind.IDLE, 5 * USD, day=2),
    charge(COST, "tokens.input", 400, USD, CY, day=2),
    charge(COST, "tokens.output", 7, None, CY, day=2),
    charge(COST, "network.egress", 9, 2 * USD, BOB, day=2),
]
FIRST, SECOND = NOVEMBER, NOVEMBER + DAY_MS


def test_what_each_budget_pays() -> None:
    found = paid(SPECS, SPECS, LINES)
    assert {name: each.by_day for name, each in found.items()} == {
        "all": {FIRST: 3 * USD, SECOND: 8 * USD},
        "tree": {FIRST: 3 * USD, SECOND: 3 * USD},
        "research": {FIRST: 3 * USD, SECOND: 2 * USD},
        "ann": {FIRST: 3 * USD},
        "gamma": {SECOND: USD},
        "burst": {FIRST: 3 * USD, SECOND: 5 * USD},
        "party": {},
        "words": {SECOND: 407},
    }


def test_use_without_a_price_is_named_and_is_no_gap_in_tokens() -> None:
    found = paid(SPECS, SPECS, LINES)
    assert {name for name, each in found.items() if each.unpriced == {"tokens.output"}} == {
        "all",
        "tree",
        "gamma",
    }
    assert not found["words"].unpriced


def test_events_are_only_names() -> None:
    assert not accounts_of("party", SPECS)
    assert len(accounts_of("tree", SPECS)) == 3
