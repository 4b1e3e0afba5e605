"""The network edge of `Machines`: each machine listens at its loopback address, as Talos does in the stage that it is in.

Runs on an event loop; the machines do what is due by timers of it. `async with Edge(...)` listens and ends everything. It decides nothing.
"""

import asyncio
import ssl
import tempfile
from collections.abc import Callable, Coroutine
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from google.protobuf.message import Message
from grpclib.const import Cardinality, Handler, Status
from grpclib.exceptions import GRPCError
from grpclib.server import Server, Stream

from herder.remote.talos.errors import Refused
from herder.remote.talos.methods import METHODS, Method
from herder.testing.kubernetes.running import LoopClock
from herder.testing.talos.authority import Authority
from herder.testing.talos.faults import Kind
from herder.testing.talos.machine import Machine
from herder.testing.talos.machines import Machines


class Edge:
    """`port`: of all machines, since each has an address of its own in 127.0.0.0/8."""

    def __init__(self, machines: Machines, authority: Authority, clock: LoopClock, port: int) -> None:
        self.machines, self.authority, self.clock, self.port = machines, authority, clock, port
        self.server_valid_ms: tuple[int | None, int | None] = (None, None)
        """From when until when the certificates of machines that begin to listen are valid; None: as usual."""
        self._servers: dict[str, tuple[str, list[Server]]] = {}
        self._transports: dict[str, set[Any]] = {}
        self._wake = asyncio.Event()
        self._task: asyncio.Task[None] | None = None
        self._hook = machines.hooks.listening

    async def __aenter__(self) -> Self:
        self.machines.hooks.listening = self._changed
        await self._sync()
        self._task = asyncio.create_task(self._run())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.machines.hooks.listening = self._hook
        if self._task is not None:
            self._task.cancel()
            await asyncio.gather(self._task, return_exceptions=True)
        for name in list(self._servers):
            await self._end(name)

    def poke(self) -> None:
        """Something changed: look now."""
        self._wake.set()

    def note(self, machine: Machine, transport: Any) -> None:
        """A connection of it, which ends when the machine stops listening."""
        self._transports.setdefault(machine.name, set()).add(transport)

    def _changed(self, machine: Machine) -> None:
        self._hook(machine)
        self._wake.set()

    async def _run(self) -> None:
        while True:
            self._wake.clear()
            next_ms = self.machines.step(self.clock.now_ms())
            await self._sync()
            wait_s = None if next_ms is None else self.clock.wait_s(max(1, next_ms - self.clock.now_ms()))
            try:
                await asyncio.wait_for(self._wake.wait(), wait_s)
            except TimeoutError:
                continue

    async def _sync(self) -> None:
        wanted = {each.name: each.listens for each in self.machines.by_name.values() if each.listens}
        for name, (mode, _) in list(self._servers.items()):
            if wanted.get(name) != mode:
                await self._end(name)
        for name, mode in wanted.items():
            if name not in self._servers:
                await self._begin(self.machines.by_name[name], mode)

    async def _begin(self, machine: Machine, mode: str) -> None:
        tls = self._tls(machine, mode)
        servers: list[Server] = []
        self._servers[machine.name] = (mode, servers)
        for address in machine.addresses:
            server = Server([_Service(self, machine)])
            await server.start(address, self.port, ssl=tls)
            servers.append(server)

    async def _end(self, name: str) -> None:
        _, servers = self._servers.pop(name)
        for server in servers:
            server.close()
        for transport in self._transports.pop(name, ()):
            transport.abort()
        await asyncio.gather(*(each.wait_closed() for each in servers), return_exceptions=True)

    def _tls(self, machine: Machine, mode: str) -> ssl.SSLContext:
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.minimum_version = ssl.TLSVersion.TLSv1_3
        context.set_alpn_protocols(["h2"])
        authority = self.authority if mode == "api" else Authority(self.clock.now_ms(), "maintenance")
        from_ms, until_ms = self.server_valid_ms
        certificate, key = authority.issue(addresses=machine.addresses, from_ms=from_ms, until_ms=until_ms)
        with tempfile.TemporaryDirectory(prefix="herder-") as folder:
            file = Path(folder) / "server.pem"
            file.write_text(f"{certificate}\n{key}")
            context.load_cert_chain(file)
        if mode == "api":
            context.load_verify_locations(cadata=self.authority.pem)
            context.verify_mode = ssl.CERT_REQUIRED
        return context


class _Service:
    """What grpclib serves: every method by its path."""

    def __init__(self, edge: Edge, machine: Machine) -> None:
        self._edge, self._machine = edge, machine

    def __mapping__(self) -> dict[str, Handler]:
        return {each.path: self._handler(each) for each in METHODS}

    def _handler(self, method: Method[Message, Message]) -> Handler:
        shape = Cardinality.UNARY_STREAM if method.streamed else Cardinality.UNARY_UNARY
        return Handler(self._answering(method), shape, method.request, method.reply)

    def _answering(
        self, method: Method[Message, Message]
    ) -> Callable[[Stream[Any, Any]], Coroutine[Any, Any, None]]:
        async def answer(stream: Stream[Any, Any]) -> None:
            transport = stream._stream._transport
            self._edge.note(self._machine, transport)
            request = await stream.recv_message()
            assert request is not None
            metadata = {key: str(value) for key, value in (stream.metadata or {}).items()}
            now_ms = self._edge.clock.now_ms()
            try:
                found = self._edge.machines.call(
                    self._machine, _roles(stream), method, request, metadata, now_ms
                )
            except Refused as refusal:
                raise GRPCError(Status[refusal.code], refusal.words) from None
            if found.fault is Kind.HANG:
                await asyncio.Event().wait()
            if found.fault is not None:
                transport.abort()
                await asyncio.Event().wait()
            for message in found.messages:
                await stream.send_message(message)
            # After the answer: a machine that reboots ends its connections.
            asyncio.get_running_loop().call_later(0.05, self._edge.poke)

        return answer


def _roles(stream: Stream[Any, Any]) -> tuple[str, ...] | None:
    certificate = stream.peer.cert()
    if not certificate:
        return None
    return tuple(value for part in certificate["subject"] for key, value in part if key == "organizationName")
