"""From the body of a report to events of use: units, times, models, and who may report for whom. Changes nothing. Called by `intake.py`."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from fractions import Fraction
from itertools import islice
from typing import Any, NamedTuple

from herder.control.jobs.submitting.submission import may_submit
from herder.control.kernel.bounds.errors import Forbidden, Invalid, Refused, TooLarge
from herder.control.kernel.core import Core
from herder.ledger.lines import UNITS
from herder.ledger.metering import UsageEvent, default_unit, units_of
from herder.ledger.token_reports import ModelRequest, ReportError, of_span, of_spend_row, resources_of
from herder.ledger.tokens import PREFIX, RESOURCE
from herder.model.permissions import OTHERS_USAGE, Action, Kind, Principal, Thing, Verdict, may
from herder.model.values.phrases import sentence
from herder.settings.syntax.problems import did_you_mean
from herder.store.rows.tables import DEFAULT_PROJECT
from herder.wire.api.usage import COUNTERS_EACH, EVENTS_EACH, SOURCE, TokensReport, UsageReport
from herder.wire.api.usage import UsageEvent as SentEvent

#: How far a clock of a reporter may be ahead.
AHEAD_MS = 5 * 60_000
#: Older use is not taken in.
OLDEST_MS = 400 * 86_400_000
AMOUNT_MOST = 10**30
_SOURCE = re.compile(SOURCE)
#: Counts of tokens by kind, of all requests of a report together.
KINDS_EACH = 20_000
#: It arrives when it is booked, not while it waits for others.
NOT_YET = 0


class Reported(NamedTuple):
    field: str
    """Its place in the body: `events[3]`."""
    event: UsageEvent
    names_payer: bool = True


@dataclass(slots=True)
class Expanding:
    """One report on its way."""

    core: Core
    who: Principal
    source: str
    now_ms: int
    leased: bool
    payers: dict[tuple[str, str, str], tuple[str, str, str]] = field(default_factory=dict)

    def event(
        self,
        place: str,
        resource: str,
        amount: int,
        *,
        name: str,
        time: str,
        payer: tuple[str, str, str],
        product: str = "",
        counter: str = "",
        claim: str = "",
    ) -> Reported:
        """`payer`: (user, project, division) as they were sent."""
        at_ms = self._time(time, place)
        user, project, division = self._payer(payer, place)
        for part, text in (("id", name), ("product", product), ("counter", counter), ("claim", claim)):
            if not text.isprintable() or len(text) > 200:
                raise Invalid(
                    f"The {part} has characters that are not printable, or more than 200.",
                    field=f"{place}.{part}",
                )
        own = self.who.role < OTHERS_USAGE
        source = f"{self.who.user}/{self.source}" if own else self.source
        claim = f"{self.who.user}/{claim}" if own and claim else claim
        found = UsageEvent(
            source,
            name,
            resource,
            at_ms,
            NOT_YET,
            product,
            division,
            project,
            user,
            counter,
            amount,
            claim,
            self.leased,
        )
        return Reported(place, found, any(payer))

    def _time(self, text: str, place: str) -> int:
        try:
            moment = datetime.fromisoformat(text)
            if moment.tzinfo is None:
                raise ValueError(text)
            at_ms = int(moment.timestamp() * 1000)
        except (ValueError, OverflowError):
            raise Invalid(
                f"{text[:40]!r} is not a time.",
                field=f"{place}.time",
                hint="Write it with its zone, such as 2026-11-28T09:30:00Z.",
            ) from None
        if at_ms > self.now_ms + AHEAD_MS:
            raise Invalid(
                f"The time {text[:40]} is in the future.",
                field=f"{place}.time", hint="Report use after it has happened, and set the clock of the reporter.",
            )  # fmt: skip
        if at_ms < self.now_ms - OLDEST_MS:
            raise Invalid(
                f"The time {text[:40]} is more than 400 days ago.",
                field=f"{place}.time", hint="Report use within 400 days.",
            )  # fmt: skip
        return at_ms

    def _payer(self, sent: tuple[str, str, str], place: str) -> tuple[str, str, str]:
        known = self.payers.get(sent)
        if known is None:
            known = self.payers[sent] = self._checked(*sent, place)
        return known

    def _checked(self, user: str, project: str, division: str, place: str) -> tuple[str, str, str]:
        if self.who.role < OTHERS_USAGE:
            user = user or self.who.user
            if may(self.who, Action.CREATE, Thing(kind=Kind.USAGE, owner=user)) is not Verdict.ALLOWED:
                raise Forbidden(
                    f"Only operators report use of others, and the user is {user[:50]!r}.",
                    field=f"{place}.user",
                    hint="Leave the user out: you pay, in the project that is named.",
                )
            if division:
                raise Forbidden(
                    "Only operators report use of a division.",
                    field=f"{place}.division",
                    hint="Name a project of yours.",
                )
        elif not (user or project or division):
            user = self.who.user
        if user and not project and not division:
            project = DEFAULT_PROJECT
        if project:
            try:
                may_submit(self.core, self.who, Kind.BATCH, project)
            except Refused as refused:
                refused.field = f"{place}.project"
                raise
        if division:
            self._check_division(project, division, place)
        if not (user + division).isprintable():
            raise Invalid("The payer has characters that are not printable.", field=f"{place}.user")
        return user, project, division

    def _check_division(self, project: str, division: str, place: str) -> None:
        """Raises Invalid for one that contradicts the project's, and, where projects have divisions, for one that none of them has."""
        divisions = {each.name: each.division for each in self.core.sharing.sharing.projects}
        if project in divisions and division != divisions[project]:
            raise Invalid(
                f"Project {project} belongs to {f'division {divisions[project]}' if divisions[project] else 'no division'}, not to {division[:50]!r}.",
                field=f"{place}.division",
                hint="Leave the division out: that of the project comes from the settings.",
            )
        known = sorted({*divisions.values()} - {""})
        if known and division not in known:
            raise Invalid(
                f"There is no division {division[:50]!r}.",
                field=f"{place}.division",
                hint=did_you_mean(division, known),
            )


