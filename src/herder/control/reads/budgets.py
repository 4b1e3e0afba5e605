"""Views of budgets, leases and transfers. Part of `Reads`. Who may see the fleet may see them."""

from herder.control.access.access_check import FLEET, check
from herder.control.budgets import views
from herder.control.budgets.access import budget_named
from herder.control.budgets.leases_of_people import known_lease
from herder.control.budgets.metered import used_of_leases
from herder.control.kernel.bounds.errors import NotKnown
from herder.control.kernel.core import Core
from herder.model.permissions import Action, Principal
from herder.wire.api.budgets import BudgetLeaseView, BudgetView
from herder.wire.api.resources import Page


class BudgetReads:
    _core: Core

    def budgets(self, who: Principal) -> Page:
        """By name."""
        check(who, Action.SEE, FLEET)
        used = used_of_leases(self._core)
        found = [
            views.budget_view(self._core, each, used)
            for _, each in sorted(self._core.budgets.budgets.items())
        ]
        return Page(items=found, total=len(found))

    def budget(self, who: Principal, name: str) -> BudgetView:
        """With its periods and transfers. Raises NotKnown."""
        check(who, Action.SEE, FLEET)
        return views.budget_view(
            self._core, budget_named(self._core, name), used_of_leases(self._core), whole=True
        )

    def budget_of(self, who: Principal, scope: str, subject: str) -> BudgetView:
        """By what it limits. Raises NotKnown."""
        check(who, Action.SEE, FLEET)
        for budget in self._core.budgets.budgets.values():
            if (budget.spec.scope.value, budget.spec.subject) == (scope, subject):
                return views.budget_view(self._core, budget, used_of_leases(self._core), whole=True)
        raise NotKnown(
            f"There is no budget for {scope[:50]} {subject[:100]}.", hint="`herder budget list` shows them."
        )

    def budget_leases(self, who: Principal) -> Page:
        """Live ones, and those that expired and can still be settled."""
        check(who, Action.SEE, FLEET)
        leases = {**self._core.budgets.live, **self._core.budgets.expired}
        found = [views.lease_view(self._core, each) for _, each in sorted(leases.items())]
        return Page(items=found, total=len(found))

    def budget_lease(self, who: Principal, lease_id: str) -> BudgetLeaseView:
        """Raises NotKnown."""
        check(who, Action.SEE, FLEET)
        return views.lease_view(self._core, known_lease(self._core, lease_id))

    def budget_transfers(self, who: Principal) -> Page:
        """Those that can still be decided, repaid or taken back."""
        check(who, Action.SEE, FLEET)
        found = [
            views.transfer_view(self._core, each) for _, each in sorted(self._core.budgets.transfers.items())
        ]
        return Page(items=found, total=len(found))
