"""Routes for the ledger: sums of costs, lines and how they came about, months."""

from fastapi import Request

from herder.api.http.replies import flag, number, page_size
from herder.api.http.route_table import RouteTable, Write
from herder.model.permissions import Action, Kind, Principal
from herder.wire.api.cost_changes import CostChange
from herder.wire.api.costs import CostSums, LineExplanation, MonthPreview
from herder.wire.api.documented_costs import Roi
from herder.wire.api.resources import Page, Result

_SEE, _CHANGE = (Action.SEE, Kind.COST), (Action.CHANGE, Kind.COST)
_DAYS = ("first", "last", "card")
_ROI = ("period", "hours_saved", "hourly_rate", "error_reduction", "faster_delivery")


def add(front: RouteTable) -> None:
    commands, reads = front.commands, front.reads

    async def get_costs(request: Request, who: Principal) -> CostSums:
        """Costs between two days, by dimensions. `by`: day, project, user, pool and so on; `card`: a rate card instead of what it cost."""
        asked = request.query_params
        return await reads.costs(
            who, asked.get("first"), asked.get("last"), asked.get("by") or "", asked.get("card")
        )

    async def list_lines(request: Request, who: Principal) -> Page:
        """Lines of the ledger between two days; booked: those that are booked in the months instead, with corrections of earlier ones."""
        asked = request.query_params
        after, limit = number(request, "after", 0) or 0, page_size(request)
        days = asked.get("first"), asked.get("last")
        return await reads.list_cost_lines(
            who, *days, asked.get("card"), after, limit, booked=flag(request, "booked")
        )

    async def explain_line(request: Request, who: Principal) -> LineExplanation:
        """How a line came about: use × rate = amount, to the event."""
        return await reads.explain_line(who, request.path_params["line"])

    async def list_months(request: Request, who: Principal) -> Page:
        """Months of the ledger: open, closing, closed."""
        return await reads.months(who)

    async def preview_close(request: Request, who: Principal) -> MonthPreview:
        """What closing a month would close: lines, sums by card, use without a price."""
        return await reads.close_preview(who, request.path_params["month"])

    async def get_change(request: Request, who: Principal) -> CostChange:
        """Why a day (default: yesterday) cost more or less than the 7 days before: who and what."""
        return await reads.cost_change(who, request.query_params.get("day") or "")

    async def get_roi(request: Request, who: Principal) -> Roi:
        """What came back for what was spent in a period."""
        return await reads.roi(who, *(request.query_params.get(name) or "" for name in _ROI))

    def close_month(write: Write) -> Result:
        """Close a month that has ended, and those before it: their lines never change again."""
        return commands.close_month(
            write.who, write.request.path_params["month"], write.changes, write.now_ms
        )

    front.read("/costs", get_costs, CostSums, _SEE, query=(*_DAYS, "by"))
    front.read("/costs/lines", list_lines, Page, _SEE, query=(*_DAYS, "booked"))
    front.read("/costs/lines/{line}", explain_line, LineExplanation, _SEE)
    front.read("/costs/change", get_change, CostChange, _SEE, query=("day",))
    front.read("/costs/roi", get_roi, Roi, _SEE, query=_ROI)
    front.read("/costs/months", list_months, Page, _SEE)
    front.read("/costs/months/{month}/preview", preview_close, MonthPreview, _CHANGE)
    front.write("POST", "/costs/months/{month}/close", close_month, None, Result, _CHANGE)
