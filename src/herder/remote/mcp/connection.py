"""One connection to an MCP server: its process or its HTTP session, from the handshake to the end. Called by `client`, in its event loop.

The official library (`mcp`) speaks the protocol. It is imported here only, and only when a connection is opened. A connection that has
ended is never used again: the client opens another.
"""

import asyncio
import os
from collections import deque
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from typing import TYPE_CHECKING, Any

from herder.remote.mcp.server import McpServer

if TYPE_CHECKING:
    from mcp import Client
    from mcp_types import Tool

LINES_MAX = 400
LINE_CHARACTERS_MAX = 600
TOOL_PAGES_MAX = 50
#: Of messages that are no answers, since the last answer.
UNASKED_MAX = 2_000
_CLOSE_S = 10.0
_READ_BYTES = 65_536
#: So that a log that is set in columns is not broken inside a sentence.
_WIDE = {"COLUMNS": "600", "NO_COLOR": "1"}


class Connection:
    def __init__(self, server: McpServer) -> None:
        self.server = server
        self.printed: deque[str] = deque(maxlen=LINES_MAX)
        """The last lines of the program's standard error."""
        self.rubbish = 0
        """Messages that are none of the protocol."""
        self.refused = 0
        """The last HTTP status of 400 or more."""
        self.closed = False
        self.unasked = 0
        """Messages since its last answer that nobody asked for."""
        self.answered_s = 0.0
        """When the server last answered, on the clock of the event loop."""
        self.tools: dict[str, Tool] = {}
        self.tools_changed = False
        self._end = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._client: Client | None = None

    @property
    def client(self) -> "Client":
        if self._client is None:
            raise ConnectionError("it is not open")
        return self._client

    async def open(self) -> None:
        """Raises whatever the library raises; nothing of it is left then."""
        ready = asyncio.get_running_loop().create_future()
        self._task = asyncio.create_task(self._hold(ready))
        try:
            async with asyncio.timeout(self.server.start_timeout_s):
                self._client = await ready
                await self.list_tools()
        except BaseException:
            await self.close()
            raise

    async def close(self) -> None:
        self.closed = True
        self._end.set()
        if self._task is not None:
            if self._client is None:
                self._task.cancel()
            await asyncio.wait([self._task], timeout=_CLOSE_S)

    async def _hold(self, ready: "asyncio.Future[Client]") -> None:
        """The library wants a connection to be opened and closed by one task."""
        from mcp import Client
        from mcp_types import Implementation

        try:
            async with AsyncExitStack() as stack:
                transport = await self._transport(stack)
                client = Client(
                    _watched(transport, self._note),
                    read_timeout_seconds=self.server.start_timeout_s / 2,
                    client_info=Implementation(name="herder", version="1"),
                )
                ready.set_result(await stack.enter_async_context(client))
                await self._end.wait()
        except (
            BaseException
        ) as error:  # answered by whoever opens; afterwards it is the end of the connection
            if not ready.done():
                ready.set_exception(leaf(error))
            elif isinstance(error, asyncio.CancelledError):
                raise
        finally:
            self.closed = True

    def _note(self, item: Any) -> None:
        """None: the connection has ended."""
        if item is None:
            self.closed = True
            self._end.set()
            return
        method = getattr(getattr(item, "message", None), "method", "")
        if isinstance(item, Exception):
            self.rubbish += 1
        elif not method:
            self.unasked, self.answered_s = 0, asyncio.get_running_loop().time()
            return
        self.tools_changed = self.tools_changed or method == "notifications/tools/list_changed"
        self.unasked += 1
        if self.flooded:
            self.closed = True
            self._end.set()

    @property
    def flooded(self) -> bool:
        return self.unasked > UNASKED_MAX

    async def _transport(self, stack: AsyncExitStack) -> Any:
        server = self.server
        if server.url:
            from herder.remote.mcp.http import client_of, transport_of

            http = await stack.enter_async_context(client_of(server, self._note_status))
            return transport_of(server, http)
        from mcp.client.stdio import StdioServerParameters, stdio_client

        command, *arguments = server.command
        errors = stack.enter_context(_lines_into(self.printed, server.without_secrets))
        environment = {**_WIDE, **server.environment}
        return stdio_client(
            StdioServerParameters(
                command=command, args=arguments, env=environment, encoding_error_handler="replace"
            ),
            errlog=errors,
        )

    async def _note_status(self, response: Any) -> None:
        if response.status_code >= 400:
            self.refused = response.status_code

    async def list_tools(self) -> None:
        """Again when the server has said that they have changed."""
        self.tools_changed = False
        found: dict[str, Tool] = {}
        cursor = None
        for _ in range(TOOL_PAGES_MAX):
            page = await self.client.list_tools(cursor=cursor)
            found.update({each.name: each for each in page.tools})
            cursor = page.next_cursor
            if not cursor:
                break
        self.tools = found


class _lines_into:  # noqa: N801 - used as a function
    """A file for the standard error of a program: its last lines are kept, bounded in number and length. Within an event loop."""

    def __init__(self, lines: deque[str], without_secrets: Callable[[str], str]) -> None:
        self._lines, self._rest, self._without_secrets = lines, b"", without_secrets

    def __enter__(self) -> Any:
        self._read, write = os.pipe()
        os.set_blocking(self._read, False)
        self._loop = asyncio.get_running_loop()
        self._loop.add_reader(self._read, self._more)
        self._file = os.fdopen(write, "w", encoding="utf-8")
        return self._file

    def __exit__(self, *_: object) -> None:
        self._file.close()
        self._more()
        self._loop.remove_reader(self._read)
        os.close(self._read)

    def _more(self) -> None:
        try:
            content = os.read(self._read, _READ_BYTES)
        except BlockingIOError:
            return
        if not content:
            self._loop.remove_reader(self._read)
        *lines, self._rest = (self._rest + content).split(b"\n")
        self._rest = self._rest[-4 * LINE_CHARACTERS_MAX :]
        for line in lines:
            text = " ".join(self._without_secrets(line.decode("utf-8", "replace")).split())
            if any(letter.isalnum() for letter in text):  # without secrets first: no half of one is left
                self._lines.append(text[:LINE_CHARACTERS_MAX])


@asynccontextmanager
async def _watched(transport: Any, note: Callable[[Any], None]) -> AsyncIterator[Any]:
    """The same transport; `note` sees what arrives, and the end."""
    import anyio

    async with transport as (read, write):
        passed_on, receive = anyio.create_memory_object_stream[Any](0)

        async def relay() -> None:
            async with passed_on:
                async for item in read:
                    note(item)
                    await passed_on.send(item)
            note(None)

        async with anyio.create_task_group() as tasks:
            tasks.start_soon(relay)
            try:
                yield receive, write
            finally:
                tasks.cancel_scope.cancel()
                receive.close()


def leaf(error: BaseException) -> BaseException:
    """The first error of a group of errors."""
    while isinstance(error, BaseExceptionGroup):
        error = error.exceptions[0]
    return error
