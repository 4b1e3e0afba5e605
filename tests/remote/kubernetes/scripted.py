"""A small API of one kind of object, whose next answers a test can choose: what an informer meets, step by step and without sockets."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable
from typing import Any

import httpx

Fault = httpx.Response | Exception
#: How much is sent at a time: lines are cut anywhere.
PIECE = 97


class Stream(httpx.AsyncByteStream):
    """The body of one watch."""

    def __init__(self) -> None:
        self.pieces: asyncio.Queue[bytes | Exception | None] = asyncio.Queue()
        self.open = True

    async def __aiter__(self) -> AsyncIterator[bytes]:
        while (piece := await self.pieces.get()) is not None:
            if isinstance(piece, Exception):
                self.open = False
                raise piece
            yield piece
        self.open = False

    async def aclose(self) -> None:
        self.open = False

    def send(self, line: bytes) -> None:
        for start in range(0, len(line), PIECE):
            self.pieces.put_nowait(line[start : start + PIECE])


def status(code: int, message: str = "", reason: str = "", **details: Any) -> httpx.Response:
    body = {"kind": "Status", "status": "Failure", "message": message, "reason": reason, "code": code}
    return httpx.Response(code, json={**body, "details": details})


def expired() -> httpx.Response:
    return status(410, "too old resource version: 1 (2)", "Expired")


def too_large(wait_s: int = 1) -> httpx.Response:
    causes = [{"reason": "ResourceVersionTooLarge", "message": "Too large resource version"}]
    return status(
        504, "Too large resource version: 9, current: 1", "Timeout", causes=causes, retryAfterSeconds=wait_s
    )


class Api(httpx.AsyncBaseTransport):
    """Nodes, or whatever is asked for. `faults`: answers to the next lists or watches instead of the right ones."""

    def __init__(self) -> None:
        self.version = 10
        self.objects: dict[str, dict[str, Any]] = {}
        self.history: list[tuple[int, bytes]] = []
        self.kept_from = 0
        """Older changes are forgotten: a watch from there gets a 410."""
        self.list_faults: list[Fault] = []
        self.watch_faults: list[Fault] = []
        self.always: Callable[[httpx.Request], Fault | None] = lambda _: None
        self.lists: list[dict[str, str]] = []
        self.watches: list[dict[str, str]] = []
        self.streams: list[Stream] = []
        self.silent = False
        """Watches are answered, and nothing is sent."""
        self._uids = 0

    # --- what happens in the cluster

    def put(self, name: str, *, uid: str = "", **labels: str) -> None:
        self.version += 1
        known = self.objects.get(name)
        if not uid:
            self._uids += 1
            uid = known["metadata"]["uid"] if known else f"u{self._uids}"
        kind = "ADDED" if known is None else "MODIFIED"
        metadata = {"name": name, "uid": uid, "resourceVersion": str(self.version), "labels": labels}
        self.objects[name] = {"metadata": metadata}
        self.tell(kind, self.objects[name])

    def delete(self, name: str) -> None:
        self.version += 1
        gone = self.objects.pop(name)
        gone = {"metadata": {**gone["metadata"], "resourceVersion": str(self.version)}}
        self.tell("DELETED", gone)

    def tell(self, kind: str, item: dict[str, Any]) -> None:
        line = json.dumps({"type": kind, "object": item}).encode() + b"\n"
        if kind in ("ADDED", "MODIFIED", "DELETED"):
            self.history.append((self.version, line))
        for stream in self.streams:
            if stream.open and not self.silent:
                stream.send(line)

    def bookmark(self) -> None:
        self.tell("BOOKMARK", {"metadata": {"resourceVersion": str(self.version)}})

    def forget(self) -> None:
        self.kept_from = self.version

    def end_watches(self, error: Exception | None = None) -> None:
        for stream in self.streams:
            if stream.open:
                stream.pieces.put_nowait(error)

    # --- what is asked

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        params = dict(request.url.params)
        watching = params.get("watch") == "1"
        (self.watches if watching else self.lists).append(params)
        faults = self.watch_faults if watching else self.list_faults
        fault = faults.pop(0) if faults else self.always(request)
        if isinstance(fault, Exception):
            raise fault
        if fault is not None:
            return fault
        return self._watch(params) if watching else self._list(params)

    def _list(self, params: dict[str, str]) -> httpx.Response:
        names = sorted(self.objects)
        start, limit = int(params.get("continue", "0")), int(params["limit"])
        following = str(start + limit) if start + limit < len(names) else ""
        metadata = {"resourceVersion": str(self.version), "continue": following}
        items = [self.objects[name] for name in names[start : start + limit]]
        return httpx.Response(200, json={"metadata": metadata, "items": items or None})

    def _watch(self, params: dict[str, str]) -> httpx.Response:
        stream = Stream()
        since = int(params["resourceVersion"])
        if since < self.kept_from:
            body = {"kind": "Status", "code": 410, "reason": "Expired", "message": "too old resource version"}
            stream.send(json.dumps({"type": "ERROR", "object": body}).encode() + b"\n")
            stream.pieces.put_nowait(None)
            return httpx.Response(200, stream=stream)
        if since > self.version:
            return too_large()
        if not self.silent:
            for version, line in self.history:
                if version > since:
                    stream.send(line)
        self.streams.append(stream)
        return httpx.Response(200, stream=stream)
