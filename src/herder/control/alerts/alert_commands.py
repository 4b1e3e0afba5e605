"""Acknowledging alerts. Part of `Commands`."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from herder.control.access.access_check import OF_KIND, check
from herder.control.alerts.posting import Poster
from herder.control.alerts.texts import raised_text
from herder.control.kernel.bounds.errors import Conflict, NotKnown
from herder.control.kernel.core import Core
from herder.engine.memory.events import record_event
from herder.model.permissions import Action, Kind, Principal
from herder.model.stored.changes import Changes
from herder.ports.callbacks import Answer
from herder.store.rows.alert_rows import record_of
from herder.wire.api.alerts import ChannelTest
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

    @asynccontextmanager
    async def try_channel(self, who: Principal, body: ChannelTest) -> AsyncIterator[Answer]:
        """Sends a test message through a channel. Raises NotKnown."""
        check(who, Action.CHANGE, OF_KIND[Kind.FLEET])
        known = {each.name: each for each in self._core.settings.alerts.channels}
        channel = known.get(body.channel)
        if channel is None:
            raise NotKnown(
                f"There is no channel {body.channel[:100]!r}.", hint="`herder alert channels` shows them."
            )
        poster = Poster(self._core)
        try:
            yield await poster.test(channel)
        finally:
            await poster.close()

    def channel_tried(
        self, who: Principal, body: ChannelTest, answer: Answer, changes: Changes, now_ms: int
    ) -> Result:
        """Raises Conflict when the test message could not be delivered."""
        if answer.error:
            raise Conflict(
                f"The test message could not be delivered to {body.channel}. {answer.error}",
                hint="Correct the channel in herder.yaml (`alerts: channels`), or its receiver, and try again.",
            )
        text = f"A test message was delivered to {body.channel}."
        record_event(
            self._core.state, changes, now_ms, "alert.channel_tested", f"channel/{body.channel}", text, actor=who.actor
        )  # fmt: skip
        return Result(object=f"channel/{body.channel}", text=text)
