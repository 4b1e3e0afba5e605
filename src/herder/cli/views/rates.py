"""How rates are shown: in lists, one in full, and as the changes that a list would make."""

from collections.abc import Sequence
from typing import Any

from herder.cli.output.columns import field, made, since
from herder.cli.output.printer import Details
from herder.cli.output.rows import View
from herder.model.values.phrases import counted
from herder.wire.api.rates import RateChange, RateView, TierView


def price_of(rate: RateView) -> str:
    """`$3 per 1,000,000 tokens`"""
    return f"{_amounts(rate.tiers)} per {_units(rate)}"


def _units(rate: RateView) -> str:
    return rate.unit.removesuffix("s") if rate.per == 1 else f"{rate.per:,} {rate.unit}"


def _brief_units(rate: RateView) -> str:
    return _units(rate).replace("1,000,000 ", "1M ")


def _short(rate: RateView) -> str:
    more = len(rate.tiers) - 1
    return f"${rate.tiers[0].price}" + (f" +{counted(more, 'tier')}" if more else "")


def _amounts(tiers: Sequence[TierView]) -> str:
    first, *rest = tiers
    return f"${first.price}" + "".join(f", above {each.above:,} ${each.price}" for each in rest)


RATES = View(
    noun="rate",
    name=lambda rate: str(rate.id),
    columns=(
        field("CARD", "card", drop=1),
        field("RESOURCE", "resource"),
        field("PRODUCT", "product", long=True),
        made("PRICE", _short, key="price", right=True),
        made("PER", _brief_units, key="per"),
        field("FROM", "from_", key="from", drop=2),
        made("UNTIL", lambda rate: "replaced" if rate.replaced_by else rate.until, key="until", drop=3),
        made("ORIGIN", lambda rate: rate.origin or rate.added_by, key="origin", wide=True),
        since("ADDED", "added_at", wide=True),
    ),
    empty="No rates. Add the built-in ones with: herder rate import --card internal",
    tells_left_out=True,
)


def details(rate: RateView) -> Details:
    tiers: list[Any] = [("Price", price_of(rate))]
    return Details(
        rows=[
            ("Rate", rate.id),
            ("Card", rate.card),
            ("Resource", rate.resource),
            ("Product", rate.product or "any that has no rate of its own"),
            *tiers,
            ("In force", f"from {rate.from_} {f'until {rate.until}' if rate.until else 'on'} (UTC)"),
            *([("Replaced by", rate.replaced_by)] if rate.replaced_by else []),
            ("Origin", rate.origin or "a person"),
            ("Added", f"{rate.added_at} by {rate.added_by}"),
        ],
        tables=[],
    )


def change_line(change: RateChange) -> str:
    rate = change.rate
    if not change.before:
        return f"+ {rate.id}: {price_of(rate)}"
    return f"~ {rate.id}: {_amounts(change.before)} → {price_of(rate)}"
