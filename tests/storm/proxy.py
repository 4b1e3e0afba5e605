"""A proxy before the server that drops, delays, doubles and cuts HTTP calls, by draws from one seed.

Used by the storm: workers and people reach the server through it. It understands just enough of HTTP/1.1 to send a request twice;
each call gets a connection of its own to the server. It runs in a thread and listens on loopback only.
"""

import asyncio
import random
import threading
from collections import Counter
from collections.abc import Callable
from contextlib import suppress

#: A call is read whole before it is sent on; a larger one is refused by closing.
REQUEST_MOST = 64 * 2**20
PIECE = 64 * 1024
LATE_S = 0.6


class Proxy:
    """`target` answers the server's port of now. `chance`: of each kind of trouble for each call; 0 lets everything through."""

    def __init__(self, target: Callable[[], int], seed: int, chance: float = 0.03) -> None:
        self.chance = chance
        self.calls: Counter[str] = Counter()
        self._target = target
        self._draw = random.Random(seed)
        self._ready = threading.Event()
        self._tasks: set[asyncio.Task[None]] = set()
        self._thread = threading.Thread(target=lambda: asyncio.run(self._run()), daemon=True)
        self._thread.start()
        assert self._ready.wait(10)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def close(self) -> None:
        self._loop.call_soon_threadsafe(self._stop.set)
        self._thread.join(10)

    async def _run(self) -> None:
        self._loop, self._stop = asyncio.get_running_loop(), asyncio.Event()
        server = await asyncio.start_server(self._connected, "127.0.0.1", 0, limit=2**20)
        self.port = int(server.sockets[0].getsockname()[1])
        self._ready.set()
        await self._stop.wait()
        server.close()
        for task in list(self._tasks):
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._tasks.add(task)
        try:
            request = await _read_request(reader)
            await self._pass_on(request, writer)
        except asyncio.CancelledError:
            pass  # the proxy closes, and asyncio's streams would report it
        except (OSError, EOFError, asyncio.IncompleteReadError, asyncio.LimitOverrunError, ValueError):
            self.calls["broken"] += 1
        finally:
            self._tasks.discard(task)
            writer.transport.abort() if writer.transport.is_closing() else writer.close()

    async def _pass_on(self, request: bytes, writer: asyncio.StreamWriter) -> None:
        kind = self._kind()
        self.calls[kind] += 1
        if kind == "request lost":
            return
        if kind == "late":
            await asyncio.sleep(self._draw.uniform(0.0, LATE_S))
        if kind == "doubled":
            task = asyncio.create_task(self._send(request, None, None))
            self._tasks.add(task)
            task.add_done_callback(self._tasks.discard)
        if kind == "answer lost":
            await self._send(request, None, None)
            return
        most = self._draw.randrange(1, 200) if kind == "cut" else None
        await self._send(request, writer, most)

    def _kind(self) -> str:
        luck, chance = self._draw.random(), self.chance
        for kind in ("request lost", "answer lost", "doubled", "late", "cut"):
            if luck < chance:
                return kind
            luck -= chance
        return "passed"

    async def _send(self, request: bytes, writer: asyncio.StreamWriter | None, most: int | None) -> None:
        """The whole answer, or its first `most` bytes; to nobody when there is no writer."""
        reader, upstream = await asyncio.open_connection("127.0.0.1", self._target())
        try:
            upstream.write(request)
            await upstream.drain()
            left = most
            while piece := await reader.read(PIECE if left is None else min(PIECE, left)):
                if writer is not None:
                    writer.write(piece)
                    await writer.drain()
                if left is not None:
                    left -= len(piece)
                    if left <= 0:
                        break
        finally:
            with suppress(OSError):
                upstream.transport.abort()


async def _read_request(reader: asyncio.StreamReader) -> bytes:
    """The request with `connection: close`, so that the end of the connection is the end of the answer."""
    head = (await reader.readuntil(b"\r\n\r\n")).split(b"\r\n")
    fields = [line for line in head[1:] if line and not line.lower().startswith(b"connection:")]
    length = next((int(f.split(b":")[1]) for f in fields if f.lower().startswith(b"content-length:")), 0)
    if length > REQUEST_MOST:
        raise ValueError("too large for this proxy")
    body = await reader.readexactly(length)
    return b"\r\n".join([head[0], *fields, b"connection: close", b"", body])
