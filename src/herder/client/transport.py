"""One HTTP call: encoding, token, retries with back-off, and the family of errors. Used by every part of the client.

A retried write carries the same Idempotency-Key as its first try, so trying again is harmless. Redirects are not
followed: the token goes to the addresses it was given for and nowhere else. With several addresses, separated by commas, the next
try after a failure goes to the next one, and tries go on for as long as another server needs to take over.
"""

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from itertools import count
from typing import Any, TypeVar
from urllib.parse import urlsplit

import msgspec

from herder.client import clock
from herder.client.errors import BY_STATUS, ClientError, ServerError, UnreachableError
from herder.client.http_library import httpx
from herder.model.values.phrases import clause
from herder.wire.resources import Problem

T = TypeVar("T")
Query = Mapping[str, str | int | float | bool | None]

PREFIX = "/api/v1"
TIMEOUT_S = 30.0
"""For one try of one call, besides waits, which say themselves how long they may take."""
RETRIES = 4
"""More tries after the first: with the pauses below about 6 s in all, a server's restart."""
FAILOVER_S = 30.0
"""With several addresses tries go on for at least this long: a take-over takes up to 10 s."""
PAUSE_S = 0.25
PAUSE_MAX_S = 5.0
PAUSE_SERVERS_S = 1.0
CONNECT_SERVERS_S = 3.0
"""With several addresses: a host that is down says nothing, and is not waited for as long as for an answer."""
RETRY_AFTER_MAX_S = 30.0
"""A server that wants a longer pause than this is reported instead of waited for."""
_TRY_AGAIN = frozenset({429, 502, 503, 504})
_OTHER_SERVER = frozenset({502, 503, 504})
_ERRNO = re.compile(r"^\[Errno -?\d+\] ")
_LOOPBACK = frozenset({"127.0.0.1", "localhost", "::1"})
_encode = msgspec.json.Encoder().encode


