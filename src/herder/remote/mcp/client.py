"""Calls tools of one MCP server from threads that may wait. For drivers; it raises `DriverError`s only.

An event loop in a thread of its own holds the connection. Thread, loop and connection begin with the first call; a connection that has
ended is replaced by the next call, at most once a second. The program of a server ends with this process: its standard input closes.
A call that the server may have begun and did not answer is OutcomeUnknown if it writes. No sentence quotes a secret.
"""

import asyncio
import logging
import threading
from collections.abc import Callable, Coroutine, Mapping
from concurrent.futures import CancelledError
from concurrent.futures import TimeoutError as LateError
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from herder.model.fleet.driver import DriverError, InvalidRequest, OutcomeUnknown, Unauthorised, Unavailable
from herder.remote.mcp import texts
from herder.remote.mcp.connection import UNASKED_MAX, Connection, leaf
from herder.remote.mcp.server import McpServer

if TYPE_CHECKING:
    from mcp_types import CallToolResult, Tool

ANSWER_CHARACTERS_MAX = 32 * 2**20
_PAUSE_S = 1.0
_GRACE_S = 15.0
_LOG_PAUSE_S = 0.1
_CONNECTION_CLOSED, _REQUEST_TIMEOUT, _NOT_PARSED, _SESSION_LOST = (
    -32000,
    -32001,
    -32700,
    "Session terminated",
)
_T = TypeVar("_T")


@dataclass(frozen=True, slots=True, kw_only=True)
class ToolAnswer:
    text: str
    marked: bool
    """As an error, by the server."""
    logged: str = ""
    """What the log of the server says of an error without an explanation."""


