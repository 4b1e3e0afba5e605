"""herder.yaml from files and folders: what is read, and what is said about faults."""

from pathlib import Path

import pytest

from herder.app import whole_app
from herder.cli.shell.main import run
from herder.drivers.registry import settings_faults
from herder.model.fleet.pool import Taint, TaintEffect
from herder.model.values.money import parse_usd
from herder.model.values.resources import Resources
from herder.settings import SettingsError, Severity, as_written, expanded, load_texts, pool_from_plain
from herder.settings.json_schema import json_schema
from herder.settings.lint import lint
from herder.settings.load import TOP_KEYS, load
from herder.settings.sections.pool.pool_fields import POOL_KEYS
from herder.settings.sections.pool.template_fields import TEMPLATE_KEYS


def _faults(text: str) -> list[str]:
    with pytest.raises(SettingsError) as caught:
        load_texts([("h.yaml", text)])
    return [str(problem) for problem in caught.value.problems]


def _doubts(text: str, machine: Resources | None = None) -> dict[str, Severity]:
    return {doubt.key: doubt.severity for doubt in lint(load_texts([("h.yaml", text)]), machine)}


def test_a_drivers_own_setting_in_the_wrong_place_is_told_the_right_one() -> None:
    (fault,) = _faults("drivers: {local: {run_as: jobs}}")
    assert "are written under `settings`: `settings: {run_as: …}`" in fault


def test_every_section_is_read() -> None:
    settings = load_texts(
        [
            (
                "h.yaml",
                """
drivers:
  local: {machine: {cpu: 4, memory: 8Gi}}
templates:
  tiny: {cpu: 500m, memory: 512Mi, price_per_hour: 0.10}
pools:
  mine:
    templates: [tiny, {name: medium, price_per_hour: "0.30"}]
    max_workers: 3
    ttl: 4h
    ttl_max: 43200s
    idle_timeout: null
    labels: {team: blue, answer: 42, on: yes}
    taints: [{key: a, value: b, schedule_type: NoExecute}]
users: {alice: {role: operator, weight: 2}}
server: {listen: "0.0.0.0:9000", data_dir: /var/lib/herder}
""",
            )
        ]
    )
    (pool,) = settings.pools
    assert pool.templates[0].allocatable == Resources(500, 512)
    assert pool.templates[0].price_pico_per_hour == parse_usd("0.1")
    assert pool.templates[1].allocatable == Resources(7800, 15360, 190 * 1024), (
        "the rest comes from the built-in one"
    )
    assert pool.templates[1].price_pico_per_hour == parse_usd("0.3")
    assert (pool.lifetime.ttl_s, pool.lifetime.ttl_max_s, pool.scale_down.idle_timeout_s) == (
        14400,
        43200,
        None,
    )
    assert pool.labels == (("team", "blue"), ("answer", "42"), ("on", "yes"))
    assert pool.taints == (Taint(key="a", value="b", effect=TaintEffect.NO_EXECUTE),)
    assert settings.users[0].weight == 2
    assert (settings.server.host, settings.server.port) == ("0.0.0.0", 9000)
    assert settings.drivers[0].machine == Resources(4000, 8192)


def test_all_faults_come_at_once_with_line_column_key_and_remedy() -> None:
    faults = _faults("""pols: {}
pools:
  burst:
    preset: brust
    templates: [smal]
    min_workers: 5
    max_workers: 2
    ttl: 30 minutes
    idle_timout: 3m
    frozen: yes
""")
    assert (
        faults
        == [
            "h.yaml:1:1: pols: There is no such setting. Did you mean 'pools'?",
            "h.yaml:4:13: pools.burst.preset: There is no preset 'brust'. Did you mean 'burst'?",
            "h.yaml:5:17: pools.burst.templates[0]: There is no template 'smal'. Did you mean 'small'?",
            "h.yaml:6:18: pools.burst.min_workers: min_workers 5 is above max_workers 2. "
            "Lower min_workers or raise max_workers to at least 5.",
            "h.yaml:8:10: pools.burst.ttl: '30 minutes' is not a duration. Write a duration such as 300s, 30m, 4h or 1h30m.",
            "h.yaml:9:5: pools.burst.idle_timout: There is no such setting. "
            "Did you mean 'idle_timeout' or 'step_timeouts'?",
            "h.yaml:10:13: pools.burst.frozen: 'yes' is neither true nor false. Write true or false.",
        ]
        or sorted(faults) == faults
    )


