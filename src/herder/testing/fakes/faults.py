"""Faults that a test asks of a fake: refused requests, slow and lost answers, operations that fail, take long or never end."""

import re
from dataclasses import dataclass, field
from typing import Any


@dataclass(slots=True, kw_only=True)
class Rule:
    """The first rule that meets a request, or an operation, holds for it."""

    path: str = ""
    """A regular expression that is found in the path; none meets all."""
    method: str = ""
    operation: str = ""
    """A kind of operation, in the provider's words: the rule is for operations instead of requests."""
    times: int = 1
    """So many requests; -1: all."""
    delay_ms: int = 0
    """Of the answer, or added to the time of the operation."""
    never_ends: bool = False
    """Of an operation."""
    status: int = 0
    """Answered instead of asking the fake; 0: it is asked. 500 and more with `acts`: it is asked, too."""
    acts: bool = False
    """The request has its effect, although its answer has `status`."""
    code: str = ""
    """Of the error, in the provider's words."""
    text: str = ""
    """Of the error."""
    body: Any = None
    """The whole answer, instead of an error in the provider's form."""
    headers: dict[str, str] = field(default_factory=dict)
    lose_answer: bool = False
    """The request has its effect, and the connection breaks before the answer."""


@dataclass(slots=True)
class Faults:
    rules: list[Rule] = field(default_factory=list)

    def add(self, rule: Rule) -> Rule:
        self.rules.append(rule)
        return rule

    def clear(self) -> None:
        self.rules.clear()

    def for_request(self, method: str, path: str) -> Rule | None:
        for rule in self.rules:
            meets = not rule.operation and rule.method in ("", method) and re.search(rule.path, path)
            if rule.times and meets:
                return _used(rule)
        return None

    def for_operation(self, kind: str) -> Rule | None:
        return next((_used(rule) for rule in self.rules if rule.times and rule.operation == kind), None)


def _used(rule: Rule) -> Rule:
    if rule.times > 0:
        rule.times -= 1
    return rule
