"""Opens the driver: command or address, token, and the variables of the program. Makes no call and starts no program."""

import os
import shlex
import ssl
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from urllib.parse import urlsplit

from herder.drivers.mcp.driver import McpDriver
from herder.drivers.mcp.settings import McpSettings
from herder.model.fleet.driver import DriverContext
from herder.remote.mcp.client import McpClient
from herder.remote.mcp.server import McpServer

_PREFIX = "PROXMOX_"


def make(settings: McpSettings, context: DriverContext) -> McpDriver:
    """Raises ValueError or OSError when a file is not as it must be."""
    token = Path(settings.token_file).read_text(encoding="utf-8").strip() if settings.token_file else ""
    verify: ssl.SSLContext | bool = settings.verify
    if settings.verify and settings.url.startswith("https"):
        verify = ssl.create_default_context(cafile=settings.ca_file)
    server = McpServer(
        command=tuple(shlex.split(settings.command)),
        environment=_environment(settings) if settings.command else {},
        url=settings.url,
        token=token,
        verify=verify,
        call_timeout_s=settings.call_timeout_s,
        start_timeout_s=settings.start_timeout_s,
    )
    return McpDriver(settings, context, McpClient(server), _talos(settings, server))


def _talos(settings: McpSettings, server: McpServer) -> McpClient | None:
    if not (settings.talos_command or settings.talos_url):
        return None
    environment = {name: value for name, value in os.environ.items() if name.startswith("TALOS")}
    command = tuple(shlex.split(settings.talos_command))
    return McpClient(
        replace(server, command=command, environment=environment, url=settings.talos_url, token="")
    )


def _environment(settings: McpSettings) -> dict[str, str]:
    found = {name: value for name, value in os.environ.items() if name.startswith(_PREFIX)}
    if settings.environment_file:
        path = Path(settings.environment_file)
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1):
            name, sign, value = line.strip().partition("=")
            if not name or name.startswith("#"):
                continue
            if not sign:
                raise ValueError(f"line {number} of {path} is not NAME=VALUE")
            found[name.strip()] = value.strip().strip('"')
    return {**_as_servers_read_it(found), **found}


def _as_servers_read_it(found: Mapping[str, str]) -> dict[str, str]:
    """Known servers read address and token in parts; the driver `proxmox` reads them whole."""
    address = urlsplit(found.get("PROXMOX_URL", ""))
    user, _, name = found.get("PROXMOX_TOKEN_ID", "").partition("!")
    parts = {
        "PROXMOX_HOST": address.hostname or "",
        "PROXMOX_PORT": str(address.port or ""),
        "PROXMOX_USER": user,
        "PROXMOX_TOKEN_NAME": name,
        "PROXMOX_TOKEN_VALUE": found.get("PROXMOX_TOKEN_SECRET", ""),
    }
    return {key: value for key, value in parts.items() if value}
