"""The commands of `herder cost` that make reports, invoices and exports, and check a FOCUS file."""

import gzip
import io
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from decimal import Decimal
from pathlib import Path
from typing import IO, TYPE_CHECKING, Annotated, Any

import typer

from herder.cli.input.cost_ledger import Booked, by_days
from herder.cli.output.formats import Format
from herder.cli.output.humanize import visible
from herder.cli.shell.commands import command
from herder.cli.shell.exit_codes import Code, CommandError
from herder.cli.shell.session import Session, session
from herder.model.values.phrases import counted

if TYPE_CHECKING:
    from herder.reports.focus.rules import Violation

_REPORT = """
herder cost report --period monthly
herder cost report --view executive --from 2026-11-01
herder cost report --view chargeback --period monthly --html report.html
herder cost report --view chargeback --period monthly --booked
"""
_INVOICE = """
herder cost invoice --project alpha --month 2026-11
herder cost invoice --project alpha --month 2026-11 --html alpha.html
herder cost invoice --division research --month 2026-11 -o csv
"""
_EXPORT = """
herder cost export --format focus --from 2026-11 --to 2026-11 -o costs.csv
herder cost export --from 2026-11-01 --to 2026-11-15 -o costs.csv.gz
"""
Html = Annotated[
    Path | None, typer.Option("--html", metavar="FILE", help="Write a page for a browser or paper here.")
]
Table = Annotated[str | None, typer.Option("--table", metavar="NAME", help="Show this table alone.")]
Issuer = Annotated[
    str | None, typer.Option("--issuer", metavar="NAME", help="Who issues the bill. Default: Herder.")
]


def add(app: typer.Typer) -> None:
    command(app, "report", example=_REPORT)(report)
    command(app, "invoice", example=_INVOICE)(invoice)
    command(app, "export", example=_EXPORT)(export)
    command(app, "check-focus", example="herder cost check-focus costs.csv")(check_focus)


@by_days
def report(
    ctx: typer.Context,
    *,
    view: Annotated[
        str,
        typer.Option(
            "--view",
            metavar="VIEW",
            help="full, executive, division, resources, showback, chargeback or hybrid.",
        ),
    ] = "full",
    period: Annotated[
        str | None,
        typer.Option(
            "--period",
            metavar="PERIOD",
            help="daily (today so far), weekly (the last whole week) or monthly (the last whole month).",
        ),
    ] = None,
    first: Annotated[
        str | None,
        typer.Option("--from", metavar="DAY", help="First day (UTC). Default: the month's first."),
    ] = None,
    last: Annotated[
        str | None, typer.Option("--to", metavar="DAY", help="Last day (UTC). Default: today.")
    ] = None,
    division: Annotated[
        str | None, typer.Option("--division", metavar="NAME", help="Of the view division: which.")
    ] = None,
    method: Annotated[
        str,
        typer.Option(
            "--method",
            metavar="METHOD",
            help="How idle time and overhead are shared out: proportional, equal, tiered or direct.",
        ),
    ] = "proportional",
    booked: Booked = False,
    table: Table = None,
    html: Html = None,
) -> None:
    """Report what was spent in a period, with the period before it.

    The views are those of Cortex: executive (divisions, budgets, alerts, what could be saved, drivers, efficiency), division (with its budgets and alerts), resources. Showback is what each project cost, chargeback what it is
    charged, hybrid either by its rate card.

    A report is of use on its days, with what became known later; with --booked of what is booked in its months, as invoices are.
    """
    say = session(ctx)

    def asked(form: str) -> str:
        return say.client.costs.report(
            form, view=view, period=period, first=first, last=last, division=division, method=method, table=table, booked=booked
        )  # fmt: skip

    show_document(say, asked, html, view)


def invoice(
    ctx: typer.Context,
    month: Annotated[str, typer.Option("--month", metavar="MONTH", help="Such as 2026-11.")],
    project: Annotated[
        str | None, typer.Option("--project", metavar="NAME", help="The project that is billed.")
    ] = None,
    division: Annotated[
        str | None, typer.Option("--division", metavar="NAME", help="The division that is billed instead.")
    ] = None,
    card: Annotated[
        str | None, typer.Option("--card", metavar="CARD", help="The rate card. Default: the project's.")
    ] = None,
    due_days: Annotated[
        int | None,
        typer.Option("--due-days", min=0, max=366, help="Days after the month until it is due. Default: 30."),
    ] = None,
    issuer: Issuer = None,
    table: Table = None,
    html: Html = None,
) -> None:
    """Make the invoice of a project or a division for a month.

    It is a draft until the month is closed (herder cost close). Amounts are whole cents that sum to
    the total; the rounding of the exact sum is a line of its own.
    """
    say = session(ctx)

    def asked(form: str) -> str:
        return say.client.costs.invoice(
            month, form, project=project, division=division, card=card, due_days=due_days, issuer=issuer, table=table
        )  # fmt: skip

    show_document(say, asked, html, month)


