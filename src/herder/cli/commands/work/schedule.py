"""`herder schedule`: batches that are submitted at the times of a cron expression."""

from typing import Annotated

import typer

from herder.cli.output.answers import show_list
from herder.cli.shell.commands import command, noun
from herder.cli.shell.options import Yes, by_option, seconds
from herder.cli.shell.session import session
from herder.cli.views.work import schedules as views

Name = Annotated[str, typer.Argument(metavar="NAME", help="Name of the schedule.")]


def build() -> typer.Typer:
    app = noun("Schedules: batches that are submitted at given times.", example="herder schedule list")
    create_example = 'herder schedule create nightly --cron "0 2 * * *" --file jobs.yaml'
    command(app, "create", example=create_example)(create)
    command(app, "list", example="herder schedule list")(show_all)
    command(app, "get", example="herder schedule get nightly")(get)
    command(app, "pause", example="herder schedule pause nightly")(pause)
    command(app, "resume", example="herder schedule resume nightly")(resume)
    command(app, "run", example="herder schedule run nightly")(run)
    command(app, "delete", example="herder schedule delete nightly --yes")(delete)
    return app


def create(
    ctx: typer.Context,
    name: Name,
    cron: Annotated[
        str, typer.Option("--cron", metavar="CRON", help="Minute, hour, day, month and weekday: 0 2 * * *.")
    ],
    file: Annotated[
        str,
        typer.Option("--file", "-f", metavar="FILE", help="Jobs, as for herder batch submit; - is stdin."),
    ],
    time_zone: Annotated[
        str,
        typer.Option("--time-zone", metavar="ZONE", help="IANA name such as Europe/Berlin. Default: UTC."),
    ] = "UTC",
    concurrency: Annotated[
        str,
        typer.Option(
            "--concurrency", help="If the last batch still runs: allow, forbid, replace. Default: allow."
        ),
    ] = "allow",
    catch_up: Annotated[
        str,
        typer.Option(
            "--catch-up", metavar="TIME", help="Make up for a missed run for so long. Default: 10m."
        ),
    ] = "10m",
) -> None:
    """Create a schedule. The file is read now; the batch belongs to you.

    Each batch has the attributes schedule and scheduled_at.
    """
    from herder.cli.input.job_files import read_jobs
    from herder.cli.shell.options import usage
    from herder.wire.api.schedules import ScheduleCreate

    if concurrency not in ("allow", "forbid", "replace"):
        raise usage(
            f"{concurrency!r} is not a value of --concurrency.", hint="Write allow, forbid or replace."
        )
    say = session(ctx)
    found = read_jobs(file)
    found.batch.jobs = found.jobs
    body = ScheduleCreate(
        name=name, cron=cron, timezone=time_zone, concurrency=concurrency,  # type: ignore[arg-type]
        catch_up_s=seconds(catch_up, "--catch-up") or 0.0, batch=found.batch,
    )  # fmt: skip
    with by_option(cron="--cron", timezone="--time-zone", catch_up_s="--catch-up"):
        made = say.client.schedules.create(body)
    first = f" The first run is at {made.next_runs[0]}." if made.next_runs else ""
    say.done(f"Schedule {made.name} was created.{first}", made, made.name)


def show_all(ctx: typer.Context) -> None:
    """List schedules."""
    say = session(ctx)
    show_list(say, views.SCHEDULES, lambda _most: list(say.client.schedules.list()))


def get(ctx: typer.Context, name: Name) -> None:
    """Show one schedule, its next runs and what became of the last one."""
    say = session(ctx)
    found = say.client.schedules.get(name)
    say.printer.one(views.SCHEDULES, found, views.schedule(found))


def pause(ctx: typer.Context, name: Name) -> None:
    """Pause a schedule; its batches go on."""
    say = session(ctx)
    done = say.client.schedules.pause(name)
    say.done(done.text, done, name)


def resume(ctx: typer.Context, name: Name) -> None:
    """Resume a schedule. Runs that were missed while it was paused are not made up for."""
    say = session(ctx)
    done = say.client.schedules.resume(name)
    say.done(done.text, done, name)


def run(ctx: typer.Context, name: Name) -> None:
    """Submit the batch of a schedule now, whatever its times are."""
    say = session(ctx)
    done = say.client.schedules.run(name)
    say.done(f"Batch {done.batch} of schedule {name} was submitted.", done, done.batch or name)


def delete(ctx: typer.Context, name: Name, yes: Yes = False) -> None:
    """Delete a schedule; its batches are kept."""
    say = session(ctx)
    say.confirm(f"Schedule {name} would be deleted.", yes=yes)
    done = say.client.schedules.delete(name)
    say.done(done.text, done, name)