def expanded(core: Core, who: Principal, body: UsageReport | TokensReport, now_ms: int) -> list[Reported]:
    """Raises Refused, which names the place."""
    if body.leased and who.role < OTHERS_USAGE:
        raise Forbidden(
            "Only operators report use that leases have paid for.",
            field="leased",
            hint="Leave it out, or ask an operator to report it.",
        )
    if not _SOURCE.fullmatch(body.source):
        raise Invalid(
            f"{body.source[:60]!r} is not the name of a source.",
            field="source",
            hint="Use at most 64 letters, digits and . _ -, beginning with a letter or a digit.",
        )
    expanding = Expanding(core, who, body.source, now_ms, body.leased)
    if isinstance(body, TokensReport):
        _check_number(len(body.requests) + len(body.spans) + len(body.rows), "requests")
        found = list(islice(_of_tokens(expanding, body), KINDS_EACH + 1))
        if len(found) > KINDS_EACH:
            raise TooLarge(
                f"The report has more than {KINDS_EACH:,} counts of tokens.",
                field=found[-1].field,
                hint="Send it in several requests.",
            )
        return found
    _check_number(len(body.events), "events")
    if len({each.counter for each in body.events}) > COUNTERS_EACH:
        raise TooLarge(
            f"The report has more than {COUNTERS_EACH:,} counters.",
            field="events",
            hint="Send it in several requests.",
        )
    return [_of_event(expanding, f"events[{place}]", each) for place, each in enumerate(body.events)]


def _check_number(count: int, field: str) -> None:
    if not count:
        raise Invalid("The report is empty.", field=field, hint="Send at least one event.")
    if count > EVENTS_EACH:
        raise TooLarge(
            f"The report has {count:,} events; the maximum is {EVENTS_EACH:,}.",
            field=field,
            hint="Send it in several requests.",
        )


