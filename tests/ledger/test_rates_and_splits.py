"""Rates and splits: exact over slices, tiers and changes of price; nothing is lost when an amount is split."""

from __future__ import annotations

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from herder.ledger.rates import Piece, Rate, RateError, RateList, Subject, Tier, portion
from herder.ledger.splits import split

CPU = Subject("internal", "cpu")
amounts = st.fractions(min_value=0, max_value=10**6, max_denominator=10**9)
quantities = st.integers(min_value=0, max_value=10**15)


def rate(name: str, from_ms: int, *tiers: tuple[int, Fraction], subject: Subject = CPU) -> Rate:
    found = tiers or ((0, Fraction(1)),)
    return Rate(id=name, subject=subject, from_ms=from_ms, tiers=tuple(Tier(*each) for each in found))


@given(amounts, st.lists(quantities, min_size=1, max_size=8))
def test_slices_sum_to_the_whole(amount: Fraction, cuts: list[int]) -> None:
    one, stops = rate("r", 0, (0, amount)), sorted(cuts)
    slices = [one.booked(before, after) for before, after in zip([0, *stops], stops, strict=False)]
    assert sum(slices) == one.booked(0, stops[-1]) == round(amount * stops[-1])


@given(st.lists(amounts, min_size=1, max_size=4), quantities, quantities)
def test_more_never_costs_less_and_tiers_are_continuous(prices: list[Fraction], low: int, more: int) -> None:
    bounds = [number * 10**12 for number in range(len(prices))]
    one = rate("r", 0, *zip(bounds, prices, strict=True))
    assert one.exact(low + more) >= one.exact(low)
    for bound in bounds[1:]:
        assert one.exact(bound) - one.exact(bound - 1) == prices[bounds.index(bound) - 1]


def test_the_tiers_of_egress() -> None:
    """Cortex: 10 TB at 0.09, 40 at 0.085, 100 at 0.07, then 0.05 dollars a GB."""
    tb, pico = 10**12, 10**12
    egress = rate(
        "e", 0,
        *((above * tb, Fraction(price * pico, 10**9 * 1000)) for above, price in ((0, 90), (10, 85), (50, 70), (150, 50))),
    )  # fmt: skip
    dollars = {size: egress.exact(size * tb) / pico for size in (1, 10, 50, 150, 200)}
    assert dollars == {1: 90, 10: 900, 50: 4_300, 150: 11_300, 200: 13_800}


def test_a_price_holds_until_the_next_and_changes_nothing_before_it() -> None:
    rates = RateList.of([rate("a", 0), rate("b", 100, (0, Fraction(2)))])
    assert [(each.rate and each.rate.id, each.from_ms, each.to_ms) for each in rates.pieces(CPU, 50, 150)] == [
        ("a", 50, 100), ("b", 100, 150),
    ]  # fmt: skip
    assert next(iter(rates.pieces(CPU, -10, 5))) == Piece(None, -10, 0)
    with pytest.raises(RateError, match="let it begin later"):
        rates.append(rate("c", 100))
    with pytest.raises(RateError, match="another id"):
        rates.append(rate("a", 200))


def test_a_product_has_its_own_rate_or_that_of_any() -> None:
    opus = CPU._replace(product="opus")
    rates = RateList.of([rate("any", 0), rate("own", 50, (0, Fraction(9)), subject=opus)])
    assert [each.rate and each.rate.id for each in rates.pieces(opus, 0, 100)] == ["any", "own"]
    assert [each.rate and each.rate.id for each in rates.pieces(CPU, 0, 100)] == ["any"]
    assert rates.at(Subject("external", "cpu"), 0) is None


@pytest.mark.parametrize(
    ("tiers", "words"),
    [
        (((5, Fraction(1)),), "begin its tiers at 0"),
        (((0, Fraction(1)), (0, Fraction(2))), "the smallest first"),
        (((0, Fraction(-1)),), "0 or more"),
    ],
)
def test_a_rate_that_makes_no_sense_is_refused(tiers: tuple[tuple[int, Fraction], ...], words: str) -> None:
    with pytest.raises(RateError, match=words):
        rate("r", 0, *tiers)


@given(quantities, st.integers(1, 10**9), st.lists(st.integers(0, 10**9), max_size=6))
def test_portions_grow_to_the_whole(quantity: int, length: int, times: list[int]) -> None:
    parts = [portion(quantity, 0, length, at) for at in sorted(times)]
    assert parts == sorted(parts)
    assert portion(quantity, 0, length, length) == quantity
    assert portion(quantity, 0, length, 0) == 0


@given(
    st.integers(-(10**18), 10**18),
    st.dictionaries(st.text(min_size=1, max_size=4), st.integers(0, 10**12), max_size=8),
)
def test_shares_sum_to_the_whole_and_depend_on_no_order(whole: int, weights: dict[str, int]) -> None:
    shares = split(whole, weights)
    total = sum(weights.values())
    if total == 0:
        assert shares == {}
        return
    assert sum(shares.values()) == whole
    assert split(whole, dict(reversed(weights.items()))) == shares
    for key, weight in weights.items():
        assert abs(shares[key] - Fraction(whole * weight, total)) < 1
        assert weight or shares[key] == 0


def test_a_negative_weight_is_refused() -> None:
    with pytest.raises(ValueError, match="negative"):
        split(10, {"a": -1, "b": 2})
