"""A fake without a socket: a transport for a synchronous httpx client, on a time that is asked for. Delays of answers are not waited for."""

from collections.abc import Callable
from threading import Lock

import httpx

from herder.testing.fakes.messages import Fake, Request


class InProcessTransport(httpx.BaseTransport):
    """May be used by several threads at once. An answer that is later than the client's time-out is not received."""

    def __init__(self, fake: Fake, now_ms: Callable[[], int]) -> None:
        self._fake, self._now_ms = fake, now_ms
        self._lock = Lock()

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        asked = Request(
            method=request.method,
            path=request.url.raw_path.decode().partition("?")[0],
            query=request.url.query.decode(),
            headers={name.lower(): value for name, value in request.headers.items()},
            body=request.read(),
            host=request.url.host,
        )
        with self._lock:
            found = self._fake.request(asked, self._now_ms())
        patience_s = request.extensions.get("timeout", {}).get("read")
        if patience_s is not None and found.delay_ms > patience_s * 1000:
            raise httpx.ReadTimeout("the answer took too long", request=request)
        if found.cut:
            raise httpx.ReadError("the connection broke", request=request)
        return httpx.Response(
            found.status,
            headers={"Content-Type": found.content_type, **found.headers},
            content=found.data(),
            extensions={"reason_phrase": found.reason.encode()},
            request=request,
        )
