"""How long things take, and a small workspace to begin with."""

from collections.abc import Mapping
from dataclasses import dataclass, field

WORKSPACE = "3c2f6d0e-9a41-4a55-8d3c-7b1f0c9e5d21"
REGION = "southcentralus"
TOKEN = "eyJ0-a-token-for-terra"
IMAGE = "Debian:debian-12:12-gen2:latest"
USER = "herder@example.com"


@dataclass(frozen=True, slots=True, kw_only=True)
class TerraTimes:
    create_ms: int = 40_000
    delete_ms: int = 20_000
    notice_ms: int = 30_000
    """From the notice of an eviction until the VM is off."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    name: str
    family: str
    cpus: int
    memory_gib: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Inventory:
    workspace: str = WORKSPACE
    region: str = REGION
    sizes: tuple[Size, ...] = (
        Size(name="Standard_D2ds_v5", family="standardDDSv5Family", cpus=2, memory_gib=8),
        Size(name="Standard_D8ds_v5", family="standardDDSv5Family", cpus=8, memory_gib=32),
    )
    images: tuple[str, ...] = (IMAGE,)
    quotas: Mapping[str, int] = field(
        default_factory=lambda: {
            "cores": 1_000,
            "lowPriorityCores": 1_000,
            "standardDDSv5Family": 1_000,
        }
    )
