"""The messages of MCP that a server with tools answers: one JSON object in, one or none out. Knows no transport."""

from typing import Any

from herder.testing.mcp.faults import McpRule
from herder.testing.mcp.tools import ProxmoxTools

VERSIONS = ("2024-11-05", "2025-03-26", "2025-06-18", "2025-11-25")
_UNKNOWN_METHOD, _BAD_PARAMETERS = -32601, -32602
Json = dict[str, Any]


class Met(Exception):
    """A rule that the transport carries out. `reply`: what would have been answered, where the tool has acted."""

    def __init__(self, rule: McpRule) -> None:
        super().__init__(rule.does)
        self.rule = rule


class Played:
    def __init__(self, tools: ProxmoxTools) -> None:
        self.tools = tools
        self.calls: list[str] = []
        """The tools that were called."""

    def answer(self, message: Json) -> Json | None:
        """None: a notification. Raises Met."""
        method, number = str(message.get("method", "")), message.get("id")
        if number is None:
            return None
        if method == "initialize":
            return _result(number, self._introduction(message.get("params") or {}))
        if method == "ping":
            return _result(number, {})
        if method == "tools/list":
            return _result(number, {"tools": self.tools.listed()})
        if method == "tools/call":
            return self._called(number, message.get("params") or {})
        return _error(number, _UNKNOWN_METHOD, f"Method not found: {method}")

    def _introduction(self, parameters: Json) -> Json:
        asked = parameters.get("protocolVersion")
        version = self.tools.faults.version or (asked if asked in VERSIONS else VERSIONS[-1])
        return {
            "protocolVersion": version,
            "capabilities": {"tools": {"listChanged": False}},
            "serverInfo": {"name": "played-proxmox-mcp", "version": "2.0.0"},
        }

    def _called(self, number: Any, parameters: Json) -> Json:
        name, arguments = str(parameters.get("name", "")), parameters.get("arguments") or {}
        self.calls.append(name)
        rule = self.tools.faults.rule(name)
        if rule is not None:
            if rule.acts:
                self.tools.call(name, arguments)
            if not rule.text:
                raise Met(rule)
            return _answered(number, rule.text, marked=False)
        text, marked = self.tools.call(name, arguments)
        return _answered(number, text, marked=marked)


def _answered(number: Any, text: str, *, marked: bool) -> Json:
    return _result(number, {"content": [{"type": "text", "text": text}], "isError": marked})


def _result(number: Any, result: Json) -> Json:
    return {"jsonrpc": "2.0", "id": number, "result": result}


def _error(number: Any, code: int, text: str) -> Json:
    return {"jsonrpc": "2.0", "id": number, "error": {"code": code, "message": text}}
