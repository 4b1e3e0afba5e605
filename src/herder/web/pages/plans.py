"""The pages of plans: `/plans`, newest first, and `/plans/N`: what was seen, what was decided, and what differs from the plan before."""

from collections.abc import Sequence
from dataclasses import dataclass

from starlette.requests import Request

from herder.model.permissions import Principal
from herder.web.decisions import Decision, decision
from herder.web.pages.listing import filters_in, listed, with_query
from herder.web.pages.site import Shown, Site, after_in, number_in
from herder.web.plan_differences import differences
from herder.wire.api.resources import Page, PlanView

#: Plans of one page of the list.
ROWS = 40
#: Of one plan.
POOLS_SHOWN = 100
ACTIONS_SHOWN = 100
UNPLACED_SHOWN = 50


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """Plans that follow one another: one with actions, or those without between two of them."""

    plans: Sequence[Decision]
    calm: bool


def add(site: Site) -> None:
    reads = site.reads

    async def show_all(who: Principal, request: Request) -> Shown:
        filters, after = filters_in(request, ("actions",)), after_in(request)
        acting = "actions" in filters
        page = await reads.plans(who, after=after, limit=ROWS, empty=not acting)
        plans: list[PlanView] = page.items
        found = Page(items=runs([decision(each) for each in plans]), next=page.next)
        return Shown(
            template="plans/list.html",
            command="herder plan list" if acting else "herder plan list --all",
            api=with_query("/api/v1/plans", {"actions": "true"} if acting else {}),
            values={"listed": listed(found, filters, after)},
        )

    async def show(who: Principal, request: Request) -> Shown:
        number = number_in(request, "plan")
        plan = await reads.plan(who, number)
        before = (await reads.plans(who, after=number, limit=1)).items
        last = before[0] if before else None
        told = decision(plan)
        return Shown(
            template="plans/one.html",
            command=f"herder plan get {number}",
            api=f"/api/v1/plans/{number}",
            values={
                "plan": plan,
                "before": last,
                "acts": told.acts[:ACTIONS_SHOWN],
                "pools": plan.pools[:POOLS_SHOWN],
                "unplaced": plan.unplaced[:UNPLACED_SHOWN],
                "differences": None if last is None else differences(last, plan)[:POOLS_SHOWN],
            },
        )

    site.add("/plans", "plans", "list", show_all)
    site.add("/plans/{number}", "plans", "plan", show)


def runs(plans: Sequence[Decision]) -> list[Run]:
    """In their order, those without actions gathered."""
    found: list[Run] = []
    calm: list[Decision] = []
    for each in plans:
        if not each.acts:
            calm.append(each)
            continue
        if calm:
            found.append(Run(plans=calm, calm=True))
            calm = []
        found.append(Run(plans=[each], calm=False))
    return [*found, Run(plans=calm, calm=True)] if calm else found
