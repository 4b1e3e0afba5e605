"""The calls of a Proxmox API through the tools of an MCP server: what `remote/proxmox/machines` asks for. Called from any thread.

It waits for no task: the machines poll them. A tool that is not there, or does not take what is needed, is InvalidRequest, before
anything is called.
"""

from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote

import msgspec

from herder.model.fleet.driver import InvalidRequest, OutcomeUnknown, Unavailable
from herder.remote.mcp import texts
from herder.remote.mcp.client import McpClient
from herder.remote.mcp.routes import RAW, RAW_TOOL, Route, Values, arguments_for, route_of


class ToolCalls:
    def __init__(self, client: McpClient, tools: Mapping[str, str]) -> None:
        self.client = client
        self._names = tools
        self.url = client.server.url or client.server.command[0]
        self.token_id = ""

    def get(self, path: str, what: str, **query: str | int) -> Any:
        return self._call("GET", path, what, query)

    def post(self, path: str, what: str, form: Values | None = None) -> Any:
        return self._call("POST", path, what, form or {})

    def put(self, path: str, what: str, form: Values) -> Any:
        return self._call("PUT", path, what, form)

    def delete(self, path: str, what: str, **query: str | int) -> Any:
        return self._call("DELETE", path, what, query)

    def upload(self, path: str, what: str, name: str, content: bytes) -> Any:
        raise InvalidRequest(f"MCP servers of Proxmox have no tool for {what}.")

    def close(self) -> None:
        self.client.close()

    def tool_of(self, route: Route) -> str:
        """Empty: the server has none."""
        known = self.client.tools()
        if route.key in self._names:
            return self._names[route.key] if self._names[route.key] in known else ""
        return next((each.tool for each in route.candidates if each.tool in known), "")

    def raw_tool(self) -> str:
        name = self._names.get(RAW, RAW_TOOL)
        return name if name in self.client.tools() else ""

    # --- one call

    def _call(self, method: str, path: str, what: str, values: Values) -> Any:
        found = route_of(method, path)
        if found is None:
            return self._raw(method, path, what, values, task=False)
        route, names = found
        tool = self.tool_of(route)
        fixed = next((dict(each.fixed) for each in route.candidates if each.tool == tool), {})
        wanted = {**{name: unquote(value) for name, value in names.items()}, **values, **fixed}
        arguments, undeclared = self._arguments(tool, wanted)
        if not tool or undeclared:
            if self.raw_tool():
                return self._raw(method, path, what, values, task=route.task)
            if not tool:
                raise self._no_tool(route, what)
            if route.key != "configure":
                raise self._no_arguments(tool, undeclared, what)
            arguments |= {name: wanted[name] for name in undeclared}
        answer = self._answer(tool, arguments, what, method, names.get("vmid", ""), task=route.task)
        if undeclared:
            self._check_set(path, tool, what, {name: wanted[name] for name in undeclared})
        return answer

    def _arguments(self, tool: str, wanted: Values) -> tuple[dict[str, object], list[str]]:
        known = self.client.tools().get(tool)
        return arguments_for(known.input_schema if known is not None else {}, wanted)

    def _raw(self, method: str, path: str, what: str, values: Values, *, task: bool) -> Any:
        tool = self.raw_tool()
        if not tool:
            raise InvalidRequest(f"{texts.capital(self.client.server.place)} has no tool for {what}.")
        arguments = {
            "method": method.lower(),
            "path": unquote(path),
            "params": msgspec.json.encode(dict(values)).decode(),
        }
        vmid = path.partition("/qemu/")[2].partition("/")[0]
        return self._answer(tool, arguments, what, method, vmid, task=task)

    def _answer(
        self, tool: str, arguments: Mapping[str, object], what: str, method: str, vmid: str, *, task: bool
    ) -> Any:
        writes, place = method != "GET", self.client.server.place
        answer = self.client.call(tool, arguments, what, writes=writes)
        error = texts.error_in(answer.text, marked=answer.marked)
        if error is not None:
            about = vmid if answer.logged else ""
            said = self.client.server.without_secrets(answer.logged or error)
            raise texts.error_of(what, said, place, writes=writes, about=about)
        try:
            data = texts.data_in(answer.text)
        except ValueError:
            data = answer.text
            if not (method == "PUT" and not answer.text.strip()):
                raise self._no_data(tool, answer.text, what, writes=writes) from None
        if task and not (isinstance(data, str) and data.startswith("UPID:")):
            data = texts.task_in(answer.text)
            if not data:
                raise self._no_data(tool, answer.text, what, writes=True)
        return data

    def _check_set(self, path: str, tool: str, what: str, values: Values) -> None:
        """A tool may leave out what it does not declare, without a word."""
        config = self.get(path, what.replace("configuring", "reading the configuration of"))
        ignored = [name for name in values if not isinstance(config, dict) or name not in config]
        if ignored:
            raise self._no_arguments(tool, ignored, what)

    # --- errors

    def _no_tool(self, route: Route, what: str) -> InvalidRequest:
        name = self._names.get(route.key) or " or ".join(each.tool for each in route.candidates)
        return InvalidRequest(
            f"{texts.capital(self.client.server.place)} has no tool {name} for {what}. Name it in the settings: tools: {route.key}=NAME."
        )

    def _no_arguments(self, tool: str, names: list[str], what: str) -> InvalidRequest:
        return InvalidRequest(
            f"The tool {tool} of {self.client.server.place} does not take {', '.join(names)}, which {what} needs. "
            "Use the driver proxmox, or a server with a tool for any call (tools: raw=NAME)."
        )

    def _no_data(self, tool: str, text: str, what: str, *, writes: bool) -> Unavailable:
        lost = OutcomeUnknown if writes else Unavailable
        said = texts.short(self.client.server.without_secrets(text))[:120]
        return lost(
            f"The tool {tool} of {self.client.server.place} answered while {what} without data of Proxmox: {said}. "
            "Check the setting tools and the version of the server."
        )
