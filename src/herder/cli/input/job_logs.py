"""`herder job logs`: the output of jobs, whole, in parts, while they run, or into files."""

import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from herder.cli.input.selection import (
    Failures,
    Filter,
    InGroup,
    InState,
    Jobs,
    OfBatch,
    OfPool,
    OfUser,
    WithName,
    selected,
)
from herder.cli.shell.exit_codes import CommandError
from herder.cli.shell.options import usage
from herder.cli.shell.session import Session, detaching, session

if TYPE_CHECKING:
    from herder.cli.views.work.job_output import Part

EXAMPLE = (
    "herder job logs 17 --follow\n"
    "herder job logs 17 --tail 100\n"
    "herder job logs --batch 3 --state failed\n"
    "herder job logs --batch 3 --search error"
)
_RANGE = re.compile(r"[0-9]+-[0-9]*|-[0-9]+")


_Attempt = Annotated[
    int | None, typer.Option("--attempt", min=1, help="Number of the attempt; default: the last.")
]
_Follow = Annotated[
    bool,
    typer.Option("--follow", "-f", help="Keep printing until the job has ended, later attempts included."),
]
_Tail = Annotated[int | None, typer.Option("--tail", min=0, help="Only this number of lines, from the end.")]
_SearchText = Annotated[
    str | None,
    typer.Option(
        "--search", metavar="TEXT", help="Only lines that contain the text; capitals do not matter."
    ),
]
_Bytes = Annotated[
    str | None,
    typer.Option("--range", metavar="A-B", help="Only these bytes: 0-999, or 5000- for the rest."),
]
_Save = Annotated[
    Path | None,
    typer.Option("--save", metavar="PATH", help="Write to a file; of several jobs, to PATH/JOB.log."),
]


def logs(
    ctx: typer.Context,
    jobs: Jobs = None,
    *,
    attempt: _Attempt = None,
    follow: _Follow = False,
    tail: _Tail = None,
    search: _SearchText = None,
    bytes_: _Bytes = None,
    save: _Save = None,
    batch: OfBatch = None,
    state: InState = None,
    user: OfUser = None,
    pool: OfPool = None,
    name: WithName = None,
    group: InGroup = None,
) -> None:
    """Print the output of a job; of several jobs one after the other.

    It is an error if the job has not started yet or never ran: there is no output. A terminal gets colours as they are, and other control
    characters as escapes; a pipe or a file gets everything.
    """
    part = _part(attempt, follow=follow, tail=tail, search=search, bytes_=bytes_, save=save)
    say = session(ctx)
    wanted = Filter(batch=batch, state=state, user=user, pool=pool, name=name, group=group)
    chosen = selected(say, jobs, wanted)
    if len(chosen) == 1:
        with detaching(f"job {chosen[0]}", f"herder job logs {chosen[0]} --follow"):
            _one(say, chosen[0], part, save)
        return
    if save is not None:
        _make_folder(save)
    failures = Failures(say, len(chosen))
    unended = False
    for number in chosen:
        if unended:
            say.out.write("\n")
        unended = False
        head = f"==> job {number} <=="
        with detaching(f"job {number}", f"herder job logs {number} --follow"), failures.each():
            unended = _one(say, number, part, save and save / f"{number}.log", head)
    failures.exit()


def _part(
    attempt: int | None,
    *,
    follow: bool,
    tail: int | None,
    search: str | None,
    bytes_: str | None,
    save: Path | None,
) -> "Part":
    from herder.cli.views.work.job_output import Part

    if bytes_ is not None and not _RANGE.fullmatch(bytes_):
        raise usage(f"--range: {bytes_!r} is not a range of bytes.", hint="Write for example 0-999 or 5000-.")
    given = {
        "--follow": follow,
        "--tail": tail is not None,
        "--search": search is not None,
        "--range": bytes_ is not None,
        "--save": save is not None,
    }
    for one, other in (
        ("--range", "--tail"),
        ("--range", "--search"),
        ("--range", "--follow"),
        ("--search", "--follow"),
        ("--save", "--follow"),
    ):
        if given[one] and given[other]:
            raise usage(f"{one} and {other} cannot be used together.")
    return Part(attempt=attempt, follow=follow, tail=tail, search=search, bytes_=bytes_)


def _one(say: Session, job: int, part: "Part", path: Path | None, head: str = "") -> bool:
    from herder.cli.views.work.job_output import print_logs, save_logs

    if path is None:
        return print_logs(say, job, part, head)
    try:
        save_logs(say, job, part, path)
    except OSError as error:
        raise _not_written(path, error) from None
    return False


def _make_folder(path: Path) -> None:
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise _not_written(path, error) from None


def _not_written(path: Path, error: OSError) -> CommandError:
    return CommandError(
        f"{path} cannot be written: {error.strerror or error}.", hint="Name another path with --save."
    )
