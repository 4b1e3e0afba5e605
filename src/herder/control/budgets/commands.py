"""What is done with budgets, leases and transfers. A part of `Commands`."""

from herder.control.access.access_check import FLEET, check
from herder.control.budgets import deleting, leases_of_people, moving, settings, views
from herder.control.budgets.subjects import check_subjects, what_it_limits
from herder.control.kernel.bounds.limits import check_settings
from herder.control.kernel.core import Core
from herder.model.permissions import Action, Principal
from herder.model.stored.changes import Changes
from herder.settings.sections.budgets import budget_to_plain
from herder.wire.api.budgets import (
    BudgetAsk,
    BudgetLeaseView,
    BudgetSet,
    LeaseRenew,
    LeaseReserve,
    LeaseSettle,
    TransferCreate,
    TransferDecision,
)
from herder.wire.api.resources import Result


class BudgetCommands:
    _core: Core

    def set_budget(self, who: Principal, name: str, body: BudgetSet, changes: Changes, now_ms: int) -> Result:
        """Create it, or change the settings that are named. Raises Invalid if what it limits does not exist, without `ahead`."""
        core = self._core
        check(who, Action.CHANGE, FLEET)
        check_settings(body.settings, "settings")
        known = core.budgets.budgets.get(name)
        before = {} if known is None else budget_to_plain(known.spec)
        wanted = settings.wanted(core, {name: {**before, **body.settings}}, now_ms)
        spec = wanted.get(name)
        if not body.ahead:
            check_subjects(core, wanted)
        settings.change(core, changes, wanted, now_ms, actor=who.actor)
        verb = "created" if known is None else "changed" if wanted else "as it was; nothing was changed"
        more = f" {what_it_limits(spec)}" if known is None and spec is not None else ""
        return Result(object=f"budget/{name}", text=f"Budget {name} is {verb}.{more}")

    def delete_budget(self, who: Principal, name: str, changes: Changes, now_ms: int) -> Result:
        return deleting.delete(self._core, who, name, changes, now_ms)

    def keep_budget(self, who: Principal, name: str, changes: Changes, now_ms: int) -> Result:
        return deleting.keep(self._core, who, name, changes, now_ms)

    def request_budget(
        self, who: Principal, name: str, body: BudgetAsk, changes: Changes, now_ms: int
    ) -> Result:
        return moving.request(self._core, who, name, body, changes, now_ms)

    def reallocate_budget(
        self, who: Principal, body: TransferCreate, changes: Changes, now_ms: int
    ) -> Result:
        return moving.reallocate(self._core, who, body, changes, now_ms)

    def decide_transfer(
        self, who: Principal, number: int, verb: str, body: TransferDecision, changes: Changes, now_ms: int
    ) -> Result:
        """`verb`: approve, reject or take-back."""
        decide = {"approve": moving.approve, "reject": moving.reject, "take-back": moving.take_back}[verb]
        return decide(self._core, who, number, body, changes, now_ms)

    def reserve_lease(
        self, who: Principal, body: LeaseReserve, changes: Changes, now_ms: int
    ) -> BudgetLeaseView:
        return views.lease_view(self._core, leases_of_people.reserve(self._core, who, body, changes, now_ms))

    def renew_lease(
        self, who: Principal, lease_id: str, body: LeaseRenew, changes: Changes, now_ms: int
    ) -> BudgetLeaseView:
        renewed = leases_of_people.renew(self._core, who, lease_id, body, changes, now_ms)
        return views.lease_view(self._core, renewed)

    def settle_lease(
        self, who: Principal, lease_id: str, body: LeaseSettle, changes: Changes, now_ms: int
    ) -> Result:
        done = leases_of_people.settle(self._core, who, lease_id, body, changes, now_ms)
        deleting.finish(self._core, changes, now_ms)
        return done
