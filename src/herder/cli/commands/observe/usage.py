"""`herder usage`: use that is reported from outside."""

from collections.abc import Sequence
from datetime import date, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from herder.cli.input.usage_files import Line, UsageFormat
from herder.cli.output.answers import show_list
from herder.cli.shell.commands import command, noun
from herder.cli.shell.options import UNCHANGED, DryRun, Limit, by_option, usage
from herder.cli.shell.session import session
from herder.cli.views.usage import DAYS

if TYPE_CHECKING:
    from herder.client.client import HerderClient
    from herder.wire.api.resources import Result

_PIECE = 2_000
_IMPORT = """
herder usage import events.jsonl --source storage-meter
herder usage import traces.json --format otel --source gateway
herder usage import spend.json --format litellm --source litellm --dry-run
"""
_CORRECT = """
herder usage correct disks vol-2 --quantity 9.5 --reason "a typo"
herder usage correct gateway r-1 --quantity 50 --reason twice --dry-run
"""


def build() -> typer.Typer:
    app = noun(
        "Use that is reported from outside: tokens, storage, network.",
        example="herder usage import events.jsonl --source storage-meter\nherder usage list",
    )
    command(app, "list", example="herder usage list\nherder usage list --from 2026-11-01 --source litellm")(
        show_all
    )
    command(app, "import", example=_IMPORT)(read_in)
    command(app, "correct", example=_CORRECT)(correct)
    return app


def show_all(
    ctx: typer.Context,
    from_day: Annotated[str, typer.Option("--from", metavar="DAY", help="From this day on, UTC.")] = "",
    to_day: Annotated[str, typer.Option("--to", metavar="DAY", help="To this day, UTC.")] = "",
    source: Annotated[str, typer.Option("--source", help="Only from this source.")] = "",
    user: Annotated[str, typer.Option("--user", help="Only of this user.")] = "",
    project: Annotated[str, typer.Option("--project", help="Only of this project.")] = "",
    limit: Limit = 100,
) -> None:
    """List reported use by day (UTC) and payer. What it costs, herder cost shows."""
    say = session(ctx)

    def fetch(most: int | None) -> list[object]:
        with by_option(**{"from": "--from", "to": "--to"}):
            return list(
                say.client.usage.list(
                    from_day=from_day,
                    to_day=_following(to_day),
                    source=source,
                    user=user,
                    project=project,
                    limit=most,
                )
            )

    show_list(say, DAYS, fetch, limit, filtered=bool(from_day or to_day or source or user or project))


def read_in(
    ctx: typer.Context,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="File of events; - is stdin.")],
    source: Annotated[str, typer.Option("--source", help="Name of what has counted: a gateway, a meter.")],
    form: Annotated[
        UsageFormat,
        typer.Option(
            "--format", help="jsonl: events; otel: OpenTelemetry traces; litellm: LiteLLM's spend log."
        ),
    ] = UsageFormat.JSONL,
    user: Annotated[str, typer.Option("--user", help="User who pays, where an event names no payer.")] = "",
    project: Annotated[
        str, typer.Option("--project", help="Project that pays, where an event names none.")
    ] = "",
    division: Annotated[str, typer.Option("--division", help="Division that pays, likewise.")] = "",
    leased: Annotated[
        bool,
        typer.Option("--leased", help="Leases on budgets have paid for it: budgets are not charged again."),
    ] = False,
    dry_run: DryRun = False,
) -> None:
    """Report use from a file. What was reported before is not booked again. Budgets of those who pay are charged.

    A large file is sent in pieces. After an error it can be imported again: what has been booked stays, once.
    """
    from herder.cli.input.usage_files import read_usage
    from herder.client.errors import ClientError

    say = session(ctx)
    lines = read_usage(file, form)
    payer = {"user": user, "project": project, "division": division}
    told: list[Result] = []
    for begin in range(0, len(lines), _PIECE):
        piece = lines[begin : begin + _PIECE]
        try:
            told.append(_send(say.client, form, source, piece, payer, dry_run=dry_run, leased=leased))
        except ClientError as error:
            error.field = _place(error.field, file, piece)
            raise
    text = "\n".join(each.text for each in told)
    say.done(text + (UNCHANGED if dry_run else ""), told[-1], source)


def correct(
    ctx: typer.Context,
    source: Annotated[str, typer.Argument(metavar="SOURCE", help="Source of the report.")],
    event: Annotated[str, typer.Argument(metavar="EVENT", help="Id of the event, as it was reported.")],
    quantity: Annotated[
        str, typer.Option("--quantity", help="What it should have been, in all; of a counter the total.")
    ],
    reason: Annotated[str, typer.Option("--reason", help="Why; it is recorded with the correction.")],
    resource: Annotated[
        str, typer.Option("--resource", help="Which resource of the event, where it has several.")
    ] = "",
    unit: Annotated[str, typer.Option("--unit", help="Unit of the quantity (default: that of rates).")] = "",
    dry_run: DryRun = False,
) -> None:
    """Correct a mistake in reported use. The report stays; the difference is booked and changes the same budgets.

    Use of a closed month is corrected in the first month that is open.
    """
    from herder.cli.input.rate_files import decimal_of
    from herder.wire.api.usage import UsageCorrection

    say, exact = session(ctx), decimal_of(quantity)
    if exact is None:
        raise usage(f"--quantity: {quantity!r} is not a number.", hint="Write a decimal such as 90.5.")
    asked = UsageCorrection(
        source=source, id=event, resource=resource, quantity=exact, unit=unit, reason=reason
    )
    with by_option(quantity="--quantity", resource="--resource", unit="--unit", reason="--reason"):
        done = say.client.usage.correct(asked, dry_run=dry_run)
    say.done(done.text + (UNCHANGED if dry_run else ""), done, event)


def _following(day: str) -> str:
    """The server lists what is before a day."""
    try:
        return (date.fromisoformat(day) + timedelta(days=1)).isoformat()
    except OverflowError:
        return ""  # no day is after the last one that can be written
    except ValueError:
        return day  # the server says what is wrong with it


def _send(
    client: "HerderClient",
    form: UsageFormat,
    source: str,
    lines: Sequence[Line],
    payer: dict[str, str],
    *,
    dry_run: bool,
    leased: bool,
) -> "Result":
    from herder.wire.api.usage import TokensReport

    found = [line.value for line in lines]
    if form is UsageFormat.JSONL:
        named = {name: value for name, value in payer.items() if value}
        events = [each if any(map(each.get, payer)) else {**each, **named} for each in found]
        return client.usage.report(source, events, dry_run=dry_run, leased=leased)
    spans, rows = (found, []) if form is UsageFormat.OTEL else ([], found)
    report = TokensReport(
        source=source, spans=spans, rows=rows, user=payer["user"], project=payer["project"], division=payer["division"], leased=leased,
    )  # fmt: skip
    return client.usage.report_tokens(report, dry_run=dry_run)


def _place(field: str, file: Path, lines: Sequence[Line]) -> str:
    """`events[3].time` as the line of the file."""
    head, _, rest = field.partition("]")
    number = head.partition("[")[2]
    if not number.isdigit() or int(number) >= len(lines):
        return field
    return f"{file}:{lines[int(number)].number}: {rest.lstrip('.')}"
