"""Routes for budgets, leases and transfers: under `/api/v1`, and the documented ones under `/api/budget`."""

from fastapi import Request

from herder.api.http.replies import is_number
from herder.api.http.route_table import CHANGE_FLEET, Repeat, RouteTable, Write
from herder.control.kernel.bounds.errors import Invalid, NotKnown
from herder.control.reads.costs.budget_forecasts import HORIZON_DAYS
from herder.model.permissions import Action, Kind, Principal
from herder.wire.api.budgets import (
    BudgetAsk,
    BudgetForecast,
    BudgetLeaseView,
    BudgetSet,
    BudgetView,
    DocumentedAsk,
    DocumentedMove,
    LeaseRenew,
    LeaseReserve,
    LeaseSettle,
    TransferCreate,
    TransferDecision,
)
from herder.wire.api.resources import Page, Result

#: What users may do; whose budget it is, the command asks.
_USE = (Action.CREATE, Kind.BATCH)
_DELETE = (Action.REMOVE, Kind.POOL)
VERBS = ("approve", "reject", "take-back")


def add(front: RouteTable) -> None:
    _add_budgets(front)
    _add_leases(front)
    _add_transfers(front)


def _add_budgets(front: RouteTable) -> None:
    commands, reads = front.commands, front.reads

    async def list_budgets(request: Request, who: Principal) -> Page:
        """Budgets, with what is spent, reserved and left."""
        return reads.budgets(who)

    async def get_budget(request: Request, who: Principal) -> BudgetView:
        """One budget with its periods."""
        return reads.budget(who, _name(request))

    async def forecast_budget(request: Request, who: Principal) -> BudgetForecast:
        """What a budget will have spent at the end of its period and in the next days, and when it is used up. horizon: days, 1 to 365; default 30."""
        return await reads.budget_forecast(who, _name(request), _horizon(request))

    def set_budget(write: Write) -> Result:
        """Create a budget, or change settings of it."""
        return commands.set_budget(write.who, _name(write.request), write.body, write.changes, write.now_ms)

    def delete_budget(write: Write) -> Result:
        """Delete a budget, or let it be deleted when its leases have ended; what was spent is kept in the store."""
        return commands.delete_budget(write.who, _name(write.request), write.changes, write.now_ms)

    def keep_budget(write: Write) -> Result:
        """Cancel the deletion of a budget that still has leases."""
        return commands.keep_budget(write.who, _name(write.request), write.changes, write.now_ms)

    def request_budget(write: Write) -> Result:
        """Ask for more for a budget in this period."""
        return commands.request_budget(
            write.who, _name(write.request), write.body, write.changes, write.now_ms
        )

    front.read("/budgets", list_budgets, Page)
    front.read("/budgets/{budget}", get_budget, BudgetView)
    front.read("/budgets/{budget}/forecast", forecast_budget, BudgetForecast, query=("horizon",))
    front.write("PUT", "/budgets/{budget}", set_budget, BudgetSet, Result, CHANGE_FLEET)
    front.write("DELETE", "/budgets/{budget}", delete_budget, None, Result, _DELETE)
    front.write("POST", "/budgets/{budget}/keep", keep_budget, None, Result, CHANGE_FLEET)
    front.write("POST", "/budgets/{budget}/requests", request_budget, BudgetAsk, Result, _USE)


def _add_leases(front: RouteTable) -> None:
    commands, reads = front.commands, front.reads

    async def list_leases(request: Request, who: Principal) -> Page:
        """Leases on budgets that live, or expired without being settled."""
        return reads.budget_leases(who)

    async def get_lease(request: Request, who: Principal) -> BudgetLeaseView:
        """One lease on a budget."""
        return reads.budget_lease(who, _lease(request))

    def reserve_lease(write: Write) -> BudgetLeaseView:
        """Reserve the most that can be spent until the lease ends."""
        return commands.reserve_lease(write.who, write.body, write.changes, write.now_ms)

    def renew_lease(write: Write) -> BudgetLeaseView:
        """Settle one quantum of a lease, and reserve the next."""
        return commands.renew_lease(write.who, _lease(write.request), write.body, write.changes, write.now_ms)

    def settle_lease(write: Write) -> Result:
        """Settle a lease at what it has cost; the rest is free again."""
        return commands.settle_lease(
            write.who, _lease(write.request), write.body, write.changes, write.now_ms
        )

    async def again(repeat: Repeat) -> BudgetLeaseView:
        return reads.budget_lease(repeat.who, repeat.made.object.partition("/")[2])

    front.read("/budget-leases", list_leases, Page)
    front.read("/budget-leases/{lease}", get_lease, BudgetLeaseView)
    front.write("POST", "/budget-leases", reserve_lease, LeaseReserve, BudgetLeaseView, _USE, again=again)
    front.write("PUT", "/budget-leases/{lease}", renew_lease, LeaseRenew, BudgetLeaseView, _USE, again=again)
    front.write("POST", "/budget-leases/{lease}/settle", settle_lease, LeaseSettle, Result, _USE)


