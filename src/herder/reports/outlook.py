"""How it stands now, beside a report of what was spent: budgets, active alerts, and what could be saved."""

from collections.abc import Sequence
from dataclasses import dataclass

from herder.model.values.phrases import agree, counted
from herder.reports.documents import Cell, Column, Form, Table


@dataclass(frozen=True, slots=True, kw_only=True)
class BudgetState:
    """Amounts in pico-USD or in tokens; None: it has no limit, or it is unknown."""

    name: str
    of: str
    limit: int | None
    """With its overage."""
    spent: int
    left: int | None
    at_end: int | None
    """What is expected to be used at the end of its period."""
    used_up: str
    """The day, or why there is none."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ActiveAlert:
    raised: str
    subject: str
    level: str
    state: str
    text: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Opportunity:
    target: str
    action: str
    priority: str
    state: str
    saving: int
    """Pico-USD a month, estimated."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Outlook:
    at: str
    budgets: Sequence[BudgetState]
    token_budgets: Sequence[BudgetState]
    alerts: Sequence[ActiveAlert]
    opportunities: Sequence[Opportunity] | None
    """None: not of this view."""
    without_forecast: int = 0
    """Budgets that were not estimated because there are too many."""

    def tables(self) -> list[Table]:
        found = [_budgets("budgets", "Budgets", Form.MONEY, self.budgets, self.at, self.without_forecast)]
        if self.token_budgets:
            found.append(
                _budgets(
                    "token_budgets",
                    "Budgets in tokens",
                    Form.COUNT,
                    self.token_budgets,
                    self.at,
                    self.without_forecast,
                )
            )
        found.append(_alerts(self.alerts, self.at))
        if self.opportunities is not None:
            found.append(_opportunities(self.opportunities))
        return found


def _budgets(
    key: str, title: str, form: Form, budgets: Sequence[BudgetState], at: str, without_forecast: int
) -> Table:
    """Without a total: budgets contain one another."""
    left_out = ""
    if without_forecast:
        left_out = f" {counted(without_forecast, 'budget')} that {agree(without_forecast, 'has', 'have')} used less of {agree(without_forecast, 'its limit', 'their limits')} {agree(without_forecast, 'is', 'are')} not estimated."
    rows: list[tuple[Cell, ...]] = [
        (each.name, each.of, each.limit, each.spent, each.left, each.at_end, each.used_up) for each in budgets
    ]
    return Table(
        key=key,
        title=title,
        columns=(
            Column("budget"), Column("of", wide=True), Column("limit", form), Column("spent", form),
            Column("left", form), Column("expected", form), Column("used_up_on"),
        ),
        rows=rows,
        note=f"As of {at}, for the current period of each budget. Limit: with its overage. Left: neither spent nor reserved. Expected: used at the end of the period.{left_out}",
        empty="There are no budgets. `herder budget set NAME --limit 500` creates one.",
    )  # fmt: skip


def _alerts(alerts: Sequence[ActiveAlert], at: str) -> Table:
    return Table(
        key="alerts",
        title="Active alerts",
        columns=(
            Column("level"),
            Column("subject"),
            Column("state"),
            Column("raised"),
            Column("alert", wide=True),
        ),
        rows=[(each.level, each.subject, each.state, each.raised, each.text) for each in alerts],
        note=f"As of {at}.",
        empty="There are no active alerts. `herder alert policies` shows the thresholds.",
    )


def _opportunities(found: Sequence[Opportunity]) -> Table:
    rows: list[tuple[Cell, ...]] = [
        (each.target, each.action, each.priority, each.state, each.saving) for each in found
    ]
    return Table(
        key="opportunities",
        title="What could be saved",
        columns=(
            Column("target"), Column("action"), Column("priority"), Column("state"), Column("saving_per_month", Form.MONEY),
        ),
        rows=rows,
        total=("total", "", "", "", sum(each.saving for each in found)),
        note="Estimates; `herder cost recommend` has their facts and risks.",
        empty="No recommendation waits.",
    )  # fmt: skip
