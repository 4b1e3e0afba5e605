"""What a job printed and how it ended, for the commands that follow one."""

from typing import TYPE_CHECKING

from herder.cli.output.formats import Format

if TYPE_CHECKING:
    from herder.cli.shell.session import Session
    from herder.wire.resources import JobView


def print_logs(say: "Session", job: int, attempt: int | None, *, follow: bool) -> None:
    printed = False
    if follow and attempt is None:
        last = 0
        for number, piece in say.client.jobs.follow(job):
            if last and number != last:
                say.say(f"Attempt {number} of job {job}:")
            last = number
            say.out.write(piece)
            say.out.flush()
        return
    for piece in say.client.jobs.logs(job, attempt=attempt, follow=follow):
        say.out.write(piece)
        say.out.flush()
        printed = printed or bool(piece)
    if not printed:
        say.say(f"job {job} printed nothing")


def tell_end(say: "Session", view: "JobView", *, quiet: bool = False) -> None:
    because = f" ({view.cause}: {view.message})".replace(": )", ")") if view.cause else ""
    text = f"job {view.id} {view.state}{because}"
    if quiet and say.format is Format.TABLE:
        say.say(text)
    else:
        say.done(text, view, view.id)
