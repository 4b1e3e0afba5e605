"""From reported use to use by day: a function of the set of reports and of when months were closed. Pure.

A report says what was used (`counter` empty), or how far a counter had come. A counter begins at 0; its first report counts in full at its time, and between two reports its growth is spread evenly. What is
reported of a day whose month is closed counts in the first later month that is open, so that closed months never change; nothing else depends on the order of reports.
"""

from bisect import insort
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import groupby
from typing import NamedTuple

from herder.ledger import months
from herder.ledger.lines import GB, MS_PER_HOUR, TOKENS, UNITS, unit_of
from herder.ledger.quantities import DAY_MS, MeteredDay
from herder.ledger.rates import portion
from herder.ledger.tokens import PREFIX
from herder.model.values.decimals import decimal_text

Closed = Mapping[str, int]
"""By closed month (`2026-11`), when it was closed; what arrived at that time counts as before."""
Day = tuple[int, str]
"""(beginning of the day, month in which it is booked)."""


class Point(NamedTuple):
    at_ms: int
    total: int


class UsageEvent(NamedTuple):
    source: str
    id: str
    resource: str
    at_ms: int
    arrived_ms: int
    product: str
    division: str
    project: str
    user: str
    counter: str
    """Empty: `amount` is what was used; else what the counter had come to."""
    amount: int
    """Base units."""
    claim: str = ""
    leased: bool = False
    """Leases on budgets have paid for it. All reports of a counter are alike in this."""
    corrects: str = ""
    """The id of the event whose mistake this one makes good: `amount` is added to it, and may be negative."""

    @property
    def point(self) -> Point:
        return Point(self.at_ms, self.amount)


#: Units beside that of the rate card, in base units.
_BYTES = {"bytes": 1, "kB": 10**3, "MB": 10**6, "GB": GB, "TB": 10**12}
_KEPT = {
    "byte-hours": MS_PER_HOUR,
    "GB-hours": GB * MS_PER_HOUR,
    "GB-days": GB * DAY_MS,
    "GB-months": 30 * GB * DAY_MS,
}


def units_of(resource: str) -> Mapping[str, int]:
    """By name, base units in one of it; that of the rate card first. Empty: there is no such resource."""
    unit = unit_of(resource)
    if unit is None:
        return {}
    more = _KEPT if resource.startswith("storage.") else _BYTES if resource.startswith("network.") else {}
    return {unit.name: unit.base, **more}


def default_unit(resource: str) -> str:
    return TOKENS.name if resource.startswith(PREFIX) else UNITS[resource].name


def quantity_text(resource: str, amount: int) -> str:
    """In the unit of the rate card, to 9 places: `90.5 GB-months`."""
    unit = default_unit(resource)
    return f"{decimal_text(amount, units_of(resource)[unit], 9)} {unit}"


def booked_in(day_ms: int, arrived_ms: int, closed: Closed) -> str:
    """The month of the day, or the first later one that was open when it arrived."""
    return months.booked_in(day_ms, arrived_ms, closed)


def growth_by_day(before: Point | None, points: Sequence[Point]) -> dict[int, int]:
    """How much a counter grew on each day. `points`: in their order; of several of one time the last one counts. `before`: the report ahead of them; None: there is none."""
    days: dict[int, int] = {}
    for point in map(Point._make, dict(points).items()):
        since, total = (point.at_ms, 0) if before is None else before
        grown, low = point.total - total, 0
        day_ms = since - since % DAY_MS
        while grown:
            end = day_ms + DAY_MS
            high = portion(grown, since, point.at_ms, min(end, point.at_ms))
            if high > low:
                days[day_ms] = days.get(day_ms, 0) + high - low
            if end >= point.at_ms:
                break
            day_ms, low = end, high
        before = point
    return days


def added(old: Mapping[int, int], new: Mapping[int, int]) -> dict[int, int]:
    """What `new` has more than `old` on each day, or less."""
    changed = {day: new.get(day, 0) - old.get(day, 0) for day in old.keys() | new.keys()}
    return {day: quantity for day, quantity in changed.items() if quantity}


def counter_days(events: Sequence[UsageEvent], closed: Closed) -> dict[Day, int]:
    """Of one counter. In the order in which they arrived, each changes what is known of the days around it; what arrived between the same two closes is taken together."""
    found: dict[Day, int] = {}
    closes = sorted(set(closed.values()))
    known: list[Point] = []
    so_far: dict[int, int] = {}
    for _, wave in groupby(
        sorted(events, key=lambda event: event.arrived_ms), key=lambda event: _closes_before(closes, event)
    ):
        arrived_ms = 0
        for event in wave:
            insort(known, event.point)
            arrived_ms = event.arrived_ms
        days = growth_by_day(None, known)
        for day_ms, quantity in added(so_far, days).items():
            day = (day_ms, booked_in(day_ms, arrived_ms, closed))
            found[day] = found.get(day, 0) + quantity
        so_far = days
    return found


def _closes_before(closes: Sequence[int], event: UsageEvent) -> int:
    return sum(each < event.arrived_ms for each in closes)


class Metered:
    """Use by day, added up."""

    def __init__(self, closed: Closed) -> None:
        self._closed = closed
        self.quantities: dict[tuple[int, str, str, str, str, str, str, str], int] = {}

    def add(self, event: UsageEvent) -> None:
        """What was used."""
        day_ms = event.at_ms - event.at_ms % DAY_MS
        booked = (
            booked_in(day_ms, event.arrived_ms, self._closed) if self._closed else months.month_of(day_ms)
        )
        self.put(event, (day_ms, booked), event.amount)

    def add_counter(self, events: Sequence[UsageEvent]) -> None:
        for day, quantity in counter_days(events, self._closed).items():
            self.put(events[0], day, quantity)

    def put(self, event: UsageEvent, day: Day, quantity: int) -> None:
        key = (
            *day, event.source, event.resource, event.product, event.division, event.project, event.user
        )  # fmt: skip
        self.quantities[key] = self.quantities.get(key, 0) + quantity

    def days(self) -> Iterator[MeteredDay]:
        """In their order; days whose use was taken back are none."""
        for key in sorted(self.quantities):
            if self.quantities[key]:
                yield MeteredDay(*key, self.quantities[key])


def metered_days(events: Iterable[UsageEvent], closed: Closed) -> list[MeteredDay]:
    """`events`: each once, those of one counter and resource one after the other, as the store reads them."""
    metered = Metered(closed)
    for (_, counter, _), group in groupby(
        events, key=lambda event: (event.source, event.counter, event.resource)
    ):
        if counter:
            metered.add_counter(list(group))
        else:
            for event in group:
                metered.add(event)
    return list(metered.days())
