"""Price lists: the built-in cards are those of their document, markups are exact, a list is compared with what holds, and LiteLLM's map is read whole."""

from __future__ import annotations

import json
from decimal import Decimal
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from herder.ledger.built_in_cards import card
from herder.ledger.lines import UNITS
from herder.ledger.price_lists import (
    Priced,
    PriceError,
    PriceTier,
    changes_of,
    marked_up,
    price_text,
    rate_of,
)
from herder.ledger.price_maps import PriceMap, read_price_map, resource_of
from herder.ledger.rates import Rate, RateList, Subject
from herder.ledger.tokens import above_of, lookups, token_resource
from herder.model.values.money import PICO_PER_USD

DAY = 86_400_000
CPU = Subject("internal", "cpu")


def card_rates(name: str) -> RateList:
    return RateList.of(rate_of(row) for row in card(name, 0))


def dollars(rates: RateList, subject: Subject, quantity: int) -> Fraction:
    rate = rates.at(subject, 5)
    assert rate is not None
    return rate.exact(quantity) / PICO_PER_USD


def test_the_built_in_cards_give_the_amounts_of_their_document() -> None:
    internal, external = card_rates("internal"), card_rates("external")
    hour = UNITS["cpu"].base
    assert dollars(internal, CPU, 8 * hour) == Fraction("0.40")
    assert dollars(external, Subject("external", "cpu"), 8 * hour) == Fraction("0.60")
    sonnet = Subject("external", "tokens.input", "claude-sonnet-4.5")
    assert dollars(external, sonnet, 10**6) == Fraction("3.60")
    assert dollars(external, sonnet._replace(resource="tokens.output"), 10**6) == 18
    assert external.at(Subject("external", "gpu"), 5) is None
    hot = Subject("internal", "storage.hot")
    days = 14 * DAY * 425_800_000_000
    assert round(float(dollars(internal, hot, days)), 2) == 4.57


@pytest.mark.parametrize(
    ("gb", "usd"), [(10_000, "900"), (50_000, "4300"), (150_000, "11300"), (200_000, "13800")]
)
def test_egress_is_graduated(gb: int, usd: str) -> None:
    egress = Subject("internal", "network.egress")
    assert dollars(card_rates("internal"), egress, gb * 10**9) == Fraction(usd)


@given(st.decimals(0, 10**6, places=9), st.decimals(0, 300, places=4))
def test_a_markup_is_exact(price: Decimal, percent: Decimal) -> None:
    raised = Decimal(price_text(marked_up(price, percent)))
    assert Fraction(raised) == Fraction(price) * (1 + Fraction(percent) / 100)


def row(price: str, day: int, until: int | None = None, place: int = 0) -> Priced:
    return Priced(
        subject=CPU, from_ms=day * DAY, per=1, tiers=(PriceTier(0, Decimal(price)),),
        until_ms=None if until is None else until * DAY, place=place,
    )  # fmt: skip


def changes(*rows: Priced, last: Rate | None = None) -> list[tuple[int, bool]]:
    found = changes_of(rows, {} if last is None else {CPU: last})
    return [(change.row.place, change.before is None) for change in found]


def test_what_holds_already_is_no_change() -> None:
    holds = rate_of(row("0.05", 3))
    assert changes(row("0.05", 3), last=holds) == []
    assert changes(row("0.050", 9), last=holds) == []
    assert changes(row("0.06", 9, place=4), last=holds) == [(4, False)]
    both = (row("0.07", 9, place=1), row("0.06", 5, until=9, place=0))
    assert changes(*both, last=holds) == [(0, False), (1, False)]


@pytest.mark.parametrize(
    "rows",
    [
        (row("1", 3),),
        (row("0.06", 2),),
        (row("1", 4), row("2", 4, place=1)),
        (row("1", 4, 9), row("2", 8, place=1)),
    ],
)
def test_what_would_change_the_past_or_overlap_is_refused(rows: tuple[Priced, ...]) -> None:
    with pytest.raises(PriceError):
        changes(*rows, last=rate_of(row("0.05", 3)))


