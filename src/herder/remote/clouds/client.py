"""Calls of one provider's REST API, from a thread that may wait. For drivers of clouds.

Raises `DriverError`s only. Each call has one deadline for all of its tries; a try is repeated only when nothing can have happened, or when the
caller says that repeating is safe. It follows no redirect, since credentials are for one address; it reads no answer beyond its bound; and no
secret that it was given is in the text of an error. `docs/decisions/0051` has the reasons.
"""

import logging
import ssl
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NoReturn, Protocol

import httpx
import msgspec

from herder.model.fleet.driver import (
    DriverClock,
    DriverError,
    OutcomeUnknown,
    RateLimited,
    Unauthorised,
    Unavailable,
)
from herder.model.values.phrases import sentences
from herder.remote.clouds.errors import Called, PagesExpired, Reply, Said, refused, short, without
from herder.remote.clouds.pace import Pace, Pause, pause_s

log = logging.getLogger(__name__)

DEADLINE_S = 15.0
CONNECT_S = 5.0
TRIES = 4
ANSWER_BYTES_MAX = 32 * 2**20
_CONNECTIONS_MAX = 16
_ERROR_BYTES_MAX = 4_096
_UNSENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.UnsupportedProtocol)


class Credentials(Protocol):
    """May be used by several threads at once."""

    def sign(self, request: httpx.Request) -> None:
        """Adds what proves who calls. May call the provider for it; raises DriverErrors."""

    def refused(self) -> bool:
        """The provider did not accept them. Whether another try may have others."""


class _Unsent(Unavailable):
    """The request was not sent."""