@by_days
def export(
    ctx: typer.Context,
    first: Annotated[str, typer.Option("--from", metavar="DAY", help="First day (UTC), or a month.")],
    last: Annotated[str, typer.Option("--to", metavar="DAY", help="Last day (UTC), or a month.")],
    output: Annotated[
        Path,
        typer.Option("-o", "--output", metavar="FILE", help="Write here; .gz is compressed. - for stdout."),
    ],
    form: Annotated[str, typer.Option("--format", metavar="FORMAT", help="focus: FOCUS 1.2, CSV.")] = "focus",
    card: Annotated[
        str | None,
        typer.Option(
            "--card",
            metavar="CARD",
            help="What projects are charged at this rate card, instead of what it cost.",
        ),
    ] = None,
    booked: Booked = False,
    issuer: Issuer = None,
) -> None:
    """Export lines of the ledger, from the first day to the last one inclusive.

    Each line is one row; the columns x_Quantity and x_Pico hold it exactly. What has no price has an
    empty x_Pico.
    """
    if form != "focus":
        raise CommandError(f"There is no format {form!r}.", hint="Write --format focus.", code=Code.USAGE)
    say = session(ctx)
    pieces = say.client.costs.export(first=first, last=last, card=card, issuer=issuer, booked=booked)
    rows = -1
    with _written(say, output) as file:
        for piece in pieces:
            file.write(piece)
            rows += piece.count("\n")
    say.say(f"{counted(max(rows, 0), 'line')} exported.")


def check_focus(
    ctx: typer.Context,
    file: Annotated[Path, typer.Argument(metavar="FILE", help="A FOCUS file: .csv or .csv.gz.")],
) -> None:
    """Check a FOCUS file against the rules of FOCUS 1.2, and read its lines back. Needs no server.

    The rules are those of the FinOps foundation's validator. Shows the sum of each column of costs,
    exactly. Exit code 1 when a rule is broken.
    """
    from herder.reports.focus.checked import checked
    from herder.reports.focus.files import FocusError

    say = session(ctx)
    try:
        with _read(file) as text:
            found = checked(text, str(file))
    except OSError as error:
        raise CommandError(
            f"{file} cannot be read: {error.strerror or error}.", hint="Name a .csv or .csv.gz file."
        ) from None
    except (FocusError, EOFError) as error:
        raise CommandError(f"{error}.", hint="Export it again with `herder cost export`.") from None
    plain: dict[str, Any] = {
        "rows": found.rows,
        "lines": found.lines,
        "totals": {name: _exact(value) for name, value in found.totals.items()},
        "violations": [
            {"rule": each.rule, "text": each.text, "rows": each.rows, "first_row": each.first, "recommended": each.recommended}
            for each in found.violations
        ],
    }  # fmt: skip
    if say.format in (Format.JSON, Format.YAML):
        say.printer.data(plain)
    else:
        own = "all of them lines of a ledger" if found.lines else "not from a ledger of Herder"
        text_lines = [f"{counted(found.rows, 'row')}, {own}."]
        text_lines += [f"  {name:<16} {value}" for name, value in plain["totals"].items()]
        text_lines += [f"{each.rule}: {each.text} {_where(each)}".rstrip() for each in found.violations]
        if not found.violations:
            text_lines.append(f"No rule of {found.rules} is broken.")
        say.printer.prose("\n".join(text_lines))
    if any(not each.recommended for each in found.violations):
        raise typer.Exit(1)


def show_document(say: Session, asked: Callable[[str], str], html: Path | None, name: str) -> None:
    """`asked`: gives the document in a format, as the server names it."""
    if html is not None:
        page = asked("html")
        with _written(say, html) as file:
            file.write(page)
        say.say(f"The page is in {html}.")
    elif say.format in (Format.JSON, Format.YAML):
        import msgspec

        say.printer.data(msgspec.json.decode(asked("json")))
    elif say.format is Format.NAME:
        say.printer.line(name)
    elif say.format is Format.CSV:
        text = asked("csv").replace("\r\n", "\n")
        say.out.write(visible(text, keep="\n") if say.out.isatty() else text)
    else:
        say.printer.prose(asked("wide" if say.format is Format.WIDE else "text").rstrip("\n"))


def _where(found: "Violation") -> str:
    """Of a rule about the file: nothing."""
    return f"({counted(found.rows, 'row')}, the first is {found.first:,})" if found.first else ""


def _exact(value: Decimal) -> str:
    return format(value, "f")


@contextmanager
def _written(say: Session, path: Path) -> Iterator[IO[str]]:
    if str(path) == "-":
        yield say.out
        return
    try:
        if path.suffix == ".gz":
            with (
                path.open("wb") as raw,
                gzip.GzipFile(fileobj=raw, mode="wb", compresslevel=6, mtime=0, filename="") as packed,
                io.TextIOWrapper(packed, encoding="utf-8", newline="") as text,
            ):
                yield text
        else:
            with path.open("w", encoding="utf-8", newline="") as file:
                yield file
    except OSError as error:
        raise CommandError(
            f"{path} cannot be written: {error.strerror or error}.", hint="Name another file."
        ) from None


@contextmanager
def _read(path: Path) -> Iterator[IO[str]]:
    if path.suffix == ".gz":
        with gzip.open(path, "rt", encoding="utf-8", newline="") as text:
            yield text
    else:
        with path.open(encoding="utf-8", newline="") as file:
            yield file
