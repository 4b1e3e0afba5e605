"""Which disruption budget is in force: the smallest of those that cover the reason now; rounded so that it is right in a pool of 3."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from herder.model.fleet.upkeep import (
    Disruption,
    DisruptionBudget,
    Opening,
    TimeWindow,
    budget_in_force,
)

NIGHT = TimeWindow(cron="0 2 * * *", timezone="Europe/Berlin", duration_s=3600)
OPEN = Opening(window=NIGHT, start_ms=1000, end_ms=2000)


def most(
    *budgets: DisruptionBudget, of: Disruption = Disruption.DRIFTED, workers: int = 10, at: int = 0
) -> int | None:
    found = budget_in_force(budgets, of, workers, (OPEN,), at)
    return None if found is None else found.most


@pytest.mark.parametrize(
    ("percent", "workers", "allowed"),
    [(10, 3, 1), (10, 10, 1), (10, 11, 2), (34, 3, 2), (50, 3, 2), (100, 3, 3), (0, 3, 0), (10, 0, 0)],
)
def test_percentages_are_rounded_up(percent: int, workers: int, allowed: int) -> None:
    assert most(DisruptionBudget(percent=percent), workers=workers) == allowed


def test_a_plain_number_is_one_budget_for_all_but_expiry() -> None:
    for reason in Disruption:
        found = budget_in_force(3, reason, 10, (), 0)
        assert (None if found is None else found.most) == (None if reason is Disruption.EXPIRED else 3)


def test_the_smallest_in_force_counts() -> None:
    assert most(DisruptionBudget(workers=5), DisruptionBudget(percent=20)) == 2
    nightly = (DisruptionBudget(workers=1), DisruptionBudget(workers=0, window=NIGHT))
    assert [most(*nightly, at=at) for at in (999, 1000, 1999, 2000)] == [1, 0, 0, 1]


def test_a_budget_for_other_reasons_does_not_count_and_none_leaves_the_usual_one() -> None:
    only = DisruptionBudget(workers=7, reasons=(Disruption.CONSOLIDATION,))
    assert most(only) == 1
    assert most(only, of=Disruption.CONSOLIDATION) == 7
    assert most(DisruptionBudget(workers=7, window=NIGHT)) == 1


def test_expiry_is_bounded_only_by_name() -> None:
    assert most(DisruptionBudget(workers=0), of=Disruption.EXPIRED) is None
    named = DisruptionBudget(workers=0, reasons=(Disruption.EXPIRED,))
    assert most(named, of=Disruption.EXPIRED) == 0
    timed = DisruptionBudget(workers=0, reasons=(Disruption.EXPIRED,), window=NIGHT)
    assert most(timed, of=Disruption.EXPIRED, at=2000) is None


@given(
    st.lists(
        st.builds(
            DisruptionBudget,
            workers=st.integers(0, 9),
            reasons=st.lists(st.sampled_from(Disruption), max_size=2).map(tuple),
            window=st.sampled_from([None, NIGHT]),
        ),
        min_size=1,
        max_size=4,
    ),
    st.sampled_from(Disruption),
    st.sampled_from([0, 1500]),
)
def test_nothing_above_any_budget_in_force(
    budgets: list[DisruptionBudget], reason: Disruption, at: int
) -> None:
    allowed = most(*budgets, of=reason, at=at)
    for each in budgets:
        if each.covers(reason) and (each.window is None or OPEN.open(at)):
            assert allowed is not None
            assert allowed <= (each.workers or 0)


def test_the_words_name_budget_and_window() -> None:
    found = budget_in_force(
        (DisruptionBudget(percent=10, window=NIGHT),), Disruption.DRIFTED, 30, (OPEN,), 1500
    )
    assert str(found) == "disruption_budget 10%, window '0 2 * * *' (Europe/Berlin)"
    assert found is not None
    assert found.until_ms == 2000
