"""Budgets, alerts and recommendations as they are now, for the views of reports that have them: of the whole, or of one division."""

from collections.abc import Iterable, Mapping

from herder.control.alerts.texts import alert_view
from herder.control.costs.months import payers_of
from herder.control.costs.recommendation_states import WAITING, by_saving, recommendation_of, sees
from herder.control.kernel.core import Core
from herder.control.reads.alerts import policy_of
from herder.control.reads.costs.budget_forecasts import (
    FORECASTS_MAX,
    HORIZON_DAYS,
    BudgetOutlook,
    day_of,
    outlooks,
)
from herder.ledger.budgets.spec import BudgetSpec, Scope, Unit
from herder.model.permissions import Principal
from herder.model.values.times import iso
from herder.reports.outlook import ActiveAlert, BudgetState, Opportunity, Outlook


async def outlook_of(core: Core, who: Principal, division: str) -> Outlook:
    """`division`: empty for all. `who` may see the fleet, and so budgets and alerts; of recommendations they get those that they may see."""
    budgets = core.budgets.budgets
    names = sorted(budgets)
    if division:
        projects = {name for name, each in payers_of(core).projects.items() if each.division == division}
        names = _of_division({name: each.spec for name, each in budgets.items()}, division, projects)
    found = await outlooks(core, [budgets[name] for name in names], HORIZON_DAYS)
    subjects = {f"division/{division}", *(f"budget/{name}" for name in names)} if division else None
    return Outlook(
        at=iso(core.clock.now_ms()),
        budgets=[_state(each) for each in found if each.unit is Unit.USD],
        token_budgets=[_state(each) for each in found if each.unit is Unit.TOKENS],
        alerts=_alerts(core, subjects),
        without_forecast=max(0, len(found) - FORECASTS_MAX),
        opportunities=None if division else _opportunities(core, who),
    )


def _of_division(specs: Mapping[str, BudgetSpec], division: str, projects: Iterable[str]) -> list[str]:
    """Its own ones, those of its projects, and all below them."""
    accounts = {(Scope.DIVISION, division), *((Scope.PROJECT, name) for name in projects)}

    def belongs(spec: BudgetSpec) -> bool:
        above = specs.get(spec.parent)
        return (spec.scope, spec.subject) in accounts or (above is not None and belongs(above))

    return sorted(name for name, spec in specs.items() if belongs(spec))


def _state(found: BudgetOutlook) -> BudgetState:
    return BudgetState(
        name=found.name, of=found.scope, limit=found.most, spent=found.spent, left=found.left,
        at_end=None if found.at_end is None else found.at_end.mean,
        used_up=day_of(found.used_up_ms) or ("no limit" if found.most is None else "holds" if found.known else "unknown"),
    )  # fmt: skip


def _alerts(core: Core, subjects: set[str] | None) -> list[ActiveAlert]:
    """The highest level first."""
    known = core.ledger.alerts.alerts.values()
    shown = [each for each in known if each.active and (subjects is None or each.subject in subjects)]
    shown.sort(key=lambda each: (-each.level, each.raised_ms, each.id))
    views = [alert_view(policy_of(core, each), each) for each in shown]
    return [
        ActiveAlert(
            raised=each.raised_at, subject=each.subject or "organisation", level=each.level, state=each.state, text=each.text
        )
        for each in views
    ]  # fmt: skip


def _opportunities(core: Core, who: Principal) -> list[Opportunity]:
    """Those that wait and would save something, the largest saving first."""
    rules = core.settings.recommendations
    waiting = by_saving(
        each
        for each in core.ledger.recommendations.values()
        if each.state in WAITING and int(each.saving_pico) > 0 and sees(who, each)
    )
    return [
        Opportunity(
            target=each.target, action=each.action, priority=rules.priority(recommendation_of(each)).value,
            state=each.state, saving=int(each.saving_pico),
        )
        for each in waiting
    ]  # fmt: skip
