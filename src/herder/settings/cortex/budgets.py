"""The budgets of Cortex as the section `budgets` of herder.yaml: dollars of pools from `worker-pools.json`, tokens of an organisation from `cost-tracking.json`.

Pure; called by `importing` and `costs`. What contradicts itself is kept as it is written, and told by the modules of contradictions.
"""

from typing import Any

from herder.ledger.budgets.spec import Priority, Scope
from herder.settings.cortex.pools import given
from herder.settings.imports.reading import Node
from herder.settings.imports.result import Finding, Kind

TOKENS, RESERVE, CONTINGENCY = "tokens", "emergency-reserve", "contingency"
_CONTRACTORS = "contractors"
#: Of Herder's alert `pool-budget`.
_USUAL_PERCENT = 80
Plain = dict[str, dict[str, Any]]


def pool_budgets(root: Node) -> Plain:
    """Empty where cost tracking is off, or in another currency than US dollars: Herder has no exchange rates."""
    costs = root.at("cost_tracking")
    if costs.at("enabled").flag() is False or costs.at("currency").text() not in (None, "USD"):
        return {}
    found = {}
    for name, _ in root.at("worker_pool_definitions").children():
        limit = costs.at("cost_allocation", f"{name}_pool", "monthly_budget").number()
        if limit is not None:
            found[name] = {"scope": str(Scope.POOL), "period": "month", "limit": f"{limit:.12g}"}
    return found


def pool_alerts(root: Node, told: list[Finding]) -> dict[str, Any]:
    """Where the threshold is not Herder's own; of bursts a person makes the budget, since each is one of its own."""
    alerts = root.at("cost_tracking", "alerts")
    burst, percent = alerts.at("burst_cost_per_event_max"), alerts.at("budget_threshold_percent").whole()
    if (most := burst.number()) is not None:
        text = (
            f"Run `herder budget set NAME --set scope=event --set period=once --limit {most:g}` for each burst; "
            "whoever buys for it takes leases on this budget."
        )
        told.append(Finding(kind=Kind.TO_DO, path=".".join(burst.path), text=text))
    if percent is None or percent == _USUAL_PERCENT:
        return {}
    return {"thresholds": {"pool-budget": {"warning": percent}}}


def token_budgets(root: Node, told: list[Finding]) -> Plain:
    """Empty where the file has no budgets. Problems are told at `root.source`."""
    if root.value is None:
        return {}
    organisation, found = root.at("organization"), _Found()
    currency, period = organisation.at("currency"), organisation.at("budget_period")
    for node, usual in ((currency, "tokens"), (period, "daily")):
        if (value := node.text()) not in (None, usual):
            node.source.wrong(
                node.path,
                f"Only {usual} budgets are imported, and the file has {value!r}.",
                f"Write {usual}, or write the budgets into herder.yaml by hand.",
            )
    name = organisation.at("name").text()
    if name or organisation.at("total_daily_allocation").value is not None:
        found.add(organisation.at("total_daily_allocation"), TOKENS, scope=Scope.ORGANISATION, of=name)
    top = TOKENS if found.plain else None
    _divisions(root.at("divisions"), found, top)
    _users(root.at("shared_services"), found, "services", top)
    _users(root.at("meta_level"), found, "meta", top)
    _funds(organisation, found, top)
    for project in root.at("project_budgets", "active_projects").listed():
        _project(project, found, told)
    return found.plain


class _Found:
    """Budgets by name, each of a day unless it says otherwise."""

    def __init__(self) -> None:
        self.plain: Plain = {}

    def add(
        self, node: Node, name: str, *, scope: Scope = Scope.GROUP, period: str = "day", **more: Any
    ) -> None:
        """`node`: the limit; where the file has none, the budget only adds up what is below it."""
        self.put(node, name, node.whole(), scope=str(scope), period=period, **more)

    def put(self, node: Node, name: str, limit: int | None, **more: Any) -> None:
        if name in self.plain:
            node.source.wrong(node.path, f"Two budgets would be named {name}.", "Rename one of them.")
        self.plain[name] = {**given(unit="tokens", **more), "limit": limit}


def _group(node: Node, found: _Found, name: str, top: str | None) -> None:
    """The sum of its parts; unknown if one of them is."""
    parts = [each.at("daily_allocation").whole() for _, each in node.children()]
    known = [each for each in parts if each is not None]
    total = sum(known) if len(known) == len(parts) else None
    found.put(node, name, total, scope=str(Scope.GROUP), period="day", parent=top)


def _divisions(node: Node, found: _Found, top: str | None) -> None:
    if not node.value:
        return
    _group(node, found, "divisions", top)
    for name, division in node.children():
        rules = division.at("flexibility")
        overage, asks = (
            rules.at("max_overage_pct").whole(),
            rules.at("approval_required_above_pct").whole(),
        )
        found.add(
            division.at("daily_allocation"), name, scope=Scope.DIVISION, parent="divisions",
            borrow=rules.at("can_borrow").flag(),
            overage=None if overage is None else f"{overage}%",
            approval=None if asks is None else f"{asks}%",
        )  # fmt: skip
        parts = division.at("sub_allocations")
        for part, amount in parts.children():
            found.add(amount, f"{name}-{part}", parent=name)
        above = f"{name}-{_CONTRACTORS}" if parts.at(_CONTRACTORS).value is not None else name
        for contractor in division.at(_CONTRACTORS).listed():
            who = contractor.at("contractor").text()
            if who:
                found.add(contractor.at("allocation"), who, scope=Scope.USER, parent=above)


def _users(node: Node, found: _Found, group: str, top: str | None) -> None:
    if not node.value:
        return
    _group(node, found, group, top)
    for name, each in node.children():
        priority = each.at("priority").text()
        if priority not in (None, *Priority):
            each.source.wrong(
                each.at("priority").path,
                f"There is no priority {priority!r}.",
                f"Write one of {', '.join(Priority)}.",
            )
        found.add(each.at("daily_allocation"), name, scope=Scope.USER, parent=group, priority=priority)


def _funds(node: Node, found: _Found, top: str | None) -> None:
    """The fund comes on top of the organisation. The file names who approves it; of the reserve it names nobody, so it is the same."""
    fund, reserve = node.at("contingency_fund"), node.at("emergency_reserve_tokens")
    approver = fund.at("approval_required").text()
    approvers = [approver] if approver else None
    if reserve.value is not None:
        found.add(reserve, RESERVE, parent=top, approvers=approvers, lending_limit="0%")
    if fund.at("amount").value is not None:
        found.add(fund.at("amount"), CONTINGENCY, approvers=approvers)


def _project(node: Node, found: _Found, told: list[Finding]) -> None:
    name, state = node.at("project_id").text(), node.at("status").text()
    if not name:
        return
    if state not in (None, "active"):
        text = f"The project is {state}. Only active projects are imported."
        told.append(Finding(kind=Kind.NOT_TAKEN, path=".".join(node.path), text=text))
        return
    daily = f"{name}-daily"
    found.add(node.at("total_budget"), name, scope=Scope.PROJECT, period="once")
    found.add(node.at("daily_allocation"), daily, parent=name)
    for source in node.at("funding_sources").listed():
        giver = source.at("division").text() or source.at("master").text()
        if giver:
            found.add(source.at("amount"), f"{name}-{giver}", parent=daily)
    last = node.at("end_date")
    if last.text():
        node.at("start_date").use()
        text = f"A budget has no dates: run `herder budget delete {name} --yes` after the project has ended."
        told.append(Finding(kind=Kind.TO_DO, path=".".join(last.path), text=text))
