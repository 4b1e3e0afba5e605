"""Taints of a pool in settings: reader and writer. Used by the table of fields."""

from herder.model.fleet.pool import Taint, TaintEffect
from herder.settings.syntax import validation
from herder.settings.syntax.validation import Reading
from herder.settings.syntax.values import Value

TAINT_KEYS = ("key", "value", "effect", "schedule_type")


def read_taints(found: Reading, value: Value) -> tuple[Taint, ...]:
    return tuple(_read_taint(found, item) for item in validation.listing(found, value))


def _read_taint(found: Reading, value: Value) -> Taint:
    row = validation.table(found, value)
    given = {entry.name: entry.value for entry in validation.known_only(found, row, TAINT_KEYS)}
    if "key" not in given:
        found.wrong(value, "The taint has no key.", "Write `key:`, and `value:` and `effect:` beside it.")
    effect = given.get("effect", given.get("schedule_type"))
    kind = TaintEffect.NO_SCHEDULE
    return Taint(
        key=validation.text(found, given["key"]) if "key" in given else "",
        value=_text_or_empty(found, given.get("value")),
        effect=validation.choice(found, effect, TaintEffect, kind) if effect else kind,
    )


def _text_or_empty(found: Reading, value: Value | None) -> str:
    return "" if value is None or getattr(value, "text", "") in (None, "") else validation.text(found, value)


def write_taints(taints: tuple[Taint, ...]) -> list[dict[str, str]]:
    return [{"key": taint.key, "value": taint.value, "effect": taint.effect.value} for taint in taints]
