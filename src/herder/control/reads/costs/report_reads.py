"""Reports, invoices and exports, of what the caller may see of the ledger. Part of `Reads`.

Idle time and overhead are shared out with the weights of whole months, so that the days of a month sum to the month. Whoever may not see all lines gets the own ones.
"""

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from functools import partial

import msgspec

from herder.control.access.access_check import FLEET, OF_KIND, check
from herder.control.costs.months import payers_of
from herder.control.costs.report_times import PERIODS, span_of
from herder.control.kernel.bounds.errors import Invalid, NotKnown
from herder.control.reads.costs.cards import check_card
from herder.control.reads.costs.cost_reads import CostReads
from herder.control.reads.costs.lines import booked_in, lines_between, seen_by
from herder.control.reads.costs.report_outlooks import outlook_of
from herder.ledger.allocation import Allocation, Method, Weights, allocated
from herder.ledger.lines import COST, Line
from herder.ledger.lines import Kind as LineKind
from herder.ledger.months import YEARS, begin_of, end_of, month_of, same_before
from herder.ledger.pricing import INTERNAL
from herder.ledger.quantities import DAY_MS
from herder.ledger.rates import RateList, Subject
from herder.model.permissions import Action, Kind, Principal, scope_of
from herder.reports import period
from herder.reports.basis import Basis
from herder.reports.documents import Document
from herder.reports.efficiency import Attempts
from herder.reports.focus.files import text_of
from herder.reports.focus.rows import Issuer
from herder.reports.invoice import BillTo, Terms, invoice
from herder.reports.outlook import Outlook
from herder.reports.statements import Model, statement
from herder.store.rows.ended_use import ended_use

ISSUER = "Herder"
DUE_DAYS_MAX = 366
DIVISIONS_SHOWN = 10


class ReportAsk(msgspec.Struct, kw_only=True):
    """`view`: of `period.View` or `statements.Model`. `period`: of `PERIODS`, or the days."""

    view: str = period.View.FULL.value
    period: str = ""
    first: str | None = None
    last: str | None = None
    division: str = ""
    method: str = Method.PROPORTIONAL.value
    booked: bool = False
    """By month of booking, as invoices are, instead of by day of use."""


class InvoiceAsk(msgspec.Struct, kw_only=True):
    month: str
    project: str = ""
    division: str = ""
    card: str = ""
    """Empty: all that the lines of the month have."""
    due_days: int = 30
    issuer: str = ""


