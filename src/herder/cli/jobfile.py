"""Files of jobs for `herder batch submit`: YAML, JSON or one JSON object a line. Everything is checked before it is sent.

A list is the jobs of a batch; a mapping is a batch with `jobs` and its own settings.
"""

import re
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from herder.cli.exits import Code, CommandError
from herder.model.resources import parse_cpu, parse_mib
from herder.settings.problems import did_you_mean
from herder.settings.yaml_text import too_deep
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
    data = _parse(file, text)
    if isinstance(data, list):
        return _assemble(file, {}, list(enumerate(data)), "job")
    if not isinstance(data, dict) or not isinstance(data.get("jobs"), list):
        raise _wrong(
            file, ["it has no list of jobs"], "Write `jobs:` and below it `- command: [echo, hello]`."
        )
    head = {key: value for key, value in data.items() if key != "jobs"}
    return _assemble(file, head, list(enumerate(data["jobs"])), "job")


def _read(path: str) -> tuple[str, str]:
    if path == "-":
        return sys.stdin.read(), "stdin"
    try:
        return Path(path).read_text(encoding="utf-8"), path
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it is not UTF-8 text"
        raise CommandError(f"{path}: {reason}", hint="Look at the path.", code=Code.USAGE) from None


def _parse(file: str, text: str) -> Any:
    """JSON first, which is quick also for a million jobs; then lines of JSON (stdin has no name); then YAML."""
    try:
        return msgspec.json.decode(text)
    except msgspec.DecodeError as error:
        if file.endswith(".json"):
            raise _wrong(file, [str(error)], "Correct the JSON.") from None
    except RecursionError:
        raise _too_deep(file) from None
    if too_deep(text):
        raise _too_deep(file)
    if text.lstrip().startswith("{"):
        return [value for _, value in _lines(file, text)]
    from ruamel.yaml import YAML
    from ruamel.yaml.error import YAMLError

    try:
        return YAML(typ="safe", pure=True).load(text)
    except YAMLError as error:
        raise _wrong(
            file, [" ".join(str(error).split())], "Look at indentation, colons and quotes."
        ) from None
    except RecursionError:
        raise _too_deep(file) from None
    except (
        ValueError,
        TypeError,
        LookupError,
        ArithmeticError,
    ) as error:  # a number, a date, a version that is none
        raise _wrong(file, [f"a value cannot be read: {error}"], "Put it in quotes.") from None


def _too_deep(file: str, where: str = "it") -> CommandError:
    return _wrong(file, [f"{where} is nested too deeply"], "Write it flatter.")


def _lines(file: str, text: str) -> list[tuple[int, Any]]:
    out: list[tuple[int, Any]] = []
    for number, line in enumerate(text.splitlines(), start=1):
        if line.strip():
            try:
                out.append((number, msgspec.json.decode(line)))
            except msgspec.DecodeError as error:
                raise _wrong(file, [f"line {number}: {error}"], "Each line is one JSON object.") from None
            except RecursionError:
                raise _too_deep(file, f"line {number}") from None
    return out


def _assemble(file: str, head: dict[str, Any], rows: list[tuple[int, Any]], word: str) -> JobFile:
    problems: list[str] = []
    jobs: list[JobSubmission] = []
    try:
        batch = msgspec.convert(head, BatchCreate)
    except msgspec.ValidationError as error:
        batch = BatchCreate()
        problems.append(_explain(error, _BATCH_KEYS))
    for number, row in rows:
        try:
            job = msgspec.convert(row, JobSubmission)
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


def _amounts(job: JobSubmission) -> None:
    parse_cpu(job.cpu)
    parse_mib(job.memory)
    parse_mib(job.disk)
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