@pytest.mark.parametrize(
    ("text", "start", "word"),
    [
        ("pools:\n\tx: 1", "h.yaml:2:1", "not valid YAML"),
        ("pools: {a: [1", "h.yaml:", "not valid YAML"),
        ("pools:\n  a: {max_workers: 1, max_workers: 2}", "h.yaml:2:23", "twice"),
        ("pools: [{max_workers: 1}]", "h.yaml:1:9", "no name"),
        ("pools: {Big_One: {preset: burst}}", "h.yaml:1:9", "is not a valid name."),
        ("pools: {auto: {preset: burst}}", "h.yaml:1:9", "is not allowed as the name of a pool."),
        ("pools: {a: {preset: burst, max_workers: -1}}", "h.yaml:1:41", "negative"),
        ("pools: {a: {preset: burst, max_workers: 1.5}}", "h.yaml:1:41", "not a whole number"),
        ("pools: {a: {preset: burst, ttl: 20h}}", "h.yaml:1:33", "above ttl_max"),
        ("pools: {a: {preset: burst, templates: small}}", "h.yaml:1:39", "Expected a list"),
        ("templates: {t: {cpu: 1, memory: 1Gi}}", "h.yaml:1:16", "no price"),
        ("templates: {t: {memory: 1Gi, price_per_hour: 0}}", "h.yaml:1:16", "no cpu"),
        ("templates: {t: {cpu: x, memory: 1Zi, price_per_hour: cheap}}", "h.yaml:1:22", "amount of CPU"),
        ("users: {alice: {role: operater}}", "h.yaml:1:23", "'operator'"),
        ("server: {listen: somewhere}", "h.yaml:1:18", "host:port"),
        ("just text", "h.yaml:1:1", "Expected a mapping"),
        ("a: &a [*a, *a]", "h.yaml:1:4", "levels of nesting"),
        ("pools: &a {b: *a}", "h.yaml:", "levels of nesting"),
        ("[" * 400 + "]" * 400, "h.yaml", "nest"),
    ],
)
def test_single_faults(text: str, start: str, word: str) -> None:
    faults = _faults(text)
    assert faults[0].startswith(start), faults
    assert any(word in fault for fault in faults), faults


def test_a_key_or_token_that_is_no_settings_file_is_not_quoted() -> None:
    secret = "gK3x" * 11
    (fault,) = _faults(secret)
    assert "gK3x" not in fault
    assert "Expected a mapping, not a text of 44 characters." in fault


def test_merge_keys_and_several_documents_work() -> None:
    text = "pools: {a: &base {preset: burst, max_workers: 7}}\n---\npools: {c: {preset: gpu}}\n"
    settings = load_texts([("h.yaml", text), ("i.yaml", "pools: {b: {<<: {preset: spot}, max_workers: 2}}")])
    assert [(pool.name, pool.size.max_workers) for pool in settings.pools] == [("a", 7), ("c", 5), ("b", 2)]


def test_folders_are_read_by_name_and_a_double_name_is_refused(tmp_path: Path) -> None:
    (tmp_path / "b.yaml").write_text("pools: {two: {preset: burst}}")
    (tmp_path / "a.yml").write_text("pools: {one: {preset: burst}}")
    (tmp_path / "notes.txt").write_text("pools: {three: {}}")
    assert [pool.name for pool in load([tmp_path]).pools] == ["one", "two"]
    (tmp_path / "c.yaml").write_text("\n\npools: {one: {preset: burst}}")
    with pytest.raises(SettingsError, match=rf"c.yaml:3:9: .*defined twice, first in {tmp_path}/a.yml:1:9"):
        load([tmp_path])


def test_files_that_cannot_be_read_are_named(tmp_path: Path) -> None:
    (tmp_path / "binary.yaml").write_bytes(b"pools: {\n  \xe9: {}}")
    with pytest.raises(SettingsError) as caught:
        load([tmp_path / "missing.yaml", tmp_path / "binary.yaml"])
    assert "There is no such file." in str(caught.value)
    assert "binary.yaml:2:3: The byte 0xe9 is not valid UTF-8" in str(caught.value)


def test_as_written_has_no_defaults() -> None:
    settings = load_texts([("h.yaml", "pools: {a: {preset: burst}}")])
    assert as_written(settings) == {"pools": {"a": {"preset": "burst"}}}


