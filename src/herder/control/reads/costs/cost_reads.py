"""Views of the ledger. Part of `Reads`."""

from datetime import UTC, date, datetime, timedelta

from sqlalchemy import Connection

from herder.control.access.access_check import OF_KIND, check
from herder.control.kernel.bounds.errors import Invalid
from herder.control.kernel.core import Core
from herder.control.reads.costs.cards import check_card
from herder.control.reads.costs.closing import preview
from herder.control.reads.costs.explained import explained
from herder.control.reads.costs.lines import lines_between, seen_by
from herder.control.reads.costs.views import line_view, sums_view
from herder.ledger.lines import COST, DIMENSIONS, Line
from herder.ledger.months import YEARS, begin_of, end_of, following, month_of
from herder.ledger.quantities import DAY_MS
from herder.model.permissions import Action, Kind, Principal
from herder.model.values.times import iso
from herder.store.rows.month_rows import Closed, closed, months_with_use
from herder.wire.api.costs import CostSums, LineExplanation, MonthPreview, MonthView
from herder.wire.api.resources import Page

#: Days in one question.
DAYS_MAX = 3660
#: Dimensions in one question: people ask by one or two.
BY_MAX = 5


class CostReads:
    _core: Core

    async def costs(
        self, who: Principal, first: str | None, last: str | None, by: str, card: str | None
    ) -> CostSums:
        """Sums by dimensions, of what `who` may see. Raises Invalid."""
        check(who, Action.SEE, OF_KIND[Kind.COST])
        dimensions = list(dict.fromkeys(each for each in by.split(",") if each))
        unknown = [each for each in dimensions if each != "day" and each not in DIMENSIONS]
        if unknown or len(dimensions) > BY_MAX:
            raise Invalid(
                f"There is no dimension {unknown[0]}."
                if unknown
                else f"There are more than {BY_MAX} dimensions.",
                field="by",
                hint=f"Name at most {BY_MAX} of day, {', '.join(each for each in DIMENSIONS if each != 'day_ms')}.",
            )
        from_ms, to_ms = self.days(first, last)
        lines = await self.cost_lines(who, from_ms, to_ms, card)
        return sums_view(lines, from_ms, to_ms, card or COST, dimensions)

    async def cost_lines(
        self, who: Principal, from_ms: int, to_ms: int, card: str | None, *, booked: bool = False
    ) -> list[Line]:
        """Raises Invalid for a card that does not exist."""
        await check_card(self._core, card or "")
        return seen_by(who, await lines_between(self._core, from_ms, to_ms, (card or COST,), booked=booked))

    async def list_cost_lines(
        self, who: Principal, first: str | None, last: str | None, card: str | None, after: int, limit: int,
        *, booked: bool = False,
    ) -> Page:  # fmt: skip
        """Each line, in the order of months and days. `after`: so many are passed over. `booked`: those of the months, whatever they correct."""
        check(who, Action.SEE, OF_KIND[Kind.COST])
        from_ms, to_ms = self.span(first, last, booked=booked)
        lines = await self.cost_lines(who, from_ms, to_ms, card, booked=booked)
        shown = [line_view(line) for line in lines[after : after + limit]]
        more = after + limit < len(lines)
        return Page(items=shown, total=len(lines), next=str(after + limit) if more else None)

    async def explain_line(self, who: Principal, line: str) -> LineExplanation:
        check(who, Action.SEE, OF_KIND[Kind.COST])
        return await explained(self._core, who, line)

    async def months(self, who: Principal) -> Page:
        """Of the ledger, from the first with use to now."""
        check(who, Action.SEE, OF_KIND[Kind.COST])
        now = month_of(self._core.clock.now_ms())
        closes, known = await self._core.read(_months)
        found, month = [], min([now, *known, *closes])
        while month <= now:
            found.append(_month_view(month, closes.get(month), month in self._core.ledger.closing))
            month = following(month)
        return Page(items=found, total=len(found))

    async def close_preview(self, who: Principal, month: str) -> MonthPreview:
        """Raises Refused, as closing the month does."""
        return await preview(self._core, who, month)

    def span(self, first: str | None, last: str | None, *, booked: bool) -> tuple[int, int]:
        """The days; of what is booked whole months. Raises Invalid for a part of a month."""
        from_ms, to_ms = self.days(first, last)
        if not booked:
            return from_ms, to_ms
        whole_ms = end_of(month_of(to_ms - 1))
        for field, given, wrong in (
            ("first", first, from_ms != begin_of(month_of(from_ms))),
            ("last", last, to_ms != whole_ms),
        ):
            if given and wrong:
                raise Invalid(
                    f"Only whole months are booked; {given[:10]} is within one.",
                    field=field,
                    hint=f"Write the month: {given[:7]}.",
                )
        return from_ms, whole_ms

    def days(self, first: str | None, last: str | None) -> tuple[int, int]:
        """From the beginning of the first day to the end of the last one; by default this month until today, UTC."""
        now_ms = self._core.clock.now_ms()
        today = datetime.fromtimestamp(now_ms // 1000, UTC).date()
        end = today if not last else _day("last", last)
        begin = end.replace(day=1) if not first else _day("first", first)
        if begin > end:
            raise Invalid(f"The first day, {begin}, is after the last one, {end}.", field="first")
        if (end - begin).days >= DAYS_MAX:
            raise Invalid(f"There are more than {DAYS_MAX} days between {begin} and {end}.", field="first")
        return _ms(begin), _ms(end) + DAY_MS


def _months(connection: Connection) -> tuple[dict[str, Closed], list[str]]:
    return closed(connection), months_with_use(connection)


def _month_view(month: str, close: Closed | None, closing: bool) -> MonthView:
    return MonthView(
        month=month,
        state="closed" if close else "closing" if closing else "open",
        closed_at=None if close is None else iso(close.known_ms),
        closed_by="" if close is None else close.closed_by,
        lines=None if close is None else close.lines,
        digest="" if close is None else close.digest,
    )


def _day(field: str, text: str) -> date:
    if text[:4].isdecimal() and int(text[:4]) not in YEARS:
        raise Invalid(f"Nothing is kept of {text[:10]}.", field=field, hint="Write for example 2026-11-28.")
    try:
        if len(text) == len("2026-11"):
            begin = datetime.fromtimestamp(begin_of(text) // 1000, UTC).date()
            return (
                begin if field == "first" else (begin + timedelta(days=31)).replace(day=1) - timedelta(days=1)
            )
        return date.fromisoformat(text)
    except ValueError:
        raise Invalid(
            f"{text!r} is not a day.", field=field, hint="Write for example 2026-11-28, or 2026-11."
        ) from None


def _ms(day: date) -> int:
    return int(datetime(day.year, day.month, day.day, tzinfo=UTC).timestamp()) * 1000
