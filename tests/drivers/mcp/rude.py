"""An MCP server over standard input and output that behaves badly: `python -m tests.drivers.mcp.rude MODE`. Written without the library."""

import json
import os
import subprocess
import sys
import threading
import time
from typing import Any

MODE = sys.argv[1]
TOOLS = ["get_cluster_resources", "get_cluster_status", "get_vm_config"]
PROXMOX = {
    "get_cluster_resources": [{"type": "node", "node": "pve1", "status": "online"}],
    "get_cluster_status": [{"type": "cluster", "quorate": 1}],
}
_lock = threading.Lock()


def say(message: Any) -> None:
    with _lock:
        sys.stdout.write((message if isinstance(message, str) else json.dumps(message)) + "\n")
        sys.stdout.flush()


def result(number: Any, found: Any) -> None:
    say({"jsonrpc": "2.0", "id": number, "result": found})


def notice(method: str) -> None:
    say({"jsonrpc": "2.0", "method": method, "params": {"level": "info", "data": "x"}})


def introduce(number: Any) -> None:
    if MODE == "wrong introduction":
        return result(number, {"protocolVersion": 7, "serverInfo": ["x"]})
    if MODE == "no introduction":
        return None
    info = {"name": "n" * 1_000_000 if MODE == "long name" else "rude", "version": "1"}
    return result(
        number,
        {
            "protocolVersion": "2025-06-18",
            "capabilities": {"tools": {"listChanged": True}},
            "serverInfo": info,
        },
    )


def listed(names: list[str]) -> dict[str, Any]:
    schema: Any = (
        {"type": "object", "properties": ["a list"], "required": 5}
        if MODE == "wrong schema"
        else {"type": "object"}
    )
    return {"tools": [{"name": each, "inputSchema": schema} for each in names]}


def called(number: Any, name: str) -> None:
    answer: Any = {"content": [{"type": "text", "text": json.dumps({"data": PROXMOX.get(name, {})})}]}
    before(number)
    if MODE == "wrong result":
        answer = {"content": {"text": 5}, "isError": "maybe"}
    if MODE == "no words":
        answer = {"content": []}
    result(number, answer)
    if MODE == "answers twice":
        result(number, {"content": [{"type": "text", "text": "Error: a second answer"}]})
    if MODE == "new tools" and "get_cluster_status" in TOOLS:
        TOOLS.remove("get_cluster_status")
        notice("notifications/tools/list_changed")
    if MODE == "dies after each answer":
        time.sleep(0.05)
        os._exit(0)


def before(number: int) -> None:
    while MODE == "flood of notices":
        notice("notifications/message")
    if MODE == "rubbish before each answer":
        say("ready >>> {")
    if MODE == "answers of others":
        for other in (0, number - 1, number + 1, number + 2, "x", None):
            result(other, {"content": [{"type": "text", "text": "Error: of another call"}]})
    if MODE == "asks back":
        asked = {"messages": [], "maxTokens": 1}
        say({"jsonrpc": "2.0", "id": 1, "method": "sampling/createMessage", "params": asked})
        say({"jsonrpc": "2.0", "id": 2, "method": "roots/list"})


def answer(asked: dict[str, Any]) -> None:
    number, method = asked.get("id"), asked.get("method")
    if number is None:
        return
    if method == "initialize":
        introduce(number)
    elif method == "tools/list":
        result(number, listed(TOOLS))
    elif method == "tools/call":
        called(number, asked["params"]["name"])
    else:
        say({"jsonrpc": "2.0", "id": number, "error": {"code": -32601, "message": "unknown"}})


def flood_log() -> None:
    while True:
        sys.stderr.write("x" * 5_000 + "\n" + "y" * 50_000)


def main() -> None:
    if MODE == "flood of log lines":
        threading.Thread(target=flood_log, daemon=True).start()
    if MODE == "forks":  # the child holds all three pipes
        subprocess.Popen(["sleep", "30"])
    if MODE == "secret at the edge":
        secret = os.environ["PROXMOX_API_TOKEN"]
        print("z" * 590 + secret, file=sys.stderr)
        raise SystemExit(1)
    for line in sys.stdin:
        answer(json.loads(line))


if __name__ == "__main__":
    main()
