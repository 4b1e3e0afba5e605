"""Rate cards to begin with: `internal` at list rates, `external` with a markup. Data only; loaded when a person asks for it.

The external card has what its document gives: tokens at 20 % more than internal, CPU and memory at 50 % more. It has no rate for GPUs, storage and network, whose use is
unpriced on it until somebody adds one.
"""

from decimal import Decimal
from types import MappingProxyType

from herder.ledger.price_lists import Priced, PriceTier, marked_up, per_of
from herder.ledger.rates import Subject

INTERNAL, EXTERNAL = "internal", "external"
TOKENS_MARKUP = Decimal(20)
COMPUTE_MARKUP = Decimal(50)
COMPUTE = MappingProxyType({"cpu": "0.05", "memory": "0.005"})
OTHER = MappingProxyType(
    {
        "gpu": "0.50",
        "storage.hot": "0.023",
        "storage.warm": "0.012",
        "storage.cold": "0.004",
        "network.intra": "0",
        "network.inter": "0.02",
    }
)
#: Above so many GB a month.
EGRESS = ((0, "0.09"), (10_000, "0.085"), (50_000, "0.07"), (150_000, "0.05"))
#: US dollars for a million tokens: input, output, cache write, cache read.
MODELS = MappingProxyType(
    {
        "claude-opus-4.5": ("15", "75", "18.75", "1.50"),
        "claude-sonnet-4.5": ("3", "15", "3.75", "0.30"),
        "claude-haiku-3.5": ("0.80", "4", "1.00", "0.08"),
    }
)
KINDS = ("tokens.input", "tokens.output", "tokens.cache_write_5m", "tokens.cache_read")
CARDS = (INTERNAL, EXTERNAL)


def card(name: str, from_ms: int) -> list[Priced]:
    """Raises KeyError for a card that is not built in."""
    tokens, compute = {
        INTERNAL: (Decimal(0), Decimal(0)),
        EXTERNAL: (TOKENS_MARKUP, COMPUTE_MARKUP),
    }[name]
    found: list[tuple[str, str, tuple[tuple[int, Decimal], ...]]] = [
        (resource, "", ((0, marked_up(Decimal(price), compute)),)) for resource, price in COMPUTE.items()
    ]
    if name == INTERNAL:
        found += [(resource, "", ((0, Decimal(price)),)) for resource, price in OTHER.items()]
        found.append(("network.egress", "", tuple((above, Decimal(price)) for above, price in EGRESS)))
    for model, prices in MODELS.items():
        for kind, price in zip(KINDS, prices, strict=True):
            found.append((kind, model, ((0, marked_up(Decimal(price), tokens)),)))
    return [
        Priced(
            subject=Subject(name, resource, product),
            from_ms=from_ms,
            per=per_of(resource),
            tiers=tuple(PriceTier(above, price) for above, price in tiers),
            place=place,
        )
        for place, (resource, product, tiers) in enumerate(found)
    ]
