"""Reads the files of `herder pack`: items and free workers as CSV, templates as YAML. Called by that command only.

Every fault is reported with file, line, column and what to write instead; nothing is guessed. It packs nothing.
"""

import csv
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any, TypeVar

from herder.cli.exits import Code, CommandError
from herder.model.money import PICO_PER_USD
from herder.model.resources import AMOUNT_MAX, Resources
from herder.settings.yaml_text import too_deep

#: Faults that are shown at a time.
FAULTS_MAX = 10
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


class _Faults:
    """Collected over a whole file."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.lines: list[str] = []

    def add(self, line: int, column: int, message: str, remedy: str) -> None:
        self.lines.append(f"{self.path}:{line}:{column}: {message}; {remedy}")

    def check(self) -> None:
        if self.lines:
            shown = self.lines[:FAULTS_MAX]
            more = len(self.lines) - len(shown)
            raise CommandError(
                "\n".join(shown) + (f"\n… and {more} more" if more else ""),
                hint="Nothing was packed. `herder pack --help` shows the form of the files.",
                code=Code.USAGE,
            )


def read_items(path: Path) -> list[Row]:
    return _csv(path, _ITEM_COLUMNS, {"disk_mib": 0, "gpu": 0, "count": 1})


def read_workers(path: Path) -> list[Row]:
    return _csv(path, _WORKER_COLUMNS, {"disk_mib": 0, "gpu": 0, "pods": PODS, "count": 1})


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8-sig")
    except OSError as error:
        raise CommandError(
            f"{path} cannot be read: {error.strerror}", hint="Give the path of a file.", code=Code.USAGE
        ) from None
    except UnicodeDecodeError as error:
        raise CommandError(
            f"{path} is no text in UTF-8 (byte {error.start})", hint="Save it as UTF-8.", code=Code.USAGE
        ) from None


def _csv(path: Path, columns: Sequence[str], defaults: dict[str, int]) -> list[Row]:
    faults = _Faults(path)
    reader = csv.reader(_text(path).splitlines(keepends=True))
    try:
        rows = _csv_rows(reader, columns, defaults, faults)
    except csv.Error as error:
        faults.add(max(1, reader.line_num), 1, f"this is no CSV ({error})", "separate the values with commas")
        rows = []
    faults.check()
    return rows


def _csv_rows(reader: Any, columns: Sequence[str], defaults: dict[str, int], faults: _Faults) -> list[Row]:
    head = [name.strip() for name in next(reader, [])]
    required = [name for name in columns if name not in defaults]
    missing = [name for name in required if name not in head]
    if missing:
        faults.add(
            1,
            1,
            f"the first line lacks {', '.join(missing)}",
            f"it must name the columns: {','.join(columns)}",
        )
        return []
    for place, name in enumerate(head):
        if name not in columns or name in head[:place]:
            what = "is there twice" if name in head[:place] else "is no column of this file"
            faults.add(1, place + 1, f"{name!r} {what}", f"the columns are {', '.join(columns)}")
    rows: list[Row] = []
    seen: dict[str, int] = {}
    for cells in reader:
        if any(cell.strip() for cell in cells):
            row = _csv_row(head, cells, defaults, reader.line_num, faults)
            if row is not None and row.id in seen:
                at = head.index("id") + 1
                faults.add(
                    reader.line_num,
                    at,
                    f"{row.id!r} is on line {seen[row.id]} too",
                    "add it to that line's count",
                )
            elif row is not None:
                seen[row.id] = reader.line_num
                rows.append(row)
    return rows


def _csv_row(
    head: Sequence[str], cells: Sequence[str], defaults: dict[str, int], line: int, faults: _Faults
) -> Row | None:
    if len(cells) > len(head):
        faults.add(
            line, len(head) + 1, f"{len(cells)} values under {len(head)} columns", "remove what is too much"
        )
        return None
    values: dict[str, int] = {"pods": 0, **defaults}
    name = ""
    before = len(faults.lines)
    for place, column in enumerate(head):
        text = cells[place].strip() if place < len(cells) else ""
        if column == "id":
            name = text
            if not text:
                faults.add(line, place + 1, "the id is empty", "give every line a name of its own")
        elif text.isascii() and text.isdigit() and len(text) <= 13 and int(text) <= AMOUNT_MAX:
            values[column] = int(text)
        elif text or column not in defaults:
            faults.add(line, place + 1, f"{column} is {text[:50]!r}", _WHOLE)
    if len(faults.lines) > before:
        return None
    size = Resources(*(values[key] for key in _RESOURCES))
    return Row(id=name, size=size, count=values["count"], pods=values["pods"])


# --- templates --------------------------------------------------------------------------------------------------------


def read_templates(path: Path) -> list[TemplateRow]:
    faults = _Faults(path)
    loaded = _yaml(_text(path), faults)
    faults.check()
    if not isinstance(loaded, list) or not loaded:
        faults.add(1, 1, "there is no list of templates", "begin each template with '- name: …'")
    rows: list[TemplateRow] = []
    each: Any
    for place, each in enumerate(loaded if isinstance(loaded, list) else ()):
        if not _is_mapping(each):
            line, column = loaded.lc.item(place)
            faults.add(
                line + 1, column + 1, "this is no template", f"it has the keys {', '.join(_TEMPLATE_KEYS)}"
            )
            continue
        row = _template(each, faults)
        if row is not None and any(row.name == other.name for other in rows):
            line, column = each.lc.value("name")
            faults.add(
                line + 1, column + 1, f"there is another template {row.name!r}", "give it its own name"
            )
        elif row is not None:
            rows.append(row)
    faults.check()
    return rows


def _yaml(text: str, faults: _Faults) -> Any:
    from ruamel.yaml import YAML
    from ruamel.yaml.error import MarkedYAMLError, YAMLError

    try:
        if too_deep(text):
            raise RecursionError
        return YAML(typ="rt", pure=True).load(text)
    except MarkedYAMLError as error:
        mark = error.problem_mark
        line, column = (mark.line + 1, mark.column + 1) if mark else (1, 1)
        faults.add(
            line, column, f"this is no YAML ({error.problem})", "look at the indentation and the dashes"
        )
    except YAMLError:
        faults.add(1, 1, "this is no YAML", "write a list of templates")
    except RecursionError:
        faults.add(1, 1, "this is nested too deeply", "write a list of templates")
    except (ValueError, TypeError, LookupError, ArithmeticError) as error:
        faults.add(1, 1, f"a value cannot be read ({error})", "put it in quotes")
    return None


def _is_mapping(value: Any) -> bool:
    return isinstance(value, dict)


_T = TypeVar("_T")


def _template(each: Any, faults: _Faults) -> TemplateRow | None:
    before = len(faults.lines)
    for key in each:
        if key not in _TEMPLATE_KEYS:
            line, column = each.lc.key(key)
            faults.add(
                line + 1, column + 1, f"{key!r} is unknown here", f"keys are {', '.join(_TEMPLATE_KEYS)}"
            )

    def take(key: str, read: Callable[[Any], _T | None], remedy: str, default: _T | None = None) -> _T | None:
        if key not in each:
            if default is None:
                faults.add(each.lc.line + 1, each.lc.col + 1, f"{key} is missing", remedy)
            return default
        value = read(each[key])
        if value is None:
            line, column = each.lc.value(key)
            faults.add(line + 1, column + 1, f"{key} is {str(each[key])[:50]!r}", remedy)
        return value

    name = take("name", _name, "write a short text")
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


def _name(value: Any) -> str | None:
    return str(value) if isinstance(value, (str, int)) and str(value).strip() else None


def _whole(value: Any) -> int | None:
    fine = isinstance(value, int) and not isinstance(value, bool) and 0 <= value <= AMOUNT_MAX
    return int(value) if fine else None


def _price(value: Any) -> int | None:
    if isinstance(value, bool) or not isinstance(value, (int, float, str)):
        return None
    try:
        # The shortest text of a YAML float is what was written.
        amount = Decimal(
            repr(float(value)) if isinstance(value, float) else str(value).strip().removeprefix("$")
        )
    except InvalidOperation:
        return None
    if not amount.is_finite() or not 0 <= amount <= PRICE_MAX:
        return None
    return int((amount * PICO_PER_USD).to_integral_value())
