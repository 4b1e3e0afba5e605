"""Services and logs of a machine through a Talos MCP server, where one is configured. For people: called by `driver` for its console, from any thread.

It only reads. The tools of ry-ops/talos-mcp-server mark no error and answer nothing at all when talosctl is missing.
"""

from collections.abc import Mapping
from typing import Any

from herder.model.fleet.driver import DriverError, Unavailable
from herder.remote.mcp import texts
from herder.remote.mcp.client import McpClient
from herder.remote.mcp.routes import arguments_for

_LINES = 100
_TOOLS: tuple[tuple[str, Mapping[str, str | int]], ...] = (
    ("talos_get_services", {}),
    ("talos_logs", {"service": "kubelet", "tail": _LINES}),
)


class TalosTools:
    def __init__(self, client: McpClient) -> None:
        self.client = client

    def told(self, address: str) -> str:
        """Services, and the last lines of the kubelet. What cannot be read is a sentence in its place."""
        return "\n\n".join(self._part(tool, {**more, "nodes": address}) for tool, more in _TOOLS)

    def _part(self, tool: str, values: Mapping[str, str | int]) -> str:
        try:
            return f"{tool}:\n{self._answer(tool, values)}"
        except DriverError as error:
            return f"{tool}: {error}"

    def _answer(self, tool: str, values: Mapping[str, str | int]) -> str:
        schema: Mapping[str, Any] = (
            self.client.tools()[tool].input_schema if tool in self.client.tools() else {}
        )
        arguments, _ = arguments_for(schema, values)
        answer = self.client.call(tool, arguments, f"reading {tool}", writes=False)
        error = texts.error_in(answer.text, marked=answer.marked)
        if error is not None:
            said = texts.short(self.client.server.without_secrets(error))
            raise Unavailable(f"{texts.capital(self.client.server.place)} reports an error: {said}.")
        if not answer.text.strip():
            raise Unavailable(
                f"{texts.capital(self.client.server.place)} answered with an empty text. Check that talosctl is installed beside it."
            )
        return self.client.server.without_secrets(answer.text).rstrip()
