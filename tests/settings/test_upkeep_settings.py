"""Maintenance windows, disruption budgets and times to live in files: what is read, what is refused, and what lint finds."""

import pytest

from herder.model.fleet.pool import PoolSpec
from herder.model.fleet.upkeep import Disruption, DisruptionBudget, TimeWindow
from herder.settings import SettingsError, Severity, pool_from_plain
from herder.settings.lint import lint
from herder.settings.load import load_texts
from herder.settings.openings import openings, openings_shown

TEXT = """
pools:
  std:
    templates: [small]
    max_workers: 6
    ttl: 30d
    ttl_soft: 7d
    ttl_warning: 10m
    ttl_grace: 2m
    ttl_jitter: 10%
    replace_drifted: true
    maintenance_windows:
      - {cron: "0 2 * * 6", timezone: Europe/Berlin, duration: 4h}
      - {start: 22:30, duration: 90m}
    disruption_budget:
      - {workers: 10%}
      - {workers: 3, reasons: [drifted, soft_ttl]}
      - {workers: 0, cron: "0 8 * * 1-5", timezone: Europe/Berlin, duration: 10h}
"""
HOUR_S = 3600.0


def pool(**plain: object) -> PoolSpec:
    return pool_from_plain({"name": "std", "templates": ["small"], **plain})


def test_all_of_it_from_a_file() -> None:
    (spec,) = load_texts([("herder.yaml", TEXT)]).pools
    life = spec.lifetime
    assert (life.ttl_soft_s, life.ttl_warning_s, life.ttl_grace_s, life.ttl_jitter) == (
        604800.0,
        600.0,
        120.0,
        0.1,
    )
    assert spec.upkeep.maintenance_windows == (
        TimeWindow(cron="0 2 * * 6", timezone="Europe/Berlin", duration_s=4 * HOUR_S),
        TimeWindow(cron="30 22 * * *", timezone="UTC", duration_s=1.5 * HOUR_S),
    )
    assert spec.scale_down.disruption_budget == (
        DisruptionBudget(percent=10),
        DisruptionBudget(workers=3, reasons=(Disruption.DRIFTED, Disruption.SOFT_TTL)),
        DisruptionBudget(
            workers=0,
            window=TimeWindow(cron="0 8 * * 1-5", timezone="Europe/Berlin", duration_s=10 * HOUR_S),
        ),
    )


def test_what_a_pool_has_without_saying_so() -> None:
    spec = pool()
    assert spec.scale_down.disruption_budget == 1
    assert (spec.upkeep.replace_drifted, spec.upkeep.maintenance_windows) == (True, ())
    assert (spec.lifetime.ttl_warning_s, spec.lifetime.ttl_grace_s, spec.lifetime.ttl_jitter) == (
        300.0,
        300.0,
        0.05,
    )


def test_short_forms_of_a_budget() -> None:
    assert pool(disruption_budget=4).scale_down.disruption_budget == 4
    assert pool(disruption_budget="10%").scale_down.disruption_budget == (DisruptionBudget(percent=10),)


