"""The sections about job types: `job_types`, and `fair_share: job_types`. Each setting is described once, as `fields` does for pools.

A type with one of the names that Mimir documents starts from the documented figures; the file overrides each of them. Called by `sharing`,
which puts the types beside projects and priorities, because their limits are counted with the quotas.
"""

from collections.abc import Iterable
from dataclasses import replace
from typing import Any

from herder.model.values.phrases import counted, parts
from herder.model.values.resources import parse_cpu, parse_mib
from herder.model.work.job import RUNTIMES
from herder.model.work.job_type import KNOWN, SLOT, JobType
from herder.model.work.sharing import PRIORITY_MAX
from herder.settings.sections.fields import PAIRS, Field, Schema
from herder.settings.syntax import validation
from herder.settings.syntax.durations import format_duration
from herder.settings.syntax.validation import Reading
from herder.settings.syntax.values import Entry, Listing, Scalar, Table, Value

SECTION = "job_types"
CONCURRENT_MAX = 1_000_000
SLOTS_MAX = 1_000_000
WEIGHT_MAX = 1_000
RETRIES_MAX = 1_000
TIMEOUT_MAX_S = 366 * 86_400
GPUS_MAX = 1_024
WORDS_MAX = 1_000

_TEXT: Schema = {"type": ["string", "null"]}
_AMOUNT: Schema = {"type": ["string", "number", "null"]}


def _none(value: Value) -> bool:
    return isinstance(value, Scalar) and value.text is None


def _number(found: Reading, value: Value, low: float, high: float, example: str) -> float:
    raw = validation.text(found, value)
    try:
        number = float(raw)
    except ValueError:
        number = -1.0
    if not low <= number <= high:  # also what is not a number
        if raw:
            found.wrong(value, f"{raw[:50]!r} is not between {low:g} and {high:g}.", f"Write {example}.")
        return low
    return number


def _read_priority(found: Reading, value: Value) -> int:
    return int(whole_between(found, value, -PRIORITY_MAX, PRIORITY_MAX))


def whole_between(found: Reading, value: Value, low: int, high: int) -> int:
    number = _number(found, value, low, high, f"a whole number from {low:,} to {high:,}")
    if number != int(number):
        found.wrong(value, f"{number:g} is not a whole number.", "Write a whole number.")
    return int(number)


def _read_most(found: Reading, value: Value) -> int | None:
    return None if _none(value) else whole_between(found, value, 1, CONCURRENT_MAX)


def _read_slots(found: Reading, value: Value) -> int | None:
    return None if _none(value) else whole_between(found, value, 1, SLOTS_MAX)


def _read_retries(found: Reading, value: Value) -> int | None:
    return None if _none(value) else whole_between(found, value, 0, RETRIES_MAX)


def _read_weight(found: Reading, value: Value) -> int:
    return max(1, round(_number(found, value, 1 / SLOT, WEIGHT_MAX, "a number such as 1.5") * SLOT))


def _write_weight(milli: int) -> float:
    return milli / SLOT


def _read_gpu(found: Reading, value: Value) -> float | None:
    if _none(value):
        return None
    number = _number(found, value, 0, GPUS_MAX, "a number of GPUs, or a share such as 0.25")
    if number > 1 and number != int(number):
        found.wrong(value, f"{number:g} is not a valid number of GPUs.", "Write a whole number, or a share.")
    return number


def _amount(parse: Any) -> Any:
    def read(found: Reading, value: Value) -> str:
        if _none(value):
            return ""
        raw = validation.text(found, value)
        try:
            parse(raw)
        except ValueError as error:
            message, hint = parts(error)
            found.wrong(value, message, hint or "Write for example 500m, 2 or 4Gi.")
            return ""
        return raw

    return read


def _read_text(found: Reading, value: Value) -> str:
    return "" if _none(value) else validation.text(found, value)


def _read_runtime(found: Reading, value: Value) -> str:
    raw = _read_text(found, value)
    if raw and raw not in RUNTIMES:
        found.wrong(
            value, f"There is no runtime {raw[:50]!r}.", f"Choose one of {', '.join(sorted(RUNTIMES))}."
        )
        return ""
    return raw


def _read_command(found: Reading, value: Value) -> tuple[str, ...]:
    if _none(value):
        return ()
    if not isinstance(value, Listing):
        found.wrong(value, "A command is a list of words.", 'Write a list such as ["python", "train.py"].')
        return ()
    if len(value.items) > WORDS_MAX:
        found.wrong(value, f"A command has at most {counted(WORDS_MAX, 'word')}.", "Write a script.")
    return tuple(validation.text(found, item) for item in value.items)


def _read_timeout(found: Reading, value: Value) -> float | None:
    seconds = validation.limit_duration(found, value)
    if seconds is not None and not 0.001 <= seconds <= TIMEOUT_MAX_S:
        found.wrong(value, "The timeout must be at least 1 ms and at most 366 days.", "Write for example 1h.")
    return seconds


