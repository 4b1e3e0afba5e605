"""Budgets, leases and transfers as tables and in full."""

from dataclasses import replace
from decimal import Decimal
from typing import TYPE_CHECKING, Any

from herder.cli.output.columns import field, made
from herder.cli.output.printer import Details
from herder.cli.output.rows import View
from herder.model.values.money import PICO_PER_USD, dollars
from herder.model.values.phrases import counted

if TYPE_CHECKING:
    from herder.wire.api.budgets import BudgetForecast, BudgetPeriodView, BudgetView, SpendEstimate


def shown(amount: str | None, unit: str) -> str:
    """To the cent; less than a dollar that is not whole cents to four places, so that little is not shown as nothing."""
    if amount is None:
        return "-"
    if unit == "tokens":
        return f"{int(amount):,}"
    pico = int(Decimal(amount) * PICO_PER_USD)
    text = dollars(abs(pico))
    if pico and text == "$0.0000":
        text = "<$0.0001"
    return f"-{text}" if pico < 0 else text


def exact(amount: str, unit: str) -> str:
    """With all its digits, and at least cents: `$1.005`, `$50.00`."""
    if unit == "tokens":
        return shown(amount, unit)
    cents, _, rest = f"{Decimal(amount):,.12f}".partition(".")
    return f"${cents}.{rest.rstrip('0'):0<2}"


def _limit(view: "BudgetView") -> str:
    """With the unit of the row: tokens have no sign."""
    if view.unit == "usd":
        return shown(view.limit, view.unit)
    return view.unit if view.limit is None else f"{shown(view.limit, view.unit)} {view.unit}"


def _for(view: "BudgetView") -> str:
    """Its state is said here too: a column of its own would nearly always be the same."""
    return f"{view.scope} {view.of}" + (", deleting" if view.state == "deleting" else "")


BUDGETS = View(
    noun="budget",
    name=lambda each: str(each.name),
    columns=(
        field("NAME", "name"),
        made("LIMIT", _limit, key="limit", right=True),
        made("SPENT", lambda each: shown(each.spent, each.unit), key="spent", right=True),
        made("RESERVED", lambda each: shown(each.reserved, each.unit), key="reserved", right=True),
        made("LEFT", lambda each: shown(each.left, each.unit), key="left", right=True),
        field("PERIOD", "period", drop=1),
        field("UNIT", "unit", wide=True),
        made("FOR", _for, key="for"),
        made("USED", lambda each: shown(each.used, each.unit), key="used", right=True, wide=True),
        field("STATUS", "state", state=True, wide=True),
        field("PARENT", "parent", wide=True),
        field("LEASES", "leases", right=True, wide=True),
        field("PRIORITY", "priority", wide=True),
    ),
    empty="No budgets. Create one with: herder budget set NAME --limit 500 --set scope=pool --set of=POOL",
    tells_left_out=True,
)

TRANSFERS = View(
    noun="transfer",
    name=lambda each: str(each.number),
    columns=(
        field("NUMBER", "number", right=True),
        field("KIND", "kind"),
        field("STATUS", "state", state=True),
        field("FROM", "source"),
        field("TO", "target"),
        made("AMOUNT", lambda each: exact(each.amount, each.unit), key="amount", right=True),
        field("UNIT", "unit", wide=True),
        made("REPAID", lambda each: exact(each.repaid, each.unit), key="repaid", right=True, drop=2),
        field("ASKED BY", "asked_by", drop=3),
        made("ASKED ON", lambda each: each.asked_at[:10], key="asked_at", drop=4),
        field("DECIDED BY", "decided_by", wide=True),
        field("REASON", "reason", drop=1),
    ),
    empty="No requests or transfers. Ask with: herder budget request NAME --amount 50 --reason TEXT",
    tells_left_out=True,
)

#: In the details of one budget.
MOVES = replace(TRANSFERS, columns=TRANSFERS.columns[:6] + TRANSFERS.columns[7:8])

LEASES = View(
    noun="lease",
    name=lambda each: str(each.id),
    columns=(
        field("ID", "id"),
        made("BUDGETS", lambda each: ", ".join(each.budgets), key="budgets"),
        made("RESERVED", lambda each: shown(each.amount, each.unit), key="amount", right=True),
        made("SPENT", lambda each: shown(each.cost, each.unit), key="cost", right=True),
        field("UNIT", "unit"),
        field("STATUS", "state", state=True),
        field("ENDS", "ends_at", drop=1),
        field("NUMBER", "number", right=True, wide=True),
    ),
    empty="No leases.",
    tells_left_out=True,
)


