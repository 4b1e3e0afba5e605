"""The cost-tracking.json of Cortex: alerts are taken over, rates compared, contradictions found; what is wrong is refused by its path."""

import copy
import json
from typing import Any

import pytest

from herder.settings import SettingsError
from herder.settings.cortex.importing import imported, written
from herder.settings.imports.result import Imported, Kind
from herder.settings.load import load_texts
from tests.words.rules import faults

POLICY = {
    "alert_id": "token-budget-warning",
    "enabled": True,
    "thresholds": {"info": 50, "warning": 75, "critical": 90, "emergency": 100},
    "cooldown_period": "30_minutes",
}
SAMPLE: dict[str, Any] = {
    "version": "1.0",
    "budget_configuration": {
        "organization": {
            "total_daily_allocation": 1000,
            "emergency_reserve_tokens": 100,
            "contingency_fund": {"amount": 50},
        },
        "divisions": {
            "labs": {
                "daily_allocation": 900,
                "sub_allocations": {"coordination": 180, "contractors": 720},
                "flexibility": {"max_overage_pct": 10, "approval_required_above_pct": 15},
            }
        },
        "project_budgets": {"active_projects": [{"funding_sources": [{"division": "labs", "amount": 900}]}]},
    },
    "alert_thresholds": {
        "alert_policies": [
            POLICY,
            {"alert_id": "compute-overallocation", "thresholds": {"warning": 150, "critical": 230, "emergency": 250}},
            {"alert_id": "cost-variance", "enabled": False, "thresholds": {"info": 10, "warning": 25, "critical": 35}},
            {"alert_id": "optimization-opportunity", "thresholds": {"info": 10.0, "warning": 25.5}},
            {"alert_id": "sunspots"},
        ],
        "notification_settings": {
            "channels": {
                "division_gm": {"type": "handoff_file", "path_template": "/c/{division}/alert-{alert_id}.json"},
                "coo": {"type": "handoff_file", "path_template": "/c/coo/alert-{alert_id}.json"},
                "dashboard": {"type": "dashboard_update", "endpoint": "http://dashboard/api/alerts"},
                "resource_manager": {"type": "internal"},
            },
            "escalation_policy": {
                "no_acknowledgment_timeout_minutes": 20,
                "escalation_chain": [{"level": 1, "recipient": "division_gm"}, {"level": 2, "recipient": "coo"}],
            },
        },
    },
    "model_pricing": {"claude-sonnet-4.5": {"input_rate_per_million": 3.5}},
    "rate_cards": {
        "chargeback_model": {"external_entities": {"markup_pct": 20}},
        "internal_rates": {
            "api_tokens": {
                "claude-sonnet-4.5": {"input": 3.0, "output": 15.0, "cache_write": 3.75, "cache_read": 0.3}
            },
            "compute": {"cpu_per_core_hour": 0.06, "memory_per_gb_hour": 0.005},
        },
        "external_rates": {"compute": {"markup_pct": 50}, "api_tokens": {"markup_pct": 20}},
    },
    "optimization_rules": {
        "recommendation_engine": {"confidence_threshold": 0.75},
        "optimization_types": {"schedule_optimization": {"confidence_threshold": 0.7}},
    },
}  # fmt: skip


def read(plain: Any) -> Imported:
    return imported(json.dumps(plain), "c.json")


def told(found: Imported, kind: Kind) -> dict[str, str]:
    return {each.path: each.text for each in found.findings if each.kind is kind}


def changed(path: str, value: Any) -> dict[str, Any]:
    plain = copy.deepcopy(SAMPLE)
    *outer, last = path.split("/")
    at: Any = plain
    for key in outer:
        at = at[int(key) if isinstance(at, list) else key]
    at[int(last) if isinstance(at, list) else last] = value
    return plain


def test_alerts_are_taken_over_and_herder_reads_them() -> None:
    found = read(SAMPLE)
    rules = load_texts([("herder.yaml", written(found, "c.json"))]).alerts
    assert {each.name: each.url or each.folder for each in rules.channels} == {
        "coo": "/c/coo",
        "dashboard": "http://dashboard/api/alerts",
    }
    assert (rules.chain, rules.cooldown_s, rules.escalate_after_s) == (("division_gm", "coo"), 1800, 1200)
    assert rules.thresholds == {"compute-overallocation": {"warning": 150}, "cost-variance": {"warning": 125}}
    assert rules.off == ("cost-variance",)


