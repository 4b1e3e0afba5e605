"""`herder batch groups`, and `herder batch cancel` and `retry` of a batch or of one of its groups. Added by `batch.py`."""

from typing import TYPE_CHECKING, Annotated

import typer

from herder.cli.output.answers import show_list
from herder.cli.shell.completion import BatchArgument
from herder.cli.shell.options import UNCHANGED, DryRun, Limit, Message, Yes, usage
from herder.cli.shell.session import session
from herder.cli.views.work.groups import GROUPS, in_tree

if TYPE_CHECKING:
    from herder.wire.api.resources import Result
    from herder.wire.api.work import GroupView

CANCEL = "herder batch cancel 3 --yes\nherder batch cancel 3 --group align/sample-1"
RETRY = "herder batch retry 3 --failed\nherder batch retry 3 --failed --group align/sample-1"
_GROUP = Annotated[
    str | None,
    typer.Option(
        "--group", metavar="PATH", help="Only this job group and those below it, as align/sample-1."
    ),
]


def groups(ctx: typer.Context, batch: BatchArgument, limit: Limit = 1_000) -> None:
    """List the job groups of a batch.

    The counts of a group include those of the groups below it. A job names its group in a file of jobs: group: align/sample-1.
    """
    say = session(ctx)

    def fetch(most: int | None) -> list["GroupView"]:
        return in_tree(say.client.batches.groups(batch))[:most]

    show_list(say, GROUPS, fetch, limit)


def cancel(
    ctx: typer.Context,
    batch: BatchArgument,
    group: _GROUP = None,
    message: Message = "",
    dry_run: DryRun = False,
    yes: Yes = False,
) -> None:
    """Cancel the jobs of a batch that have not ended; running attempts are stopped.

    With --group only those of a job group. Other groups go on; their jobs that depend on a cancelled one are skipped.
    """
    say = session(ctx)

    def do(*, dry_run: bool) -> "Result":
        if group is None:
            return say.client.batches.cancel(batch, message, dry_run=dry_run)
        return say.client.batches.cancel_group(batch, group, message, dry_run=dry_run)

    if dry_run or not yes:
        would = do(dry_run=True)
        if dry_run:
            say.done(would.text + UNCHANGED, would, batch)
            return
        say.confirm(would.text, yes=False)
    done = do(dry_run=False)
    say.done(done.text, done, batch)


def retry(
    ctx: typer.Context,
    batch: BatchArgument,
    failed: Annotated[
        bool, typer.Option("--failed", help="Retry failed jobs, and the jobs skipped because of them.")
    ] = False,
    group: _GROUP = None,
    dry_run: DryRun = False,
) -> None:
    """Retry the failed jobs of a batch in the same batch.

    Each keeps its number and its attempts; the next attempt follows. A batch that has ended runs again. With --group only the failed jobs
    of a job group are retried.
    """
    if not failed:
        raise usage("No jobs are named.", hint="Add --failed.")
    say = session(ctx)
    if group is None:
        done = say.client.batches.retry_failed(batch, dry_run=dry_run)
    else:
        done = say.client.batches.retry_group(batch, group, dry_run=dry_run)
    say.done(done.text + (UNCHANGED if dry_run else ""), done, batch)
