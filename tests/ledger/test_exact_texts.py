"""Amounts of any size are shown exactly, and what others send cannot make a sentence long."""

from decimal import Decimal, localcontext
from fractions import Fraction

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from herder.control.alerts.texts import amount_text, decimal_text
from herder.ledger.token_reports import ModelRequest, ReportError, of_spend_row, resources_of
from herder.model.values import decimals
from herder.model.values.money import PICO_PER_USD, format_usd, parse_usd, usd_text

amounts = st.integers(-(10**60), 10**60) | st.integers(-(10**13), 10**13)


@given(amounts)
@example(10**40 + 1)
@example(-(10**40) - 1)
def test_an_amount_for_machines_is_exact(pico: int) -> None:
    text = usd_text(pico)
    assert Fraction(text) == Fraction(pico, PICO_PER_USD)
    assert not ("." in text and text.endswith(("0", ".")))
    assert pico < 0 or parse_usd(text) == pico


@given(st.integers(-(10**20), 10**20), st.integers(0, 6))
def test_ordinary_amounts_are_rounded_and_the_sign_is_first(pico: int, places: int) -> None:
    exact = Decimal(pico) / PICO_PER_USD
    assert usd_text(pico) == format(exact.normalize(), "f")
    shown = exact.copy_abs().quantize(Decimal(1).scaleb(-places))
    assert format_usd(pico, places) == f"{'-' if pico < 0 else ''}${shown:,}"


@given(amounts, st.integers(1, 10**20), st.integers(1, 9))
def test_a_rounded_amount_is_the_nearest(amount: int, base: int, places: int) -> None:
    with localcontext(prec=200):
        nearest = round(Fraction(amount, base) * 10**places)
        assert Fraction(decimals.decimal_text(amount, base, places)) == Fraction(nearest, 10**places)
        shown = decimals.fixed_text(amount, base, places).replace(",", "")
        assert Fraction(shown) == Fraction(nearest, 10**places)


@pytest.mark.parametrize(
    ("resource", "machine", "person"),
    [
        ("tokens", "1" + "0" * 30, "1" + ",000" * 10 + " tokens"),
        ("usd", "1" + "0" * 18, "$1" + ",000" * 6 + ".00"),
    ],
)
def test_an_alert_of_very_large_use_has_its_text(resource: str, machine: str, person: str) -> None:
    assert (decimal_text(10**30, resource), amount_text(10**30, resource)) == (machine, person)


def test_a_row_that_is_nested_too_deeply_is_refused() -> None:
    row = {"request_id": "a", "prompt_tokens": 1, "metadata": "[" * 100_000}
    with pytest.raises(ReportError, match="is not JSON"):
        of_spend_row(row)


def test_a_count_of_thousands_of_digits_is_not_repeated() -> None:
    count = 10**4200
    with pytest.raises(ReportError) as refused:
        resources_of(ModelRequest(id="a", time="", model="m", tokens={"input": count}))
    assert len(str(refused.value)) < 100
    with pytest.raises(ReportError) as refused:
        of_spend_row(
            {
                "request_id": "a",
                "prompt_tokens": 1,
                "metadata": {"usage_object": {"cache_read_input_tokens": count}},
            }
        )
    assert len(str(refused.value)) < 120