class ReportReads(CostReads):
    """Beside sums and lines."""

    async def cost_report(self, who: Principal, asked: ReportAsk) -> Document:
        """Raises Invalid."""
        check(who, Action.SEE, OF_KIND[Kind.COST])
        how = Allocation(method=_one_of(Method, asked.method, "method"))
        views = [*(each.value for each in period.View), *(each.value for each in Model)]
        if asked.view not in views:
            raise Invalid(
                f"There is no view {asked.view!r}.", field="view", hint=f"Name one of {', '.join(views)}."
            )
        basis = Basis.BOOKED if asked.booked else Basis.USE
        from_ms, to_ms = self._span(asked)
        lines = await self._shared(who, from_ms, to_ms, how, basis)
        if asked.view in tuple(Model):
            span = f"{_date(from_ms)} to {_date(to_ms - DAY_MS)}"
            return _part_of(who, statement(Model(asked.view), lines, span, how.method.value, basis))
        if asked.view == period.View.DIVISION and not asked.division:
            raise Invalid(
                "The view division needs a division.",
                field="division",
                hint="Name one with --division, or division= in the address.",
            )
        if asked.division:
            self._check_division(who, asked.division, lines)
        before_ms = same_before(from_ms, to_ms) if asked.booked else 2 * from_ms - to_ms
        before = await self._shared(who, before_ms, from_ms, how, basis)
        attempts = None
        if scope_of(who, Kind.COST) is None:
            work = sum(
                line.pico or 0 for line in lines if line.card == COST and line.kind is LineKind.WORKLOAD
            )
            ended = await self._core.read(partial(ended_use, from_ms=from_ms, to_ms=to_ms))
            attempts = Attempts(
                ended_jobs=ended.succeeded, work_pico=work, retried_pico=ended.failed_pico,
                preempted=ended.taken_back, preempted_pico=ended.taken_back_pico,
            )  # fmt: skip
        subject = period.Subject(
            first_ms=from_ms, to_ms=to_ms, lines=lines, before=before, method=how.method.value,
            division=asked.division, attempts=attempts, basis=basis, outlook=await self._outlook(who, asked),
            now_ms=self._core.clock.now_ms(),
        )  # fmt: skip
        return _part_of(who, period.report(period.View(asked.view), subject))

    async def invoice(self, who: Principal, asked: InvoiceAsk) -> Document:
        """Raises Invalid, and NotKnown for a project or division of which nothing is known."""
        check(who, Action.SEE, OF_KIND[Kind.COST])
        month = _month(asked.month)
        if bool(asked.project) == bool(asked.division):
            raise Invalid(
                "An invoice is of one project or of one division.", field="project", hint="Name one of them."
            )
        if not 0 <= asked.due_days <= DUE_DAYS_MAX:
            raise Invalid(f"due_days is {asked.due_days}; it is 0 to {DUE_DAYS_MAX}.", field="due_days")
        await check_card(self._core, asked.card)
        booked = await booked_in(self._core, month)
        lines, projects = seen_by(who, booked.lines), booked.payers.projects
        division = asked.division or booked.payers.of(asked.project).division
        bill_to = BillTo(division=division, project=asked.project)
        cards = {each.card for name, each in projects.items() if name == asked.project or (asked.division and each.division == asked.division)}  # fmt: skip
        known = bool(cards) and scope_of(who, Kind.COST) is None
        if not any(bill_to.has(line) for line in lines) and not known:
            what = f"project {asked.project}" if asked.project else f"division {asked.division}"
            raise NotKnown(
                f"There are no costs of {what} in {month}.",
                hint="`herder cost breakdown --by division,project` lists who has some.",
            )
        name = asked.issuer or ISSUER
        terms = Terms(
            month=month, card=asked.card, default_card=min(cards, default=INTERNAL), issuer=Issuer(id=name, name=name),
            closed=month in self._core.ledger.closed, due_days=asked.due_days,
        )  # fmt: skip
        made = invoice(lines, bill_to, terms, partial(at_internal_card, booked.rates))
        return made if asked.project in who.projects else _part_of(who, made)

    async def cost_export(
        self, who: Principal, first: str | None, last: str | None, card: str | None, issuer: str,
        *, booked: bool = False,
    ) -> Iterator[str]:  # fmt: skip
        """FOCUS 1.2, in pieces. Raises Invalid, before the first."""
        check(who, Action.SEE, OF_KIND[Kind.COST])
        from_ms, to_ms = self.span(first, last, booked=booked)
        lines = await self.cost_lines(who, from_ms, to_ms, card, booked=booked)
        name = issuer or ISSUER
        return text_of(lines, Issuer(id=name, name=name))

    async def _shared(
        self, who: Principal, from_ms: int, to_ms: int, how: Allocation, basis: Basis
    ) -> list[Line]:
        if basis is Basis.BOOKED:
            found = await lines_between(self._core, from_ms, to_ms, booked=True)
            return seen_by(who, list(allocated(found, Weights.of(found), how)))
        begin, end = begin_of(month_of(from_ms)), end_of(month_of(to_ms - 1))
        months = await lines_between(self._core, begin, end)
        weights = Weights.of(months)
        own = (line for line in months if from_ms <= line.day_ms < to_ms)
        return seen_by(who, list(allocated(own, weights, how)))

    async def _outlook(self, who: Principal, asked: ReportAsk) -> Outlook | None:
        if asked.view not in (period.View.EXECUTIVE, period.View.DIVISION):
            return None
        check(who, Action.SEE, FLEET)
        return await outlook_of(self._core, who, asked.division)

    def _check_division(self, who: Principal, division: str, lines: Sequence[Line]) -> None:
        """Raises Invalid for one that neither a project nor a line has; it names those that there are."""
        known = {line.payer.division for line in lines}
        if scope_of(who, Kind.COST) is None:
            known |= {each.division for each in payers_of(self._core).projects.values()}
        known.discard("")
        if division in known:
            return
        named = sorted(known)[:DIVISIONS_SHOWN]
        more = f" and {len(known) - len(named):,} more" if len(known) > len(named) else ""
        raise Invalid(
            f"There is no division {division[:50]!r}.",
            field="division",
            hint=f"Name one of {', '.join(named)}{more}."
            if named
            else "No project has a division. Set it under `projects` in herder.yaml.",
        )

    def _span(self, asked: ReportAsk) -> tuple[int, int]:
        """Days, or the period that was the last to end: a daily report is of the day so far."""
        if not asked.period:
            return self.span(asked.first, asked.last, booked=asked.booked)
        if asked.booked and asked.period != "monthly":
            raise Invalid(
                f"A report by month of booking is of whole months, not {asked.period[:20]!r}.",
                field="period",
                hint="Write --period monthly, or the months with --from and --to.",
            )
        if asked.first or asked.last:
            raise Invalid("A period and days exclude one another.", field="period", hint="Name either.")
        if asked.period not in PERIODS:
            raise Invalid(
                f"There is no period {asked.period!r}.",
                field="period",
                hint=f"Name one of {', '.join(PERIODS)}.",
            )
        today = datetime.fromtimestamp(self._core.clock.now_ms() // 1000, UTC).date()
        first, last = span_of(asked.period, today)
        return self.span(first.isoformat(), last.isoformat(), booked=asked.booked)


def _part_of(who: Principal, made: Document) -> Document:
    """With a note, where the caller sees some of the costs only: else its total would be taken for that of all."""
    if scope_of(who, Kind.COST) is None:
        return made
    note = f"It has only the costs that {who.user} sees: those of {who.user}, and those of projects with {who.user} as a member."
    return replace(made, notes=[*made.notes, note])


def at_internal_card(rates: RateList, lines: Sequence[Line]) -> int | None:
    """What the same use would cost at the internal card; None where it has no rate there, and of a correction where that rate is graduated: what was used before decides then.
    Graduated tiers count the use of each project, as they do where it is charged: so the markup of a division is that of its projects. What is charged at the internal card
    costs that, also where a correction is of its rate."""
    used: dict[tuple[str, str, str], int] = {}
    known = {}
    own = sum(line.pico or 0 for line in lines if line.card == INTERNAL)
    for line in lines:
        if line.card == INTERNAL:
            continue
        rate = rates.at(Subject(INTERNAL, line.resource, line.product), line.day_ms)
        if rate is None or (line.corrects and len(rate.tiers) > 1):
            return None
        known[rate.id] = rate
        whose = rate.id, line.payer.project, line.corrects
        used[whose] = used.get(whose, 0) + line.quantity
    return own + sum(
        known[name].booked(0, abs(quantity)) * (1 if quantity > 0 else -1)
        for (name, *_), quantity in used.items()
    )


def _month(text: str) -> str:
    if text[:4].isdecimal() and int(text[:4]) not in YEARS:
        raise Invalid(f"Nothing is kept of {text[:10]}.", field="month", hint="Write for example 2026-11.")
    try:
        begin_of(text)
    except ValueError as error:
        raise Invalid(f"{str(error).capitalize()}.", field="month") from None
    return text


def _one_of(kind: type[Method], value: str, field: str) -> Method:
    try:
        return kind(value)
    except ValueError:
        raise Invalid(
            f"There is no {field} {value!r}.", field=field, hint=f"Name one of {', '.join(kind)}."
        ) from None


def _date(at_ms: int) -> str:
    return datetime.fromtimestamp(at_ms // 1000, UTC).strftime("%Y-%m-%d")
