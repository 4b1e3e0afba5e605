"""Lists of rates. Part of `Reads`."""

from dataclasses import dataclass
from functools import partial
from itertools import groupby

from sqlalchemy import Connection, select, tuple_

from herder.control.access.access_check import FLEET, check
from herder.control.kernel.bounds.errors import Invalid, NotKnown
from herder.control.kernel.core import Core
from herder.control.rates.adding import added_before
from herder.control.rates.views import rate_views
from herder.ledger.quantities import DAY_MS
from herder.model.permissions import Action, Principal
from herder.model.stored.metering_records import RateRecord
from herder.store.rows.metering_tables import rates as table
from herder.store.rows.rate_rows import day_of, in_order, subject_of
from herder.wire.api.rates import RatesAdd, RatesAnswer, RateView
from herder.wire.api.resources import Page

_SUBJECT = (table.c.card, table.c.resource, table.c.product)


@dataclass(frozen=True, slots=True, kw_only=True)
class RateFilter:
    card: str = ""
    resource: str = ""
    product: str = ""
    on: str = ""
    """Only what holds on this day. Empty: today."""
    every: bool = False
    """Also what held before and will hold later."""


class RateReads:
    _core: Core

    async def rates(self, who: Principal, asked: RateFilter, after: str | None, limit: int) -> Page:
        """By card, resource and product; all rates of one of these are on one page."""
        check(who, Action.SEE, FLEET)
        on_ms = _day(asked.on, self._core.clock.now_ms())
        groups, more = await self._core.read(partial(rate_groups, asked=asked, after=after, limit=limit))
        views = [
            view
            for group in groups
            for record, view in zip(group, rate_views(group), strict=True)
            if asked.every or _holds(record, view, on_ms)
        ]
        return Page(items=views, next=groups[-1][-1].id if more else None)

    async def rate(self, who: Principal, name: str) -> RateView:
        """Raises NotKnown."""
        check(who, Action.SEE, FLEET)

        def read(connection: Connection) -> list[RateRecord]:
            found = connection.execute(select(*_SUBJECT).where(table.c.id == name)).first()
            if found is None:
                return []
            query = select(table).where(tuple_(*_SUBJECT) == tuple_(*found))
            return in_order(RateRecord(*row) for row in connection.execute(query))

        for view in rate_views(await self._core.read(read)):
            if view.id == name:
                return view
        raise NotKnown(f"There is no rate {name[:200]!r}.", hint="`herder rate list --all` shows them.")

    async def added_rates(self, who: Principal, body: RatesAdd) -> RatesAnswer:
        """For a repeated request."""
        return await added_before(self._core, who, body)


def _day(text: str, now_ms: int) -> int:
    try:
        return day_of(text) if text else now_ms // DAY_MS * DAY_MS
    except ValueError as error:
        raise Invalid(f"{text[:40]!r} is not a day.", field="on", hint=str(error)) from None


def _holds(record: RateRecord, view: RateView, on_ms: int) -> bool:
    return (
        not view.replaced_by
        and record.from_ms <= on_ms
        and (view.until is None or day_of(view.until) > on_ms)
    )


def rate_groups(
    connection: Connection, *, asked: RateFilter, after: str | None, limit: int
) -> tuple[list[list[RateRecord]], bool]:
    """Rates of one subject after the other, and whether there are more."""
    query = select(table).order_by(*_SUBJECT, table.c.from_ms)
    for column, value in zip(_SUBJECT, (asked.card, asked.resource, asked.product), strict=True):
        if value:
            query = query.where(column == value)
    if after is not None:
        found = connection.execute(select(*_SUBJECT).where(table.c.id == after)).first()
        if found is None:
            raise Invalid(f"There is no rate {after[:100]!r} to go on after.", field="after")
        query = query.where(tuple_(*_SUBJECT) > tuple_(*found))
    some: list[list[RateRecord]] = []
    with connection.execute(query, execution_options={"yield_per": 1000}) as rows:
        for _, group in groupby((RateRecord(*row) for row in rows), key=subject_of):
            if sum(map(len, some)) >= limit:
                return some, True
            some.append(in_order(group))
    return some, False
