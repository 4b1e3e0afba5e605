"""The network of the simulated world: calls reach the server's ASGI application in process.

`Wire.call` is one call, with drawn delays and faults: a lost request or answer, a doubled or late request, a broken connection.
`Line` is the network port of an agent.
"""

import asyncio
import contextvars
import os
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

from starlette.types import ASGIApp, Message

from herder.agent.environment.connection import Unreachable, usable
from herder.agent.environment.settings import AgentSettings
from herder.simulate.chaos.faults.dice import Dice
from herder.simulate.chaos.faults.kinds import NETWORK_FAULTS, Fault
from herder.simulate.chaos.hosts.loop import HOST, VirtualLoop
from herder.simulate.chaos.ports.effects import Effects

PREFIX = "/api/v1"
LATE_S = 6.0
#: A request that is held up somewhere on its way arrives so long after it was sent.
ARRIVES_AFTER_S = (1.0, 40.0)


class Endpoint:
    """A server that listens: its host and its application."""

    def __init__(
        self, loop: VirtualLoop, host: str, application: ASGIApp, effects: Effects | None = None
    ) -> None:
        self._loop, self.host, self._application, self.effects = loop, host, application, effects
        self._open: dict[Delivery, None] = {}
        self.crashes: list[BaseException] = []
        """Errors that the application did not handle; a caller gets status 500."""

    def deliver(self, method: str, path: str, body: bytes, headers: dict[str, str]) -> "Delivery":
        delivery = Delivery(self, self._loop, method, path, body, headers)
        self._open[delivery] = None
        self._loop.begin(self.host, delivery.serve(self._application))
        return delivery

    def closed(self, delivery: "Delivery") -> None:
        self._open.pop(delivery, None)

    def hang_up(self) -> None:
        """Break all connections, because the process has ended."""
        for delivery in list(self._open):
            delivery.broken()


class Delivery:
    """One request that has arrived, as ASGI sees it."""

    def __init__(
        self,
        endpoint: Endpoint,
        loop: VirtualLoop,
        method: str,
        path: str,
        body: bytes,
        headers: dict[str, str],
    ) -> None:
        self._endpoint = endpoint
        self._body, self._sent = body, False
        self._gone = asyncio.Event()
        self._status, self._pieces = 0, []  # type: ignore[var-annotated]
        self.answer: asyncio.Future[tuple[int, bytes]] = loop.create_future()
        path, _, query = path.partition("?")
        self._scope = {
            "type": "http",
            "asgi": {"version": "3.0"},
            "http_version": "1.1",
            "method": method,
            "scheme": "http",
            "path": path,
            "raw_path": path.encode(),
            "query_string": query.encode(),
            "root_path": "",
            "headers": [(name.encode(), value.encode()) for name, value in headers.items()],
            "client": ("127.0.0.1", 1),
            "server": ("127.0.0.1", 80),
        }

    async def serve(self, application: ASGIApp) -> None:
        try:
            await application(self._scope, self._receive, self._send)
        except Exception as error:  # noqa: BLE001 - as an ASGI server does
            self._endpoint.crashes.append(error)
            self._end(500, b"")
        finally:
            self._endpoint.closed(self)

    def disconnect(self) -> None:
        """The caller has disconnected."""
        self._gone.set()

    def broken(self) -> None:
        if not self.answer.done():
            self.answer.set_exception(ConnectionResetError("the connection broke"))
            self.answer.exception()

    async def _receive(self) -> Message:
        if not self._sent:
            self._sent = True
            return {"type": "http.request", "body": self._body, "more_body": False}
        await self._gone.wait()
        return {"type": "http.disconnect"}

    async def _send(self, message: Message) -> None:
        if message["type"] == "http.response.start":
            self._status = message["status"]
            return
        self._pieces.append(message.get("body", b""))
        if not message.get("more_body", False):
            self._end(self._status, b"".join(self._pieces))

    def _end(self, status: int, body: bytes) -> None:
        effects = self._endpoint.effects
        if effects is not None and not effects.at("answer"):
            return
        if not self.answer.done():
            self.answer.set_result((status, body))


