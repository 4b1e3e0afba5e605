"""Every numeric setting of pools, drivers, sweep, retention and callbacks is refused below its minimum and above its maximum, with line, key and remedy."""

import json

import pytest

from herder.model.fleet.pool import PoolSpec
from herder.model.ids import PoolName
from herder.model.values.resources import Resources
from herder.settings import (
    PRESETS,
    SettingsError,
    Severity,
    faults_of,
    local_defaults,
    pool_from_plain,
    pool_to_plain,
)
from herder.settings.lint import lint
from herder.settings.load import load_texts
from herder.settings.sections.alerts import ALERT_FIELDS
from herder.settings.sections.creations import DRIVER_FIELDS
from herder.settings.sections.fields import Field
from herder.settings.sections.jobs.callbacks import CALLBACK_FIELDS
from herder.settings.sections.pool.bounds import BOUNDS, INNER
from herder.settings.sections.pool.pool_fields import POOL_FIELDS
from herder.settings.sections.recommendations import RECOMMENDATION_FIELDS
from herder.settings.sections.upkeep import RETENTION_FIELDS, SWEEP_FIELDS
from herder.settings.syntax.problems import Problem

#: (setting, below its minimum, above its maximum)
POOL = [
    ("min_workers", "-1", "100001"),
    ("max_workers", "-1", "100001"),
    ("max_live_workers", "-1", "100001"),
    ("new_workers_per_cycle", "0", "10001"),
    ("scale_up_cooldown", "-1s", "8d"),
    ("scale_down_cooldown", "-1s", "8d"),
    ("idle_timeout", "-1s", "366d"),
    ("wait_cost", "-1", "1000001"),
    ("offer_backoff", "0s", "25h"),
    ("offer_backoff_max", "0s", "8d"),
    ("scale_down_period", "-1s", "31d"),
    ("scale_down_fraction", "0%", "101%"),
    ("target_utilisation", "0%", "101%"),
    ("ttl", "0s", "3651d"),
    ("ttl", "29s", "3651d"),
    ("ttl_max", "0s", "3651d"),
    ("ttl_soft", "0s", "3651d"),
    ("ttl_warning", "-1s", "31d"),
    ("ttl_grace", "-1s", "31d"),
    ("ttl_jitter", "-1%", "51%"),
    ("extension", "0s", "366d"),
    ("extensions_max", "-1", "1000000000000"),
    ("drain_grace", "-1s", "31d"),
    ("notice_margin", "-1s", "11m"),
    ("boot_timeout", "0.5s", "25h"),
    ("provision_alert", "-1s", "25h"),
    ("dead_after", "0.5s", "25h"),
    ("heartbeat", "0.5s", "11m"),
    ("repair_tries", "-1", "21"),
    ("repair_cooldown", "-1s", "8d"),
    ("quarantine", "-1", "101"),
    ("quarantine_age", "0s", "8d"),
    ("clock_skew", "0s", "2h"),
    ("minimum_run_time", "-1s", "31d"),
    ("headroom", "-1", "100001"),
    ("queue_threshold", "-1", "1000001"),
    ("pending_pods", "0", "1000001"),
    ("pending_pods_for", "-1s", "25h"),
    ("eviction_grace", "-1s", "25h"),
    ("evictions_at_once", "0", "101"),
]
#: (setting, key in it, text around the value, below, above)
ROWS = [
    (
        "schedules",
        "min_workers",
        "[{{cron: '0 8 * * *', min_workers: {0}, max_workers: 100001}}]",
        "-1",
        "100001",
    ),
    ("schedules", "max_workers", "[{{cron: '0 8 * * *', min_workers: 1, max_workers: {0}}}]", "-1", "100001"),
    ("schedules", "lead_time", "[{{cron: '0 8 * * *', min_workers: 1, lead_time: {0}}}]", "-1s", "8d"),
    ("schedules", "duration", "[{{cron: '0 8 * * *', min_workers: 1, duration: {0}}}]", "1ms", "367d"),
    ("headroom", "workers", "{{workers: {0}}}", "-1", "100001"),
    ("cpu_pressure", "for", "{{above: 80%, for: {0}}}", "-1s", "25h"),
    ("memory_pressure", "for", "{{above: 80%, for: {0}}}", "-1s", "25h"),
    ("metrics", "every", "[{{name: a, query: a, per_worker: 1, keep: 2d, every: {0}}}]", "0s", "25h"),
    ("metrics", "keep", "[{{name: a, query: a, per_worker: 1, keep: {0}}}]", "1s", "8d"),
    ("maintenance_windows", "duration", "[{{start: '02:00', duration: {0}}}]", "1ms", "32d"),
    ("disruption_budget", "workers", "[{{workers: {0}}}]", "-1", "100001"),
    ("disruption_budget", "workers", "[{{workers: {0}}}]", "-1%", "101%"),
    ("disruption_budget", "duration", "[{{workers: 1, start: '02:00', duration: {0}}}]", "1ms", "32d"),
    ("repair", "after", "[{{condition: NotReady, rung: replace, after: {0}}}]", "0s", "8d"),
    ("repair", "count", "[{{condition: RuntimeCrash, rung: replace, count: {0}}}]", "0", "1001"),
    ("repair_breaker", "workers", "{{workers: {0}}}", "-1", "10001"),
    ("repair_breaker", "percent", "{{percent: {0}}}", "-1", "101"),
    ("repair_breaker", "window", "{{window: {0}}}", "0s", "8d"),
    *(
        ("step_timeouts", step, f"{{{{{step}: {{0}}}}}}", "0s", "25h")
        for step in ("claim", "create", "start", "join")
    ),
]
DRIVER = [
    ("create_tries", "0", "21"),
    ("create_retry_pause", "-1s", "11m"),
    ("parallel_creates", "0", "1001"),
    ("pause_between_starts", "-1s", "11m"),
    ("call_timeout", "0s", "11m"),
]
SWEEP = [
    ("period", "0s", "11m"),
    ("delay", "0s", "25h"),
    ("missing_delay", "0s", "2h"),
    ("removals_max", "-1", "10001"),
    ("removals_percent", "-1", "101"),
]
RETENTION = [
    *(
        (key, "0s", "3651d")
        for key in ("jobs", "logs", "events", "plans", "workers", "tokens", "observations")
    ),
    *(
        (key, "999", "1000000001")
        for key in ("jobs_max", "events_max", "plans_max", "workers_max", "reports_max")
    ),
    ("observations_size", "-1Mi", "1025Ti"),
    ("store_size", "63Mi", "1025Ti"),
]
ALERTS = [
    ("cooldown", "0s", "8d"),
    ("escalate_after", "59s", "8d"),
    ("low_priority_below", "-1000001", "1000001"),
    ("non_critical_below", "-1000001", "1000001"),
    ("throttle_percent", "-1", "101"),
]
CALLBACKS = [("timeout", "0s", "61s"), ("give_up", "0s", "31d")]
RECOMMENDATIONS = [
    ("confidence", "-1%", "101%"),
    ("min_saving", "-1", "1e2"),
    ("approval_above", "-1", "1e2"),
    ("pilot_above", "-1", "1e2"),
    ("pilot_days", "0", "31"),
    ("quality_loss", "-1%", "101%"),
    ("realised", "-1%", "101%"),
]
#: Settings that are no numbers of their own.
WITHOUT = {
    "tell_resolved",
    "membership", "description", "driver", "schedules", "cpu_pressure", "memory_pressure", "metrics", "consolidation",
    "preempts_spot", "disruption_budget", "maintenance_windows", "replace_drifted", "on_blocked", "step_timeouts", "repair",
    "repair_breaker", "labels", "taints", "containers", "cpu_limit", "default_eligible", "frozen", "driver_options",
    "cluster", "bootstrap", "grows_after", "one_job_per_worker", "allow", "channels", "smtp", "routes", "carry_out", "chain", "thresholds", "off", "storage_capacity",
}  # fmt: skip


