"""The output of a job: printed whole, in parts or while it runs, and written to a file."""

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from herder.cli.output.terminal_text import TerminalText
from herder.model.values.phrases import counted

if TYPE_CHECKING:
    from herder.cli.shell.session import Session


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """What of an output is wanted; `attempt` None: the last, and followed also those that come after it."""

    attempt: int | None = None
    follow: bool = False
    tail: int | None = None
    search: str | None = None
    bytes_: str | None = None
    """A range as in HTTP: 0-999, 5000-, -500."""


def print_logs(say: "Session", job: int, part: Part, head: str = "") -> bool:
    """`head`: a line above it, of a search only if it finds something. Raises what the server refuses, as of one that never ran. Answers whether the output ended in the middle of a line."""
    printed, last, unended = False, 0, False
    shown = TerminalText(say.out.isatty())
    quiet = bool(head) and part.search is not None
    if head and not quiet:
        say.printer.line(head)
    for number, piece in _pieces(say, job, part):
        if quiet and piece and not printed:
            say.printer.line(head)
        if printed and number != last:
            say.say(f"Attempt {number} of job {job}:")
        last = number
        say.out.write(shown.of(piece))
        say.out.flush()
        printed = printed or bool(piece)
        unended = not piece.endswith("\n") if piece else unended
    say.out.write(shown.rest())
    if not printed and not quiet:
        say.say(_nothing(job, part))
    return unended


def save_logs(say: "Session", job: int, part: Part, path: Path) -> None:
    """Written beside the path and then renamed, so that no half of an output is ever there. Raises OSError."""
    half = path.with_name(f".{path.name}.{os.getpid()}.part")
    size = 0
    try:
        with half.open("wb") as file:
            for _, piece in _pieces(say, job, part):
                size += file.write(piece.encode())
        half.replace(path)
    finally:
        half.unlink(missing_ok=True)
    say.say(f"The output of job {job} is in {path} ({counted(size, 'byte')}).")


def _nothing(job: int, part: Part) -> str:
    if part.search is not None:
        return f"No line of the output of job {job} contains {part.search!r}."
    return f"Job {job} has printed nothing."


def _pieces(say: "Session", job: int, part: Part) -> Iterator[tuple[int, str]]:
    if part.follow:
        yield from _followed(say, job, part)
    elif part.bytes_ is not None:
        data = say.client.jobs.output_range(job, part.bytes_, attempt=part.attempt)
        yield part.attempt or 0, data.decode(errors="replace")
    elif part.tail is not None or part.search is not None:
        _, text = say.client.jobs.output(job, attempt=part.attempt, tail=part.tail, search=part.search)
        yield part.attempt or 0, text
    else:
        yield from ((part.attempt or 0, piece) for piece in say.client.jobs.logs(job, attempt=part.attempt))


def _followed(say: "Session", job: int, part: Part) -> Iterator[tuple[int, str]]:
    attempts = say.client.jobs.get(job).attempts  # fails now without a server; later restarts are waited for
    number, offset = part.attempt or max(1, attempts), 0
    if part.tail is not None and number <= attempts:
        offset, text = say.client.jobs.output(job, attempt=number, tail=part.tail)
        yield number, text
        offset += len(text.encode())
    with say.patient():
        if part.attempt is None:
            yield from say.client.jobs.follow(job, attempt=number, offset=offset)
        else:
            pieces = say.client.jobs.logs(job, attempt=number, follow=True, offset=offset)
            yield from ((number, piece) for piece in pieces)
