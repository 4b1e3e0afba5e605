"""Recorded runs of workflows for `herder batch submit --from-wfformat`: each task becomes a job that sleeps as long as the task ran.

The reader of the format comes from the composition root. A job has the name, parents, cores and memory of its task; nothing is sent and nothing
is run here, and whether the jobs can be taken, the server says.
"""

import heapq
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import msgspec

from herder.cli.input.arrays import one_job
from herder.cli.input.job_files import JobFile
from herder.cli.shell.exit_codes import Code, CommandError
from herder.cli.shell.options import usage
from herder.model.values.phrases import agree, counted
from herder.model.values.resources import format_cpu, format_mib, parse_cpu, parse_mib
from herder.settings.syntax.files import STDIN
from herder.wire.api.work import BatchCreate, JobSubmission

if TYPE_CHECKING:
    from herder.model.values.resources import Resources
    from herder.wire.api.resources import PoolView

OPTION = "--from-wfformat"
SCALE_MAX = 1_000.0
#: Of the batch, which is called like the file.
NAME_MAX = 100


class Task(Protocol):
    """One task of a recorded run."""

    @property
    def id(self) -> str: ...
    @property
    def run_s(self) -> float: ...
    @property
    def request(self) -> "Resources": ...
    @property
    def parents(self) -> tuple[str, ...]: ...


ReadTasks = Callable[[str], Sequence[Task]]
"""From a path to the tasks of a file, whose parents exist and which have no cycle. Raises ValueError with the place."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Workflow:
    """Jobs in an order in which parents come first. `parents`: positions in that order."""

    file: JobFile
    scale: float
    parents: list[tuple[int, ...]]
    run_s: list[float]
    """How long each job sleeps: the recorded time × scale."""


def read_workflow(
    path: str, read: ReadTasks | None, defaults: dict[str, Any], *, scale: float, real: bool
) -> Workflow:
    """`real`: jobs are processes; otherwise a worker only waits. Raises CommandError."""
    if read is None:
        raise usage("This program does not have the reader of WfFormat.", hint="")
    if not 0 < scale <= SCALE_MAX:
        raise usage(
            f"--scale: {scale:g} is not a scale.", hint=f"Write a number above 0, up to {SCALE_MAX:g}."
        )
    try:
        tasks = _parents_first(read(path))
    except ValueError as error:
        raise CommandError(
            str(error), hint="Nothing was submitted.", code=Code.USAGE, word="bad_workflow"
        ) from None
    base = one_job({**defaults, **({"command": ["sleep", "0"]} if real else {"runtime": "noop"})}, OPTION)
    places = {task.id: place for place, task in enumerate(tasks)}
    jobs = [_job(base, task, places, scale, real=real) for task in tasks]
    name = "stdin" if path == STDIN else path
    batch = BatchCreate(name=Path(name).name.partition(".")[0][:NAME_MAX])
    return Workflow(
        file=JobFile(name=name, batch=batch, jobs=jobs, places=[f"task {task.id!r}" for task in tasks]),
        scale=scale,
        parents=[tuple(places[parent] for parent in task.parents) for task in tasks],
        run_s=[task.run_s * scale for task in tasks],
    )


def _job(
    base: JobSubmission, task: Task, places: dict[str, int], scale: float, *, real: bool
) -> JobSubmission:
    sleep_ms = round(task.run_s * scale * 1000)
    return msgspec.structs.replace(
        base,
        key=task.id,
        command=["sleep", f"{sleep_ms // 1000}.{sleep_ms % 1000:03}"] if real else [],
        sleep_ms=0 if real else sleep_ms,
        cpu=f"{task.request.cpu_milli}m",
        memory=f"{task.request.memory_mib}Mi" if task.request.memory_mib else base.memory,
        parents=[places[parent] for parent in task.parents],
    )


def _parents_first(tasks: Sequence[Task]) -> list[Task]:
    """Otherwise in the order of the file."""
    places = {task.id: place for place, task in enumerate(tasks)}
    left = [len(task.parents) for task in tasks]
    children: dict[int, list[int]] = {}
    for place, task in enumerate(tasks):
        for parent in task.parents:
            children.setdefault(places[parent], []).append(place)
    free = [place for place, count in enumerate(left) if not count]
    ordered: list[Task] = []
    while free:
        place = heapq.heappop(free)
        ordered.append(tasks[place])
        for child in children.get(place, ()):
            left[child] -= 1
            if not left[child]:
                heapq.heappush(free, child)
    return ordered


def fitted(flow: Workflow, pools: "Iterable[PoolView]") -> tuple[Workflow, str]:
    """With requests that the largest template can hold, and what was reduced, as a sentence; empty when all fit."""
    pool = flow.file.jobs[0].pool
    sizes = {
        (template.cpu_milli, template.memory_mib)
        for each in pools
        if each.name == pool or (pool == "auto" and each.settings.get("default_eligible", True))
        for template in each.templates
    }
    jobs, reduced = [], []
    for job in flow.file.jobs:
        wanted = _size(job)
        size = _nearest(wanted, sizes)
        if size != wanted:
            reduced.append(f"task {job.key!r} from {_text(wanted)} to {_text(size)}")
            job = msgspec.structs.replace(job, cpu=f"{size[0]}m", memory=f"{size[1]}Mi")  # noqa: PLW2901
        jobs.append(job)
    if not reduced:
        return flow, ""
    what = (
        f"{counted(len(reduced), 'task')} {agree(len(reduced), 'requests', 'request')} more than any template"
    )
    told = (
        f"{what} has; {agree(len(reduced), 'its request was', 'their requests were')} reduced: {reduced[0]}"
    )
    more = f", and {len(reduced) - 1:,} more" if len(reduced) > 1 else ""
    return replace(flow, file=replace(flow.file, jobs=jobs)), f"{told}{more}."


def _nearest(wanted: tuple[int, int], sizes: set[tuple[int, int]]) -> tuple[int, int]:
    """What of it the template gives that gives most of it."""
    cut = {(min(wanted[0], cpu_milli), min(wanted[1], memory_mib)) for cpu_milli, memory_mib in sizes}
    if not cut or wanted in cut:
        return wanted
    return max(cut, key=lambda size: (size[0] * wanted[1] + size[1] * wanted[0], size))


def _size(job: JobSubmission) -> tuple[int, int]:
    return parse_cpu(job.cpu), parse_mib(job.memory)


def _text(size: tuple[int, int]) -> str:
    return f"{format_cpu(size[0])} and {format_mib(size[1])}"
