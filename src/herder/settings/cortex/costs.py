"""From the text of `cost-tracking.json` to the sections `alerts` and `budgets` of herder.yaml, with what is to be done by hand, what contradicts itself and what was not taken over.

Called by `importing`. Rates are no settings: they are compared with the built-in cards, and commands are named. Pure.
"""

import re
from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import Any

from herder.ledger.alerts.documented import COMPUTE, DOCUMENTED, OPPORTUNITY
from herder.ledger.alerts.policies import Policy
from herder.ledger.built_in_cards import COMPUTE as COMPUTE_RATES
from herder.ledger.built_in_cards import KINDS, MODELS, OTHER
from herder.settings.cortex.budgets import token_budgets
from herder.settings.cortex.cost_contradictions import contradictions
from herder.settings.imports.reading import Node, unread
from herder.settings.imports.result import Finding, Imported, Kind, check_readable, grouped
from herder.settings.syntax.problems import SettingsError

#: Of which one tells that it is this file.
SECTIONS = ("alert_thresholds", "budget_configuration", "rate_cards")
_POLICIES = {each.id: each for each in DOCUMENTED}
_SPAN = re.compile(r"([0-9]+)_(minute|hour|day)s?")
#: Names of Cortex' internal rates, and of the resources that they are for.
_RATES = {
    ("compute", "cpu_per_core_hour"): "cpu",
    ("compute", "memory_per_gb_hour"): "memory",
    ("compute", "gpu_per_hour"): "gpu",
    ("storage", "hot_per_gb_month"): "storage.hot",
    ("storage", "warm_per_gb_month"): "storage.warm",
    ("storage", "cold_per_gb_month"): "storage.cold",
    ("network", "intra_region_per_gb"): "network.intra",
    ("network", "inter_region_per_gb"): "network.inter",
    ("network", "internet_egress_per_gb"): "network.egress",
}
_FIRST_OF_TIERS = {"network.egress": "0.09"}
_KINDS, _UNKNOWN = ("input", "output", "cache_write", "cache_read"), ("",) * 4
_REASONS = (
    (r"budget_configuration.*\.(pct_of_total|emergency_reserve_pct)", Kind.NOT_TAKEN, "It follows from the amounts."),
    (r"budget_configuration.*\.fiscal_year", Kind.NOT_TAKEN, "Periods are those of the calendar."),
    (r"budget_configuration.*\.model", Kind.NOT_TAKEN, "A budget allows each model; the caller chooses it."),
    (r"budget_configuration.*\.(services|use_cases|budget_type|name)", Kind.NOT_TAKEN, "A budget has no description."),
    (r"budget_configuration.*", Kind.NOT_TAKEN, "A budget has no such setting."),
    (r"rate_cards.*", Kind.NOT_TAKEN, "Cards are stored, and `herder rate` adds to them."),
    (r"model_pricing.*", Kind.NOT_TAKEN, "The prices of the rate card are used."),
    (r"metric_definitions.*", Kind.NOT_TAKEN, "Units and resources are built in."),
    (r"optimization_rules.*", Kind.NOT_TAKEN, "The rules of optimisation are built in."),
    (r"reporting_schedules\.daily.*", Kind.TO_DO, "Run `herder cost reports set daily --period daily`: 18:00 of each day. Name the zone with --time-zone."),
    (r"reporting_schedules\.weekly.*", Kind.TO_DO, "Run `herder cost reports set weekly --period weekly`: 09:00 of each Monday. Name the zone with --time-zone."),
    (r"reporting_schedules\.monthly.*", Kind.TO_DO, "Run `herder cost reports set monthly --period monthly`: 09:00 of the first weekday of each month. Name the zone with --time-zone."),
    (r"reporting_schedules.*", Kind.TO_DO, "Run `herder cost reports set NAME --period PERIOD --cron CRON`: schedules are stored, and are no settings."),
    (r"version|last_updated|configuration_owner", Kind.NOT_TAKEN, ""),
    (r"alert_thresholds.*auto_actions.*", Kind.NOT_TAKEN, "Each alert has its actions; `herder alert policies` lists them."),
    (r"alert_thresholds.*notification_channels.*", Kind.NOT_TAKEN, "Each alert has its recipients; `herder alert policies` lists them."),
    (r"alert_thresholds.*delivery_sla.*", Kind.NOT_TAKEN, "Alerts are sent within 15 s after they are raised."),
    (r"alert_thresholds.*(evaluation|comparison_basis|threshold_type|anomaly_detection|period|window).*", Kind.NOT_TAKEN, "Each alert has its period."),
    (r"alert_thresholds.*", Kind.NOT_TAKEN, ""),
)  # fmt: skip


def imported_costs(root: Node) -> Imported:
    """Raises SettingsError with every problem and its path."""
    told: list[Finding] = []
    alerts = _alerts(root.at("alert_thresholds"), told)
    plain = {"alerts": alerts, "budgets": token_budgets(root.at("budget_configuration"), told)}
    plain = {key: value for key, value in plain.items() if value}
    told += _rates(root.at("rate_cards", "internal_rates"))
    told += [Finding(kind=Kind.CONTRADICTION, path=path, text=text) for path, text in contradictions(root)]
    if root.source.problems:
        raise SettingsError(root.source.problems)
    known = {each.path for each in told}
    told += [each for each in _left(root) if each.path not in known]
    check_readable(plain, root.source.file)
    return Imported(plain=plain, findings=grouped(told))


