"""The description of one setting of a pool, a template or the sharing of a fleet: its key, its reader, its writer and its text.

The tables `pool_fields`, `template_fields` and `sharing_fields` are made of these; the reader, the writer (`pools`) and the JSON schema
(`schema`) go through the tables and so agree. Nothing here is a rule between settings.
"""

from collections.abc import Callable
from dataclasses import dataclass
from operator import attrgetter
from typing import Any

from herder.settings.sections.pool import markets, triggers
from herder.settings.syntax import validation
from herder.settings.syntax.durations import format_duration
from herder.settings.syntax.validation import Reading
from herder.settings.syntax.values import Value

Schema = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Field:
    """One setting: `key` in the file, `attribute` of the dataclass, as in `size.max_workers` when it is one of a group."""

    key: str
    attribute: str
    read: Callable[[Reading, Value], Any]
    write: Callable[[Any], Any]
    schema: Schema
    doc: str

    def of(self, spec: object) -> Any:
        """Its value there."""
        return attrgetter(self.attribute)(spec)


def same(value: Any) -> Any:
    return value


def limit_text(seconds: float | None) -> str | None:
    return None if seconds is None else format_duration(seconds)


DURATION: Schema = {
    "anyOf": [{"type": "string", "pattern": "^[0-9.]+\\s*(ms|s|m|h|d)?"}, {"type": "number", "minimum": 0}]
}
LIMIT: Schema = {"anyOf": [*DURATION["anyOf"], {"type": "null"}]}
COUNT: Schema = {"type": "integer", "minimum": 0}
SIZE: Schema = {"type": ["string", "integer"], "examples": ["512Mi", "4Gi"]}
MAYBE_COUNT: Schema = {"type": ["integer", "null"], "minimum": 0}
FRACTION: Schema = {"type": ["number", "string", "null"], "examples": [0.7, "70%"]}
PERCENT: Schema = {"type": "string", "pattern": "^[0-9]{1,3}%$", "examples": ["10%"]}
PAIRS: Schema = {"type": "object", "additionalProperties": {"type": ["string", "number", "boolean"]}}
FLAG: Schema = {"type": "boolean"}


def duration(key: str, doc: str, attribute: str) -> Field:
    return Field(
        key=key,
        attribute=attribute,
        read=validation.duration,
        write=format_duration,
        schema=DURATION,
        doc=doc,
    )


def limit(key: str, doc: str, attribute: str) -> Field:
    return Field(
        key=key,
        attribute=attribute,
        read=validation.limit_duration,
        write=limit_text,
        schema=LIMIT,
        doc=doc,
    )


def plain(
    key: str, read: Callable[[Reading, Value], Any], schema: Schema, doc: str, group: str = ""
) -> Field:
    return Field(key=key, attribute=group + key, read=read, write=same, schema=schema, doc=doc)


def pairs(key: str, attribute: str, doc: str) -> Field:
    read = validation.labels if key == "labels" else validation.pairs
    return Field(key=key, attribute=attribute, read=read, write=dict, schema=PAIRS, doc=doc)


def pressure(key: str, what: str, usual: str) -> Field:
    return Field(
        key=key,
        attribute="scale_up." + key,
        read=triggers.read_pressure,
        write=triggers.write_pressure,
        schema={"anyOf": [FRACTION, {"$ref": "#/$defs/pressure"}]},
        doc=f"More workers are added when the processes of the workers use more {what} than `above` (usual: {usual}) for the time `for` "
        "(5m), until the use is at most `target` (default: 7/8 of above). Above `target` no worker is removed. null: not measured.",
    )


def price_field(key: str, attribute: str, doc: str) -> Field:
    schema: Schema = {"type": ["string", "number", "null"], "examples": ["0.12"]}
    return Field(
        key=key,
        attribute=attribute,
        read=markets.read_price,
        write=markets.write_price,
        schema=schema,
        doc=doc,
    )
