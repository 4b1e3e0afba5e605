"""`herder job`: submit single jobs, follow them, and ask why one waits."""

from math import isfinite
from typing import TYPE_CHECKING, Annotated

import typer

from herder.cli.completion import JobArgument, PoolOption, complete_batches, complete_pools
from herder.cli.exits import Code, CommandError
from herder.cli.options import DryRun, Limit, Message, Timeout, Watch, Yes, pair, seconds, usage
from herder.cli.output import describe
from herder.cli.output.answers import show_explanation, show_list
from herder.cli.output.formats import Format
from herder.cli.output.views import JOBS
from herder.cli.session import Session, detaching, session
from herder.cli.shape import PassOnCommand, command, noun
from herder.model.pool import CpuLimit
from herder.model.words import counted

if TYPE_CHECKING:
    from herder.wire.resources import JobSubmission, JobView

_SUBMIT = "herder job submit -- echo hello\nherder job submit --cpu 2 --memory 4Gi --timeout 1h --wait -- make report"


def build() -> typer.Typer:
    app = noun("Jobs: single pieces of work.", example="herder job submit -- echo hello")
    command(app, "submit", example=_SUBMIT, cls=PassOnCommand)(submit)
    command(app, "list", example="herder job list --state failed")(show_all)
    command(app, "get", example="herder job get 17")(get)
    command(app, "logs", example="herder job logs 17 --follow")(logs)
    command(app, "wait", example="herder job wait 17 --timeout 10m")(wait)
    command(app, "explain", example="herder job explain 17")(explain)
    command(app, "cancel", example="herder job cancel 17 --yes")(cancel)
    return app


_WORDS = Annotated[list[str], typer.Argument(metavar="COMMAND", help="What to run, after two dashes.")]
_NAME = Annotated[str | None, typer.Option("--name", help="A name to find the job by.")]
_CPU = Annotated[str, typer.Option("--cpu", help="Cores: 2, 0.5 or 500m.")]
_MEMORY = Annotated[str, typer.Option("--memory", help="As in 512Mi or 4Gi.")]
_DISK = Annotated[str, typer.Option("--disk", help="As in 10Gi.")]
_CPU_LIMIT = Annotated[
    CpuLimit | None,
    typer.Option("--cpu-limit", help="weight: may use idle CPU beyond --cpu; hard: never more than --cpu."),
]
_GPU = Annotated[float, typer.Option("--gpu", min=0, help="GPUs: 1, 2, or a share of one as in 0.25.")]
_GPU_MODEL = Annotated[
    str, typer.Option("--gpu-model", metavar="MODEL", help="Of this model; a100|h100 for either.")
]
_RESOURCE = Annotated[
    list[str] | None,
    typer.Option(
        "--resource", metavar="NAME=N", help="Something else that the server declares: licence/abaqus=1."
    ),
]
_POOL = Annotated[
    str, typer.Option("--pool", autocompletion=complete_pools, help="auto: the cheapest that fits.")
]
_ENV = Annotated[list[str] | None, typer.Option("--env", "-e", metavar="K=V", help="Repeat for more.")]
_SELECT = Annotated[
    list[str] | None, typer.Option("--select", metavar="LABEL=V", help="Only on workers with this label.")
]
_TOLERATE = Annotated[
    list[str] | None, typer.Option("--tolerate", metavar="TAINT=V", help="Also on workers with this taint.")
]
_PRIORITY = Annotated[
    str, typer.Option("--priority", help="A number, higher is more urgent, or a priority class.")
]
_PROJECT = Annotated[str | None, typer.Option("--project", help="Whose quota it counts against.")]
_LIMIT = Annotated[str | None, typer.Option("--timeout", metavar="TIME", help="Stop an attempt after: 10m.")]
_RETRIES = Annotated[int, typer.Option("--retries", min=0, help="More tries after failures of its own.")]
_WAIT = Annotated[bool, typer.Option("--wait", help="Stay until it has ended; exit 0 when it succeeded.")]
_FOLLOW = Annotated[bool, typer.Option("--follow", help="Print its output while it runs; then as --wait.")]


