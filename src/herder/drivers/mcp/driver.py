"""The driver for MCP servers: the machines of the driver `proxmox`, with each call made by a tool of an MCP server. Called by the loops, from any thread.

A machine gets no boot data: its bootstrap configures it over the network. Identity, steps and errors are those of `remote/proxmox`.
"""

from collections.abc import Mapping, Sequence

from herder.drivers.mcp.settings import McpSettings
from herder.drivers.mcp.talos_tools import TalosTools
from herder.model.fleet.driver import DriverContext, DriverError
from herder.model.fleet.driver_capabilities import Check
from herder.model.ids import WorkerName
from herder.remote.mcp.client import McpClient
from herder.remote.mcp.proxmox import ToolCalls
from herder.remote.mcp.routes import ROUTES
from herder.remote.proxmox.machines.driver import ProxmoxDriver


class McpDriver(ProxmoxDriver):
    #: The first call starts the server, and each asks several tools.
    deadlines_s: Mapping[str, float] = {
        "create": 120.0,
        "delete": 90.0,
        "get": 90.0,
        "list": 60.0,
        "health": 60.0,
    }

    def __init__(
        self,
        settings: McpSettings,
        context: DriverContext,
        client: McpClient,
        talos: McpClient | None = None,
    ) -> None:
        self._talos = TalosTools(talos) if talos is not None else None
        self._tools = ToolCalls(client, settings.tool_names)
        super().__init__(settings.machines, context, self._tools)

    @property
    def name(self) -> str:
        return self._context.name or "mcp"

    def console(self, worker: WorkerName) -> str:
        """The log of the last task, and what a Talos MCP server tells of the machine."""
        told = super().console(worker)
        found = self._known(self._api.cluster(), worker) if self._talos is not None else None
        if self._talos is None or found is None:
            return told
        addresses = self._api.addresses(*found)
        if not addresses:
            return f"{told}\n\nThe guest agent tells no address, so Talos was not asked."
        return f"{told}\n\n{self._talos.told(addresses[0])}"

    def close(self) -> None:
        super().close()
        if self._talos is not None:
            self._talos.client.close()

    def checks(self) -> Sequence[Check]:
        try:
            about = self._tools.client.about()
        except DriverError as error:
            remedy = "Check the program or the address of the MCP server."
            return (Check(name="MCP server", passed=False, detail=str(error), remedy=remedy),)
        checks = [Check(name="MCP server", passed=True, detail=f"{about}.")]
        raw = self._tools.raw_tool()
        for route in ROUTES:
            tool = self._tools.tool_of(route) or raw
            if route.needed or tool:
                detail = f"Tool {tool}." if tool else ""
                remedy = "" if tool else f"Name the tool in the settings: tools: {route.key}=NAME."
                checks.append(
                    Check(name=f"tool {route.key}", passed=bool(tool), detail=detail, remedy=remedy)
                )
        return [*checks, self._proxmox()]

    def _proxmox(self) -> Check:
        try:
            self.health()
        except DriverError as error:
            remedy = "Check address and token of Proxmox in the environment of the MCP server."
            return Check(name="Proxmox", passed=False, detail=str(error), remedy=remedy)
        return Check(
            name="Proxmox", passed=True, detail="Proxmox answers through the server, and has a quorum."
        )
