"""The figures of Cortex' documents on costs: each is computed again, and the page says what is right."""

from __future__ import annotations

from fractions import Fraction
from pathlib import Path

import pytest

from herder.ledger.lines import unit_of
from herder.ledger.rates import Rate, Subject, Tier
from tests.ledger.seed_examples import CARD, EXAMPLES, Example, cost, split
from tests.ledger.seed_examples import usd as pico

PAGE = Path(__file__).parents[2] / "docs" / "how-to" / "costs-of-cortex.md"


def rows(heading: str) -> list[list[str]]:
    part = PAGE.read_text().split(f"## {heading}\n")[1].split("\n## ")[0]
    lines = [line for line in part.splitlines() if line.startswith("|")][2:]
    return [[cell.strip() for cell in line.strip("|").split("|")] for line in lines]


def test_the_page_has_what_differs_with_the_right_figure_and_a_reason() -> None:
    wrong = [[each.place, each.said, right] for each in EXAMPLES if (right := each.right()) != each.said]
    table = rows("Figures that differ")
    assert [row[:3] for row in table] == wrong
    assert all(row[3].endswith(".") for row in table)


def test_the_page_has_what_is_right() -> None:
    agree = [[each.place, each.said] for each in EXAMPLES if each.right() == each.said]
    assert rows("Figures that are right") == agree


@pytest.mark.parametrize(
    ("place", "right"),
    [
        ("tokens of cortex-prime on 2025-12-09", "$2.84925"),
        ("saving of 45,000 tokens read from the cache", "$0.1215"),
        ("inventory-master from 8 to 4 GB, a month", "$14.40"),
        ("showback of containers: tokens", "$3.02"),
        ("November by division", "$1,462.30"),
        ("November by activity", "$1,754.51"),
        ("its drivers of change", "$62.52"),
        ("18,500 tokens for 125 tasks", "$0.1443"),
        ("quarters of 2026", "$22,500.00"),
        ("return on $21,340", "3,212 %"),
        ("the budget of tokens a day", "200,000"),
        ("template large, by the rate card", "$0.96"),
        ("template gpu-nvidia, by the rate card", "$1.06"),
    ],
)
def test_figures_that_were_computed_by_hand(place: str, right: str) -> None:
    (found,) = (each for each in EXAMPLES if each.place == place)
    assert isinstance(found, Example)
    assert found.right() == right


def test_methods_of_allocation() -> None:
    whole = pico("100")
    by_use = split(whole, {"containers": 50, "monitoring": 30, "workflows": 20})
    assert by_use == {"containers": pico("50"), "monitoring": pico("30"), "workflows": pico("20")}
    equal = split(whole, dict.fromkeys(("containers", "monitoring", "workflows"), 1))
    assert sum(equal.values()) == whole
    assert max(equal.values()) - min(equal.values()) == 1
    tiers = [(0, "1"), (10_000, "0.85"), (50_000, "0.70")]
    graduated = Rate(
        id="tiered", subject=Subject("internal", "tokens.input"), from_ms=0,
        tiers=tuple(Tier(above, Fraction(pico(price))) for above, price in tiers),
    )  # fmt: skip
    assert graduated.booked(0, 60_000) == pico("51000"), "10,000 at 1.0, 40,000 at 0.85, 10,000 at 0.70"
    assert graduated.booked(0, 60_000) == graduated.booked(0, 11_000) + graduated.booked(11_000, 60_000)


def test_tiers_of_egress() -> None:
    unit = unit_of("network.egress")
    assert unit is not None
    terabyte = 1_000 * unit.base
    prices = ((0, "0.09"), (10, "0.085"), (50, "0.07"), (150, "0.05"))
    tiers = tuple(Tier(above * terabyte, Fraction(pico(price), unit.base)) for above, price in prices)
    rate = Rate(id="egress", subject=Subject("internal", "network.egress"), from_ms=0, tiers=tiers)
    assert rate.booked(0, 200 * terabyte) == pico("13800"), "900 + 3,400 + 7,000 + 2,500"
    assert rate.booked(0, 10 * terabyte) == cost("network.egress", 10_000) == pico("900")


def test_the_card_has_each_documented_rate() -> None:
    assert CARD.at(Subject("internal", "gpu"), 0) is not None
    assert cost("gpu", 1) == pico("0.50")
    assert cost("network.intra", 145) == 0