class McpClient:
    """May be used by several threads at once."""

    def __init__(self, server: McpServer) -> None:
        self.server = server
        self._lock = threading.Lock()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._closed = False
        self._opening = asyncio.Lock()
        self._connection: Connection | None = None
        self._failed: tuple[float, DriverError] | None = None

    # --- from any thread

    def tools(self) -> Mapping[str, "Tool"]:
        """By name, as the server lists them."""
        return self._wait(self._tools, "its tools are listed", writes=False)

    def about(self) -> str:
        """Name, version and protocol of the server."""
        return self._wait(self._about, "it introduces itself", writes=False)

    def call(self, tool: str, arguments: Mapping[str, object], what: str, *, writes: bool) -> ToolAnswer:
        """`what` names the call in words, as in: while cloning VM 1."""
        work = partial(self._call, tool, arguments, what, writes=writes)
        return self._wait(work, what, writes=writes)

    def close(self) -> None:
        with self._lock:
            self._closed, loop, self._loop = True, self._loop, None
        if loop is None or self._thread is None:
            return
        with suppress(LateError, CancelledError):
            asyncio.run_coroutine_threadsafe(self._drop(), loop).result(_GRACE_S)
        loop.call_soon_threadsafe(loop.stop)
        self._thread.join(_GRACE_S)

    def _wait(self, work: Callable[[], Coroutine[Any, Any, _T]], what: str, *, writes: bool) -> _T:
        loop = self._running()
        bound_s = 2 * self.server.start_timeout_s + 2 * self.server.call_timeout_s + _GRACE_S
        future = asyncio.run_coroutine_threadsafe(work(), loop)
        try:
            return future.result(bound_s)
        except (LateError, CancelledError):
            future.cancel()
            lost = OutcomeUnknown if writes else Unavailable
            raise lost(f"{texts.capital(self.server.place)} did not answer while {what}.") from None

    def _running(self) -> asyncio.AbstractEventLoop:
        with self._lock:
            if self._closed:
                raise Unavailable(f"The connection to {self.server.place} was closed.")
            if self._loop is None:
                logging.getLogger("mcp").setLevel(
                    logging.CRITICAL
                )  # it logs the messages that it cannot read
                self._loop = asyncio.new_event_loop()
                self._thread = threading.Thread(
                    target=_run, args=(self._loop,), name="mcp-client", daemon=True
                )
                self._thread.start()
            return self._loop

    # --- in the loop

    async def _tools(self) -> Mapping[str, "Tool"]:
        return (await self._open()).tools

    async def _about(self) -> str:
        client = (await self._open()).client
        info = client.server_info
        name = f"{info.name} {info.version}".strip() if info is not None else ""
        return f"{texts.short(name)[:80] if name else 'A server without a name'} speaks MCP {client.protocol_version}"

    async def _open(self) -> Connection:
        async with self._opening:
            connection, now_s = self._connection, asyncio.get_running_loop().time()
            if connection is not None and not connection.closed:
                if connection.tools_changed:
                    await self._list_again(connection)
                return connection
            if self._failed is not None and now_s - self._failed[0] < _PAUSE_S:
                raise self._failed[1]
            connection = Connection(self.server)
            try:
                await connection.open()
            except Exception as error:  # noqa: BLE001 - each becomes an error of drivers
                failed = self._not_opened(leaf(error), connection)
                self._failed = (asyncio.get_running_loop().time(), failed)
                raise failed from None
            self._connection, self._failed = connection, None
            return connection

    async def _list_again(self, connection: Connection) -> None:
        try:
            async with asyncio.timeout(self.server.start_timeout_s):
                await connection.list_tools()
        except Exception as error:  # noqa: BLE001 - each becomes an error of drivers
            failed = self._not_opened(leaf(error), connection)
            await self._drop_this(connection)
            raise failed from None

    async def _drop(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            await connection.close()

    async def _call(
        self, tool: str, arguments: Mapping[str, object], what: str, *, writes: bool
    ) -> ToolAnswer:
        for last in (False, True):
            connection = await self._open()
            began_s, connection.refused = asyncio.get_running_loop().time(), 0
            try:
                answer = await connection.client.call_tool(
                    tool, dict(arguments), read_timeout_seconds=self.server.call_timeout_s
                )
            except Exception as found:  # noqa: BLE001 - each becomes an error of drivers
                error = leaf(found)
                if _lost_session(error) and not last:  # the server has not begun the call
                    await self._drop()
                    continue
                raise await self._not_answered(error, connection, began_s, what, writes=writes) from None
            return await self._read(answer, connection, tool, what, writes=writes)
        raise AssertionError("unreachable")

    async def _read(
        self, answer: "CallToolResult", connection: Connection, tool: str, what: str, *, writes: bool
    ) -> ToolAnswer:
        text = "\n".join(each.text for each in answer.content if each.type == "text")
        if len(text) > ANSWER_CHARACTERS_MAX:
            lost = OutcomeUnknown if writes else Unavailable
            raise lost(
                f"The answer of {self.server.place} while {what} has more than {ANSWER_CHARACTERS_MAX // 2**20} MiB. Herder reads no more."
            )
        if not text and answer.structured_content is not None:
            import msgspec

            text = msgspec.json.encode(answer.structured_content).decode()
        logged = ""
        if answer.is_error and texts.unexplained(text):
            await asyncio.sleep(_LOG_PAUSE_S)  # its log comes by another way
            logged = texts.explanation(connection.printed, tool)
        return ToolAnswer(text=text, marked=bool(answer.is_error), logged=logged)

    # --- errors

    async def _not_answered(
        self, error: BaseException, connection: Connection, began_s: float, what: str, *, writes: bool
    ) -> DriverError:
        lost, place = (OutcomeUnknown if writes else Unavailable), texts.capital(self.server.place)
        code, said = getattr(error, "code", 0), self._said(error)
        if where := _malformed(error):
            return lost(
                f"{place} answered while {what} in a form that MCP does not have ({where}). Check the version of the server."
            )
        if code == _REQUEST_TIMEOUT or isinstance(error, TimeoutError):
            if connection.answered_s < began_s:  # nothing at all since: it hangs, and is started anew
                await self._drop_this(connection)
            return lost(
                f"{place} did not answer within {self.server.call_timeout_s:g} s while {what}{_rubbish(connection)}. Herder asks again."
            )
        if connection.refused in (401, 403):
            await self._drop_this(connection)
            return self._wrong_token(connection.refused)
        if connection.flooded:
            await self._drop_this(connection)
            return lost(
                f"{place} sent more than {UNASKED_MAX:,} messages without an answer while {what}. Herder starts it again."
            )
        if code == _CONNECTION_CLOSED or connection.closed:
            await self._drop_this(connection)
            return lost(f"{place} ended while {what}{self._last_line(connection)}. Herder starts it again.")
        if code == _NOT_PARSED:
            return lost(
                f"{place} answered while {what} with text outside the protocol MCP. Check its address."
            )
        if code and connection.refused < 500:
            return texts.error_of(what, said, self.server.place, writes=writes)
        await self._drop_this(connection)
        return lost(f"{place} did not answer as a server of MCP does while {what}: {said}.")

    def _not_opened(self, error: BaseException, connection: Connection) -> DriverError:
        place, said = texts.capital(self.server.place), self._said(error)
        if isinstance(error, ImportError):
            return InvalidRequest(
                "The driver for MCP servers needs the package mcp. Install herder[mcp] where the server runs."
            )
        if isinstance(error, (FileNotFoundError, PermissionError)):
            return InvalidRequest(f"{place} cannot be started: {said}. Check the setting command.")
        if "protocol version" in said.lower():
            return InvalidRequest(
                f"{place} speaks no version of MCP that Herder knows: {said}. Install another version of the server, or of the package mcp."
            )
        if connection.refused in (401, 403):
            return self._wrong_token(connection.refused)
        if where := _malformed(error):
            return Unavailable(
                f"{place} answers in a form that MCP does not have ({where}). Install another version of the server."
            )
        if isinstance(error, TimeoutError) or getattr(error, "code", 0) == _REQUEST_TIMEOUT:
            return Unavailable(
                f"{place} did not introduce itself within {self.server.start_timeout_s:g} s{_rubbish(connection)}"
                f"{self._last_line(connection)}. Check that it is a server of MCP."
            )
        if self.server.url:
            return Unavailable(f"{place} cannot be reached: {said}. Check the setting url and the network.")
        return Unavailable(
            f"{place} ended at its start{self._last_line(connection) or ': ' + said}. Check its arguments and environment."
        )

    def _wrong_token(self, status: int) -> DriverError:
        return Unauthorised(
            f"{texts.capital(self.server.place)} does not accept the token of the driver (status {status}). Check token_file."
        )

    async def _drop_this(self, connection: Connection) -> None:
        if self._connection is connection:
            self._connection = None
        await connection.close()

    def _said(self, error: BaseException) -> str:
        text = getattr(error, "message", "") or str(error) or type(error).__name__
        return texts.short(self.server.without_secrets(str(text)))

    def _last_line(self, connection: Connection) -> str:
        line = connection.printed[-1] if connection.printed else ""
        return f"; its last line is: {texts.short(self.server.without_secrets(line))}" if line else ""


def _rubbish(connection: Connection) -> str:
    return ", and wrote text outside the protocol MCP" if connection.rubbish else ""


def _malformed(error: BaseException) -> str:
    """Where an answer is not as the protocol has it; empty: that is not what is wrong."""
    from pydantic import ValidationError

    if not isinstance(error, ValidationError):
        return ""
    return texts.short(".".join(str(part) for part in error.errors()[0]["loc"]) or "the whole answer")[:80]


def _lost_session(error: BaseException) -> bool:
    return getattr(error, "message", "") == _SESSION_LOST


def _run(loop: asyncio.AbstractEventLoop) -> None:
    try:
        loop.run_forever()
        tasks = asyncio.all_tasks(loop)
        for task in tasks:
            task.cancel()
        if tasks:
            loop.run_until_complete(asyncio.wait(tasks, timeout=_GRACE_S))
        loop.run_until_complete(loop.shutdown_asyncgens())
    finally:
        loop.close()
