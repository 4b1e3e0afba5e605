"""The budgets of Cortex' `cost-tracking.json` as its documents state them. Used by the tests of its import."""

from typing import Any

DIVISIONS = {
    "infrastructure": 20_000, "containers": 15_000, "workflows": 12_000,
    "configuration": 10_000, "monitoring": 18_000, "intelligence": 8_000,
}  # fmt: skip
SERVICES = {
    "security_master": (25_000, "high"), "development_master": (30_000, "high"), "cicd_master": (15_000, "medium"),
    "inventory_master": (10_000, "low"), "coordinator_master": (20_000, "critical"),
}  # fmt: skip
META = {"cortex_prime": (10_000, "critical"), "coo": (5_000, "high")}
CONTRACTORS = {
    "infrastructure": {"infrastructure-contractor": 10_000, "talos-contractor": 2_000},
    "workflows": {"n8n-contractor": 7_200},
}
SHARES = {"coordination": 20, "contractors": 60, "reporting": 10, "emergency": 10}
TOTAL = 200_000


def budgets() -> dict[str, Any]:
    """The section `budget_configuration`."""
    return {
        "organization": {
            "name": "cortex",
            "total_daily_allocation": TOTAL,
            "currency": "tokens",
            "budget_period": "daily",
            "emergency_reserve_pct": 1.0,
            "emergency_reserve_tokens": 2_000,
            "contingency_fund": {"amount": 10_000, "approval_required": "coo"},
        },
        "divisions": {name: _division(name, tokens) for name, tokens in DIVISIONS.items()},
        "shared_services": {name: _user(*each) for name, each in SERVICES.items()},
        "meta_level": {name: _user(*each) | {"model": "claude-opus-4.5"} for name, each in META.items()},
        "project_budgets": {"active_projects": [_project()]},
    }


def costs() -> dict[str, Any]:
    """The sections that contradict themselves, with the documented values."""
    return {
        "budget_configuration": budgets(),
        "rate_cards": {
            "chargeback_model": {"external_entities": {"markup_pct": 20}},
            "external_rates": {"compute": {"markup_pct": 50}, "api_tokens": {"markup_pct": 20}},
        },
        "optimization_rules": {
            "recommendation_engine": {"confidence_threshold": 0.75},
            "optimization_types": {"schedule_optimization": {"confidence_threshold": 0.7}},
        },
    }


def _division(name: str, tokens: int) -> dict[str, Any]:
    contractors = [
        {"contractor": who, "allocation": amount} for who, amount in CONTRACTORS.get(name, {}).items()
    ]
    return {
        "daily_allocation": tokens,
        "pct_of_total": tokens * 100 / TOTAL,
        "sub_allocations": {part: tokens * share // 100 for part, share in SHARES.items()},
        "flexibility": {"can_borrow": True, "max_overage_pct": 10, "approval_required_above_pct": 15},
        **({"contractors": contractors} if contractors else {}),
    }


def _user(tokens: int, priority: str) -> dict[str, Any]:
    return {"daily_allocation": tokens, "pct_of_total": tokens * 100 / TOTAL, "priority": priority}


def _project() -> dict[str, Any]:
    return {
        "project_id": "k8s-cluster-migration",
        "start_date": "2025-12-01",
        "end_date": "2025-12-14",
        "total_budget": 350_000,
        "daily_allocation": 25_000,
        "funding_sources": [
            {"division": "containers", "amount": 15_000},
            {"division": "infrastructure", "amount": 5_000},
            {"master": "development_master", "amount": 5_000},
        ],
        "status": "active",
    }