def _status(view: "BudgetView") -> str:
    if view.state == "active":
        return view.state
    if not view.leases:
        return f"{view.state}: limits nothing now, is gone in a few seconds"
    waits = f"{counted(view.leases, 'lease')} to end, at {view.gone_at} at the latest"
    return f"{view.state}: limits nothing now, waits for {waits} (herder budget keep {view.name} cancels it)"


def _reserved(view: "BudgetView") -> str:
    """What is used of it is still reserved, until it is settled: it must not be added."""
    text = f"{shown(view.reserved, view.unit)} by {counted(view.leases, 'lease')}"
    used = Decimal(view.used) - Decimal(view.spent)
    return f"{text}, of which {shown(str(used), view.unit)} is used" if used > 0 else text


def budget(view: "BudgetView") -> Details:
    unit = view.unit
    rows = [
        ("Budget", view.name),
        ("For", f"{view.scope} {view.of}"),
        ("Status", _status(view)),
        ("Parent", view.parent or "none"),
        ("Period", f"{view.period} ({view.timezone})"),
        ("Unit", unit),
        ("Limit", shown(view.limit, unit)),
        ("With overage", shown(view.most, unit)),
        ("Spent", shown(view.spent, unit)),
        ("Reserved", _reserved(view)),
        ("Left", shown(view.left, unit)),
        ("Grantable now", shown(view.grantable, unit)),
        ("Priority", view.priority),
        ("Approvers", ", ".join(view.approvers) or "operators"),
    ]
    rows += [
        (f"Since {each.start}", f"spent {shown(each.spent, unit)}{_moved(each, unit)}")
        for each in view.periods
    ]
    title, shown_moves = "Requests and transfers", len(view.transfers)
    if view.transfers_total > shown_moves:
        title = f"Requests and transfers, the newest {shown_moves} of {view.transfers_total:,} (herder budget requests lists all)"
    tables: list[Any] = [(title, MOVES, view.transfers)] if view.transfers else []
    return Details(rows=rows, tables=tables)


#: One forecast as a row.
FORECASTS = View(
    noun="forecast",
    name=lambda each: str(each.name),
    columns=(
        field("NAME", "name"),
        made("USED", lambda each: shown(each.used, each.unit), key="used", right=True),
        made(
            "AT PERIOD END",
            lambda each: _mean(each.at_period_end, each.unit),
            key="at_period_end",
            right=True,
        ),
        made("IN HORIZON", lambda each: _mean(each.in_horizon, each.unit), key="in_horizon", right=True),
        field("USED UP ON", "used_up_on"),
    ),
    empty="No forecast.",
)


def _mean(estimate: "SpendEstimate | None", unit: str) -> str:
    return shown(None if estimate is None else estimate.mean, unit)


def _range(estimate: "SpendEstimate | None", unit: str) -> str:
    if estimate is None:
        return "-"
    low, high = shown(estimate.p10, unit), shown(estimate.p90, unit)
    return f"{shown(estimate.mean, unit)} ({low} to {high})"


def forecast(view: "BudgetForecast") -> Details:
    unit = view.unit
    rows = [
        ("Budget", view.name),
        ("Unit", unit),
        ("Limit", shown(view.limit, unit)),
        ("With overage", shown(view.most, unit)),
        ("Used", shown(view.used, unit)),
        ("Period ends", view.period_end or "-"),
        ("Used by then", _range(view.at_period_end, unit)),
        (f"Spent in {counted(view.horizon_days, 'day')}", _range(view.in_horizon, unit)),
        ("Used up on", view.used_up_on or "-"),
        ("At the earliest", view.used_up_earliest or "-"),
        ("Learned from", counted(view.learned_days, "day")),
    ]
    if view.unpriced:
        rows.append(("Without a price", ", ".join(view.unpriced)))
    return Details(rows=[*rows, ("Outlook", view.text)], tables=[])


def _moved(period: "BudgetPeriodView", unit: str) -> str:
    """What its limit gained or lost in this period."""
    if period.moved == "0":
        return ""
    gave = period.moved.startswith("-")
    amount = shown(period.moved.removeprefix("-"), unit)
    return f", {amount} moved to other budgets" if gave else f", {amount} moved to it"
