"""The mcp-scaling.json of Cortex becomes pools of MCP servers; each field of it is taken over or named, and bad input is told by its path."""

import json
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path as FilePath
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from herder.app import whole_app
from herder.cli.shell.main import run
from herder.model.fleet.metric import Metric
from herder.settings import SettingsError, Severity
from herder.settings.cortex import scaling as module
from herder.settings.cortex.importing import imported, written
from herder.settings.cortex.scaling import _UNKNOWN, _left, imported_scaling
from herder.settings.imports.reading import Node, Path, Source, unread
from herder.settings.imports.result import Imported, Kind
from herder.settings.lint import lint
from herder.settings.load import Settings, load_texts
from tests.settings.cortex.documented_scaling import SERVER, TEMPLATES, deployment, scaling
from tests.words.rules import faults

GIT, CRON = "scaling_templates/git_server", "scaling_templates/batch_processor/triggers/0/metadata"
HTTP = "scaling_templates/http_server"


def read(plain: Any) -> Imported:
    return imported(json.dumps(plain), "s.json")


def settings_of(found: Imported) -> Settings:
    return load_texts([("herder.yaml", written(found, "s.json"))])


def changed(path: str | Path, value: Any) -> dict[str, Any]:
    plain = scaling()
    *outer, last = path.split("/") if isinstance(path, str) else path
    at: Any = plain
    for key in outer:
        at = at[int(key)] if isinstance(at, list) else at[key]
    if isinstance(at, list):
        at[int(last)] = value
    elif value is None:
        del at[last]
    else:
        at[last] = value
    return plain


def leaves(value: Any, path: Path = ()) -> Iterator[tuple[Path, Any]]:
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, each in items:
        yield from leaves(each, (*path, str(key)))
    if not isinstance(value, dict | list):
        yield path, value


def contradicting(plain: Any) -> dict[str, str]:
    return {each.path: each.text for each in read(plain).findings if each.kind is Kind.CONTRADICTION}


def test_limits_metrics_and_sizes_are_those_of_the_file() -> None:
    made = settings_of(read(scaling()))
    pools = {pool.name: pool for pool in made.pools}
    assert [*pools] == [deployment(name) for name in TEMPLATES]
    for name, ((least, most, polling, cooldown), _, _) in TEMPLATES.items():
        pool = pools[deployment(name)]  # type: ignore[index]
        assert (pool.size.min_workers, pool.size.max_workers) == (least, most)
        assert pool.scale_down.idle_timeout_s == cooldown
        assert {each.every_s for each in pool.scale_up.metrics} == {polling}
        assert (pool.frozen, pool.membership.name) == (True, "none")
    http = pools["mcp-http-server"]  # type: ignore[index]
    query = 'sum(rate(http_requests_total{service="mcp-http-server"}[1m]))'
    assert http.scale_up.metrics[0] == Metric(
        name="http-requests-per-second", query=query, per_worker=150, activation=10, every_s=10
    )
    assert (http.scale_down.fraction, http.scale_down.period_s) == (0.5, 60)
    assert [(each.name, each.url) for each in made.metric_sources] == [("prometheus", SERVER)]
    templates = {each.name: each.allocatable for each in made.templates}
    git, inference = templates["mcp-git-server"], templates["mcp-ai-inference-server"]
    assert (git.cpu_milli, git.memory_mib, git.disk_mib) == (500, 512, 2048)
    assert (inference.cpu_milli, inference.memory_mib, inference.gpu) == (1000, 2048, 1)


def test_crons_become_schedules_with_a_duration() -> None:
    (pool,) = (each for each in settings_of(read(scaling())).pools if each.name == "mcp-batch-processor")
    zone = "America/Los_Angeles"
    assert [
        (each.cron, each.timezone, each.min_workers, each.duration_s) for each in pool.size.schedules
    ] == [("0 8 * * *", zone, 5, 36_000), ("0 18 * * *", zone, 1, 50_400)]


def test_the_file_has_no_errors_and_its_pools_create_nothing() -> None:
    made = settings_of(read(scaling()))
    assert [each for each in lint(made) if each.severity is Severity.ERROR] == []
    assert all(pool.frozen for pool in made.pools)


def test_what_a_person_has_to_do_is_named() -> None:
    told = [each for each in read(scaling()).findings if each.kind is Kind.TO_DO]
    assert [each.path.partition(".")[0] for each in told] == [
        "scaling_templates",
        "cost_optimization",
        "pools",
        "pools",
    ]
    words = " ".join(each.text for each in told)
    assert "the length of the list mcp_task_queue, with per_worker: 5" in words
    assert "mcp-batch-processor, mcp-queue-processor and mcp-filesystem-server" in words
    assert "--namespace cortex-mcp`" in words


