"""The alert rules: promtool accepts each and runs it, each has a runbook, each metric that they name exists."""

import json
import re
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML

from herder.observability import prometheus
from herder.observability.dashboards import DASHBOARDS, texts
from herder.observability.metrics import FAMILIES, Kind
from herder.observability.rules import ALERTS, GROUPS
from herder.observability.rules.rule import Severity
from herder.observability.runbooks import anchor
from tests.docs.page import DOCS
from tests.observability.prometheus import lacking, promtool
from tests.observability.situations import SITUATIONS, Fact
from tests.support.crds import schema_of

needs_promtool = pytest.mark.skipif(bool(lacking()), reason=lacking())
RUNBOOKS = "https://wiki.example/runbooks.md"
CRDS = Path(__file__).parent / "crds"
#: Of the documents that Herder follows.
DOCUMENTED = {
    "worker_provision_timeout",
    "worker_join_failure",
    "worker_pool_capacity_low",
    "ttl_cleanup_failure",
    "auto_repair_failure",
    "BurstWorkerStuckProvisioning",
    "WorkerQueueBacklog",
    "WorkerResourceExhaustion",
}
_MADE_BY_PROMETHEUS = {"up", "ALERTS"}
_WORD = re.compile(r"(?<![\w$.:])(?:herder|worker|job|process)_\w+(?!\w*\s*\()")


def named_metrics(expr: str) -> set[str]:
    without_strings = re.sub(r'"[^"]*"', '""', expr)
    return set(_WORD.findall(re.sub(r"\b(?:by|on)\s*\([^)]*\)", "", without_strings)))


def known_metrics() -> set[str]:
    names = {name for name, family in FAMILIES.items() if family.kind is not Kind.HISTOGRAM}
    for name, family in FAMILIES.items():
        if family.kind is Kind.HISTOGRAM:
            names |= {f"{name}_bucket", f"{name}_count", f"{name}_sum"}
    return names | {"process_cpu_seconds_total", "process_resident_memory_bytes"}


def test_the_alerts_of_the_documents_are_there_once() -> None:
    names = [alert.name for alert in ALERTS]
    assert len(set(names)) == len(names)
    assert set(names) >= DOCUMENTED
    by_name = {alert.name: alert for alert in ALERTS}
    backlog = by_name["WorkerQueueBacklog"]
    assert (backlog.expr, backlog.for_s, backlog.severity) == ("job_queue_length > 20", 300, Severity.WARNING)
    exhausted = by_name["WorkerResourceExhaustion"]
    assert (exhausted.expr, exhausted.for_s) == ("worker_cpu_utilization > 90", 600)
    assert exhausted.severity is Severity.CRITICAL


@pytest.mark.parametrize("alert", ALERTS, ids=lambda alert: alert.name)
def test_each_alert_has_a_runbook(alert: Any) -> None:
    page = (DOCS / "how-to" / "runbooks.md").read_text()
    assert f"\n### {alert.name}\n" in page
    assert f"](#{anchor(alert.name)})" in page
    assert alert.means.endswith(".")
    assert alert.remedy.endswith(".")
    assert alert.look


def test_each_metric_that_rules_and_dashboards_name_exists() -> None:
    exprs = [rule.expr for group in GROUPS for rule in (*group.alerts, *group.recordings)]
    exprs += [
        query["expr"]
        for text in texts().values()
        for panel in json.loads(text)["panels"]
        for query in panel.get("targets", ())
    ]
    assert len(exprs) > 100
    named = {name for expr in exprs for name in named_metrics(expr)}
    assert named - known_metrics() == set()
    recorded = {each.name for group in GROUPS for each in group.recordings}
    used = {name for expr in exprs for name in re.findall(r"herder:[\w:]+", expr)}
    assert used <= recorded


