"""Rates that replace wrong ones, and what is told of rates that are added: use that they leave without a price, cards that are new. Called by `adding.py`."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from shlex import quote

from herder.control.kernel.bounds.errors import Invalid
from herder.control.kernel.core import Core
from herder.ledger.built_in_cards import CARDS
from herder.ledger.months import date_text
from herder.ledger.price_lists import Change, Priced, PriceError, price_text, rate_of
from herder.ledger.pricing import INTERNAL
from herder.ledger.rates import RateList, Subject
from herder.ledger.tokens import lookups
from herder.model.stored.metering_records import RateRecord
from herder.model.values.phrases import counted
from herder.settings.syntax.problems import did_you_mean
from herder.store.rows.rate_rows import rate_from, subject_of
from herder.store.rows.unpriced_use import UseOfDay
from herder.wire.api.rates import RateRow


def replacing(
    sent: Sequence[RateRow], rows: Iterable[Priced], by_id: Mapping[str, RateRecord]
) -> list[Change]:
    """Of the rows that replace a rate. One whose price was right already is none. Raises PriceError and Invalid."""
    found: dict[str, Change] = {}
    for row in rows:
        name = sent[row.place].replaces
        if not name:
            continue
        old = by_id.get(name)
        if old is None:
            raise no_rate(name, row.place)
        if subject_of(old) != row.subject:
            raise PriceError(
                f"Rate {name} is of another card, resource or product",
                place=row.place, field="replaces", hint="Name those of the rate that is wrong.",
            )  # fmt: skip
        new, before = rate_of(row), rate_from(old)
        if new.id in by_id or new.id in found:
            raise PriceError(
                f"Rate {name} was replaced by {new.id}",
                place=row.place, field="replaces", hint="Replace that one.", taken=True,
            )  # fmt: skip
        if new.tiers != before.tiers:
            found[new.id] = Change(row, new, before)
    return list(found.values())


def no_rate(name: str, place: int) -> Invalid:
    return Invalid(
        f"There is no rate {name[:200]!r}.",
        field=f"rates[{place}].replaces",
        hint="`herder rate list --all` shows them.",
    )


def check_new_cards(core: Core, rows: Sequence[RateRow], known: Collection[str]) -> None:
    """Raises Invalid for a card that has no rates and at which no project pays."""
    cards = {*known, *CARDS, *_card_of(core).values()}
    for place, row in enumerate(rows):
        if row.card not in cards:
            raise Invalid(
                f"There is no rate card {row.card[:40]!r}.",
                field=f"rates[{place}].card",
                hint=f"{did_you_mean(row.card, sorted(cards))} To begin a card of that name, add --new-card.",
            )


def new_cards(core: Core, records: Iterable[RateRecord], known: Collection[str]) -> Iterator[str]:
    paid = {*_card_of(core).values()}
    for card in sorted({each.card for each in records} - {*known, *CARDS}):
        pays = "" if card in paid else f" No project pays at it: set `rate_card: {card}` of a project."
        yield f"Card {card} is new.{pays}"


def _card_of(core: Core) -> dict[str, str]:
    """By project, at which it is charged."""
    return {each.name: each.rate_card for each in core.sharing.sharing.projects}


def left_unpriced(
    core: Core, found: Iterable[Change], rates: RateList, use: Sequence[UseOfDay]
) -> Iterator[str]:
    """`rates`: with those that are added."""
    card_of = _card_of(core)
    for change in found:
        if change.before is not None:
            continue
        subject = change.row.subject
        days = {
            each.day_ms for each in use
            if each.day_ms < change.row.from_ms and _is_of(each, subject, card_of)
            and rates.at(Subject(subject.card, each.resource, each.product), each.day_ms) is None
        }  # fmt: skip
        if days:
            first = date_text(min(days))
            yield (
                f"Use of {subject.resource} on {counted(len(days), 'day')} before {date_text(change.row.from_ms)} has no price on card {subject.card}; "
                f"the first is {first}. To price it, too: `{_command(change.row, first)}`."
            )


def _is_of(use: UseOfDay, subject: Subject, card_of: Mapping[str, str]) -> bool:
    paid = card_of.get(use.project, INTERNAL) == subject.card or (use.reported and subject.card == INTERNAL)
    return paid and subject.product in ("", use.product) and subject.resource in lookups(use.resource)


def _command(row: Priced, first: str) -> str:
    card, resource, product = row.subject
    words = ["herder rate add", "--card", card, "--resource", resource]
    words += ["--product", quote(product)] if product else []
    words += ["--price", price_text(row.tiers[0].price) if len(row.tiers) == 1 else "USD"]
    return " ".join([*words, "--per", str(row.per), "--from", first])


def begins(sent: Sequence[RateRow], found: Sequence[Change]) -> Iterator[str]:
    """Of one rate that names no day."""
    if len(sent) == 1 and found and not sent[0].from_ and not sent[0].replaces:
        yield f"The rate applies from {date_text(found[0].row.from_ms)} on (UTC); --from names another day."
