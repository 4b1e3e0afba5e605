"""Routes for recommendations: under `/api/v1`, and as Cortex documents them under `/api`."""

from fastapi import Request

from herder.api.http.route_table import RouteTable, Write
from herder.model.permissions import Action, Kind, Principal
from herder.wire.api.recommendations import RecommendationList, RecommendationResults, RecommendationView
from herder.wire.api.resources import Result

_SEE, _CHANGE = (Action.SEE, Kind.COST), (Action.CHANGE, Kind.FLEET)
_BASE = "/costs/recommendations"


def add(front: RouteTable) -> None:
    def approve(write: Write) -> Result:
        """Approve a recommendation that changes more than is done without an approval."""
        name = write.request.path_params["recommendation"]
        return front.commands.approve_recommendation(write.who, name, write.changes, write.now_ms)

    def roll_back(write: Write) -> Result:
        """Note that the change of a recommendation was undone; a pilot ends with it."""
        name = write.request.path_params["recommendation"]
        return front.commands.roll_back_recommendation(write.who, name, write.changes, write.now_ms)

    front.write("POST", _BASE + "/{recommendation}/roll-back", roll_back, None, Result, _CHANGE)
    front.write(
        "POST", _BASE + "/{recommendation}/approve", approve, None, Result, (Action.CHANGE, Kind.COST)
    )
    _add(front, _BASE, _BASE + "/{recommendation}", _BASE + "/{recommendation}/implement", _BASE + "/{recommendation}/results")  # fmt: skip


def add_documented(table: RouteTable) -> None:
    base = "/optimization"
    _add(
        table, f"{base}/recommendations", base + "/impact/{recommendation}", base + "/implement/{recommendation}",
        base + "/results/{recommendation}",
    )  # fmt: skip


def _add(table: RouteTable, listed: str, one: str, implemented: str, results: str) -> None:
    commands, reads = table.commands, table.reads

    async def list_recommendations(request: Request, who: Principal) -> RecommendationList:
        """What would save costs, the largest saving first. `priority`: high, medium, low."""
        return reads.recommendations(who, request.query_params.get("priority") or None)

    async def get_recommendation(request: Request, who: Principal) -> RecommendationView:
        """One recommendation: its facts, what it would save, what it needs and what carries it out."""
        return reads.recommendation(who, request.path_params["recommendation"])

    async def get_results(request: Request, who: Principal) -> RecommendationResults:
        """What was projected, and what was saved, from the lines of the ledger before and after."""
        return await reads.recommendation_results(who, request.path_params["recommendation"])

    async def check(request: Request, who: Principal) -> None:
        await reads.check_pilot(who, request.path_params["recommendation"])

    def implement(write: Write) -> Result:
        """Note that a recommendation is carried out from now on, that its pilot begins, or that its pilot was a success."""
        name = write.request.path_params["recommendation"]
        return commands.implement_recommendation(write.who, name, write.changes, write.now_ms)

    table.read(listed, list_recommendations, RecommendationList, _SEE, query=("priority",))
    table.read(one, get_recommendation, RecommendationView, _SEE)
    table.read(results, get_results, RecommendationResults, _SEE)
    table.write("POST", implemented, implement, None, Result, _CHANGE, before=check)