def errors(text: str) -> list[Problem]:
    try:
        settings = load_texts([("h.yaml", text)])
    except SettingsError as error:
        return list(error.problems)
    return [each for each in lint(settings) if each.severity is Severity.ERROR]


def expect(text: str, key: str, line: int) -> None:
    found = [each for each in errors(text) if each.key == key or each.key.startswith(f"{key}.")]
    assert found, f"nothing is said of {key}: {errors(text)}"
    for problem in found:
        assert (problem.place.file, problem.place.line) == ("h.yaml", line)
        assert problem.remedy.endswith(".")
        assert problem.message.endswith(".")
        assert problem.message != problem.remedy


def either(rows: list[tuple[str, ...]]) -> list[tuple[str, ...]]:
    return [(*row[:-2], value) for row in rows for value in row[-2:]]


@pytest.mark.parametrize(("key", "value"), either(POOL))  # type: ignore[arg-type]
def test_each_number_of_a_pool(key: str, value: str) -> None:
    beside = "offer_backoff: 0s" if key == "offer_backoff_max" else "frozen: false"
    text = f"pools:\n  std:\n    templates: [small]\n    {beside}\n    {key}: {value}\n"
    expect(text, f"pools.std.{key}", 5)


@pytest.mark.parametrize(("setting", "key", "around", "value"), either(ROWS))  # type: ignore[arg-type]
def test_each_number_inside_a_setting(setting: str, key: str, around: str, value: str) -> None:
    text = f"pools:\n  std:\n    templates: [small]\n    {setting}: {around.format(value)}\n"
    expect(text, f"pools.std.{setting}" + ("[0]" if around.startswith("[") else ""), 4)


@pytest.mark.parametrize(("key", "value"), either(DRIVER))  # type: ignore[arg-type]
def test_each_number_of_a_driver(key: str, value: str) -> None:
    expect(f"drivers:\n  local:\n    kind: local\n    {key}: {value}\n", f"drivers.local.{key}", 4)