def _add_transfers(front: RouteTable) -> None:
    commands, reads = front.commands, front.reads

    async def list_transfers(request: Request, who: Principal) -> Page:
        """Requests and transfers that can still be decided, repaid or taken back."""
        return reads.budget_transfers(who)

    def reallocate(write: Write) -> Result:
        """Move an amount from one budget to another."""
        return commands.reallocate_budget(write.who, write.body, write.changes, write.now_ms)

    def approve(write: Write) -> Result:
        """Approve a request for more."""
        return _decide(front, write, "approve")

    def reject(write: Write) -> Result:
        """Reject a request for more."""
        return _decide(front, write, "reject")

    def take_back(write: Write) -> Result:
        """Take back what was granted and is not used."""
        return _decide(front, write, "take-back")

    front.read("/budget-transfers", list_transfers, Page)
    front.write("POST", "/budget-transfers", reallocate, TransferCreate, Result, _USE)
    for verb, run in zip(VERBS, (approve, reject, take_back), strict=True):
        front.write("POST", f"/budget-transfers/{{transfer}}/{verb}", run, TransferDecision, Result, _USE)


def add_documented(table: RouteTable) -> None:
    """The paths under `/api/budget` that Cortex names."""
    commands, reads = table.commands, table.reads

    async def status(request: Request, who: Principal) -> BudgetView:
        """A budget by what it limits."""
        params = request.path_params
        return reads.budget_of(who, str(params["type"]), str(params["id"]))

    async def forecast(request: Request, who: Principal) -> BudgetForecast:
        """What a budget will have spent."""
        return await reads.budget_forecast(who, str(request.path_params["id"]), _horizon(request))

    def ask(write: Write) -> Result:
        """Ask for more for a budget."""
        body = BudgetAsk(amount=str(write.body.amount), reason=write.body.reason)
        return commands.request_budget(write.who, entity_of(write.body), body, write.changes, write.now_ms)

    def approve(write: Write) -> Result:
        """Approve a request for more."""
        return _decide(table, write, "approve")

    def reallocate(write: Write) -> Result:
        """Move an amount from one budget to another, for this period."""
        given = write.body
        body = TransferCreate(
            source=given.source, target=given.target, amount=str(given.amount),
            reason=given.reason or f"Asked for by {write.who.user}.",
        )  # fmt: skip
        return commands.reallocate_budget(write.who, body, write.changes, write.now_ms)

    table.read("/budget/status/{type}/{id}", status, BudgetView)
    table.read("/budget/forecast/{id}", forecast, BudgetForecast, query=("horizon",))
    table.write("POST", "/budget/request", ask, DocumentedAsk, Result, _USE)
    table.write("POST", "/budget/approve/{transfer}", approve, TransferDecision, Result, _USE)
    table.write("POST", "/budget/reallocate", reallocate, DocumentedMove, Result, _USE)


def entity_of(body: DocumentedAsk) -> str:
    """Raises Invalid."""
    name = body.entity or body.division
    if not name or (body.entity and body.division and body.entity != body.division):
        raise Invalid("Name one budget.", field="entity", hint="Write its name in `entity` or in `division`.")
    return name


def _decide(front: RouteTable, write: Write, verb: str) -> Result:
    text = str(write.request.path_params["transfer"])
    if not is_number(text):
        raise NotKnown(
            f"There is no request or transfer {text[:50]!r}.", hint="`herder budget requests` shows them."
        )
    return front.commands.decide_transfer(write.who, int(text), verb, write.body, write.changes, write.now_ms)


def _name(request: Request) -> str:
    return str(request.path_params["budget"])


def _horizon(request: Request) -> int:
    """Days, also written as 30d. Raises Invalid."""
    text = request.query_params.get("horizon", "").removesuffix("d") or str(HORIZON_DAYS)
    if not is_number(text):
        raise Invalid(
            f"{text[:50]!r} is not a number of days.", field="horizon", hint="Write for example 30."
        )
    return int(text)


def _lease(request: Request) -> str:
    return str(request.path_params["lease"])
