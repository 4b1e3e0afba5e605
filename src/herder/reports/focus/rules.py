"""Checks rows against the rules of FOCUS 1.2: the model of the FinOps foundation's validator (`vendor/`), read as a tree from its root.

A rule that holds of the rows as they stand is checked; what only people can judge (`dynamic` in the model) is not in it. Rules of a column that the file
does not have are passed over, unless the column must be there. `MAY` binds nobody, and `SHOULD` is a recommendation. An alternative holds where
one of its rules does: InvoiceId is null, or it is not.
"""

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any

from herder.reports.focus import values

Row = Mapping[str, str | None]
Holds = Callable[[Row], bool]

ROOT = "CostAndUsage-D-000-M"
#: What providers may support, of which Herder's export says that it does; the others' columns need not be there.
SUPPORTED = frozenset(
    f"{name}_SUPPORTED"
    for name in (
        "ACCOUNT_NAMING", "AVAILABILITY_ZONE", "BILLING_BASED_ON_PROVISIONED_RESOURCES", "MULTIPLE_PRICING_CATEGORIES", "REGION",
        "RESOURCE_TYPE_ASSIGNMENT", "SUB_ACCOUNT", "TAGGING", "USAGE_MEASUREMENT",
    )
)  # fmt: skip
_CACHE_MOST = 100_000
_RECOMMENDED = ("SHOULD", "SHOULD NOT", "RECOMMENDED")


@dataclass(frozen=True, slots=True)
class Violation:
    rule: str
    text: str
    rows: int
    first: int
    """The first row that breaks it, from 1; 0: it is about the file."""
    recommended: bool
    """It is a recommendation, and not a requirement."""


@dataclass(frozen=True, slots=True)
class _Check:
    rule: str
    columns: tuple[str, ...]
    where: Holds | None
    holds: Holds

    def broken(self, row: Row) -> bool:
        return (self.where is None or self.where(row)) and not self.holds(row)


@dataclass(slots=True)
class _Distinct:
    """For each value of `column` there is one value of `of`."""

    rule: str
    column: str
    of: str
    where: Holds | None
    known: dict[str | None, str | None] = field(default_factory=dict)

    def broken(self, row: Row) -> bool:
        if self.where is not None and not self.where(row):
            return False
        value = row[self.column]
        return value is not None and self.known.setdefault(value, row[self.of]) != row[self.of]


@dataclass(slots=True)
class _Group:
    """Checks of the same columns: what has been found of some values once is known."""

    columns: tuple[str, ...]
    checks: list[_Check]
    known: dict[tuple[str | None, ...], tuple[str, ...]] = field(default_factory=dict)

    def broken(self, row: Row) -> tuple[str, ...]:
        key = tuple([row[column] for column in self.columns])
        found = self.known.get(key)
        if found is None:
            if len(self.known) >= _CACHE_MOST:
                self.known.clear()
            found = self.known[key] = tuple(check.rule for check in self.checks if check.broken(row))
        return found


@cache
def model() -> dict[str, Any]:
    """By id."""
    path = Path(__file__).parent / "vendor" / "focus-validator-1.2" / "rules.json"
    rules: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))["rules"]
    return rules


class Rules:
    """Feed it the rows one by one; `violations` says what was found. Its memory does not grow with the rows, but for the values of two identifiers."""

    def __init__(self, columns: Iterable[str]) -> None:
        self._columns = frozenset(columns)
        self._broken: dict[str, tuple[int, int]] = {}
        self._checks: list[_Check] = []
        self._distinct: list[_Distinct] = []
        self._rows = 0
        self._visit(ROOT, None, set())
        groups: dict[tuple[str, ...], list[_Check]] = {}
        for check in self._checks:
            groups.setdefault(check.columns, []).append(check)
        self._groups = [_Group(group, checks) for group, checks in groups.items()]

    @property
    def count(self) -> int:
        """Rules that are checked of each row."""
        return len({check.rule for check in self._checks}) + len(self._distinct)

    def check(self, row: Row) -> None:
        self._rows += 1
        for group in self._groups:
            for rule in group.broken(row):
                self._note(rule, self._rows)
        for distinct in self._distinct:
            if distinct.broken(row):
                self._note(distinct.rule, self._rows)

    def violations(self) -> list[Violation]:
        return [
            Violation(rule, model()[rule]["text"], rows, first, model()[rule]["keyword"] in _RECOMMENDED)
            for rule, (rows, first) in sorted(self._broken.items())
        ]

    def _note(self, rule: str, row: int) -> None:
        rows, first = self._broken.get(rule, (0, row))
        self._broken[rule] = (rows + 1, first)

    def _visit(self, name: str, where: Holds | None, above: set[str]) -> None:
        rule = model().get(name)
        if rule is None or name in above or rule["keyword"] == "MAY":
            return
        if not SUPPORTED.issuperset(rule.get("applies", ())) and rule["column"] not in self._columns:
            return
        if rule["kind"] == "Presence":
            if rule["requirement"]["ColumnName"] not in self._columns:
                self._note(name, 0)
            return
        if rule["column"] not in (*self._columns, "CostAndUsage"):
            return
        if rule.get("condition"):
            where = _and(where, self._holds(rule["condition"]))
        self._add(name, rule["requirement"], where, {*above, name})

    def _add(self, name: str, requirement: Mapping[str, Any], where: Holds | None, above: set[str]) -> None:
        function = requirement["CheckFunction"]
        if function == "AND":
            for item in requirement["Items"]:
                self._add(name, item, where, above)
        elif function == "CheckModelRule":
            self._visit(requirement["ModelRuleId"], where, above)
        elif function == "CheckDistinctCount":
            if {requirement["ColumnAName"], requirement["ColumnBName"]} <= self._columns:
                self._distinct.append(
                    _Distinct(name, requirement["ColumnAName"], requirement["ColumnBName"], where)
                )
        else:
            rule = model()[name]
            columns = _columns_of(rule["requirement"]) | _columns_of(rule.get("condition", {}))
            for parent in above:
                columns |= _columns_of(model()[parent].get("condition", {}))
            known = tuple(sorted(columns & self._columns))
            self._checks.append(_Check(name, known, where, self._holds(requirement)))

    def _holds(self, requirement: Mapping[str, Any]) -> Holds:
        function = requirement["CheckFunction"]
        if function in ("AND", "OR"):
            parts = [self._holds(item) for item in requirement["Items"]]
            every = all if function == "AND" else any
            return lambda row: every(part(row) for part in parts)
        if function == "CheckModelRule":
            rule = model().get(requirement["ModelRuleId"])
            if rule is None:
                return lambda row: True
            holds = self._holds(rule["requirement"])
            if not rule.get("condition"):
                return holds
            where = self._holds(rule["condition"])
            return lambda row: not where(row) or holds(row)
        return values.predicate(requirement)


def _and(first: Holds | None, second: Holds) -> Holds:
    return second if first is None else lambda row: first(row) and second(row)


def _columns_of(requirement: Mapping[str, Any]) -> set[str]:
    """Also of the rules that it names."""
    found = {value for key, value in requirement.items() if key.endswith("Name")}
    for item in requirement.get("Items", ()):
        found |= _columns_of(item)
    named = model().get(requirement.get("ModelRuleId", ""))
    if named is not None:
        found |= _columns_of(named["requirement"]) | _columns_of(named.get("condition", {}))
    return found
