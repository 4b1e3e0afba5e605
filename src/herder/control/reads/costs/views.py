"""Views of lines and of their sums."""

from collections.abc import Iterable, Mapping
from fractions import Fraction

from herder.ledger.lines import Line, sums_by, unit_of
from herder.ledger.months import date_text
from herder.ledger.quantities import DAY_MS
from herder.model.values.money import usd_text
from herder.wire.api.costs import CostGroup, CostSums, LineView

#: Decimals of a quantity in its unit, for people.
DECIMALS = 6


def unit_text(resource: str, quantity: int) -> str:
    """In the unit of the resource, rounded: `12.5`."""
    unit = unit_of(resource)
    amount = round(Fraction(quantity, 1 if unit is None else unit.base) * 10**DECIMALS)
    whole, rest = divmod(abs(amount), 10**DECIMALS)
    decimals = f"{rest:0{DECIMALS}}".rstrip("0")
    return f"{'-' if amount < 0 else ''}{whole}{'.' if decimals else ''}{decimals}"


def line_view(line: Line) -> LineView:
    unit = unit_of(line.resource)
    return LineView(
        id=line.id,
        period=line.period,
        day=date_text(line.day_ms),
        corrects=line.corrects,
        card=line.card,
        kind=line.kind,
        **line.payer._asdict(),
        **line.place._asdict(),
        resource=line.resource,
        product=line.product,
        quantity=unit_text(line.resource, line.quantity),
        unit="" if unit is None else unit.name,
        base_quantity=str(line.quantity),
        rate=line.rate,
        amount_usd=None if line.pico is None else usd_text(line.pico),
    )


def sums_view(lines: Iterable[Line], from_ms: int, to_ms: int, card: str, by: list[str]) -> CostSums:
    """Raises ValueError for a dimension that lines do not have. The groups sum to the total, exactly."""
    named = ["day_ms" if each == "day" else each for each in by]
    found = sums_by(lines, *named)
    groups = [
        CostGroup(
            values={
                name: date_text(int(value)) if name == "day" else value
                for name, value in zip(by, values, strict=True)
            },
            cost_usd=usd_text(each.pico),
            unpriced=_in_units(each.unpriced),
        )
        for values, each in found.items()
    ]
    unpriced: dict[str, int] = {}
    for each in found.values():
        for resource, quantity in each.unpriced.items():
            unpriced[resource] = unpriced.get(resource, 0) + quantity
    return CostSums(
        first_day=date_text(from_ms),
        last_day=date_text(to_ms - DAY_MS),
        card=card,
        by=by,
        groups=groups,
        total_usd=usd_text(sum(each.pico for each in found.values())),
        unpriced=_in_units(unpriced),
    )


def _in_units(unpriced: Mapping[str, int]) -> dict[str, str]:
    """What was taken back because it was priced later is no use without a price."""
    return {
        resource: unit_text(resource, quantity)
        for resource, quantity in sorted(unpriced.items())
        if quantity > 0
    }
