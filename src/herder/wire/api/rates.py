"""Bodies of the REST API about rates. Prices are US dollars as decimal text; a JSON number is read as the decimal that it is written as."""

from decimal import Decimal
from typing import Annotated, Literal

import msgspec

#: Rates in one request.
RATES_EACH = 10_000
Name = Annotated[str, msgspec.Meta(min_length=1, max_length=64)]


class TierRow(msgspec.Struct, kw_only=True, forbid_unknown_fields=True):
    price: Decimal
    above: int = 0
    """Units of use in a month beyond which this price holds."""


class RateRow(
    msgspec.Struct, kw_only=True, omit_defaults=True, forbid_unknown_fields=True, rename={"from_": "from"}
):
    """A rate to be added: `price`, or `tiers` with the first above 0."""

    card: Name
    """A rate card: internal, external, or a name of your own."""
    resource: Name
    """cpu, memory, gpu, storage.hot, network.egress, tokens.input, …"""
    product: Annotated[str, msgspec.Meta(max_length=200)] = ""
    """A model. Empty: all that have no rate of their own."""
    from_: str = ""
    """The day from which it holds, UTC: 2026-12-01. Empty: today."""
    until: str = ""
    """The day on which the next rate of the list begins. Empty: whenever it does."""
    per: int | None = None
    """Units that the price is for. null: 1,000,000 for tokens, else 1."""
    price: Decimal | None = None
    tiers: Annotated[list[TierRow], msgspec.Meta(max_length=20)] = []
    replaces: Annotated[str, msgspec.Meta(max_length=400)] = ""
    """The id of a rate that is wrong: this one applies instead, from its first day on."""


class RatesAdd(msgspec.Struct, kw_only=True, omit_defaults=True, forbid_unknown_fields=True):
    rates: Annotated[list[RateRow], msgspec.Meta(max_length=RATES_EACH)]
    origin: Annotated[str, msgspec.Meta(max_length=64)] = ""
    """Where the list comes from: litellm, built-in. Empty: from a person."""
    new_cards: bool = True
    """false: refuse a card that has no rates and at which no project pays."""


class TierView(msgspec.Struct, kw_only=True):
    above: int
    price: str
    """US dollars for `per` units."""


class RateView(msgspec.Struct, kw_only=True, rename={"from_": "from"}):
    id: str
    card: str
    resource: str
    product: str
    unit: str
    """What it is a price of: core-hours, GB-months, tokens."""
    from_: str
    until: str | None
    """The day on which the next rate begins. null: it holds until another is added."""
    per: int
    tiers: list[TierView]
    origin: str
    added_at: str
    added_by: str
    replaced_by: str = ""
    """The rate that applies instead of it, from its first day on. Empty: it was not wrong."""


class RateChange(msgspec.Struct, kw_only=True):
    change: Literal["added", "changed", "replaced"]
    rate: RateView
    before: list[TierView]
    """What holds until then, or what was wrong. Empty: nothing."""


class RatesAnswer(msgspec.Struct, kw_only=True):
    """Rates of the request whose price held already are left out."""

    text: str
    changes: list[RateChange]
    dry_run: bool = False
    notes: list[str] = []
    """What a person should know of them: use before their first day that has no price, a card that is new."""
