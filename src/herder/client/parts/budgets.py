"""Budgets, leases on them and transfers between them: a part of the client."""

from collections.abc import Iterator
from typing import Any

from herder.client.http.transport import Transport
from herder.client.parts.fleet import segment
from herder.client.parts.pages import whole
from herder.wire.api.budgets import (
    BudgetAsk,
    BudgetForecast,
    BudgetLeaseView,
    BudgetSet,
    BudgetView,
    LeaseRenew,
    LeaseReserve,
    LeaseSettle,
    TransferCreate,
    TransferDecision,
    TransferView,
)
from herder.wire.api.resources import Result


class Budgets:
    """Amounts are text: US dollars as a decimal number, or whole tokens."""

    def __init__(self, http: Transport) -> None:
        self._http = http

    def list(self) -> Iterator[BudgetView]:
        """By name."""
        return whole(self._http, "/budgets", BudgetView)

    def get(self, name: str) -> BudgetView:
        """With its periods."""
        return self._http.get(f"/budgets/{segment(name)}", BudgetView)

    def forecast(self, name: str, horizon: int = 30) -> BudgetForecast:
        """`horizon`: days, 1 to 365."""
        return self._http.get(f"/budgets/{segment(name)}/forecast", BudgetForecast, {"horizon": str(horizon)})

    def set(self, name: str, settings: dict[str, Any], *, ahead: bool = False) -> Result:
        """Create it, or change the settings that are named, as herder.yaml writes them. `ahead`: what it limits may not exist yet."""
        body = BudgetSet(settings=settings, ahead=ahead)
        return self._http.write("PUT", f"/budgets/{segment(name)}", Result, body)

    def delete(self, name: str) -> Result:
        """With leases it is gone when the last of them has ended."""
        return self._http.write("DELETE", f"/budgets/{segment(name)}", Result)

    def keep(self, name: str) -> Result:
        """It is deleted no more."""
        return self._http.write("POST", f"/budgets/{segment(name)}/keep", Result)

    def request(self, name: str, amount: str, reason: str) -> Result:
        """More for this period."""
        body = BudgetAsk(amount=amount, reason=reason)
        return self._http.write("POST", f"/budgets/{segment(name)}/requests", Result, body)

    def reallocate(self, body: TransferCreate) -> Result:
        return self._http.write("POST", "/budget-transfers", Result, body)

    def transfers(self) -> Iterator[TransferView]:
        """Those that can still be decided, repaid or taken back."""
        return whole(self._http, "/budget-transfers", TransferView)

    def approve(self, number: int, message: str = "", source: str = "") -> Result:
        """`source`: the budget that gives; empty: the limit grows."""
        return self._decide(number, "approve", TransferDecision(message=message, source=source))

    def reject(self, number: int, message: str = "") -> Result:
        return self._decide(number, "reject", TransferDecision(message=message))

    def take_back(self, number: int, message: str = "") -> Result:
        return self._decide(number, "take-back", TransferDecision(message=message))

    def leases(self) -> Iterator[BudgetLeaseView]:
        return whole(self._http, "/budget-leases", BudgetLeaseView)

    def lease(self, lease: str) -> BudgetLeaseView:
        return self._http.get(f"/budget-leases/{segment(lease)}", BudgetLeaseView)

    def reserve(self, body: LeaseReserve) -> BudgetLeaseView:
        return self._http.write("POST", "/budget-leases", BudgetLeaseView, body)

    def renew(self, lease: str, body: LeaseRenew) -> BudgetLeaseView:
        return self._http.write("PUT", f"/budget-leases/{segment(lease)}", BudgetLeaseView, body)

    def settle(self, lease: str, cost: str) -> Result:
        """`cost`: of the lease from its beginning on."""
        path = f"/budget-leases/{segment(lease)}/settle"
        return self._http.write("POST", path, Result, LeaseSettle(cost=cost))

    def _decide(self, number: int, verb: str, body: TransferDecision) -> Result:
        return self._http.write("POST", f"/budget-transfers/{number}/{verb}", Result, body)
