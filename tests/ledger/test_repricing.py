"""Rates that are added later: nothing before their day changes, and what was booked with the corrections is what the use costs at all of them."""

from __future__ import annotations

from collections import defaultdict
from decimal import Decimal
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from herder.ledger.lines import Line
from herder.ledger.months import begin_of
from herder.ledger.price_lists import Priced, PriceTier, changes_of, rate_of
from herder.ledger.pricing import Month, Payers, Project, amounts_of, corrections_of, lines_of
from herder.ledger.quantities import DAY_MS, MeteredDay
from herder.ledger.rates import Rate, RateList, Subject

BEGIN = begin_of("2026-10")
RESOURCES = ("tokens.input", "tokens.input.above_272k", "tokens.reasoning", "network.egress")
PAYERS = Payers({"alpha": Project("research", "external")})

days = st.builds(
    lambda day, resource, project, quantity: MeteredDay(
        BEGIN + day * DAY_MS, "2026-10", "s", resource, "m", "", project, "ann", quantity
    ),
    st.integers(0, 30), st.sampled_from(RESOURCES), st.sampled_from(("alpha", "beta")), st.integers(1, 10**14),
)  # fmt: skip


@st.composite
def rate_lists(draw: st.DrawFn) -> list[Rate]:
    """As they were added: of each subject the later ones begin later."""
    found = []
    for card in ("internal", "external"):
        for resource in ("tokens.input", "tokens.input.above_200k", "tokens.output", "network.egress"):
            subject = Subject(card, resource, draw(st.sampled_from(("", "m"))))
            for day in sorted(draw(st.sets(st.integers(-3, 33), max_size=3))):
                price = draw(st.decimals(0, 100, places=6))
                tiers = [PriceTier(0, price), PriceTier(10_000, price / 2)] if resource == "network.egress" else [PriceTier(0, price)]  # fmt: skip
                row = Priced(subject=subject, from_ms=BEGIN + day * DAY_MS, per=1_000, tiers=tuple(tiers))
                found.append(rate_of(row))
    return found


def priced(use: Month, rates: list[Rate]) -> list[Line]:
    return lines_of("2026-10", use, RateList.of(rates), PAYERS)


def sums(lines: list[Line]) -> dict[tuple[object, ...], tuple[int, int]]:
    """Quantity and amount by all of a line but its month; those that cancel out are left out."""
    found: dict[tuple[object, ...], tuple[int, int]] = defaultdict(lambda: (0, 0))
    for line in lines:
        key = (line.day_ms, *line[3:9], line.rate)
        quantity, pico = found[key]
        found[key] = (quantity + line.quantity, pico + (line.pico or 0))
    return {key: each for key, each in found.items() if each != (0, 0)}


@given(st.lists(days, max_size=8), rate_lists(), st.integers(0, 24))
def test_what_was_booked_and_the_corrections_are_what_all_rates_give(
    rows: list[MeteredDay], rates: list[Rate], known: int
) -> None:
    use = Month()
    for row in rows:
        use.add(row)
    before = priced(use, rates[:known])
    after = priced(use, rates)
    deltas = corrections_of(
        "2026-11",
        "2026-10",
        amounts_of(use, RateList.of(rates[:known]), PAYERS),
        amounts_of(use, RateList.of(rates), PAYERS),
    )
    assert sums([*before, *deltas]) == sums(after)
    assert all(line.corrects == "2026-10" for line in deltas)
    first = min((rate.from_ms for rate in rates[known:]), default=BEGIN + 99 * DAY_MS)
    assert [line for line in before if line.day_ms < first] == [line for line in after if line.day_ms < first]


@given(st.lists(st.tuples(st.integers(1, 60), st.integers(0, 5)), min_size=1, max_size=10))
def test_a_list_that_is_added_again_and_again_leaves_one_price_a_day(steps: list[tuple[int, int]]) -> None:
    """Prices of a daily import: what is in force on each day is what the list of that day said, and no row repeats the one before."""
    subject = Subject("internal", "cpu")
    rates: list[Rate] = []
    said: dict[int, int] = {}
    for day, price in sorted(dict(steps).items()):
        row = Priced(subject=subject, from_ms=day * DAY_MS, per=1, tiers=(PriceTier(0, Decimal(price)),))
        last = {subject: rates[-1]} if rates else {}
        rates += [change.rate for change in changes_of([row], last)]
        said[day] = price
    listed = RateList.of(rates)
    for day, price in said.items():
        found = listed.at(subject, day * DAY_MS)
        assert found is not None
        assert found.tiers == rate_of(Priced(subject=subject, from_ms=0, per=1, tiers=(PriceTier(0, Decimal(price)),))).tiers  # fmt: skip
    assert all(one.tiers != other.tiers for one, other in pairwise(rates))
