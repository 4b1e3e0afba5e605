"""Label selectors, as text (a=b, a in (b,c), !a) and as objects (matchLabels, matchExpressions), and field selectors."""

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from herder.testing.kubernetes.objects import Json


class BadSelector(ValueError):
    """It cannot be read. The text is for the answer."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Requirement:
    key: str
    operator: str
    """In, NotIn, Exists, DoesNotExist, Gt or Lt."""
    values: frozenset[str] = frozenset()

    def allows(self, labels: Mapping[str, str]) -> bool:
        value = labels.get(self.key)
        if self.operator == "In":
            return value is not None and value in self.values
        if self.operator == "NotIn":
            return value is None or value not in self.values
        if self.operator == "Exists":
            return value is not None
        if self.operator == "DoesNotExist":
            return value is None
        return self._compares(value)

    def _compares(self, value: str | None) -> bool:
        try:
            number, bound = int(value or ""), int(next(iter(self.values)))
        except (ValueError, StopIteration):
            return False
        return number > bound if self.operator == "Gt" else number < bound


@dataclass(frozen=True, slots=True)
class LabelSelector:
    requirements: tuple[Requirement, ...] = ()

    def allows(self, labels: Mapping[str, str]) -> bool:
        return all(each.allows(labels) for each in self.requirements)

    @property
    def empty(self) -> bool:
        return not self.requirements


_SET = re.compile(r"^(\S+)\s+(in|notin)\s*\(([^()]*)\)$")
_EQUAL = re.compile(r"^([^=!\s]+)\s*(==|=|!=)\s*([^=!\s]*)$")
_KEY = re.compile(r"^(!?)\s*([A-Za-z0-9]([A-Za-z0-9_./-]*[A-Za-z0-9])?)$")


def _split(text: str) -> list[str]:
    return [part.strip() for part in re.split(r",(?![^(]*\))", text)]


def _requirement(part: str) -> Requirement:
    if match := _SET.match(part):
        values = frozenset(value.strip() for value in match[3].split(","))
        return Requirement(key=match[1], operator="In" if match[2] == "in" else "NotIn", values=values)
    if match := _EQUAL.match(part):
        operator = "NotIn" if match[2] == "!=" else "In"
        return Requirement(key=match[1], operator=operator, values=frozenset((match[3],)))
    if match := _KEY.match(part):
        return Requirement(key=match[2], operator="DoesNotExist" if match[1] else "Exists")
    raise BadSelector(f"unable to parse requirement: found '{part}'")


def label_selector(text: str) -> LabelSelector:
    """Raises BadSelector."""
    if not text.strip():
        return LabelSelector()
    return LabelSelector(tuple(_requirement(part) for part in _split(text)))


def requirements_of(expressions: list[Json] | None) -> tuple[Requirement, ...]:
    return tuple(
        Requirement(key=each["key"], operator=each["operator"], values=frozenset(each.get("values") or ()))
        for each in expressions or ()
    )


def selector_of(selector: Json | None) -> LabelSelector | None:
    """Of an object with matchLabels and matchExpressions. None selects nothing; an empty one selects all."""
    if selector is None:
        return None
    labels = tuple(
        Requirement(key=key, operator="In", values=frozenset((value,)))
        for key, value in (selector.get("matchLabels") or {}).items()
    )
    return LabelSelector(labels + requirements_of(selector.get("matchExpressions")))


@dataclass(frozen=True, slots=True)
class FieldSelector:
    terms: tuple[tuple[str, bool, str], ...] = ()
    """Field, whether it must be equal, and to what."""

    def allows(self, value_of: Callable[[str], str]) -> bool:
        return all((value_of(field) == value) is equal for field, equal, value in self.terms)

    @property
    def empty(self) -> bool:
        return not self.terms

    def equal_to(self, field: str) -> str | None:
        return next((value for name, equal, value in self.terms if equal and name == field), None)


def field_selector(text: str) -> FieldSelector:
    """Raises BadSelector."""
    terms = []
    for part in (each for each in text.split(",") if each):
        match = re.match(r"^([^=!]+)(==|=|!=)(.*)$", part)
        if match is None:
            raise BadSelector(f"invalid selector: '{part}'; can't understand '{part}'")
        terms.append((match[1], match[2] != "!=", match[3]))
    return FieldSelector(tuple(terms))
