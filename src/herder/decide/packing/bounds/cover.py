"""The cheapest whole number of bins of each offer that meets several needs at once: a bound for small fleets.

Called by `configurations` with needs that every packing meets. With a handful of workers it matters that there are no parts of
workers: what three needs ask for one by one may be no sum of prices at all. Whole numbers only; packs nothing.
"""

from collections.abc import Sequence
from fractions import Fraction
from typing import NamedTuple


class Need(NamedTuple):
    """So much is needed, and one bin of each offer gives no more than this."""

    least: int
    gives: Sequence[int]


def cheapest_cover(
    needs: Sequence[Need], prices: Sequence[int], limits: Sequence[int], *, below: int, steps: int
) -> int:
    """`below` when nothing cheaper meets the needs; 0 when the steps run out. Prices are positive or, for what is there, zero."""
    order = sorted(range(len(prices)), key=lambda i: (-prices[i], i))
    rows = [Need(need.least, [need.gives[i] for i in order]) for need in needs]
    search = _Search(rows, [prices[i] for i in order], [limits[i] for i in order], below, steps)
    search.down(0, [need.least for need in rows], 0)
    return search.best if search.steps >= 0 else 0


class _Search:
    def __init__(
        self, needs: Sequence[Need], prices: Sequence[int], limits: Sequence[int], below: int, steps: int
    ) -> None:
        self._needs, self._prices, self._limits = needs, prices, limits
        self.best, self.steps = below, steps
        self._rates = [[_rates(need.gives[i:], prices[i:]) for need in needs] for i in range(len(prices) + 1)]

    def down(self, at: int, left: Sequence[int], cost: int) -> None:
        """The offers from this one on, the dear first."""
        self.steps -= 1
        if self.steps < 0:
            return
        if all(each <= 0 for each in left):
            self.best = min(self.best, cost)
            return
        for each, rate in zip(left, self._rates[at], strict=True):
            if each > 0 and (rate is None or cost * rate[1] + each * rate[0] >= self.best * rate[1]):
                return
        price = self._prices[at]
        gives = [need.gives[at] for need in self._needs]
        enough = max(
            (-(-each // give) for each, give in zip(left, gives, strict=True) if each > 0 < give), default=0
        )
        most = min(enough, self._limits[at])
        least = most if price == 0 else 0
        for count in range(most, least - 1, -1):
            if cost + price * count < self.best:
                rest = [each - give * count for each, give in zip(left, gives, strict=True)]
                self.down(at + 1, rest, cost + price * count)


def _rates(gives: Sequence[int], prices: Sequence[int]) -> tuple[int, int] | None:
    """The least that one unit of the need can cost, as a fraction; None when it cannot be had."""
    rates = [Fraction(price, give) for give, price in zip(gives, prices, strict=True) if give > 0]
    return min(rates).as_integer_ratio() if rates else None
