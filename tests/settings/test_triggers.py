"""Pressure, metrics, zones and spot as people write them, what is refused, and what raises a doubt."""

from typing import Any

import pytest

from herder.model.fleet.metric import Metric, ValueIs
from herder.model.fleet.offer import offers_of
from herder.model.fleet.pool import SpotUse
from herder.model.fleet.pressure import Pressure
from herder.model.values.money import usd_text
from herder.model.values.resources import Resources
from herder.settings import SettingsError, expanded, load_texts, pool_from_plain
from herder.settings.json_schema import json_schema
from herder.settings.lint import lint

TEXT = """
metric_sources:
  prometheus: {url: "http://127.0.0.1:9090", timeout: 3s, token_env: PROMETHEUS_TOKEN}
pools:
  std:
    templates: [small]
    cpu_pressure: 80%
    memory_pressure: {above: 0.85, for: 10m, target: 75%}
    metrics:
      - {name: backlog, query: "sum(messages)", per_worker: 100}
      - name: busy
        query: avg(busy)
        per_worker: 0.5
        value: average
        activation: 0.1
        tolerance: 0
        every: 1m
        keep: 10m
"""


def refusal(**more: Any) -> str:
    with pytest.raises(SettingsError) as caught:
        pool_from_plain({"name": "std", "templates": ["small"], **more})
    return " ".join(f"{each.key}: {each.message} {each.remedy}" for each in caught.value.problems)


def test_all_of_it_from_a_file() -> None:
    settings = load_texts([("herder.yaml", TEXT)])
    (pool,) = settings.pools
    assert pool.scale_up.cpu_pressure == Pressure(above=0.8, for_s=300.0)
    assert pool.scale_up.cpu_pressure.leads_to == pytest.approx(0.7)
    assert pool.scale_up.memory_pressure == Pressure(above=0.85, for_s=600.0, target=0.75)
    backlog, busy = pool.scale_up.metrics
    assert backlog == Metric(name="backlog", query="sum(messages)", per_worker=100.0)
    assert (busy.value, busy.tolerance, busy.keep_s) == (ValueIs.AVERAGE, 0.0, 600.0)
    (source,) = settings.metric_sources
    assert (source.url, source.timeout_s, source.token_env) == (
        "http://127.0.0.1:9090",
        3.0,
        "PROMETHEUS_TOKEN",
    )
    assert [each for each in lint(settings) if "metrics" in each.key or "pressure" in each.key] == []
    assert expanded(settings)["metric_sources"] == {
        "prometheus": {"url": "http://127.0.0.1:9090", "timeout": "3s", "token_env": "PROMETHEUS_TOKEN"}
    }


METRIC = {"name": "m", "query": "m", "per_worker": 1}


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"cpu_pressure": "120%"}, "is not a fraction"),
        ({"cpu_pressure": {"for": "5m"}}, "above: 80%"),
        ({"cpu_pressure": {"above": "80%", "target": "80%"}}, "not below the threshold"),
        ({"memory_pressure": {"over": "80%"}}, "above"),
        ({"metrics": [{"query": "m"}]}, "has no name"),
        ({"metrics": [METRIC, METRIC]}, "is listed twice"),
        ({"metrics": [{**METRIC, "per_worker": 0}]}, "a number above 0"),
        ({"metrics": [{**METRIC, "activation": "nan"}]}, "Expected a number"),
        ({"metrics": [{**METRIC, "value": "median"}]}, "not a possible value"),
        ({"metrics": [{**METRIC, "every": "10ms"}]}, "every must be at least 1 s"),
        ({"metrics": [{**METRIC, "every": "10m"}]}, "unknown between two queries"),
        ({"metrics": [{**METRIC, "query": "m" * 4097}]}, "longer than 4,096"),
        ({"metrics": [{**METRIC, "name": f"m{n}"} for n in range(11)]}, "at most 10"),
    ],
)
def test_what_cannot_be_meant_is_told(settings: dict[str, Any], words: str) -> None:
    assert words in refusal(**settings)