@needs_promtool
def test_promtool_accepts_every_file(tmp_path: Path) -> None:
    (tmp_path / "herder-rules.yaml").write_text(prometheus.rules(RUNBOOKS))
    (tmp_path / "prometheus.yml").write_text(prometheus.scrape_config("127.0.0.1:8765"))
    (tmp_path / "herder-token").write_text("t")
    said = promtool("check", "rules", "--lint=all", "--lint-fatal", "herder-rules.yaml", cwd=tmp_path)
    rules = sum(len(group.alerts) + len(group.recordings) for group in GROUPS)
    assert f"{rules} rules found" in said
    promtool("check", "config", "prometheus.yml", cwd=tmp_path)


def _values(fact: Fact, bad: bool) -> str:
    value = fact.bad if bad else fact.good
    if fact.ago:  # at minute m the time is 60 m: one that is as old at all times rises with it
        return f"{-value}+0x1500" if bad else f"{-value}+60x1500"
    return f"0+{value}x1500" if fact.rising else f"{value}+0x1500"


def _case(name: str, for_s: int, bad: bool) -> dict[str, Any]:
    firing = f'count(ALERTS{{alertname="{name}",alertstate="firing"}})'
    late = {"expr": firing, "eval_time": f"{for_s + 1200}s"}
    early = {"expr": firing, "eval_time": f"{for_s - 60}s", "exp_samples": []}
    return {
        "interval": "1m",
        "input_series": [
            {"series": each.series(), "values": _values(each, bad)} for each in SITUATIONS[name]
        ],
        "promql_expr_test": [
            {**late, "exp_samples": [{"labels": "{}", "value": 1}] if bad else []},
            *([early] if for_s else []),
        ],
    }


@pytest.mark.slow
@needs_promtool
def test_each_alert_fires_when_it_must_and_not_before(tmp_path: Path) -> None:
    assert SITUATIONS.keys() == {alert.name for alert in ALERTS}
    files = []
    for group in prometheus.groups(RUNBOOKS):
        for rule in group["rules"]:
            if "alert" not in rule:
                continue
            name = rule["alert"]
            recordings = [each for each in group["rules"] if "record" in each]
            alone = {"groups": [{"name": name, "rules": [*recordings, rule]}]}
            (tmp_path / f"{name}.rules").write_text(json.dumps(alone))
            for_s = next(alert.for_s for alert in ALERTS if alert.name == name)
            plain = {
                "rule_files": [f"{name}.rules"],
                "evaluation_interval": "1m",
                "tests": [_case(name, for_s, bad) for bad in (True, False)],
            }
            (tmp_path / f"{name}.yaml").write_text(json.dumps(plain))
            files.append(f"{name}.yaml")
    assert len(files) == len(ALERTS)
    promtool("test", "rules", *files, cwd=tmp_path)


@pytest.mark.parametrize(
    ("text", "crd"),
    [
        (prometheus.prometheus_rule(RUNBOOKS, "herder"), "prometheusrules"),
        (prometheus.service_monitor("herder"), "servicemonitors"),
    ],
    ids=["PrometheusRule", "ServiceMonitor"],
)
def test_manifests_have_the_form_that_the_operator_defines(text: str, crd: str) -> None:
    jsonschema = pytest.importorskip("jsonschema")
    schema = schema_of(CRDS / f"monitoring.coreos.com_{crd}.yaml")
    manifest = YAML(typ="safe").load(text)
    jsonschema.validate(manifest, schema)
    manifest["spec"]["typo"] = 1
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(manifest, schema)


def test_dashboards_are_the_documented_ones() -> None:
    assert set(DASHBOARDS) == {"worker-pools-overview", "worker-lifecycle", "worker-cost-tracking", "jobs"}
    for name, text in texts().items():
        made = json.loads(text)
        assert name == f"{made['uid']}.json"
        numbers = [panel["id"] for panel in made["panels"]]
        assert len(set(numbers)) == len(numbers)
        places = [(panel["gridPos"]["x"], panel["gridPos"]["y"]) for panel in made["panels"]]
        assert len(set(places)) == len(places)
        assert all(panel["gridPos"]["x"] + panel["gridPos"]["w"] <= 24 for panel in made["panels"])
