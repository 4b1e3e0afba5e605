"""Reads the files of `herder pack`: items and free workers as CSV, templates as YAML. Called by that command only.

Every fault is reported with file, line, column and what to write instead; nothing is guessed. It packs nothing.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from herder.cli.input.file_faults import FileFaults, unopened
from herder.model.values.money import PICO_PER_USD
from herder.model.values.resources import AMOUNT_MAX, Resources
from herder.settings.syntax.csv_text import CsvText
from herder.settings.syntax.files import DAMAGED, Unreadable, opened, read_text
from herder.settings.syntax.numbers import decimal, whole
from herder.settings.syntax.problems import SettingsError
from herder.settings.syntax.values import Listing, Scalar, Table, Value
from herder.settings.syntax.yaml_text import read_yaml

_HINT = "Nothing was packed. `herder pack --help` shows the form of the files."
#: Of a template that names no limit.
LIMIT = 1_000_000
PODS = 110
PRICE_MAX = 10**6
_WHOLE = f"write a whole number from 0 to {AMOUNT_MAX}"
_RESOURCES = ("cpu_milli", "memory_mib", "disk_mib", "gpu")
_ITEM_COLUMNS = ("id", *_RESOURCES, "count")
_WORKER_COLUMNS = ("id", *_RESOURCES, "pods", "count")
_TEMPLATE_KEYS = ("name", *_RESOURCES, "pods", "price_per_hour", "limit")


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """An item or a worker: `pods` is 0 for items."""

    id: str
    size: Resources
    count: int
    pods: int


@dataclass(frozen=True, slots=True, kw_only=True)
class TemplateRow:
    name: str
    size: Resources
    pods: int
    price_pico_per_hour: int
    limit: int


def read_items(path: Path) -> list[Row]:
    return _csv(path, _ITEM_COLUMNS, {"disk_mib": 0, "gpu": 0, "count": 1})


def read_workers(path: Path) -> list[Row]:
    return _csv(path, _WORKER_COLUMNS, {"disk_mib": 0, "gpu": 0, "pods": PODS, "count": 1})


def _csv(path: Path, columns: Sequence[str], defaults: dict[str, int]) -> list[Row]:
    faults = FileFaults(path, _HINT)
    rows: list[Row] = []
    try:
        with opened(path) as file:
            rows = _csv_rows(CsvText(file), columns, defaults, faults)
    except Unreadable as error:
        faults.found(error)
    except DAMAGED as error:
        raise unopened(faults.name, error) from None
    faults.check()
    return rows


def _csv_rows(
    table: CsvText, columns: Sequence[str], defaults: dict[str, int], faults: FileFaults
) -> list[Row]:
    head = table.begin()
    missing = [name for name in columns if name not in defaults and name not in head]
    if missing:
        remedy = f"it must name the columns {','.join(columns)}"
        faults.add(1, 1, f"the header line lacks {', '.join(missing)}", remedy)
        return []
    for place, name in enumerate(head):
        if name not in columns:
            remedy = f"the columns are {', '.join(columns)}"
            faults.add(*table.place(place), f"there is no column {name!r}", remedy)
    rows: list[Row] = []
    seen: dict[str, int] = {}
    for found in table.rows():
        if isinstance(found, Unreadable):
            faults.found(found)
            continue
        line, cells = found
        row = _csv_row(table, cells, defaults, faults)
        if row is not None and row.id in seen:
            faults.add(
                *table.place(head.index("id")),
                f"{row.id!r} is also on line {seen[row.id]}",
                "add it to that line's count",
            )
        elif row is not None:
            seen[row.id] = line
            rows.append(row)
    return rows


def _csv_row(
    table: CsvText, cells: Sequence[str], defaults: dict[str, int], faults: FileFaults
) -> Row | None:
    values: dict[str, int] = {"pods": 0, **defaults}
    name = ""
    before = len(faults.lines)
    for place, column in enumerate(table.header):
        text = cells[place].strip() if place < len(cells) else ""
        if column == "id":
            name = text
            if not text:
                faults.add(*table.place(place), "the id is empty", "give each line an id of its own")
        elif text.isascii() and text.isdigit() and len(text) <= 13 and int(text) <= AMOUNT_MAX:
            values[column] = int(text)
        elif text or column not in defaults:
            faults.add(*table.place(place), f"{column} is {text[:50]!r}", _WHOLE)
    if len(faults.lines) > before:
        return None
    size = Resources(*(values[key] for key in _RESOURCES))
    return Row(id=name, size=size, count=values["count"], pods=values["pods"])


# --- templates --------------------------------------------------------------------------------------------------------


def read_templates(path: Path) -> list[TemplateRow]:
    faults = FileFaults(path, _HINT)
    documents: list[Value] = []
    try:
        documents = read_yaml(read_text(path), faults.name)
    except SettingsError as error:
        for problem in error.problems:
            faults.at(problem.place, problem.message, problem.remedy)
    except Unreadable as error:
        faults.found(error)
    except OSError as error:
        raise unopened(faults.name, error) from None
    faults.check()
    listing = documents[0] if len(documents) == 1 else None
    if not isinstance(listing, Listing) or not listing.items:
        faults.add(1, 1, "there is no list of templates", "begin each template with '- name: …'")
        faults.check()
        return []
    rows: list[TemplateRow] = []
    for each in listing.items:
        row = _template(each, faults)
        if row is not None and any(row.name == other.name for other in rows):
            faults.at(each.place, f"there is another template {row.name!r}", "give it a name of its own")
        elif row is not None:
            rows.append(row)
    faults.check()
    return rows


_T = TypeVar("_T")


def _template(each: Value, faults: FileFaults) -> TemplateRow | None:
    if not isinstance(each, Table):
        faults.at(each.place, "this is not a template", f"it has the keys {', '.join(_TEMPLATE_KEYS)}")
        return None
    before = len(faults.lines)
    for entry in each.entries:
        if entry.name not in _TEMPLATE_KEYS:
            remedy = f"the keys are {', '.join(_TEMPLATE_KEYS)}"
            faults.at(entry.place, f"there is no key {entry.name!r}", remedy)

    def take(key: str, read: Callable[[str], _T | None], remedy: str, default: _T | None = None) -> _T | None:
        value = each.get(key)
        if value is None:
            if default is None:
                faults.at(each.place, f"{key} is missing", remedy)
            return default
        text = value.text if isinstance(value, Scalar) else None
        found = read(text) if text is not None else None
        if found is None:
            shown = "not a single value" if text is None else repr(text[:50])
            faults.at(value.place, f"{key} is {shown}", remedy)
        return found

    name = take("name", lambda text: text if text.strip() else None, "write a short text")
    amounts = [
        take(key, _whole, _WHOLE, None if key in ("cpu_milli", "memory_mib") else 0) for key in _RESOURCES
    ]
    pods = take("pods", _whole, _WHOLE, PODS)
    limit = take("limit", _whole, _WHOLE, LIMIT)
    price = take("price_per_hour", _price, f"write US dollars from 0 to {PRICE_MAX}, for example 0.12")
    if len(faults.lines) > before or name is None or price is None or pods is None or limit is None:
        return None
    return TemplateRow(
        name=name,
        size=Resources(*(amount or 0 for amount in amounts)),
        pods=pods,
        price_pico_per_hour=price,
        limit=min(limit, LIMIT),
    )


def _whole(text: str) -> int | None:
    value = whole(text)
    return value if isinstance(value, int) and 0 <= value <= AMOUNT_MAX else None


def _price(text: str) -> int | None:
    amount = decimal(text.strip().removeprefix("$"))
    if amount is None or not 0 <= amount <= PRICE_MAX:
        return None
    return int((amount * PICO_PER_USD).to_integral_value())
