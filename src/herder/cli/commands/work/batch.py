"""`herder batch`: submit, list, wait for and cancel batches."""

from collections.abc import Iterator
from contextlib import contextmanager
from itertools import islice
from typing import TYPE_CHECKING, Annotated

import typer

from herder.cli.input.batch_groups import CANCEL, RETRY, cancel, groups, retry
from herder.cli.input.selection import refuse_unknown
from herder.cli.output.answers import show_list
from herder.cli.output.formats import Format
from herder.cli.shell.commands import command, noun
from herder.cli.shell.completion import BatchArgument
from herder.cli.shell.exit_codes import Code
from herder.cli.shell.options import (
    UNCHANGED,
    DryRun,
    Limit,
    Message,
    Search,
    Timeout,
    Watch,
    Yes,
    pair,
    seconds,
    usage,
)
from herder.cli.shell.session import Session, detaching, session
from herder.cli.views import details
from herder.cli.views.tables import BATCHES
from herder.model.values.phrases import counted

if TYPE_CHECKING:
    from herder.cli.input.job_files import JobFile
    from herder.cli.input.workflows import ReadTasks, Workflow
    from herder.wire.api.resources import Result
    from herder.wire.api.work import BatchView


#: With one batch.
GROUPS_SHOWN = 20
SUBMIT = """herder batch submit jobs.yaml
cat jobs.jsonl | herder batch submit -
herder batch submit --array 1-100%10 --default cpu=2 -- ./report.sh
herder batch submit --lines commands.txt
herder batch submit --from-wfformat workflow.json --scale 0.01 --wait"""


def build(workflow_tasks: "ReadTasks | None" = None) -> typer.Typer:
    """`workflow_tasks`: the reader of --from-wfformat."""
    app = noun(
        "Batches: groups of jobs that are submitted together.", example="herder batch submit jobs.yaml --wait"
    )
    _add_submit(app, workflow_tasks)
    command(
        app, "list", example="herder batch list --state running\nherder batch list 'state:failed created>-2d'"
    )(show_all)
    command(app, "get", example="herder batch get 3")(get)
    command(app, "wait", example="herder batch wait 3 --timeout 1h")(wait)
    command(app, "groups", example="herder batch groups 3")(groups)
    command(app, "cancel", example=CANCEL)(cancel)
    command(app, "add", example="herder batch add 3 jobs.yaml")(add)
    command(app, "close", example="herder batch close 3")(close)
    command(app, "hold", example="herder batch hold 3")(hold)
    command(app, "release", example="herder batch release 3")(release)
    command(app, "delete", example="herder batch delete 3 --yes")(delete)
    command(app, "retry", example=RETRY)(retry)
    return app


ArrayOption = Annotated[
    str | None,
    typer.Option("--array", metavar="INDICES", help="One job for each index: 1-100, 0-98:2, 1-100%10."),
]
LinesOption = Annotated[bool, typer.Option("--lines", help="Each line of FILE is a command for the shell.")]
FromWfformat = Annotated[
    bool,
    typer.Option(
        "--from-wfformat",
        help="FILE is a recorded workflow (WfFormat JSON, also .gz); its tasks become jobs that sleep.",
    ),
]
Scale = Annotated[
    float | None,
    typer.Option(
        "--scale", help="With --from-wfformat: factor of the recorded times, such as 0.01. Default: 1."
    ),
]
Real = Annotated[
    bool, typer.Option("--real", help="With --from-wfformat: start a process for each job, not only a timer.")
]
Defaults = Annotated[
    list[str] | None,
    typer.Option("--default", metavar="NAME=V", help="Setting of each job: cpu=2, env.A=b. Repeatable."),
]
Attributes = Annotated[
    list[str] | None,
    typer.Option("--attribute", metavar="K=V", help="Attribute of the batch, for searches. Repeatable."),
]
KeepOpen = Annotated[
    bool,
    typer.Option("--keep-open", help="Accept more jobs (herder batch add) until herder batch close."),
]

Callback = Annotated[
    str | None,
    typer.Option("--callback", metavar="URL", help="URL that is called when the batch has ended."),
]


