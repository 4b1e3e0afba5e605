"""Amounts of resources in settings, by the keys of the server's table, and the section that declares further resources.

The section `resources:` of herder.yaml says what there is beyond CPU, memory, disk and GPUs (`read_declared`); templates, headroom,
machines and quotas name it like the others. Used by the readers of those settings. What a server was started with holds until it is
started anew.
"""

import json
from collections.abc import Mapping
from typing import Any

from herder.model.values.resources import (
    BUILT_IN,
    DECLARED_MAX,
    Dimension,
    Dimensions,
    Resources,
    Unit,
    declare,
    name_fault,
)
from herder.settings.syntax import validation
from herder.settings.syntax.problems import SettingsError, did_you_mean
from herder.settings.syntax.validation import Reading
from herder.settings.syntax.values import Scalar, Table, Value, from_plain

#: The section's name, and that of a template's own.
SECTION = "resources"
DECLARED_KEYS = ("unit", "compressible", "quota", "cap")
BUILT_IN_KEYS = tuple(each.key for each in BUILT_IN)


def amount(found: Reading, dimension: Dimension, value: Value) -> int:
    reader = {Unit.MILLI: validation.cpu, Unit.MIB: validation.size, Unit.COUNT: validation.whole}[
        dimension.unit
    ]
    return reader(found, value)


def read_declared(found: Reading, value: Value | None) -> Dimensions:
    """The table of a server whose file says this."""
    if value is None or (isinstance(value, Scalar) and value.text is None):
        return Dimensions()
    rows = validation.table(found, value).entries
    declared = []
    for entry in rows:
        fault = name_fault(entry.name)
        if fault is not None:
            found.problem(entry.place, entry.value.key, fault, "Use a name such as licence/abaqus.")
            continue
        empty = isinstance(entry.value, Scalar) and entry.value.text is None
        declared.append(declare(entry.name, **({} if empty else _rules(found, entry.value))))
    if len(declared) > DECLARED_MAX:
        found.wrong(
            value,
            f"More than {DECLARED_MAX} resources are declared.",
            "Remove resources that are not in use; each one slows down placement.",
        )
    return Dimensions(tuple(declared))


def _rules(found: Reading, value: Value) -> dict[str, Any]:
    given = {
        each.name: each.value
        for each in validation.known_only(found, validation.table(found, value), DECLARED_KEYS)
    }
    rules: dict[str, Any] = {
        key: validation.flag(found, given[key]) for key in DECLARED_KEYS[1:] if key in given
    }
    if "unit" in given:
        rules["unit"] = validation.choice(found, given["unit"], Unit, Unit.COUNT)
    return rules


def resources_to_plain(table: Dimensions) -> dict[str, Any]:
    return {
        each.name: {
            "unit": each.unit.value,
            "compressible": each.compressible,
            "quota": each.quota,
            "cap": each.cap,
        }
        for each in table.declared
    }


def resources_from_plain(plain: Mapping[str, Any], where: str = SECTION) -> Dimensions:
    """Raises SettingsError with every fault."""
    found = Reading()
    table = read_declared(found, from_plain(plain, where))
    if found.problems:
        raise SettingsError(found.problems)
    return table


def resources_from_text(text: str | None) -> Dimensions:
    """From the plain form as JSON, as the store keeps it; None and "": none is declared."""
    return resources_from_plain(json.loads(text)) if text else Dimensions()


def read_amounts(found: Reading, given: Mapping[str, Value]) -> Resources:
    """By key, of those that are given."""
    return found.resources.vector(
        {each.name: amount(found, each, given[each.key]) for each in found.resources.all if each.key in given}
    )


def write_amounts(amounts: Resources) -> dict[str, Any]:
    """By key, all of them."""
    return {each.key: each.plain(having) for each, having in zip(amounts.table.all, amounts, strict=True)}


def amount_keys(found: Reading) -> tuple[str, ...]:
    return tuple(each.key for each in found.resources.all)


def read_own(found: Reading, value: Value) -> dict[str, int]:
    """A template's `resources:`: amounts of what is declared, by name."""
    table = value if isinstance(value, Table) else validation.table(found, value)
    own: dict[str, int] = {}
    for entry in table.entries:
        dimension = next((each for each in found.resources.declared if each.name == entry.name), None)
        if dimension is not None:
            own[entry.name] = amount(found, dimension, entry.value)
            continue
        known = [each.name for each in found.resources.declared]
        remedy = did_you_mean(entry.name, known) if known else ""
        found.problem(
            entry.place,
            entry.value.key,
            f"There is no resource {entry.name!r}.",
            remedy
            or "Declare it in `resources:` of the server's herder.yaml, as `licence/abaqus: {unit: count}`.",
        )
    return own


def write_own(amounts: Resources) -> dict[str, Any]:
    names = amounts.declared()
    return {name: amounts.table.named(name).plain(having) for name, having in names.items()}
