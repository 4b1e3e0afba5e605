"""From reports of usage to lines of the ledger: a function of the set of reports, of the rates and of when periods were closed. Pure.

A counter grows; each report says how far it had come at a time. Between two reports it is taken to grow evenly, so that its value is known at each time
(`Growth`). A line is what the growth in one period costs at one rate. Nothing depends on the order in which reports come, or on how often: the same reports give
the same lines, byte for byte.

A closed period never changes. What reports say of it that arrive after its close is a line with `corrects` in the period that was open then: the difference between what is known
of the closed period at the end of that period and what was known at the end of the one before.
"""

from bisect import bisect_right
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from herder.ledger.rates import RateList, Subject, portion

Account = tuple[tuple[str, str], ...]
"""Who pays, by dimension: `(("project", "alpha"), ("user", "ann"))`, sorted."""


class Counter(NamedTuple):
    """One thing whose use is counted: an attempt's CPU, a worker, a model's tokens of one session."""

    key: str
    resource: str
    product: str
    account: Account


class Report(NamedTuple):
    """By `at_ms` the counter had come to `total` base units. `(source, id)` tells reports apart: the same again is the same report."""

    source: str
    id: str
    at_ms: int
    total: int
    arrived_ms: int


class Fault(NamedTuple):
    """A report that is not booked."""

    report: Report
    why: str


class Period(NamedTuple):
    """`[from_ms, to_ms)`, closed at `closed_ms`; None: it is open. What arrives at that time counts as before the close."""

    from_ms: int
    to_ms: int
    closed_ms: int | None


class Line(NamedTuple):
    """`corrects`: the beginning of the closed period that it is about, else None. `rate`: empty of what has no price; then `pico` is 0 and the usage is
    unpriced."""

    period_ms: int
    counter: Counter
    rate: str
    corrects: int | None
    quantity: int
    pico: int


@dataclass(slots=True)
class Growth:
    """The value of a counter at each time. Before its first report it is 0 at that report's time: counters begin with a report of 0."""

    times: list[int]
    totals: list[int]

    def at(self, at_ms: int) -> int:
        place = bisect_right(self.times, at_ms)
        if place == 0:
            return 0
        if place == len(self.times):
            return self.totals[-1]
        low, high = self.times[place - 1], self.times[place]
        grown = self.totals[place] - self.totals[place - 1]
        return self.totals[place - 1] + portion(grown, low, high, at_ms)


def told_once(reports: Iterable[Report]) -> tuple[list[Report], list[Fault]]:
    """In the order of time; a report that contradicts another one is a fault: another content under its name, or a total below an earlier one."""
    by_name: dict[tuple[str, str], Report] = {}
    faults: list[Fault] = []
    for each in sorted(reports, key=lambda report: (report.arrived_ms, report)):
        known = by_name.setdefault((each.source, each.id), each)
        if (known.at_ms, known.total) != (each.at_ms, each.total):
            faults.append(Fault(each, "another report has its source and id"))
    kept: list[Report] = []
    for each in sorted(by_name.values(), key=lambda report: (report.at_ms, report.total, report)):
        if each.total < 0:
            faults.append(Fault(each, "its total is negative"))
        elif kept and each.total < kept[-1].total:
            faults.append(Fault(each, "its total is below that of an earlier time"))
        else:
            kept.append(each)
    return kept, faults


def growth_of(reports: Sequence[Report]) -> Growth:
    """Of several reports of one time the last one, which has the greatest total."""
    found: dict[int, int] = {each.at_ms: each.total for each in reports}
    return Growth(list(found), list(found.values()))


def lines_of(
    counter: Counter, card: str, reports: Iterable[Report], rates: RateList, periods: Sequence[Period]
) -> tuple[list[Line], list[Fault]]:
    """`periods`: all of them, in order and without gaps; those that are closed come first, each closed no earlier than the one before."""
    kept, faults = told_once(reports)
    subject = Subject(card, counter.resource, counter.product)
    lines: list[Line] = []
    before: dict[int, Mapping[str, tuple[int, int]]] = {}
    for now in periods:
        known = growth_of(
            [each for each in kept if now.closed_ms is None or each.arrived_ms <= now.closed_ms]
        )
        for period in periods:
            if period.from_ms > now.from_ms:
                break
            amounts = _amounts(known, subject, rates, period)
            old = before.get(period.from_ms, {})
            before[period.from_ms] = amounts
            corrects = None if period is now else period.from_ms
            for rate in sorted(amounts.keys() | old.keys()):
                quantity, pico = amounts.get(rate, (0, 0))
                had, cost = old.get(rate, (0, 0))
                if (quantity, pico) != (had, cost):
                    lines.append(Line(now.from_ms, counter, rate, corrects, quantity - had, pico - cost))
    return lines, faults


def _amounts(growth: Growth, subject: Subject, rates: RateList, period: Period) -> dict[str, tuple[int, int]]:
    """Quantity and pico-USD by rate. Each rate telescopes from the time since which it holds for this counter."""
    if not growth.times:
        return {}
    begin, end = max(period.from_ms, growth.times[0]), min(period.to_ms, growth.times[-1])
    found: dict[str, tuple[int, int]] = {}
    for piece in rates.pieces(subject, begin, end) if end > begin else ():
        rate = piece.rate
        low, high = growth.at(piece.from_ms), growth.at(piece.to_ms)
        if high == low:
            continue
        pico, name = 0, ""
        if rate is not None:
            base = growth.at(max(rate.from_ms, growth.times[0]))
            pico, name = rate.booked(low - base, high - base), rate.id
        quantity, cost = found.get(name, (0, 0))
        found[name] = (quantity + high - low, cost + pico)
    return found
