"""The output and the end of a job, for commands that follow one."""

from collections.abc import Iterator
from typing import TYPE_CHECKING

from herder.cli.output.formats import Format

if TYPE_CHECKING:
    from herder.cli.shell.session import Session
    from herder.wire.work import JobView


def print_logs(say: "Session", job: int, attempt: int | None, *, follow: bool) -> bool:
    """Followed without an attempt: the last one and those that come after it. Raises what the server refuses, as of one that never ran.
    Answers whether the output ended in the middle of a line."""
    printed, last, unended = False, 0, False
    for number, piece in _pieces(say, job, attempt, follow=follow):
        if printed and number != last:
            say.say(f"Attempt {number} of job {job}:")
        last = number
        say.out.write(piece)
        say.out.flush()
        printed = printed or bool(piece)
        unended = not piece.endswith("\n") if piece else unended
    if not printed:
        say.say(f"Job {job} has printed nothing.")
    return unended


def _pieces(say: "Session", job: int, attempt: int | None, *, follow: bool) -> Iterator[tuple[int, str]]:
    if not follow:
        yield from ((attempt or 0, piece) for piece in say.client.jobs.logs(job, attempt=attempt))
        return
    say.client.jobs.get(job)  # fails now without a server; later restarts are waited for
    with say.patient():
        if attempt is None:
            yield from say.client.jobs.follow(job)
        else:
            yield from ((attempt, piece) for piece in say.client.jobs.logs(job, attempt=attempt, follow=True))


def tell_end(say: "Session", view: "JobView", *, quiet: bool = False) -> None:
    because = f" ({view.cause}: {view.message.rstrip('.')})".replace(": )", ")") if view.cause else ""
    text = f"Job {view.id} {view.state}{because}."
    if quiet and say.format is Format.TABLE:
        say.say(text)
    else:
        say.done(text, view, view.id)