@pytest.mark.parametrize(
    ("setting", "place", "words"),
    [
        ("ttl_jitter: 60%", "6:17", "'60%' is not a part from 0 % to 50%. Write for example 5%."),
        ("ttl_jitter: -0.1", "6:17", "is not a part from 0 % to 50%"),
        ("maintenance_windows: [{cron: '0 2 * * 6'}]", "6:27", "The window has no duration, so it would never end. Write for example `duration: 4h`."),
        ("maintenance_windows: [{cron: '0 2 * * 6', duration: 0s}]", "6:57", "must be longer than 0 s"),
        ("maintenance_windows: [{cron: '0 2 30 2 *', duration: 1h}]", "6:34", "is not a cron expression (Bad day-of-month)"),
        ("maintenance_windows: [{duration: 1h}]", "6:27", "The window has no cron."),
        ("maintenance_windows: [{cron: '0 2 * * 6', start: 02:00, duration: 1h}]", "6:27", "The window has cron and start."),
        ("maintenance_windows: [{start: 25:00, duration: 1h}]", "6:35", "'25:00' is not a time of the day."),
        ("maintenance_windows: [{start: 02:00, duration: 1h, timezone: Mars/Base}]", "6:66", "is not a time zone"),
        ("maintenance_windows: [{strat: 02:00, duration: 1h}]", "6:28", "There is no such setting. Did you mean 'start'?"),
        ("maintenance_windows: nightly", "6:26", "Expected a list"),
        ("disruption_budget: []", "6:24", "The list of budgets is empty."),
        ("disruption_budget: 120%", "6:24", "'120%' is not a percentage. Write a whole number of percent"),
        ("disruption_budget: -1", "6:24", "-1 is negative"),
        ("disruption_budget: [{reasons: [drifted]}]", "6:25", "The budget has no workers."),
        ("disruption_budget: [{workers: 1, reasons: [drfted]}]", "6:48", "'drfted' is not a possible value. Did you mean 'drifted'?"),
        ("disruption_budget: [{workers: 0, cron: '0 8 * * *'}]", "6:25", "The window has no duration"),
        ("ttl_warning: 5", "6:18", "'5' has no unit"),
    ],
)  # fmt: skip
def test_what_is_wrong_is_refused_with_line_key_and_remedy(setting: str, place: str, words: str) -> None:
    text = f"pools:\n  std:\n    templates: [small]\n    max_workers: 3\n    min_workers: 1\n    {setting}\n"
    with pytest.raises(SettingsError) as refused:
        load_texts([("h.yaml", text)])
    said = str(refused.value)
    key = setting.partition(":")[0]
    assert f"h.yaml:{place}: pools.std.{key}" in said
    assert words in said


def test_more_windows_than_a_cycle_can_look_at_are_refused() -> None:
    with pytest.raises(SettingsError, match="has 51 maintenance windows; the maximum is 50"):
        pool(maintenance_windows=[{"cron": "0 2 * * 6", "duration": "1h"}] * 51)


@pytest.mark.parametrize(
    ("settings", "key", "words"),
    [
        ("disruption_budget: 0", "disruption_budget", "no worker is ever replaced that differs"),
        ("disruption_budget: 0%", "disruption_budget", "no worker is ever replaced that differs"),
        ("disruption_budget: 0, replace_drifted: false, consolidation: break_even", "disruption_budget", "no worker is ever consolidated"),
        ("disruption_budget: 0, replace_drifted: false, ttl_soft: 7d", "disruption_budget", "because of ttl_soft"),
        ("ttl: 4h, disruption_budget: [{workers: 0, reasons: [expired]}]", "disruption_budget", "busy workers are never removed"),
        ("ttl: 4m", "ttl_warning", "ttl 4m is not longer than ttl_warning 5m"),
        ("ttl: 4h, ttl_soft: 4h", "ttl_soft", "ttl_soft 4h never takes effect, because workers end after 4h (ttl)"),
        ("ttl_soft: 5m", "ttl_soft", "shorter than a boot may take"),
        ("replace_drifted: false, maintenance_windows: [{start: 02:00, duration: 1h}]", "maintenance_windows", "have no effect"),
        ("maintenance_windows: [{start: 02:00, duration: 24h}]", "maintenance_windows", "never closes"),
        ("maintenance_windows: [{start: 02:00, duration: 5m}]", "maintenance_windows", "is open for 5m, less than a boot may take (boot_timeout 750s)"),
        ("min_workers: 1, ttl: 10m", "ttl", "so the 1 worker of min_workers can be replaced without end"),
        ("schedules: [{cron: '0 8 * * *', min_workers: 2}], ttl: 10m", "ttl", "so the 2 workers of min_workers can be replaced without end"),
        ("min_workers: 1, boot_timeout: 1m, ttl: 8m", "ttl", "shorter than ttl_warning and ttl_grace together (10m)"),
        ("disruption_budget: [{workers: 0, start: 00:00, duration: 24h}]", "disruption_budget", "no worker is ever replaced that differs"),
        ("disruption_budget: [{workers: 0, start: 00:00, duration: 12h}, {workers: 0, start: 12:00, duration: 12h}]", "disruption_budget", "no worker is ever replaced that differs"),
        (
            "disruption_budget: [{workers: 0, cron: '0 8 * * 1-5', duration: 10h}], maintenance_windows: [{cron: '0 9 * * 1,3', duration: 2h}]",
            "disruption_budget", "disruption_budget is 0 whenever a maintenance window is open, so no worker is ever replaced that differs",
        ),
    ],
)  # fmt: skip
def test_lint_finds_what_never_works(settings: str, key: str, words: str) -> None:
    found = load_texts(
        [("h.yaml", f"pools: {{std: {{templates: [small], max_workers: 3, idle_timeout: 1m, {settings}}}}}")]
    )
    mine = [each for each in lint(found) if each.key == f"pools.std.{key}" and words in each.message]
    assert [each.severity for each in mine] == [Severity.WARNING]
    assert mine[0].place.line == 1
    assert mine[0].remedy