def test_pools_of_several_namespaces_are_named_with_theirs() -> None:
    words = " ".join(each.text for each in read(changed(f"{GIT}/namespace", "tools")).findings)
    assert "scaled-objects mcp-git-server --namespace tools`" in words
    assert "scaled-objects mcp-filesystem-server mcp-database-server" in words


def test_each_field_is_taken_over_or_named(monkeypatch: pytest.MonkeyPatch) -> None:
    """A field that was read changes what is answered, be it a refusal. What was not read is named with a reason of its own."""
    monkeypatch.setattr(
        module, "check_readable", lambda plain, file: None
    )  # one reading of herder.yaml for each field is slow
    root = Node(source=Source(file="s.json"), value=scaling())
    imported_scaling(root)
    assert [each.path for each in _left(root) if each.text == _UNKNOWN] == []
    named = [*unread(root)]
    answered = answer(scaling())
    read_ones = [
        (path, value)
        for path, value in leaves(scaling())
        if not any(path[: len(each)] == each for each in named)
    ]
    assert len(read_ones) > 100
    assert [path for path, value in read_ones if answer(changed(path, other(value))) == answered] == []


def answer(plain: Any) -> Imported | str:
    try:
        return read(plain)
    except SettingsError as error:
        return str(error)


def other(value: Any) -> Any:
    if isinstance(value, bool):
        return not value
    return value + 7 if isinstance(value, int) else f"9{value}"


def test_a_field_that_nobody_knows_is_named() -> None:
    findings = read(changed("scaling_templates/git_server/colour", "red")).findings
    (found,) = (each for each in findings if each.path.endswith("colour"))
    assert (found.kind, found.text) == (Kind.NOT_TAKEN, "Herder has no setting for it.")


def test_the_contradictions_of_the_documents_are_told() -> None:
    told = contradicting(scaling())
    assert {path.rpartition(".")[2] for path in told} == {
        "query", "triggers", "services", "scale_to_zero_grace_period_minutes", "idle_timeout_minutes", "target_replicas", "max_pods", "cpu",
    }  # fmt: skip
    assert len(told) == 15
    assert told["cost_optimization.resource_quotas.max_pods"].startswith(
        "All templates at their maximum request 155 pods"
    )
    assert "72500m CPU, and the quota is 50 CPU" in told["cost_optimization.resource_quotas.requests.cpu"]
    assert (
        "300 requests per second are 30 replicas here, and 2 by"
        in told["scaling_thresholds.peak_traffic.target_replicas"]
    )
    assert "never fewer than 1 replica" in told["scaling_templates.batch_processor.triggers"]


@pytest.mark.parametrize(
    ("path", "value", "gone"),
    [
        ("cost_optimization/resource_quotas/max_pods", 155, "max_pods"),
        ("cost_optimization/resource_quotas/requests/cpu", "72.5", "requests.cpu"),
        ("cost_optimization/scale_to_zero_strategy/idle_timeout_minutes", 5, "idle_timeout_minutes"),
        ("warm_standby_configurations/ephemeral_services/scale_to_zero_grace_period_minutes", 5, "grace_period_minutes"),
        ("warm_standby_configurations/standard_services/services", [], "standard_services.services"),
        ("scaling_thresholds/peak_traffic/target_replicas", 2, "peak_traffic.target_replicas"),
        ("scaling_templates/batch_processor/triggers/1/metadata/end", "0 7 * * *", "batch_processor.triggers"),
        ("scaling_templates/database_server/triggers/1/metadata/query", "sum(rate(a[1m]))", "database_server.triggers.1.metadata.query"),
    ],
)  # fmt: skip
def test_a_contradiction_that_is_mended_is_not_told(path: str, value: Any, gone: str) -> None:
    assert any(each.endswith(gone) for each in contradicting(scaling()))
    assert not any(each.endswith(gone) for each in contradicting(changed(path, value)))


def test_a_minimum_that_contradicts_scaling_to_zero_is_told() -> None:
    told = contradicting(changed(f"{GIT}/scaling_config/scale_to_zero", True))
    assert (
        "scale_to_zero is true, and min_replicas is 1."
        in told["scaling_templates.git_server.scaling_config.scale_to_zero"]
    )


