"""The repair ladder as people write it: what is read, what is refused, and what raises a doubt."""

from typing import Any

import pytest

from herder.model.fleet.pool import PoolSpec
from herder.model.fleet.repair import DEFAULT_RULES, Breaker, Condition, RepairRule, Rung
from herder.settings import SettingsError, load_texts, pool_from_plain, pool_to_plain
from herder.settings.json_schema import json_schema
from herder.settings.lint import lint

TEXT = """
pools:
  std:
    templates: [small]
    repair:
      - {condition: NotReady, after: 2m, rung: restart_service}
      - {condition: NotReady, after: 10m, rung: replace}
      - {condition: KubeletCrashLoop, count: 4, rung: reboot}
    repair_tries: 5
    repair_cooldown: 30m
    repair_breaker: {workers: 2, percent: 10%, window: 1h}
    quarantine: 1
    quarantine_age: 2h
"""


def pool(**more: Any) -> PoolSpec:
    return pool_from_plain({"name": "std", "templates": ["small"], "max_workers": 10, **more})


def refusal(**more: Any) -> str:
    with pytest.raises(SettingsError) as caught:
        pool(**more)
    return " ".join(f"{each.key}: {each.message} {each.remedy}" for each in caught.value.problems)


def row(**more: Any) -> dict[str, Any]:
    return {"condition": "NotReady", "after": "5m", "rung": "reboot", **more}


def test_all_of_it_from_a_file_and_back() -> None:
    (spec,) = load_texts([("herder.yaml", TEXT)]).pools
    policy = spec.repair
    assert policy.rules == (
        RepairRule(condition=Condition.NOT_READY, after_s=120.0, rung=Rung.RESTART_SERVICE),
        RepairRule(condition=Condition.NOT_READY, after_s=600.0, rung=Rung.REPLACE),
        RepairRule(condition=Condition.KUBELET_CRASH_LOOP, count=4, rung=Rung.REBOOT),
    )
    assert (policy.tries, policy.cooldown_s) == (5, 1800.0)
    assert policy.breaker == Breaker(workers=2, percent=10, window_s=3600.0)
    assert (policy.quarantine, policy.quarantine_age_s) == (1, 7200.0)
    assert pool_from_plain(pool_to_plain(spec)) == spec
    assert set(json_schema()["$defs"]["repair_rule"]["properties"]) == {"condition", "after", "count", "rung"}


@pytest.mark.parametrize(
    ("written", "rules", "again"),
    [("off", (), "off"), (False, (), "off"), ("default", DEFAULT_RULES, "default"), ([], (), "off")],
)
def test_the_whole_table_by_a_word(written: Any, rules: tuple[RepairRule, ...], again: str) -> None:
    spec = pool(repair=written)
    assert spec.repair.rules == rules
    assert pool_to_plain(spec)["repair"] == again


def test_without_a_word_the_documented_table_holds() -> None:
    assert pool().repair.rules == DEFAULT_RULES


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"repair": "sometimes"}, "'sometimes' is not a repair table"),
        ({"repair": [row(condition="NotRaedy")]}, "Did you mean 'NotReady'"),
        ({"repair": [row(rung="restart")]}, "'restart' is not a possible value"),
        ({"repair": [{"after": "5m", "rung": "reboot"}]}, "The row has no condition"),
        ({"repair": [{"condition": "NotReady", "rung": "reboot"}]}, "The row of NotReady has no after"),
        ({"repair": [row(count=3)]}, "NotReady is judged by its after, not by count"),
        ({"repair": [row(condition="RuntimeCrash")]}, "RuntimeCrash is judged by its count, not by after"),
        ({"repair": [{"condition": "RuntimeCrash", "count": 0, "rung": "reboot"}]}, "at least 1"),
        (
            {"repair": [{"condition": "RuntimeCrash", "count": 1001, "rung": "reboot"}]},
            "above the maximum of 1,000",
        ),
        ({"repair": [row(), row(after="6m")]}, "reboot of NotReady is listed twice"),
        ({"repair": [row(after="30d")]}, "Write at most 7d"),
        ({"repair": [row()] * 61}, "the maximum is 60"),
        ({"repair": ["NotReady"]}, "mapping"),
        ({"repair": [row(afterwards="5m")]}, "Did you mean 'after'"),
        ({"repair_tries": 0}, "at least 1"),
        ({"repair_tries": 21}, "above the maximum of 20"),
        ({"repair_cooldown": "soon"}, "not a duration"),
        ({"repair_breaker": 3}, "mapping"),
        ({"repair_breaker": {"percent": 101}}, "more than 100 percent"),
        ({"repair_breaker": {"window": "8d"}}, "Write at most 7d"),
        ({"quarantine": 101}, "above the maximum of 100"),
    ],
)
def test_what_cannot_be_meant_is_told(settings: dict[str, Any], words: str) -> None:
    assert words in refusal(**settings)


@pytest.mark.parametrize(
    ("lines", "key", "words"),
    [
        (
            "repair: [{condition: NotReady, after: 10m, rung: reboot}, {condition: NotReady, after: 5m, rung: restart_service}]",
            "repair",
            "restart_service of NotReady (after 5m) never comes in time, because the row before it has after 10m.",
        ),
        (
            "repair: [{condition: NotReady, after: 5m, rung: replace}, {condition: NotReady, after: 10m, rung: reboot}]",
            "repair",
            "reboot of NotReady never comes, because a row before it replaces the worker.",
        ),
        (
            "repair: [{condition: RuntimeCrash, count: 3, rung: reboot}, {condition: RuntimeCrash, count: 3, rung: replace}]",
            "repair",
            "replace of RuntimeCrash (count 3) never comes in time, because the row before it has count 3.",
        ),
        (
            "repair: [{condition: NotReady, after: 5m, rung: reboot}]",
            "repair",
            "A silent worker that no restart brings back stays and costs",
        ),
        ("repair_cooldown: 0", "repair_cooldown", "the last rung is repeated without a pause"),
        ("repair_breaker: {workers: 0}", "repair_breaker", "because workers of repair_breaker is 0"),
        ("repair_breaker: {percent: 0}", "repair_breaker", "because percent of repair_breaker is 0"),
        ("{repair: off, quarantine: 1}", "quarantine", "repair is off"),
        ("quarantine: 10", "quarantine", "can fill the pool (max_workers 10)"),
    ],
)
def test_what_raises_a_doubt_names_line_key_and_remedy(lines: str, key: str, words: str) -> None:
    inner = (
        lines.strip("{}").replace("off, quarantine", "off\n    quarantine")
        if lines.startswith("{")
        else lines
    )
    text = f"pools:\n  std:\n    templates: [small]\n    max_workers: 10\n    {inner}\n"
    found = [each for each in lint(load_texts([("herder.yaml", text)])) if each.key == f"pools.std.{key}"]
    assert any(words in each.message for each in found), found
    assert all(each.place.line >= 5 and each.remedy for each in found)


def test_the_default_raises_no_doubt() -> None:
    text = "pools:\n  std:\n    templates: [small]\n    max_workers: 10\n    repair: default\n"
    assert [each for each in lint(load_texts([("herder.yaml", text)])) if "repair" in each.key] == []
