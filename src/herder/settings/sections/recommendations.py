"""The section `recommendations` of herder.yaml: what is shown, and what needs an approval or a pilot."""

from collections.abc import Callable
from dataclasses import replace

from herder.analysis.optimisation.recommendations import Rules
from herder.model.values.money import usd_text
from herder.settings.sections.fields import Field, Schema
from herder.settings.sections.upkeep import read_fields
from herder.settings.syntax import validation
from herder.settings.syntax.validation import Reading
from herder.settings.syntax.values import Value

SECTION = "recommendations"
PILOT_DAYS_MAX = 30
_PERCENT: Schema = {"type": ["string", "integer"], "examples": ["75%"]}
_PRICE: Schema = {"type": ["string", "number"], "examples": ["10"]}


def _percent(found: Reading, value: Value) -> int:
    raw = validation.text(found, value).removesuffix("%")
    if not (raw.isdecimal() and raw.isascii() and len(raw) <= 3 and int(raw) <= 100):
        found.wrong(value, "The value must be 0% to 100%.", "Write a whole number of percent, at most 100%.")
        return 0
    return int(raw)


def _days(found: Reading, value: Value) -> int:
    days = validation.whole(found, value)
    if not 1 <= days <= PILOT_DAYS_MAX:
        found.wrong(
            value, f"The value must be 1 to {PILOT_DAYS_MAX}.", f"Write whole days, at most {PILOT_DAYS_MAX}."
        )
        return 1
    return days


def _percent_field(
    key: str, attribute: str, doc: str, read: Callable[[Reading, Value], float] = _percent, factor: int = 1
) -> Field:
    def write(value: float) -> str:
        return f"{round(value * factor)}%"

    return Field(key=key, attribute=attribute, read=read, write=write, schema=_PERCENT, doc=doc)


def _price(key: str, attribute: str, doc: str) -> Field:
    return Field(key=key, attribute=attribute, read=validation.price, write=usd_text, schema=_PRICE, doc=doc)


RECOMMENDATION_FIELDS: tuple[Field, ...] = (
    _percent_field(
        "confidence", "confidence_least", "Recommendations with less confidence are not shown. Each kind has a confidence of its own beside it.",
        lambda found, value: _percent(found, value) / 100, 100,
    ),
    _price("min_saving", "saving_least_pico", "US dollars a month. Recommendations that save less are not shown."),
    _price("approval_above", "approval_above_pico", "US dollars a month. What saves more is approved by an administrator before it is carried out."),
    _price("pilot_above", "pilot_above_pico", "US dollars a month. What saves more begins with a pilot."),
    Field(
        key="pilot_days", attribute="pilot_days", read=_days, write=lambda days: days,
        schema={"type": "integer", "minimum": 1, "maximum": PILOT_DAYS_MAX}, doc="Days that a pilot lasts.",
    ),
    _percent_field("quality_loss", "quality_loss_most_percent", "By how much fewer attempts may succeed than before, for a pilot to be a success."),
    _percent_field("realised", "realised_least_percent", "What a pilot must save of what was projected, to be a success."),
)  # fmt: skip


def read_recommendations(found: Reading, value: Value | None) -> Rules:
    return replace(Rules(), **read_fields(found, value, RECOMMENDATION_FIELDS))
