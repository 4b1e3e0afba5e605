"""How a line of the ledger came about: use × rate = amount, down to the attempts and machines that used it."""

from collections.abc import Iterator
from fractions import Fraction
from functools import partial
from typing import NamedTuple

from sqlalchemy import Connection

from herder.control.costs.months import payers_of
from herder.control.kernel.bounds.errors import NotKnown
from herder.control.kernel.core import Core
from herder.control.reads.costs.lines import seen_by
from herder.control.reads.costs.views import line_view, unit_text
from herder.ledger.lines import COST, Kind, Line, unit_of
from herder.ledger.months import date_text, following
from herder.ledger.pricing import INTERNAL, Month, Payers, parts_of
from herder.ledger.quantities import DAY_MS, MachineDay, WorkDay
from herder.ledger.rates import Rate
from herder.ledger.splits import split
from herder.model.permissions import Principal
from herder.model.values.money import cost_of, usd_text
from herder.model.values.times import iso
from herder.store.rows.known_rates import rates_at
from herder.store.rows.month_rows import closed, computed_lines, months_with_use, stored_lines
from herder.store.rows.use_events import UseEvent, events_of
from herder.store.rows.use_rows import days_between
from herder.wire.api.costs import LineEvent, LineExplanation, LinePart

#: Events that are listed.
EVENTS = 1000


class _Found(NamedTuple):
    line: Line
    rate: Rate | None
    machine: MachineDay | None
    work: dict[tuple[str, str], WorkDay]
    events: list[UseEvent]
    total: int


async def explained(core: Core, who: Principal, line_id: str) -> LineExplanation:
    """Raises NotKnown, also for a line that `who` may not see."""
    found: _Found | None = await core.read(partial(_find, line_id=line_id, payers=payers_of(core)))
    if found is None or not seen_by(who, [found.line]):
        raise NotKnown(f"The ledger has no line {line_id}.", hint="`herder cost lines` lists them.")
    alone = not seen_by(who, [found.line._replace(payer=found.line.payer._replace(user="", project=""))])
    return LineExplanation(
        line=line_view(found.line),
        text=_sentences(found),
        parts=[] if alone else list(_parts(found)),
        events=[_event(each) for each in found.events],
        events_total=found.total,
    )


def _find(connection: Connection, line_id: str, payers: Payers) -> _Found | None:
    closes, rates = closed(connection), rates_at(connection)
    for month in sorted({*months_with_use(connection), *closes, *map(following, closes)}, reverse=True):
        if month in closes:
            lines = stored_lines(connection, month)
        else:
            lines = iter(computed_lines(connection, month, closes, rates, payers))
        line = next((each for each in lines if each.id == line_id), None)
        if line is None:
            continue
        own = closes.get(month)
        known = rates(None if own is None else own.known_ms)
        machine, work = _machine_day(connection, line) if line.card == COST else (None, {})
        events, total = [], 0
        for event in events_of(connection, line):
            total += 1
            if total <= EVENTS:
                events.append(event)
        return _Found(line, known.by_id(line.rate), machine, work, events, total)
    return None


def _machine_day(
    connection: Connection, line: Line
) -> tuple[MachineDay | None, dict[tuple[str, str], WorkDay]]:
    """As it is known now."""
    use = Month()
    for row in days_between(connection, line.day_ms, line.day_ms + DAY_MS, line.place.worker):
        use.add(row)
    key = (line.day_ms, line.place.worker)
    return use.machines.get(key), use.work.get(key, {})


def _sentences(found: _Found) -> list[str]:
    line, day = found.line, date_text(found.line.day_ms)
    amount = unit_text(line.resource, line.quantity)
    unit = unit_of(line.resource)
    name = "units" if unit is None else unit.name
    said = [
        f"On {day} (UTC): {amount} {name} of {line.resource}{f' of {line.product}' if line.product else ''}."
    ]
    if line.pico is None:
        said.append(
            f"There is no rate for it on card {INTERNAL if line.card == COST else line.card}, so it is unpriced: "
            "its cost is unknown, not zero. Add one with `herder rate add`."
        )
    elif line.card == COST and line.place.worker:
        said += _machine_sentences(found)
    elif found.rate is not None and unit is not None:
        said += _rate_sentences(line, found.rate, unit.base, name)
    if line.corrects:
        said.append(
            f"It became known after {line.corrects} was closed, and corrects that month by {usd_text(line.pico or 0)} USD in {line.period}."
        )
    return said


def _machine_sentences(found: _Found) -> Iterator[str]:
    line, machine = found.line, found.machine
    if machine is None:
        return
    whole = cost_of(machine.price_pico_per_hour, machine.ms)
    yield (
        f"Worker {machine.worker} existed for {unit_text('machine', machine.ms)} hours at {usd_text(machine.price_pico_per_hour)} USD an hour: "
        f"{usd_text(whole)} USD."
    )
    what = {
        Kind.WORKLOAD: f"the work of user {line.payer.user} for project {line.payer.project}",
        Kind.IDLE: "time that no job had asked for",
        Kind.OVERHEAD: "the time before it was ready",
    }[line.kind]
    yield f"Of this, {usd_text(line.pico or 0)} USD are for {what}."


def _rate_sentences(line: Line, rate: Rate, base: int, name: str) -> Iterator[str]:
    price = usd_fraction(rate.tiers[0].pico_per_unit * base)
    if len(rate.tiers) > 1:
        yield f"Rate {rate.id} is graduated: {price} USD for each of the first {name}, then other prices; this line is a part of the month's use."
        yield f"Amount: {usd_text(line.pico or 0)} USD."
        return
    yield (
        f"{unit_text(line.resource, line.quantity)} × {price} USD (rate {rate.id}) = {usd_text(line.pico or 0)} USD, rounded to the pico-dollar."
    )


def usd_fraction(pico: Fraction) -> str:
    """US dollars of an exact rate, with at most twelve decimals."""
    scaled = round(pico)
    return usd_text(scaled) if pico == scaled else f"about {usd_text(scaled)}"


def _parts(found: _Found) -> Iterator[LinePart]:
    if found.machine is None or found.machine.ms <= 0:
        return
    parts = parts_of(found.machine, found.work)
    whole = sum(parts.values())
    pico = split(cost_of(found.machine.price_pico_per_hour, found.machine.ms), parts)
    for (kind, project, user), weight in parts.items():
        if weight:
            share = Fraction(weight, whole)
            yield LinePart(
                kind=kind, project=project, user=user,
                share=f"{share.numerator}/{share.denominator}", amount_usd=usd_text(pico[kind, project, user]),
            )  # fmt: skip


def _event(event: UseEvent) -> LineEvent:
    return LineEvent(
        object=event.object,
        attempt=event.attempt,
        from_at=iso(event.from_ms),
        to_at=iso(event.to_ms),
        base_quantity=str(event.quantity),
    )
