"""What alerts are judged by: reported storage of yesterday, and traffic by quarters of an hour."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from herder.control.alerts.samples import META_KEY, QUARTER_MS, Samples
from herder.control.alerts.texts import alert_view
from herder.control.loops import alerts as loop
from herder.control.reads.alert_readings import of_budgets, variances
from herder.ledger.alerts.documented import CPU_HOUR, DOCUMENTED
from herder.ledger.alerts.policies import Action
from herder.ledger.alerts.raising import Alerts
from herder.ledger.alerts.readings import BASELINE_MS, baseline
from herder.ledger.budgets.budget import Budget
from herder.ledger.budgets.spec import BudgetSpec, Every, Period, Scope, Unit
from herder.ledger.lines import COST, GB, Kind, Line, Payer, Place
from herder.ledger.quantities import DAY_MS
from herder.model.stored.changes import Changes
from herder.model.stored.ledger_records import WorkDayRecord
from herder.model.stored.records import MetaRecord
from herder.model.values.money import PICO_PER_USD as USD
from herder.model.work.alerts import AlertRules
from tests.alerts.test_server import items, wait
from tests.api.conftest import Server


class Stored(Server):
    alerts = AlertRules(storage_capacity={"hot": 500, "warm": 500})


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Stored]:
    monkeypatch.setattr(loop, "PERIOD_S", 0.02)
    made = Stored(tmp_path / "data")
    made.start()
    yield made
    made.stop()


def report(server: Server, resource: str, quantity: str, at: datetime) -> None:
    event: dict[str, Any] = {
        "id": f"{resource}/{at:%d}",
        "division": "labs",
        "time": at.isoformat(),
        "resource": resource,
        "quantity": quantity,
    }
    answer = server.http.post("/usage", json={"source": "meter", "events": [event]})
    assert answer.status_code == 200, answer.text


def test_storage_and_traffic_that_are_reported(server: Stored) -> None:
    now = datetime.now(UTC)
    yesterday = now.replace(hour=12) - timedelta(days=1)
    report(server, "storage.hot", "13.7", yesterday)  # GB-months: 411 GB for a day
    report(server, "storage.cold", "1000", yesterday)  # of no known capacity
    report(server, "network.egress", "5", now)
    rate = {"card": "internal", "resource": "network.inter", "price": "1", "from": "2026-01-01"}
    server.http.post("/rates", json={"rates": [rate]}).raise_for_status()
    for day in range(1, 10):
        report(server, "network.inter", "13" if day == 1 else "10", yesterday - timedelta(days=day - 1))
    core = server.running.core
    now_ms = core.clock.now_ms()
    week = {now_ms - QUARTER_MS - place * QUARTER_MS: GB for place in range(1, 169)}
    samples = Samples(now_ms - QUARTER_MS - 1_000, {now_ms - now_ms % DAY_MS: 0}, week)

    async def remember() -> None:
        changes = Changes()
        changes.put(MetaRecord(META_KEY, samples.text()))
        today_ms = now_ms - now_ms % DAY_MS
        changes.put(WorkDayRecord(today_ms, "2026-11", "w", "ann", "p", 1, 1, 231 * CPU_HOUR, 1, 0, "1"))
        await core.commit(changes)

    server.run(remember())
    server.restart()
    found = {each["policy"]: each for each in wait(server, lambda: len(items(server)) == 4 and items(server))}
    storage, network = found["storage-capacity"], found["network-spike"]
    assert (storage["subject"], storage["level"], storage["used"], storage["limit"]) == (
        "tier/hot",
        "warning",
        "411",
        "500",
    )
    assert storage["text"].startswith("storage-capacity, warning: Tier hot is at 82 % of 500.0 GB: 411.0 GB.")
    assert (network["level"], network["used"], network["limit"]) == ("critical", "5", "1")
    cpu, cost = found["compute-overallocation"], found["cost-variance"]
    assert (cpu["level"], cpu["used"], cpu["threshold"]) == ("critical", "231", "230")
    assert (cost["subject"], cost["level"], cost["used"], cost["limit"]) == (
        "division/labs",
        "warning",
        "13",
        "10",
    )


def test_samples_are_growth_in_a_quarter_of_an_hour() -> None:
    samples = Samples()
    assert samples.due(0)
    assert samples.take({0: 10}, 0) is None, "nothing is known of the time before"
    assert not samples.due(QUARTER_MS - 1)
    assert samples.take({0: 15}, QUARTER_MS) == 5
    assert samples.take({0: 16, DAY_MS: 2}, 2 * QUARTER_MS) == 3, "over midnight both days count"
    assert samples.take({0: 9, DAY_MS: 2}, 3 * QUARTER_MS) == 0, "use that was taken back is no traffic"
    again = Samples.of(samples.text())
    assert again == samples
    assert again.take({DAY_MS: 99}, 5 * QUARTER_MS) is None, "the server was away: it is not known when"
    assert again.take({DAY_MS: 100}, 6 * QUARTER_MS) == 1
    assert again.values == {QUARTER_MS: 5, 2 * QUARTER_MS: 3, 3 * QUARTER_MS: 0, 6 * QUARTER_MS: 1}


def test_samples_of_the_last_week_are_kept() -> None:
    samples = Samples()
    for place in range(1_000):
        samples.take({0: place}, place * QUARTER_MS)
    now_ms = 999 * QUARTER_MS
    assert min(samples.values) == now_ms - BASELINE_MS
    assert baseline(samples.values, now_ms) == 1


def line(day: int, division: str, pico: int | None) -> Line:
    return Line(
        "2026-11",
        day * DAY_MS,
        "",
        COST,
        Kind.METERED,
        Payer(division, "p", "u"),
        Place(),
        "cpu",
        "",
        1,
        "r",
        pico,
    )


def test_a_day_without_cost_counts_and_a_day_before_the_first_does_not() -> None:
    lines = [line(day, "a", 70) for day in range(20, 28) if day != 25]
    lines += [line(27, "b", 7), line(26, "a", None), line(27, "", 999)]
    since, today = 0, 28 * DAY_MS
    found = {each.subject: each for each in variances(lines, since, today, today + 5)}
    assert (found["division/a"].used, found["division/a"].limit) == (70, 60), "six of seven days cost 70"
    assert set(found) == {"division/a"}, "division b had no cost before, and nothing compares with nothing"
    assert list(variances([line(27, "a", 5)], since, today, today)) == []
    assert list(variances([], since, today, today)) == []


def test_budgets_are_judged_by_what_is_spent() -> None:
    specs = [
        BudgetSpec(name="labs", limit=100, unit=Unit.TOKENS, period=Period(Every.DAY)),
        BudgetSpec(name="burst", scope=Scope.POOL, limit=10 * USD),
        BudgetSpec(name="ops", limit=10 * USD),
        BudgetSpec(name="all"),
    ]
    budgets = [Budget(each) for each in specs]
    now_ms = 20_000 * DAY_MS + 5
    for budget in budgets:
        span = budget.span(now_ms)
        span.spent, span.reserved = 76 if budget.spec.unit is Unit.TOKENS else 8 * USD, 20
    found = list(of_budgets(budgets, now_ms))
    assert [(each.policy, each.subject, each.used, each.limit) for each in found] == [
        ("token-budget-warning", "budget/labs", 76, 100),
        ("pool-budget", "budget/burst", 8 * USD, 10 * USD),
        ("budget", "budget/ops", 8 * USD, 10 * USD),
        ("budget", "budget/all", 8 * USD, None),
    ]
    assert (found[0].from_ms, found[0].to_ms) == (20_000 * DAY_MS, 20_001 * DAY_MS)
    state = Alerts({each.id: each for each in DOCUMENTED})
    raised = [alert for each in found for alert in state.judge(each) if alert.active]
    assert [alert.level.word for alert in raised] == ["warning"] * 3


def test_what_was_raised_ends_with_the_limit_of_its_budget() -> None:
    state, now_ms = Alerts({each.id: each for each in DOCUMENTED}), 20_000 * DAY_MS + 5
    budget = Budget(BudgetSpec(name="labs", limit=100, unit=Unit.TOKENS, period=Period(Every.ONCE)))
    budget.span(now_ms).spent = 90
    (reading,) = of_budgets([budget], now_ms)
    assert [alert.level.word for alert in state.judge(reading) if alert.active] == ["critical"]
    assert state.actions_in_force(now_ms)
    (alert,) = [each for each in state.alerts.values() if each.active]
    assert alert_view(state.policies[alert.policy], alert).period_to is None, "it has no end"
    budget.spec = replace(budget.spec, limit=None)
    (reading,) = of_budgets([budget], now_ms)
    state.judge(reading)
    assert not state.actions_in_force(now_ms)
    assert not [each for each in state.alerts.values() if each.active]


def test_a_budget_may_have_thresholds_of_its_own() -> None:
    def levels(*percents: int, spent: int = 65, scope: Scope = Scope.POOL) -> list[tuple[str, str]]:
        budget = Budget(BudgetSpec(name="burst", scope=scope, limit=100, thresholds=percents))
        budget.span(5).spent = spent
        state = Alerts({each.id: each for each in DOCUMENTED})
        (reading,) = of_budgets([budget], 5)
        found = state.judge(reading)
        assert len(state.notices(5)) == sum(each.active and each.level.word != "info" for each in found)
        return [(each.policy, each.level.word) for each in found]

    assert levels(60) == [("budget", "warning")]
    assert levels(30, 60) == [("budget", "warning"), ("budget", "emergency")]
    assert levels(10, 20, 70) == [("budget", "warning"), ("budget", "critical")]
    assert levels(60, 70, 80, 90) == [("budget", "info")]
    assert levels(50, 75, 90, 100) == [], "of a pool 80 and 100 %"
    assert levels(50, 75, 90, 100, scope=Scope.DIVISION) == [("budget", "info")]


def test_a_rolling_budget_is_raised_once_in_its_length() -> None:
    budget = Budget(BudgetSpec(name="ops", limit=100, period=Period(Every.ROLLING, 24)))
    state, raised = Alerts({each.id: each for each in DOCUMENTED}), 0
    for hour in range(24):
        now_ms = 20_000 * DAY_MS + hour * 3_600_000
        budget.span(now_ms).spent = 80 if hour == 0 else 0
        (reading,) = of_budgets([budget], now_ms)
        raised += sum(each.active for each in state.judge(reading))
    assert raised == 1


def test_a_budget_that_refuses_is_raised_at_the_highest_level_once_in_its_period() -> None:
    """Whatever is spent of it: the rest is reserved."""
    state, now_ms = Alerts({each.id: each for each in DOCUMENTED}), 20_000 * DAY_MS + 5
    budget = Budget(BudgetSpec(name="ann", limit=USD // 25, period=Period(Every.DAY)))
    span = budget.span(now_ms)
    span.spent, span.reserved = USD * 6 // 250, USD // 125

    def judged(at_ms: int) -> list[tuple[str, bool]]:
        (reading,) = of_budgets([budget], at_ms)
        return [(alert.level.word, alert.active) for alert in state.judge(reading)]

    assert judged(now_ms) == [("info", True)]
    budget.lack(USD, now_ms)
    assert judged(now_ms) == [], "more than all that it has says nothing of what is left"
    budget.lack(USD // 100, now_ms)
    assert judged(now_ms + 1) == [("info", False), ("emergency", True)]
    assert judged(now_ms + 2) == []
    assert not any(Action.STOP_NON_CRITICAL in each for each in state.actions_in_force(now_ms).values())
    (alert,) = [each for each in state.alerts.values() if each.active]
    view = alert_view(state.policies[alert.policy], alert, ["coo"])
    assert view.text.startswith(
        "budget, emergency: Budget ann is exhausted: $0.0240 of $0.04 is spent, and what is not reserved is too little for what is asked."
    )
    assert view.advice == [
        "Ask for a larger budget: `herder budget request ann --amount AMOUNT --reason TEXT`."
    ]
    span.spent = USD * 37 // 1000
    assert judged(now_ms + 3) == [], "a lower level is no news"
    budget.spec = replace(budget.spec, limit=USD)
    assert judged(now_ms + 4) == [("emergency", False)], "it pays again"
    span.spent = USD
    assert ("emergency", True) not in judged(now_ms + 5), "once in a period"
    span.spent, tomorrow_ms = USD // 2, now_ms + DAY_MS
    budget.span(tomorrow_ms).reserved = USD
    assert judged(tomorrow_ms) == [("critical", False)], "what was refused in the period before is over"
    budget.lack(USD // 100, tomorrow_ms)
    assert judged(tomorrow_ms + 1) == [("emergency", True)]