def _alerts(node: Node, told: list[Finding]) -> dict[str, Any]:
    thresholds: dict[str, dict[str, int]] = {}
    off: list[str] = []
    cooldown: str | None = None
    for each in node.at("alert_policies").listed():
        name = each.at("alert_id").text()
        policy = _POLICIES.get(name or "")
        if policy is None:
            text = "Herder has no such alert."
            told.append(Finding(kind=Kind.NOT_TAKEN, path=_path(each.at("alert_id")), text=text))
            continue
        if each.at("enabled").flag() is False:
            off.append(policy.id)
        if changed := _thresholds(policy, each.at("thresholds"), told):
            thresholds[policy.id] = changed
        cooldown = cooldown or _span(each.at("cooldown_period"))
    settings = node.at("notification_settings")
    minutes = settings.at("escalation_policy", "no_acknowledgment_timeout_minutes").whole()
    chain = settings.at("escalation_policy", "escalation_chain").listed()
    found = {
        "channels": _channels(settings.at("channels"), told),
        "chain": [name for each in chain if (name := each.at("recipient").text())],
        "cooldown": cooldown,
        "escalate_after": None if minutes is None else f"{minutes}m",
        "thresholds": thresholds,
        "off": off,
    }
    return {key: value for key, value in found.items() if value}


def _thresholds(policy: Policy, node: Node, told: list[Finding]) -> dict[str, int]:
    """Those that differ from the documented ones. A variance is written as what is above the mean."""
    unit = {COMPUTE.id: COMPUTE.thresholds[0].at // 200, OPPORTUNITY.id: OPPORTUNITY.thresholds[0].at // 10}
    more = 100 if policy.id == "cost-variance" else 0
    usual = {each.level.word: each.at // unit.get(policy.id, 1) for each in policy.thresholds}
    found = {}
    for level, each in node.children():
        value = each.number()
        if value is None:
            continue
        if level not in usual or value != int(value):
            text = "The alert has no such level, or it is not a whole number."
            told.append(Finding(kind=Kind.NOT_TAKEN, path=_path(each), text=text))
        elif int(value) + more != usual[level]:
            found[level] = int(value) + more
    return found


def _channels(node: Node, told: list[Finding]) -> dict[str, dict[str, str]]:
    found = {}
    for name, each in node.children():
        kind = each.at("type").text()
        path, url = each.at("path_template").text(), each.at("endpoint").text()
        folder = "" if path is None else str(PurePosixPath(path).parent)
        if url:
            found[name] = {"url": url}
        elif folder and "{" not in folder:
            found[name] = {"folder": folder}
        elif folder:
            text = "A channel has one folder. Write it under `alerts: channels`."
            told.append(Finding(kind=Kind.TO_DO, path=_path(each.at("path_template")), text=text))
        else:
            text = f"A channel of type {kind or 'unknown'} is `herder alert list`."
            told.append(Finding(kind=Kind.NOT_TAKEN, path=_path(each), text=text))
    return found


def _span(node: Node) -> str | None:
    text = node.text()
    match = _SPAN.fullmatch(text or "")
    if text is not None and match is None:
        node.source.wrong(node.path, f"{text!r} is not a time.", "Write for example 30_minutes.")
    return None if match is None else f"{match[1]}{match[2][0]}"


def _rates(node: Node) -> Iterator[Finding]:
    """Where they are not those of the built-in card."""
    usual: dict[str, str] = {**COMPUTE_RATES, **OTHER, **_FIRST_OF_TIERS}
    differ = False
    for keys, resource in _RATES.items():
        each = node.at(*keys)
        value = each.number()
        if value is not None and value != float(usual[resource]):
            differ = True
            text = f"Run `herder rate add --card internal --resource {resource} --price {value:g}`: the built-in card has {usual[resource]}."
            yield Finding(kind=Kind.TO_DO, path=_path(each), text=text)
    for model, prices in node.at("api_tokens").children():
        for kind, resource, price in zip(_KINDS, KINDS, MODELS.get(model, _UNKNOWN), strict=True):
            each = prices.at(kind)
            value = each.number()
            if value is not None and (not price or value != float(price)):
                differ = True
                text = f"Run `herder rate add --card internal --resource {resource} --product {model} --price {value:g}`."
                yield Finding(kind=Kind.TO_DO, path=_path(each), text=text)
    if node.value is not None and not differ:
        text = "They are those of the built-in card: run `herder rate import --card internal`."
        yield Finding(kind=Kind.TO_DO, path=_path(node), text=text)


def _left(root: Node) -> Iterator[Finding]:
    for path in unread(root):
        dotted = ".".join(path)
        kind, text = next(
            ((kind, text) for pattern, kind, text in _REASONS if re.fullmatch(pattern, dotted)),
            (Kind.NOT_TAKEN, "Herder has no setting for it."),
        )
        if text:
            yield Finding(kind=kind, path=dotted, text=text)


def _path(node: Node) -> str:
    return ".".join(node.path)
