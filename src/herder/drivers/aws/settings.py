"""Settings of the AWS driver. Read from `drivers:` in `herder.yaml`. Lists are written as one text: `subnet-1a, subnet-1b`."""

import re
from dataclasses import dataclass
from typing import NamedTuple
from urllib.parse import urlsplit

_REGION = re.compile(r"[a-z]{2}(-[a-z]+)+-[0-9]")
_IMAGE = re.compile(r"ami-[0-9a-f]{8,17}")
_SUBNET = re.compile(r"([a-z0-9-]+=)?subnet-[0-9a-f]{8,17}")
_GROUP = re.compile(r"sg-[0-9a-f]{8,17}")


_AWS = (".amazonaws.com", ".amazonaws.com.cn")


class Service(NamedTuple):
    name: str
    """As requests to it are signed."""
    region: str
    url: str


@dataclass(frozen=True, slots=True, kw_only=True)
class AwsSettings:
    region: str
    """One region; another one gets a driver of its own. No default: nobody else knows it."""
    profile: str = ""
    """Of the shared files of AWS's tools. Empty: the environment, AWS_PROFILE or `default`, then the role of the machine."""
    image: str = ""
    """`ami-…`. A pool's driver_options may set another one."""
    disk_device: str = "/dev/xvda"
    """The root device of the image, as its description names it."""
    disk_type: str = "gp3"
    system_disk_gib: int = 10
    """Added to the disk of the template, for the operating system and the images of containers."""
    subnets: str = ""
    """By zone: `eu-west-1a=subnet-…, eu-west-1b=subnet-…`. Empty: the default subnets of the region."""
    security_groups: str = ""
    """`sg-…, sg-…`. Empty: the default one."""
    instance_profile: str = ""
    """The name of the one that workers run with. Empty: none, so that jobs have no rights in the account."""
    agent_command: str = "/usr/local/bin/herder agent"
    """What an instance without a bootstrap starts. It is in the image."""
    container_engine: bool = False
    """Whether an instance installs Podman at its first boot, where its image has no container engine."""
    pull_images: str = ""
    """Images of containers that an instance pulls before it takes work: `docker.io/library/debian:12, …`."""
    calls_per_s: float = 5.0
    """Calls of the API by this driver; AWS refills an account's budget of changes slowly."""
    prices: bool = True
    """Whether prices on demand are read from AWS's price list. Those of spot are always read."""
    price_refresh_s: float = 3_600.0
    """How old prices may become."""
    quota_refresh_s: float = 60.0
    """How old limits, and the count of instances, may become."""
    ec2_url: str = ""
    """Empty: that of the region."""
    pricing_url: str = ""
    """Empty, as those below: AWS's own, or `ec2_url` where that is not one of AWS."""
    quotas_url: str = ""
    cloudtrail_url: str = ""

    def __post_init__(self) -> None:
        if not _REGION.fullmatch(self.region):
            raise ValueError(f"region {self.region!r} is not a region of AWS; write for example eu-west-1")
        if self.image and not _IMAGE.fullmatch(self.image):
            raise ValueError(f"image {self.image!r} is not the id of an image; write ami-…")
        for each in _listed(self.subnets):
            if not _SUBNET.fullmatch(each) or "=" not in each:
                raise ValueError(
                    f"subnets has {each!r}; write for example {self.region}a=subnet-0123456789abcdef0"
                )
        for each in self.groups:
            if not _GROUP.fullmatch(each):
                raise ValueError(f"security_groups has {each!r}; write for example sg-0123456789abcdef0")
        self._check_the_rest()

    def _check_the_rest(self) -> None:
        if not self.agent_command.strip():
            raise ValueError("agent_command is empty; write for example /usr/local/bin/herder agent")
        if not 1 <= self.system_disk_gib <= 16_384:
            raise ValueError("system_disk_gib must be from 1 to 16,384")
        if not 0.1 <= self.calls_per_s <= 1_000:
            raise ValueError("calls_per_s must be from 0.1 to 1,000")
        if not 60 <= self.price_refresh_s <= 30 * 86_400:
            raise ValueError("price_refresh_s must be from 60 to 2,592,000")
        if not 1 <= self.quota_refresh_s <= 86_400:
            raise ValueError("quota_refresh_s must be from 1 to 86,400")
        for setting in ("ec2_url", "pricing_url", "quotas_url", "cloudtrail_url"):
            value = getattr(self, setting)
            parts = urlsplit(value)
            if value and (parts.scheme not in ("http", "https") or not parts.hostname):
                raise ValueError(f"{setting} {value!r} is not an address")

    # --- where each service is, and how requests to it are signed

    @property
    def ec2(self) -> Service:
        return Service("ec2", self.region, self.ec2_url or self._usual("ec2", self.region))

    @property
    def pricing(self) -> Service:
        """Of all regions; AWS has it in few."""
        region = "cn-northwest-1" if self.china else "us-east-1"
        return Service("pricing", region, self._url(self.pricing_url, "api.pricing", region))

    @property
    def quotas(self) -> Service:
        return Service("servicequotas", self.region, self._url(self.quotas_url, "servicequotas", self.region))

    @property
    def trail(self) -> Service:
        return Service("cloudtrail", self.region, self._url(self.cloudtrail_url, "cloudtrail", self.region))

    @property
    def china(self) -> bool:
        return self.region.startswith("cn-")

    def _url(self, own: str, host: str, region: str) -> str:
        elsewhere = self.ec2_url and not (urlsplit(self.ec2_url).hostname or "").endswith(_AWS)
        return own or (self.ec2_url if elsewhere else self._usual(host, region))

    def _usual(self, host: str, region: str) -> str:
        return f"https://{host}.{region}.amazonaws.com{'.cn' if self.china else ''}"

    @property
    def groups(self) -> tuple[str, ...]:
        return _listed(self.security_groups)

    @property
    def image_names(self) -> tuple[str, ...]:
        return _listed(self.pull_images)

    @property
    def subnet_of(self) -> dict[str, str]:
        """By zone."""
        pairs = (each.partition("=") for each in _listed(self.subnets))
        return {zone: subnet for zone, _, subnet in pairs}


def _listed(text: str) -> tuple[str, ...]:
    return tuple(dict.fromkeys(text.replace(",", " ").split()))
