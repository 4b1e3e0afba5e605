"""What contradicts itself in `cost-tracking.json`. Pure; called by `costs` after the readers."""

from collections.abc import Iterator

from herder.settings.imports.reading import Node

Told = tuple[str, str]
"""(path, sentence)."""
#: The budgets of an organisation.
_GROUPS = ("divisions", "shared_services", "meta_level")


def contradictions(root: Node) -> Iterator[Told]:
    budgets = root.at("budget_configuration")
    yield from _sums(budgets)
    yield from _shares(budgets)
    yield from _parts(budgets)
    yield from _projects(budgets)
    yield from _markups(root.at("rate_cards"))
    yield from _prices(root)
    yield from _confidence(root.at("optimization_rules"))


def _value(node: Node) -> float | None:
    value = node.value
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def _children(node: Node) -> Iterator[tuple[str, Node]]:
    if isinstance(node.value, dict):
        yield from node.children()


def _sums(budgets: Node) -> Iterator[Told]:
    total = _value(budgets.at("organization", "total_daily_allocation"))
    parts = [
        _value(each.at("daily_allocation")) or 0
        for group in _GROUPS
        for _, each in _children(budgets.at(group))
    ]
    reserve = _value(budgets.at("organization", "emergency_reserve_tokens")) or 0
    if total is None or not parts:
        return
    if (whole := sum(parts) + reserve) != total:
        node = budgets.at("organization", "total_daily_allocation")
        yield (
            _path(node),
            f"The budgets come to {whole:,.0f} tokens a day, and the organisation has {total:,.0f}.",
        )
    fund = budgets.at("organization", "contingency_fund", "amount")
    if (extra := _value(fund)) and sum(parts) + reserve + extra > total:
        yield (
            _path(fund),
            f"With the contingency fund of {extra:,.0f} tokens the budgets come to {sum(parts) + reserve + extra:,.0f} a day, more than the {total:,.0f} of the organisation.",
        )


def _shares(budgets: Node) -> Iterator[Told]:
    """Amounts that are also written as percent of the whole. The amounts are imported."""
    organisation = budgets.at("organization")
    total = _value(organisation.at("total_daily_allocation"))
    rows = [(organisation.at("emergency_reserve_pct"), organisation.at("emergency_reserve_tokens"))]
    rows += [
        (each.at("pct_of_total"), each.at("daily_allocation"))
        for group in _GROUPS
        for _, each in _children(budgets.at(group))
    ]
    for percent, amount in rows:
        part, has = _value(percent), _value(amount)
        if total and part is not None and has is not None and abs(total * part / 100 - has) >= 1:
            yield (
                _path(percent),
                f"{part:g} % of {total:,.0f} tokens are {total * part / 100:,.0f}, and {amount.path[-1]} is {has:,.0f}.",
            )


def _parts(budgets: Node) -> Iterator[Told]:
    for name, division in _children(budgets.at("divisions")):
        allocation = _value(division.at("daily_allocation"))
        parts = [_value(each) or 0 for _, each in _children(division.at("sub_allocations"))]
        if allocation is not None and parts and sum(parts) != allocation:
            yield (
                _path(division.at("sub_allocations")),
                f"The parts of {name} come to {sum(parts):,.0f} tokens, and the division has {allocation:,.0f}.",
            )
        flexible = division.at("flexibility")
        most, asks = (
            _value(flexible.at("max_overage_pct")),
            _value(flexible.at("approval_required_above_pct")),
        )
        if most is not None and asks is not None and asks > most:
            yield (
                _path(flexible.at("approval_required_above_pct")),
                f"Approval is needed above {asks:g} % of overage, and at most {most:g} % is allowed.",
            )


def _projects(budgets: Node) -> Iterator[Told]:
    rows = budgets.at("project_budgets", "active_projects")
    for project in rows.listed() if isinstance(rows.value, list) else ():
        sources = project.at("funding_sources")
        for source in sources.listed() if isinstance(sources.value, list) else ():
            division, amount = source.at("division").value, _value(source.at("amount"))
            allocation = (
                _value(budgets.at("divisions", division, "daily_allocation"))
                if isinstance(division, str)
                else None
            )
            if amount is not None and allocation is not None and amount >= allocation:
                yield (
                    _path(source.at("amount")),
                    f"The project takes {amount:,.0f} tokens a day of {division}, which has {allocation:,.0f} in all.",
                )


def _markups(cards: Node) -> Iterator[Told]:
    whole = _value(cards.at("chargeback_model", "external_entities", "markup_pct"))
    for name, group in _children(cards.at("external_rates")):
        own = _value(group.at("markup_pct"))
        if own is not None and whole is not None and own != whole:
            yield (
                _path(group.at("markup_pct")),
                f"The markup of {name} for others is {own:g} %, and that of the model {whole:g} %.",
            )


def _prices(root: Node) -> Iterator[Told]:
    """Each price is in the file twice."""
    rates = root.at("rate_cards", "internal_rates")
    for model, prices in _children(rates.at("api_tokens")):
        for kind, each in _children(prices):
            other = _value(root.at("model_pricing", model, f"{kind}_rate_per_million"))
            price = _value(each)
            if price is not None and other is not None and price != other:
                yield (
                    _path(each),
                    f"{model} costs ${price:g} for {kind} here, and ${other:g} in model_pricing.",
                )
    for keys, metric in (
        (("compute", "cpu_per_core_hour"), ("compute_cpu", "standard_rate")),
        (("compute", "memory_per_gb_hour"), ("compute_memory", "standard_rate")),
        (("storage", "hot_per_gb_month"), ("storage_hot", "monthly_rate_per_gb")),
        (("storage", "warm_per_gb_month"), ("storage_warm", "monthly_rate_per_gb")),
        (("storage", "cold_per_gb_month"), ("storage_cold", "monthly_rate_per_gb")),
        (("network", "internet_egress_per_gb"), ("network_egress", "rate_per_gb")),
    ):
        price, other = _value(rates.at(*keys)), _value(root.at("metric_definitions", *metric))
        if price is not None and other is not None and price != other:
            yield (
                _path(rates.at(*keys)),
                f"The price is ${price:g} here, and ${other:g} in metric_definitions.{metric[0]}.",
            )


def _confidence(rules: Node) -> Iterator[Told]:
    needed = _value(rules.at("recommendation_engine", "confidence_threshold"))
    for name, kind in _children(rules.at("optimization_types")):
        own = _value(kind.at("confidence_threshold"))
        if own is not None and needed is not None and own < needed:
            yield (
                _path(kind.at("confidence_threshold")),
                f"{name} needs a confidence of {own:g}, and every recommendation one of {needed:g}.",
            )


def _path(node: Node) -> str:
    return ".".join(node.path)
