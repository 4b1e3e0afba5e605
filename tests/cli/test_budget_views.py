"""Budgets and alerts as people read them: columns that add up, and small amounts that are not shown as nothing."""

from __future__ import annotations

from typing import Any

import pytest

from herder.cli.views.alerts import details
from herder.cli.views.budgets import BUDGETS, MOVES, TRANSFERS, budget, exact, shown
from herder.wire.api.alerts import AlertView
from herder.wire.api.budgets import BudgetView


def view(**other: Any) -> BudgetView:
    plain: dict[str, Any] = {
        "name": "local", "scope": "pool", "of": "local", "parent": "", "unit": "usd", "priority": "normal",
        "period": "day", "timezone": "UTC", "limit": "0.04", "most": "0.04", "spent": "0.0075", "used": "0.02",
        "reserved": "0.03", "left": "0.0025", "grantable": "0.0025", "leases": 1,
    }  # fmt: skip
    return BudgetView(**{**plain, **other})


def test_spent_reserved_and_left_add_up_to_the_limit() -> None:
    row = {each.header: each.show(view(), 0) for each in BUDGETS.columns if not each.wide}
    assert (row["LIMIT"], row["SPENT"], row["RESERVED"], row["LEFT"]) == (
        "$0.04",
        "$0.0075",
        "$0.03",
        "$0.0025",
    )
    assert row["FOR"] == "pool local"
    assert next(each for each in BUDGETS.columns if each.header == "FOR").drop == 0, (
        "it is shown at 80 columns"
    )
    rows = dict(budget(view(approvers=["coo"])).rows)
    assert rows["Reserved"] == "$0.03 by 1 lease, of which $0.0125 is used"
    assert rows["Approvers"] == "coo"
    assert dict(budget(view()).rows)["Approvers"] == "operators"


def test_a_budget_without_leases_waits_for_none() -> None:
    said = dict(budget(view(state="deleting", leases=0, gone_at="2026-11-29T05:43:47Z")).rows)["Status"]
    assert said == "deleting: limits nothing now, is gone in a few seconds"


@pytest.mark.parametrize(
    ("amount", "words"),
    [
        ("0", "$0.00"),
        ("0.0006", "$0.0006"),
        ("0.000001", "<$0.0001"),
        ("0.5", "$0.50"),
        ("1234.567", "$1,234.57"),
        ("-0.0006", "-$0.0006"),
        (None, "-"),
    ],
)
def test_small_amounts_are_not_nothing(amount: str | None, words: str) -> None:
    assert shown(amount, "usd") == words


def test_what_was_asked_for_is_exact() -> None:
    assert [exact(each, "usd") for each in ("1.005", "50", "1234.5")] == ["$1.005", "$50.00", "$1,234.50"]
    assert exact("200000", "tokens") == "200,000"
    headers = [each.header for each in TRANSFERS.columns]
    assert "ASKED ON" in headers
    assert "DECIDED BY" in headers
    assert [each.header for each in MOVES.columns] == [
        "NUMBER",
        "KIND",
        "STATUS",
        "FROM",
        "TO",
        "AMOUNT",
        "REPAID",
    ]


def test_an_alert_says_who_was_sent_nothing_and_has_amounts_like_everything_else() -> None:
    alert = AlertView(
        id="alert-1", policy="token-budget-warning", subject="budget/labs", level="emergency", state="active",
        text="T.", unit="tokens", used="200000", threshold="200000", limit="200000", used_percent=100.0,
        projected="250000", overage="50000", left_s=60, next_threshold_s=None, period_from="a", period_to="b",
        raised_at="c", notified=["division_gm", "coo"], without_channel=["division_gm"], notified_at=None,
        acknowledged_by="", acknowledged_at=None, resolved_at=None, resolved_because="", actions=[], advice=[],
    )  # fmt: skip
    rows = dict(details(alert).rows)
    assert rows["Notified"] == "division_gm (has no channel), coo"
    assert rows["Threshold"] == "200,000 tokens"
    assert rows["At its end"] == "250,000 tokens, 50,000 tokens above the limit"
