"""Calls of a Proxmox VE API with a token, from a thread that may wait. For drivers.

Raises `DriverError`s only. It follows no redirect, since a token is for one address, reads no answer beyond its bound, and tells a call
whose answer was lost (OutcomeUnknown) from one that was never sent (Unavailable). It never logs a token.
"""

import ssl
from collections.abc import Mapping
from typing import Any

import httpx
import msgspec

from herder.model.fleet.driver import DriverClock, DriverError, OutcomeUnknown, Unavailable
from herder.remote.proxmox.errors import call_error, unreachable

DEADLINE_S = 15.0
CONNECT_S = 5.0
ANSWER_BYTES_MAX = 32 * 2**20
_CONNECTIONS_MAX = 16
_UNSENT = (httpx.ConnectError, httpx.ConnectTimeout, httpx.PoolTimeout, httpx.UnsupportedProtocol)


class ProxmoxClient:
    """May be used by several threads at once."""

    def __init__(
        self,
        url: str,
        token_id: str,
        token_secret: str,
        clock: DriverClock,
        *,
        verify: ssl.SSLContext | bool = True,
        transport: httpx.BaseTransport | None = None,
        deadline_s: float = DEADLINE_S,
    ) -> None:
        self.url = url.rstrip("/")
        self.token_id = token_id
        self._clock = clock
        self._deadline_s = deadline_s
        limits = httpx.Limits(max_connections=_CONNECTIONS_MAX, max_keepalive_connections=_CONNECTIONS_MAX)
        self._client = httpx.Client(
            base_url=f"{self.url}/api2/json",
            transport=transport or httpx.HTTPTransport(verify=verify, limits=limits, trust_env=False),
            timeout=httpx.Timeout(deadline_s, connect=min(CONNECT_S, deadline_s)),
            follow_redirects=False,
            trust_env=False,
            headers={
                "Authorization": f"PVEAPIToken={token_id}={token_secret}",
                "Accept": "application/json",
                "Accept-Encoding": "identity",
                "User-Agent": "herder",
            },
        )

    def get(self, path: str, what: str, **query: str | int) -> Any:
        return self._call("GET", path, what, params=query)

    def post(self, path: str, what: str, form: Mapping[str, str | int] | None = None) -> Any:
        return self._call("POST", path, what, data=dict(form or {}))

    def put(self, path: str, what: str, form: Mapping[str, str | int]) -> Any:
        return self._call("PUT", path, what, data=dict(form))

    def delete(self, path: str, what: str, **query: str | int) -> Any:
        return self._call("DELETE", path, what, params=query)

    def upload(self, path: str, what: str, name: str, content: bytes) -> Any:
        """An ISO image into a storage."""
        files = {"filename": (name, content, "application/octet-stream")}
        return self._call("POST", path, what, data={"content": "iso"}, files=files)

    def close(self) -> None:
        self._client.close()

    # --- one call

    def _call(self, method: str, path: str, what: str, **how: Any) -> Any:
        writes = method != "GET"
        until_ms = self._clock.monotonic_ms() + self._deadline_s * 1000
        if self._client.is_closed:
            raise Unavailable(f"The connection to Proxmox at {self.url} was closed.")
        try:
            with self._client.stream(method, path, **how) as answer:
                body = self._bounded(answer, what, until_ms)
        except _UNSENT as error:
            raise unreachable(self.url, _said(error)) from None
        except (httpx.HTTPError, ssl.SSLError, OSError) as error:
            lost = OutcomeUnknown if writes else Unavailable
            raise lost(f"Proxmox at {self.url} did not answer while {what}: {_said(error)}.") from None
        if answer.is_success:
            return self._data(body, what, writes=writes)
        raise self._refused(answer, body, what, writes=writes)

    def _bounded(self, answer: httpx.Response, what: str, until_ms: float) -> bytes:
        pieces, size = [], 0
        for piece in answer.iter_bytes():
            pieces.append(piece)
            size += len(piece)
            if size > ANSWER_BYTES_MAX:
                raise Unavailable(
                    f"The answer of Proxmox to {what} has more than {ANSWER_BYTES_MAX // 2**20} MiB. Herder reads no more."
                )
            if self._clock.monotonic_ms() > until_ms:
                raise httpx.ReadTimeout("the answer took too long")
        return b"".join(pieces)

    def _data(self, body: bytes, what: str, *, writes: bool) -> Any:
        try:
            return msgspec.json.decode(body)["data"]
        except (msgspec.MsgspecError, KeyError, TypeError, UnicodeDecodeError, RecursionError):
            lost = OutcomeUnknown if writes else Unavailable
            raise lost(
                f"The answer to {what} from {self.url} is not one of Proxmox. Check the address of its API."
            ) from None

    def _refused(self, answer: httpx.Response, body: bytes, what: str, *, writes: bool) -> DriverError:
        text = _explained(body) or answer.reason_phrase
        return call_error(what, answer.status_code, text, writes=writes, token=self.token_id)


def _explained(body: bytes) -> str:
    """Newer servers say it in the body, older ones in the reason phrase only."""
    try:
        found = msgspec.json.decode(body)
    except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
        return ""
    if not isinstance(found, dict):
        return ""
    message = str(found.get("message") or "").strip()
    errors = found.get("errors")
    fields = "; ".join(f"{name}: {text}" for name, text in errors.items()) if isinstance(errors, dict) else ""
    return ": ".join(each.strip() for each in (message, fields) if each)


def _said(error: Exception) -> str:
    return str(error).rstrip(".") or type(error).__name__
