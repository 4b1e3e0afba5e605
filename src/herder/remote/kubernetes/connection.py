"""One connection to a Kubernetes API: calls with deadlines and bounded answers, and watches. Called by the informer and by memberships.

It follows no redirect, since a token is for one address. Another transport may be given: the simulated world has no sockets. It raises
`ClusterError`s only.
"""

import asyncio
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from typing import Any

import httpx
import msgspec

from herder.model.values.phrases import clause
from herder.ports.cluster import ClusterError
from herder.remote.kubernetes.calls import Call
from herder.remote.kubernetes.credentials import Access, CredentialsMissing
from herder.remote.kubernetes.errors import (
    BROKEN,
    CredentialsRefused,
    refused,
    too_slow,
    unreachable,
    unreadable,
)
from herder.remote.kubernetes.objects import UNREADABLE, encoded, status_of

JSON = "application/json"
MERGE_PATCH = "application/merge-patch+json"
#: Ours, where the API records who set a field.
FIELD_MANAGER = "herder"
DEADLINE_S = 30.0
#: An object has at most 1.5 MiB in etcd.
ANSWER_BYTES_MAX = 8 * 2**20
#: A page of a list is asked for by its number of objects; a server that ignores the number may send this much.
PAGE_BYTES_MAX = 128 * 2**20
_CONNECTIONS_MAX = 32
_PORT_MAX = 65_535
_VERSION_LENGTH = 64


@contextmanager
def usable_address(cluster: str, access: Access) -> Iterator[None]:
    """Around what opens a client: an address or a proxy that cannot be used raises CredentialsMissing."""
    try:
        if (httpx.URL(access.url).port or 0) > _PORT_MAX:
            raise ValueError(f"the port is above {_PORT_MAX}")
        yield
    except (httpx.InvalidURL, ValueError) as error:
        raise CredentialsMissing(
            f"The address or the proxy of cluster {cluster} cannot be used: {clause(error)}. Correct its kubeconfig or settings."
        ) from None