class Wire:
    """Carries all calls. `server`: the server that listens; None while none runs."""

    def __init__(self, loop: VirtualLoop, dice: Dice, trace: Callable[..., None]) -> None:
        self._loop, self._dice, self._trace = loop, dice, trace
        self.server: Endpoint | None = None
        self.stale: Endpoint | None = None
        """A server that another one has replaced and that does not know it yet. Callers in `with_stale` still reach it."""
        self.with_stale: set[str] = set()
        self.cut_off: set[str] = set()
        """Callers without a network."""
        self.calls = 0
        self.server_time: Callable[[], float] = lambda: 0.0
        """Asked when a call reaches `server`."""
        self.taken: Callable[[str, str, float], None] = lambda _who, _path, _at: None
        """Called after `server` answered a call with 200: caller, path, and `server_time` of its arrival."""
        self.said: Callable[[str, str, bytes, bytes], None] = lambda _who, _path, _body, _answer: None
        """Called with each call that was answered: caller, path, body and answer."""
        self.troubled_s: dict[str, float] = {}
        """By caller: when a call of it last met a fault, or was not answered with 200."""
        self._open: dict[str, dict[Delivery, None]] = {}

    def hang_up(self, who: str) -> None:
        """The calling process has ended, and its machine closes the connections."""
        for delivery in self._open.pop(who, {}):
            delivery.disconnect()

    async def call(
        self,
        who: str,
        method: str,
        path: str,
        body: bytes,
        headers: dict[str, str],
        *,
        odds: float,
        name: str,
    ) -> tuple[int, bytes]:
        """Status and body. Raises ConnectionError. A lost call never returns, so callers need a timeout."""
        self.calls += 1
        fault = self._fault_of(who, name, odds)
        await self._travel(fault)
        if fault is Fault.REQUEST_LOST or who in self.cut_off:
            await _for_ever()
        if fault is Fault.ACTS_LATE:
            after_s = self._dice.of("late arrivals").uniform(*ARRIVES_AFTER_S)
            late = partial(self._arrives_late, who, method, path, body, headers)
            self._loop.call_later(after_s, late, context=contextvars.Context())
            await _for_ever()
        server = self.stale if self.stale is not None and who in self.with_stale else self.server
        if server is None or fault is Fault.REFUSED:
            self._met_trouble(who)
            raise ConnectionRefusedError("nobody listens")
        arrived_at = self.server_time() if server is self.server else None
        delivery = server.deliver(method, path, body, headers)
        mine = self._open.setdefault(who, {})
        mine[delivery] = None
        doubles = [server.deliver(method, path, body, headers)] if fault is Fault.DOUBLED else []
        try:
            if fault is Fault.CUT_OFF:
                await asyncio.wait({delivery.answer}, timeout=self._dice.of("cut times").uniform(0.0, 1.0))
                raise ConnectionResetError("the connection broke")
            status, answer = await delivery.answer
        finally:
            host = HOST.get()
            if not host or self._loop.alive(host):  # a killed host closes no connection
                mine.pop(delivery, None)
                for each in (delivery, *doubles):
                    each.disconnect()
        if arrived_at is not None and status == 200:
            self.taken(who, path, arrived_at)
        else:
            self._met_trouble(who)
        self.said(who, path, body, answer)
        self._trace("call" if name != "/exchange" else "exchange", who, method, path, status, len(answer))
        await self._travel(Fault.NONE)
        if fault is Fault.ANSWER_LOST or who in self.cut_off:
            await _for_ever()
        return status, answer

    def _fault_of(self, who: str, name: str, odds: float) -> Fault:
        fault = self._dice.fault("network", name, odds, NETWORK_FAULTS)
        if fault is not Fault.NONE or who in self.cut_off:
            self._met_trouble(who)
        return fault

    def _met_trouble(self, who: str) -> None:
        self.troubled_s[who] = self._loop.now_s

    def _arrives_late(self, who: str, method: str, path: str, body: bytes, headers: dict[str, str]) -> None:
        """Overtaken by others, and whoever sent it waits no more."""
        if self.server is not None and who not in self.cut_off:
            self.server.deliver(method, path, body, headers).disconnect()

    async def _travel(self, fault: Fault) -> None:
        late_s = LATE_S if fault is Fault.LATE else 0.0
        slow = self._dice.trouble and self._dice.odds.network > 0
        await asyncio.sleep(late_s + self._dice.of("travel").uniform(0.0005, 0.5 if slow else 0.005))


class Line:
    """`ports.network.Network`, of one agent."""

    def __init__(self, wire: Wire, settings: AgentSettings, odds: float) -> None:
        self._wire, self._settings, self._odds = wire, settings, odds
        self._token = ""

    def use_token(self, token: str) -> None:
        self._token = token

    def know(self, servers: Sequence[str]) -> None:
        """Ignored: this world has one server."""

    async def call(
        self, path: str, body: bytes, held_open_s: float = 0.0, answer_s: float | None = None
    ) -> bytes:
        within_s = self._settings.answer_timeout_s if answer_s is None else answer_s
        return await self._ask("POST", path, body, within_s + held_open_s)

    async def fetch(self, path: str, descriptor: int) -> None:
        os.write(descriptor, await self._ask("GET", path, b"", self._settings.fetch_timeout_s))

    async def _ask(self, method: str, path: str, body: bytes, within_s: float) -> bytes:
        headers = {"authorization": f"Bearer {self._token}", "content-length": str(len(body))}
        try:
            async with asyncio.timeout(within_s):
                status, answer = await self._wire.call(
                    self._settings.worker,
                    method,
                    f"{PREFIX}/worker{path}",
                    body,
                    headers,
                    odds=self._odds,
                    name=path,
                )
        except (OSError, TimeoutError) as error:
            raise Unreachable(f"The call failed: {type(error).__name__}.") from error
        return usable(status, answer)

    async def close(self) -> None:
        pass


async def _for_ever() -> Any:
    await asyncio.get_running_loop().create_future()