PRICE_MAP = """{
 "sample_spec": {"input_cost_per_token": 0.0, "mode": "one of: chat, embedding"},
 "small-1": {"input_cost_per_token": 8e-07, "output_cost_per_token": 4e-06, "cache_creation_input_token_cost": 1e-06,
   "cache_creation_input_token_cost_above_1hr": 1.6e-06, "cache_read_input_token_cost": 8e-08, "max_input_tokens": 200000},
 "large-2": {"input_cost_per_token": 1.25e-06, "input_cost_per_token_above_200k_tokens": 2.5e-06, "output_cost_per_token": 1e-05,
   "output_cost_per_token_above_200k_tokens": 1.5e-05, "input_cost_per_token_batches": 6.25e-07, "output_cost_per_reasoning_token": 1.2e-05,
   "input_cost_per_audio_token": 1e-06, "input_cost_per_token_above_33k_tokens": 9e-06, "computer_use_input_cost_per_1k_tokens": 0.003},
 "pictures": {"output_cost_per_image": 0.04}
}"""


def read(text: str) -> PriceMap:
    return read_price_map(json.loads(text, parse_float=Decimal), "internal", 0)


def test_a_price_map_gives_every_price_of_tokens_and_names_what_it_does_not_know() -> None:
    found = read(PRICE_MAP)
    prices = {(r.subject.product, r.subject.resource): price_text(r.tiers[0].price) for r in found.rows}
    assert prices == {
        ("small-1", "tokens.input"): "0.8",
        ("small-1", "tokens.output"): "4",
        ("small-1", "tokens.cache_write_5m"): "1",
        ("small-1", "tokens.cache_write_1h"): "1.6",
        ("small-1", "tokens.cache_read"): "0.08",
        ("large-2", "tokens.input"): "1.25",
        ("large-2", "tokens.input.above_200k"): "2.5",
        ("large-2", "tokens.output"): "10",
        ("large-2", "tokens.output.above_200k"): "15",
        ("large-2", "tokens.input.batches"): "0.625",
        ("large-2", "tokens.reasoning"): "12",
        ("large-2", "tokens.audio_input"): "1",
    }
    assert found.unread == ["large-2: input_cost_per_token_above_33k_tokens"]
    assert found.models == 2


@pytest.mark.parametrize("price", ["-1e-6", '"free"', "true", "NaN", "[1]"])
def test_a_price_that_is_none_is_refused_with_its_model(price: str) -> None:
    with pytest.raises(PriceError, match=r"small-1: input_cost_per_token"):
        read(f'{{"small-1": {{"input_cost_per_token": {price}}}}}')


@given(st.integers(0, 10**7))
def test_the_dearest_tier_of_a_prompt_holds_for_the_whole_request(prompt: int) -> None:
    """A model with a bound that is passed costs its upper price; one without costs what it always does."""
    rates = RateList.of(rate_of(each) for each in read(PRICE_MAP).rows)
    resource = token_resource("output", "", above_of(prompt))
    assert dollars(rates, Subject("internal", resource, "large-2"), 10**6) == (15 if prompt > 200_000 else 10)
    assert dollars(rates, Subject("internal", resource, "small-1"), 10**6) == 4


def test_reasoning_costs_what_output_costs_where_it_has_no_price_and_a_tier_never_what_another_costs() -> (
    None
):
    rates = RateList.of(rate_of(each) for each in read(PRICE_MAP).rows)
    assert dollars(rates, Subject("internal", "tokens.reasoning", "small-1"), 10**6) == 4
    assert dollars(rates, Subject("internal", "tokens.reasoning.above_272k", "large-2"), 10**6) == 12
    assert rates.at(Subject("internal", "tokens.output.batches", "large-2"), 5) is None
    assert lookups("cpu") == ("cpu",)
    assert resource_of("cache_read_input_audio_token_cost_flex") == "tokens.audio_cache_read.flex"
