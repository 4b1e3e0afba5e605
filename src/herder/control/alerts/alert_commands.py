"""Acknowledging alerts. Part of `Commands`."""

from herder.control.access.access_check import OF_KIND, check
from herder.control.alerts.texts import raised_text
from herder.control.kernel.bounds.errors import Conflict, NotKnown
from herder.control.kernel.core import Core
from herder.engine.memory.events import record_event
from herder.model.permissions import Action, Kind, Principal
from herder.model.stored.changes import Changes
from herder.store.rows.alert_rows import record_of
from herder.wire.api.resources import Result


class AlertCommands:
    _core: Core

    def acknowledge_alert(self, who: Principal, alert_id: str, changes: Changes, now_ms: int) -> Result:
        """The first acknowledgement holds: nobody else is told any more. Raises NotKnown, also of one that was resolved long ago."""
        core = self._core
        check(who, Action.CHANGE, OF_KIND[Kind.FLEET])
        state = core.ledger.alerts
        known = state.alerts.get(alert_id)
        if known is None:
            raise NotKnown(f"There is no alert {alert_id[:100]!r}.", hint="`herder alert list` shows them.")
        if not known.active:
            raise Conflict(f"Alert {alert_id} is resolved already.", hint="`herder alert history` shows why.")
        if known.acknowledged_ms is not None:
            by = known.acknowledged_by
            return Result(
                object=f"alert/{alert_id}", text=f"Alert {alert_id} was acknowledged by {by} already."
            )
        found = state.acknowledge(alert_id, who.user, now_ms)
        changes.put(record_of(found))
        text = f"Alert {alert_id} was acknowledged by {who.user}."
        record_event(
            core.state, changes, now_ms, "alert.acknowledged", f"alert/{alert_id}",
            f"Alert {alert_id} was acknowledged by {who.user}. {raised_text(state.policies[found.policy], found)}", actor=who.actor,
        )  # fmt: skip
        return Result(object=f"alert/{alert_id}", text=text)
