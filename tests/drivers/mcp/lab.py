"""MCP drivers of one played Proxmox cluster, over streamable HTTP in this process."""

from contextlib import ExitStack
from typing import Any

import httpx

from herder.drivers.mcp import McpDriver, McpSettings
from herder.drivers.mcp.driver import McpClient
from herder.model.fleet.driver import DriverContext
from herder.remote.mcp.server import McpServer
from herder.testing.fakes.transport import InProcessTransport
from herder.testing.mcp import McpFaults, ProxmoxTools
from herder.testing.mcp.http import Serving, serving
from herder.testing.proxmox import TOKEN_ID, TOKEN_SECRET, Proxmox, small_cluster


class Clock:
    def __init__(self) -> None:
        self.ms = 1_763_777_700_000

    def now_ms(self) -> int:
        return self.ms

    def monotonic_ms(self) -> int:
        return self.ms


class Site:
    """A cluster on its own time, and MCP servers of it. Closes what it opened."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.cluster = Proxmox(small_cluster(nodes=2))
        self.faults = McpFaults()
        self._stack = ExitStack()
        self._server: Serving | None = None

    @property
    def server(self) -> Serving:
        if self._server is None:
            self._server = self.serve()
        return self._server

    def serve(self, secret: str = TOKEN_SECRET, token: str = "") -> Serving:
        transport = InProcessTransport(self.cluster, self.clock.now_ms)
        headers = {"Authorization": f"PVEAPIToken={TOKEN_ID}={secret}"}
        url = "https://pve.example:8006/api2/json"
        client = self._stack.enter_context(httpx.Client(base_url=url, headers=headers, transport=transport))
        return self._stack.enter_context(serving(ProxmoxTools(client, self.faults), token))

    def driver(self, installation: str = "lab", url: str = "", token: str = "", **changed: Any) -> McpDriver:
        settings = McpSettings(
            url=url or self.server.url, call_timeout_s=changed.pop("call_timeout_s", 10.0), **changed
        )
        server = McpServer(
            url=settings.url, token=token, call_timeout_s=settings.call_timeout_s, start_timeout_s=10.0
        )
        context = DriverContext(name="mcp", installation=installation, clock=self.clock)
        driver = McpDriver(settings, context, McpClient(server))
        self._stack.callback(driver.close)
        return driver

    def close(self) -> None:
        self._stack.close()
