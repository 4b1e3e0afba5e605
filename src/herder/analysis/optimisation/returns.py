"""What came back for what was spent: the return on investment, and scenarios of a year's cost. Pure. Amounts in pico-USD."""

from collections.abc import Mapping
from fractions import Fraction
from typing import NamedTuple


class Value(NamedTuple):
    hours_saved: Fraction
    pico_per_hour: int
    """What an hour of a person costs."""
    fewer_errors_pico: int = 0
    faster_delivery_pico: int = 0

    @property
    def pico(self) -> int:
        return (
            round(self.hours_saved * self.pico_per_hour) + self.fewer_errors_pico + self.faster_delivery_pico
        )


class Return(NamedTuple):
    cost_pico: int
    value_pico: int
    days: int
    """In which both arose."""

    @property
    def net_pico(self) -> int:
        return self.value_pico - self.cost_pico

    @property
    def percent(self) -> Fraction | None:
        """(value - cost) / cost. None: it cost nothing."""
        return Fraction(100 * self.net_pico, self.cost_pico) if self.cost_pico > 0 else None

    @property
    def payback_days(self) -> Fraction | None:
        """Until the value, spread evenly over the days, has come to the cost. None: there was no value, and it never will."""
        return Fraction(self.cost_pico * self.days, self.value_pico) if self.value_pico > 0 else None


def cost_per_hour_saved(spent: Return, value: Value) -> int | None:
    """None: no hour was saved."""
    return round(Fraction(spent.cost_pico) / value.hours_saved) if value.hours_saved > 0 else None


def scenario(by_category: Mapping[str, int], percent: Mapping[str, int]) -> int:
    """A year's cost when each category changes by its own percentage; one that is not named stays. Raises ValueError for a category without a cost."""
    unknown = sorted(percent.keys() - by_category.keys())
    if unknown:
        raise ValueError(f"there is no cost of {unknown[0]!r}; name one of {', '.join(sorted(by_category))}")
    return sum(
        round(Fraction(pico * (100 + percent.get(name, 0)), 100)) for name, pico in by_category.items()
    )
