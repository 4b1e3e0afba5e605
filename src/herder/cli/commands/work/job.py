"""`herder job`: list, cancel, retry and explain jobs. `cli/input` has `job submit` and `job logs`."""

from functools import partial
from typing import TYPE_CHECKING

import typer

from herder.cli.input.job_logs import EXAMPLE as LOGS_EXAMPLE
from herder.cli.input.job_logs import logs
from herder.cli.input.job_submit import EXAMPLE, submit
from herder.cli.input.selection import (
    OPEN_STATES,
    Failures,
    Filter,
    InGroup,
    InState,
    Jobs,
    OfBatch,
    OfPool,
    OfUser,
    WithName,
    refuse_unknown,
    selected,
)
from herder.cli.output.answers import show_explanation, show_list
from herder.cli.output.formats import Format
from herder.cli.shell.commands import PassOnCommand, command, noun
from herder.cli.shell.completion import JobArgument
from herder.cli.shell.exit_codes import Code
from herder.cli.shell.options import UNCHANGED, DryRun, Limit, Message, Search, Timeout, Watch, Yes, seconds
from herder.cli.shell.session import Session, Told, detaching, session
from herder.cli.views import details
from herder.cli.views.tables import JOB_TYPES, JOBS
from herder.cli.views.work.job_ends import tell_end
from herder.model.values.phrases import counted

if TYPE_CHECKING:
    from collections.abc import Callable

    from herder.wire.api.resources import Result
    from herder.wire.api.work import JobView

#: Of several jobs, so many are named in a question.
SHOWN_MAX = 10


def build() -> typer.Typer:
    app = noun("Jobs: commands that run on workers.", example="herder job submit -- echo hello")
    command(app, "submit", example=EXAMPLE, cls=PassOnCommand)(submit)
    command(
        app,
        "list",
        example="herder job list --state failed\nherder job list --name report\nherder job list 'state:failed duration>5m'",
    )(show_all)
    command(app, "get", example="herder job get 17")(get)
    command(app, "logs", example=LOGS_EXAMPLE)(logs)
    command(app, "wait", example="herder job wait 17 18 --timeout 10m")(wait)
    command(app, "explain", example="herder job explain 17")(explain)
    command(app, "cancel", example="herder job cancel 17 --yes\nherder job cancel --name report --dry-run")(
        cancel
    )
    command(app, "types", example="herder job types")(types)
    command(app, "hold", example="herder job hold 17\nherder job hold --name report")(hold)
    command(app, "release", example="herder job release 17")(release)
    command(app, "retry", example="herder job retry 17\nherder job retry --batch 3 --state failed")(retry)
    return app


def show_all(
    ctx: typer.Context,
    search: Search = None,
    *,
    batch: OfBatch = None,
    state: InState = None,
    user: OfUser = None,
    pool: OfPool = None,
    name: WithName = None,
    group: InGroup = None,
    limit: Limit = 100,
    watch: Watch = False,
) -> None:
    """List jobs, newest first.

    A search has terms such as state:failed,skipped, user:ann, name~night, worker:burst-7-1, attempts>1, duration>5m, attribute.KEY:V. All must be true.
    """
    say = session(ctx)
    text = " ".join(search) if search else None

    def fetch(most: int | None) -> list["JobView"]:
        return list(
            say.client.jobs.list(
                text, batch=batch, state=state, user=user, pool=pool, name=name, group=group, limit=most
            )
        )

    if watch:
        from herder.cli.output.watch import watch as go_on

        go_on(say, JOBS, lambda: fetch(limit))
        return
    filtered = any(each is not None for each in (text, batch, state, user, pool, name, group))
    unknown = partial(refuse_unknown, say, pool=pool, user=user)
    show_list(say, JOBS, fetch, limit, check=unknown, filtered=filtered)


def get(ctx: typer.Context, job: JobArgument) -> None:
    """Show one job with all its attempts."""
    say = session(ctx)
    found = say.client.jobs.get(job)
    say.printer.one(JOBS, found, details.job(found, say.printer.now_s))


def wait(
    ctx: typer.Context,
    jobs: Jobs = None,
    timeout: Timeout = None,
    batch: OfBatch = None,
    state: InState = None,
    user: OfUser = None,
    pool: OfPool = None,
    name: WithName = None,
    group: InGroup = None,
) -> None:
    """Wait until jobs have ended: those given by number, or those that match a filter now.

    The exit code is 0 when all succeeded, 8 when some succeeded, 1 when none succeeded, and 7 after --timeout.
    """
    from herder.cli.output.waits import wait_for_jobs

    say = session(ctx)
    limit = seconds(timeout)
    wanted = Filter(batch=batch, state=state, user=user, pool=pool, name=name, group=group)
    chosen = selected(say, jobs, wanted)
    ended: list[JobView] = []

    def each(view: "JobView") -> None:
        ended.append(view)
        if len(chosen) == 1 or say.format not in (Format.JSON, Format.YAML):
            tell_end(say, view)

    what = f"job {chosen[0]}" if len(chosen) == 1 else counted(len(chosen), "job")
    with detaching(what, "the same command"):
        wait_for_jobs(say, chosen, limit, each)
    if len(chosen) > 1 and say.format in (Format.JSON, Format.YAML):
        say.printer.items(JOBS, ended)
    succeeded = sum(view.state == "succeeded" for view in ended)
    if succeeded < len(ended):
        raise typer.Exit(Code.PARTLY_DONE if succeeded else Code.FAILURE)