def submit(
    ctx: typer.Context,
    *,
    words: _WORDS,
    name: _NAME = None,
    cpu: _CPU = "100m",
    cpu_limit: _CPU_LIMIT = None,
    memory: _MEMORY = "128Mi",
    disk: _DISK = "0",
    gpu: _GPU = 0,
    gpu_model: _GPU_MODEL = "",
    resource: _RESOURCE = None,
    pool: _POOL = "auto",
    env: _ENV = None,
    select: _SELECT = None,
    tolerate: _TOLERATE = None,
    project: _PROJECT = None,
    priority: _PRIORITY = "0",
    timeout: _LIMIT = None,
    retries: _RETRIES = 0,
    wait: _WAIT = False,
    follow: _FOLLOW = False,
    dry_run: DryRun = False,
) -> None:
    """Submit one job.

    Answers at once with the job's number; --wait or --follow stay with it, and Ctrl-C leaves it running.
    """
    from herder.cli.jobfile import checked, priority_of
    from herder.wire.resources import JobSubmission

    say = session(ctx)
    if timeout is not None and not seconds(timeout):
        raise usage("--timeout: a job needs some time", hint="Write for example --timeout 10m.")
    job = JobSubmission(
        command=words,
        key=name,
        env=dict(pair(each, "--env") for each in env or ()),
        cpu=cpu,
        cpu_limit=cpu_limit.value if cpu_limit else "",
        memory=memory,
        disk=disk,
        gpu=_gpus(gpu),
        gpu_model=gpu_model,
        resources=dict(pair(each, "--resource") for each in resource or ()),
        pool=pool,
        project=project,
        priority=priority_of(priority),
        timeout_s=seconds(timeout),
        retries=retries,
        selector=dict(pair(each, "--select") for each in select or ()),
        tolerations=[_toleration(each) for each in tolerate or ()],
    )
    checked(job, "this job")
    if dry_run:
        say.say("The job is well formed. Nothing was submitted (dry run).")
        return
    _send(say, job, wait=wait, follow=follow)


def _send(say: Session, job: "JobSubmission", *, wait: bool, follow: bool) -> None:
    number = say.client.jobs.submit(job)
    if not (wait or follow):
        say.done(f"job {number.first_job} submitted", number, number.first_job)
        say.say(f"Follow it with: herder job logs {number.first_job} --follow")
        return
    say.say(f"job {number.first_job} submitted")
    with detaching(f"job {number.first_job}", f"herder job wait {number.first_job}"):
        if follow:
            _print_logs(say, number.first_job, None, follow=True)
        view = say.client.jobs.wait(number.first_job)
    _outcome(say, view, quiet=follow)


def show_all(
    ctx: typer.Context,
    batch: Annotated[
        int | None, typer.Option("--batch", autocompletion=complete_batches, help="Only of this batch.")
    ] = None,
    state: Annotated[str | None, typer.Option("--state", help="Only in this state, as in failed.")] = None,
    user: Annotated[str | None, typer.Option("--user", help="Only of this user.")] = None,
    pool: PoolOption = None,
    limit: Limit = 100,
    watch: Watch = False,
) -> None:
    """List jobs, 100 if --limit does not say otherwise."""
    say = session(ctx)

    def fetch(most: int | None) -> list["JobView"]:
        return list(say.client.jobs.list(batch=batch, state=state, user=user, pool=pool, limit=most))

    if watch:
        from herder.cli.output.changes import watch as go_on

        go_on(say, JOBS, lambda: fetch(limit))
        return
    show_list(say, JOBS, fetch, limit)


def get(ctx: typer.Context, job: JobArgument) -> None:
    """Show one job with all its attempts."""
    say = session(ctx)
    found = say.client.jobs.get(job)
    say.printer.one(JOBS, found, describe.job(found, say.printer.now_s))


