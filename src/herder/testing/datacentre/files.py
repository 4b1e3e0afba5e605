"""The files that lead Herder to a datacentre that serves: kubeconfig, talosconfig, base configuration of a worker, secret of the token."""

from dataclasses import dataclass
from pathlib import Path

from herder.remote.talos.methods import OPERATOR
from herder.testing.datacentre.running import Serving
from herder.testing.proxmox import TOKEN_SECRET


@dataclass(frozen=True, slots=True, kw_only=True)
class Access:
    kubeconfig: Path
    talosconfig: Path
    base_config: Path
    token_secret: Path
    proxmox_url: str
    token_id: str
    talos_port: int


def write_files(folder: Path, server: Serving) -> Access:
    """They are readable by their owner only."""
    running = server.running
    centre = running.datacentre
    texts = {
        "kubeconfig": server.kubeconfig(),
        "talosconfig": centre.authority.talosconfig((centre.control_plane_address,), roles=(OPERATOR,)),
        "worker.yaml": centre.authority.worker_base(f"https://{centre.control_plane_address}:6443"),
        "proxmox-token": f"{TOKEN_SECRET}\n",
    }
    for name, text in texts.items():
        (folder / name).touch(mode=0o600)
        (folder / name).write_text(text, encoding="utf-8")
    return Access(
        kubeconfig=folder / "kubeconfig",
        talosconfig=folder / "talosconfig",
        base_config=folder / "worker.yaml",
        token_secret=folder / "proxmox-token",
        proxmox_url=running.proxmox_url,
        token_id=centre.settings.token_id,
        talos_port=running.talos_port,
    )