def _add_submit(app: typer.Typer, workflow_tasks: "ReadTasks | None") -> None:
    @command(app, "submit", example=SUBMIT)
    def submit(
        ctx: typer.Context,
        words: Annotated[
            list[str],
            typer.Argument(
                metavar="FILE", help="YAML, JSON or JSON lines; - is stdin. With --array: a command."
            ),
        ],
        *,
        array: ArrayOption = None,
        lines: LinesOption = False,
        from_wfformat: FromWfformat = False,
        scale: Scale = None,
        real: Real = False,
        default: Defaults = None,
        name: Annotated[
            str | None, typer.Option("--name", help="Name of the batch, instead of the one in the file.")
        ] = None,
        project: Annotated[
            str | None,
            typer.Option("--project", help="Project of the batch, instead of the one in the file."),
        ] = None,
        attribute: Attributes = None,
        keep_open: KeepOpen = False,
        callback: Callback = None,
        follow: Annotated[bool, typer.Option("--wait", help="Wait until all jobs have ended.")] = False,
        timeout: Timeout = None,
        dry_run: DryRun = False,
    ) -> None:
        """Submit the jobs of a file as one batch.

        The whole file is checked first; if it has an error, nothing is submitted. No job starts before the last one has been sent.
        Jobs of --array find their index in HERDER_ARRAY_INDEX, and it is their name; %10 means that at most 10 run at once.
        With --from-wfformat and --wait, the makespan and the critical path are printed at the end.
        """
        from herder.cli.input import arrays, batch_source

        say = session(ctx)
        limit = seconds(timeout)
        defaults = arrays.defaults_of(default or [])
        flow = None
        if from_wfformat:
            batch_source.refuse_others(array, lines=lines)
            flow = batch_source.workflow_of(say, words, workflow_tasks, defaults, scale=scale, real=real)
        elif scale is not None or real:
            raise usage("--scale and --real need --from-wfformat.", hint="Remove them, or add it.")
        found = flow.file if flow else batch_source.batch_of(words, array, defaults, lines=lines)
        found.batch.name = name or found.batch.name
        found.batch.attributes |= dict(pair(each, "--attribute") for each in attribute or ())
        found.batch.project = project or found.batch.project
        found.batch.keep_open = keep_open or found.batch.keep_open
        found.batch.callback = callback or found.batch.callback
        _submit(say, found, flow, follow=follow, limit_s=limit, dry_run=dry_run)


def _submit(
    say: Session,
    found: "JobFile",
    flow: "Workflow | None",
    *,
    follow: bool,
    limit_s: float | None,
    dry_run: bool,
) -> None:
    if dry_run:
        _try(say, found)
        return
    view = _send(say, found)
    if not follow:
        say.done(f"Batch {view.id} with {counted(view.jobs, 'job')} was submitted.", view, view.id)
        say.say(f"Wait for it with: herder batch wait {view.id}")
        return
    say.say(f"Batch {view.id} with {counted(view.jobs, 'job')} was submitted.")
    if found.batch.keep_open:
        say.say(f"The batch is kept open, so the wait ends after: herder batch close {view.id}")
    with say.patient():
        _wait(say, view.id, limit_s, flow)


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


def add(
    ctx: typer.Context,
    batch: BatchArgument,
    file: Annotated[str, typer.Argument(metavar="FILE", help="YAML, JSON or JSON lines; - is stdin.")],
) -> None:
    """Add the jobs of a file to a batch that was submitted with --keep-open.

    Of the settings of a batch in the file only groups is used. Jobs may name any job of the batch as their parent.
    """
    from herder.cli.input.job_files import read_jobs
    from herder.client.parts.work import BUNCH_MAX

    say = session(ctx)
    found = read_jobs(file)
    with _told_by_place(found) as sent:
        for start in range(0, len(found.jobs), BUNCH_MAX):
            sent[0] = start
            bunch, new = found.jobs[start : start + BUNCH_MAX], [] if start else found.batch.groups
            say.client.batches.add_jobs(batch, bunch, new)
    view = say.client.batches.get(batch)
    say.done(f"{counted(len(found.jobs), 'job')} added to batch {batch}.", view, batch)


def close(ctx: typer.Context, batch: BatchArgument) -> None:
    """Accept no more jobs in a batch; it ends when its jobs have ended."""
    say = session(ctx)
    done = say.client.batches.close(batch)
    say.done(done.text, done, batch)


