"""The worker-pools.json of Cortex becomes a herder.yaml that says the same; nothing of it is dropped silently, and bad input is told by its path."""

import copy
import json
import re
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from herder.app import whole_app
from herder.cli.shell.main import run
from herder.model.fleet.drain import OnBlocked
from herder.model.fleet.offer import offers_of
from herder.model.values.money import parse_usd
from herder.settings import SettingsError
from herder.settings.cortex.importing import Imported, Kind, imported, written
from herder.settings.lint import lint
from herder.settings.load import Settings, load_texts
from herder.settings.sections.pool.presets import PRESETS, TEMPLATES
from tests.words.rules import faults

LIMITS = {"create_tries": 3, "create_retry_pause_s": 60, "parallel_creates": 5, "pause_between_starts_s": 30}
FILE = Path(__file__).with_name("worker-pools.json")
SAMPLE: dict[str, Any] = json.loads(FILE.read_text())


def read(plain: Any) -> Imported:
    return imported(json.dumps(plain), "w.json")


def settings_of(found: Imported) -> Settings:
    return load_texts([("herder.yaml", written(found, "w.json"))])


def changed(path: str, value: Any) -> dict[str, Any]:
    plain = copy.deepcopy(SAMPLE)
    *outer, last = path.split("/")
    at = plain
    for key in outer:
        at = at[key]
    at[last] = value
    return plain


def test_pools_templates_and_limits_are_those_of_the_file() -> None:
    made = settings_of(read(SAMPLE))
    pools = {pool.name: pool for pool in made.pools}
    assert [*pools] == ["permanent", "burst", "spot", "gpu"]
    for name, pool in pools.items():
        preset = PRESETS[name]
        assert (pool.size.min_workers, pool.size.max_workers) == (
            preset["min_workers"],
            preset["max_workers"],
        )
        assert dict(pool.labels) == preset["labels"]
        assert [each.key for each in pool.taints] == [each["key"] for each in preset.get("taints", ())]
        assert (pool.driver, pool.membership.name, pool.cluster) == ("proxmox", "kubernetes", "prod-k8s")
        assert (pool.lifetime.on_blocked, pool.lifetime.evictions_at_once) == (OnBlocked.WAIT, 5)
        assert (pool.repair.tries, pool.repair.cooldown_s, len(pool.repair.rules)) == (3, 900, 8)
        assert pool.lifetime.step_timeouts.total_s == 750
    for name, template in TEMPLATES.items():
        (same,) = (each for each in made.templates if each.name == name)
        assert same.allocatable == template.allocatable
        assert same.price_pico_per_hour == template.price_pico_per_hour
        assert same.slots == template.slots
    (driver,) = made.drivers
    assert dict(driver.limits) == LIMITS


def test_triggers_and_times_to_live_are_those_of_the_file() -> None:
    pools = {pool.name: pool for pool in settings_of(read(SAMPLE)).pools}
    burst, permanent, spot = (pools[name] for name in ("burst", "permanent", "spot"))
    up, life = burst.scale_up, burst.lifetime
    assert (up.pending_pods, up.pending_pods_for_s, up.grows_after) == (5, 120, ("permanent",))
    assert up.memory_pressure is not None
    assert (up.memory_pressure.above, up.memory_pressure.for_s) == (0.85, 300)
    assert (life.ttl_s, life.ttl_max_s, life.ttl_grace_s) == (14400, 43200, 300)
    assert (life.extension_s, life.extensions_max, burst.scale_down.idle_timeout_s) == (7200, 3, 1800)
    assert [each.name for each in burst.templates] == ["medium", "small", "large"]
    assert permanent.scale_up.cpu_pressure is not None
    assert permanent.scale_up.cpu_pressure.target == 0.7
    assert (permanent.scale_up.cooldown_s, permanent.scale_down.cooldown_s) == (300, 600)
    assert permanent.scale_up.preempts_spot
    assert permanent.lifetime.ttl_s is None
    (offer,) = offers_of(spot.templates[0])
    assert (offer.spot, offer.price_pico_per_hour) == (True, parse_usd("0.07"))
    assert (spot.lifetime.drain_grace_s, burst.lifetime.drain_grace_s) == (300, 600)
    assert pools["gpu"].scale_up.pending_pods is None