def logs(
    ctx: typer.Context,
    job: JobArgument,
    attempt: Annotated[
        int | None, typer.Option("--attempt", min=1, help="Which; the last if not given.")
    ] = None,
    follow: Annotated[
        bool, typer.Option("--follow", help="Go on until the job has ended, also over later attempts.")
    ] = False,
) -> None:
    """Print what a job wrote."""
    say = session(ctx)
    with detaching(f"job {job}", f"herder job logs {job} --follow"):
        _print_logs(say, job, attempt, follow=follow)


def _print_logs(say: Session, job: int, attempt: int | None, *, follow: bool) -> None:
    if follow and attempt is None:
        last = 0
        for number, piece in say.client.jobs.follow(job):
            if last and number != last:
                say.say(f"Attempt {number} of job {job}:")
            last = number
            _write(say, piece)
        return
    printed = False
    for piece in say.client.jobs.logs(job, attempt=attempt, follow=follow):
        printed = printed or bool(piece)
        _write(say, piece)
    if not printed:
        _say_why_none(say, job, attempt)


def _write(say: Session, piece: str) -> None:
    say.out.write(piece)
    say.out.flush()


def _say_why_none(say: Session, job: int, attempt: int | None) -> None:
    """Raises CommandError for an attempt that there is not."""
    view = say.client.jobs.get(job)
    if attempt is not None and attempt > view.attempts:
        raise CommandError(
            f"job {job} has no attempt {attempt}: it has had {counted(view.attempts, 'attempt')}",
            hint=f"herder job get {job} shows them.",
            code=Code.NOT_FOUND,
        )
    if not view.attempts:
        say.say(f"Job {job} is {view.state} and has not run, so there is no output.")
    else:
        say.say("It has printed nothing.")


def wait(ctx: typer.Context, job: JobArgument, timeout: Timeout = None) -> None:
    """Wait until a job has ended.

    Exit code 0 when it succeeded, 1 when not, 7 when the time was over first.
    """
    say = session(ctx)
    limit = seconds(timeout)
    with detaching(f"job {job}", f"herder job wait {job}"):
        view = say.client.jobs.wait(job, limit)
    _outcome(say, view)


def _outcome(say: Session, view: "JobView", *, quiet: bool = False) -> None:
    because = f" ({view.cause}: {view.message})".replace(": )", ")") if view.cause else ""
    text = f"job {view.id} {view.state}{because}"
    if quiet and say.format is Format.TABLE:
        say.say(text)
    else:
        say.done(text, view, view.id)
    if view.state != "succeeded":
        raise typer.Exit(Code.FAILURE)


def explain(ctx: typer.Context, job: JobArgument) -> None:
    """Say why a job is where it is: waiting, running, failed."""
    say = session(ctx)
    found = say.client.jobs.explain(job)
    show_explanation(say, found, job)


def cancel(
    ctx: typer.Context, job: JobArgument, message: Message = "", dry_run: DryRun = False, yes: Yes = False
) -> None:
    """Cancel a job; a running attempt is stopped."""
    say = session(ctx)
    if dry_run or not yes:
        view = say.client.jobs.get(job)
        effect = f"cancels job {job}, which is {view.state}"
        if dry_run:
            say.done(f"{effect} (dry run, nothing was changed)", view, job)
            return
        say.confirm(effect, yes=False)
    done = say.client.jobs.cancel(job, message)
    say.done(done.text, done, job)


def _gpus(number: float) -> int | float:
    if not isfinite(number):
        raise usage(f"--gpu: {number} is no number of GPUs", hint="Write for example --gpu 1 or --gpu 0.25.")
    return int(number) if number == int(number) else number


def _toleration(text: str) -> dict[str, str]:
    key, equals, value = text.partition("=")
    return {"key": key, "value": value} if equals else {"key": key}
