"""A broken rule, as a sentence, with the time at which it was found."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Violation:
    rule: str
    """The name of the rule."""
    text: str
    at_s: float
