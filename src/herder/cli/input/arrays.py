"""Batches without a file of jobs, for `herder batch submit`: one command for many indices, and one shell command a line.

Only what is written is read here; whether the jobs can be taken, the server says. An array is written as `sbatch --array` has it.
"""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import msgspec

from herder.cli.input.attached_files import Inputs
from herder.cli.input.job_files import JobFile, read_whole
from herder.cli.input.job_rows import MERGED, RowFault, job_of
from herder.cli.shell.exit_codes import Code, CommandError
from herder.cli.shell.options import pair, usage
from herder.wire.api.work import BatchCreate, JobSubmission

#: Jobs of one array, and the largest index.
ARRAY_MAX = 1_000_000
INDEX_MAX = 2**31 - 1
INDEX_NAME = "HERDER_ARRAY_INDEX"
_PART = re.compile(r"([0-9]{1,10})(?:-([0-9]{1,10})(?::([0-9]{1,10}))?)?")


@dataclass(frozen=True, slots=True, kw_only=True)
class Array:
    indices: list[int]
    parallel_max: int | None


def parse_array(text: str) -> Array:
    """`1-10000`, `0-9:3`, `1,4,7-9`, each with `%50` for at most 50 at once. Raises CommandError."""
    ranges, percent, most = text.partition("%")
    if percent and not (re.fullmatch("[0-9]{1,9}", most) and int(most)):
        raise _wrong(text, f"{most!r} is not a number of jobs that may run at once")
    found: set[int] = set()
    for part in ranges.split(","):
        numbers = _PART.fullmatch(part.strip())
        if numbers is None:
            raise _wrong(text, f"{part!r} is neither an index nor a range of them")
        first = int(numbers[1])
        last, step = int(numbers[2] or first), int(numbers[3] or 1)
        if last < first or not step or last > INDEX_MAX:
            raise _wrong(text, f"{part!r} is not a range of indices from 0 to {INDEX_MAX:,}")
        indices = range(first, last + 1, step)
        if len(indices) > ARRAY_MAX or len(found) + len(indices) > ARRAY_MAX + len(found & set(indices)):
            raise _wrong(text, f"it has more than {ARRAY_MAX:,} indices")
        found.update(indices)
    return Array(indices=sorted(found), parallel_max=int(most) if percent else None)


def _wrong(text: str, what: str) -> CommandError:
    return usage(
        f"--array: {text[:50]!r} cannot be read: {what}.",
        hint="Write for example 1-100, 0-98:2 or 1,5,9; %10 at the end for at most 10 at once.",
    )


def defaults_of(given: list[str]) -> dict[str, Any]:
    """`cpu=2` and `env.MODE=fast`, as `--default` has them. Raises CommandError."""
    found: dict[str, Any] = {}
    for each in given:
        name, value = pair(each, "--default")
        outer, dot, inner = name.partition(".")
        if dot and outer in MERGED:
            found.setdefault(outer, {})[inner] = value
        else:
            found[name] = value
    return found


def array_jobs(array: Array, command: list[str], defaults: dict[str, Any]) -> JobFile:
    """One job for each index, which it finds in its environment. Raises CommandError."""
    if not command:
        raise usage("The array has no command.", hint="Write it after two dashes: -- ./run.sh")
    job = one_job({**defaults, "command": command}, "--array")
    name = f"{job.key}-" if job.key else ""
    jobs = [
        msgspec.structs.replace(job, key=f"{name}{index}", env={**job.env, INDEX_NAME: str(index)})
        for index in array.indices
    ]
    places = [f"index {index}" for index in array.indices]
    batch = BatchCreate(parallel_max=array.parallel_max)
    return JobFile(name="--array", batch=batch, jobs=jobs, places=places)


def line_jobs(path: str, defaults: dict[str, Any]) -> JobFile:
    """One job for each line that is not empty: a command for the shell. Raises CommandError."""
    text, file = read_whole(path)
    job = one_job({**defaults, "command": ["sh", "-c", "true"]}, "--lines")
    lines = [(number, line) for number, line in enumerate(text.splitlines(), 1) if line.strip()]
    if not lines:
        raise CommandError(
            f"{file} has no commands.", hint="Write one command a line.", code=Code.USAGE, word="bad_jobs"
        )
    jobs = [msgspec.structs.replace(job, command=["sh", "-c", line]) for _, line in lines]
    return JobFile(
        name=file, batch=BatchCreate(), jobs=jobs, places=[f"line {number}" for number, _ in lines]
    )


def one_job(row: dict[str, Any], option: str) -> JobSubmission:
    """The job that all jobs of a batch are copies of. Raises CommandError."""
    try:
        return job_of(row, Inputs(Path()), lax=True)
    except RowFault as error:
        raise CommandError(f"{option}: {error}.", hint="Nothing was submitted.", code=Code.USAGE) from None
