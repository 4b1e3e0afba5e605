"""One budget over time: what was spent, reserved and moved in each of its periods. Pure; changed by `leases` and `transfers` only."""

from dataclasses import dataclass, field

from herder.ledger.budgets.periods import bounds, window_ms
from herder.ledger.budgets.spec import BudgetSpec

#: Periods that stay in memory: a clock that is put back finds them again.
SPANS_KEPT = 3


@dataclass(slots=True)
class Span:
    """One period of a budget, or one part of its rolling window."""

    start_ms: int
    end_ms: int
    spent: int = 0
    reserved: int = 0
    moved: int = 0
    """What other budgets, or an approver, have given it in this period; negative: what it gave."""
    lent: int = 0
    """Of what it gave, what siblings borrowed."""
    leases: int = 0
    """That count in it and live."""


@dataclass(slots=True)
class Budget:
    spec: BudgetSpec
    lasting: int = 0
    """What was moved to it for every period; negative: from it."""
    spans: dict[int, Span] = field(default_factory=dict)
    """By their beginnings."""
    created_at_ms: int = 0
    deleting: bool = False
    """It pays for nothing new, and is gone when its last lease has ended."""
    lacked: tuple[int, int] | None = None
    """The last amount that it could not pay for, and when. In memory only: who asked asks again."""
    _current: Span | None = None

    def span(self, now_ms: int) -> Span:
        """That of `now_ms`. A time before the oldest that is known counts in the oldest: clocks are put back."""
        now = self._current
        if now is not None and now.start_ms <= now_ms < now.end_ms:
            return now
        start, end = bounds(self.spec.period, self.spec.timezone, now_ms)
        if self.spans and start < min(self.spans):
            return self.spans[min(self.spans)]
        found = self.spans.get(start)
        if found is None:
            found = self.spans[start] = Span(start, end)
            self._prune(now_ms)
        self._current = found
        return found

    def span_of(self, at_ms: int, now_ms: int) -> Span | None:
        """The one that a time in the past counts in, made where nothing has happened in it yet. None: as of `counts`."""
        current = self.span(now_ms)
        if at_ms >= current.start_ms:
            return current
        start, end = bounds(self.spec.period, self.spec.timezone, at_ms)
        if start not in self.spans and self._is_new(start, end, now_ms):
            self.spans[start] = Span(start, end)
        return self.spans.get(start)

    def existed(self, known_ms: int | None) -> bool:
        """When use became known that is charged now. None: it becomes known now."""
        return known_ms is None or known_ms >= self.created_at_ms

    def counts(self, at_ms: int, now_ms: int) -> bool:
        """Whether a time in the past counts in one of its periods. False: that was over when the budget was created, or is forgotten."""
        if at_ms >= self.span(now_ms).start_ms:
            return True
        start, end = bounds(self.spec.period, self.spec.timezone, at_ms)
        return start in self.spans or self._is_new(start, end, now_ms)

    def _is_new(self, start: int, end: int, now_ms: int) -> bool:
        """A period that is not known, and of which there can be no row either: all are known that are not older than the oldest here."""
        window = window_ms(self.spec.period)
        if window and end + window > now_ms:
            return True
        known = len(self.spans) < SPANS_KEPT or start > min(self.spans)
        return known and end > self.created_at_ms

    def _prune(self, now_ms: int) -> None:
        since = now_ms - window_ms(self.spec.period)
        for start in sorted(self.spans)[:-SPANS_KEPT]:
            span = self.spans[start]
            if span.end_ms <= since and not span.leases:
                del self.spans[start]

    def counting(self, now_ms: int) -> list[Span]:
        """Those that count against the limit now."""
        current = self.span(now_ms)
        window = window_ms(self.spec.period)
        if not window:
            return [current]
        return [each for each in self.spans.values() if each.end_ms + window > now_ms or each.leases]

    def used(self, now_ms: int) -> int:
        """Spent or reserved."""
        return sum(each.spent + each.reserved for each in self.counting(now_ms))

    def limit(self, now_ms: int) -> int | None:
        """With what was moved to it, without overage."""
        if self.spec.limit is None:
            return None
        return self.spec.limit + self.lasting + sum(each.moved for each in self.counting(now_ms))

    def ceiling(self, now_ms: int) -> int | None:
        """What may be spent and reserved at most."""
        limit = self.limit(now_ms)
        return None if limit is None else limit + _overage(limit, self.spec)

    def left(self, now_ms: int) -> int | None:
        """None: it has no limit. Negative: more was spent than may be."""
        ceiling = self.ceiling(now_ms)
        return None if ceiling is None else ceiling - self.used(now_ms)

    def lack(self, amount: int, now_ms: int) -> None:
        """It refused this amount. What is more than all that it has says nothing of what is left."""
        ceiling = self.ceiling(now_ms)
        if ceiling is not None and amount <= ceiling:
            self.lacked = (amount, now_ms)

    def exhausted(self, now_ms: int) -> bool:
        """Whether what it refused in this period would be refused again."""
        left = self.left(now_ms)
        if self.lacked is None or left is None:
            return False
        amount, at_ms = self.lacked
        return left < amount and at_ms >= min(each.start_ms for each in self.counting(now_ms))

    def movable(self, now_ms: int) -> int | None:
        """What it can give away: its overage shrinks with its limit, so that less than all that is left can move. None: it has no limit."""
        limit = self.limit(now_ms)
        if limit is None:
            return None
        used = self.used(now_ms)
        return limit - (used if used <= 0 else -(-used * 100 // (100 + self.spec.overage_percent)))


def _overage(limit: int, spec: BudgetSpec) -> int:
    return max(0, limit) * spec.overage_percent // 100
