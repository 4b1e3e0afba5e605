"""Alerts are raised once, in order, told to the right people, and never again because money came back."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from herder.ledger.alerts.documented import (
    CHAIN,
    COMPUTE,
    COO,
    CPU_HOUR,
    DOCUMENTED,
    GM,
    NETWORK,
    OPPORTUNITY,
    POOL_BUDGET,
    PRIME,
    STORAGE,
    TOKEN_BUDGET,
    VARIANCE,
)
from herder.ledger.alerts.policies import (
    HOUR_MS,
    MINUTE_MS,
    Action,
    Level,
    Policy,
    Threshold,
)
from herder.ledger.alerts.raising import Alert, Alerts, Resolved
from herder.ledger.alerts.readings import (
    Rate,
    Reading,
    baseline,
    ms_to,
    ms_until_full,
    outlook,
    usual_cost,
)
from herder.ledger.quantities import DAY_MS
from herder.model.values.money import PICO_PER_USD

LIMIT = 18_000
SUBJECT = "division/monitoring"


def alerts(*policies: Policy) -> Alerts:
    return Alerts({each.id: each for each in policies or DOCUMENTED})


def tokens(used: int, at_ms: int, *, day: int = 0, limit: int | None = LIMIT) -> Reading:
    return Reading(TOKEN_BUDGET.id, SUBJECT, day * DAY_MS, (day + 1) * DAY_MS, at_ms, used, limit)


def levels(found: list[Alert]) -> list[Level]:
    return [each.level for each in found if each.active]


def tell(state: Alerts, now_ms: int) -> list[tuple[str, ...]]:
    found = []
    for notice in state.notices(now_ms):
        found.append(notice.recipients)
        state.told(notice, now_ms)
    return found


class OnceInOrder(RuleBasedStateMachine):
    """Invariant 10: each threshold is raised exactly once in a budget's period, 50 < 75 < 90 < 100, and a refund never raises one again."""

    def __init__(self) -> None:
        super().__init__()
        self.state = alerts(TOKEN_BUDGET)
        self.now = self.day = self.used = self.greatest = 0
        self.raised: dict[int, list[Level]] = {}
        self.told: dict[str, list[str]] = {}

    def judge(self) -> None:
        self.greatest = max(self.greatest, self.used)
        before = set(self.state.alerts)
        for alert in self.state.judge(tokens(self.used, self.now, day=self.day)):
            if alert.id not in before:
                self.raised.setdefault(alert.from_ms, []).append(alert.level)

    @rule(by=st.integers(0, LIMIT // 2))
    def use(self, by: int) -> None:
        self.used += by
        self.judge()

    @rule(by=st.integers(0, LIMIT))
    def refund(self, by: int) -> None:
        self.used = max(0, self.used - by)
        self.judge()

    @rule(by=st.sampled_from([MINUTE_MS, 31 * MINUTE_MS, 9 * HOUR_MS]))
    def wait(self, by: int) -> None:
        self.now += by
        if self.now >= (self.day + 1) * DAY_MS:
            self.day, self.used, self.greatest = self.now // DAY_MS, 0, 0
            self.judge()

    @precondition(lambda self: self.day and self.state.watches)
    @rule()
    def late_reading(self) -> None:
        assert self.state.judge(tokens(10 * LIMIT, self.now, day=self.day - 1)) == []

    @rule()
    def restart(self) -> None:
        kept = list(self.state.alerts.values())
        self.state = Alerts.restored([TOKEN_BUDGET], kept)
        self.judge()

    @rule()
    def deliver(self) -> None:
        for notice in self.state.notices(self.now):
            known = self.told.setdefault(notice.alert.id, [])
            assert not set(known) & set(notice.recipients), "nobody is told twice"
            known += notice.recipients
            self.state.told(notice, self.now)

    @precondition(lambda self: any(each.active for each in self.state.alerts.values()))
    @rule(data=st.data())
    def acknowledge(self, data: st.DataObject) -> None:
        active = sorted(each.id for each in self.state.alerts.values() if each.active)
        found = self.state.acknowledge(data.draw(st.sampled_from(active)), "ann", self.now)
        assert found.acknowledged_by == "ann"

    @invariant()
    def once_and_in_order(self) -> None:
        for found in self.raised.values():
            assert found == sorted(set(found))
        reached = [each.level for each in TOKEN_BUDGET.thresholds if self.greatest * 100 >= LIMIT * each.at]
        assert self.raised.get(self.day * DAY_MS, []) == reached

    @invariant()
    def one_is_active_and_it_is_the_highest(self) -> None:
        active = [each for each in self.state.alerts.values() if each.active]
        assert len(active) <= 1
        if active and active[0].from_ms == self.day * DAY_MS:
            assert active[0].level is self.raised[self.day * DAY_MS][-1]
            assert self.used >= active[0].threshold

    @invariant()
    def actions_hold_as_long_as_the_threshold_is_exceeded(self) -> None:
        found = self.state.actions_in_force(self.now).get((TOKEN_BUDGET.id, SUBJECT), frozenset())
        assert (Action.STOP_NON_CRITICAL in found) == (self.used >= LIMIT)
        assert (Action.DEFER_LOW_PRIORITY in found) == (self.used * 10 >= LIMIT * 9)


OnceInOrder.TestCase.settings = settings(max_examples=60, stateful_step_count=40, deadline=None)
TestOnceInOrder = OnceInOrder.TestCase


def test_a_leap_raises_all_in_order_and_tells_only_of_the_highest() -> None:
    state = alerts()
    found = state.judge(tokens(18_100, 5 * HOUR_MS))
    assert [each.level for each in found] == list(Level)
    assert levels(found) == [Level.EMERGENCY]
    assert {each.why_resolved for each in found[:3]} == {Resolved.SUPERSEDED}
    assert tell(state, 5 * HOUR_MS) == [(GM, COO)]
    assert tell(state, 5 * HOUR_MS) == []


def test_nobody_answers_and_the_next_is_told_after_half_an_hour() -> None:
    state = alerts()
    (_, warning) = state.judge(tokens(13_650, HOUR_MS))
    assert (warning.level, warning.threshold) == (Level.WARNING, 13_500)
    assert tell(state, HOUR_MS) == [(GM,)]
    assert tell(state, HOUR_MS + 29 * MINUTE_MS) == []
    assert tell(state, HOUR_MS + 30 * MINUTE_MS) == [(COO,)]
    assert tell(state, HOUR_MS + 60 * MINUTE_MS) == [(PRIME,)]
    assert tell(state, 20 * HOUR_MS) == []
    assert state.alerts[warning.id].told == CHAIN


def test_an_acknowledged_alert_goes_no_further() -> None:
    state = alerts()
    (_, warning) = state.judge(tokens(13_650, HOUR_MS))
    tell(state, HOUR_MS)
    state.acknowledge(warning.id, "ann", HOUR_MS + MINUTE_MS)
    assert tell(state, 9 * HOUR_MS) == []
    again = state.acknowledge(warning.id, "bob", 3 * HOUR_MS)
    assert (again.acknowledged_by, again.acknowledged_ms) == ("ann", HOUR_MS + MINUTE_MS)
    with pytest.raises(KeyError):
        state.acknowledge("alert-unknown", "ann", 0)


def test_within_the_cooldown_only_a_higher_level_is_told() -> None:
    state = alerts(STORAGE)

    def fill(percent: int, at_ms: int) -> list[Alert]:
        return state.judge(Reading(STORAGE.id, "tier/hot", at_ms, at_ms, at_ms, percent, 100))

    assert levels(fill(81, 0)) == [Level.WARNING]
    assert tell(state, 0) == [("infrastructure_gm",)]
    assert levels(fill(91, MINUTE_MS)) == [Level.CRITICAL]
    assert tell(state, MINUTE_MS) == [("infrastructure_gm", COO)]
    fill(70, 2 * MINUTE_MS)
    assert levels(fill(81, 3 * MINUTE_MS)) == [], "it was raised less than the cooldown ago"
    assert levels(fill(81, 31 * MINUTE_MS)) == [Level.WARNING]
    assert tell(state, 30 * MINUTE_MS + 59_000) == [], "the critical one was told less than the cooldown ago"
    assert tell(state, 31 * MINUTE_MS) == [("infrastructure_gm",)]


def test_an_episode_is_remembered_over_a_restart() -> None:
    state = alerts(STORAGE)
    state.judge(Reading(STORAGE.id, "tier/hot", 0, 0, 0, 81, 100))
    state.judge(Reading(STORAGE.id, "tier/hot", 0, 0, 1, 10, 100))
    state = Alerts.restored([STORAGE], state.alerts.values())
    assert state.judge(Reading(STORAGE.id, "tier/hot", 0, 0, MINUTE_MS, 81, 100)) == []
    assert levels(state.judge(Reading(STORAGE.id, "tier/hot", 0, 0, HOUR_MS, 81, 100))) == [Level.WARNING]


def test_actions_end_with_the_period_although_nothing_was_read_since() -> None:
    state = alerts()
    state.judge(tokens(LIMIT, DAY_MS - 1))
    assert (TOKEN_BUDGET.id, SUBJECT) in state.actions_in_force(DAY_MS - 1)
    assert state.actions_in_force(DAY_MS) == {}


def test_what_has_no_limit_is_not_judged() -> None:
    state = alerts()
    assert state.judge(tokens(10**9, 5, limit=None)) == []
    assert state.judge(tokens(10**9, 5, limit=0)) == []


@pytest.mark.parametrize(
    ("policy", "used", "limit", "level"),
    [
        (COMPUTE, 200 * CPU_HOUR - 1, None, None),
        (COMPUTE, 200 * CPU_HOUR, None, Level.WARNING),
        (COMPUTE, 230 * CPU_HOUR, None, Level.CRITICAL),
        (COMPUTE, 250 * CPU_HOUR, None, Level.EMERGENCY),
        (STORAGE, 79, 100, None),
        (STORAGE, 80, 100, Level.WARNING),
        (STORAGE, 90, 100, Level.CRITICAL),
        (STORAGE, 95, 100, Level.EMERGENCY),
        (NETWORK, 299, 100, None),
        (NETWORK, 300, 100, Level.CRITICAL),
        (VARIANCE, 109, 100, None),
        (VARIANCE, 110, 100, Level.INFO),
        (VARIANCE, 120, 100, Level.WARNING),
        (VARIANCE, 135, 100, Level.CRITICAL),
        (OPPORTUNITY, 10 * PICO_PER_USD - 1, None, None),
        (OPPORTUNITY, 10 * PICO_PER_USD, None, Level.INFO),
        (OPPORTUNITY, 25 * PICO_PER_USD, None, Level.WARNING),
        (OPPORTUNITY, 50 * PICO_PER_USD, None, Level.CRITICAL),
        (POOL_BUDGET, 79, 100, None),
        (POOL_BUDGET, 80, 100, Level.WARNING),
        (POOL_BUDGET, 100, 100, Level.EMERGENCY),
    ],
)  # fmt: skip
def test_the_documented_thresholds(policy: Policy, used: int, limit: int | None, level: Level | None) -> None:
    found = alerts().judge(Reading(policy.id, "x", 0, DAY_MS, HOUR_MS, used, limit))
    assert levels(found) == ([] if level is None else [level])


def test_the_outlook_of_the_documents_example() -> None:
    """14:35:22, 13,650 of 18,000 tokens, 800 an hour: the documents project 22,500, which is the mean of the day (22,455) rounded."""
    at_ms = 14 * HOUR_MS + 35 * MINUTE_MS + 22_000
    reading = tokens(13_650, at_ms)
    assert outlook(reading) == (DAY_MS - at_ms, 22_455, 4_455, 25)
    hourly = reading._replace(recent=Rate(800, HOUR_MS))
    assert outlook(hourly).projected == 21_179
    assert ms_to(hourly, 16_200) == 11_475_000, "3.19 h, told as 3.2"
    assert ms_to(hourly, 13_650) == 0
    assert ms_to(reading._replace(recent=Rate(0, HOUR_MS)), 16_200) is None
    assert outlook(tokens(0, 0)) == (DAY_MS, None, None, None), "nothing is known at the start of a period"


def test_a_baseline_needs_its_samples() -> None:
    quarter = 15 * MINUTE_MS
    known = {place * quarter: 10 for place in range(168)}
    now = 168 * quarter
    assert baseline(known, now) == 10
    assert baseline({time: value for time, value in known.items() if time}, now) is None
    assert baseline({**known, now: 10**9}, now) == 10, "what is compared is not part of it"
    assert baseline(known, now + 7 * DAY_MS) is None
    assert usual_cost([3] * 6) is None
    assert usual_cost([10**9, *[3] * 30]) == 3


def test_storage_is_full_in() -> None:
    found = ms_until_full(5_000, 2_458, 23)
    assert found is not None
    assert round(found / DAY_MS, 1) == 110.5
    assert ms_until_full(10, 10, 0) == 0
    assert ms_until_full(10, 9, 0) is None


def test_a_policy_that_cannot_be() -> None:
    one = Threshold(level=Level.INFO, at=50)
    for wrong in (
        (),
        (replace(one, at=0),),
        (one, replace(one, at=60)),
        (one, Threshold(level=Level.WARNING, at=40)),
    ):
        with pytest.raises(ValueError, match="alert"):
            replace(TOKEN_BUDGET, thresholds=wrong)
    with pytest.raises(ValueError, match="alert"):
        replace(TOKEN_BUDGET, escalates_after_ms=0)


def test_only_resolved_alerts_of_ended_periods_are_forgotten() -> None:
    state = alerts()
    state.judge(tokens(LIMIT, 5))
    assert state.forget(10**15) == []
    state.judge(tokens(0, DAY_MS, day=1))
    assert len(state.forget(10**15)) == 4
    assert state.alerts == {}


@pytest.mark.parametrize(("day", "days"), [(30, 30), (31, 30)])
def test_another_period_of_the_same_budget_ends_what_was_raised(day: int, days: int) -> None:
    """A day is followed by its month, which began before it or with it."""
    state, now_ms = alerts(), day * DAY_MS + 5
    state.judge(tokens(LIMIT, now_ms, day=day))
    month = Reading(
        TOKEN_BUDGET.id, SUBJECT, 30 * DAY_MS, (30 + days) * DAY_MS, now_ms + 5, LIMIT * 9 // 10, LIMIT
    )
    changed = state.judge(month)
    assert [each.level for each in changed if each.why_resolved is Resolved.PERIOD_ENDED] == [Level.EMERGENCY]
    assert levels(changed)[-1:] == [Level.CRITICAL]
    again = Alerts.restored(DOCUMENTED, state.alerts.values())
    assert again.judge(month._replace(at_ms=now_ms + 9)) == []


def test_a_message_about_what_was_removed_meanwhile_changes_nothing_else() -> None:
    state = alerts()
    state.judge(tokens(LIMIT, 5))
    (notice,) = state.notices(6)
    (gone,) = state.remove(list(state.watches), 7)
    assert gone.why_resolved is Resolved.REMOVED
    assert state.told(notice, 8).told == notice.recipients
    assert Alerts.restored(DOCUMENTED, state.alerts.values()).watches == {}
