"""Calls of a Kubernetes API from a thread that may wait: for drivers, which are synchronous. The calls, credentials and errors are those of
`connection`.

It follows no redirect, since a token is for one address, reads no answer beyond its bound, and raises `ClusterError`s only. A call whose
answer is lost is told apart from one that was never sent (`Unanswered`).
"""

import asyncio
import threading
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from typing import Any

import httpx

from herder.model.fleet.driver import DriverClock
from herder.ports.cluster import ClusterError, ClusterUnavailable
from herder.remote.kubernetes.calls import Call
from herder.remote.kubernetes.connection import ANSWER_BYTES_MAX, JSON, usable_address
from herder.remote.kubernetes.credentials import Access, GivenToken
from herder.remote.kubernetes.errors import (
    BROKEN,
    CredentialsRefused,
    refused,
    too_slow,
    unreachable,
    unreadable,
)
from herder.remote.kubernetes.objects import encoded, status_of

#: Of one call: below the deadlines that verbs of a driver have.
DEADLINE_S = 10.0
CONNECT_S = 5.0
_CONNECTIONS_MAX = 16
#: Errors before anything was sent.
_UNSENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.UnsupportedProtocol)


class Unanswered(ClusterUnavailable):
    """The call was sent, and its answer did not arrive: it may have had its effect."""


class SyncConnection:
    """May be used by several threads at once."""

    def __init__(
        self,
        cluster: str,
        access: Access,
        clock: DriverClock,
        *,
        transport: httpx.BaseTransport | None = None,
        deadline_s: float = DEADLINE_S,
    ) -> None:
        self.cluster = cluster
        self._access = access
        self._clock = clock
        self._deadline_s = deadline_s
        self._tokens = threading.Lock()
        self.now_ms: int | None = None
        """When the API answered last, by its own clock; None: it has not said."""
        with usable_address(cluster, access):
            self._client = httpx.Client(
                base_url=access.url,
                transport=transport or _transport(access),
                timeout=httpx.Timeout(deadline_s, connect=min(CONNECT_S, deadline_s)),
                follow_redirects=False,
                trust_env=False,
                headers={"Accept": f"{JSON}, */*", "Accept-Encoding": "identity", "User-Agent": "herder"},
            )

    @property
    def url(self) -> str:
        return self._access.url

    def call(
        self,
        call: Call,
        *,
        query: Mapping[str, str] | None = None,
        body: Any = None,
        form: str = JSON,
        bytes_max: int = ANSWER_BYTES_MAX,
    ) -> bytes:
        """The body of a 2xx answer. Tried once more where a renewed token may help."""
        content = b"" if body is None else encoded(body)
        for again in (True, False):
            try:
                return self._once(call, query or {}, content, form, bytes_max)
            except CredentialsRefused:
                with self._tokens:
                    renewed = again and self._access.tokens.refused()
                if not renewed:
                    raise
        raise AssertionError("a second refusal was raised above")

    def close(self) -> None:
        self._client.close()

    # --- one call

    def _once(self, call: Call, query: Mapping[str, str], content: bytes, form: str, bytes_max: int) -> bytes:
        headers = self._headers(form if content else "")
        until_ms = self._clock.monotonic_ms() + self._deadline_s * 1000
        if self._client.is_closed:
            raise ClusterUnavailable(f"The connection to cluster {self.cluster} was closed.")
        name = self._access.server_name
        try:
            with self._client.stream(
                call.method,
                call.path,
                params=dict(query),
                content=content or None,
                headers=headers,
                extensions={"sni_hostname": name} if name else {},
            ) as answer:
                self._note_time(answer.headers.get("date", ""))
                body = self._bounded(call, answer, bytes_max, until_ms)
        except _UNSENT as error:
            raise unreachable(self.cluster, self.url, error) from error
        except httpx.TimeoutException:
            raise Unanswered(str(too_slow(self.cluster, call, self._deadline_s))) from None
        except BROKEN as error:
            raise self._broken(error) from error
        if answer.is_success:
            return body
        after = answer.headers.get("retry-after", "")
        wait_s = float(after) if after.isdecimal() else 0.0
        raise refused(self.cluster, call, status_of(body, answer.status_code), wait_s)

    def _broken(self, error: Exception) -> ClusterError:
        found = unreachable(self.cluster, self.url, error)
        return Unanswered(str(found)) if isinstance(found, ClusterUnavailable) else found

    def _headers(self, form: str) -> dict[str, str]:
        headers = {"Content-Type": form} if form else {}
        with self._tokens:
            token = self._token()
        return {**headers, "Authorization": f"Bearer {token}"} if token is not None else headers

    def _token(self) -> str | None:
        tokens = self._access.tokens
        if isinstance(tokens, GivenToken):
            return tokens.value
        # A source of tokens may start a plugin; in this thread no event loop runs.
        return asyncio.run(self._awaited_token())

    async def _awaited_token(self) -> str | None:
        return await self._access.tokens.token()

    def _note_time(self, date: str) -> None:
        try:
            self.now_ms = int(parsedate_to_datetime(date).timestamp() * 1000)
        except (ValueError, OverflowError):
            return  # the time of before holds

    def _bounded(self, call: Call, answer: httpx.Response, bytes_max: int, until_ms: float) -> bytes:
        pieces, size = [], 0
        for piece in answer.iter_bytes():
            pieces.append(piece)
            size += len(piece)
            if size > bytes_max:
                raise unreadable(self.cluster, call, f"more than {bytes_max:,} bytes")
            if self._clock.monotonic_ms() > until_ms:
                raise Unanswered(str(too_slow(self.cluster, call, self._deadline_s)))
        return b"".join(pieces)


def _transport(access: Access) -> httpx.HTTPTransport:
    limits = httpx.Limits(max_connections=_CONNECTIONS_MAX, max_keepalive_connections=_CONNECTIONS_MAX)
    return httpx.HTTPTransport(
        verify=access.tls if access.tls is not None else False,
        limits=limits,
        proxy=access.proxy or None,
        trust_env=False,
    )
