"""Alerts of costs: budgets, the policies of `herder alert`, and what the fleet costs in an hour."""

from herder.observability.rules.rule import Alert, Group, Recording, Severity

_USED = "herder:budget_used:ratio"


def _budget(name: str, percent: int, severity: Severity, means: str, remedy: str) -> Alert:
    return Alert(
        name=name,
        expr=f"{_USED} >= {percent / 100:g}",
        severity=severity,
        summary="{{ $value | humanizePercentage }} of budget {{ $labels.budget }} is spent.",
        means=means,
        look=("herder budget show BUDGET", "herder budget forecast BUDGET"),
        remedy=remedy,
    )


GROUP = Group(
    name="herder-costs",
    title="Costs",
    recordings=(
        Recording(
            name=_USED,
            expr="herder_budget_spent / (herder_budget_limit > 0)",
            text="The part of each budget that is spent in its period.",
        ),
    ),
    alerts=(
        _budget(
            "HerderBudgetHalfSpent",
            50,
            Severity.INFO,
            "Half of the budget of this period is spent.",
            "Nothing, if as much of the period is over.",
        ),
        _budget(
            "HerderBudgetWarning",
            75,
            Severity.WARNING,
            "Little is left for the rest of the period.",
            "Compare with the forecast. Ask for more, or move from another budget with `herder budget reallocate`.",
        ),
        _budget(
            "HerderBudgetCritical",
            90,
            Severity.CRITICAL,
            "The budget will soon be spent. Jobs of low priority may wait, by the actions of alerts.",
            "Decide now: `herder budget request` asks for more; else work stops at 100 %.",
        ),
        _budget(
            "HerderBudgetExhausted",
            100,
            Severity.CRITICAL,
            "The budget is spent: workers and jobs that it pays for are drained or wait.",
            "Grant more with `herder budget approve`, or wait for the next period.",
        ),
        Alert(
            name="HerderAlertWarning",
            expr='sum by (policy) (herder_alerts{level="warning"}) > 0',
            summary="{{ $value }} alerts of policy {{ $labels.policy }} are at the level warning.",
            means="A policy of `herder alert` is active: budget, core-hours, storage, traffic, daily costs or recommendations.",
            look=("herder alert list", "herder alert show ALERT"),
            remedy="Acknowledge it with `herder alert ack ALERT`, and do what it names.",
        ),
        Alert(
            name="HerderAlertCritical",
            expr='sum by (policy) (herder_alerts{level=~"critical|emergency"}) > 0',
            severity=Severity.CRITICAL,
            summary="{{ $value }} alerts of policy {{ $labels.policy }} are critical.",
            means="As HerderAlertWarning. Actions may be under way that keep jobs from starting.",
            look=("herder alert list", "herder alert show ALERT"),
            remedy="Acknowledge it with `herder alert ack ALERT`: it is escalated until then.",
        ),
        Alert(
            name="HerderCostPerHour",
            expr="sum(herder_cost_usd_per_hour) > 100",
            for_s=3600,
            summary="The fleet costs ${{ $value | humanize }} an hour.",
            means="More than $100 an hour for an hour.",
            look=("herder pool list", "herder cost breakdown --by pool", "herder cost recommend"),
            remedy="Lower max_workers, or set budgets. Change the rule where such costs are usual.",
        ),
        Alert(
            name="HerderBurstCost",
            expr='sum by (pool) (increase(herder_pool_cost_usd_total{pool=~".*burst.*"}[4h])) > 50',
            summary="Burst pool {{ $labels.pool }} has cost ${{ $value | humanize }} in 4 h.",
            means="More than the $50 that one burst may cost.",
            look=("herder pool get POOL", "herder cost breakdown --by pool"),
            remedy="Remove workers that are no longer needed, or set a budget for the pool.",
        ),
    ),
)
