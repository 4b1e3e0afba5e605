"""Recommendations follow from facts and their evidence; a change is explained to the pico-dollar."""

from __future__ import annotations

from fractions import Fraction
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from herder.analysis.optimisation.decomposition import explain, explanations
from herder.analysis.optimisation.facts import CacheUse, Fact, ModelUse, Size, Stored, Tasks, Timing
from herder.analysis.optimisation.horizons import horizons
from herder.analysis.optimisation.recommendations import (
    CONFIDENCE,
    Evidence,
    Kind,
    Pilot,
    Priority,
    Recommendation,
    Rules,
    ranked,
    verdict,
)
from herder.analysis.optimisation.returns import Return, Value, cost_per_hour_saved, scenario
from herder.analysis.optimisation.rules import recommendations, smaller
from herder.model.values.money import PICO_PER_USD as USD

SURE = Evidence(observed=50, supporting=50)
RULES = Rules()


def actions(fact: Fact) -> list[str]:
    return [each.action for each in recommendations([fact])]


MODEL = ModelUse("intelligence", "classification", "claude-sonnet-4.5", False, 50.0, 100 * USD, None, SURE)
CACHE = CacheUse("development", None, None, None, None, None, 100 * USD, SURE)
TASKS = Tasks("monitoring", 50.0, None, None, True, 100 * USD, SURE)
SIZE = Size("inventory", (), (), 4_000, 8_192, None, None, 100 * USD, 100 * USD)
STORED = Stored("logs", "hot", None, None, 100 * USD, None, SURE)
TIMING = Timing("cicd", None, None, None, None, 100 * USD, SURE)


