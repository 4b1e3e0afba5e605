"""Files of jobs for `herder batch submit`: YAML, JSON or one JSON object a line. Everything is checked before it is sent.

A list is the jobs of a batch; a mapping is a batch with `jobs` and its own settings.
"""

import re
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import msgspec

from herder.cli.exits import Code, CommandError
from herder.model.resources import parse_cpu, parse_mib
from herder.settings.problems import did_you_mean
from herder.settings.syntax.files import STDIN, Unreadable, read_text
from herder.settings.syntax.json_text import json_lines, read_json
from herder.settings.syntax.numbers import NUMBER_MAX
from herder.settings.syntax.plain import read_plain_yaml
from herder.wire.resources import BatchCreate, JobSubmission

PROBLEMS_MAX = 20
"""Most faults shown at once; a file with one wrong column has one on each line."""
_UNKNOWN = re.compile(r"unknown field `([^`]*)`")
_JOB_KEYS = tuple(JobSubmission.__struct_fields__)
_BATCH_KEYS = tuple(key for key in BatchCreate.__struct_fields__ if key != "commit")


@dataclass(frozen=True, slots=True, kw_only=True)
class JobFile:
    batch: BatchCreate
    jobs: list[JobSubmission]


def read_jobs(path: str) -> JobFile:
    """The batch that a file describes; `-` is stdin. Raises CommandError that names every fault with its job."""
    text, file = _read(path)
    if path.endswith((".jsonl", ".ndjson")):
        return _assemble(file, {}, _lines(file, text), "line")
    data, lax = _parse(file, text)
    if isinstance(data, list):
        return _assemble(file, {}, list(enumerate(data)), "job", lax=lax)
    if not isinstance(data, dict) or not isinstance(data.get("jobs"), list):
        raise _wrong(
            file, ["it has no list of jobs"], "Write `jobs:` and below it `- command: [echo, hello]`."
        )
    head = {key: value for key, value in data.items() if key != "jobs"}
    return _assemble(file, head, list(enumerate(data["jobs"])), "job", lax=lax)


def _read(path: str) -> tuple[str, str]:
    file = "stdin" if path == STDIN else path
    try:
        return read_text(path), file
    except Unreadable as error:
        raise _unreadable(file, error) from None
    except OSError as error:
        raise CommandError(
            f"{path}: {error.strerror or error}", hint="Look at the path.", code=Code.USAGE
        ) from None


def _parse(file: str, text: str) -> tuple[Any, bool]:
    """The value, and whether numbers may stand in it as text: in YAML `1.10` is what a field takes it for.

    JSON first, which is quick also for a million jobs; then lines of JSON (stdin has no name); then YAML."""
    try:
        if file.endswith(".json") or text.lstrip()[:1] in ("{", "["):
            try:
                return read_json(text), False
            except Unreadable as error:
                if file.endswith(".json"):
                    raise
                return _other(file, text, error)
        return read_plain_yaml(text, file), True
    except Unreadable as error:
        raise _unreadable(file, error) from None


def _other(file: str, text: str, error: Unreadable) -> tuple[Any, bool]:
    """What begins like JSON and is none: several lines of it, or YAML. The first fault is told when it is neither."""
    if text.lstrip().startswith("{") and "\n" in text.strip():
        try:
            return [value for _, value in json_lines(text)], False
        except Unreadable as other:
            error = other
    try:
        return read_plain_yaml(text, file), True
    except Unreadable:
        raise error from None


def _unreadable(file: str, error: Unreadable) -> CommandError:
    return CommandError(
        f"{file}:{error.line}:{error.column}: {error.message}",
        hint=f"{error.remedy}.",
        code=Code.USAGE,
        word="bad_jobs",
    )


def _lines(file: str, text: str) -> list[tuple[int, Any]]:
    try:
        return list(json_lines(text))
    except Unreadable as error:
        raise _unreadable(file, error) from None


def _assemble(
    file: str, head: dict[str, Any], rows: list[tuple[int, Any]], word: str, *, lax: bool = False
) -> JobFile:
    problems: list[str] = []
    jobs: list[JobSubmission] = []
    try:
        batch = msgspec.convert(head, BatchCreate, strict=not lax)
    except msgspec.ValidationError as error:
        batch = BatchCreate()
        problems.append(_explain(error, _BATCH_KEYS))
    for number, row in rows:
        try:
            job = msgspec.convert(row, JobSubmission, strict=not lax)
            _amounts(job)
        except (msgspec.ValidationError, ValueError) as error:
            problems.append(f"{word} {number}: {_explain(error, _JOB_KEYS)}")
            continue
        jobs.append(job)
    if problems:
        raise _wrong(file, problems, "Nothing was submitted.")
    if not jobs:
        raise _wrong(file, ["it has no jobs"], "Write at least one: `- command: [echo, hello]`.")
    batch.commit = False
    return JobFile(batch=batch, jobs=jobs)


#: Jobs of one file ask for few different amounts.
_cpu = lru_cache(maxsize=1024)(parse_cpu)
_mib = lru_cache(maxsize=1024)(parse_mib)


def _amounts(job: JobSubmission) -> None:
    _cpu(job.cpu)
    _mib(job.memory)
    _mib(job.disk)
    if job.gpu and not abs(job.gpu) <= NUMBER_MAX:
        raise ValueError(f"gpu is {job.gpu:g}; write a number up to {NUMBER_MAX:g}")
    if job.timeout_s is not None and not abs(job.timeout_s) <= NUMBER_MAX:
        raise ValueError(f"timeout_s is {job.timeout_s:g}; write a number up to {NUMBER_MAX:g}")
    if not job.command and job.runtime == "process":
        raise ValueError("it has no command; write for example command: [echo, hello]")


def priority_of(text: str) -> int | str:
    """A number as a number; anything else is the name of a priority class, which the server knows."""
    return int(text) if re.fullmatch(r"[+-]?[0-9]{1,9}", text) else text


def checked(job: JobSubmission, what: str) -> JobSubmission:
    """A job made from options. Raises CommandError."""
    try:
        _amounts(job)
    except ValueError as error:
        raise CommandError(f"{what}: {error}", hint="Nothing was submitted.", code=Code.USAGE) from None
    return job


def _explain(error: Exception, known: tuple[str, ...]) -> str:
    text = str(error)
    unknown = _UNKNOWN.search(text)
    if unknown:
        return f"there is no setting {unknown.group(1)!r}. {did_you_mean(unknown.group(1), known)}"
    return text.replace(" - at `$.", " in `").replace(" - at `$`", "")


def _wrong(file: str, problems: list[str], hint: str) -> CommandError:
    more = len(problems) - PROBLEMS_MAX
    shown = "\n".join(f"{file}: {problem}" for problem in problems[:PROBLEMS_MAX])
    if more > 0:
        shown += f"\n{file}: and {more} more"
    return CommandError(shown, hint=hint, code=Code.USAGE, word="bad_jobs")