def test_the_contradictions_of_the_documents_are_told() -> None:
    told = {each.path.rpartition(".")[2] for each in read(SAMPLE).findings if each.kind is Kind.CONTRADICTION}
    assert told == {
        "monthly_budget", "cost_per_worker_hour", "cost_per_hour", "timeout_seconds", "threshold_seconds",
        "force_shutdown_after_seconds", "force_drain_after_timeout", "pid_pressure", "containerd_running",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("path", "value", "word"),
    [
        ("cost_tracking/cost_allocation/permanent_pool/monthly_budget", 600, "$525.60 a month"),
        ("cost_tracking/cost_allocation/spot_pool/cost_per_worker_hour", 0.072, "less 70 %"),
        ("worker_templates/medium/cost_per_hour", 0.48, "Template medium costs"),
        ("lifecycle_configurations/provisioning/timeout_seconds", 750, "The steps may take"),
        ("lifecycle_configurations/joining/timeout_seconds", 360, "The checks may take"),
        ("lifecycle_configurations/termination/timeout_seconds", 600, "and its drain alone"),
        ("lifecycle_configurations/draining/force_drain_after_timeout", True, "PodDisruptionBudget can keep"),
        ("lifecycle_configurations/health_monitoring/health_checks", [], "PIDPressure is watched"),
    ],
)
def test_a_contradiction_that_is_mended_is_not_told(path: str, value: Any, word: str) -> None:
    assert any(word in each.text for each in read(SAMPLE).findings)
    assert not any(word in each.text for each in read(changed(path, value)).findings)


def test_budgets_of_pools_are_those_of_the_file_and_lint_tells_of_the_one_that_is_too_small() -> None:
    made = settings_of(read(SAMPLE))
    assert {each.name: each.limit for each in made.budgets} == {
        "permanent": parse_usd("500"), "burst": parse_usd("200"), "spot": parse_usd("100"), "gpu": parse_usd("1000"),
    }  # fmt: skip
    assert {(each.scope, each.period.text, each.unit) for each in made.budgets} == {("pool", "month", "usd")}
    told = {each.key: each for each in lint(made) if each.key.startswith("budgets")}
    assert [*told] == ["budgets.permanent.limit"]
    assert (
        "costs $525.60 in 730 hours, more than its budget of $500.00"
        in told["budgets.permanent.limit"].message
    )
    assert told["budgets.permanent.limit"].place.line > 0
    assert made.alerts.thresholds == {}
    other = settings_of(read(changed("cost_tracking/alerts/budget_threshold_percent", 70)))
    assert other.alerts.thresholds == {"pool-budget": {"warning": 70}}


@pytest.mark.parametrize(("key", "value"), [("enabled", False), ("currency", "EUR")])
def test_no_budgets_where_costs_are_not_tracked_in_dollars(key: str, value: Any) -> None:
    found = read(changed(f"cost_tracking/{key}", value))
    assert "budgets" not in found.plain
    (told,) = (
        each
        for each in found.findings
        if each.path.endswith("monthly_budget") and each.kind is Kind.NOT_TAKEN
    )
    assert told.text == "Budgets are in US dollars, and cost_tracking is off or in another currency."


def test_extensions_beyond_the_longest_life_are_told() -> None:
    plain = changed("worker_pool_definitions/burst/ttl_config/default_ttl_hours", 8)
    (found,) = (each for each in read(plain).findings if each.path.endswith("max_ttl_hours"))
    assert (
        found.text
        == "3 extensions of 2 h after 8 h end after 14 h, later than the maximum of 12 h, which holds."
    )


#: Of objects whose keys are names, so that there is none that is not known.
NAMES = ("node_labels", "worker_templates", "worker_pool_definitions", "repair_strategies")


def paths(value: Any, before: tuple[str, ...] = ()) -> list[tuple[str, ...]]:
    if not isinstance(value, dict):
        return []
    return [before, *(path for key, each in value.items() for path in paths(each, (*before, key)))]


