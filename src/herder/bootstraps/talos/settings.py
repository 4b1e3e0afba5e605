"""Settings of the bootstrap for Talos. Read from `bootstraps:` in `herder.yaml`. Mappings are written as one text: `a=b, c=d`."""

import re
from dataclasses import dataclass

DELIVERIES = ("iso", "maintenance")
IN_PLACE = "in_place"
UPGRADES = ("replace", IN_PLACE)
_VERSION = re.compile(r":(v[0-9][-.0-9A-Za-z]{0,60})$")
_ARGUMENT = re.compile(r"[a-z][a-z0-9-]{0,62}")
_HOSTNAME = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")
_PARTS = re.compile(r"\{(worker|pool|zone)\}")


@dataclass(frozen=True, slots=True, kw_only=True)
class TalosSettings:
    base_config: str
    """File with the machine configuration of a worker, as `talosctl gen config --output-types worker` writes it. All of it is a secret."""
    talosconfig: str = ""
    """File. Empty: the one that the environment variable TALOSCONFIG names, else ~/.talos/config."""
    context: str = ""
    """Of the talosconfig. Empty: the one that TALOS_CLUSTER names, else its current one."""
    endpoint: str = ""
    """A control plane machine, instead of the endpoints of the talosconfig. Empty: TALOS_ENDPOINT, if it is set."""
    delivery: str = "iso"
    """How a machine gets its configuration: `iso` boots with it (NoCloud), `maintenance` waits for it over the network."""
    install_image: str = ""
    """Of the installer, for example ghcr.io/siderolabs/installer:v1.13.9. Empty: that of the base configuration."""
    upgrade: str = "replace"
    """What happens to workers with another version than install_image: `replace` makes new ones, `in_place` upgrades their machines."""
    hostname: str = "{worker}"
    """Of a machine. It must contain {worker}, and may contain {pool} and {zone}."""
    kubelet_args: str = ""
    """More arguments of kubelet: `max-pods=110, v=2`."""
    deadline_s: float = 10.0
    """Of one call to Talos."""
    port: int = 50_000
    """Of the Talos API on each machine."""

    def __post_init__(self) -> None:
        if not self.base_config.strip():
            raise ValueError("base_config is empty; name the file that talosctl gen config wrote")
        if self.delivery not in DELIVERIES:
            raise ValueError(f"delivery must be {' or '.join(DELIVERIES)}")
        if not 1 <= self.deadline_s <= 60:
            raise ValueError("deadline_s must be from 1 to 60")
        if not 1 <= self.port <= 65_535:
            raise ValueError("port must be from 1 to 65,535")
        if any(letter.isspace() for letter in self.install_image):
            raise ValueError(f"install_image {self.install_image!r} is not the name of an image")
        if self.upgrade not in UPGRADES:
            raise ValueError(f"upgrade must be {' or '.join(UPGRADES)}")
        if self.upgrade == IN_PLACE and not self.version:
            raise ValueError("upgrade: in_place needs an install_image with a version, such as :v1.13.9")
        if "{worker}" not in self.hostname:
            raise ValueError("hostname must contain {worker}, so that no two machines have the same name")
        if not _HOSTNAME.fullmatch(_PARTS.sub("a", self.hostname)):
            raise ValueError(f"hostname {self.hostname!r} is not a possible name of a machine")
        arguments_in(self.kubelet_args)

    @property
    def version(self) -> str:
        """Of install_image; empty: it names none."""
        found = _VERSION.search(self.install_image.partition("@")[0])
        return "" if found is None else found[1]

    @property
    def made_of(self) -> str:
        """What a machine that is made now is of, as far as an upgrade in place cannot change it."""
        if self.upgrade != IN_PLACE:
            return self.install_image
        return _VERSION.sub("", self.install_image.partition("@")[0])


def arguments_in(text: str) -> dict[str, str]:
    """Raises ValueError."""
    found: dict[str, str] = {}
    for each in filter(None, (part.strip() for part in text.split(","))):
        name, equals, value = (part.strip() for part in each.partition("="))
        name = name.removeprefix("--")
        if not equals or not _ARGUMENT.fullmatch(name):
            raise ValueError(f"kubelet_args: {each!r} is not possible; write name=value, separated by commas")
        found[name] = value
    return found
