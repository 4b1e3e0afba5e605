"""Opens the driver: address, token and certificates from its settings or the environment. Makes no call."""

import os
import ssl
from dataclasses import replace
from pathlib import Path

from herder.model.fleet.driver import DriverContext
from herder.remote.proxmox.client import ProxmoxClient
from herder.remote.proxmox.machines.driver import ProxmoxDriver
from herder.remote.proxmox.machines.settings import ProxmoxSettings


def make(settings: ProxmoxSettings, context: DriverContext) -> ProxmoxDriver:
    """Raises ValueError when the connection is not described; makes no call."""
    url = settings.url or os.environ.get("PROXMOX_URL", "")
    token_id = settings.token_id or os.environ.get("PROXMOX_TOKEN_ID", "")
    if settings.token_secret_file:
        secret = Path(settings.token_secret_file).read_text(encoding="utf-8").strip()
    else:
        secret = os.environ.get(settings.token_secret_env, "")
    for value, what in (
        (url, "url is empty; set it, or the environment variable PROXMOX_URL"),
        (token_id, "token_id is empty; set it, or the environment variable PROXMOX_TOKEN_ID"),
        (
            secret,
            f"there is no token secret; set token_secret_file, or the variable {settings.token_secret_env}",
        ),
    ):
        if not value:
            raise ValueError(what)
    settings = replace(settings, url=url, token_id=token_id)  # what the environment says is checked, too
    verify: ssl.SSLContext | bool = settings.verify
    if settings.verify and url.startswith("https"):
        verify = ssl.create_default_context(cafile=settings.ca_file)
    return ProxmoxDriver(
        settings, context, ProxmoxClient(url, token_id, secret, context.clock, verify=verify)
    )