class Connection:
    def __init__(
        self,
        cluster: str,
        access: Access,
        *,
        transport: httpx.AsyncBaseTransport | None = None,
        deadline_s: float = DEADLINE_S,
    ) -> None:
        self.cluster = cluster
        self._access = access
        self._deadline_s = deadline_s
        self.date = ""
        """When the API answered last, by its own clock, as HTTP writes it; empty: it has not."""
        with usable_address(cluster, access):
            self._client = httpx.AsyncClient(
                base_url=access.url,
                transport=transport or _transport(access),
                timeout=None,
                follow_redirects=False,
                trust_env=False,
                headers={"Accept": JSON, "Accept-Encoding": "identity", "User-Agent": "herder"},
            )

    @property
    def url(self) -> str:
        return self._access.url

    @property
    def unverified(self) -> bool:
        """Whether whoever answers is believed."""
        return self._access.unverified

    async def call(
        self,
        call: Call,
        *,
        query: Mapping[str, str] | None = None,
        body: Any = None,
        form: str = JSON,
        bytes_max: int = ANSWER_BYTES_MAX,
        deadline_s: float | None = None,
    ) -> bytes:
        """The body of a 2xx answer."""
        limit_s = self._deadline_s if deadline_s is None else deadline_s
        content = b"" if body is None else encoded(body)
        try:
            async with asyncio.timeout(limit_s):
                async with self._answer(call, query, content, form) as answer:
                    return await self._bounded(call, answer, bytes_max)
        except TimeoutError:
            raise too_slow(self.cluster, call, limit_s) from None
        except BROKEN as error:
            raise unreachable(self.cluster, self.url, error) from error

    async def version(self) -> str:
        """Such as v1.36.2."""
        body = await self.call(Call(verb="get", url="/version"))
        try:
            return msgspec.json.decode(body, type=_Version).gitVersion[:_VERSION_LENGTH]
        except UNREADABLE as error:
            raise ClusterError(
                f"{self.url} is not the address of a Kubernetes API. Correct the address of cluster {self.cluster}."
            ) from error

    @asynccontextmanager
    async def watch(self, call: Call, query: Mapping[str, str]) -> AsyncIterator["Lines"]:
        """A watch that has been answered. Reading it is not bound in time: the caller is."""
        try:
            async with asyncio.timeout(self._deadline_s) as limit:
                async with self._answer(call, {**query, "watch": "1"}, b"", JSON) as answer:
                    limit.reschedule(None)
                    yield Lines(self, call, answer)
        except TimeoutError:
            raise too_slow(self.cluster, call, self._deadline_s) from None
        except BROKEN as error:
            raise unreachable(self.cluster, self.url, error) from error

    async def close(self) -> None:
        await self._client.aclose()

    @asynccontextmanager
    async def _answer(
        self, call: Call, query: Mapping[str, str] | None, content: bytes, form: str
    ) -> AsyncIterator[httpx.Response]:
        """A 2xx answer whose body has not been read. Tried once more where a renewed token may help."""
        for again in (True, False):
            request = self._client.build_request(
                call.method,
                call.path,
                params=dict(query or {}),
                content=content or None,
                headers=await self._headers(form if content else ""),
                extensions=self._extensions(),
            )
            answer = await self._client.send(request, stream=True)
            self.date = answer.headers.get("date", "")
            try:
                if answer.is_success:
                    yield answer
                    return
                error = await self._refused(call, answer)
            finally:
                await answer.aclose()
            if not (again and isinstance(error, CredentialsRefused) and self._access.tokens.refused()):
                raise error

    async def _headers(self, form: str) -> dict[str, str]:
        headers = {"Content-Type": form} if form else {}
        token = await self._access.tokens.token()
        return {**headers, "Authorization": f"Bearer {token}"} if token is not None else headers

    def _extensions(self) -> dict[str, Any]:
        name = self._access.server_name
        return {"sni_hostname": name} if name else {}

    async def _refused(self, call: Call, answer: httpx.Response) -> ClusterError:
        body = await self._bounded(call, answer, ANSWER_BYTES_MAX)
        after = answer.headers.get("retry-after", "")
        status = status_of(body, answer.status_code)
        return refused(self.cluster, call, status, float(after) if after.isdecimal() else 0.0)

    async def _bounded(self, call: Call, answer: httpx.Response, bytes_max: int) -> bytes:
        pieces, size = [], 0
        async for piece in answer.aiter_bytes():
            pieces.append(piece)
            size += len(piece)
            if size > bytes_max:
                raise unreadable(self.cluster, call, f"more than {bytes_max:,} bytes")
        return b"".join(pieces)


class Lines:
    """The lines of one watch, as they come."""

    def __init__(self, connection: Connection, call: Call, answer: httpx.Response) -> None:
        self._connection = connection
        self._call = call
        self._pieces = answer.aiter_bytes().__aiter__()
        self._rest: list[bytes] = []
        self._rest_bytes = 0

    async def some(self) -> list[bytes] | None:
        """Complete ones; an empty list while one is being sent, None at the end. Raises what a connection raises."""
        try:
            piece = await anext(self._pieces)
        except StopAsyncIteration:
            return None
        head, newline, tail = piece.rpartition(b"\n")
        if not newline:
            self._keep(tail)
            return []
        lines = b"".join((*self._rest, head)).split(b"\n")
        self._rest, self._rest_bytes = [], 0
        self._keep(tail)
        return [line for line in lines if line]

    def _keep(self, piece: bytes) -> None:
        if not piece:
            return
        self._rest.append(piece)
        self._rest_bytes += len(piece)
        if self._rest_bytes > ANSWER_BYTES_MAX:
            raise unreadable(
                self._connection.cluster, self._call, f"a line of more than {ANSWER_BYTES_MAX:,} bytes"
            )


class _Version(msgspec.Struct):
    gitVersion: str  # noqa: N815 - the API's own name


def _transport(access: Access) -> httpx.AsyncHTTPTransport:
    limits = httpx.Limits(max_connections=_CONNECTIONS_MAX, max_keepalive_connections=_CONNECTIONS_MAX)
    return httpx.AsyncHTTPTransport(
        verify=access.tls if access.tls is not None else False,
        limits=limits,
        proxy=access.proxy or None,
        trust_env=False,
    )
