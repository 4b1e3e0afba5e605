"""Settings of the MCP driver. Read from `drivers:` in `herder.yaml`. What they say of machines has the meaning and bounds of the driver `proxmox`."""

import shlex
from dataclasses import dataclass, fields
from urllib.parse import urlsplit

from herder.remote.mcp.routes import KEYS
from herder.remote.proxmox.machines.settings import ProxmoxSettings


@dataclass(frozen=True, slots=True, kw_only=True)
class McpSettings:
    command: str = ""
    """The program of an MCP server that speaks over its standard input and output, with its arguments: proxmox-mcp-server."""
    environment_file: str | None = None
    """Lines NAME=VALUE for the program, such as PROXMOX_HOST and PROXMOX_TOKEN_VALUE. It also gets each variable PROXMOX_… of the server."""
    url: str = ""
    """Of an MCP server over streamable HTTP, instead of a command: http://127.0.0.1:8765/mcp."""
    token_file: str | None = None
    """The bearer token for `url`."""
    verify: bool = True
    """Whether the certificate of `url` is checked."""
    ca_file: str | None = None
    tools: str = ""
    """Names of tools, where the server has other ones than those that Herder knows: clone=copy_vm, stop=halt_vm."""
    talos_command: str = ""
    """The program of a Talos MCP server; `herder worker console` then shows services and the log of the kubelet. It only reads."""
    talos_url: str = ""
    """Of a Talos MCP server over streamable HTTP, instead of a program."""
    call_timeout_s: float = 20.0
    """How long a tool may take to answer. No tool waits for the end of a task."""
    start_timeout_s: float = 20.0
    """How long the server may take to introduce itself."""
    vmid_first: int = 20_000
    """The VMIDs from here to `vmid_last` belong to this installation. No other program may use them."""
    vmid_last: int = 29_999
    nodes: str = ""
    """The nodes that may get workers: `pve1, pve2`. Empty: all that are online."""
    storage: str = ""
    """Where full clones are stored. Empty: where the template is."""
    bridge: str = ""
    """Of the network card. Empty: as the template has it."""
    vlan: int = 0
    """0: none."""
    clone: str = "full"
    """full or linked."""
    memory_headroom_percent: float = 10.0
    cpu_ratio: float = 4.0
    """Virtual CPUs for each core of a node; 0: no limit."""
    storage_headroom_percent: float = 5.0
    worker_overhead_mib: int = 0
    wait_for_agent: bool = True
    """Whether a machine counts as running only when its guest agent answers. A bootstrap needs the addresses that the agent tells."""
    tag: str = "herder"
    """The first tag of each VM, and the beginning of the others."""

    def __post_init__(self) -> None:
        if bool(self.command.strip()) == bool(self.url):
            raise ValueError(
                "set command or url, and not both: the MCP server is a program or has an address"
            )
        if self.talos_command.strip() and self.talos_url:
            raise ValueError("set talos_command or talos_url, and not both")
        self._check_places()
        for each in filter(None, (each.strip() for each in self.tools.split(","))):
            name, sign, value = (part.strip() for part in each.partition("="))
            if not (sign and value) or len(value) > 128:
                raise ValueError(f"tools: {each!r} is not of the form clone=copy_vm")
            if name not in KEYS:
                raise ValueError(f"tools: {name!r} is not a call; possible are {', '.join(KEYS)}")
        for setting, low, high in (("call_timeout_s", 1, 30), ("start_timeout_s", 1, 30)):
            if not low <= getattr(self, setting) <= high:
                raise ValueError(f"{setting} must be from {low} to {high}")
        self.machines  # noqa: B018 - its bounds are checked

    def _check_places(self) -> None:
        for setting in ("url", "talos_url"):
            value = getattr(self, setting)
            if value and "@" in value.partition("://")[2].partition("/")[0]:
                raise ValueError(
                    f"{setting} has a user or a password; write the address only, and a token into token_file"
                )
            if value and not _is_address(value):
                raise ValueError(
                    f"{setting} {value!r} is not the address of an MCP server, such as http://127.0.0.1:8765/mcp"
                )
        for setting in ("command", "talos_command"):
            value = getattr(self, setting)
            try:
                words = shlex.split(value)
            except ValueError:
                raise ValueError(f"{setting} {value!r} has a quotation mark that does not end") from None
            if value and not words:
                raise ValueError(f"{setting} names no program")

    @property
    def tool_names(self) -> dict[str, str]:
        pairs = (each.partition("=") for each in self.tools.split(",") if each.strip())
        return {name.strip(): value.strip() for name, _, value in pairs}

    @property
    def machines(self) -> ProxmoxSettings:
        """MCP servers have no tool that stores an image: no boot data is delivered."""
        shared = {each.name for each in fields(ProxmoxSettings)} - {"url", "verify", "ca_file"}
        own = {each.name: getattr(self, each.name) for each in fields(self) if each.name in shared}
        return ProxmoxSettings(**own, iso_storage="")


def _is_address(text: str) -> bool:
    try:
        parts = urlsplit(text)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:  # of a port or an IPv6 address
        return False
