"""Which jobs a command is about: numbers, or a filter. Used by `job wait`, `job cancel`, `job retry` and `job logs`."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import typer

from herder.cli.output.errors import show_error
from herder.cli.shell.completion import PoolOption, complete_batches
from herder.cli.shell.exit_codes import Code, CommandError
from herder.cli.shell.options import usage
from herder.cli.shell.session import Session, near_only
from herder.client.errors import ConflictError, InvalidError, NotAllowedError, NotFoundError
from herder.model.values.phrases import counted

if TYPE_CHECKING:
    from herder.wire.api.work import JobView

#: Jobs of one call that a filter names: each is asked for by itself.
SELECTED_MAX = 10_000
OPEN_STATES = ("pending", "blocked", "ready", "held", "running")
#: Names that the error about an unknown one lists.
KNOWN_SHOWN_MAX = 20
#: What jobs have in the place of a pool when any may take them.
ANY_POOL = "auto"

Jobs = Annotated[list[int] | None, typer.Argument(metavar="JOB", help="Numbers of jobs.")]
OfBatch = Annotated[
    int | None, typer.Option("--batch", autocompletion=complete_batches, help="Only in this batch.")
]
InState = Annotated[str | None, typer.Option("--state", help="Only in this state, such as failed.")]
OfUser = Annotated[str | None, typer.Option("--user", help="Only of this user.")]
WithName = Annotated[str | None, typer.Option("--name", help="Only with this name.")]
InGroup = Annotated[
    str | None,
    typer.Option("--group", metavar="PATH", help="Only of this job group of --batch, with those below it."),
]
OfPool = PoolOption


@dataclass(frozen=True, slots=True, kw_only=True)
class Filter:
    batch: int | None = None
    state: str | None = None
    user: str | None = None
    pool: str | None = None
    name: str | None = None
    group: str | None = None

    @property
    def empty(self) -> bool:
        return not any(
            value is not None
            for value in (self.batch, self.state, self.user, self.pool, self.name, self.group)
        )


def selected(
    say: Session, jobs: Sequence[int] | None, wanted: Filter, states: Sequence[str] = ()
) -> list[int]:
    """The numbers, each once and as they were given, or those that the filter finds, oldest first. `states`: which of them are meant
    when the filter names no state. Raises CommandError."""
    if jobs and not wanted.empty:
        raise usage("Name either numbers of jobs or a filter, not both.", hint="Name only one of them.")
    if jobs:
        return list(dict.fromkeys(jobs))
    if wanted.empty:
        raise usage("No jobs are named.", hint="Give numbers, or a filter as in --batch 3 or --name NAME.")
    found: list[JobView] = []
    for state in (wanted.state,) if wanted.state is not None or not states else states:
        found += say.client.jobs.list(
            batch=wanted.batch,
            state=state,
            user=wanted.user,
            pool=wanted.pool,
            name=wanted.name,
            group=wanted.group,
            limit=SELECTED_MAX + 1,
        )
    if len(found) > SELECTED_MAX:
        raise usage(
            f"The filter selects more than {counted(SELECTED_MAX, 'job')}.", hint="Narrow the filter."
        )
    if not found:
        refuse_unknown(say, pool=wanted.pool, user=wanted.user)
        state = f"{_either(states)} " if states and wanted.state is None else ""
        raise CommandError(
            f"No {state}jobs match this filter.",
            hint="`herder job list` takes the same filter.",
            code=Code.NOT_FOUND,
        )
    return sorted(job.id for job in found)


def refuse_unknown(say: Session, *, pool: str | None = None, user: str | None = None) -> None:
    """Of a filter that found nothing: raises CommandError when it names a pool or a user that does not exist, and names the known ones. What a
    deleted pool or user has left behind is found, so it does not come here."""
    if pool is not None and pool != ANY_POOL:
        _known("pool", pool, [each.name for each in say.client.pools.list()])
    if user is not None:
        _known("user", user, [each.name for each in say.client.users()])


def _known(noun: str, given: str, known: Sequence[str]) -> None:
    if given in known:
        return
    shown = ", ".join(sorted(known)[:KNOWN_SHOWN_MAX]) or "none"
    more = f" and {len(known) - KNOWN_SHOWN_MAX:,} more" if len(known) > KNOWN_SHOWN_MAX else ""
    near = near_only(given, list(known))
    hint = f"{near} Known {noun}s: {shown}{more}.".strip()
    raise CommandError(f"There is no {noun} {given!r}.", hint=hint, code=Code.NOT_FOUND)


def _either(states: Sequence[str]) -> str:
    """`pending, blocked or ready`"""
    *first, last = states
    return f"{', '.join(first)} or {last}" if first else last


class Failures:
    """What could not be done, of several things that are tried one after the other. Of one alone it is the command's own error."""

    def __init__(self, say: Session, number: int) -> None:
        self._say, self._number = say, number
        self._codes: list[int] = []

    @contextmanager
    def each(self) -> Iterator[None]:
        try:
            yield
        except (NotFoundError, ConflictError, InvalidError, NotAllowedError) as error:
            if self._number == 1:
                raise
            self._codes.append(show_error(self._say, error))

    def exit(self) -> None:
        """Raises Exit when something failed: some of it with one code, all of it with that of the last."""
        if self._codes:
            raise typer.Exit(Code.PARTLY_DONE if len(self._codes) < self._number else self._codes[-1])
