"""Serves the tools and prompts over stdin and stdout, with the official library (`mcp`), which is imported only when it serves.

An error of a call is an answer that is marked as an error, with the problem and the remedy, so that a model can read it. Standard output
is the protocol's: nothing else may write there.
"""

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

import msgspec

from herder.client import HerderClient
from herder.client.errors import ClientError
from herder.mcp.prompts import PROMPTS, BadPrompt, HerderPrompt, filled
from herder.mcp.tools import READS, HerderTool
from herder.mcp.writes import WRITES
from herder.model.values.phrases import clause

if TYPE_CHECKING:
    from mcp.server.lowlevel import Server
    from mcp_types import CallToolResult, GetPromptResult, Prompt, Tool

TOOLS = (*READS, *WRITES)
INSTRUCTIONS = (
    "Herder runs jobs on pools of workers. To change something, call a plan_ tool, read its answer, and call its apply_ tool with the same "
    "arguments and the plan_hash; all other tools only read. Begin with get_status; explain tells why something is so. "
    "An unknown value is null, not zero."
)


Connect = Callable[[Any], HerderClient]
"""From the context of a request. It is closed after the call."""


def serve(connect: Callable[[], HerderClient], version: str) -> None:
    """Until standard input ends. Raises ModuleNotFoundError where the library is missing."""
    import anyio
    from mcp.server.stdio import stdio_server

    server = server_of(lambda _context: connect(), version)

    async def run() -> None:
        async with stdio_server() as (read, write):
            await server.run(read, write, server.create_initialization_options())

    anyio.run(run)


def server_of(connect: Connect, version: str) -> "Server[Any]":
    """Each call has a client of its own, for one is not safe for several threads."""
    import anyio
    from mcp.server.lowlevel import Server
    from mcp_types import CallToolResult, GetPromptResult, ListPromptsResult, ListToolsResult

    by_name = {tool.name: tool for tool in TOOLS}

    async def listed(_context: Any, _params: Any) -> ListToolsResult:
        return ListToolsResult(tools=[_described(tool) for tool in TOOLS])

    async def called(context: Any, params: Any) -> CallToolResult:
        tool = by_name.get(params.name)
        if tool is None:
            return _refused(f"There is no tool {params.name!r}. The tools are: {', '.join(by_name)}.")
        with connect(context) as client:
            return await anyio.to_thread.run_sync(partial(_answer, client, tool, params.arguments or {}))

    async def listed_prompts(_context: Any, _params: Any) -> ListPromptsResult:
        return ListPromptsResult(prompts=[_offered(prompt) for prompt in PROMPTS])

    async def prompted(_context: Any, params: Any) -> GetPromptResult:
        return _prompted(params.name, params.arguments or {})

    return Server(
        "herder",
        version=version,
        instructions=INSTRUCTIONS,
        on_list_tools=listed,
        on_call_tool=called,
        on_list_prompts=listed_prompts,
        on_get_prompt=prompted,
    )


def _described(tool: HerderTool) -> "Tool":
    from mcp_types import Tool, ToolAnnotations

    return Tool(
        name=tool.name,
        title=tool.title,
        description=tool.description,
        input_schema=_schema(tool.asked),
        output_schema=_schema(tool.answered),
        annotations=ToolAnnotations(
            read_only_hint=tool.changes == "nothing",
            destructive_hint=tool.changes == "removes",
            idempotent_hint=tool.changes == "nothing",
            open_world_hint=False,
        ),
    )


def _offered(prompt: HerderPrompt) -> "Prompt":
    from mcp_types import Prompt, PromptArgument

    return Prompt(
        name=prompt.name,
        title=prompt.title,
        description=prompt.description,
        arguments=[
            PromptArgument(name=each.name, description=each.description, required=True)
            for each in prompt.arguments
        ],
    )


def _prompted(name: str, given: dict[str, str]) -> "GetPromptResult":
    from mcp.shared.exceptions import MCPError
    from mcp_types import INVALID_PARAMS, GetPromptResult, PromptMessage, TextContent

    try:
        prompt, text = filled(name, given)
    except BadPrompt as error:
        raise MCPError(INVALID_PARAMS, str(error)) from None
    message = PromptMessage(role="user", content=TextContent(type="text", text=text))
    return GetPromptResult(description=prompt.description, messages=[message])


def _schema(kind: type[msgspec.Struct]) -> dict[str, Any]:
    """With an object at its root, as the protocol demands, and not a reference to one."""
    schema = msgspec.json.schema(kind)
    inner = schema["$defs"]
    return {**inner[schema["$ref"].rpartition("/")[2]], "$defs": inner}


def _answer(client: HerderClient, tool: HerderTool, arguments: dict[str, Any]) -> "CallToolResult":
    from mcp_types import CallToolResult, TextContent

    try:
        answer = tool.call(client, msgspec.convert(arguments, tool.asked))
    except msgspec.ValidationError as error:
        return _refused(f"Tool {tool.name} cannot use its arguments: {clause(error)}.")
    except ClientError as error:
        return _refused(f"{error.message} {error.hint}".strip())
    text = msgspec.json.encode(answer).decode()
    return CallToolResult(
        content=[TextContent(type="text", text=text)], structured_content=msgspec.json.decode(text)
    )


def _refused(text: str) -> "CallToolResult":
    from mcp_types import CallToolResult, TextContent

    return CallToolResult(content=[TextContent(type="text", text=text)], is_error=True)