def show_all(
    ctx: typer.Context,
    search: Search = None,
    state: Annotated[
        str | None, typer.Option("--state", help="Only batches in this state, such as running.")
    ] = None,
    user: Annotated[str | None, typer.Option("--user", help="Only batches of this user.")] = None,
    limit: Limit = 100,
    watch: Watch = False,
) -> None:
    """List batches, newest first.

    A search has terms such as state:failed, user:ann, name~night, jobs>100, created>-2d, duration>5m, attribute.KEY:V. All must be true.
    """
    say = session(ctx)
    wanted = " ".join(search) if search else None

    def fetch(most: int | None) -> list["BatchView"]:
        return list(say.client.batches.list(wanted, state=state, user=user, limit=most))

    if watch:
        from herder.cli.output.watch import watch as go_on

        go_on(say, BATCHES, lambda: fetch(limit))
        return
    filtered = any(each is not None for each in (wanted, state, user))
    show_list(say, BATCHES, fetch, limit, check=lambda: refuse_unknown(say, user=user), filtered=filtered)


def get(ctx: typer.Context, batch: BatchArgument) -> None:
    """Show one batch and its progress."""
    say = session(ctx)
    found = say.client.batches.get(batch)
    groups_there = list(islice(say.client.batches.groups(batch), GROUPS_SHOWN + 1))
    say.printer.one(BATCHES, found, details.batch(found, groups_there[:GROUPS_SHOWN], say.printer.now_s))
    if len(groups_there) > GROUPS_SHOWN:
        say.say(f"Only the first {GROUPS_SHOWN} groups are shown; herder batch groups {batch} lists all.")


def wait(ctx: typer.Context, batch: BatchArgument, timeout: Timeout = None) -> None:
    """Wait until all jobs of a batch have ended.

    The exit code is 0 when all succeeded, 8 when some succeeded, 1 when none succeeded, and 7 after --timeout.
    """
    _wait(session(ctx), batch, seconds(timeout))


def _wait(say: Session, batch: int, timeout_s: float | None, flow: "Workflow | None" = None) -> None:
    from herder.cli.output.waits import wait_for_batch

    with detaching(f"batch {batch}", f"herder batch wait {batch}"):
        view = wait_for_batch(say, batch, timeout_s)
    counts = ", ".join(f"{count:,} {state}" for state, count in view.counts.items() if count)
    ended = "ended" if view.state == "succeeded" and _outcome(view) is not Code.OK else view.state
    say.done(f"Batch {view.id} {ended}: {counts or 'no jobs'}.", view, view.id)
    if flow is not None:
        _show_makespan(say, view, flow)
    code = _outcome(view)
    if code is not Code.OK:
        raise typer.Exit(code)


def _show_makespan(say: Session, view: "BatchView", flow: "Workflow") -> None:
    """With the outcome; on stderr where that is data."""
    from herder.cli.views.work.makespans import makespan_text

    jobs = say.client.jobs.list(batch=view.id)
    text = makespan_text(flow.parents, flow.run_s, flow.scale, view, jobs)
    if say.format in (Format.TABLE, Format.WIDE):
        say.printer.prose(text)
    else:
        say.say(text)


def _outcome(view: "BatchView") -> Code:
    succeeded = view.counts.get("succeeded", 0)
    if view.state == "succeeded" and succeeded == view.jobs:
        return Code.OK
    return Code.PARTLY_DONE if succeeded else Code.FAILURE


def hold(ctx: typer.Context, batch: BatchArgument, message: Message = "") -> None:
    """Hold the jobs of a batch that have not started; running jobs go on.

    herder batch release starts them again.
    """
    say = session(ctx)
    done = say.client.batches.hold(batch, message)
    say.done(done.text, done, batch)


def release(ctx: typer.Context, batch: BatchArgument, message: Message = "") -> None:
    """Release a batch that is held."""
    say = session(ctx)
    done = say.client.batches.release(batch, message)
    say.done(done.text, done, batch)


def delete(
    ctx: typer.Context, batch: BatchArgument, message: Message = "", dry_run: DryRun = False, yes: Yes = False
) -> None:
    """Delete a batch that has ended, with its jobs, their attempts and their output."""
    say = session(ctx)
    if dry_run or not yes:
        would = say.client.batches.delete(batch, dry_run=True)
        if dry_run:
            say.done(would.text + UNCHANGED, would, batch)
            return
        say.confirm(would.text, yes=False)
    done = say.client.batches.delete(batch, message)
    say.done(done.text, done, batch)
