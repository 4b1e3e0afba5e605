"""Metrics of money: what workers cost, what users and projects used, and budgets. Rounded: what must be exact is in the ledger."""

from collections import Counter

from herder.control.kernel.core import Core
from herder.control.kernel.jobs.usage_ledger import worker_cost
from herder.control.reads.metrics.series import Series
from herder.ledger.budgets.spec import Unit
from herder.model.permissions import Scope
from herder.model.values.money import PICO_PER_USD
from herder.observability.metrics import ACCOUNTS_MAX, OTHERS


def fill(series: Series, core: Core, scope: Scope | None, now_ms: int) -> None:
    _pools(series, core, now_ms)
    _accounts(series, core, scope)
    _budgets(series, core, now_ms)


def _pools(series: Series, core: Core, now_ms: int) -> None:
    so_far: Counter[str] = Counter()
    an_hour: Counter[str] = Counter()
    for worker in core.state.workers.values():
        so_far[worker.spec.pool] += worker_cost(worker, now_ms)
        an_hour[worker.spec.pool] += worker.spec.price_pico_per_hour
    for name, pico in so_far.items():
        series.add("herder_live_workers_cost_usd", pico / PICO_PER_USD, name)
    shown = core.tallies.costs
    for name in core.state.pools:
        series.add("herder_cost_usd_per_hour", an_hour[name] / PICO_PER_USD, name)
        total = core.ledger.pools.get(name, 0) + so_far[name]
        shown[name] = max(total, shown.get(name, 0))  # a worker is booked a moment after it has left
        series.add("herder_pool_cost_usd_total", shown[name] / PICO_PER_USD, name)


def _accounts(series: Series, core: Core, scope: Scope | None) -> None:
    others: Counter[str] = Counter()
    shown = 0
    for (user, project, pool), usage in core.ledger.accounts.items():
        if scope is not None and not scope.covers(user, project):
            continue
        shown += 1
        if shown > ACCOUNTS_MAX:
            others["attempts"] += usage.attempts
            others["cost"] += usage.cost_pico
            continue
        series.add("herder_attempts_total", usage.attempts, user, project, pool)
        series.add("herder_attempts_cost_usd_total", usage.cost_pico / PICO_PER_USD, user, project, pool)
    if shown > ACCOUNTS_MAX:
        labels = (OTHERS, OTHERS, OTHERS)
        series.add("herder_attempts_total", others["attempts"], *labels)
        series.add("herder_attempts_cost_usd_total", others["cost"] / PICO_PER_USD, *labels)


def _budgets(series: Series, core: Core, now_ms: int) -> None:
    for name, budget in sorted(core.budgets.budgets.items()):
        unit, counting = budget.spec.unit, budget.counting(now_ms)
        spent, reserved = sum(each.spent for each in counting), sum(each.reserved for each in counting)
        amounts = {
            "limit": budget.limit(now_ms),
            "spent": spent,
            "reserved": reserved,
            "left": budget.left(now_ms),
        }
        for what, amount in amounts.items():
            if amount is None:  # it has no limit
                continue
            value = amount / PICO_PER_USD if unit is Unit.USD else amount
            series.add(f"herder_budget_{what}", value, name, unit.value)
