"""Converts a job as a person writes it, in options or in a file under the same names, to the form of the API.

Used by `job submit` and by the reader of job files. Only what is written is read here: whether a job can be taken, the server says,
also in a dry run.
"""

import json
import math
import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import msgspec

from herder.cli.input.attached_files import Inputs, local_program
from herder.cli.input.data_paths import data_of, is_url
from herder.model.values.resources import parse_cpu, parse_mib
from herder.settings.syntax.durations import parse_duration
from herder.settings.syntax.numbers import NUMBER_MAX
from herder.settings.syntax.problems import did_you_mean
from herder.wire.api.work import JobSubmission, OnRetry
from herder.wire.decode_errors import explained, unknown_field

#: As people write it, and as the API has it.
API_NAMES = {
    "name": "key",
    "timeout": "timeout_s",
    "queue_timeout": "queue_timeout_s",
    "select": "selector",
    "tolerate": "tolerations",
    "resource": "resources",
    "attribute": "attributes",
    "input": "inputs",
    "secret": "secrets",
}
_WRITTEN = {api: name for name, api in API_NAMES.items()}
#: Of these a job adds to what `defaults` says, name by name.
MERGED = ("env", "select", "resource", "attribute")
#: Together they are the field `data` of the API, as are inputs that are URLs.
_OF_DATA = ("save", "always_copy_output", "checkpoint")
#: Likewise the field `on_retry`.
_OF_RETRY = OnRetry.__struct_fields__
NAMES = (
    *(_WRITTEN.get(name, name) for name in JobSubmission.__struct_fields__ if name != "on_retry"),
    *_OF_DATA,
    *_OF_RETRY,
)
_TRANSLATED = frozenset({*API_NAMES, *_WRITTEN, *_OF_DATA, *_OF_RETRY, "stdin", "cwd"})
#: Characters of a wrong value that are shown.
VALUE_SHOWN_MAX = 50
#: Above this a whole number is no count of anything.
_WHOLE_MAX = 2**63
_AFTER_FIRST = re.compile(r"[.[]")


class RowFault(ValueError):
    """`name` of what is wrong, as people write it; the text has it too."""


def merged(defaults: Mapping[str, Any], row: Any) -> Any:
    """A job with what it does not say itself."""
    if not defaults or not isinstance(row, dict):
        return row
    both = {**defaults, **row}
    for name in MERGED:
        if isinstance(row.get(name), dict) and isinstance(defaults.get(name), dict):
            both[name] = {**defaults[name], **row[name]}
    return both


def job_of(row: Any, inputs: Inputs, *, lax: bool = False) -> JobSubmission:
    """`lax`: numbers may stand in it as text. Raises RowFault; CommandError for a file that cannot be read."""
    plain = row
    if isinstance(row, dict):
        _refuse_numbers(row)
        if not _TRANSLATED.isdisjoint(row):
            plain = _translated(row, inputs)
    try:
        job = msgspec.convert(plain, JobSubmission, strict=not lax)
    except msgspec.ValidationError as error:
        raise RowFault(_explain(error, plain)) from None
    _amounts(job)
    if job.command and "/" in job.command[0]:
        job.command, more = local_program(job.command, job.inputs, job.cwd, inputs)
        job.inputs = {**job.inputs, **more}
    return job


#: Jobs of one file ask for few different amounts.
_cpu = lru_cache(maxsize=1024)(parse_cpu)
_mib = lru_cache(maxsize=1024)(parse_mib)


def _amounts(job: JobSubmission) -> None:
    """Read as the server reads them, so that of a file of many calls nothing is sent when one cannot be read."""
    for name, read in (("cpu", _cpu), ("memory", _mib), ("disk", _mib)):
        try:
            read(getattr(job, name))
        except ValueError as error:
            raise RowFault(f"{name}: {error}") from None
    for name in ("timeout_s", "queue_timeout_s", "gpu", "retries", "attempts_max", "sleep_ms"):
        value = getattr(job, name)
        if value and not abs(value) <= NUMBER_MAX:
            raise RowFault(f"{written(name)}: {value:g} is too large; write a number up to {NUMBER_MAX:g}")
    if not job.command and job.runtime == "process" and not (job.image or job.type):
        raise RowFault("command: it is missing; write for example command: [echo, hello]")


def priority_of(text: str) -> int | str:
    """A number as a number; anything else is the name of a priority class, which the server knows."""
    return int(text) if re.fullmatch(r"[+-]?[0-9]{1,9}", text) else text


def written(field: str) -> str:
    """The server's name of a field, as people write it."""
    if field.startswith(("data.inputs", "data.outputs")):
        return "input" if field.startswith("data.inputs") else "save"
    if field == "data.checkpoint":
        return "checkpoint"
    field = field.removeprefix("on_retry.")
    first = _AFTER_FIRST.split(field, maxsplit=1)[0]
    return _WRITTEN.get(first, first) + field[len(first) :]


