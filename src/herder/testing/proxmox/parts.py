"""What a cluster consists of: nodes, storages with their volumes, machines, tasks, tokens. Data, and what follows from it alone."""

from collections.abc import Callable
from dataclasses import dataclass, field

GIB = 2**30


@dataclass(slots=True, kw_only=True)
class Node:
    name: str
    cores: int = 32
    memory_mib: int = 131_072
    online: bool = True
    maintenance: bool = False
    bridges: dict[str, str] = field(default_factory=lambda: {"vmbr0": ""})
    """By name: the VLANs of one that knows VLANs, such as `2-4094`; empty: it knows none."""


@dataclass(slots=True, kw_only=True)
class Storage:
    """Local ones have an entry for each node."""

    name: str
    node: str = ""
    """Empty: shared by all nodes."""
    kind: str = "lvmthin"
    content: frozenset[str] = frozenset({"images", "rootdir"})
    total_bytes: int = 2_000 * GIB
    volumes: dict[str, int] = field(default_factory=dict)
    """Name → bytes."""
    files: dict[str, bytes] = field(default_factory=dict)
    """What was uploaded."""
    owners: dict[str, int] = field(default_factory=dict)
    free_at_ms: int = 0
    """The lock of allocation is held until then."""

    @property
    def used_bytes(self) -> int:
        return sum(self.volumes.values())

    @property
    def free_bytes(self) -> int:
        return self.total_bytes - self.used_bytes

    @property
    def shared(self) -> bool:
        return not self.node


@dataclass(slots=True, kw_only=True)
class Vm:
    vmid: int
    node: str
    config: dict[str, str] = field(default_factory=dict)
    running: bool = False
    started_ms: int = 0
    pool: str = ""
    ha_state: str = ""
    agent_after_ms: int | None = None
    """From start until the guest agent answers; None: as the cluster says."""
    answers_shutdown: bool = True
    addresses: tuple[str, ...] = ()
    base_of: int = 0
    """The template that a linked clone needs."""

    @property
    def name(self) -> str:
        return self.config.get("name", f"VM {self.vmid}")

    @property
    def lock(self) -> str:
        return self.config.get("lock", "")

    @property
    def template(self) -> bool:
        return self.config.get("template") == "1"

    @property
    def cores(self) -> int:
        return int(self.config.get("cores", "1")) * int(self.config.get("sockets", "1"))

    @property
    def memory_mib(self) -> int:
        return int(self.config.get("memory", "512"))


@dataclass(slots=True, kw_only=True)
class Task:
    upid: str
    node: str
    kind: str
    of: str
    user: str
    started_ms: int
    ends_ms: int
    work: Callable[[], None]
    undo: Callable[[], None] | None = None
    exit_status: str = ""
    """Empty: it runs."""
    ended_ms: int = 0


@dataclass(slots=True, kw_only=True)
class Token:
    secret: str
    grants: dict[str, frozenset[str]]
    """Path → privileges there and below."""

    def allows(self, path: str, privilege: str) -> bool:
        return any(
            privilege in privileges and (at in (path, "/") or path.startswith(f"{at}/"))
            for at, privileges in self.grants.items()
        )