class Transport:
    """A connection to one server, or to the servers of one installation. Not safe for use by several threads at a time."""

    def __init__(
        self,
        url: str,
        token: str | None = None,
        *,
        timeout_s: float = TIMEOUT_S,
        retries: int = RETRIES,
        transport: httpx.BaseTransport | None = None,
    ) -> None:
        self.urls = [each.strip().rstrip("/") for each in url.split(",") if each.strip()] or [url]
        """The one that is called first."""
        self.retries = retries
        headers = {"User-Agent": "herder-client", "Accept": "application/json"}
        if token:
            headers["Authorization"] = f"Bearer {token}"
        try:
            hosts = {urlsplit(each).hostname for each in self.urls}
            self._http = httpx.Client(
                headers=headers,
                timeout=self._timeout(timeout_s),
                follow_redirects=False,
                transport=transport,
                trust_env=not hosts <= _LOOPBACK,
            )
            for each in self.urls:
                httpx.URL(each)
        except (httpx.InvalidURL, ValueError) as error:
            raise UnreachableError(
                f"{url!r} is not the address of a server: {clause(error)}.", hint=_URL_HINT
            ) from None
        if not all(each.startswith(("http://", "https://")) for each in self.urls):
            self._http.close()
            raise UnreachableError(f"{url!r} is not the address of a server.", hint=_URL_HINT)

    @property
    def url(self) -> str:
        return self.urls[0]

    def __repr__(self) -> str:
        return f"Transport({self.url!r})"

    def close(self) -> None:
        self._http.close()

    def get(
        self, path: str, kind: type[T], query: Query | None = None, *, timeout_s: float | None = None
    ) -> T:
        return _decode(self._send("GET", path, query, timeout_s=timeout_s), kind)

    def get_text(self, path: str, query: Query | None = None) -> str:
        return self._send("GET", path, query).text

    def write(self, method: str, path: str, kind: type[T], body: Any = None, query: Query | None = None) -> T:
        """POST or DELETE. `body` is a wire struct or plain data; None sends no body."""
        headers = {"Idempotency-Key": clock.new_key()}
        content = None
        if body is not None:
            content = _encode(body)
            headers["Content-Type"] = "application/json"
        return _decode(self._send(method, path, query, headers=headers, content=content), kind)

    @contextmanager
    def stream(
        self,
        path: str,
        query: Query | None = None,
        headers: Mapping[str, str] | None = None,
        *,
        idle_s: float,
    ) -> Iterator[httpx.Response]:
        """An answer that comes in pieces; ends with UnreachableError when it is silent for `idle_s` or breaks off."""
        timeout = httpx.Timeout(TIMEOUT_S, read=idle_s)
        try:
            with self._http.stream(
                "GET", self.url + PREFIX + path, params=_query(query), headers=headers, timeout=timeout
            ) as response:
                if response.status_code >= 300:
                    response.read()
                    failed = self._error(response)
                    self._next_server(response)
                    raise failed
                yield response
        except httpx.TransportError as error:
            unreachable = self._unreachable(error)
            self._next_server(None)
            raise unreachable from None

    def _timeout(self, seconds: float) -> httpx.Timeout:
        return httpx.Timeout(seconds, connect=seconds if len(self.urls) == 1 else CONNECT_SERVERS_S)

    def _next_server(self, response: httpx.Response | None) -> None:
        """After a call that failed."""
        if response is None or response.status_code in _OTHER_SERVER:
            self.urls = [*self.urls[1:], self.urls[0]]

    def _send(
        self,
        method: str,
        path: str,
        query: Query | None,
        *,
        headers: Mapping[str, str] | None = None,
        content: bytes | None = None,
        timeout_s: float | None = None,
    ) -> httpx.Response:
        timeout = httpx.USE_CLIENT_DEFAULT if timeout_s is None else self._timeout(timeout_s)
        give_up_at = clock.monotonic_s() + (FAILOVER_S if len(self.urls) > 1 and self.retries else 0.0)
        for number in count():
            last = number >= self.retries and clock.monotonic_s() >= give_up_at
            try:
                response = self._http.request(
                    method,
                    self.url + PREFIX + path,
                    params=_query(query),
                    headers=headers,
                    content=content,
                    timeout=timeout,
                )
            except httpx.TransportError as error:
                if last:
                    raise self._unreachable(error) from None
                self._next_server(None)
                clock.sleep_s(self._pause(number))
                continue
            if response.status_code < 300:
                return response
            pause = self._pause(number) if last else self._retry_pause(response, number)
            if last or pause is None:
                raise self._error(response)
            self._next_server(response)
            clock.sleep_s(pause)
        raise AssertionError("the last try returns or raises")

    def _pause(self, number: int) -> float:
        """With another server to ask, never long."""
        longest = PAUSE_MAX_S if len(self.urls) == 1 else PAUSE_SERVERS_S
        return clock.spread(min(longest, PAUSE_S * 2**number))

    def _retry_pause(self, response: httpx.Response, number: int) -> float | None:
        """How long to wait before the next try; None when another try makes no sense."""
        if response.status_code not in _TRY_AGAIN:
            return None
        wanted = response.headers.get("Retry-After", "")
        if not wanted.isdigit():
            return self._pause(number)
        return float(wanted) if float(wanted) <= RETRY_AFTER_MAX_S else None

    def _unreachable(self, error: httpx.TransportError) -> UnreachableError:
        detail = _ERRNO.sub("", str(error)) or type(error).__name__
        hint = "Check that it is running; `herder up` starts a server on this machine, --server or HERDER_URL names another."
        if len(self.urls) > 1:
            text = f"No server answers at {', '.join(sorted(self.urls))}: {clause(detail)}."
            return UnreachableError(text, hint=hint)
        return UnreachableError(f"The server at {self.url} does not answer: {clause(detail)}.", hint=hint)

    def _error(self, response: httpx.Response) -> ClientError:
        status = response.status_code
        try:
            problem = msgspec.json.decode(response.content, type=Problem)
        except msgspec.MsgspecError:
            what = f"The server at {self.url} answered with HTTP status {status} and no explanation."
            hint = "Check that this is the address of a Herder server, and read the log of the server."
            return BY_STATUS.get(status, ServerError)(what, hint=hint, status=status)
        kind = BY_STATUS.get(status, UnreachableError if status == 503 else ServerError)
        hint = problem.hint
        if status == 401 and not hint:
            hint = "Set HERDER_TOKEN_FILE to a file with a token; `herder token create` creates one."
        message = problem.detail or problem.title
        return kind(message, hint=hint, code=problem.code, field=problem.field, status=status)


_URL_HINT = "Write an address such as http://127.0.0.1:8765 with --server or in HERDER_URL."


def _query(query: Query | None) -> dict[str, str]:
    """Without what is None; true and false as the API writes them."""
    rows = (query or {}).items()
    return {
        name: str(value).lower() if isinstance(value, bool) else str(value)
        for name, value in rows
        if value is not None
    }


def _decode(response: httpx.Response, kind: type[T]) -> T:
    try:
        return msgspec.json.decode(response.content, type=kind)
    except msgspec.MsgspecError as error:
        message = f"The answer to {response.request.url.path} cannot be read: {clause(error)}."
        raise ServerError(message, hint="Check that client and server have the same version.") from None
