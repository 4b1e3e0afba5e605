"""Settings of the Azure driver. Read from `drivers:` in `herder.yaml`. Lists are written as one text: `westeurope-1, westeurope-2`."""

import re
from dataclasses import dataclass
from urllib.parse import urlsplit

from herder.model.values.money import parse_usd
from herder.remote.azure.vms import ADMIN_USER, ARM_URL, LOGIN_URL, MARKETPLACE_IMAGE, METADATA_URL

PRICES_URL = "https://prices.azure.com"
_SUBSCRIPTION = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
_GROUP = re.compile(r"[-\w._()]{0,89}[-\w_()]")
_ZONE = re.compile(r"([a-z][a-z0-9]+)(?:-([1-9]))?")
SUBNET = r"[-\w.{}]{1,80}/[-\w.{}]{1,80}|/subscriptions/[-\w./{}]{1,400}"
IMAGE = MARKETPLACE_IMAGE + r"|/(subscriptions|CommunityGalleries|SharedGalleries)/[-\w./]{1,400}"
IDENTITY = r"/subscriptions/[-\w./]{1,400}/userAssignedIdentities/[-\w]{1,128}"
POLICIES = ("Delete", "Deallocate")
ZONES_MAX = 40


@dataclass(frozen=True, slots=True)
class Place:
    """A location, and an availability zone in it; no zone: Azure chooses."""

    location: str
    number: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class AzureSettings:
    subscription: str
    """The id of the subscription. No default: nobody else knows it."""
    resource_group: str
    """Which the VMs and their parts are in. It may be in any location; nothing else should be in it."""
    zones: str
    """Where this driver may create VMs: locations such as `westeurope`, or availability zones such as `westeurope-1`. A worker of a pool that
    names no zone is created in the first one."""
    ssh_public_key: str
    """For `admin_user`: Azure creates no Linux VM without one. Its private key may be thrown away."""
    credentials_file: str = ""
    """What `az ad sp create-for-rbac` printed. Empty: AZURE_CLIENT_ID and its companions in the environment, then the managed identity of
    the machine, then whoever is logged in with `az login`."""
    image: str = ""
    """`PUBLISHER:OFFER:SKU:VERSION`, or the id of an image or of a version in a gallery. A pool's driver_options may set another one."""
    disk_type: str = "StandardSSD_LRS"
    system_disk_gib: int = 30
    """Added to the disk of the template, for the operating system and the images of containers."""
    subnet: str = ""
    """`NETWORK/SUBNET` in the resource group, or the id of a subnet. `{location}` in it becomes the location of the VM."""
    security_group: str = ""
    """The id of a network security group for the network cards. Empty: that of the subnet."""
    public_ip: bool = False
    """Whether VMs get an address in the internet. Without one they need a NAT gateway to reach registries."""
    identity: str = ""
    """The id of the managed identity that the VMs run as. Empty: none, so that jobs have no rights in the subscription."""
    deletes_itself: bool = False
    """Whether a VM whose agent has ended deletes itself as `identity`, which needs the right to delete VMs; jobs have that right too. Without it
    such a VM is switched off, and costs until Herder removes it."""
    admin_user: str = "herder"
    eviction_policy: str = "Delete"
    """What Azure does with a spot VM that it takes back: `Delete`, or `Deallocate`, after which its disk costs until Herder removes it."""
    spot_max_price: str = ""
    """In USD for an hour. Empty: up to the price on demand."""
    agent_command: str = "/usr/local/bin/herder agent"
    """What a VM without a bootstrap starts. It is in the image."""
    container_engine: bool = False
    """Whether a VM installs Podman at its first boot, where its image has no container engine."""
    pull_images: str = ""
    """Images of containers that a VM pulls before it takes work: `docker.io/library/debian:12, …`."""
    calls_per_s: float = 10.0
    """Calls of the API by this driver. Azure refills a subscription's allowance for changes with 10 in a second."""
    quota_refresh_s: float = 60.0
    price_refresh_s: float = 43_200.0
    prices: bool = True
    """Whether prices are read from Azure's list of retail prices, which needs no credentials."""
    arm_url: str = ARM_URL
    login_url: str = LOGIN_URL
    prices_url: str = PRICES_URL
    metadata_url: str = METADATA_URL
    """Where this server's own managed identity is asked for."""

    def __post_init__(self) -> None:
        if not _SUBSCRIPTION.fullmatch(self.subscription.lower()):
            raise ValueError(
                f"subscription {self.subscription!r} is not the id of a subscription; `az account show --query id` prints it"
            )
        if not _GROUP.fullmatch(self.resource_group):
            raise ValueError(f"resource_group {self.resource_group!r} is not the name of a resource group")
        if not self.zone_names:
            raise ValueError("zones is empty; write for example westeurope-1, westeurope-2")
        for zone in self.zone_names:
            if not _ZONE.fullmatch(zone):
                raise ValueError(
                    f"{zone!r} is neither a location nor a zone; write for example westeurope or westeurope-1"
                )
        if len(self.zone_names) > ZONES_MAX:
            raise ValueError(f"zones has {len(self.zone_names)} zones; write at most {ZONES_MAX}")
        if not self.agent_command.strip():
            raise ValueError("agent_command is empty; write for example /usr/local/bin/herder agent")
        if not self.ssh_public_key:
            raise ValueError("ssh_public_key is empty; write the text of a file such as id_ed25519.pub")
        self._check_names()
        self._check_numbers()

    def _check_names(self) -> None:
        if self.deletes_itself and not self.identity:
            raise ValueError("deletes_itself needs identity: a VM deletes itself as its managed identity")
        if self.spot_max_price:
            parse_usd(self.spot_max_price)
        for setting, pattern, example in (
            ("image", IMAGE, "Debian:debian-12:12-gen2:latest or the id of an image"),
            ("subnet", SUBNET, "NETWORK/SUBNET or the id of a subnet"),
            ("security_group", r"/subscriptions/[-\w./{}]{1,400}", "the id of a network security group"),
            ("identity", IDENTITY, "the id of a user-assigned managed identity"),
            ("disk_type", r"[A-Z][A-Za-z0-9]+_[A-Z]+", "StandardSSD_LRS"),
            ("admin_user", ADMIN_USER, "herder"),
            ("eviction_policy", "|".join(POLICIES), "Delete or Deallocate"),
            ("ssh_public_key", r"(ssh-|ecdsa-)[^\r\n]{20,8000}", "ssh-ed25519 AAAA…"),
        ):
            value = getattr(self, setting)
            if value and not re.fullmatch(pattern, value):
                raise ValueError(f"{setting} {value!r:.80} is not possible; write for example {example}")

    def _check_numbers(self) -> None:
        for setting, low, high in (
            ("system_disk_gib", 1, 32_767),
            ("calls_per_s", 0.1, 1_000),
            ("quota_refresh_s", 1, 86_400),
            ("price_refresh_s", 60, 30 * 86_400),
        ):
            if not low <= getattr(self, setting) <= high:
                raise ValueError(f"{setting} must be from {low:,} to {high:,}")
        for setting in ("arm_url", "login_url", "prices_url", "metadata_url"):
            parts = urlsplit(getattr(self, setting))
            if parts.scheme not in ("http", "https") or not parts.hostname:
                raise ValueError(f"{setting} {getattr(self, setting)!r} is not an address")

    @property
    def zone_names(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(each.strip() for each in self.zones.split(",") if each.strip()))

    @property
    def image_names(self) -> tuple[str, ...]:
        return tuple(self.pull_images.replace(",", " ").split())

    @property
    def locations(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(place_of(zone).location for zone in self.zone_names))


def place_of(zone: str) -> Place:
    location, _, number = zone.partition("-")
    return Place(location, number)
