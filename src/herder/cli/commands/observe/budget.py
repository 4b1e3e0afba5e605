"""`herder budget`: what may be spent, what is reserved, and what moves between budgets."""

from typing import Annotated

import typer

from herder.cli.output.answers import show_list
from herder.cli.shell.commands import command, noun
from herder.cli.shell.options import Message, Yes, by_option, usage
from herder.cli.shell.session import session
from herder.cli.views import budgets as views
from herder.cli.views.budget_subjects import SUBJECTS, subjects

Name = Annotated[str, typer.Argument(metavar="NAME", help="Name of the budget.")]
Number = Annotated[int, typer.Argument(metavar="NUMBER", help="Number of the request or transfer.")]
Amount = Annotated[
    str, typer.Option("--amount", metavar="AMOUNT", help="US dollars, such as 50 or 12.50, or tokens.")
]
Why = Annotated[str, typer.Option("--reason", metavar="TEXT", help="What it is needed for.")]


def build() -> typer.Typer:
    app = noun("Budgets: what may be spent, what is reserved, and what moves.", example="herder budget list")
    command(app, "list", example="herder budget list\nherder budget list --by-subject")(show_all)
    command(app, "show", example="herder budget show burst")(show)
    command(app, "forecast", example="herder budget forecast burst --horizon 90")(forecast)
    command(app, "set", example="herder budget set burst --limit 200 --set scope=pool --ahead")(set_)
    command(app, "delete", example="herder budget delete burst --yes")(delete)
    command(app, "keep", example="herder budget keep gpu")(keep)
    ask = 'herder budget request burst --amount 50 --reason "release week"'
    command(app, "request", example=ask)(request)
    command(app, "requests", example="herder budget requests")(requests)
    command(app, "approve", example="herder budget approve 3 --from contingency")(approve)
    command(app, "reject", example='herder budget reject 3 -m "not this month"')(reject)
    move = "herder budget reallocate spot burst --amount 50 --reason release"
    command(app, "reallocate", example=move)(reallocate)
    command(app, "take-back", example="herder budget take-back 3")(take_back)
    command(app, "leases", example="herder budget leases")(leases)
    command(app, "settle", example="herder budget settle gateway-7 --cost 3.10")(settle)
    return app


def show_all(
    ctx: typer.Context,
    by_subject: Annotated[
        bool,
        typer.Option(
            "--by-subject",
            help="One row for each pool, project, user, division: dollars and tokens side by side, with shares.",
        ),
    ] = False,
) -> None:
    """List budgets, with what is used, reserved and left in this period."""
    say = session(ctx)
    if by_subject:
        show_list(say, SUBJECTS, lambda _most: subjects(say.client.budgets.list()))
        return
    show_list(say, views.BUDGETS, lambda _most: list(say.client.budgets.list()))


def show(ctx: typer.Context, name: Name) -> None:
    """Show one budget, its last periods, and what was moved, borrowed and repaid."""
    say = session(ctx)
    found = say.client.budgets.get(name)
    say.printer.one(views.BUDGETS, found, views.budget(found))


def forecast(
    ctx: typer.Context,
    name: Name,
    horizon: Annotated[
        int,
        typer.Option("--horizon", metavar="DAYS", min=1, max=365, help="Days from now. Default: 30."),
    ] = 30,
) -> None:
    """Show what a budget will have spent, and when it is used up.

    It is learned from the days that the ledger knows, of what the budget pays: at least 14. What is not known is shown as -.
    """
    say = session(ctx)
    with by_option(horizon="--horizon"):
        found = say.client.budgets.forecast(name, horizon)
    say.printer.one(views.FORECASTS, found, views.forecast(found))


def set_(
    ctx: typer.Context,
    name: Name,
    limit: Annotated[
        str | None,
        typer.Option("--limit", metavar="AMOUNT", help="What may be spent in one period; none: no limit."),
    ] = None,
    settings: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="KEY=VALUE",
            help="A setting as in herder.yaml: scope=pool, period=day, parent=fleet. Repeatable.",
        ),
    ] = None,
    ahead: Annotated[
        bool, typer.Option("--ahead", help="Allow a pool, project, user or division that does not exist yet.")
    ] = False,
) -> None:
    """Create a budget, or change settings of it. What is not named stays as it is.

    Without a scope it is a group, which limits only the budgets below it.

    A file that names the budget replaces all its settings at the next herder apply.
    """
    given: dict[str, object] = {}
    for pair in settings or ():
        key, sign, value = pair.partition("=")
        if not sign:
            raise usage(f"{pair!r} has no value.", hint="Write KEY=VALUE, such as period=day.")
        lists = key in ("approvers", "thresholds")
        given[key] = [part.strip() for part in value.split(",") if part.strip()] if lists else value
    if limit is not None:
        given["limit"] = None if limit == "none" else limit
    if not given:
        raise usage("No setting is given.", hint="Write --limit AMOUNT or --set KEY=VALUE.")
    say = session(ctx)
    with by_option(settings="--set", budgets="--set"):
        done = say.client.budgets.set(name, given, ahead=ahead)
    say.done(done.text, done, name)


