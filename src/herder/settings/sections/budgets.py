"""The section `budgets:` of herder.yaml: limits of what may be spent in a period. Read by `load`, applied as pools are, stored in this form.

`budgets_from_plain` and `budget_to_plain` are inverse to each other. What makes a whole set unusable – a circle, two units in one tree – is in
`ledger/budgets/spec.py`; the server asks it again with the budgets that it has.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from herder.ledger.budgets.spec import BudgetSpec, Period, Priority, Scope, Unit, faults, parse_period
from herder.model.values.money import parse_usd, usd_text
from herder.settings.sections.fields import FLAG, Field, Schema, same
from herder.settings.syntax import validation
from herder.settings.syntax.problems import SettingsError
from herder.settings.syntax.validation import Reading
from herder.settings.syntax.values import Entry, Scalar, Table, Value, from_plain

SECTION = "budgets"
OVERAGE_MAX, PERCENT_MAX = 100, 1_000
APPROVERS_MAX = 50
#: The largest limit: a sum of very many still fits what people can read.
LIMIT_USD_MAX, LIMIT_TOKENS_MAX = 10**12, 10**18 - 1
_TEXT: Schema = {"type": "string"}
_PERCENT: Schema = {"type": ["string", "integer"], "examples": ["10%"]}


def _percent(most: int) -> Callable[[Reading, Value], int]:
    def read(found: Reading, value: Value) -> int:
        raw = validation.text(found, value).removesuffix("%")
        if not raw.isdecimal() or not raw.isascii() or len(raw) > len(str(most)) or int(raw) > most:
            found.wrong(
                value,
                f"The value must be 0% to {most}%.",
                f"Write a whole number of percent, at most {most}%.",
            )
            return 0
        return int(raw)

    return read


def _percent_text(percent: int) -> str:
    return f"{percent}%"


def _read_timezone(found: Reading, value: Value) -> str:
    raw = validation.text(found, value)
    try:
        ZoneInfo(raw)
    except (ZoneInfoNotFoundError, ValueError, OSError):
        found.wrong(
            value, f"{raw[:50]!r} is not a time zone.", "Write an IANA name such as Europe/Berlin or UTC."
        )
        return "UTC"
    return raw


def _read_period(found: Reading, value: Value) -> Period:
    raw = validation.text(found, value)
    try:
        return parse_period(raw)
    except ValueError as error:
        message, _, remedy = str(error).partition("; ")
        found.wrong(value, f"{message}.", f"{remedy[:1].upper()}{remedy[1:]}.")
        return Period()


def _read_approvers(found: Reading, value: Value) -> tuple[str, ...]:
    names = tuple(validation.text(found, each) for each in validation.listing(found, value))
    if len(names) > APPROVERS_MAX:
        found.wrong(value, f"More than {APPROVERS_MAX} approvers are named.", "Name fewer users.")
    return tuple(dict.fromkeys(names[:APPROVERS_MAX]))


def _read_thresholds(found: Reading, value: Value) -> tuple[int, ...]:
    read = tuple(_percent(PERCENT_MAX)(found, each) for each in validation.listing(found, value))
    if read != tuple(sorted(set(read))) or 0 in read:
        found.wrong(
            value, "The thresholds are not in ascending order.", "Write them as [50%, 75%, 90%, 100%]."
        )
    return read


def _read_limit(found: Reading, value: Value) -> str | None:
    """As it is written: what it means depends on the unit."""
    if isinstance(value, Scalar) and value.text is None:
        return None
    return validation.text(found, value)


def _field(
    key: str,
    attribute: str,
    read: Callable[[Reading, Value], Any],
    doc: str,
    write: Callable[[Any], Any] = same,
    schema: Schema = _TEXT,
) -> Field:
    return Field(key=key, attribute=attribute, read=read, write=write, schema=schema, doc=doc)


def _choice(kind: Any, default: Any) -> Callable[[Reading, Value], Any]:
    return lambda found, value: validation.choice(found, value, kind, default)


def _enum(kind: Any) -> Schema:
    return {"enum": [each.value for each in kind]}


BUDGET_FIELDS: tuple[Field, ...] = (
    _field(
        "scope", "scope", _choice(Scope, Scope.GROUP),
        "What it limits: organisation, division, project, user, pool, event, or group (only what is below it).", str, _enum(Scope),
    ),
    _field("of", "of", validation.text, "The pool, project, user … that it limits. Empty: the one that has its name."),
    _field("parent", "parent", validation.text, "The budget above it, which must pay too. Empty: none."),
    _field(
        "limit", "limit", _read_limit,
        'What may be spent in one period, in US dollars ("500") or tokens (20000). null: it adds up the budgets below it and limits nothing.',
        schema={"type": ["string", "number", "null"], "examples": ["500"]},
    ),
    _field("unit", "unit", _choice(Unit, Unit.USD), "usd or tokens; the same in a whole tree.", str, _enum(Unit)),
    _field(
        "period", "period", _read_period,
        "day, week (from Monday), month, year, once, or a rolling window such as rolling 24h.", lambda period: period.text,
    ),
    _field("timezone", "timezone", _read_timezone, "Where its days begin: Europe/Berlin."),
    _field("overage", "overage_percent", _percent(OVERAGE_MAX), "So much more than the limit may be spent.", _percent_text, _PERCENT),
    _field("borrow", "borrow", validation.flag, "It borrows from the budgets beside it what they have not used.", same, FLAG),
    _field(
        "lending_limit", "lending_percent", _percent(100),
        "The part of its limit that the budgets beside it may borrow in one period.", _percent_text, _PERCENT,
    ),
    _field(
        "approval", "approval_percent", _percent(PERCENT_MAX),
        "A request for more than this part of the limit waits for an approver.", _percent_text, _PERCENT,
    ),
    _field(
        "approvers", "approvers", _read_approvers,
        "The users who decide about requests to it and about what it gives. Empty: operators and administrators.",
        list, {"type": "array", "items": _TEXT},
    ),
    _field("priority", "priority", _choice(Priority, Priority.MEDIUM), "low, medium, high or critical: who is served first.", str, _enum(Priority)),
    _field(
        "thresholds", "thresholds", _read_thresholds, "Where alerts are raised, as parts of the limit.",
        lambda parts: [_percent_text(each) for each in parts], {"type": "array", "items": _PERCENT},
    ),
)  # fmt: skip


def read_budgets(found: Reading, named: Iterable[tuple[Entry, Table]]) -> tuple[BudgetSpec, ...]:
    """With the faults of the whole set; of a part of it, the server looks for those of parents that are not in it."""
    rows = list(named)
    specs = {entry.name: _read(found, entry, table) for entry, table in rows}
    tables = {entry.name: (entry, table) for entry, table in rows}
    for fault in faults(specs):
        if found.part and fault.key == "parent" and specs[fault.budget].parent not in specs:
            continue
        entry, table = tables[fault.budget]
        value = table.get(fault.key)
        place = entry.place if value is None or value.place.line <= 0 else value.place
        found.problem(place, f"{table.key}.{fault.key}", fault.message, fault.remedy)
    return tuple(specs.values())


def _read(found: Reading, entry: Entry, table: Table) -> BudgetSpec:
    by_key = {each.key: each for each in BUDGET_FIELDS}
    given = {
        by_key[each.name].attribute: by_key[each.name].read(found, each.value)
        for each in validation.known_only(found, table, ("name", *by_key))
        if each.name != "name"
    }
    raw = given.pop("limit", None)
    spec = BudgetSpec(name=entry.name, **given)
    if table.get("limit") is None:
        found.problem(
            entry.place,
            table.key,
            "The budget has no limit.",
            "Write `limit: 500`, or `limit: null` if it is only to add up the budgets below it.",
        )
    value = table.get("limit")
    if raw is None or value is None:
        return spec
    return replace(spec, limit=_parse_limit(found, value, raw, spec.unit))


def _parse_limit(found: Reading, value: Value, raw: str, unit: Unit) -> int:
    try:
        limit = limit_of(raw, unit)
    except ValueError as error:
        message, _, remedy = str(error).partition("; ")
        found.wrong(value, f"{message}.", f"{remedy[:1].upper()}{remedy[1:]}." if remedy else "Correct it.")
        return 0
    return limit


def limit_of(raw: str, unit: Unit) -> int:
    """An amount in whole units: pico-USD or tokens. Raises ValueError."""
    if unit is Unit.USD:
        limit = int(parse_usd(raw))
        if limit > LIMIT_USD_MAX * 10**12:
            raise ValueError(f"{raw[:30]} is more than ${LIMIT_USD_MAX:,}; write less")
        return limit
    digits = raw.replace(",", "").replace("_", "")
    if not (digits.isascii() and digits.isdecimal()) or len(digits) > len(str(LIMIT_TOKENS_MAX)):
        raise ValueError(f"{raw[:30]!r} is not a number of tokens; write a whole number such as 20000")
    return int(digits)


def budget_to_plain(spec: BudgetSpec) -> dict[str, Any]:
    """Complete, as herder.yaml would write it."""
    plain = {each.key: each.write(each.of(spec)) for each in BUDGET_FIELDS}
    plain["limit"] = amount_text(spec.limit, spec.unit)
    return plain


def amount_text(amount: int | None, unit: Unit) -> str | None:
    """Exact: dollars as a decimal number, or tokens."""
    if amount is None:
        return None
    return usd_text(amount) if unit is Unit.USD else str(amount)


def budgets_to_plain(specs: Iterable[BudgetSpec]) -> dict[str, Any]:
    return {each.name: budget_to_plain(each) for each in specs}


def budgets_from_plain(
    plain: Mapping[str, Any], others: Mapping[str, BudgetSpec], where: str = "budgets"
) -> dict[str, BudgetSpec]:
    """The budgets of `plain`; faults are looked for in these and `others` together. Raises SettingsError with every fault."""
    found = Reading()
    tables = validation.named_tables(found, from_plain(plain, where), of_programs=True)
    specs = {entry.name: _read(found, entry, table) for entry, table in tables}
    for fault in faults({**others, **specs}):
        place = from_plain(None, where).place
        found.problem(place, f"{fault.budget}.{fault.key}", fault.message, fault.remedy)
    if found.problems:
        raise SettingsError(found.problems)
    return specs


def budget_schema() -> Schema:
    return {
        "type": "object",
        "additionalProperties": False,
        "required": ["limit"],
        "properties": {
            "name": _TEXT,
            **{each.key: {**each.schema, "description": each.doc} for each in BUDGET_FIELDS},
        },
    }
