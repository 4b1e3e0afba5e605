"""HTTP to an MCP server: within bounds, without compression, and to one address only. Imported by `connection` when an address is opened."""

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import httpx2
from mcp.client.streamable_http import streamable_http_client

from herder.remote.mcp.server import McpServer

#: Of one answer, or of one event of a stream.
BODY_BYTES_MAX = 64 * 2**20


def client_of(server: McpServer, note: Callable[[Any], Awaitable[None]]) -> httpx2.AsyncClient:
    headers = {"Accept-Encoding": "identity"}
    if server.token:
        headers["Authorization"] = f"Bearer {server.token}"
    return httpx2.AsyncClient(
        headers=headers,
        timeout=httpx2.Timeout(server.start_timeout_s, read=server.call_timeout_s + 5.0),
        transport=_Bounded(verify=server.verify, trust_env=False),
        follow_redirects=False,
        trust_env=False,
        event_hooks={"response": [note]},
    )


def transport_of(server: McpServer, http: httpx2.AsyncClient) -> Any:
    return streamable_http_client(server.url, http_client=http, max_sse_event_size=BODY_BYTES_MAX)


class _Bounded(httpx2.AsyncHTTPTransport):
    async def handle_async_request(self, request: httpx2.Request) -> httpx2.Response:
        answer = await super().handle_async_request(request)
        if answer.headers.get("content-encoding", "identity").strip().lower() != "identity":
            await answer.aclose()
            raise httpx2.DecodingError(
                "it compresses its answers, although Herder asked for plain ones", request=request
            )
        if not answer.headers.get("content-type", "").startswith(
            "text/event-stream"
        ):  # its events are bounded
            answer.stream = _Body(answer.stream, request)
        return answer


class _Body(httpx2.AsyncByteStream):
    def __init__(self, stream: Any, request: httpx2.Request) -> None:
        self._stream, self._request = stream, request

    async def __aiter__(self) -> AsyncIterator[bytes]:
        size = 0
        async for piece in self._stream:
            size += len(piece)
            if size > BODY_BYTES_MAX:
                raise httpx2.ReadError(
                    f"its answer has more than {BODY_BYTES_MAX // 2**20} MiB", request=self._request
                )
            yield piece

    async def aclose(self) -> None:
        await self._stream.aclose()
