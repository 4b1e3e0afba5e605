"""Reads rates from files: a CSV file as `herder rate export` writes it, or LiteLLM's price map. Used by `herder rate import`."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from decimal import Decimal, InvalidOperation
from fnmatch import fnmatchcase
from pathlib import Path

from herder.cli.input.file_faults import FileFaults, unopened
from herder.cli.shell.exit_codes import Code, CommandError
from herder.ledger import built_in_cards
from herder.ledger.price_lists import Priced, PriceError, marked_up
from herder.ledger.price_maps import read_price_map
from herder.settings.syntax.csv_text import CsvText
from herder.settings.syntax.files import DAMAGED, Unreadable, opened, read_text
from herder.settings.syntax.json_text import read_decimals
from herder.wire.api.rates import RateRow, TierRow

COLUMNS = ("card", "resource", "product", "from", "until", "above", "price", "per")
_NEEDED = ("card", "resource", "price")
_HINT = "Nothing was added. `herder rate export` writes a file of this form."


@dataclass(slots=True)
class RateFile:
    rows: list[RateRow] = field(default_factory=list)
    unread: list[str] = field(default_factory=list)
    """Prices of tokens whose meaning is not known, as `MODEL: KEY`."""


def decimal_of(text: str) -> Decimal | None:
    try:
        found = Decimal(text)
    except InvalidOperation:
        return None
    return found if found.is_finite() else None


def read_csv(path: Path, card: str | None, from_day: str) -> RateFile:
    """`card`, `from_day`: of rows that name none. Raises CommandError, with the place of each fault."""
    faults = FileFaults(path, _HINT)
    rows: dict[tuple[str, ...], RateRow] = {}
    try:
        with opened(path) as file:
            table = CsvText(file)
            head = table.begin()
            missing = [name for name in _NEEDED if name not in head and not (name == "card" and card)]
            unknown = [name for name in head if name not in COLUMNS]
            if missing or unknown:
                what = (
                    f"lacks {' and '.join(missing)}" if missing else f"has the unknown column {unknown[0]!r}"
                )
                faults.add(1, 1, f"the header line {what}", f"the columns are {','.join(COLUMNS)}")
                faults.check()
            for found in table.rows():
                if isinstance(found, Unreadable):
                    faults.found(found)
                    continue
                cells = dict(zip(head, (cell.strip() for cell in found[1]), strict=False))
                _row(cells, rows, card or "", from_day, table, faults)
    except Unreadable as error:
        faults.found(error)
    except DAMAGED as error:
        raise unopened(faults.name, error) from None
    faults.check()
    return RateFile([_plain(row) for row in rows.values()])


def _row(
    cells: dict[str, str],
    rows: dict[tuple[str, ...], RateRow],
    card: str,
    from_day: str,
    table: CsvText,
    faults: FileFaults,
) -> None:
    def place(name: str) -> tuple[int, int]:
        return table.place(table.header.index(name) if name in table.header else 0)

    price, per, above = decimal_of(cells["price"]), cells.get("per", ""), cells.get("above", "") or "0"
    if price is None or price < 0:
        faults.add(*place("price"), f"{cells['price'][:40]!r} is not a price", "write a decimal such as 0.05")
        return
    for name, text in (("per", per), ("above", above)):
        if text and not (text.isascii() and text.isdigit() and len(text) <= 18):
            faults.add(*place(name), f"{text[:40]!r} is not a whole number of units", "write digits only")
            return
    names = [cells.get(name, "") for name in ("card", "resource", "product", "from", "until")]
    key = (names[0] or card, *names[1:3], names[3] or from_day, names[4])
    row = rows.get(key)
    if row is None:
        row = rows[key] = RateRow(
            card=key[0], resource=key[1], product=key[2], from_=key[3], until=key[4], per=int(per) if per else None
        )  # fmt: skip
    row.tiers.append(TierRow(above=int(above), price=price))


def _plain(row: RateRow) -> RateRow:
    """One price is written as such."""
    if len(row.tiers) == 1 and row.tiers[0].above == 0:
        row.price, row.tiers = row.tiers[0].price, []
    return row


def read_price_file(path: Path, card: str, from_day: str, only: Sequence[str]) -> RateFile:
    """LiteLLM's price map. `only`: patterns of models. Raises CommandError."""
    name = "stdin" if str(path) == "-" else str(path)
    try:
        found = read_decimals(read_text(path))
    except OSError as error:
        raise unopened(name, error) from None
    except Unreadable as error:
        raise _unread(error.within(name)) from None
    if not isinstance(found, dict):
        raise _unread(f"{name}: The file is not a mapping of models.")
    if only:
        found = {
            model: found[model] for model in found if any(fnmatchcase(model, pattern) for pattern in only)
        }
    try:
        read = read_price_map(found, card, 0)
    except PriceError as error:
        raise _unread(f"{name}: {error.text}.", error.hint) from None
    if not read.rows:
        raise _unread(
            f"{name}: No model of the file has a price of tokens{' and fits --only' if only else ''}."
        )
    return RateFile(_rows(read.rows, from_day), read.unread)


def _unread(text: str, hint: str = "") -> CommandError:
    return CommandError(text, hint=f"Nothing was added. {hint}".strip(), code=Code.USAGE)


def built_in(card: str, from_day: str) -> RateFile:
    if card not in built_in_cards.CARDS:
        raise CommandError(
            f"There is no built-in card {card!r}.",
            hint=f"Built in are {' and '.join(built_in_cards.CARDS)}. For another card, name a FILE.",
            code=Code.USAGE,
        )
    rows = built_in_cards.card(card, 0)
    return RateFile(_rows(rows, from_day))


def _rows(rows: Iterable[Priced], from_day: str) -> list[RateRow]:
    return [
        _plain(
            RateRow(
                card=row.subject.card,
                resource=row.subject.resource,
                product=row.subject.product,
                from_=from_day,
                per=row.per,
                tiers=[TierRow(above=tier.above, price=tier.price) for tier in row.tiers],
            )
        )
        for row in rows
    ]


def raise_by(file: RateFile, percent: Decimal) -> None:
    """Each price, exactly. Raises CommandError."""
    try:
        for row in file.rows:
            if row.price is not None:
                row.price = marked_up(row.price, percent)
            for tier in row.tiers:
                tier.price = marked_up(tier.price, percent)
    except PriceError as error:
        raise _unread(f"--markup: {error.text}.", "Write fewer digits.") from None