def _of_event(expanding: Expanding, place: str, sent: SentEvent) -> Reported:
    resource = _resource(sent.resource, place)
    if (sent.quantity is None) == (sent.total is None) or bool(sent.counter) != (sent.total is not None):
        raise Invalid(
            "The event needs either a quantity, or a counter with its total.",
            field=f"{place}.quantity",
            hint="Send one of the two.",
        )
    name, amount = ("quantity", sent.quantity) if sent.total is None else ("total", sent.total)
    assert amount is not None
    return expanding.event(
        place,
        resource,
        base_units(amount, sent.unit or default_unit(resource), resource, f"{place}.{name}", f"{place}.unit"),
        name=sent.id,
        time=sent.time,
        payer=(sent.user, sent.project, sent.division),
        product=sent.product,
        counter=sent.counter,
        claim=sent.claim,
    )


def _resource(resource: str, place: str) -> str:
    known = RESOURCE.fullmatch(resource) if resource.startswith(PREFIX) else resource in UNITS
    if not known:
        raise Invalid(
            f"There is no resource {resource[:60]!r}.",
            field=f"{place}.resource",
            hint=f"Resources are {', '.join(UNITS)} and tokens.KIND, as tokens.input.",
        )
    return resource


def base_units(amount: Decimal, unit: str, resource: str, field: str, unit_field: str) -> int:
    """`field`, `unit_field`: their places in the body. Raises Invalid."""
    base = units_of(resource).get(unit)
    if base is None:
        raise Invalid(
            f"{unit[:40]!r} is not a unit of {resource}.",
            field=unit_field,
            hint=f"Its units are {', '.join(units_of(resource))}.",
        )
    digits = amount.as_tuple()
    if amount.is_finite() and len(digits.digits) <= 60 and abs(int(digits.exponent)) <= 60:
        whole = Fraction(amount) * base
        if whole.denominator == 1 and 0 <= whole <= AMOUNT_MOST:
            return int(whole)
    raise Invalid(
        f"{str(amount)[:40]} {unit} is not an amount of use: it is negative, too large or not a whole number of base units.",
        field=field,
        hint="Send what was used, 0 or more, in a smaller unit where it is a fraction.",
    )


def _of_tokens(expanding: Expanding, body: TokensReport) -> Iterator[Reported]:
    for number, sent in enumerate(body.requests):
        request = ModelRequest(
            id=sent.id, time=sent.time, model=sent.model, tokens=sent.tokens, tier=sent.tier,
            prompt_tokens=sent.prompt_tokens, user=sent.user, project=sent.project, claim=sent.claim,
        )  # fmt: skip
        yield from _of_request(expanding, f"requests[{number}]", request, sent.division, body)
    for name, parts, read in (("spans", body.spans, of_span), ("rows", body.rows, of_spend_row)):
        for number, part in enumerate(parts):
            place = f"{name}[{number}]"
            found = _read(read, part, place)
            if found is not None:
                found.user, found.project = found.user or body.user, found.project or body.project
                yield from _of_request(expanding, place, found, body.division, body)


def _read(read: Any, part: dict[str, Any], place: str) -> ModelRequest | None:
    try:
        found: ModelRequest | None = read(part)
    except ReportError as error:
        raise _wrong(error, place) from None
    return found


def _of_request(
    expanding: Expanding, place: str, request: ModelRequest, division: str, body: TokensReport
) -> Iterator[Reported]:
    try:
        amounts = resources_of(request)
    except ReportError as error:
        raise _wrong(error, place) from None
    for resource, count in amounts.items():
        yield expanding.event(
            place,
            resource,
            count,
            name=request.id,
            time=request.time,
            payer=(request.user, request.project, division or body.division),
            product=request.model,
            claim=request.claim,
        )


def _wrong(error: ReportError, place: str) -> Invalid:
    return Invalid(sentence(error.text), field=f"{place}.{error.field}", hint=error.hint)
