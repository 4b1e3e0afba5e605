"""A broken rule, as a sentence, and when it was seen."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Violation:
    rule: str
    """Its name: the same for the same kind of mistake."""
    text: str
    at_s: float