@pytest.mark.parametrize(
    ("text", "key", "severity"),
    [
        ("pools: {a: {preset: burst, ttl: 10m}}", "pools.a.idle_timeout", Severity.WARNING),
        ("pools: {a: {preset: burst, ttl_max: 5h}}", "pools.a.extensions_max", Severity.WARNING),
        ("pools: {a: {templates: [small], max_workers: 0}}", "pools.a.max_workers", Severity.WARNING),
        ("pools: {a: {preset: permanent, frozen: true}}", "pools.a.frozen", Severity.WARNING),
        ("pools: {a: {preset: permanent}}", "pools.a.min_workers", Severity.NOTE),
        ("pools: {a: {preset: burst}}", "pools.a.taints", Severity.NOTE),
        ("pools: {a: {preset: burst, dead_after: 2s}}", "pools.a.dead_after", Severity.WARNING),
        ("pools: {a: {preset: burst, driver: gpc}}", "pools.a.driver", Severity.WARNING),
        ("templates: {t: {cpu: 1, memory: 1Gi, price_per_hour: 0}}", "templates.t", Severity.NOTE),
        ("server: {listen: '0.0.0.0:80'}", "server.listen", Severity.WARNING),
        ("server: {store_url: 'postgresql://u:secret@db/h'}", "server.store_url", Severity.WARNING),
    ],
)
def test_lint_finds(text: str, key: str, severity: Severity) -> None:
    assert _doubts(text).get(key) == severity


WRONG_DRIVERS = """
drivers:
  gcloud: {kind: gpc}
  pretend:
    settings:
      boot: 3
      machines_most: many
      create_s: 2s
  here: {kind: local, settings: {workers_most: 8, cgroups: perhaps}}
  local: {settings: {workers_most: 3}}
"""


def test_lint_names_each_fault_of_drivers_with_its_place() -> None:
    found = lint(load_texts([("h.yaml", WRONG_DRIVERS)]), driver_faults=settings_faults)
    faults = [(problem.key, problem.place.line) for problem in found if problem.severity is Severity.ERROR]
    assert faults == [
        ("drivers.gcloud.kind", 3),
        ("drivers.pretend.settings.boot", 6),
        ("drivers.pretend.settings.machines_most", 7),
        ("drivers.pretend.settings.create_s", 8),
        ("drivers.here.settings.cgroups", 9),
    ]
    assert "There is no driver 'gpc'" in str(found[0])
    assert "Did you mean 'boot_s'?" in str(found[1])
    assert all(problem.place.column > 1 for problem in found)


