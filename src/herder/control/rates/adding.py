"""Adding rates: a list of them, all or none. Called by `Commands`. Rates are looked up in the store under `core.booking`, so that two lists cannot both follow the same rate."""

import json
import re
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from functools import partial

from herder.control.access.access_check import FLEET, check
from herder.control.kernel.bounds.errors import Conflict, Invalid, Overloaded
from herder.control.kernel.core import Core
from herder.control.rates.recharging import charges_of
from herder.control.rates.told import begins, check_new_cards, left_unpriced, new_cards, no_rate, replacing
from herder.control.rates.views import change_view
from herder.control.usage.charging import Charge, charge, charged_text
from herder.engine.memory.events import record_event
from herder.ledger.months import after_closes
from herder.ledger.price_lists import (
    Change,
    Priced,
    PriceError,
    PriceTier,
    changes_of,
    day_and_version,
    per_of,
    price_text,
    rate_id,
)
from herder.ledger.quantities import DAY_MS
from herder.ledger.rates import RateList, Subject
from herder.model.permissions import Action, Principal
from herder.model.stored.changes import Changes
from herder.model.stored.metering_records import RateRecord
from herder.model.values.phrases import counted, sentence
from herder.store.rows.rate_rows import day_of, in_order, rate_from, read_records, subject_of
from herder.store.rows.unpriced_use import UseOfDay, use_by_day
from herder.wire.api.rates import RateRow, RatesAdd, RatesAnswer

#: Rates in a request of which it is told what use they leave without a price.
TOLD_OF = 20
#: Of the whole installation.
RATES_MAX = 100_000
#: How far ahead a rate may begin: none can begin before it afterwards, so that a day that was mistyped would stand for good.
AHEAD_MS = 2 * 366 * DAY_MS
CARD = re.compile(r"[a-z][a-z0-9-]{0,31}")


@dataclass(frozen=True, slots=True)
class KnownRates:
    last: Mapping[Subject, RateRecord]
    """The newest of each subject."""
    first: Mapping[Subject, RateRecord]
    by_id: Mapping[str, RateRecord]
    use: Sequence[UseOfDay]
    """Use of the resources of the request, of which a new rate may leave some unpriced."""
    found: Sequence[Change] = ()
    """What the request adds."""
    charges: Sequence[Charge] = ()
    """What budgets pay more for what was used already, or less."""

    @property
    def count(self) -> int:
        return len(self.by_id)

    @property
    def cards(self) -> set[str]:
        return {subject.card for subject in self.last}


@asynccontextmanager
async def looked_up(core: Core, who: Principal, body: RatesAdd) -> AsyncIterator[KnownRates]:
    """Until the rates that are added are durable, nobody else adds any. Raises Refused, which names the row."""
    check(who, Action.CHANGE, FLEET)
    async with core.booking:
        await core.settle()
        found: Sequence[RateRecord] = await core.read(read_records)
        resources = {row.resource for row in body.rates} if len(body.rates) <= TOLD_OF else set()
        known = KnownRates(
            last={subject_of(each): each for each in found},
            first={subject_of(each): each for each in reversed(found)},
            by_id={each.id: each for each in found},
            use=await core.read(partial(use_by_day, resources=resources)) if resources else [],
        )
        added = _changes(core, body, known, core.clock.now_ms())
        charges: Sequence[Charge] = ()
        if core.budgets.budgets and added:
            charges = await core.read(partial(charges_of, known=list(map(rate_from, found)), added=added))
        yield replace(known, found=added, charges=charges)


def add(
    core: Core,
    who: Principal,
    body: RatesAdd,
    known: KnownRates,
    changes: Changes,
    now_ms: int,
    *,
    dry_run: bool,
) -> RatesAnswer:
    check(who, Action.CHANGE, FLEET)
    found = known.found
    added_ms = after_closes(now_ms, core.ledger.closed)
    records = [_record(change, body.origin, added_ms, who) for change in found]
    charged = charged_text(core, known.charges, now_ms, dry_run=dry_run)
    if not dry_run:
        charge(core, changes, known.charges, now_ms)
        _put(core, who, changes, records, now_ms, charged)
    by_id = {**known.by_id, **{each.id: each for each in records}}
    views = [
        change_view(record, None if change.before is None else by_id[change.before.id])
        for change, record in zip(found, records, strict=True)
    ]
    notes = [*begins(body.rates, found), *new_cards(core, records, known.cards)]
    if known.use:
        rates = RateList.of(map(rate_from, in_order(by_id.values())))
        notes += left_unpriced(core, found, rates, known.use)
    if charged:
        notes.append(charged.strip())
    return RatesAnswer(text=_text(found, len(body.rates)), changes=views, dry_run=dry_run, notes=notes)


