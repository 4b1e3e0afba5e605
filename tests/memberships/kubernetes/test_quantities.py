"""Kubernetes quantities are read exactly, and rounded to our units on the safe side."""

from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from herder.memberships.kubernetes.quantities import (
    NANO,
    QuantityError,
    nano,
    rounded_down,
    rounded_up,
)
from herder.model.values.resources import Unit

_FACTORS = {
    "n": Fraction(1, 10**9), "u": Fraction(1, 10**6), "m": Fraction(1, 1000), "": Fraction(1), "k": Fraction(10**3),
    "M": Fraction(10**6), "G": Fraction(10**9), "T": Fraction(10**12), "P": Fraction(10**15), "E": Fraction(10**18),
    "Ki": Fraction(2**10), "Mi": Fraction(2**20), "Gi": Fraction(2**30), "Ti": Fraction(2**40), "Pi": Fraction(2**50),
    "Ei": Fraction(2**60), "e3": Fraction(1000), "E3": Fraction(1000), "e-2": Fraction(1, 100), "E+1": Fraction(10),
}  # fmt: skip


@pytest.mark.parametrize(
    ("text", "unit", "amount"),
    [
        ("500m", Unit.MILLI, 500),
        ("2", Unit.MILLI, 2000),
        ("0.1", Unit.MILLI, 100),
        (".5", Unit.MILLI, 500),
        ("1.", Unit.MILLI, 1000),
        ("1500u", Unit.MILLI, 2),
        ("1n", Unit.MILLI, 1),
        ("0.1n", Unit.MILLI, 1),
        ("1Gi", Unit.MIB, 1024),
        ("1G", Unit.MIB, 954),
        ("1000001", Unit.MIB, 1),
        ("0.5Ki", Unit.MIB, 1),
        ("1e9", Unit.MIB, 954),
        ("1E", Unit.MIB, 953_674_316_407),
        ("128974848", Unit.MIB, 123),
        ("2", Unit.COUNT, 2),
        ("1500m", Unit.COUNT, 2),
    ],
)
def test_a_request_is_rounded_up(text: str, unit: Unit, amount: int) -> None:
    assert rounded_up(nano(text), unit) == amount


@pytest.mark.parametrize(
    "text",
    ["", "m", "1 Gi", "1gi", "1ki", "x", "1e", "1_0", "１", "--1", "1e999", "1e31", "1" * 65, "1.2.3", "0x1"],
)
def test_what_is_no_quantity_is_refused(text: str) -> None:
    with pytest.raises(QuantityError):
        nano(text)


def test_a_request_below_zero_or_beyond_all_bounds_is_refused_and_a_capacity_cut() -> None:
    with pytest.raises(QuantityError):
        rounded_up(nano("-1"), Unit.MILLI)
    with pytest.raises(QuantityError):
        rounded_up(nano("9E"), Unit.COUNT)
    assert rounded_down(nano("-1"), Unit.MILLI) == 0
    assert rounded_down(nano("1999u"), Unit.MILLI) == 1


@given(st.integers(0, 10**15), st.integers(0, 6), st.sampled_from(sorted(_FACTORS)))
def test_it_is_the_exact_number_rounded_up_to_thousand_millionths(
    digits: int, places: int, suffix: str
) -> None:
    text = f"{digits / 1:.0f}" if places == 0 else f"{digits // 10**places}.{digits % 10**places:0{places}d}"
    exact = Fraction(text) * _FACTORS[suffix] * NANO
    assert nano(text + suffix) == -(-exact.numerator // exact.denominator)
    if exact / NANO <= 10**12:
        milli = rounded_up(nano(text + suffix), Unit.COUNT)
        assert milli >= exact / NANO > milli - 1
