"""Routes for alerts: under `/api/v1`, and as Cortex documents them under `/api`."""

import re

from fastapi import Request

from herder.api.http.route_table import RouteTable, Write
from herder.control.kernel.bounds.errors import Conflict, Invalid
from herder.model.permissions import Action, Kind, Principal
from herder.wire.api.alerts import AlertConfigure, AlertView, ChannelTest
from herder.wire.api.resources import Page, Result

_CHANGE = (Action.CHANGE, Kind.FLEET)
#: Of a history that names no period.
DAYS = 7
_PERIOD = re.compile(r"([1-9][0-9]{0,3})d")


def add(front: RouteTable) -> None:
    commands, reads = front.commands, front.reads

    async def list_alerts(request: Request, who: Principal) -> Page:
        """Alerts that are not resolved, the highest level first. `state`: active or acknowledged."""
        return reads.alerts(who, request.query_params.get("state") or None)

    async def list_history(request: Request, who: Principal) -> Page:
        """Alerts that were raised in the last days (`period`: 7d), the newest first."""
        return await reads.alert_history(who, _days(request))

    async def list_policies(request: Request, who: Principal) -> Page:
        """Thresholds, recipients and actions that are in force."""
        return reads.alert_policies(who)

    async def list_channels(request: Request, who: Principal) -> Page:
        """How recipients are notified."""
        return reads.alert_channels(who)

    def test_channel(write: Write) -> Result:
        """Send a test message through a channel."""
        return commands.channel_tried(write.who, write.body, write.found, write.changes, write.now_ms)

    async def get_alert(request: Request, who: Principal) -> AlertView:
        """One alert."""
        return await reads.alert(who, str(request.path_params["alert"]))

    def acknowledge(write: Write) -> Result:
        """Acknowledge an alert: nobody else is told of it."""
        name = str(write.request.path_params["alert"])
        return commands.acknowledge_alert(write.who, name, write.changes, write.now_ms)

    front.read("/alerts", list_alerts, Page, query=("state",))
    front.read("/alerts/history", list_history, Page, query=("period",))
    front.read("/alerts/policies", list_policies, Page)
    front.read("/alerts/channels", list_channels, Page)
    front.write(
        "POST", "/alerts/channels/test", test_channel, ChannelTest, Result, _CHANGE, held=commands.try_channel
    )
    front.read("/alerts/{alert}", get_alert, AlertView)
    front.write("POST", "/alerts/{alert}/acknowledge", acknowledge, None, Result, _CHANGE)


def add_documented(table: RouteTable) -> None:
    commands, reads = table.commands, table.reads

    async def active(request: Request, who: Principal) -> Page:
        """Alerts that are not resolved."""
        return reads.alerts(who)

    async def history(request: Request, who: Principal) -> Page:
        """Alerts of the last days."""
        return await reads.alert_history(who, _days(request))

    async def strategic(request: Request, who: Principal) -> Page:
        """Those that are critical, or went up to the last one of their chain."""
        return reads.strategic_alerts(who)

    def configure(write: Write) -> Result:
        """Thresholds are settings: this says where."""
        raise Conflict(
            "Thresholds are set in herder.yaml, and this call changes nothing.",
            field="threshold",
            hint="Write them under `alerts: thresholds`; `herder alert policies` shows those in force.",
        )

    def acknowledge(write: Write) -> Result:
        """Acknowledge an alert."""
        name = str(write.request.path_params["alert"])
        return commands.acknowledge_alert(write.who, name, write.changes, write.now_ms)

    table.read("/alerts/active", active, Page)
    table.read("/alerts/history", history, Page, query=("period",))
    table.read("/alerts/strategic", strategic, Page)
    table.write("POST", "/alerts/configure", configure, AlertConfigure, Result, _CHANGE)
    table.write("POST", "/alerts/acknowledge/{alert}", acknowledge, None, Result, _CHANGE)


def _days(request: Request) -> int:
    text = request.query_params.get("period") or f"{DAYS}d"
    match = _PERIOD.fullmatch(text)
    if match is None:
        raise Invalid(f"{text[:50]!r} is not a number of days.", field="period", hint="Write for example 7d.")
    return int(match[1])
