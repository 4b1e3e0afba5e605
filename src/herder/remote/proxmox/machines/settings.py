"""Settings of the Proxmox driver, and the `driver_options` of its pools. Read from `drivers:` in `herder.yaml`.

Lists are written as one text, since the settings of a driver are texts: `pve1, pve2`.
"""

import re
from dataclasses import dataclass
from urllib.parse import urlsplit

_NAME = re.compile(r"[A-Za-z0-9]([-A-Za-z0-9_.]{0,62}[A-Za-z0-9])?")
_TAG = re.compile(r"[a-z0-9_][a-z0-9_\-+.]{0,40}")
VMID_LOWEST = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class ProxmoxSettings:
    url: str = ""
    """Of the API, for example https://pve1.example:8006. Empty: the environment variable PROXMOX_URL."""
    token_id: str = ""
    """USER@REALM!NAME. Empty: the environment variable PROXMOX_TOKEN_ID."""
    token_secret_file: str | None = None
    token_secret_env: str = "PROXMOX_TOKEN_SECRET"
    """The environment variable with the secret, when there is no file."""
    verify: bool = True
    """Whether the certificate of the API is checked."""
    ca_file: str | None = None
    """Certificates that sign that of the API, for example a copy of /etc/pve/pve-root-ca.pem."""
    vmid_first: int = 20_000
    """The VMIDs from here to `vmid_last` belong to this installation. No other program may use them."""
    vmid_last: int = 29_999
    nodes: str = ""
    """The nodes that may get workers: `pve1, pve2`. Empty: all that are online."""
    storage: str = ""
    """Where full clones are stored. Empty: where the template is."""
    iso_storage: str = "local"
    """Where the boot data of a worker is stored; it must allow the content ISO image. Empty: none is delivered, and a bootstrap must
    configure each machine over the network."""
    bridge: str = ""
    """Of the network card. Empty: as the template has it."""
    vlan: int = 0
    """0: none."""
    clone: str = "full"
    """full or linked. A linked clone needs a storage that can make one, and keeps its template from being removed."""
    memory_headroom_percent: float = 10.0
    """Of the memory of each node, kept free for the node itself. Allocated memory counts, not used memory."""
    cpu_ratio: float = 4.0
    """Virtual CPUs for each core of a node; 0: no limit."""
    storage_headroom_percent: float = 5.0
    worker_overhead_mib: int = 0
    """Added to the memory of the template for the operating system, unless `driver_options` set memory."""
    wait_for_agent: bool = False
    """Whether a machine counts as running only when its guest agent answers."""
    agent_command: str = "/usr/local/bin/herder agent"
    """What a machine without a bootstrap starts, through cloud-init."""
    tag: str = "herder"
    """The first tag of each VM, and the beginning of the others."""

    def __post_init__(self) -> None:
        if self.url and not _is_address(self.url):
            raise ValueError(
                f"url {self.url!r} is not the address of a Proxmox API, such as https://pve1.example:8006"
            )
        if self.token_id and not re.fullmatch(r"[^@!\s]+@[^@!\s]+![^@!\s]+", self.token_id):
            raise ValueError(
                "token_id must have the form USER@REALM!NAME, for example herder@pve!workers; the secret is a setting of its own"
            )
        if self.clone not in ("full", "linked"):
            raise ValueError("clone must be full or linked")
        if self.clone == "linked" and self.storage:
            raise ValueError("storage is set, but a linked clone stays where its template is; remove storage")
        if not VMID_LOWEST <= self.vmid_first <= self.vmid_last <= 999_999_999:
            raise ValueError("vmid_first and vmid_last must be in order, from 100 to 999,999,999")
        if not _TAG.fullmatch(self.tag):
            raise ValueError(f"tag {self.tag!r} is not possible; write small letters, digits and - _ + .")
        self._check_names_and_numbers()

    def _check_names_and_numbers(self) -> None:
        if not self.agent_command.strip():
            raise ValueError("agent_command is empty; write for example /usr/local/bin/herder agent")
        for name in (*self.node_names, *filter(None, (self.storage, self.iso_storage, self.bridge))):
            if not _NAME.fullmatch(name):
                raise ValueError(f"{name!r} is not a name of Proxmox")
        for setting, low, high in (
            ("vlan", 0, 4_094),
            ("memory_headroom_percent", 0, 90),
            ("cpu_ratio", 0, 100),
            ("storage_headroom_percent", 0, 90),
            ("worker_overhead_mib", 0, 65_536),
        ):
            if not low <= getattr(self, setting) <= high:
                raise ValueError(f"{setting} must be from {low:,} to {high:,}")

    @property
    def node_names(self) -> tuple[str, ...]:
        return tuple(each.strip() for each in self.nodes.split(",") if each.strip())


def _is_address(text: str) -> bool:
    try:
        parts = urlsplit(text)
        return parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:  # of a port or an IPv6 address
        return False
