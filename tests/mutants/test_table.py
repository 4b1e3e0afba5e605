"""The table of mutants is whole: each name that it replaces exists, each rule of the simulated world is exercised, and nothing stays
replaced. Some mutants are looked for here; `make mutants` looks for all.
"""

import pytest

from herder.simulate.chaos.rules.action_rules import END, NOT_STARTED, WITHIN_THROTTLE
from herder.simulate.chaos.rules.violation import RULES
from herder.store.opening import leadership
from tests.mutants.hunt import hunt
from tests.mutants.mutant import Mutant, Replaced, without_guard
from tests.mutants.table import MUTANTS

#: Noticed within a second of CPU.
QUICK = (
    "epoch of the leader",
    "attempts told until they are confirmed",
    "removal over when the driver says so",
    "Jobs go with their worker",
    "Secrets go with their Job",
    "no second pod",
)

#: Noticed by `tests/simulation/test_action_rules.py`: worlds of a seed have no jobs of low priority that an alert could keep back.
IN_A_STORY = frozenset({NOT_STARTED, WITHIN_THROTTLE, END})


def _named(guard: str) -> Mutant:
    return next(each for each in MUTANTS if each.guard == guard)


@pytest.mark.parametrize("mutant", MUTANTS, ids=lambda each: each.guard)
def test_each_guard_has_its_name(mutant: Mutant) -> None:
    for each in mutant.replaced:
        owner, name = each.target()
        assert name in vars(owner)


def test_each_mutant_says_what_it_removes_and_who_notices() -> None:
    assert len({each.guard for each in MUTANTS}) == len(MUTANTS)
    for each in MUTANTS:
        assert each.removes[0].isupper()
        assert each.removes.endswith(".")
        assert each.rules
        assert set(each.rules) <= RULES


def test_each_rule_is_exercised() -> None:
    assert {rule for each in MUTANTS for rule in each.rules} | IN_A_STORY == RULES


def test_a_guard_that_is_gone_is_named() -> None:
    for name, what in (
        ("herder.nowhere:begin", "there is no module herder.nowhere"),
        ("herder.store.opening.leadership:Nobody.leads", "has no Nobody"),
        ("herder.store.opening.leadership:no_such_guard", "has no no_such_guard"),
    ):
        with pytest.raises(LookupError, match=what):
            Replaced(name=name, by=lambda before: before).target()


def test_a_guard_is_replaced_wherever_it_was_imported_and_put_back() -> None:
    from herder.simulate.chaos.ports import store

    before = leadership.begin
    assert store.begin is before
    with without_guard(_named("epoch of the leader")):
        assert leadership.begin is not before
        assert store.begin is leadership.begin
    assert leadership.begin is before
    assert store.begin is before


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("guard", QUICK)
def test_the_world_notices_that_a_guard_is_gone(guard: str) -> None:
    caught = hunt(_named(guard), cpu_s_most=60.0)
    assert caught.rule in _named(guard).rules, caught
