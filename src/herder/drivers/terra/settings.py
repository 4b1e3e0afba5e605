"""Settings of the Terra driver. Read from `drivers:` in `herder.yaml`."""

import re
from dataclasses import dataclass
from urllib.parse import urlsplit

from herder.remote.azure.vms import ADMIN_USER, ARM_URL, LOGIN_URL, MARKETPLACE_IMAGE, METADATA_URL

PLACEMENTS = ("NONE", "OS_CACHE", "TMP_DISK")
_WORKSPACE = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


@dataclass(frozen=True, slots=True, kw_only=True)
class TerraSettings:
    url: str
    """Of Workspace Manager. No default: each installation of Terra has its own."""
    workspace: str
    """The id of the workspace. No default: nobody else knows it."""
    zone: str = ""
    """The region of Azure in which the workspace creates its VMs. Only a name here, for pools that name zones: Terra chooses it."""
    token_file: str = ""
    """Has a token, and nothing else. It is read for each call, so that another program can renew it. Empty: Azure's own credentials are used."""
    credentials_file: str = ""
    """What `az ad sp create-for-rbac` printed. Empty: AZURE_CLIENT_ID and its companions in the environment, then the managed identity of
    the machine, then whoever is logged in with `az login`."""
    image: str = ""
    """`PUBLISHER:OFFER:SKU:VERSION` in Azure's marketplace. A pool's driver_options may set another one."""
    admin_user: str = "herder"
    """Terra wants one; its password is a secret that nobody keeps."""
    ephemeral_os_disk: str = "NONE"
    """Whether the disk of the system is on the host of the VM: `OS_CACHE` or `TMP_DISK`, where the size has room for it."""
    work_folder: str = ""
    """Where the agent works, such as `/mnt/herder` on a size with a local disk, which Azure mounts at /mnt. Empty: on the disk of the system."""
    deletes_itself: bool = True
    """Whether a VM whose agent has ended deletes itself, as the identity of the user that Terra gives to each VM. Without it such a VM is switched
    off, and costs until Herder removes it."""
    agent_command: str = "/usr/local/bin/herder agent"
    """What a VM without a bootstrap starts: a command of the shell, which may also fetch the agent before."""
    container_engine: bool = False
    """Whether a VM installs Podman at its first boot, where its image has no container engine."""
    pull_images: str = ""
    """Images of containers that a VM pulls before it takes work: `docker.io/library/debian:12, …`."""
    calls_per_s: float = 5.0
    """Calls of the API by this driver."""
    token_resource: str = ARM_URL
    """For what Azure's tokens are asked. Terra accepts those for Azure's own API."""
    login_url: str = LOGIN_URL
    metadata_url: str = METADATA_URL
    """Where this server's own managed identity is asked for."""

    def __post_init__(self) -> None:
        if not _WORKSPACE.fullmatch(self.workspace):
            raise ValueError(
                f"workspace {self.workspace!r} is not the id of a workspace; it is on the workspace's dashboard in Terra"
            )
        if not self.agent_command.strip():
            raise ValueError("agent_command is empty; write for example /usr/local/bin/herder agent")
        for setting, pattern, example in (
            ("zone", r"[a-z][a-z0-9]+", "southcentralus"),
            ("image", MARKETPLACE_IMAGE, "Debian:debian-12:12-gen2:latest"),
            ("admin_user", ADMIN_USER, "herder"),
            ("ephemeral_os_disk", "|".join(PLACEMENTS), "NONE, OS_CACHE or TMP_DISK"),
            ("work_folder", r"/\S*", "/mnt/herder"),
        ):
            value = getattr(self, setting)
            if value and not re.fullmatch(pattern, value):
                raise ValueError(f"{setting} {value!r:.80} is not possible; write for example {example}")
        if not 0.1 <= self.calls_per_s <= 1_000:
            raise ValueError("calls_per_s must be from 0.1 to 1,000")
        for setting in ("url", "token_resource", "login_url", "metadata_url"):
            parts = urlsplit(getattr(self, setting))
            if parts.scheme not in ("http", "https") or not parts.hostname:
                raise ValueError(f"{setting} {getattr(self, setting)!r} is not an address")

    @property
    def image_names(self) -> tuple[str, ...]:
        return tuple(self.pull_images.replace(",", " ").split())
