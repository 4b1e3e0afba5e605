"""Views of alerts. Part of `Reads`."""

from functools import partial

from herder.control.access.access_check import OF_KIND, check
from herder.control.alerts.texts import alert_view, channel_view, policy_view, state_of
from herder.control.kernel.bounds.errors import Invalid, NotKnown
from herder.control.kernel.core import Core
from herder.ledger.alerts.documented import DOCUMENTED
from herder.ledger.alerts.policies import Level, Policy
from herder.ledger.alerts.raising import Alert
from herder.ledger.quantities import DAY_MS
from herder.model.permissions import Action, Kind, Principal
from herder.store.rows.alert_rows import one, past
from herder.wire.api.alerts import AlertView
from herder.wire.api.resources import Page

STATES = ("active", "acknowledged", "resolved")
#: Of a history: rows in one answer, and how far back it goes.
HISTORY_ROWS, HISTORY_DAYS_MAX = 1000, 400
_KNOWN = {each.id: each for each in DOCUMENTED}


class AlertReads:
    _core: Core

    def alerts(self, who: Principal, state: str | None = None) -> Page:
        """Those that are not resolved, or those in this state, the highest level first."""
        check(who, Action.SEE, OF_KIND[Kind.FLEET])
        if state is not None and state not in STATES[:2]:
            raise Invalid(
                f"There is no state {state[:50]!r} of present alerts.",
                field="state",
                hint="Write active or acknowledged; `herder alert history` has resolved ones.",
            )
        found = [each for each in self._core.ledger.alerts.alerts.values() if each.active]
        found = [each for each in found if state is None or state_of(each) == state]
        found.sort(key=lambda each: (-each.level, each.raised_ms, each.id))
        return Page(items=[self._view(each) for each in found], total=len(found))

    def strategic_alerts(self, who: Principal) -> Page:
        """Those of the highest two levels, and those that were told to the last one of their chain."""
        check(who, Action.SEE, OF_KIND[Kind.FLEET])
        state = self._core.ledger.alerts
        found = [each for each in state.alerts.values() if each.active and self._strategic(each)]
        found.sort(key=lambda each: (-each.level, each.raised_ms, each.id))
        return Page(items=[self._view(each) for each in found], total=len(found))

    async def alert_history(self, who: Principal, days: int) -> Page:
        """Raised in the last days, the newest first. Raises Invalid."""
        check(who, Action.SEE, OF_KIND[Kind.FLEET])
        if not 1 <= days <= HISTORY_DAYS_MAX:
            raise Invalid(
                f"The period has {days} days.", field="period", hint=f"Write 1d to {HISTORY_DAYS_MAX}d."
            )
        since_ms = self._core.clock.now_ms() - days * DAY_MS
        found = await self._core.read(partial(past, since_ms=since_ms, most=HISTORY_ROWS))
        return Page(items=[self._view(each) for each in found], total=len(found))

    async def alert(self, who: Principal, alert_id: str) -> AlertView:
        """Raises NotKnown."""
        check(who, Action.SEE, OF_KIND[Kind.FLEET])
        found = self._core.ledger.alerts.alerts.get(alert_id)
        if found is None:
            found = await self._core.read(partial(one, alert_id=alert_id))
        if found is None:
            raise NotKnown(f"There is no alert {alert_id[:100]!r}.", hint="`herder alert list` shows them.")
        return self._view(found)

    def alert_policies(self, who: Principal) -> Page:
        check(who, Action.SEE, OF_KIND[Kind.FLEET])
        done = self._core.settings.alerts.carry_out
        found = [policy_view(each, done) for _, each in sorted(self._core.ledger.alerts.policies.items())]
        return Page(items=found, total=len(found))

    def alert_channels(self, who: Principal) -> Page:
        check(who, Action.SEE, OF_KIND[Kind.FLEET])
        found = [channel_view(each) for each in self._core.settings.alerts.channels]
        return Page(items=found, total=len(found))

    def _view(self, alert: Alert) -> AlertView:
        channels = {each.name for each in self._core.settings.alerts.channels}
        return alert_view(policy_of(self._core, alert), alert, channels)

    def _strategic(self, alert: Alert) -> bool:
        chain = policy_of(self._core, alert).chain
        return alert.level >= Level.CRITICAL or (bool(chain) and chain[-1] in alert.told)


def policy_of(core: Core, alert: Alert) -> Policy:
    """Also of a policy that is not in force any more."""
    return core.ledger.alerts.policies.get(alert.policy) or _KNOWN[alert.policy]
