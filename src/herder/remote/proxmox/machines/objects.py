"""What Proxmox says of its cluster, as data: the rows of /cluster/resources. Pure. What is not of the promised form is refused as a whole."""

import re
from collections.abc import Mapping, Sequence
from typing import Annotated, Any

import msgspec

from herder.model.fleet.driver import Unavailable

NODE = "[A-Za-z0-9][A-Za-z0-9.-]{0,62}"
#: It becomes a part of paths.
NodeName = Annotated[str, msgspec.Meta(pattern=f"^{NODE}$")]


class Guest(msgspec.Struct, frozen=True, kw_only=True):
    """A VM or a container."""

    vmid: int
    node: NodeName
    type: str
    name: str = ""
    status: str = "unknown"
    template: int | bool = 0
    maxmem: int = 0
    maxcpu: float = 0
    maxdisk: int = 0
    tags: str = ""
    lock: str = ""
    hastate: str = ""

    @property
    def tag_list(self) -> list[str]:
        return [each for each in re.split(r"[;,\s]+", self.tags.lower()) if each]


class Node(msgspec.Struct, frozen=True, kw_only=True):
    node: NodeName
    status: str = "unknown"
    maxcpu: float = 0
    maxmem: int = 0
    hastate: str = ""

    @property
    def online(self) -> bool:
        return self.status == "online"

    @property
    def usable(self) -> bool:
        return self.online and "maintenance" not in self.hastate


class Storage(msgspec.Struct, frozen=True, kw_only=True):
    storage: str
    node: NodeName
    status: str = "unknown"
    disk: int = 0
    maxdisk: int = 0
    shared: int | bool = 0


class Cluster(msgspec.Struct, frozen=True, kw_only=True):
    nodes: tuple[Node, ...]
    guests: tuple[Guest, ...]
    storages: tuple[Storage, ...]

    def node(self, name: str) -> Node | None:
        return next((each for each in self.nodes if each.node == name), None)

    def storage(self, name: str, node: str) -> Storage | None:
        return next((each for each in self.storages if (each.storage, each.node) == (name, node)), None)


def cluster_of(rows: Any) -> Cluster:
    try:
        of = {kind: [row for row in rows if row["type"] in kind] for kind in ("qemu lxc", "node", "storage")}
        return Cluster(
            nodes=tuple(msgspec.convert(row, Node, strict=False) for row in of["node"]),
            guests=tuple(msgspec.convert(row, Guest, strict=False) for row in of["qemu lxc"]),
            storages=tuple(msgspec.convert(row, Storage, strict=False) for row in of["storage"]),
        )
    except (msgspec.ValidationError, KeyError, TypeError):
        raise Unavailable(
            "Proxmox describes its cluster in a form that Herder does not know. Check its version."
        ) from None


_SIZE = re.compile(r"size=(\d+)([KMGT]?)")
_UNITS = {"": 0, "K": 1, "M": 2, "G": 3, "T": 4}
_DISK = re.compile(r"(scsi|virtio|sata|ide)\d+")


def boot_disk(config: Mapping[str, Any]) -> tuple[str, str, int]:
    """Its key, its storage and its size in bytes; empty: the VM has none."""
    order = [key for key in re.split(r"[=;,]", str(config.get("boot", ""))) if _DISK.fullmatch(key)]
    keys: Sequence[str] = order + sorted(key for key in config if _DISK.fullmatch(key))
    for key in keys:
        value = str(config.get(key, ""))
        size = _SIZE.search(value)
        if size is not None and "media=cdrom" not in value:
            return key, value.partition(":")[0], int(size[1]) * 1024 ** _UNITS[size[2]]
    return "", "", 0