@pytest.mark.parametrize(
    ("path", "value", "told"),
    [
        (f"{GIT}/deployment", None, "scaling_templates.git_server.deployment: The template has no deployment."),
        (f"{GIT}/deployment", "mcp-http-server", "Two templates have the deployment mcp-http-server"),
        (f"{GIT}/deployment", "Git_Server", "'Git_Server' is not a valid name"),
        (f"{GIT}/scaling_config/min_replicas", "one", "git_server.scaling_config.min_replicas: Expected a number"),
        (f"{GIT}/scaling_config/min_replicas", 99, "min_workers 99 is above max_workers 15"),
        (f"{GIT}/triggers", {}, "git_server.triggers: Expected a list"),
        (f"{GIT}/triggers/0/metadata/threshold", "many", "triggers.0.metadata.threshold: 'many' is not a number"),
        (f"{GIT}/triggers/0/metadata/threshold", None, "triggers.0.metadata.threshold: The trigger has no threshold."),
        (f"{GIT}/triggers/0/metadata/threshold", "1e999", "per_worker"),
        (f"{GIT}/triggers/0/metadata/query", None, "triggers.0.metadata.query: The trigger has no query."),
        (f"{GIT}/triggers/0/metadata/server_address", "prometheus", "metric_sources.prometheus"),
        (f"{GIT}/resource_limits/requests/cpu", "much", "'much' is not an amount of CPU"),
        (f"{CRON}/desired_replicas", "21", "min_workers 21, above"),
        (f"{CRON}/timezone", "Mars/Base", "'Mars/Base' is not a time zone"),
        ("scaling_templates", {}, "scaling_templates: The file has no scaling template."),
        ("scaling_templates", [], "The file has no worker pools"),
    ],
)  # fmt: skip
def test_bad_values_are_told_with_their_path(path: str, value: Any, told: str) -> None:
    with pytest.raises(SettingsError) as error:
        read(changed(path, value))
    assert told in str(error.value)


@pytest.mark.parametrize(
    ("start", "end"),
    [("0 8 * * *", "0 8 * * *"), ("*/5 * * * *", "0 8 * * *"), ("0 8 * * 1", "0 8 * * 2"), ("0 18 * * 1-5", "0 8 * * 1-5"), ("x", "y")],
)  # fmt: skip
def test_a_window_without_a_known_length_is_to_be_written_by_hand(start: str, end: str) -> None:
    plain = changed(f"{CRON}/start", start)
    plain["scaling_templates"]["batch_processor"]["triggers"][0]["metadata"]["end"] = end
    found = read(plain)
    (pool,) = (each for each in settings_of(found).pools if each.name == "mcp-batch-processor")
    assert len(pool.size.schedules) == 1
    (told,) = (each for each in found.findings if "duration" in each.text)
    assert told.path == "scaling_templates.batch_processor.triggers.0.metadata"


def test_other_forms_of_scale_down_are_not_taken_over() -> None:
    policies = [{"type": "Pods", "value": 1, "period_seconds": 60}]
    found = read(changed(f"{HTTP}/advanced_config/behavior/scale_down/policies", policies))
    (pool,) = (each for each in settings_of(found).pools if each.name == "mcp-http-server")
    assert pool.scale_down.fraction is None
    assert any("a percentage in a period" in each.text for each in found.findings)


def test_each_server_of_prometheus_is_a_source() -> None:
    other = "http://other:9090"
    made = settings_of(read(changed(f"{GIT}/triggers/1/metadata/server_address", other)))
    (pool,) = (each for each in made.pools if each.name == "mcp-git-server")
    sources = {each.name: each.url for each in made.metric_sources}
    assert [sources[each.source] for each in pool.scale_up.metrics] == [SERVER, other]


@settings(max_examples=40)
@given(st.data())
def test_no_value_anywhere_breaks_the_import(data: st.DataObject) -> None:
    path = data.draw(st.sampled_from([path for path, _ in leaves(scaling())]))
    odd = st.one_of(
        st.booleans(), st.integers(-5, 10**12), st.text(max_size=5), st.just([{"a": 1}]), st.just({})
    )
    with suppress(SettingsError):
        settings_of(read(changed(path, data.draw(odd))))


def test_every_finding_is_a_sentence() -> None:
    assert [each for found in read(scaling()).findings for each in faults(found.text)] == []


def test_the_command_writes_the_file(tmp_path: FilePath, capfd: pytest.CaptureFixture[str]) -> None:
    source, target = tmp_path / "mcp-scaling.json", tmp_path / "servers.yaml"
    source.write_text(json.dumps(scaling()))
    assert run(whole_app(), ["config", "import-cortex", str(source), "--write", str(target)]) == 0
    assert "155 pods" in capfd.readouterr().err
    assert len(load_texts([("servers.yaml", target.read_text())]).pools) == 7
