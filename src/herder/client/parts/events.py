"""Events of a server: past events as pages, new ones as a stream that reconnects."""

from collections.abc import Iterable, Iterator

import msgspec

from herder.client.errors import ServerError, UnreachableError
from herder.client.http import clock
from herder.client.http.transport import Transport
from herder.client.parts.pages import pages
from herder.model.values.phrases import clause
from herder.wire.api.resources import EventView

IDLE_S = 45.0
"""The server sends a comment every 15 s; three missed ones mean that the connection is dead."""
FAILURES_MAX = 8
"""Tries in a row that bring nothing before the stream gives up: with the pauses about a minute."""


class Events:
    def __init__(self, http: Transport) -> None:
        self._http = http

    def latest(
        self,
        *,
        kind: str | None = None,
        object: str | None = None,  # noqa: A002 - the name of the API
        limit: int = 100,
    ) -> Iterator[EventView]:
        """The last `limit` events, newest first."""
        query = {"kind": kind, "object": object, "newest": True}
        return pages(self._http, "/events", EventView, query, limit=limit)

    def list(
        self,
        *,
        after: int | None = None,
        kind: str | None = None,
        object: str | None = None,  # noqa: A002 - the name of the API
        limit: int | None = None,
    ) -> Iterator[EventView]:
        query = {"kind": kind, "object": object}
        if after is not None:
            return pages(self._http, "/events", EventView, {**query, "after": after}, limit=limit)
        return pages(self._http, "/events", EventView, query, limit=limit)

    def stream(self, *, after: int | None = None) -> Iterator[EventView]:
        """Events as they happen, from `after` on or from now; resumes by itself and never repeats one."""
        failures = 0
        while True:
            try:
                for event in self._connect(after):
                    failures = 0
                    if after is None or event.sequence > after:
                        after = event.sequence
                        yield event
            except UnreachableError as error:
                failures += 1
                if failures > FAILURES_MAX and not self._http.goes_on:
                    raise
                self._http.tell_again(error, failures)
                clock.sleep_s(clock.spread(min(15.0, 0.25 * 2 ** min(failures, 6))))
            else:
                # The server closed the stream in order: a restart, most likely.
                failures += 1
                if failures > FAILURES_MAX and not self._http.goes_on:
                    raise UnreachableError(
                        f"The event stream of {self._http.url} ends repeatedly.",
                        hint="Check the log of the server.",
                    )
                clock.sleep_s(clock.spread(0.5))

    def _connect(self, after: int | None) -> Iterator[EventView]:
        headers = {"Accept": "text/event-stream"}
        if after is not None:
            headers["Last-Event-ID"] = str(after)
        with self._http.stream("/events/stream", {"after": after}, headers, idle_s=IDLE_S) as response:
            yield from parse_stream(response.iter_lines())


def parse_stream(lines: Iterable[str]) -> Iterator[EventView]:
    """Server-sent events whose data is an EventView; others (comments, other names without such data) are passed over."""
    data: list[str] = []
    for line in lines:
        if line.startswith("data:"):
            data.append(line[5:].removeprefix(" "))
        elif not line and data:
            text, data = "\n".join(data), []
            try:
                yield msgspec.json.decode(text, type=EventView)
            except msgspec.MsgspecError as error:
                message = f"An event of the stream cannot be read: {clause(error)}."
                raise ServerError(
                    message, hint="Check that client and server have the same version."
                ) from None
