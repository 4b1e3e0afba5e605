"""Views of users and projects: quota, use, borrowed quota, waiting jobs."""

from collections import Counter

from herder.control.kernel.core import Core
from herder.decide.quotas.usage import RemainingQuota, remaining_quota
from herder.model.ids import UserName
from herder.model.permissions import Action, Kind, Principal, Thing, Verdict, may, scope_of
from herder.model.values.money import usd_text
from herder.model.work.sharing import NO_LIMITS, NOTHING, Amounts, Limits, ProjectQuota
from herder.wire.api.people import ProjectView, UserView


def user_views(core: Core, who: Principal) -> list[UserView]:
    """Those whom `who` may see, in the order in which they were made; what they hold is over all projects."""
    costs: Counter[str] = Counter()
    for (user, _, _), usage in core.ledger.accounts.items():
        costs[user] += usage.cost_pico
    held: dict[UserName, Amounts] = {}
    for (name, _), amounts in core.state.held.items():
        held[name] = held.get(name, NOTHING).plus(amounts)
    waiting: Counter[str] = Counter()
    for class_id, queue in core.state.queues.items():
        if queue.count:
            waiting[core.state.classes[class_id].user] += queue.count
    quotas = {each.user: each.limits for each in core.state.sharing.users}
    return [
        UserView(
            name=user.name,
            role=user.role,  # type: ignore[arg-type]
            weight=user.weight,
            cost_usd=usd_text(costs[user.name]),
            quota=quotas.get(UserName(user.name), NO_LIMITS).named(),
            used=held.get(UserName(user.name), NOTHING).named(),
            queued_jobs=waiting[user.name],
        )
        for user in core.directory.users.values()
        if may(who, Action.SEE, Thing(kind=Kind.USER, owner=user.name)) is Verdict.ALLOWED
    ]


def project_views(core: Core, who: Principal) -> list[ProjectView]:
    """Those with a quota, and those with jobs that run or wait, by name. Costs are of what `who` may see of them."""
    state, scope = core.state, scope_of(who)
    remaining = remaining_quota(state.sharing, state.held, state.resources)
    used: dict[str, Amounts] = {}
    for (_, name), amounts in state.held.items():
        used[name] = used.get(name, NOTHING).plus(amounts)
    waiting: Counter[str] = Counter()
    for class_id, queue in state.queues.items():
        if queue.count:
            waiting[state.classes[class_id].project] += queue.count
    costs: Counter[str] = Counter()
    for (user, name, _), usage in core.ledger.accounts.items():
        if scope is None or scope.covers(user, name):
            costs[name] += usage.cost_pico
    names = sorted({*remaining.projects, *used, *waiting})
    return [_project(name, remaining, used.get(name, NOTHING), waiting[name], costs[name]) for name in names]


def _project(
    name: str, remaining: RemainingQuota, used: Amounts, waiting: int, cost_pico: int
) -> ProjectView:
    project = remaining.projects.get(name)
    quota = project.quota if project is not None else ProjectQuota(name=name)
    room = remaining.of_project(name)
    return ProjectView(
        name=name,
        cohort=quota.cohort,
        nominal_quota=quota.nominal.named(),
        borrowing_limit=quota.borrowing_limit.named(),
        lending_limit=quota.lending_limit.named(),
        used=used.named(),
        borrowed=_limited(project.borrowed, quota.nominal) if project is not None else {},
        may_start=_limited(room, quota.nominal),
        queued_jobs=waiting,
        cost_usd=usd_text(cost_pico),
        division=quota.division,
        rate_card=quota.rate_card,
    )


def _limited(amounts: Amounts, nominal: Limits) -> dict[str, int]:
    """Only of what there is a quota."""
    limited = nominal.named()
    return {name: amount for name, amount in amounts.named().items() if name in limited}
