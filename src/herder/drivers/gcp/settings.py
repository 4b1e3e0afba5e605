"""Settings of the Google Cloud driver. Read from `drivers:` in `herder.yaml`. Lists are written as one text: `europe-west4-a, europe-west4-b`."""

import re
from dataclasses import dataclass
from urllib.parse import urlsplit

COMPUTE_URL = "https://compute.googleapis.com/compute/v1"
BILLING_URL = "https://cloudbilling.googleapis.com/v1"
PROJECTS_URL = "https://cloudresourcemanager.googleapis.com/v1"
_PROJECT = re.compile(r"([a-z0-9.-]+:)?[a-z][a-z0-9-]{4,28}[a-z0-9]")
_ZONE = re.compile(r"[a-z]+-[a-z]+[0-9]+-[a-z]")
_ACCOUNT = re.compile(r"[^@\s/]+@[^@\s/]+")
_RESOURCE = re.compile(r"[a-z0-9][-a-zA-Z0-9_./:]{0,300}")
ZONES_MAX = 40


@dataclass(frozen=True, slots=True, kw_only=True)
class GcpSettings:
    project: str
    """The id of the project that the VMs belong to. No default: nobody else knows it."""
    zones: str
    """Where this driver may create VMs. A worker of a pool that names no zone is created in the first one."""
    credentials_file: str | None = None
    """A service account's key, or another file that Google's tools read. Empty: GOOGLE_APPLICATION_CREDENTIALS, then the file that
    `gcloud auth application-default login` writes, then the metadata server of the machine."""
    image: str = ""
    """Of the boot disk: `projects/PROJECT/global/images/NAME` or `…/images/family/NAME`. A pool's driver_options may set another one."""
    disk_type: str = "pd-balanced"
    system_disk_gib: int = 10
    """Added to the disk of the template, for the operating system and the images of containers."""
    network: str = "global/networks/default"
    subnetwork: str = ""
    """`regions/REGION/subnetworks/NAME`, or a name, which is looked for in the region of each zone. Empty: that of the network."""
    external_ip: bool = True
    """Whether VMs get an address in the internet. Without one they need Cloud NAT to reach this server and registries."""
    service_account: str = ""
    """Which the VMs run as. Empty: none, so that jobs have no rights in the project."""
    network_tags: str = ""
    """For firewall rules: `herder, batch`."""
    max_run_hours: float = 168.0
    """After this time Google deletes the VM, even if no Herder runs any more. At most 2,880 (120 days); 0: never. Workers that have to live
    longer are lost then, and replaced."""
    agent_command: str = "/usr/local/bin/herder agent"
    """What a VM without a bootstrap starts. It is in the image."""
    container_engine: bool = False
    """Whether a VM installs Podman at its first boot, where its image has no container engine."""
    pull_images: str = ""
    """Images of containers that a VM pulls before it takes work: `docker.io/library/debian:12, …`."""
    calls_per_s: float = 15.0
    """Calls of the API by this driver; Google allows a project 20 in a second for most methods by default."""
    quota_refresh_s: float = 60.0
    price_refresh_s: float = 86_400.0
    """Google publishes prices once a day."""
    prices: bool = True
    """Whether prices are read from Google's catalogue."""
    compute_url: str = COMPUTE_URL
    billing_url: str = BILLING_URL
    projects_url: str = PROJECTS_URL

    def __post_init__(self) -> None:
        if not _PROJECT.fullmatch(self.project):
            raise ValueError(
                f"project {self.project!r} is not the id of a project; write its id, not its name or number"
            )
        if not self.zone_names:
            raise ValueError("zones is empty; write for example europe-west4-a, europe-west4-b")
        for zone in self.zone_names:
            if not _ZONE.fullmatch(zone):
                raise ValueError(f"{zone!r} is not a zone of Google Cloud; write for example europe-west4-a")
        if len(self.zone_names) > ZONES_MAX:
            raise ValueError(f"zones has {len(self.zone_names)} zones; write at most {ZONES_MAX}")
        if self.service_account and not _ACCOUNT.fullmatch(self.service_account):
            raise ValueError(
                "service_account must be an address such as worker@PROJECT.iam.gserviceaccount.com"
            )
        if not self.agent_command.strip():
            raise ValueError("agent_command is empty; write for example /usr/local/bin/herder agent")
        self._check_names_and_numbers()

    def _check_names_and_numbers(self) -> None:
        for setting in ("image", "disk_type", "network", "subnetwork"):
            value = getattr(self, setting)
            if value and not _RESOURCE.fullmatch(value):
                raise ValueError(f"{setting} {value!r} is not a name of Google Cloud")
        for setting, low, high in (
            ("system_disk_gib", 1, 65_536),
            ("max_run_hours", 0, 2_880),
            ("calls_per_s", 0.1, 1_000),
            ("quota_refresh_s", 1, 86_400),
            ("price_refresh_s", 60, 30 * 86_400),
        ):
            if not low <= getattr(self, setting) <= high:
                raise ValueError(f"{setting} must be from {low:,} to {high:,}")
        for setting in ("compute_url", "billing_url", "projects_url"):
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
    def regions(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(region_of(zone) for zone in self.zone_names))


def region_of(zone: str) -> str:
    return zone.rpartition("-")[0]