def delete(ctx: typer.Context, name: Name, yes: Yes = False) -> None:
    """Delete a budget that has no budgets below it.

    While it has leases it is being deleted: it limits nothing and pays for nothing new, and is gone when the last lease has ended. Workers and jobs go on.
    herder budget keep NAME cancels that.
    """
    say = session(ctx)
    say.confirm(f"Budget {name} would be deleted; nothing would limit what it was for.", yes=yes)
    done = say.client.budgets.delete(name)
    say.done(done.text, done, name)


def keep(ctx: typer.Context, name: Name) -> None:
    """Cancel the deletion of a budget that still has leases. It limits again."""
    say = session(ctx)
    done = say.client.budgets.keep(name)
    say.done(done.text, done, name)


def request(ctx: typer.Context, name: Name, amount: Amount, reason: Why) -> None:
    """Ask for more for a budget in this period.

    Up to its setting approval (15%) it is granted at once; more waits for an approver. What is above it still limits it.
    """
    say = session(ctx)
    with by_option(amount="--amount", reason="--reason"):
        done = say.client.budgets.request(name, amount, reason)
    say.done(done.text, done, done.object)


def requests(ctx: typer.Context) -> None:
    """List requests and transfers that can be decided, repaid or taken back."""
    say = session(ctx)
    show_list(say, views.TRANSFERS, lambda _most: list(say.client.budgets.transfers()))


def approve(
    ctx: typer.Context,
    number: Number,
    source: Annotated[
        str,
        typer.Option("--from", metavar="BUDGET", help="The budget that gives. Without it the limit grows."),
    ] = "",
    message: Message = "",
) -> None:
    """Approve a request for more."""
    say = session(ctx)
    with by_option(**{"from": "--from"}):
        done = say.client.budgets.approve(number, message, source)
    say.done(done.text, done, done.object)


def reject(ctx: typer.Context, number: Number, message: Message = "") -> None:
    """Reject a request for more."""
    say = session(ctx)
    done = say.client.budgets.reject(number, message)
    say.done(done.text, done, done.object)


def reallocate(
    ctx: typer.Context,
    source: Annotated[str, typer.Argument(metavar="FROM", help="The budget that gives.")],
    target: Annotated[str, typer.Argument(metavar="TO", help="The budget that gets it.")],
    amount: Amount,
    reason: Why,
    repay_days: Annotated[
        int,
        typer.Option(
            "--repay-days",
            min=0,
            help="Days over which it is repaid, from tomorrow on. Default: 0, not repaid.",
        ),
    ] = 0,
    lasting: Annotated[
        bool, typer.Option("--lasting", help="For every period from now on, not only for this one.")
    ] = False,
) -> None:
    """Move an amount from one budget to another."""
    from herder.wire.api.budgets import TransferCreate

    say = session(ctx)
    body = TransferCreate(
        source=source, target=target, amount=amount, reason=reason, temporary=not lasting, repay_days=repay_days
    )  # fmt: skip
    with by_option(amount="--amount", reason="--reason", repay_days="--repay-days"):
        done = say.client.budgets.reallocate(body)
    say.done(done.text, done, done.object)


def take_back(ctx: typer.Context, number: Number, message: Message = "") -> None:
    """Take back what was granted and is not used or repaid yet."""
    say = session(ctx)
    done = say.client.budgets.take_back(number, message)
    say.done(done.text, done, done.object)


def leases(ctx: typer.Context) -> None:
    """List leases that live, and those that expired without being settled."""
    say = session(ctx)
    show_list(say, views.LEASES, lambda _most: list(say.client.budgets.leases()))


def settle(
    ctx: typer.Context,
    lease: Annotated[str, typer.Argument(metavar="LEASE", help="Lease, as herder budget leases shows it.")],
    cost: Annotated[
        str,
        typer.Option(
            "--cost", metavar="AMOUNT", help="What it has cost since its beginning: US dollars, or tokens."
        ),
    ],
) -> None:
    """End a lease at what it has cost. What else it reserved is free again.

    Leases of workers and jobs are settled by Herder when these end.
    """
    say = session(ctx)
    with by_option(cost="--cost"):
        done = say.client.budgets.settle(lease, cost)
    say.done(done.text, done, lease)
