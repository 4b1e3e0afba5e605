"""How long things take in a cluster, and a small cluster to begin with."""

from dataclasses import dataclass

from herder.testing.proxmox.parts import GIB, Node, Storage, Token, Vm

TOKEN_ID = "herder@pve!tests"
TOKEN_SECRET = "11111111-2222-3333-4444-555555555555"
#: What an own driver needs, and no more (the role of a token).
PRIVILEGES = frozenset(
    {
        "Datastore.Allocate",
        "Datastore.AllocateSpace",
        "Datastore.AllocateTemplate",
        "Datastore.Audit",
        "Mapping.Audit",
        "Mapping.Use",
        "Pool.Allocate",
        "Pool.Audit",
        "SDN.Audit",
        "SDN.Use",
        "Sys.AccessNetwork",
        "Sys.Audit",
        "VM.Allocate",
        "VM.Audit",
        "VM.Clone",
        "VM.Config.CDROM",
        "VM.Config.CPU",
        "VM.Config.Cloudinit",
        "VM.Config.Disk",
        "VM.Config.HWType",
        "VM.Config.Memory",
        "VM.Config.Network",
        "VM.Config.Options",
        "VM.GuestAgent.Audit",
        "VM.Migrate",
        "VM.PowerMgmt",
    }
)


@dataclass(frozen=True, slots=True, kw_only=True)
class ProxmoxTimes:
    allocate_ms: int = 2_000
    """A full clone holds the lock of its storage for so long."""
    lock_wait_ms: int = 10_000
    """And waits for it at most so long."""
    clone_ms: int = 20_000
    linked_clone_ms: int = 1_000
    start_ms: int = 2_000
    stop_ms: int = 1_000
    shutdown_ms: int = 5_000
    shutdown_timeout_ms: int = 180_000
    ha_ms: int = 10_000
    """From the request of high availability until its manager acts."""
    delete_ms: int = 1_000
    upload_ms: int = 200
    migrate_ms: int = 5_000
    resize_ms: int = 200
    agent_after_ms: int = 10_000
    """From start until the guest agent answers."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Inventory:
    nodes: tuple[Node, ...]
    storages: tuple[Storage, ...]
    vms: tuple[Vm, ...]
    tokens: dict[str, Token]


def template(vmid: int, node: str, name: str = "talos-worker", storage: str = "local-lvm") -> Vm:
    """Its disk is made with the cluster: `base-VMID-disk-0`."""
    config = {
        "name": name,
        "template": "1",
        "cores": "2",
        "sockets": "1",
        "memory": "2048",
        "agent": "1",
        "scsihw": "virtio-scsi-single",
        "scsi0": f"{storage}:base-{vmid}-disk-0,size=20G",
        "net0": f"virtio=BC:24:11:00:00:{vmid % 100:02d},bridge=vmbr0",
        "boot": "order=scsi0",
        "tags": "talos",
    }
    return Vm(vmid=vmid, node=node, config=config)


def small_cluster(nodes: int = 2, memory_mib: int = 65_536, disk_gib: int = 500) -> Inventory:
    """Nodes pve1, pve2, …; on each the template talos-worker (VMID 9001, 9002, …) on local-lvm, and local for ISO images."""
    names = [f"pve{number + 1}" for number in range(nodes)]
    iso = frozenset({"iso", "vztmpl", "import", "backup"})
    return Inventory(
        nodes=tuple(Node(name=name, memory_mib=memory_mib) for name in names),
        storages=tuple(
            each
            for name in names
            for each in (
                Storage(name="local-lvm", node=name, total_bytes=disk_gib * GIB),
                Storage(name="local", node=name, kind="dir", content=iso, total_bytes=50 * GIB),
            )
        ),
        vms=tuple(template(9_001 + number, name) for number, name in enumerate(names)),
        tokens={TOKEN_ID: Token(secret=TOKEN_SECRET, grants={"/": PRIVILEGES})},
    )
