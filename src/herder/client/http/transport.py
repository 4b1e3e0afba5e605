"""One HTTP call: encoding, token, retries with back-off, and the family of errors. Used by every part of the client.

A retried write carries the same Idempotency-Key as its first try, so trying again is harmless; reads are harmless anyway. A stream is never
repeated here: whoever reads it knows where it broke off. Redirects are not followed: the token goes to the addresses it was given for and
nowhere else. With several addresses, separated by commas, the next try after a failure goes to a server that answers (`servers.py`).
"""

import re
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, TypeVar
from urllib.parse import urlsplit

import msgspec

from herder.client.errors import BY_STATUS, ClientError, ServerError, UnreachableError
from herder.client.http import clock
from herder.client.http.http_library import httpx
from herder.client.http.servers import Servers
from herder.client.http.tries import CONNECT_SERVERS_S, FOREVER, Tries
from herder.model.values.phrases import clause, sentences
from herder.wire.api.resources import Problem

T = TypeVar("T")
Query = Mapping[str, str | int | float | bool | None]

PREFIX = "/api/v1"
TIMEOUT_S = 30.0
"""For one try of one call, besides waits, which say themselves how long they may take."""
RETRIES = 4
"""More tries after the first: with their pauses about 6 s in all, a server's restart."""
STREAM_SILENT_S = 20.0
"""With several addresses a stream that brings nothing for this long is asked for anew; the server's own comments come each 15 s."""
TELL_FAILURES = 4
"""Of the failures of a stream in a row, the third is told, and then every fourth."""
_TRY_AGAIN = frozenset({429, 502, 503, 504})
_OTHER_SERVER = frozenset({502, 503, 504})
_NO_LEADER = frozenset({"no_leader", "not_leading"})
"""Codes of answers that end with a take-over."""
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
        urls = [each.strip().rstrip("/") for each in url.split(",") if each.strip()] or [url]
        self.retries = retries
        self.told: Callable[[str], None] = lambda text: None
        """Hears, in a sentence now and then, that there is no answer and the call is tried again."""
        self._timeout_s = timeout_s
        self._until_s: float | None = None
        headers = {"User-Agent": "herder-client", "Accept": "application/json"}
        if token:
            headers["Authorization"] = f"Bearer {token}"
        try:
            hosts = {urlsplit(each).hostname for each in urls}
            self._http = httpx.Client(
                headers=headers,
                timeout=timeout_s,
                follow_redirects=False,
                transport=transport,
                trust_env=not hosts <= _LOOPBACK,
            )
            for each in urls:
                httpx.URL(each)
        except (httpx.InvalidURL, ValueError) as error:
            raise UnreachableError(
                f"{url!r} is not the address of a server: {clause(error)}.", hint=_URL_HINT
            ) from None
        if not all(each.startswith(("http://", "https://")) for each in urls):
            self._http.close()
            raise UnreachableError(f"{url!r} is not the address of a server.", hint=_URL_HINT)
        self.servers = Servers(urls, self._http, f"{PREFIX}/health")

    @property
    def urls(self) -> list[str]:
        """The one that is called first comes first."""
        return self.servers.urls

    @property
    def url(self) -> str:
        return self.urls[0]

    def __repr__(self) -> str:
        return f"Transport({self.url!r})"

    def close(self) -> None:
        self._http.close()

    @contextmanager
    def patient(self, until_s: float = FOREVER) -> Iterator[None]:
        """Calls that are made meanwhile are tried until this time of the monotonic clock, through restarts and take-overs."""
        before, self._until_s = self._until_s, until_s
        try:
            yield
        finally:
            self._until_s = before

    @property
    def goes_on(self) -> bool:
        """Whether what calls now tries again for as long as it takes, in `patient`."""
        return self._until_s is not None and clock.monotonic_s() < self._until_s

    def tell_again(self, error: UnreachableError, failures: int) -> None:
        """For those who read streams and ask for them anew: says now and then that there is no answer. `failures`: in a row."""
        if failures % TELL_FAILURES == TELL_FAILURES - 1:
            self.told(sentences(error.message, "Trying again"))

    def get(self, path: str, kind: type[T], query: Query | None = None, *, held_s: float = 0.0) -> T:
        """`held_s`: for so long the server may hold the call open before it answers."""
        return _decode(self._send("GET", path, query, held_s=held_s), kind)

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
        several = self.servers.several
        silent_s = min(idle_s, STREAM_SILENT_S) if several else idle_s
        timeout = httpx.Timeout(TIMEOUT_S, read=silent_s, connect=CONNECT_SERVERS_S if several else TIMEOUT_S)
        try:
            with self._http.stream(
                "GET", self.url + PREFIX + path, params=_query(query), headers=headers, timeout=timeout
            ) as response:
                if response.status_code >= 300:
                    response.read()
                    failed = self._error(response)
                    if response.status_code in _OTHER_SERVER:
                        self.servers.look_around(silent=False)
                    raise failed
                yield response
        except httpx.TransportError as error:
            unreachable = self._unreachable(error)
            self.servers.look_around(silent=_silent(error))
            raise unreachable from None

    def _send(
        self,
        method: str,
        path: str,
        query: Query | None,
        *,
        headers: Mapping[str, str] | None = None,
        content: bytes | None = None,
        held_s: float = 0.0,
    ) -> httpx.Response:
        tries = Tries(
            retries=self.retries,
            timeout_s=self._timeout_s,
            held_s=held_s,
            several=self.servers.several,
            began_s=clock.monotonic_s(),
            until_s=self._until_s,
        )
        while True:
            try:
                response = self._http.request(
                    method,
                    self.url + PREFIX + path,
                    params=_query(query),
                    headers=headers,
                    content=content,
                    timeout=tries.timeout(),
                )
            except httpx.TransportError as error:
                self._after_silence(tries, error)
                continue
            if response.status_code < 300:
                return response
            self._after_refusal(tries, response)

    def _after_silence(self, tries: Tries, error: httpx.TransportError) -> None:
        """Pauses before the next try. Raises UnreachableError after the last one."""
        failed = self._unreachable(error)
        if not tries.again():
            raise failed from None
        why = f"The server at {self.url} does not answer: {_detail(error)}."
        silent = _silent(error)
        leads = self.servers.look_around(silent=silent)
        if silent:
            tries.was_silent(leads=leads)
        self._tell(tries, why)
        clock.sleep_s(tries.pause_s())

    def _after_refusal(self, tries: Tries, response: httpx.Response) -> None:
        """Pauses before the next try. Raises the error when another try makes no sense."""
        failed, wanted_s = self._error(response), _retry_after_s(response)
        unavailable = response.status_code in _OTHER_SERVER
        if response.status_code not in _TRY_AGAIN or not tries.after_refusal(
            wanted_s, unavailable=unavailable, no_leader=failed.code in _NO_LEADER
        ):
            raise failed
        if unavailable:
            self.servers.look_around(silent=False)
            self._tell(tries, failed.message)
        clock.sleep_s(tries.pause_s(wanted_s))

    def _tell(self, tries: Tries, why: str) -> None:
        if tries.to_tell():
            again = "Trying again" + (" until it answers; Ctrl-C stops the waiting" if tries.endless else "")
            self.told(sentences(why, again))

    def _unreachable(self, error: httpx.TransportError) -> UnreachableError:
        detail = _detail(error)
        hint = "Check that it is running; `herder up` starts a server on this machine, --server or HERDER_URL names another."
        if len(self.urls) > 1:
            text = f"No server answers at {', '.join(sorted(self.urls))}: {detail}."
            return UnreachableError(text, hint=hint)
        return UnreachableError(f"The server at {self.url} does not answer: {detail}.", hint=hint)

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


def _detail(error: httpx.TransportError) -> str:
    return clause(_ERRNO.sub("", str(error)) or type(error).__name__)


def _silent(error: httpx.TransportError) -> bool:
    """The server accepted the call, and did not answer in time."""
    return isinstance(error, httpx.ReadTimeout | httpx.WriteTimeout)


def _retry_after_s(response: httpx.Response) -> float:
    """0: the answer names no time."""
    wanted = response.headers.get("Retry-After", "")
    return float(wanted) if wanted.isdigit() else 0.0


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
