"""Prices of models in the form of LiteLLM's price map: a mapping by model of `…_cost_per_token` and `…_token_cost`, US dollars for one token. Pure.

A price for prompts above a size holds for the whole request; one for a tier of service holds for requests of that tier (`ledger/tokens.py`).
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any

from herder.ledger.price_lists import TOKENS_PER, Priced, PriceError, PriceTier, times
from herder.ledger.rates import Subject
from herder.ledger.tokens import PROMPT_BOUNDS, TIERS, token_resource

#: Describes the form of an entry.
_SPECIMEN = "sample_spec"
_TAIL = r"(?:_above_(?P<hours>\d+)hr)?(?:_above_(?P<above>\d+)k_tokens)?(?:_(?P<tier>[a-z]+))?"
_PLAIN = re.compile(rf"(?P<way>input|output)_cost_per_(?:(?P<what>[a-z]+)_)?token{_TAIL}")
_CACHE = re.compile(rf"cache_(?P<way>read|creation)_input_(?:(?P<what>[a-z]+)_)?token_cost{_TAIL}")


@dataclass(slots=True)
class PriceMap:
    rows: list[Priced] = field(default_factory=list)
    unread: list[str] = field(default_factory=list)
    """`MODEL: KEY` of prices of tokens whose meaning is not known."""
    models: int = 0
    """With a price of tokens."""


def read_price_map(found: Mapping[str, Any], card: str, from_ms: int) -> PriceMap:
    """`found`: with numbers as Decimal or int. Raises PriceError, which names the model."""
    read = PriceMap()
    for model in found:
        if model == _SPECIMEN:
            continue
        entry = found[model]
        if not isinstance(entry, Mapping):
            raise PriceError(f"{model}: its prices are not a mapping", hint="Download the file again.")
        before = len(read.rows)
        for key in sorted(entry):
            _read(read, model, key, entry[key], Subject(card, "", model), from_ms)
        read.models += len(read.rows) > before
    return read


def _read(read: PriceMap, model: str, key: str, price: Any, subject: Subject, from_ms: int) -> None:
    if "token" not in key or "cost" not in key or key.endswith("_per_1k_tokens") or price is None:
        return
    resource = resource_of(key)
    if resource is None:
        read.unread.append(f"{model}: {key}")
        return
    if isinstance(price, bool) or not isinstance(price, Decimal | int):
        raise PriceError(f"{model}: {key} is not a number", hint="Correct the price, or remove it.")
    amount = Decimal(price)
    if not amount.is_finite() or amount < 0:
        raise PriceError(
            f"{model}: {key} is {amount}", hint="A price is 0 or more. Correct it, or remove it."
        )
    million = times(amount, TOKENS_PER)
    read.rows.append(
        Priced(
            subject=subject._replace(resource=resource), from_ms=from_ms, per=TOKENS_PER,
            tiers=(PriceTier(0, million),), place=len(read.rows),
        )
    )  # fmt: skip


def resource_of(key: str) -> str | None:
    """`input_cost_per_token_above_200k_tokens` is `tokens.input.above_200k`. None: its meaning is not known."""
    plain, cache = _PLAIN.fullmatch(key), _CACHE.fullmatch(key)
    parts = plain or cache
    if parts is None:
        return None
    tier, above, hours = parts["tier"] or "", int(parts["above"] or 0), parts["hours"]
    if (tier and tier not in TIERS) or (above and above not in PROMPT_BOUNDS):
        return None
    if plain is not None:
        if hours:
            return None
        kind = "_".join(filter(None, (parts["what"], parts["way"])))
        kind = "reasoning" if kind == "reasoning_output" else kind
    else:
        kind = "_".join(filter(None, (parts["what"], _cache_kind(parts["way"], hours))))
    return token_resource(kind, tier, above or None)


def _cache_kind(way: str, hours: str | None) -> str:
    if way == "read":
        return "cache_read"
    return f"cache_write_{hours}h" if hours else "cache_write_5m"