def _changes(core: Core, body: RatesAdd, known: KnownRates, now_ms: int) -> list[Change]:
    """Raises Refused, which names the row."""
    rows = [priced(place, row, now_ms) for place, row in enumerate(body.rates)]
    if not body.new_cards:
        check_new_cards(core, body.rates, known.cards)
    last, first = (
        {row.subject: rate_from(of[row.subject]) for row in rows if row.subject in of}
        for of in (known.last, known.first)
    )
    try:
        found = changes_of([row for row in rows if row.version == 1], last, first)
        found += replacing(body.rates, rows, known.by_id)
    except PriceError as error:
        raise refused(error) from None
    if known.count + len(found) > RATES_MAX:
        raise Overloaded(
            f"The server has {known.count:,} rates; the maximum is {RATES_MAX:,}.",
            hint="Import only the models in use: `herder rate import FILE --only 'gpt-*'`.",
        )
    return found


def _put(
    core: Core,
    who: Principal,
    changes: Changes,
    records: Sequence[RateRecord],
    now_ms: int,
    charged: str,
) -> None:
    for record in records:
        changes.put(record)
    if records:
        cards = sorted({record.card for record in records})
        named = f"rate {records[0].id}" if len(records) == 1 else counted(len(records), "rate")
        text = f"User {who.user} added {named} to {'card' if len(cards) == 1 else 'cards'} {', '.join(cards)}.{charged}"
        record_event(core.state, changes, now_ms, "rate.added", f"card/{cards[0]}", text, actor=who.actor)


def _text(found: Sequence[Change], rows: int) -> str:
    new = sum(change.before is None for change in found)
    return f"{new:,} new, {len(found) - new:,} changed, {rows - len(found):,} as before."


def _record(change: Change, origin: str, added_ms: int, who: Principal) -> RateRecord:
    row, rate = change.row, change.rate
    tiers = json.dumps([[each.above, price_text(each.price)] for each in row.tiers], separators=(",", ":"))
    return RateRecord(
        rate.id, *row.subject, from_ms=row.from_ms, per=row.per, tiers=tiers, origin=origin, added_at_ms=added_ms, added_by=who.user
    )  # fmt: skip


async def added_before(core: Core, who: Principal, body: RatesAdd) -> RatesAnswer:
    """What a request that was carried out before has added, as far as it can be told from the rates that are stored."""
    check(who, Action.CHANGE, FLEET)
    found: Sequence[RateRecord] = await core.read(read_records)
    by_id = {each.id: place for place, each in enumerate(found)}
    changes = []
    for place, row in enumerate(body.rates):
        at = by_id.get(rate_id(priced(place, row, core.clock.now_ms())))
        if at is not None:
            before: RateRecord | None = found[at - 1] if at else None
            follows = before is not None and subject_of(before) == subject_of(found[at])
            changes.append(change_view(found[at], before if follows else None))
    return RatesAnswer(text=f"{counted(len(changes), 'rate')} added before.", changes=changes)


def priced(place: int, row: RateRow, now_ms: int) -> Priced:
    if not CARD.fullmatch(row.card):
        raise Invalid(
            f"{row.card!r} is not the name of a rate card.",
            field=f"rates[{place}].card",
            hint="Use small letters, digits and -, as in internal.",
        )
    if not row.product.isprintable():
        raise Invalid("The product has characters that are not printable.", field=f"rates[{place}].product")
    if (row.price is None) == (not row.tiers):
        raise Invalid(
            "The rate has both a price and tiers." if row.tiers else "The rate has no price.",
            field=f"rates[{place}].price",
            hint='Write one price, such as "0.05", or tiers.',
        )
    tiers = (
        tuple(PriceTier(each.above, each.price) for each in row.tiers)
        if row.price is None
        else (PriceTier(0, row.price),)
    )
    day, version = _replaced(row, place)
    return Priced(
        subject=Subject(row.card, row.resource, row.product),
        from_ms=_begin(day, f"rates[{place}].from", now_ms),
        version=version,
        until_ms=_day(row.until, f"rates[{place}].until") if row.until else None,
        per=per_of(row.resource) if row.per is None else row.per,
        tiers=tiers,
        place=place,
    )


def _replaced(row: RateRow, place: int) -> tuple[str, int]:
    """(first day, version): what replaces a rate has its day, and the version after it."""
    if not row.replaces:
        return row.from_, 1
    found = day_and_version(row.replaces)
    if found is None:
        raise no_rate(row.replaces, place)
    day, version = found
    if row.from_ not in ("", day):
        raise Invalid(
            f"Rate {row.replaces} begins on {day}, and what replaces it begins on the same day.",
            field=f"rates[{place}].from",
            hint="Leave the day out.",
        )
    return day, version + 1


def _begin(text: str, field: str, now_ms: int) -> int:
    if not text:
        return now_ms // DAY_MS * DAY_MS
    from_ms = _day(text, field)
    if from_ms > now_ms + AHEAD_MS:
        raise Invalid(
            f"The rate begins on {text}, which is more than two years ahead.",
            field=field,
            hint="Add it when its day is nearer.",
        )
    return from_ms


def _day(text: str, field: str) -> int:
    try:
        return day_of(text)
    except ValueError as error:
        raise Invalid(f"{text[:40]!r} is not a day.", field=field, hint=str(error)) from None


def refused(error: PriceError) -> Invalid | Conflict:
    kind = Conflict if error.taken else Invalid
    return kind(sentence(error.text), field=f"rates[{error.place}].{error.field}", hint=error.hint)
