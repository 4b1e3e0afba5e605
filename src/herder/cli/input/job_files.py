"""Files of jobs for `herder batch submit`: YAML, JSON or one JSON object a line. The whole file is read before anything is sent.

A list is the jobs of a batch; a mapping is a batch with `jobs`, `defaults` and its own settings. Jobs are written with the names of the
options of `herder job submit` (`job_rows.py`); whether they can be taken, the server says. `docs/how-to/submit-jobs.md` shows it.
"""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from herder.cli.input.attached_files import Inputs
from herder.cli.input.job_rows import RowFault, job_of, merged, written
from herder.cli.shell.exit_codes import Code, CommandError
from herder.client.errors import InvalidError
from herder.model.values.phrases import sentences
from herder.settings.syntax.files import STDIN, Unreadable, read_text
from herder.settings.syntax.json_text import json_lines, read_json
from herder.settings.syntax.plain import read_plain_yaml
from herder.settings.syntax.problems import did_you_mean
from herder.wire.api.work import BatchCreate, JobSubmission
from herder.wire.decode_errors import explained, unknown_field

PROBLEMS_MAX = 20
"""Most faults shown at once; a file with one wrong column has one on each line."""
#: Of a batch, what only programs say.
_NOT_WRITTEN = ("commit", "earlier_jobs", "earlier_keys")
_BATCH_KEYS = (*(key for key in BatchCreate.__struct_fields__ if key not in _NOT_WRITTEN), "defaults")
_OF_CALL = re.compile(r"jobs\[([0-9]+)\]\.?(.*)", re.DOTALL)


@dataclass(frozen=True, slots=True)
class _Lines:
    """JSON lines that came without a name that says so."""

    rows: list[tuple[int, Any]]


@dataclass(frozen=True, slots=True, kw_only=True)
class JobFile:
    name: str
    batch: BatchCreate
    jobs: list[JobSubmission]
    places: list[str]
    """Of each job: where it stands."""


def read_jobs(path: str, defaults: dict[str, Any] | None = None) -> JobFile:
    """The batch that a file describes; `-` is stdin. `defaults`: of each job, under those of the file. Raises CommandError that names every
    fault with its job."""
    text, file = read_whole(path)
    if path.endswith((".jsonl", ".ndjson")):
        return _of_lines(file, _lines(file, text), defaults)
    data, lax = _parse(file, text)
    if isinstance(data, _Lines):
        return _of_lines(file, data.rows, defaults)
    if isinstance(data, list):
        return _assemble(file, {}, list(enumerate(data)), "job", defaults, lax=lax)
    if not isinstance(data, dict) or not isinstance(data.get("jobs"), list):
        raise _wrong(
            file, ["it has no list of jobs"], "Write `jobs:` and below it `- command: [echo, hello]`."
        )
    head = {key: value for key, value in data.items() if key != "jobs"}
    return _assemble(file, head, list(enumerate(data["jobs"])), "job", defaults, lax=lax)


def _of_lines(file: str, rows: list[tuple[int, Any]], given: dict[str, Any] | None) -> JobFile:
    """The first line may be `{"defaults": {…}}`, with settings of the batch beside it."""
    first = rows[0][1] if rows else None
    if isinstance(first, dict) and "defaults" in first:
        return _assemble(file, first, rows[1:], "line", given)
    return _assemble(file, {}, rows, "line", given)


