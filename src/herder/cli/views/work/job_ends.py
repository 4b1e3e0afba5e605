"""How a job ended, for commands that wait for one."""

from typing import TYPE_CHECKING

from herder.cli.output.formats import Format

if TYPE_CHECKING:
    from herder.cli.shell.session import Session
    from herder.wire.api.work import JobView


def tell_end(say: "Session", view: "JobView", *, quiet: bool = False) -> None:
    because = f" ({view.cause}: {view.message.rstrip('.')})".replace(": )", ")") if view.cause else ""
    text = f"Job {view.id} {view.state}{because}."
    if quiet and say.format is Format.TABLE:
        say.say(text)
    else:
        say.done(text, view, view.id)