@pytest.mark.parametrize(
    "settings",
    [
        "disruption_budget: [{workers: 0, cron: '0 8 * * 1-5', duration: 10h}, {workers: 2}]",
        "disruption_budget: 0, replace_drifted: false",
        "min_workers: 1, ttl: 4h",
        "disruption_budget: [{workers: 0, cron: '0 8 * * 1-5', duration: 10h}], maintenance_windows: [{cron: '0 9 * * 1,6', duration: 2h}]",
        "disruption_budget: [{workers: 0, start: 00:00, duration: 12h}, {workers: 0, start: 12:00, duration: 11h}]",
        "disruption_budget: [{workers: 0, cron: '* * * * *', duration: 1m}, {workers: 1}], replace_drifted: false",
        "maintenance_windows: [{cron: '0 2 * * 1-5', duration: 24h}]",
        "ttl: 4h, disruption_budget: [{workers: 1, reasons: [expired]}]",
    ],
)
def test_lint_has_nothing_against_what_works(settings: str) -> None:
    found = load_texts(
        [("h.yaml", f"pools: {{std: {{templates: [small], max_workers: 3, idle_timeout: 1m, {settings}}}}}")]
    )
    keys = ("disruption_budget", "maintenance_windows", "ttl_soft", "ttl_warning")
    assert [each for each in lint(found) if each.key.rpartition(".")[2] in keys] == []
    of_ttl = [each for each in lint(found) if each.key.endswith(".ttl")]
    assert [each for each in of_ttl if each.severity is not Severity.NOTE] == []


@pytest.mark.parametrize(
    ("least", "words"),
    [
        (1, "The 1 worker of min_workers is replaced every 4h"),
        (2, "The 2 workers of min_workers are replaced"),
    ],
)
def test_lint_notes_that_permanent_workers_have_a_ttl(least: int, words: str) -> None:
    pools = f"pools: {{std: {{templates: [small], max_workers: 3, min_workers: {least}, ttl: 4h}}}}"
    (note,) = [each for each in lint(load_texts([("h.yaml", pools)])) if each.key == "pools.std.ttl"]
    assert words in note.message


SATURDAY_2_BERLIN_MS = 1_711_760_400_000  # 2024-03-30 02:00 in Berlin, the night before clocks change


def test_of_each_window_the_open_one_and_the_next_are_shown() -> None:
    spec = pool(maintenance_windows=[{"cron": "0 2 * * 6", "timezone": "Europe/Berlin", "duration": "4h"}])
    now = SATURDAY_2_BERLIN_MS + 3_600_000
    this, following = openings(spec, now)
    assert (this.start_ms, this.end_ms) == (SATURDAY_2_BERLIN_MS, SATURDAY_2_BERLIN_MS + 4 * 3_600_000)
    assert following.start_ms == SATURDAY_2_BERLIN_MS + (7 * 24 - 1) * 3_600_000  # an hour is lost on Sunday
    (later,) = openings(spec, this.end_ms)
    assert later == following
    assert openings_shown([pool(), spec], now) == (("std", (this, following)),)
