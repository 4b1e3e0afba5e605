"""Callbacks of batches and job groups: the part of the client that shows them and sends them again."""

from collections.abc import Iterator

from herder.client.http.transport import Transport
from herder.client.parts.pages import pages
from herder.wire.api.callbacks import CallbackSecret, CallbackView
from herder.wire.api.resources import Result


class Callbacks:
    def __init__(self, http: Transport) -> None:
        self._http = http

    def list(self, *, state: str | None = None, limit: int | None = None) -> Iterator[CallbackView]:
        """Of batches and job groups that have ended, newest batch first. `state`: due, delivered or failed."""
        return pages(self._http, "/callbacks", CallbackView, {"state": state}, limit=limit)

    def retry(self, batch: int, group: str | None = None) -> Result:
        """Sends the message about a batch, or about one of its groups, again, at once."""
        return self._http.write("POST", f"/callbacks/{batch}/retry", Result, None, {"group": group})

    def secret(self) -> CallbackSecret:
        """With which the caller's messages are signed."""
        return self._http.get("/callbacks/secret", CallbackSecret)