@pytest.mark.parametrize(
    ("source", "words"),
    [
        ("{}", "has no url"),
        ("{url: 'ftp://x'}", "is not a URL"),
        ("{url: 'http://ann:secret@x'}", "user name or a password"),
        ("{url: 'http://x', timeout: 5m}", "1s to 60s"),
        ("{url: 'http://x', token_file: a, token_env: B}", "configured twice"),
    ],
)
def test_a_source_that_cannot_be_used_is_told_without_its_secret(source: str, words: str) -> None:
    with pytest.raises(SettingsError) as caught:
        load_texts([("herder.yaml", f"metric_sources: {{prometheus: {source}}}")])
    assert words in str(caught.value)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ("max_workers: 1, cpu_pressure: 80%", "never creates a worker"),
        ("cpu_pressure: 5%", "so low that idle workers can exceed it"),
        ("cpu_pressure: {above: 80%, for: 1s}", "a single sample decides"),
        ("metrics: [{name: m, query: m, per_worker: 1}]", "do not define"),
        (
            "min_workers: 3, max_workers: 3, metrics: [{name: m, query: m, per_worker: 1}]",
            "never create a worker",
        ),
    ],
)
def test_doubts(settings: str, words: str) -> None:
    found = lint(load_texts([("herder.yaml", f"pools: {{std: {{templates: [small], {settings}}}}}")]))
    assert any(words in each.message for each in found)


def test_the_schema_knows_the_same_keys() -> None:
    kinds = json_schema()["$defs"]
    assert set(kinds["pressure"]["properties"]) == {"above", "for", "target"}
    plain = {"name", "query", "per_worker", "source", "value", "activation", "tolerance", "every", "keep"}
    assert set(kinds["metric"]["properties"]) == plain


MARKETS = """
templates:
  mixed:
    cpu: 4
    memory: 8Gi
    price_per_hour: "0.20"
    zones:
      - us-west-2a
      - {name: us-west-2b, price_per_hour: "0.21", spot_price_per_hour: "0.05", max_workers: 5}
    spot: prefer
    spot_price_per_hour: "0.08"
    max_spot_price: "0.10"
pools:
  std: {driver: pretend, templates: [mixed]}
"""


def test_where_a_template_is_sold() -> None:
    settings = load_texts([("herder.yaml", MARKETS)])
    (template,) = settings.pools[0].templates
    assert template.spot is SpotUse.PREFER
    assert [
        (offer.zone, offer.spot, usd_text(offer.price_pico_per_hour), offer.most)
        for offer in offers_of(template)
    ] == [
        ("us-west-2a", True, "0.08", None),
        ("us-west-2a", False, "0.2", None),
        ("us-west-2b", True, "0.05", 5),
        ("us-west-2b", False, "0.21", 5),
    ]
    assert [each for each in lint(settings) if "templates" in each.key] == []


@pytest.mark.parametrize(
    ("words", "settings"),
    [
        ("is listed twice", "zones: [a, a]"),
        ("is not a valid name.", "zones: [A b]"),
        ("has no name", "zones: [{max_workers: 3}]"),
        ("not a possible value", "spot: maybe"),
        ("cost more than its max_spot_price", 'spot: yes, max_spot_price: "0.01"'),
        ("at most 30", f"zones: [{', '.join(f'z{n}' for n in range(31))}]"),
    ],
)
def test_what_cannot_be_sold_is_told(words: str, settings: str) -> None:
    text = f'templates: {{t: {{cpu: 1, memory: 1Gi, price_per_hour: "0.10", {settings}}}}}'
    with pytest.raises(SettingsError) as caught:
        load_texts([("herder.yaml", text)])
    assert words in str(caught.value)


@pytest.mark.parametrize(
    ("words", "settings"),
    [
        ("has neither", "zones: [a]"),
        ("has neither", "spot: prefer"),
        ("no spot worker is created", 'spot: prefer, max_spot_price: "0.01"'),
        ("a spot price but spot: no", 'spot_price_per_hour: "0.01"'),
        ("are all spot", "spot: yes"),
    ],
)
def test_doubts_about_zones_and_spot(words: str, settings: str) -> None:
    text = f"""
templates: {{t: {{cpu: 1, memory: 1Gi, price_per_hour: "0.10", {settings}}}}}
pools: {{std: {{driver: local, templates: [t], min_workers: 1}}}}
"""
    found = lint(load_texts([("herder.yaml", text)]), Resources(64000, 2**20, 2**20))
    assert any(words in each.message for each in found), found
