"""The section `callbacks` of herder.yaml: where messages about ended batches may go, and how long they are tried.

Each setting is described once; the reader, the writer, the JSON schema and the reference go through this table.
"""

import ipaddress
import re
from dataclasses import replace

from herder.model.work.callbacks import CallbackRules
from herder.settings.sections.fields import Field
from herder.settings.sections.upkeep import between_durations, read_fields
from herder.settings.syntax import validation
from herder.settings.syntax.durations import format_duration
from herder.settings.syntax.validation import Reading
from herder.settings.syntax.values import Value

CALLBACKS = "callbacks"
ALLOW_MAX = 1_000
_HOST = re.compile(r"(\*\.)?[a-z0-9_-]+(\.[a-z0-9_-]+)*")
_NETWORK = re.compile(r"[0-9.]+(/[0-9]+)?|[0-9a-f:.]*:[0-9a-f:.]*(/[0-9]+)?")
_LONGEST_S = 30 * 86_400.0
_DURATION = {"type": ["string", "number"]}


def _read_allow(found: Reading, value: Value) -> tuple[str, ...]:
    items = validation.listing(found, value)
    if len(items) > ALLOW_MAX:
        found.wrong(
            value, f"There are more than {ALLOW_MAX:,} entries.", "Allow a network in place of its hosts."
        )
        return ()
    return tuple(entry for each in items if (entry := _read_entry(found, each)))


def _read_entry(found: Reading, value: Value) -> str:
    entry = validation.text(found, value).lower()
    if _NETWORK.fullmatch(entry):
        good = _is_network(entry)
    else:
        good = _HOST.fullmatch(entry) is not None
    if entry and not good:
        found.wrong(
            value,
            f"{entry!r} is neither a network nor a host.",
            "Write a network (10.1.0.0/16), an address, a host (ci.example.org) or *.example.org.",
        )
        return ""
    return entry


def _is_network(entry: str) -> bool:
    try:
        ipaddress.ip_network(entry)
    except ValueError:
        return False
    return True


def _duration(key: str, attribute: str, low_s: float, high_s: float, doc: str) -> Field:
    read = between_durations(low_s, high_s)
    return Field(key=key, attribute=attribute, read=read, write=format_duration, schema=_DURATION, doc=doc)


CALLBACK_FIELDS: tuple[Field, ...] = (
    Field(
        key="allow", attribute="allow", read=_read_allow, write=list,
        schema={"type": "array", "items": {"type": "string"}, "examples": [["10.1.0.0/16", "ci.example.org"]]},
        doc="Networks and hosts that may be called although their addresses are private, and without TLS. Others must have a public address and https.",
    ),
    _duration("timeout", "timeout_s", 1.0, 60.0, "For one try, from the look-up of the name to the answer."),
    _duration("give_up", "give_up_s", 1.0, _LONGEST_S, "So long after the end of its batch a message is tried again."),
)  # fmt: skip


def read_callbacks(found: Reading, value: Value | None) -> CallbackRules:
    return replace(CallbackRules(), **read_fields(found, value, CALLBACK_FIELDS))
