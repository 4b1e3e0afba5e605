"""Costs, budgets and alerts of a core without a server: use that was reported, at a rate."""

from __future__ import annotations

from decimal import Decimal

from herder.control.commands import Commands
from herder.control.kernel.clock import now_ms
from herder.control.kernel.core import Core
from herder.ledger.alerts.documented import DOCUMENTED, TOKEN_BUDGET
from herder.ledger.alerts.policies import Level
from herder.ledger.alerts.raising import Alert
from herder.ledger.months import date_text
from herder.ledger.quantities import DAY_MS
from herder.model.stored.changes import Changes
from herder.wire.api.budgets import BudgetSet
from herder.wire.api.rates import RateRow, RatesAdd
from herder.wire.api.usage import UsageEvent, UsageReport
from tests.web.world import ANN


async def spend(core: Core, days: dict[str, int], user: str = "ann") -> None:
    """So many dollars on these days."""
    commands = Commands(core)
    row = RateRow(card="internal", resource="network.inter", price=Decimal("0.02"), from_="2026-01-01")
    body = RatesAdd(rates=[row])
    async with commands.known_rates(ANN, body) as known:
        changes = Changes()
        commands.add_rates(ANN, body, known, changes, now_ms(), dry_run=False)
        await core.commit(changes)
    report = UsageReport(
        source="meter",
        events=[
            UsageEvent(
                id=f"{user}-{day}",
                time=f"{day}T12:00:00Z",
                resource="network.inter",
                quantity=Decimal(50 * dollars),
                user=user,
            )
            for day, dollars in days.items()
        ],
    )
    async with commands.usage_outcome(ANN, report) as outcome:
        changes = Changes()
        commands.report_usage(ANN, outcome, changes, now_ms(), dry_run=False)
        await core.commit(changes)


async def add_budget(core: Core, name: str, **settings: object) -> None:
    changes = Changes()
    body = BudgetSet(settings=dict(settings), ahead=True)
    Commands(core).set_budget(ANN, name, body, changes, now_ms())
    await core.commit(changes)


def watch_thresholds(core: Core) -> None:
    """The documented ones are in force, as the loop of alerts has them."""
    core.ledger.alerts.policies = {each.id: each for each in DOCUMENTED}


def raise_alert(core: Core, name: str, subject: str = "division/monitoring") -> None:
    now = now_ms()
    core.ledger.alerts.alerts[name] = Alert(
        id=name, policy=TOKEN_BUDGET.id, subject=subject, level=Level.CRITICAL, from_ms=now - 1000,
        to_ms=now + 86_400_000, raised_ms=now, threshold=90, used=91, limit=100, projected=120,
    )  # fmt: skip


async def money(core: Core) -> None:
    """Costs of four weeks, three budgets, two alerts."""
    watch_thresholds(core)
    today = now_ms() - now_ms() % DAY_MS
    days = {date_text(today - n * DAY_MS): 6 + (n * 7) % 11 for n in range(1, 28)}
    await add_budget(core, "ann", scope="user", limit="600", period="month", overage="10%")
    await add_budget(core, "labs", scope="division", limit="50", period="month")
    await add_budget(
        core, "a-budget-whose-name-is-rather-long", scope="user", of="bob", limit="9000000", unit="tokens"
    )
    await spend(core, days)
    raise_alert(core, "alert-0f6c1b2a9d3e")
    raise_alert(core, "alert-1f6c1b2a9d3e", "budget/ann")