def explain(ctx: typer.Context, job: JobArgument) -> None:
    """Explain why a job waits, or how it ended."""
    say = session(ctx)
    found = say.client.jobs.explain(job)
    show_explanation(say, found, job)


def cancel(
    ctx: typer.Context,
    jobs: Jobs = None,
    *,
    batch: OfBatch = None,
    state: InState = None,
    user: OfUser = None,
    pool: OfPool = None,
    name: WithName = None,
    group: InGroup = None,
    message: Message = "",
    dry_run: DryRun = False,
    yes: Yes = False,
) -> None:
    """Cancel jobs; running attempts are stopped. A filter without --state selects jobs that have not ended."""
    say = session(ctx)
    wanted = Filter(batch=batch, state=state, user=user, pool=pool, name=name, group=group)
    chosen = selected(say, jobs, wanted, OPEN_STATES)
    if not (dry_run or yes or _all_ended(say, chosen)):
        would = [say.client.jobs.cancel(job, message, dry_run=True) for job in chosen[:SHOWN_MAX]]
        more = f"\nand {counted(len(chosen) - SHOWN_MAX, 'more job')}" if len(chosen) > SHOWN_MAX else ""
        say.confirm("\n".join(each.text for each in would) + more, yes=False)
    failures = Failures(say, len(chosen))
    done = []
    for job in chosen:
        with failures.each():
            done.append((job, say.client.jobs.cancel(job, message, dry_run=dry_run)))
    say.all_done(done, note=UNCHANGED if dry_run else "")
    failures.exit()


def _all_ended(say: Session, chosen: list[int]) -> bool:
    """Then nothing would happen, and nothing is asked."""
    return len(chosen) <= SHOWN_MAX and all(
        say.client.jobs.get(job).state not in OPEN_STATES for job in chosen
    )


def types(ctx: typer.Context) -> None:
    """List job types with their limits, and how many of their jobs run and wait."""
    say = session(ctx)
    found = list(say.client.job_types())
    say.printer.items(JOB_TYPES, found)
    if not found:
        say.say(JOB_TYPES.empty)


def hold(
    ctx: typer.Context,
    jobs: Jobs = None,
    batch: OfBatch = None,
    user: OfUser = None,
    pool: OfPool = None,
    name: WithName = None,
    group: InGroup = None,
    message: Message = "",
) -> None:
    """Hold jobs that have not started: those given by number, or the ready ones that match a filter."""
    say = session(ctx)
    wanted = Filter(batch=batch, state=None, user=user, pool=pool, name=name, group=group)
    _each(say, selected(say, jobs, wanted, ("ready",)), lambda job: say.client.jobs.hold(job, message))


def release(
    ctx: typer.Context,
    jobs: Jobs = None,
    batch: OfBatch = None,
    user: OfUser = None,
    pool: OfPool = None,
    name: WithName = None,
    group: InGroup = None,
    message: Message = "",
) -> None:
    """Release held jobs: those given by number, or those that match a filter."""
    say = session(ctx)
    wanted = Filter(batch=batch, state=None, user=user, pool=pool, name=name, group=group)
    _each(say, selected(say, jobs, wanted, ("held",)), lambda job: say.client.jobs.release(job, message))


def _each(say: Session, chosen: list[int], change: "Callable[[int], Result]") -> None:
    failures = Failures(say, len(chosen))
    done = []
    for job in chosen:
        with failures.each():
            done.append((job, change(job)))
    say.all_done(done)
    failures.exit()


def retry(
    ctx: typer.Context,
    jobs: Jobs = None,
    batch: OfBatch = None,
    state: InState = None,
    user: OfUser = None,
    pool: OfPool = None,
    name: WithName = None,
    group: InGroup = None,
    dry_run: DryRun = False,
) -> None:
    """Submit jobs that have ended again, each as a new job.

    A filter without --state selects failed jobs. The new job has the command, environment, files and limits of the old one. It belongs to you,
    and to no batch.
    """
    from herder.wire.api.resources import Result

    say = session(ctx)
    wanted = Filter(batch=batch, state=state, user=user, pool=pool, name=name, group=group)
    chosen = selected(say, jobs, wanted, ("failed",))
    failures = Failures(say, len(chosen))
    done: list[tuple[str | int, Told]] = []
    for job in chosen:
        with failures.each():
            if dry_run:
                done.append((job, say.client.jobs.try_retry(job)))
            else:
                made = say.client.jobs.retry(job).first_job
                done.append(
                    (made, Result(object=f"job/{made}", text=f"Job {job} was submitted again as job {made}."))
                )
    say.all_done(done, note=UNCHANGED if dry_run else "")
    failures.exit()