def test_a_setting_that_is_not_known_is_told_wherever_it_is() -> None:
    for path in paths(SAMPLE):
        if path and path[-1] in NAMES:
            continue
        plain = changed("/".join((*path, "surprise")), {"a": 1})
        told = [_pattern(each.path) for each in read(plain).findings if each.kind is not Kind.CONTRADICTION]
        whole = (*path, "surprise")
        around = [".".join(whole[:end]) for end in range(1, len(whole) + 1)]
        assert any(pattern.fullmatch(each) for pattern in told for each in around), path


def _pattern(path: str) -> re.Pattern[str]:
    """`{a,b}` is one of them, and `*` any."""
    text = re.escape(path).replace(r"\*", "[^.]+")
    return re.compile(re.sub(r"\\{(.*?)\\}", lambda found: f"({found[1].replace(',', '|')})", text))


@pytest.mark.parametrize(
    ("path", "value", "told"),
    [
        ("worker_pool_definitions/burst/max_size", "many", "worker_pool_definitions.burst.max_size: Expected a number"),
        ("worker_pool_definitions/burst/max_size", -1, "Expected a number from 0"),
        ("worker_pool_definitions/burst/max_size", 1.5, "Expected a whole number"),
        ("worker_pool_definitions/burst/enabled", "yes", "Expected true or false"),
        ("worker_pool_definitions/burst/taints", {}, "worker_pool_definitions.burst.taints: Expected a list"),
        ("worker_pool_definitions/burst", [], "worker_pool_definitions.burst: Expected an object"),
        ("worker_pool_definitions/burst/default_template", "huge", "pools.burst.templates[0]: There is no template"),
        ("worker_pool_definitions/burst/min_size", 30, "min_workers 30 is above max_workers 20"),
        ("lifecycle_configurations/provisioning/workflow", [{"action": "x"}], "There is no step 'x'"),
        ("worker_templates/small/cost_per_hour", True, "worker_templates.small.cost_per_hour: Expected a number"),
    ],
)  # fmt: skip
def test_bad_values_are_told_with_their_path(path: str, value: Any, told: str) -> None:
    with pytest.raises(SettingsError) as error:
        read(changed(path, value))
    assert told in str(error.value)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("{", "w.json:1:2: This is not valid JSON"),
        ("[]", "The file has no worker pools"),
        ('{"cost_tracking": {}}', "cost-tracking.json or mcp-scaling.json of Cortex."),
        ('{"worker_pool_definitions": 3}', "The file has no worker pools"),
    ],
)
def test_another_file_is_refused(text: str, told: str) -> None:
    with pytest.raises(SettingsError) as error:
        imported(text, "w.json")
    assert told in str(error.value)


@settings(max_examples=40)
@given(st.data())
def test_no_value_anywhere_breaks_the_import(data: st.DataObject) -> None:
    path = data.draw(st.sampled_from([path for path in paths(SAMPLE) if path]))
    odd = st.one_of(
        st.none(), st.booleans(), st.integers(-5, 10**12), st.text(max_size=5), st.just([{"a": 1}])
    )
    plain = changed("/".join(path), data.draw(odd))
    found = None
    with suppress(SettingsError):
        found = read(plain)
    if found is not None:
        settings_of(found)


def test_every_finding_is_a_sentence() -> None:
    assert [each for found in read(SAMPLE).findings for each in faults(found.text)] == []


def test_the_command_writes_a_file_once_and_says_the_rest_beside_it(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    target = tmp_path / "herder.yaml"
    words = ["config", "import-cortex", str(FILE), "--write", str(target)]
    assert run(whole_app(), words) == 0
    captured = capfd.readouterr()
    assert captured.out == ""
    assert "$525.60" in captured.err
    text = target.read_text()
    assert "# contradiction: cost_tracking.cost_allocation.permanent_pool.monthly_budget: " in text
    assert run(whole_app(), words) == 2
    assert "exists; it was not changed" in capfd.readouterr().err
    assert target.read_text() == text
    assert run(whole_app(), ["config", "import-cortex", str(tmp_path / "no.json")]) == 2
    assert "cannot be read" in capfd.readouterr().err