def read_whole(path: str) -> tuple[str, str]:
    """The text, and what errors call the file. Raises CommandError."""
    file = "stdin" if path == STDIN else path
    try:
        return read_text(path), file
    except Unreadable as error:
        raise _unreadable(file, error) from None
    except OSError as error:
        raise CommandError(
            f"{path}: {error.strerror or error}.", hint="Check the path.", code=Code.USAGE
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
            return _Lines(list(json_lines(text))), False
        except Unreadable as other:
            error = other
    try:
        return read_plain_yaml(text, file), True
    except Unreadable:
        raise error from None


def _unreadable(file: str, error: Unreadable) -> CommandError:
    return CommandError(
        ": ".join((f"{file}:{error.line}:{error.column}", error.message)),
        hint=error.remedy,
        code=Code.USAGE,
        word="bad_jobs",
    )


def _lines(file: str, text: str) -> list[tuple[int, Any]]:
    try:
        return list(json_lines(text))
    except Unreadable as error:
        raise _unreadable(file, error) from None


def _assemble(
    file: str,
    head: dict[str, Any],
    rows: list[tuple[int, Any]],
    word: str,
    given: dict[str, Any] | None,
    *,
    lax: bool = False,
) -> JobFile:
    problems: list[str] = []
    jobs: list[JobSubmission] = []
    places: list[str] = []
    head, defaults = _head(file, head)
    defaults = merged(given, defaults) if given else defaults
    lax = lax or bool(given)
    batch, fault = _batch(head, lax=lax)
    problems += fault
    inputs = Inputs(Path(file).parent if file != "stdin" else Path())
    for number, row in rows:
        try:
            job = job_of(merged(defaults, row), inputs, lax=lax)
        except RowFault as error:
            problems.append(f"{word} {number}: {error}")
            continue
        except CommandError as error:
            problems.append(f"{word} {number}: {sentences(error.message, error.hint)}")
            continue
        jobs.append(job)
        places.append(f"{word} {number}")
    if problems:
        raise _wrong(file, problems, "Nothing was submitted.")
    if not jobs:
        raise _wrong(file, ["the file has no jobs"], "Write at least one: `- command: [echo, hello]`.")
    batch.commit = False
    return JobFile(name=file, batch=batch, jobs=jobs, places=places)


def _head(file: str, head: dict[str, Any]) -> tuple[dict[str, Any], dict[str, Any]]:
    """What is said of the batch, and what is said of each job."""
    defaults = head.get("defaults")
    if defaults is None:
        return {key: value for key, value in head.items() if key != "defaults"}, {}
    if not isinstance(defaults, dict) or not all(isinstance(name, str) for name in defaults):
        raise _wrong(file, ["defaults: it must be a mapping"], "Write for example `defaults: {cpu: 2}`.")
    return {key: value for key, value in head.items() if key != "defaults"}, defaults


def _batch(head: dict[str, Any], *, lax: bool) -> tuple[BatchCreate, list[str]]:
    try:
        batch = msgspec.convert(head, BatchCreate, strict=not lax)
    except msgspec.ValidationError as error:
        unknown = unknown_field(error)
        if unknown is not None:
            return BatchCreate(), [f"there is no setting {unknown!r}. {did_you_mean(unknown, _BATCH_KEYS)}"]
        text, where = explained(error)
        return BatchCreate(), [f"{where}: {text}" if where else text]
    return batch, [f"there is no setting {name!r}" for name in head if name in _NOT_WRITTEN]


def told_by_place(file: JobFile, error: InvalidError, offset: int) -> InvalidError:
    """A refusal that names a job of a call (`jobs[3].cpu`) with its place in the file instead."""
    named = _OF_CALL.fullmatch(error.field)
    if named is None or offset + int(named[1]) >= len(file.places):
        return error
    place = f"{file.name}: {file.places[offset + int(named[1])]}"
    field = written(named[2])
    message = f"{place}: {field + ': ' if field else ''}{error.message}"
    return InvalidError(message, hint=error.hint, code=error.code, status=error.status)


def _wrong(file: str, problems: list[str], hint: str) -> CommandError:
    more = len(problems) - PROBLEMS_MAX
    shown = "\n".join(f"{file}: {problem}" for problem in problems[:PROBLEMS_MAX])
    if more > 0:
        shown += f"\n{file}: and {more} more"
    return CommandError(shown, hint=hint, code=Code.USAGE, word="bad_jobs")