def test_contradictions() -> None:
    budgets, cards = "budget_configuration", "rate_cards"
    assert told(read(SAMPLE), Kind.CONTRADICTION) == {
        f"{budgets}.organization.contingency_fund.amount": "With the contingency fund of 50 tokens the budgets come to 1,050 a day, more than the 1,000 of the organisation.",
        f"{budgets}.divisions.labs.flexibility.approval_required_above_pct": "Approval is needed above 15 % of overage, and at most 10 % is allowed.",
        f"{budgets}.project_budgets.active_projects.0.funding_sources.0.amount": "The project takes 900 tokens a day of labs, which has 900 in all.",
        f"{cards}.external_rates.compute.markup_pct": "The markup of compute for others is 50 %, and that of the model 20 %.",
        f"{cards}.internal_rates.api_tokens.claude-sonnet-4.5.input": "claude-sonnet-4.5 costs $3 for input here, and $3.5 in model_pricing.",
        "optimization_rules.optimization_types.schedule_optimization.confidence_threshold": "schedule_optimization needs a confidence of 0.7, and every recommendation one of 0.75.",
    }


@pytest.mark.parametrize(
    ("path", "value", "sentence"),
    [
        ("budget_configuration/organization/emergency_reserve_tokens", 90, "The budgets come to 990 tokens a day, and the organisation has 1,000."),
        ("budget_configuration/divisions/labs/sub_allocations/contractors", 700, "The parts of labs come to 880 tokens, and the division has 900."),
        ("metric_definitions", {"compute_cpu": {"standard_rate": 0.05}}, "The price is $0.06 here, and $0.05 in metric_definitions.compute_cpu."),
    ],
)  # fmt: skip
def test_further_contradictions(path: str, value: Any, sentence: str) -> None:
    assert sentence in told(read(changed(path, value)), Kind.CONTRADICTION).values()


def test_what_is_to_be_done_by_hand_and_what_is_left() -> None:
    found = read(SAMPLE)
    by_hand = told(found, Kind.TO_DO)
    rates = "rate_cards.internal_rates.compute.cpu_per_core_hour"
    assert (
        by_hand[rates]
        == "Run `herder rate add --card internal --resource cpu --price 0.06`: the built-in card has 0.05."
    )
    assert any(path.endswith("division_gm.path_template") for path in by_hand)
    left = told(found, Kind.NOT_TAKEN)
    assert left["alert_thresholds.alert_policies.4.alert_id"] == "Herder has no such alert."
    assert "model_pricing" in left
    same = read(changed("rate_cards/internal_rates/compute/cpu_per_core_hour", 0.05))
    assert "rate import --card internal" in told(same, Kind.TO_DO)["rate_cards.internal_rates"]
    new = changed("rate_cards/internal_rates/api_tokens", {"gpt": {"cache_write": 2}})
    command = (
        "Run `herder rate add --card internal --resource tokens.cache_write_5m --product gpt --price 2`."
    )
    assert command in told(read(new), Kind.TO_DO).values()


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("alert_thresholds/alert_policies", {}),
        ("alert_thresholds/alert_policies/0/cooldown_period", "soon"),
        ("alert_thresholds/alert_policies/0/thresholds/info", "half"),
        ("alert_thresholds/notification_settings/escalation_policy/no_acknowledgment_timeout_minutes", -1),
        ("rate_cards/internal_rates/compute/cpu_per_core_hour", "cheap"),
    ],
)
def test_what_is_wrong_is_refused_by_its_path(path: str, value: Any) -> None:
    with pytest.raises(SettingsError) as caught:
        read(changed(path, value))
    assert [each.key for each in caught.value.problems] == [path.replace("/", ".")]


def test_every_sentence_keeps_the_rules() -> None:
    assert [each.text for each in read(SAMPLE).findings if faults(each.text)] == []
