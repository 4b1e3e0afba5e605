"""An MCP server of Proxmox over standard input and output: `python -m herder.testing.mcp`. Started by a client; it ends with its input.

PROXMOX_URL, PROXMOX_TOKEN_ID and PROXMOX_TOKEN_SECRET name the API, HERDER_TEST_MCP_FAULTS has the faults as JSON.
"""

import json
import os
import sys
import threading
from typing import Any

import httpx

from herder.testing.mcp.faults import DIE, HANG, RUBBISH, McpFaults, McpRule
from herder.testing.mcp.protocol import Met, Played
from herder.testing.mcp.tools import ProxmoxTools


def _faults() -> McpFaults:
    found: dict[str, Any] = json.loads(os.environ.get("HERDER_TEST_MCP_FAULTS", "{}"))
    rules = [McpRule(**each) for each in found.pop("rules", [])]
    return McpFaults(rules=rules, **found)


def _say(text: str) -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def _reply(played: Played, line: str, lock: threading.Lock) -> None:
    try:
        reply = played.answer(json.loads(line))
    except Met as met:
        if met.rule.does == DIE:
            sys.stderr.write("ValueError: the server has died\n")
            sys.stderr.flush()
            os._exit(1)
        if met.rule.does == RUBBISH:
            with lock:
                _say("Proxmox 9.1 is ready >>>")
        if met.rule.does in (HANG, RUBBISH):
            return
        raise
    if reply is not None:
        with lock:
            _say(json.dumps(reply))


def main() -> None:
    identity, secret = (os.environ.get(f"PROXMOX_TOKEN_{each}", "") for each in ("ID", "SECRET"))
    headers = {"Authorization": f"PVEAPIToken={identity}={secret}"}
    lock = threading.Lock()
    url = f"{os.environ['PROXMOX_URL'].rstrip('/')}/api2/json"
    with httpx.Client(base_url=url, headers=headers, timeout=30.0, trust_env=False) as client:
        played = Played(ProxmoxTools(client, _faults()))
        sys.stderr.write(f"Ready: {len(played.tools.listed())} tools\n")
        sys.stderr.flush()
        for line in sys.stdin:
            threading.Thread(target=_reply, args=(played, line, lock), daemon=True).start()


if __name__ == "__main__":
    main()