def _text_or_null(text: str) -> str | None:
    return text or None


def _seconds_or_null(seconds: float | None) -> str | None:
    return None if seconds is None else format_duration(seconds)


def _same(value: Any) -> Any:
    return value


def _read_pairs(found: Reading, value: Value) -> tuple[tuple[str, str], ...]:
    return () if _none(value) else validation.pairs(found, value)


def _field(key: str, attribute: str, read: Any, write: Any, schema: Schema, doc: str) -> Field:
    return Field(key=key, attribute=attribute, read=read, write=write, schema=schema, doc=doc)


JOB_TYPE_FIELDS: tuple[Field, ...] = (
    _field("description", "description", _read_text, _same, _TEXT, "What the type is for; shown to people."),
    _field(
        "priority",
        "priority",
        _read_priority,
        _same,
        {"type": "integer", "minimum": -PRIORITY_MAX, "maximum": PRIORITY_MAX},
        "The priority of its jobs that name none; a higher number is more urgent. Every user may submit with it.",
    ),
    _field(
        "max_concurrent",
        "max_concurrent",
        _read_most,
        _same,
        {"type": ["integer", "null"], "minimum": 1, "maximum": CONCURRENT_MAX},
        "The largest number of its jobs that run at a time, over the whole server. null: no limit.",
    ),
    _field(
        "resource_weight",
        "weight_milli",
        _read_weight,
        _write_weight,
        {"type": "number", "minimum": 1 / SLOT, "maximum": WEIGHT_MAX},
        "How many of the slots of `fair_share: job_types` one of its running jobs takes.",
    ),
    _field("pool", "pool", _read_text, _text_or_null, _TEXT, "The pool of its jobs that name none."),
    _field(
        "cpu", "cpu", _amount(parse_cpu), _text_or_null, _AMOUNT, "The CPU of its jobs that request none."
    ),
    _field("memory", "memory", _amount(parse_mib), _text_or_null, _AMOUNT, "Their memory."),
    _field("disk", "disk", _amount(parse_mib), _text_or_null, _AMOUNT, "Their disk."),
    _field("gpu", "gpu", _read_gpu, _same, {"type": ["number", "null"], "minimum": 0}, "Their GPUs."),
    _field(
        "command",
        "command",
        _read_command,
        list,
        {"type": ["array", "null"], "items": {"type": "string"}},
        "The command of its jobs that have none.",
    ),
    _field(
        "image", "image", _read_text, _text_or_null, _TEXT, "The container image of its jobs that name none."
    ),
    _field(
        "runtime",
        "runtime",
        _read_runtime,
        _text_or_null,
        {"enum": [None, *sorted(RUNTIMES)]},
        "The runtime of its jobs that name none.",
    ),
    _field(
        "timeout",
        "timeout_s",
        _read_timeout,
        _seconds_or_null,
        {"type": ["string", "number", "null"]},
        "The time limit of its jobs that have none.",
    ),
    _field(
        "retries",
        "retries",
        _read_retries,
        _same,
        {"type": ["integer", "null"], "minimum": 0, "maximum": RETRIES_MAX},
        "Their retries after a failure of the job itself.",
    ),
    _field(
        "env",
        "env",
        _read_pairs,
        dict,
        {**PAIRS, "type": ["object", "null"]},
        "Environment variables of its jobs; what a job sets itself comes first.",
    ),
)

SLOTS_FIELD = _field(
    "slots",
    "job_slots",
    _read_slots,
    _same,
    {"type": ["integer", "null"], "minimum": 1, "maximum": SLOTS_MAX},
    "The running jobs that have a type take at most this many slots together; each takes the `resource_weight` of its type. null: no limit.",
)


def read_job_types(found: Reading, named: Iterable[tuple[Entry, Table]]) -> tuple[JobType, ...]:
    by_key = {each.key: each for each in JOB_TYPE_FIELDS}
    types = []
    for entry, table in named:
        given = {
            by_key[each.name].attribute: by_key[each.name].read(found, each.value)
            for each in validation.known_only(found, table, ("name", *by_key))
            if each.name != "name"
        }
        types.append(replace(KNOWN.get(entry.name, JobType(name=entry.name)), **given))
    return tuple(types)


def job_types_to_plain(types: Iterable[JobType]) -> dict[str, Any]:
    return {
        each.name: {field.key: field.write(getattr(each, field.attribute)) for field in JOB_TYPE_FIELDS}
        for each in types
    }


def check_slots(found: Reading, value: Value, slots: int | None, types: Iterable[JobType]) -> None:
    """A type whose job takes more slots than there are could never run."""
    for each in types:
        if slots is not None and each.weight_milli > slots * SLOT:
            found.wrong(
                value,
                f"A job of type {each.name} takes {each.weight_milli / SLOT:g} slots, more than all {slots:,}.",
                "Raise slots, or lower resource_weight of the type.",
            )
