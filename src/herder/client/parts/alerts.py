"""Alerts: the part of the client that reads and acknowledges them."""

from collections.abc import Iterator

from herder.client.http.transport import Transport
from herder.client.parts.fleet import segment
from herder.client.parts.pages import whole
from herder.wire.api.alerts import AlertPolicyView, AlertView, ChannelTest, ChannelView
from herder.wire.api.resources import Result


class Alerts:
    def __init__(self, http: Transport) -> None:
        self._http = http

    def list(self, state: str | None = None) -> Iterator[AlertView]:
        """Those that are not resolved, the highest level first. `state`: active or acknowledged."""
        return whole(self._http, "/alerts", AlertView, {"state": state})

    def history(self, days: int = 7) -> Iterator[AlertView]:
        """Raised in the last days, the newest first."""
        return whole(self._http, "/alerts/history", AlertView, {"period": f"{days}d"})

    def policies(self) -> Iterator[AlertPolicyView]:
        return whole(self._http, "/alerts/policies", AlertPolicyView)

    def channels(self) -> Iterator[ChannelView]:
        return whole(self._http, "/alerts/channels", ChannelView)

    def test_channel(self, channel: str) -> Result:
        """Sends a test message. Raises Conflict when it could not be delivered."""
        return self._http.write("POST", "/alerts/channels/test", Result, ChannelTest(channel=channel))

    def get(self, alert: str) -> AlertView:
        return self._http.get(f"/alerts/{segment(alert)}", AlertView)

    def acknowledge(self, alert: str) -> Result:
        """Nobody else is told of it."""
        return self._http.write("POST", f"/alerts/{segment(alert)}/acknowledge", Result)
