"""What budgets pay of use that gets its rate later, or another one: the difference to what they were charged. Called by `adding.py`, in the commit that adds the rates.

Use of leases is not in it: they were settled. Nor is use that was reported before a budget was created, for which that has paid nothing.
"""

from collections.abc import Iterable, Iterator, Sequence
from itertools import groupby

from sqlalchemy import Connection

from herder.control.usage.charging import Charge, Used, cost_at, end_of_part, subject_of
from herder.ledger.budgets.spec import Unit
from herder.ledger.built_in_cards import INTERNAL
from herder.ledger.metering import Point, UsageEvent, growth_by_day
from herder.ledger.price_lists import Change
from herder.ledger.quantities import DAY_MS
from herder.ledger.rates import Rate, RateList
from herder.ledger.tokens import lookups
from herder.store.rows.usage_event_rows import charged_events


def charges_of(connection: Connection, *, known: Sequence[Rate], added: Sequence[Change]) -> list[Charge]:
    """`known`: the rates until now, in their order. One for each payer, quarter of an hour and time of a report; those of less are negative."""
    mine = [each.rate for each in added if each.rate.subject.card == INTERNAL]
    if not mine:
        return []
    before = [each for each in known if each.subject.card == INTERNAL]
    after = sorted([*before, *mine], key=lambda rate: (rate.subject, rate.from_ms, rate.version))
    resources = {rate.subject.resource for rate in mine}
    products = {rate.subject.product for rate in mine}
    events = charged_events(
        connection, resources, () if "" in products else products, min(rate.from_ms for rate in mine)
    )
    used = _used(each for each in events if not resources.isdisjoint(lookups(each.resource)))
    return _differences(used, RateList.of(before), RateList.of(after))


def _differences(used: Iterable[Used], before: RateList, after: RateList) -> list[Charge]:
    rates: dict[tuple[str, str, int], tuple[Rate | None, Rate | None]] = {}
    found: dict[tuple[int, str, str, str, int | None], int] = {}
    for each in used:
        day = (each.resource, each.product, each.at_ms // DAY_MS)  # rates begin with a day
        if day not in rates:
            old, new = (of.at(subject_of(each), each.at_ms) for of in (before, after))
            rates[day] = (old, new)
        old, new = rates[day]
        more = 0 if old is new else cost_at(new, each.quantity) - cost_at(old, each.quantity)
        if more:
            key = (end_of_part(each.at_ms), each.division, each.project, each.user, each.known_ms)
            found[key] = found.get(key, 0) + more
    return [
        Charge(at_ms, division, project, user, Unit.USD, more, known_ms)
        for (at_ms, division, project, user, known_ms), more in found.items()
        if more
    ]


def _used(events: Iterable[UsageEvent]) -> Iterator[Used]:
    """As the reports were charged: the growth of a counter by day, at its end."""
    for (_, counter, _), group in groupby(
        events, key=lambda each: (each.source, each.counter, each.resource)
    ):
        if not counter:
            yield from (_part(event, event.at_ms, event.amount) for event in group)
            continue
        before: Point | None = None
        for event in sorted(group, key=lambda each: each.point):
            for day_ms, quantity in growth_by_day(before, [event.point]).items():
                yield _part(event, min(day_ms + DAY_MS - 1, event.at_ms), quantity)
            before = event.point


def _part(event: UsageEvent, at_ms: int, quantity: int) -> Used:
    payer = (event.division, event.project, event.user)
    return Used(at_ms, event.resource, event.product, *payer, quantity, event.arrived_ms)
