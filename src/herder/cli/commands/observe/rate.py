"""`herder rate`: what a unit of use is charged at, from which day on."""

from decimal import Decimal
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from herder.cli.output.answers import show_list
from herder.cli.output.formats import Format
from herder.cli.shell.commands import command, noun
from herder.cli.shell.options import UNCHANGED, DryRun, by_option, usage
from herder.cli.shell.session import Session, session
from herder.cli.views.rates import RATES, change_line, details

if TYPE_CHECKING:
    from herder.cli.input.rate_files import RateFile

#: Rates in one request, and those that are named because a list lacks them.
_PIECE, _TOLD = 5_000, 20
_IMPORT = """
herder rate import --card internal
herder rate import prices.json --format litellm --only 'gpt-5*'
herder rate import rates.csv --card external --markup 20 --dry-run
"""
_ADD = """
herder rate add --card internal --resource cpu --price 0.05
herder rate add --card external --resource gpu --price 0.75
herder rate add --replaces external/gpu@2026-11-01 --price 0.075
"""


class FileFormat(StrEnum):
    CSV = "csv"
    LITELLM = "litellm"


_CARD = Annotated[str, typer.Option("--card", metavar="CARD", help="Rate card: internal, external, …")]
_FROM = Annotated[
    str, typer.Option("--from", metavar="DAY", help="First day of the price, UTC. Default: today.")
]
_ONE_CARD = Annotated[str, typer.Option("--card", metavar="CARD", help="Only rates of this card.")]


def build() -> typer.Typer:
    app = noun(
        "Rates: what a unit of use is charged at, from which day on.",
        example="herder rate import --card internal\nherder rate list --card internal",
    )
    command(app, "list", example="herder rate list --card internal\nherder rate list --product gpt-5 --all")(
        show_all
    )
    command(app, "show", example="herder rate show internal/cpu@2026-11-01")(show)
    command(app, "add", example=_ADD)(add)
    command(app, "import", example=_IMPORT)(read_in)
    command(app, "export", example="herder rate export --card internal > internal.csv")(export)
    return app


def show_all(
    ctx: typer.Context,
    card: _ONE_CARD = "",
    resource: Annotated[
        str, typer.Option("--resource", help="Only of this resource, as cpu or tokens.input.")
    ] = "",
    product: Annotated[str, typer.Option("--product", help="Only of this product, as a model.")] = "",
    on: Annotated[
        str, typer.Option("--on", metavar="DAY", help="What is in force on this day, UTC. Default: today.")
    ] = "",
    every: Annotated[bool, typer.Option("--all", help="Also earlier and later rates.")] = False,
) -> None:
    """List the rates that are in force."""
    say = session(ctx)
    with by_option(on="--on"):
        found = list(say.client.rates.list(card=card, resource=resource, product=product, on=on, every=every))
    show_list(say, RATES, lambda _most: found, filtered=bool(card or resource or product or on))


def show(
    ctx: typer.Context, rate: Annotated[str, typer.Argument(metavar="RATE", help="Id of the rate.")]
) -> None:
    """Show one rate with its price, and from when on it applies."""
    say = session(ctx)
    found = say.client.rates.get(rate)
    say.printer.one(RATES, found, details(found))


def add(
    ctx: typer.Context,
    *,
    price: Annotated[str, typer.Option("--price", metavar="USD", help="US dollars, such as 0.05.")],
    card: _CARD = "",
    resource: Annotated[str, typer.Option("--resource", help="cpu, memory, tokens.input, …")] = "",
    product: Annotated[
        str, typer.Option("--product", help="Product, as a model. Default: all without a rate of their own.")
    ] = "",
    per: Annotated[
        int | None,
        typer.Option("--per", min=1, help="Units that it is for. Default: 1,000,000 tokens, else 1."),
    ] = None,
    above: Annotated[
        list[str] | None,
        typer.Option("--above", metavar="N=USD", help="Price of the use above this amount. Repeatable."),
    ] = None,
    from_day: _FROM = "",
    replaces: Annotated[
        str,
        typer.Option("--replaces", metavar="RATE", help="Id of a rate that is wrong, for which this one is."),
    ] = "",
    new_card: Annotated[bool, typer.Option("--new-card", help="Begin a card that does not exist.")] = False,
    dry_run: DryRun = False,
) -> None:
    """Add a rate. It applies from its day on, until the next one begins.

    A rate is never changed. One that is wrong is replaced with --replaces from its first day on: open months have the new price, and what closed months had is corrected in an open one. Prices are exact decimals. With --above the price of each part of a month's use depends on how much was used before.
    """
    from herder.cli.input.rate_files import RateFile, decimal_of
    from herder.wire.api.rates import RateRow, TierRow

    say = session(ctx)
    if replaces:
        wrong = say.client.rates.get(replaces)
        card, resource, product = card or wrong.card, resource or wrong.resource, product or wrong.product
        per = wrong.per if per is None else per
    if not card or not resource:
        raise usage(
            "The rate needs --card and --resource.",
            hint="Or name the rate that it replaces: --replaces RATE.",
        )
    tiers = [TierRow(price=_price(price, "--price"))]
    for each in above or ():
        units, _, more = each.partition("=")
        if not (units.isascii() and units.isdigit() and len(units) <= 18) or decimal_of(more) is None:
            raise usage(
                f"--above: {each!r} is not of the form UNITS=USD.", hint="Write for example 10000=0.085."
            )
        tiers.append(TierRow(above=int(units), price=_price(more, "--above")))
    row = RateRow(card=card, resource=resource, product=product, from_=from_day, per=per, replaces=replaces)
    if len(tiers) == 1:
        row.price = tiers[0].price
    else:
        row.tiers = tiers
    with by_option(
        **{"rates[0].card": "--card", "rates[0].from": "--from", "rates[0].replaces": "--replaces"}
    ):
        _add(say, RateFile([row]), "", new_cards=new_card, dry_run=dry_run)


