"""The paths on costs that Cortex documents, under `/api`. Nothing here is in `openapi.json`; the page about Cortex' costs describes it."""

from fastapi import Request

from herder.api.http.route_table import RouteTable
from herder.model.permissions import Action, Kind, Principal
from herder.wire.api.documented_costs import CostStatus, PeriodCosts, Roi, Trends

_SEE = (Action.SEE, Kind.COST)
_ROI = ("period", "hours_saved", "hourly_rate", "error_reduction", "faster_delivery")


def add_documented(table: RouteTable) -> None:
    reads = table.reads

    def asked(request: Request, name: str) -> str:
        return request.query_params.get(name) or ""

    async def of_agent(request: Request, who: Principal) -> PeriodCosts:
        """Tokens of a user, and their cost."""
        return await reads.agent_costs(who, request.path_params["agent"], asked(request, "period"))

    async def of_division(request: Request, who: Principal) -> PeriodCosts:
        """Costs of a division."""
        return await reads.division_costs(who, request.path_params["division"], asked(request, "period"))

    async def of_organization(request: Request, who: Principal) -> PeriodCosts:
        """Costs of all, by division."""
        return await reads.organization_costs(who, asked(request, "period"))

    async def breakdown(request: Request, who: Principal) -> PeriodCosts:
        """Costs by one dimension."""
        dimension = asked(request, "dimension") or "category"
        return await reads.cost_breakdown(who, dimension, asked(request, "period"))

    async def trends(request: Request, who: Principal) -> Trends:
        """Costs of each day, by category."""
        return await reads.cost_trends(who, asked(request, "metrics"), asked(request, "window") or "30d")

    async def division_status(request: Request, who: Principal) -> CostStatus:
        """A division today and this month, with its alerts."""
        return await reads.division_status(who, request.path_params["division"])

    async def summary(request: Request, who: Principal) -> CostStatus:
        """All today and this month, with alerts and a forecast."""
        return await reads.organization_status(who)

    async def roi(request: Request, who: Principal) -> Roi:
        """What came back for what was spent."""
        return await reads.roi(who, *(asked(request, name) for name in _ROI))

    table.read("/cost/tokens/{agent}", of_agent, PeriodCosts, _SEE, query=("period",))
    table.read("/cost/division/{division}", of_division, PeriodCosts, _SEE, query=("period",))
    table.read("/cost/organization", of_organization, PeriodCosts, _SEE, query=("period",))
    table.read("/cost/breakdown", breakdown, PeriodCosts, _SEE, query=("dimension", "period"))
    table.read("/cost/trends", trends, Trends, _SEE, query=("metrics", "window"))
    table.read("/division/{division}/cost-status", division_status, CostStatus, _SEE)
    table.read("/org/cost-summary", summary, CostStatus, _SEE)
    table.read("/analytics/roi", roi, Roi, _SEE, query=_ROI)
