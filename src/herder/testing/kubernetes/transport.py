"""A cluster without a socket: transports for httpx whose requests reach a `Running` on the same loop, a real one or one of virtual time.

The synchronous one is called from the loop's thread and lets no time pass: an answer that takes longer than its caller waits is lost.
"""

import asyncio
from collections.abc import AsyncIterator
from email.utils import formatdate
from urllib.parse import parse_qsl

import httpx

from herder.testing.kubernetes.api.answers import Answer, Request
from herder.testing.kubernetes.api.watches import Watch
from herder.testing.kubernetes.cluster import Away
from herder.testing.kubernetes.running import Running


class _Lines(httpx.AsyncByteStream):
    def __init__(self, watch: Watch) -> None:
        self._watch = watch
        self._news = asyncio.Event()
        watch.wake = self._news.set

    async def __aiter__(self) -> AsyncIterator[bytes]:
        while True:
            self._news.clear()
            for line in self._watch.take():
                yield line
            if self._watch.cut:
                raise httpx.ReadError("the connection broke")
            if self._watch.over:
                return
            await self._news.wait()

    async def aclose(self) -> None:
        self._watch.close()


class InProcessTransport(httpx.AsyncBaseTransport):
    def __init__(self, running: Running) -> None:
        self._running = running

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        found = _asked(self._running, request, await request.aread())
        if found.delay_ms:
            await asyncio.sleep(self._running.clock.wait_s(found.delay_ms))
        if isinstance(found, Watch):
            headers = {"Content-Type": "application/json"}
            return httpx.Response(200, headers=headers, stream=_Lines(found), request=request)
        if found.cut:
            raise httpx.ReadError("the connection broke", request=request)
        headers = {**found.headers, "Date": _date(self._running)}
        return httpx.Response(found.status, headers=headers, content=found.body, request=request)


class SyncInProcessTransport(httpx.BaseTransport):
    def __init__(self, running: Running) -> None:
        self._running = running

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        running = self._running
        found = _asked(running, request, request.read())
        if isinstance(found, Watch):
            found.close()
            raise httpx.UnsupportedProtocol("a watch needs the asynchronous transport", request=request)
        limits = request.extensions.get("timeout") or {}
        limit_s = limits.get("read")
        if found.cut or (limit_s is not None and running.clock.wait_s(found.delay_ms) > limit_s):
            raise httpx.ReadTimeout("no answer came", request=request)
        headers = {**found.headers, "Date": _date(running)}
        return httpx.Response(found.status, headers=headers, content=found.body, request=request)


def _date(running: Running) -> str:
    return formatdate((running.clock.now_ms() + running.cluster.faults.skew_ms) / 1000, usegmt=True)


def _asked(running: Running, request: httpx.Request, body: bytes) -> Answer | Watch:
    asked = Request(
        method=request.method,
        path=request.url.path,
        query=dict(parse_qsl(request.url.query.decode(), keep_blank_values=True)),
        headers={name.lower(): value for name, value in request.headers.items()},
        body=body,
    )
    try:
        return running.request(asked)
    except Away:
        raise httpx.ConnectError("the server does not listen", request=request) from None