class CloudClient:
    """`explain` reads the answer that is an error. `provider`: as sentences name it."""

    def __init__(
        self,
        provider: str,
        url: str,
        credentials: Credentials | None,
        explain: Callable[[Reply], Said],
        clock: DriverClock,
        *,
        transport: httpx.BaseTransport | None = None,
        deadline_s: float = DEADLINE_S,
        pace: Pace | None = None,
        pause: Pause = time.sleep,
        decode: Callable[[bytes], Any] = msgspec.json.decode,
        answer_bytes_max: int = ANSWER_BYTES_MAX,
    ) -> None:
        self.provider, self.url = provider, url.rstrip("/")
        self._credentials, self._explain, self._clock = credentials, explain, clock
        self._deadline_s, self._pace, self._pause, self._decode = deadline_s, pace, pause, decode
        self._answer_bytes_max = answer_bytes_max
        self._client = httpx.Client(
            base_url=self.url,
            transport=transport,
            limits=httpx.Limits(max_connections=_CONNECTIONS_MAX, max_keepalive_connections=_CONNECTIONS_MAX),
            timeout=httpx.Timeout(deadline_s, connect=min(CONNECT_S, deadline_s)),
            follow_redirects=False,
            headers={"Accept": "application/json", "User-Agent": "herder"},
        )

    def call(
        self,
        method: str,
        path: str,
        what: str,
        *,
        query: Mapping[str, str | int] | None = None,
        body: Any = None,
        form: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        repeatable: bool = False,
        secrets: Sequence[str] = (),
    ) -> Reply:
        """`what`: the call in words. `path` may be a whole address on the provider's host. `body` is sent as JSON. `repeatable`: a change that
        has its effect once, however often it is sent. `secrets`: what the provider may quote, and no error may."""
        writes = method not in ("GET", "HEAD")
        called = Called(provider=self.provider, what=what, writes=writes, secrets=secrets)
        safe, waited_s, renewed = repeatable or not called.writes, 0.0, False
        began_ms = self._clock.monotonic_ms()

        def left_s() -> float:
            """Also on a clock that stands still while a call waits."""
            return self._deadline_s - max(waited_s, (self._clock.monotonic_ms() - began_ms) / 1000)

        for turn in range(TRIES):
            try:
                waited_s += self._wait_for_turn(left_s())
                request = self._request(method, path, query, body, form, headers, left_s())
                return self._once(called, request, began_ms + self._deadline_s * 1000)
            except DriverError as error:
                wait_s = _wait_s(error, turn, safe=safe)
                if isinstance(error, Unauthorised) and not renewed and self._may_renew():
                    wait_s, renewed = 0.0, True
                if wait_s is None or turn == TRIES - 1 or wait_s >= left_s():
                    _raise(error, secrets)
                log.debug("%s again in %.2f s: %s", what, wait_s, type(error).__name__)
                self._pause(wait_s)
                waited_s += wait_s
        raise AssertionError("the last try returns or raises")

    def close(self) -> None:
        self._client.close()

    # --- one try

    def _wait_for_turn(self, left_s: float) -> float:
        if self._pace is None:
            return 0.0
        wait_s = self._pace.take()
        if wait_s >= left_s:
            self._pace.give_back()
            raise RateLimited(
                f"This server calls {self.provider} as often as it may. The call waits for its turn.", wait_s
            )
        if wait_s:
            self._pause(wait_s)
        return wait_s

    def _request(
        self,
        method: str,
        path: str,
        query: Mapping[str, str | int] | None,
        body: Any,
        form: Mapping[str, str] | None,
        more: Mapping[str, str] | None,
        left_s: float,
    ) -> httpx.Request:
        if self._client.is_closed:
            raise Unavailable(f"The connection to {self.provider} at {self.url} was closed.")
        content = msgspec.json.encode(body) if body is not None else None
        headers = {**({"Content-Type": "application/json"} if body is not None else {}), **(more or {})}
        timeout = httpx.Timeout(max(0.1, left_s), connect=max(0.1, min(CONNECT_S, left_s)))
        request = self._client.build_request(
            method,
            path,
            params=query,
            content=content,
            data=form,
            headers=headers,
            timeout=timeout,
        )
        if self._credentials is not None:
            try:
                self._credentials.sign(request)
            except UnicodeEncodeError:
                raise self._not_sendable() from None
        return request

    def _not_sendable(self) -> Unauthorised:
        return Unauthorised(
            f"The credentials for {self.provider} have characters that no request can carry. Write them again, without line ends."
        )

    def _once(self, called: Called, request: httpx.Request, until_ms: float) -> Reply:
        at = f"{self.provider} at {self.url}"
        try:
            answer = self._client.send(request, stream=True)
            try:
                content = self._bounded(answer, called, until_ms)
            finally:
                answer.close()
        except _UNSENT as error:
            text = f"{at} cannot be reached: {short(error) or 'no answer'}"
            raise _Unsent(sentences(text, "Check the address, the certificate and the network")) from None
        except httpx.LocalProtocolError:  # its words quote the header
            raise self._not_sendable() from None
        except (httpx.HTTPError, ssl.SSLError, OSError) as error:
            lost = OutcomeUnknown if called.writes else Unavailable
            words = short(error) or type(error).__name__
            raise lost(f"{at} did not answer while {called.what}: {words}.") from None
        log.debug("%s %s: %d", request.method, request.url.path, answer.status_code)
        reply = self._reply(answer, content, called)
        if reply.ok:
            return reply
        raise refused(called, reply, self._explain(reply), self._clock.now_ms())

    def _bounded(self, answer: httpx.Response, called: Called, until_ms: float) -> bytes:
        pieces, size = [], 0
        for piece in answer.iter_bytes():
            pieces.append(piece)
            size += len(piece)
            if size > self._answer_bytes_max:
                raise (OutcomeUnknown if called.writes else Unavailable)(
                    f"The answer of {self.provider} to {called.what} has more than {self._answer_bytes_max // 2**20} MiB. Herder reads no more."
                )
            if self._clock.monotonic_ms() > until_ms:
                raise httpx.ReadTimeout("the answer took too long")
        return b"".join(pieces)

    def _reply(self, answer: httpx.Response, content: bytes, called: Called) -> Reply:
        headers = {name.lower(): value for name, value in answer.headers.items()}
        try:
            data, text = self._decode(content) if content else None, ""
        except (ValueError, RecursionError):  # those of msgspec and of Unicode are ValueErrors
            if answer.is_success:
                lost = OutcomeUnknown if called.writes else Unavailable
                raise lost(
                    f"The answer to {called.what} from {self.url} is not one of {self.provider}. Check the address of its API."
                ) from None
            data, text = None, content[:_ERROR_BYTES_MAX].decode(errors="replace")
        return Reply(status=answer.status_code, headers=headers, data=data, text=text)

    def _may_renew(self) -> bool:
        return self._credentials is not None and self._credentials.refused()


def _wait_s(error: DriverError, turn: int, *, safe: bool) -> float | None:
    """Before the next try; None: there is none."""
    if isinstance(error, RateLimited):
        return max(error.retry_after_s, pause_s(turn))
    again = isinstance(error, _Unsent) or (isinstance(error, Unavailable) and safe)
    again = again and not isinstance(error, PagesExpired)
    return pause_s(turn) if again else None


def _raise(error: DriverError, secrets: Sequence[str]) -> NoReturn:
    error.args = (without(str(error), secrets), *error.args[1:])
    raise error from None
