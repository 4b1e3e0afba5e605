"""Budgets, leases and transfers as tables and in full."""

from decimal import Decimal
from typing import TYPE_CHECKING

from herder.cli.output.columns import field, made
from herder.cli.output.printer import Details
from herder.cli.output.rows import View

if TYPE_CHECKING:
    from herder.wire.api.budgets import BudgetView


def shown(amount: str | None, unit: str) -> str:
    if amount is None:
        return "-"
    if unit == "tokens":
        return f"{int(amount):,}"
    value = Decimal(amount)
    return f"-${-value:,.2f}" if value < 0 else f"${value:,.2f}"


BUDGETS = View(
    noun="budget",
    name=lambda each: str(each.name),
    columns=(
        field("NAME", "name"),
        made("LIMIT", lambda each: shown(each.limit, each.unit), key="limit", right=True),
        made("SPENT", lambda each: shown(each.spent, each.unit), key="spent", right=True),
        made("RESERVED", lambda each: shown(each.reserved, each.unit), key="reserved", right=True),
        made("LEFT", lambda each: shown(each.left, each.unit), key="left", right=True),
        field("PERIOD", "period"),
        made("FOR", lambda each: f"{each.scope} {each.of}", key="for", drop=2),
        field("PARENT", "parent", wide=True),
        field("LEASES", "leases", right=True, wide=True),
        field("PRIORITY", "priority", wide=True),
    ),
    empty="No budgets. Create one with: herder budget set NAME --limit 500",
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
        made("AMOUNT", lambda each: shown(each.amount, each.unit), key="amount", right=True),
        made("REPAID", lambda each: shown(each.repaid, each.unit), key="repaid", right=True, drop=2),
        field("ASKED BY", "asked_by", drop=3),
        field("REASON", "reason", drop=1),
    ),
    empty="No requests or transfers. Ask with: herder budget request NAME --amount 50 --reason TEXT",
)

LEASES = View(
    noun="lease",
    name=lambda each: str(each.id),
    columns=(
        field("ID", "id"),
        made("BUDGETS", lambda each: ", ".join(each.budgets), key="budgets"),
        field("AMOUNT", "amount", right=True),
        field("COST", "cost", right=True),
        field("STATUS", "state", state=True),
        field("ENDS", "ends_at", drop=1),
        field("NUMBER", "number", right=True, wide=True),
    ),
    empty="No leases.",
)


def budget(view: "BudgetView") -> Details:
    unit = view.unit
    rows = [
        ("Budget", view.name),
        ("For", f"{view.scope} {view.of}"),
        ("Parent", view.parent or "none"),
        ("Period", f"{view.period} ({view.timezone})"),
        ("Limit", shown(view.limit, unit)),
        ("With overage", shown(view.most, unit)),
        ("Spent", shown(view.spent, unit)),
        ("Reserved", f"{shown(view.reserved, unit)} by {view.leases:,} leases"),
        ("Left", shown(view.left, unit)),
        ("Grantable now", shown(view.grantable, unit)),
        ("Priority", view.priority),
    ]
    rows += [(f"Since {each.start}", f"spent {shown(each.spent, unit)}") for each in view.periods]
    return Details(rows=rows, tables=[])
