"""`herder batch`: submit, list, wait for and cancel batches."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Annotated

import typer

from herder.cli.input.selection import refuse_unknown
from herder.cli.output.answers import show_list
from herder.cli.shell.commands import command, noun
from herder.cli.shell.completion import BatchArgument
from herder.cli.shell.exit_codes import Code
from herder.cli.shell.options import UNCHANGED, DryRun, Limit, Message, Timeout, Watch, Yes, seconds
from herder.cli.shell.session import Session, detaching, session
from herder.cli.views import details
from herder.cli.views.tables import BATCHES
from herder.model.values.phrases import counted

if TYPE_CHECKING:
    from herder.cli.input.job_files import JobFile
    from herder.wire.resources import Result
    from herder.wire.work import BatchView


def build() -> typer.Typer:
    app = noun(
        "Batches: groups of jobs that are submitted together.", example="herder batch submit jobs.yaml --wait"
    )
    command(app, "submit", example="herder batch submit jobs.yaml\ncat jobs.jsonl | herder batch submit -")(
        submit
    )
    command(app, "list", example="herder batch list --state running")(show_all)
    command(app, "get", example="herder batch get 3")(get)
    command(app, "wait", example="herder batch wait 3 --timeout 1h")(wait)
    command(app, "cancel", example="herder batch cancel 3 --yes")(cancel)
    return app


def submit(
    ctx: typer.Context,
    file: Annotated[str, typer.Argument(metavar="FILE", help="YAML, JSON or JSON lines; - is stdin.")],
    name: Annotated[
        str | None, typer.Option("--name", help="Name of the batch, instead of the one in the file.")
    ] = None,
    project: Annotated[
        str | None, typer.Option("--project", help="Project of the batch, instead of the one in the file.")
    ] = None,
    follow: Annotated[bool, typer.Option("--wait", help="Wait until all jobs have ended.")] = False,
    timeout: Timeout = None,
    dry_run: DryRun = False,
) -> None:
    """Submit the jobs of a file as one batch.

    The whole file is checked first; if it has an error, nothing is submitted. No job starts before the last one has been sent.
    """
    from herder.cli.input.job_files import read_jobs

    say = session(ctx)
    limit = seconds(timeout)
    found = read_jobs(file)
    found.batch.name = name or found.batch.name
    found.batch.project = project or found.batch.project
    if dry_run:
        _try(say, found)
        return
    view = _send(say, found)
    if not follow:
        say.done(f"Batch {view.id} with {counted(view.jobs, 'job')} was submitted.", view, view.id)
        say.say(f"Wait for it with: herder batch wait {view.id}")
        return
    say.say(f"Batch {view.id} with {counted(view.jobs, 'job')} was submitted.")
    with say.patient():
        _wait(say, view.id, limit)


def _send(say: Session, found: "JobFile") -> "BatchView":
    from herder.cli.output.progress import progress

    view: BatchView | None = None
    with progress(say, "submitting", len(found.jobs)) as advance, _told_by_place(found) as sent_before:
        for sent, latest in say.client.batches.submit(found.batch, found.jobs):
            view = latest
            advance(sent)
            sent_before[0] = sent
    assert view is not None, "submit yields at least once"
    return view


def _try(say: Session, found: "JobFile") -> None:
    """The same calls as `_send`, as dry runs."""
    from herder.cli.output.progress import progress

    said: Result | None = None
    with progress(say, "checking", len(found.jobs)) as advance, _told_by_place(found) as checked:
        for sent, latest in say.client.batches.try_submit(found.batch, found.jobs):
            said = latest
            advance(sent)
            checked[0] = sent
    assert said is not None, "try_submit yields at least once"
    say.done(said.text + UNCHANGED, said, said.object)


@contextmanager
def _told_by_place(found: "JobFile") -> Iterator[list[int]]:
    """What the server refuses, told with its place in the file. Gives where to put how many jobs were in the calls before."""
    from herder.cli.input.job_files import told_by_place
    from herder.client.errors import InvalidError

    before = [0]
    try:
        yield before
    except InvalidError as error:
        raise told_by_place(found, error, before[0]) from None


def show_all(
    ctx: typer.Context,
    state: Annotated[
        str | None, typer.Option("--state", help="Only batches in this state, such as running.")
    ] = None,
    user: Annotated[str | None, typer.Option("--user", help="Only batches of this user.")] = None,
    limit: Limit = 100,
    watch: Watch = False,
) -> None:
    """List batches, newest first."""
    say = session(ctx)

    def fetch(most: int | None) -> list["BatchView"]:
        return list(say.client.batches.list(state=state, user=user, limit=most))

    if watch:
        from herder.cli.output.watch import watch as go_on

        go_on(say, BATCHES, lambda: fetch(limit))
        return
    show_list(say, BATCHES, fetch, limit, check=lambda: refuse_unknown(say, user=user))


def get(ctx: typer.Context, batch: BatchArgument) -> None:
    """Show one batch and its progress."""
    say = session(ctx)
    found = say.client.batches.get(batch)
    say.printer.one(BATCHES, found, details.batch(found, say.printer.now_s))


def wait(ctx: typer.Context, batch: BatchArgument, timeout: Timeout = None) -> None:
    """Wait until all jobs of a batch have ended.

    The exit code is 0 when all succeeded, 8 when some succeeded, 1 when none succeeded, and 7 after --timeout.
    """
    _wait(session(ctx), batch, seconds(timeout))


def _wait(say: Session, batch: int, timeout_s: float | None) -> None:
    from herder.cli.output.waits import wait_for_batch

    with detaching(f"batch {batch}", f"herder batch wait {batch}"):
        view = wait_for_batch(say, batch, timeout_s)
    counts = ", ".join(f"{count:,} {state}" for state, count in view.counts.items() if count)
    say.done(f"Batch {view.id} {view.state}: {counts or 'no jobs'}.", view, view.id)
    code = _outcome(view)
    if code is not Code.OK:
        raise typer.Exit(code)


def _outcome(view: "BatchView") -> Code:
    succeeded = view.counts.get("succeeded", 0)
    if view.state == "succeeded" and succeeded == view.jobs:
        return Code.OK
    return Code.PARTLY_DONE if succeeded else Code.FAILURE


def cancel(
    ctx: typer.Context, batch: BatchArgument, message: Message = "", dry_run: DryRun = False, yes: Yes = False
) -> None:
    """Cancel the jobs of a batch that have not ended; running attempts are stopped."""
    say = session(ctx)
    if dry_run or not yes:
        would = say.client.batches.cancel(batch, message, dry_run=True)
        if dry_run:
            say.done(would.text + UNCHANGED, would, batch)
            return
        say.confirm(would.text, yes=False)
    done = say.client.batches.cancel(batch, message)
    say.done(done.text, done, batch)
