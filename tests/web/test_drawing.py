"""Coordinates of charts: nothing is drawn outside the box, sums are kept, and what is unknown is not drawn."""

from __future__ import annotations

from datetime import date, timedelta
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from herder.web.drawing import COLUMNS_MAX, HEIGHT, WIDTH, budget_chart, day_chart, nice_top
from herder.wire.api.budgets import BudgetForecast, SpendEstimate

FIRST = date(2026, 1, 1)


@given(
    st.integers(1, 800),
    st.dictionaries(st.integers(0, 799), st.decimals(-5, 10**6, places=4), max_size=30),
    st.dictionaries(st.integers(0, 799), st.decimals(0, 10**6, places=4), max_size=30),
)
def test_columns_keep_the_sums_and_stay_within_the_box(
    days: int, work: dict[int, Decimal], idle: dict[int, Decimal]
) -> None:
    def named(amounts: dict[int, Decimal]) -> dict[str, Decimal]:
        return {(FIRST + timedelta(days=n)).isoformat(): amount for n, amount in amounts.items() if n < days}

    last = (FIRST + timedelta(days=days - 1)).isoformat()
    chart = day_chart(FIRST.isoformat(), last, named(work), named(idle))
    assert len(chart.columns) <= COLUMNS_MAX
    assert chart.columns[-1].last == last
    assert sum(each.work for each in chart.columns) == sum(named(work).values())
    assert sum(each.unallocated for each in chart.columns) == sum(named(idle).values())
    for each in chart.columns:
        assert each.above_y >= -0.01
        assert each.work_y + each.work_height == pytest.approx(HEIGHT, abs=0.05)
        assert each.x >= 0
        assert each.x + each.width <= WIDTH + 0.05


@pytest.mark.parametrize(
    ("most", "top"), [("0", "1"), ("0.03", "0.04"), ("7", "8"), ("100", "100"), ("101", "200"), ("-3", "1")]
)
def test_the_top_of_a_scale_is_a_round_number(most: str, top: str) -> None:
    assert nice_top(Decimal(most)) == Decimal(top)


def forecast(**settings: object) -> BudgetForecast:
    plain: dict[str, object] = {
        "name": "labs", "unit": "usd", "at": "2026-11-11T00:00:00.000Z", "limit": "100", "most": "110", "used": "50",
        "period_start": "2026-11-01T00:00:00.000Z", "period_end": "2026-12-01T00:00:00.000Z",
        "at_period_end": SpendEstimate(mean="150", p10="120", p90="180"), "horizon_days": 30, "in_horizon": None,
        "outlook": "used_up", "used_up_on": None, "used_up_earliest": None, "learned_days": 20, "unpriced": [], "text": "",
        "by_day": {"2026-11-01": "20", "2026-11-05": "30"}, "thresholds": [50, 100],
    }  # fmt: skip
    return BudgetForecast(**{**plain, **settings})  # type: ignore[arg-type]


def test_a_budget_rises_to_what_is_used_and_is_expected_to_go_on() -> None:
    chart = budget_chart(forecast())
    assert chart.top == 200
    assert chart.used == "0,240 33.3,216 166.7,180 333.3,180"
    assert chart.mean == "333.3,180 1000,60"
    assert chart.band == "333.3,180 1000,24 1000,96"
    assert chart.limit is not None
    assert chart.limit.y == 120
    assert [(each.words, each.y) for each in chart.thresholds] == [("50 %", 180)]
    assert (chart.first, chart.last) == ("2026-11-01", "2026-12-01")


def test_what_the_budget_did_not_count_is_not_drawn() -> None:
    chart = budget_chart(forecast(used="10"))
    assert chart.used == "0,240 33.3,240 166.7,228 333.3,228"


def test_what_is_unknown_is_not_drawn() -> None:
    chart = budget_chart(
        forecast(at_period_end=None, limit=None, by_day={}, period_start=None, period_end=None, used="0")
    )
    assert (chart.mean, chart.band, chart.limit, chart.thresholds) == ("", "", None, [])
    assert chart.used == "0,240 0,240"