@pytest.mark.parametrize(
    ("section", "key", "value"),
    either(
        [
            *(("sweep", *row) for row in SWEEP),
            *(("retention", *row) for row in RETENTION),
            *(("callbacks", *row) for row in CALLBACKS),
            *(("alerts", *row) for row in ALERTS),
            *(("recommendations", *row) for row in RECOMMENDATIONS),
        ]
    ),  # type: ignore[arg-type]
)
def test_each_number_of_the_upkeep(section: str, key: str, value: str) -> None:
    expect(f"{section}:\n  {key}: {value}\n", f"{section}.{key}", 2)


@pytest.mark.parametrize(
    ("fields", "rows"),
    [
        (POOL_FIELDS, POOL),
        (DRIVER_FIELDS, DRIVER),
        (SWEEP_FIELDS, SWEEP),
        (RETENTION_FIELDS, RETENTION),
        (CALLBACK_FIELDS, CALLBACKS),
        (ALERT_FIELDS, ALERTS),
        (RECOMMENDATION_FIELDS, RECOMMENDATIONS),
    ],
)
def test_no_setting_is_missing_from_these_tables(
    fields: tuple[Field, ...], rows: list[tuple[str, ...]]
) -> None:
    assert {each.key for each in fields} - WITHOUT == {row[0] for row in rows}
    assert set(BOUNDS) <= {row[0] for row in POOL}
    assert set(INNER) <= {(row[0], row[1]) for row in ROWS}


def test_the_defaults_and_the_bounds_themselves_are_within_them() -> None:
    spec = PoolSpec(name=PoolName("std"))
    assert not list(faults_of(spec))
    plain = pool_to_plain(spec)
    for key, (_, bound) in BOUNDS.items():
        for value in (bound.low, bound.high):
            written = bound.text(value) if bound.seconds else int(value)
            pool = pool_from_plain_or_none({**plain, key: written})
            assert pool is None or key not in {each[0] for each in faults_of(pool)}


def pool_from_plain_or_none(plain: dict[str, object]) -> PoolSpec | None:
    """None where the value contradicts another one."""
    try:
        return pool_from_plain(json.loads(json.dumps(plain)))
    except SettingsError:
        return None


@pytest.mark.parametrize(
    ("setting", "words"),
    [
        ("ttl: 0s, min_workers: 1", "ttl 0s is below the minimum of 30s, so workers would be created and removed without end. Write 30s or more"),
        ("maintenance_windows: [{start: '02:00', duration: 1ms}]", "duration 0.001s is below the minimum of 1m. Write a value from 1m to 31d."),
        ("extensions_max: 1000000000000", "extensions_max 1,000,000,000,000 is above the maximum of 1,000. Write a value from 0 to 1,000."),
        ("repair_tries: -1", "-1 is negative. Write 1 or more."),
        ("labels: {'': x}", "The key '' of a label is empty. Use 1 to 63 letters"),
        ("labels: {a b: x}", "The key 'a b' of a label is not valid."),
        ("labels: {/a: x}", "The key '/a' of a label does not begin with a DNS name."),
        ("labels: {Example.com/a: x}", "does not begin with a DNS name"),
        (f"labels: {{{'k' * 64}: x}}", "has 64 characters"),
        (f"labels: {{{'k' * 253}k/a: x}}", "does not begin with a DNS name"),
        (f"labels: {{a: {'v' * 64}}}", "of label 'a' has 64 characters. Use up to 63 letters"),
        ("labels: {a: -b}", "The value '-b' of label 'a' is not valid."),
        ("taints: [{key: '', value: x}]", "The key '' of a taint is empty."),
        ("taints: [{key: a, value: 'b c'}]", "The value 'b c' of taint 'a' is not valid."),
        ("templates: [{name: small, labels: {'-a': x}}]", "The key '-a' of a label of template small is not valid."),
    ],
)  # fmt: skip
def test_what_is_said(setting: str, words: str) -> None:
    templates = "" if setting.startswith("templates") else "templates: [small], "
    (found,) = errors(f"pools: {{std: {{{templates}{setting}}}}}")
    assert words in f"{found.message} {found.remedy}"


@pytest.mark.parametrize(
    "labels",
    ["{gpu.nvidia.com/class: tesla-t4}", "{a: ''}", f"{{{'k' * 63}: {'v' * 63}}}", "{a_b.c-D: 1_2}"],
)
def test_labels_that_kubernetes_takes(labels: str) -> None:
    assert errors(f"pools: {{std: {{templates: [small], labels: {labels}}}}}") == []


def test_a_stored_pool_may_be_outside_its_bounds() -> None:
    """A server must start over it."""
    plain = {"name": "std", "templates": ["small"], "min_workers": 2, "ttl": "0s", "labels": {"": "x"}}
    spec = pool_from_plain({**plain, "maintenance_windows": [{"cron": "0 2 * * *", "duration": "1ms"}]})
    assert pool_from_plain(json.loads(json.dumps(pool_to_plain(spec)))) == spec
    assert [key for key, _, _ in faults_of(spec)] == ["ttl", "maintenance_windows[0].duration", "labels"]


def test_presets_and_the_default_pools_are_within_their_bounds() -> None:
    pools = [pool_from_plain({"name": "std", "preset": preset}) for preset in PRESETS]
    for pool in (*pools, *local_defaults(Resources(8000, 16_384, 100_000))):
        assert list(faults_of(pool)) == []