def read_in(
    ctx: typer.Context,
    file: Annotated[
        Path | None,
        typer.Argument(metavar="[FILE]", help="File of rates; - is stdin. Default: the built-in card."),
    ] = None,
    form: Annotated[
        FileFormat, typer.Option("--format", help="csv, or litellm: LiteLLM's map of model prices.")
    ] = FileFormat.CSV,
    card: Annotated[
        str,
        typer.Option("--card", metavar="CARD", help="Rate card of prices that name none. Default: internal."),
    ] = "internal",
    from_day: _FROM = "",
    markup: Annotated[
        str, typer.Option("--markup", metavar="PERCENT", help="Add this much to each price.")
    ] = "0",
    only: Annotated[
        list[str] | None,
        typer.Option("--only", metavar="PATTERN", help="Only models such as 'claude-*'. Repeatable."),
    ] = None,
    dry_run: DryRun = False,
) -> None:
    """Add rates from a file, or a built-in card. Prices in force already are left out.

    Changes are shown: + new, ~ another price, - in force, but not in the list.
    """
    from herder.cli.input.rate_files import built_in, raise_by, read_csv, read_price_file

    say = session(ctx)
    percent = _price(markup, "--markup")
    if only and form is not FileFormat.LITELLM:
        raise usage("--only is for --format litellm.", hint="Remove the other rows from the file.")
    if file is None:
        found = built_in(card, from_day)
    elif form is FileFormat.LITELLM:
        found = read_price_file(file, card, from_day, only or ())
    else:
        found = read_csv(file, card, from_day)
    if percent:
        raise_by(found, percent)
    origin = "built-in" if file is None else form.value if form is FileFormat.LITELLM else ""
    _add(say, found, origin, dry_run=dry_run)
    _tell_rest(say, found, card if form is FileFormat.LITELLM and file is not None else "", only or [])


def export(ctx: typer.Context, card: _ONE_CARD = "") -> None:
    """Write all rates as CSV, in the form that herder rate import reads. Rates that were replaced are left out."""
    import csv

    from herder.cli.input.rate_files import COLUMNS

    say = session(ctx)
    writer = csv.writer(say.out, lineterminator="\n")
    writer.writerow(COLUMNS)
    for rate in say.client.rates.list(card=card, every=True):
        if rate.replaced_by:
            continue
        for tier in rate.tiers:
            writer.writerow(
                (rate.card, rate.resource, rate.product, rate.from_, rate.until or "", tier.above, tier.price, rate.per)
            )  # fmt: skip


def _price(text: str, option: str) -> Decimal:
    from herder.cli.input.rate_files import decimal_of

    found = decimal_of(text.removeprefix("$"))
    if found is None or found < 0:
        raise usage(
            f"{option}: {text!r} is not a number of at least 0.", hint="Write a decimal such as 0.05."
        )
    return found


def _add(say: Session, file: "RateFile", origin: str, *, dry_run: bool, new_cards: bool = True) -> None:
    from herder.wire.api.rates import RatesAnswer

    changes, notes, same = [], [], 0
    for begin in range(0, len(file.rows), _PIECE):
        piece = file.rows[begin : begin + _PIECE]
        answer = say.client.rates.add(piece, origin=origin, new_cards=new_cards, dry_run=dry_run)
        changes += answer.changes
        notes += answer.notes
        same += len(piece) - len(answer.changes)
    new = sum(not each.before for each in changes)
    text = f"{new:,} new, {len(changes) - new:,} changed, {same:,} as before."
    lines = [change_line(each) for each in changes]
    told = "\n".join([*lines, text + (UNCHANGED if dry_run else ""), *notes])
    say.done(told, RatesAnswer(text=text, changes=changes, dry_run=dry_run, notes=notes), origin or "rates")


def _tell_rest(say: Session, file: "RateFile", card: str, only: list[str]) -> None:
    """`card`: whose imported prices of models the list no longer has; empty: the list is not one of all prices."""
    from fnmatch import fnmatchcase

    if file.unread:
        more = f" and {len(file.unread) - 3:,} more" if len(file.unread) > 3 else ""
        say.say(f"Prices of tokens whose meaning is not known: {', '.join(file.unread[:3])}{more}.")
    if not card or say.format is not Format.TABLE:
        return
    named = {(row.resource, row.product) for row in file.rows}
    left = [
        rate.id
        for rate in say.client.rates.list(card=card)
        if rate.origin == FileFormat.LITELLM
        and (rate.resource, rate.product) not in named
        and (not only or any(fnmatchcase(rate.product, pattern) for pattern in only))
    ]
    for each in left[:_TOLD]:
        say.say(f"- {each}: not in this list; it stays in force")
    if len(left) > _TOLD:
        say.say(f"- and {len(left) - _TOLD:,} more")
