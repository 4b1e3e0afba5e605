"""Reported use by day. Part of `Reads`."""

from dataclasses import dataclass
from functools import partial

from sqlalchemy import Connection, select, tuple_

from herder.control.access.access_check import OF_KIND, check
from herder.control.kernel.bounds.errors import Invalid
from herder.control.kernel.core import Core
from herder.ledger.metering import default_unit, units_of
from herder.ledger.months import date_text
from herder.ledger.quantities import DAY_MS
from herder.model.permissions import Action, Kind, Principal, Scope, scope_of
from herder.model.stored.metering_records import MeteredDayRecord
from herder.model.values.decimals import decimal_text
from herder.store.rows.metering_tables import metered_days as table
from herder.store.rows.rate_rows import day_of
from herder.wire.api.resources import Page
from herder.wire.api.usage import MeteredDayView

#: Decimals of a quantity for people.
_PLACES = 9
#: Digits of a day in milliseconds, which the database takes.
_DAY_DIGITS = 15
_KEY = [table.c[name] for name in MeteredDayRecord._fields[:-1]]


@dataclass(frozen=True, slots=True, kw_only=True)
class UsageFilter:
    from_day: str = ""
    to_day: str = ""
    """The day after the last one."""
    source: str = ""
    user: str = ""
    project: str = ""


class UsageReads:
    _core: Core

    async def usage(self, who: Principal, asked: UsageFilter, after: str | None, limit: int) -> Page:
        """What the caller may see, by day. Raises Invalid."""
        check(who, Action.SEE, OF_KIND[Kind.USAGE])
        days = tuple(_day(text, name) for name, text in (("from", asked.from_day), ("to", asked.to_day)))
        if days[0] is not None and days[1] is not None and days[0] > days[1]:
            raise Invalid(
                f"The first day, {asked.from_day}, is after the last one, {date_text(days[1] - DAY_MS)}.",
                field="from",
            )
        place = (after or "").split("\n")
        if after is not None and (
            len(place) != len(_KEY) or not place[0].isdecimal() or len(place[0]) > _DAY_DIGITS
        ):
            raise Invalid("There is no such page.", field="after", hint="Send next of the page before.")
        scope = scope_of(who, Kind.USAGE)
        found = await self._core.read(
            partial(
                stored_days, days=days, asked=asked, scope=scope, after=place if after else [], limit=limit
            )
        )
        more = len(found) > limit
        last = found[:limit][-1] if more else None
        return Page(
            items=[_view(each) for each in found[:limit]],
            next=None if last is None else "\n".join(map(str, last[:-1])),
        )


def _day(text: str, name: str) -> int | None:
    try:
        return day_of(text) if text else None
    except ValueError as error:
        raise Invalid(f"{text[:40]!r} is not a day.", field=name, hint=str(error)) from None


def stored_days(
    connection: Connection,
    *,
    days: tuple[int | None, ...],
    asked: UsageFilter,
    scope: Scope | None,
    after: list[str],
    limit: int,
) -> list[MeteredDayRecord]:
    query = select(table).where(table.c.quantity != "0").order_by(*_KEY).limit(limit + 1)
    if days[0] is not None:
        query = query.where(table.c.day_ms >= days[0])
    if days[1] is not None:
        query = query.where(table.c.day_ms < days[1])
    for name in ("source", "user", "project"):
        value = getattr(asked, name)
        if value:
            query = query.where(table.c[name] == value)
    if scope is not None:
        query = query.where((table.c.user == scope.user) | table.c.project.in_(scope.projects))
    if after:
        query = query.where(tuple_(*_KEY) > tuple_(int(after[0]), *after[1:]))
    return [MeteredDayRecord(*row) for row in connection.execute(query)]


def _view(record: MeteredDayRecord) -> MeteredDayView:
    unit = default_unit(record.resource)
    quantity = decimal_text(int(record.quantity), units_of(record.resource)[unit], _PLACES)
    return MeteredDayView(
        day=date_text(record.day_ms), month=record.booked, source=record.source, resource=record.resource,
        product=record.product, division=record.division, project=record.project, user=record.user,
        quantity=quantity, unit=unit, base_units=record.quantity,
    )  # fmt: skip