def _translated(row: dict[str, Any], inputs: Inputs) -> dict[str, Any]:
    plain: dict[str, Any] = {}
    row = _with_retry(_with_data(row))
    for name, value in row.items():
        if name in _WRITTEN:
            raise RowFault(
                f"there is no setting {name!r}. Write {_WRITTEN[name]} instead, the name of the option"
            )
        plain[API_NAMES.get(name, name)] = _value(name, value, inputs)
    return plain


def _with_data(row: dict[str, Any]) -> dict[str, Any]:
    """With the inputs that are URLs, and the outputs, where the API has them."""
    given = row.get("input")
    several = given if isinstance(given, list) else [given]
    urls = [each for each in several if isinstance(each, str) and is_url(each)]
    if not urls and not any(row.get(name) for name in _OF_DATA):
        return {name: value for name, value in row.items() if name not in _OF_DATA}
    rest = {name: value for name, value in row.items() if name not in (*_OF_DATA, "input")}
    try:
        save, always, checkpoint = (row.get(name) for name in _OF_DATA)
        data = data_of(urls, save, always, checkpoint, row.get("data"))
    except ValueError as error:
        raise RowFault(f"save: {error}") from None
    files = [each for each in several if each is not None and each not in urls]
    return {**rest, **({"input": files} if files else {}), "data": data}


def _with_retry(row: dict[str, Any]) -> dict[str, Any]:
    said = {name: row[name] for name in _OF_RETRY if row.get(name) is not None}
    rest = {name: value for name, value in row.items() if name not in _OF_RETRY}
    return {**rest, "on_retry": said} if said else rest


def _value(name: str, value: Any, inputs: Inputs) -> Any:
    if value is None or value == "":
        return value
    if name in ("timeout", "queue_timeout"):
        return _seconds(name, value)
    if name == "tolerate":
        return [_toleration(each) for each in value] if isinstance(value, list) else value
    if name == "secret":
        return [_secret(each) for each in value] if isinstance(value, list) else value
    if name == "input":
        return inputs.read(value) if isinstance(value, list | str) else value
    if name == "stdin":
        return inputs.stdin(value)
    if name == "cwd":
        return inputs.folder(value) if isinstance(value, str) else value
    return value


def _seconds(name: str, value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise RowFault(f"{name}: it must be a duration, such as 10m")
    try:
        seconds = parse_duration(value)
    except ValueError as error:
        raise RowFault(f"{name}: {error}") from None
    if not seconds:
        raise RowFault(f"{name}: it must be more than 0; write for example 10m")
    return seconds


def _toleration(given: Any) -> Any:
    """`KEY=VALUE` or `KEY`; a mapping as it is."""
    if not isinstance(given, str):
        return given
    key, equals, value = given.partition("=")
    return {"key": key, "value": value} if equals else {"key": key}


_SECRET = re.compile(r"(?:(user|project)/)?([^/=:]+)=(env|file):(.+)", re.DOTALL)


def _secret(given: Any) -> Any:
    """`NAME=env:VARIABLE` or `NAME=file:PATH`, with `project/` or `user/` before the name where it matters; a mapping as it is."""
    if not isinstance(given, str):
        return given
    found = _SECRET.fullmatch(given)
    if found is None:
        raise RowFault(
            f"secret: {given[:VALUE_SHOWN_MAX]!r} is not NAME=env:VARIABLE or NAME=file:PATH; write for example db=env:DB_PASSWORD"
        )
    scope, name, kind, target = found.groups()
    return {"name": name, kind: target, **({"scope": scope} if scope else {})}


def _refuse_numbers(row: dict[str, Any]) -> None:
    """Not a number, infinite, or larger than anything there is: JSON would carry them as null, or as something else."""
    for name, value in row.items():
        if type(value) is float and not math.isfinite(value):
            raise RowFault(
                f"{written(name)}: {value} is not a usable number; leave {written(name)} out for no limit"
            )
        if type(value) is int and not -_WHOLE_MAX < value < _WHOLE_MAX:
            raise RowFault(f"{written(name)}: a number of {len(str(value))} digits is too large")


def _explain(error: msgspec.ValidationError, plain: Any) -> str:
    unknown = unknown_field(error)
    if unknown is not None and " - at" not in str(error):
        return f"there is no setting {unknown!r}. {did_you_mean(unknown, NAMES)}"
    text, where = explained(error)
    value = plain.get(where) if isinstance(plain, dict) else None
    wanted = text.partition(", not ")[0]
    if "number" in wanted and isinstance(value, str | float):  # YAML has 1.10 as text until a field takes it
        text = f"{wanted}, not {str(value)[:VALUE_SHOWN_MAX]}"
    if where == "command" and "not text" in text:
        text += "; write it as a list of words: [make, report]"
    if isinstance(value, dict) and text.startswith("it must be text"):
        name, number = next(((k, v) for k, v in value.items() if isinstance(v, int | float)), ("", ""))
        if name:
            where, text = f"{where}.{name}", f'{text}; write it in quotes: "{json.dumps(number)}"'
    return f"{written(where)}: {text}" if where else text