@pytest.mark.parametrize(
    ("words", "code"), [(["config", "lint", "-f"], 1), (["apply", "-f"], 2), (["server", "--config"], 2)]
)
def test_lint_apply_and_the_start_find_the_same_faults_of_drivers(
    words: list[str], code: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file, folder = tmp_path / "herder.yaml", tmp_path / "data"
    file.write_text(WRONG_DRIVERS + "pools: {a: {templates: [small]}}")
    more = ["--data-dir", str(folder)] if words[0] == "server" else []
    assert run(whole_app(), [*words, str(file), *more]) == code
    said = "".join(capsys.readouterr())
    assert f"{file}:3:12: drivers.gcloud.kind: There is no driver 'gpc'" in said
    assert f"{file}:9:51: drivers.here.settings.cgroups: The value 'perhaps' is not possible" in said
    assert said.count("error: ") == 5
    assert not folder.exists()


def test_a_driver_that_is_not_declared_is_one_that_a_server_does_not_have() -> None:
    assert _doubts("pools: {a: {templates: [small], driver: pretend}}")["pools.a.driver"] is Severity.WARNING
    declared = "drivers: {pretend: {}}\npools: {a: {templates: [small], driver: pretend}}"
    assert "pools.a.driver" not in _doubts(declared)
    assert "pools.a.driver" not in _doubts("pools: {a: {templates: [small]}}")


def test_lint_compares_templates_with_the_machine() -> None:
    text = "pools: {a: {templates: [small], min_workers: 0}}"
    assert "pools.a.templates" not in _doubts(text)
    assert "pools.a.templates" not in _doubts(text, Resources(8000, 16384, 10**6))
    assert _doubts(text, Resources(2000, 16384, 10**6))["pools.a.templates"] is Severity.WARNING
    elsewhere = "pools: {a: {templates: [small], driver: pretend}}"
    assert "pools.a.templates" not in _doubts(elsewhere, Resources(1000, 1024))


def test_a_sound_file_raises_no_doubts() -> None:
    text = "pools: {a: {templates: [small], max_workers: 3, ttl: 4h, ttl_max: 12h}}"
    assert _doubts(text, Resources(8000, 16384, 10**6)) == {}


def test_plain_pools_name_where_they_came_from() -> None:
    with pytest.raises(SettingsError, match=r"the request: max_workers: 'x' is not a whole number."):
        pool_from_plain({"name": "a", "templates": ["small"], "max_workers": "x"}, "the request")
    with pytest.raises(SettingsError, match="The pool has no name"):
        pool_from_plain({}, "the request")


def test_the_schema_knows_every_key_that_the_reader_knows() -> None:
    schema = json_schema()
    assert set(schema["$defs"]["pool"]["properties"]) == set(POOL_KEYS)
    assert set(schema["$defs"]["template"]["properties"]) == set(TEMPLATE_KEYS)
    assert set(schema["properties"]) == set(TOP_KEYS)


def test_how_much_output_is_kept_is_a_setting_of_the_server() -> None:
    settings = load_texts([("herder.yaml", "server: {log_bytes_per_attempt: 2Mi}")])
    assert settings.server.log_mib_per_attempt == 2
    assert expanded(settings)["server"]["log_bytes_per_attempt"] == "2Mi"
    for wrong in ("0", "100Mi", "many"):
        with pytest.raises(SettingsError, match=r"server\.log_bytes_per_attempt"):
            load_texts([("herder.yaml", f"server: {{log_bytes_per_attempt: {wrong}}}")])


def test_the_quantum_of_budgets_is_a_setting_of_the_server() -> None:
    usual = load_texts([("herder.yaml", "pools: {}")])
    assert expanded(usual)["server"]["budget_quantum"] == "15m"
    assert load_texts([("herder.yaml", "server: {budget_quantum: 20m}")]).server.budget_quantum_s == 1200
    for wrong in ("599s", "2d", "many"):
        with pytest.raises(SettingsError, match=r"server\.budget_quantum"):
            load_texts([("herder.yaml", f"server: {{budget_quantum: {wrong}}}")])


@pytest.mark.parametrize(
    ("text", "key", "said"),
    [
        ("pools: {p: {templates: [small], dead_after: 99999d}}", "pools.p.dead_after", "longer than ten years"),
        ("pools: {p: {templates: [small], max_workers: -1}}", "pools.p.max_workers", "-1 is negative."),
        ("pools: {p: {templates: [small], heartbeat: x}}", "pools.p.heartbeat", "is not a duration"),
        ("pools: {p: {templates: [small], ttl: 4h, ttl_max: 99999d}}", "pools.p.ttl_max", "longer than ten years"),
        ("sweep: {missing_delay: -1s}", "sweep.missing_delay", "is not a duration"),
        ("retention: {logs: -1d}", "retention.logs", "is not a duration"),
        ("retention: {jobs_max: -1}", "retention.jobs_max", "-1 is negative."),
        ("retention: {observations_size: x}", "retention.observations_size", "'x' is not"),
        ("metric_sources: {m: {url: 'http://m', timeout: x}}", "metric_sources.m.timeout", "is not a duration"),
    ],
)  # fmt: skip
def test_of_a_value_that_cannot_be_read_one_thing_is_said(text: str, key: str, said: str) -> None:
    (fault,) = _faults(text)
    assert f" {key}: " in fault
    assert said in fault


def test_values_out_of_bounds_are_told_beside_values_that_cannot_be_read() -> None:
    faults = _faults(
        """
pools:
  p:
    templates: [small]
    boot_timeout: soon
    ttl: 29s
    ttl_grace: 400d
    dead_after: 1ms
  q: {templates: [small], min_workers: 5, max_workers: 3, extensions_max: 2000}
"""
    )
    keys = [fault.split(": ")[1] for fault in faults]
    assert keys == [
        "pools.p.boot_timeout",
        "pools.p.ttl",
        "pools.p.ttl_grace",
        "pools.p.dead_after",
        "pools.q.min_workers",
        "pools.q.extensions_max",
    ]
    assert faults[2].startswith("h.yaml:7:"), faults[2]