@pytest.mark.parametrize(
    ("fact", "found"),
    [
        (MODEL, {"haiku": 70}),
        (MODEL._replace(critical=True), {}),
        (MODEL._replace(critical=None), {}),
        (MODEL._replace(model="claude-haiku-3.5"), {}),
        (MODEL._replace(alternative_pico=27 * USD), {"haiku": 73}),
        (MODEL._replace(task="simple_extraction", output_tokens=99.0), {"haiku": 75}),
        (MODEL._replace(task="simple_extraction", output_tokens=100.0), {}),
        (MODEL._replace(task="general_development", model="claude-opus-4.5"), {"sonnet": 80}),
        (MODEL._replace(task="general_development"), {}),
        (CACHE, {}),
        (CACHE._replace(hit_percent=39.0, repetition_percent=51.0), {"longer_ttl": 40}),
        (CACHE._replace(hit_percent=40.0, repetition_percent=51.0), {}),
        (CACHE._replace(repeats_per_day=11.0), {"enable_caching": 60}),
        (CACHE._replace(repeats_per_day=10.0), {}),
        (CACHE._replace(ttl_s=300.0, stable=True), {"ttl_30m": 35}),
        (CACHE._replace(ttl_s=300.0, stable=None), {}),
        (TASKS, {}),
        (TASKS._replace(per_day=101.0, overhead_percent=31.0), {"batches_of_10": 50}),
        (TASKS._replace(per_day=101.0, overhead_percent=31.0, tolerant=None), {}),
        (TASKS._replace(similar_per_hour=21.0), {"hourly": 40}),
        (SIZE._replace(cpu_percent=(39.0,) * 14, cpu_peak_milli=1_000), {"cpu 2000m": 50}),
        (SIZE._replace(cpu_percent=(39.0,) * 14, cpu_peak_milli=3_000), {"cpu 3600m": 10}),
        (SIZE._replace(cpu_percent=(39.0,) * 14, cpu_peak_milli=None), {}),
        (SIZE._replace(cpu_percent=(39.0,) * 13, cpu_peak_milli=1_000), {}),
        (SIZE._replace(cpu_percent=(41.0, *(39.0,) * 13), cpu_peak_milli=1_000), {}),
        (SIZE._replace(memory_percent=(49.0,) * 14, memory_peak_mib=2_000), {"memory 4928Mi": 39}),
        (SIZE._replace(memory_percent=(49.0,) * 14, memory_peak_mib=8_000), {}),
        (SIZE._replace(cpu_percent=(86.0,) * 7), {"cpu 5200m": -30}),
        (SIZE._replace(cpu_percent=(*(86.0,) * 7, 80.0)), {}),
        (STORED._replace(unread_days=31.0), {"warm": 48}),
        (STORED._replace(unread_days=30.0), {}),
        (STORED._replace(reads_per_week=0.9), {"warm": 48}),
        (STORED._replace(tier="warm", unread_days=91.0), {"cold": 67}),
        (STORED._replace(tier="warm", reads_per_week=0.1), {}),
        (STORED._replace(tier="cold", unread_days=1_000.0), {}),
        (STORED._replace(unread_days=31.0, alternative_pico=60 * USD), {"warm": 40}),
        (TIMING, {}),
        (TIMING._replace(deferrable=True, at_peak=True), {"off_peak": 0}),
        (TIMING._replace(batch=True, flexible=True), {"low_use_hours": 0}),
    ],
)  # fmt: skip
def test_each_rule_at_its_edge(fact: Fact, found: dict[str, int]) -> None:
    said = list(recommendations([fact]))
    assert {each.action: each.saving_pico // USD for each in said} == found
    assert all(each.why.endswith(".") and each.target == fact.target for each in said)


@given(st.integers(1, 10**6), st.integers(0, 10**6), st.sampled_from([20, 40, 50]), st.sampled_from([20, 25]))
def test_a_smaller_size_keeps_its_margin(size: int, peak: int, less: int, margin: int) -> None:
    found = smaller(size, peak, less, margin, 50)
    assert 0 < found <= size
    assert found == size or found * 100 >= peak * (100 + margin)
    assert found * 100 >= size * (100 - less)


def one(saving: int, evidence: Evidence = SURE, kind: Kind = Kind.CACHE, target: str = "a") -> Recommendation:
    return Recommendation(
        kind=kind, target=target, action="x", why="It is.", monthly_pico=abs(saving) + 1,
        saving_pico=saving, evidence=evidence,
    )  # fmt: skip


def test_confidence_comes_from_evidence() -> None:
    assert Evidence(observed=0, supporting=0).confidence == 0.5
    assert Evidence(observed=14, supporting=14).confidence == 15 / 16
    assert not RULES.shows(one(9 * USD, Evidence(observed=0, supporting=0)))
    assert RULES.shows(one(9 * USD, Evidence(observed=8, supporting=8)))
    assert not RULES.shows(one(9 * USD, Evidence(observed=8, supporting=8), Kind.STORAGE))
    assert set(CONFIDENCE) == set(Kind)


def test_small_savings_are_left_out_and_neutral_schedules_are_not() -> None:
    assert not RULES.shows(one(USD - 1))
    assert RULES.shows(one(USD))
    weak = Evidence(observed=5, supporting=4)
    assert weak.confidence < RULES.confidence_least
    assert RULES.shows(one(0, weak, Kind.SCHEDULE))
    assert not RULES.shows(one(0))


def test_approval_pilot_and_priority() -> None:
    assert not RULES.needs_approval(one(10 * USD))
    assert RULES.needs_approval(one(10 * USD + 1))
    assert not RULES.needs_pilot(one(25 * USD))
    assert RULES.needs_pilot(one(25 * USD + 1))
    assert [RULES.priority(one(each * USD)) for each in (25, 10, 9)] == list(Priority)


def test_ranked_has_one_of_each_kind_and_target() -> None:
    facts = [CACHE._replace(hit_percent=1.0, repetition_percent=99.0, repeats_per_day=99.0)]
    both = [
        SIZE._replace(
            cpu_percent=(9.0,) * 14, memory_percent=(9.0,) * 14, cpu_peak_milli=1, memory_peak_mib=1
        )
    ]
    assert [each.action for each in ranked(recommendations(facts), RULES)] == ["enable_caching"]
    assert {each.action for each in ranked(recommendations(both), RULES)} == {"cpu 2000m", "memory 4928Mi"}
    mixed = [one(each * USD, target=str(each)) for each in (3, 9, 5)]
    assert [each.target for each in ranked(mixed, RULES)] == ["9", "5", "3"]
    assert len({each.id for each in mixed}) == 3


def test_a_pilot() -> None:
    good = Pilot(7, 0.98, 0.94, 5 * USD)
    found = verdict(30 * USD, good, RULES)
    assert found is not None
    assert (found.success, found.realised_percent) == (True, 71)
    assert verdict(30 * USD, good._replace(days=6.9), RULES) is None
    poor = verdict(30 * USD, good._replace(quality_after=0.93), RULES)
    assert poor is not None
    assert not poor.success
    assert "Quality fell by 5.1 %" in poor.why
    little = verdict(30 * USD, good._replace(saved_pico=4 * USD), RULES)
    assert little is not None
    assert not little.success
    assert "57 %" in little.why
    with pytest.raises(ValueError, match="quality"):
        verdict(30 * USD, good._replace(quality_before=0), RULES)


def test_returns_that_are_unknown_are_not_zero() -> None:
    assert Return(0, 5, 30).percent is None
    assert Return(5, 0, 30).payback_days is None
    assert Return(5, 0, 30).percent == -100
    assert cost_per_hour_saved(Return(5, 0, 30), Value(Fraction(0), 7)) is None
    with pytest.raises(ValueError, match="gpu"):
        scenario({"cpu": 1}, {"gpu": 5})


def test_the_group_that_explains_a_change_is_named() -> None:
    usual = {"ann": 10 * USD, "bob": 10 * USD, "eve": 10 * USD}
    actual = {"ann": 30 * USD, "bob": 11 * USD, "eve": 10 * USD}
    by_pool = ({"a": 20 * USD, "b": 10 * USD}, {"a": 34 * USD, "b": 17 * USD})
    found = explanations({"pool": by_pool, "user": (usual, actual)})
    assert [each.dimension for each in found] == ["user", "pool"]
    assert [each.group for each in found[0].parts[: found[0].named]] == ["ann"]
    assert found[1].surprise_pico == 0, "all pools grew alike"
    with pytest.raises(ValueError, match="same change"):
        explanations({"pool": by_pool, "user": (usual, usual)})


AMOUNTS = st.dictionaries(st.sampled_from("abcdef"), st.integers(0, 10**15))


@given(AMOUNTS, AMOUNTS)
def test_the_parts_sum_to_the_change(usual: dict[str, int], actual: dict[str, int]) -> None:
    found = explain("user", usual, actual)
    change = sum(actual.values()) - sum(usual.values())
    assert found.change_pico == change == sum(each.change_pico for each in found.parts)
    first = sum(each.change_pico for each in found.parts[: found.named])
    assert change == 0 or abs(first) * 100 >= abs(change) * 80
    assert found.surprise_pico >= 0


def test_horizons_of_a_known_week() -> None:
    random = Random(7)
    week = [5, 5, 5, 5, 5, 1, 1]
    daily = [(week[day % 7] * 10 + random.randint(-1, 1)) * USD for day in range(70)]
    month, quarter, year = horizons(daily)
    assert (month.days, quarter.days, year.days) == (30, 90, 365)
    assert month.low_pico <= month.mean_pico <= month.high_pico
    assert abs(year.mean_pico / (365 * 270 / 7 * USD) - 1) < 0.05
    assert horizons(daily[:13]) == []
