"""How long things take, and a small subscription to begin with."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

SUBSCRIPTION = "6f5c3a52-1c1e-4b7e-9f0a-0d5c3f1b2a11"
GROUP = "herder"
TOKEN = "eyJ0-a-token-for-tests"
IMAGE = "Debian:debian-12:12-gen2:latest"
IMAGE_ID = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/{GROUP}/providers/Microsoft.Compute/images/herder-1"
GALLERY_IMAGE = f"/subscriptions/{SUBSCRIPTION}/resourceGroups/images/providers/Microsoft.Compute/galleries/ours/images/herder"
_NETWORKS = (
    f"/subscriptions/{SUBSCRIPTION}/resourceGroups/{GROUP}/providers/Microsoft.Network/virtualNetworks"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class AzureTimes:
    create_ms: int = 12_000
    delete_ms: int = 6_000
    delete_part_ms: int = 2_000
    notice_ms: int = 30_000
    """From the notice of an eviction to its beginning."""
    evict_ms: int = 5_000
    page_token_ms: int = 600_000
    """So long the address of a next page is accepted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Size:
    name: str
    family: str
    cpus: int
    memory_gib: float
    gpus: int = 0
    spot: bool = True
    spot_price: float = 0.02
    """USD for an hour, with which the maximum of a spot VM is compared."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Inventory:
    subscription: str = SUBSCRIPTION
    group: str = GROUP
    locations: tuple[str, ...] = ("westeurope", "northeurope")
    zones: tuple[str, ...] = ("1", "2", "3")
    """Of each location."""
    sizes: tuple[Size, ...] = (
        Size(name="Standard_D2s_v5", family="standardDSv5Family", cpus=2, memory_gib=8),
        Size(name="Standard_D8s_v5", family="standardDSv5Family", cpus=8, memory_gib=32),
        Size(name="Standard_B2s", family="standardBSFamily", cpus=2, memory_gib=4, spot=False),
        Size(name="Standard_NC4as_T4_v3", family="standardNCASv3_T4Family", cpus=4, memory_gib=28, gpus=1),
    )
    images: tuple[str, ...] = (IMAGE, IMAGE_ID, GALLERY_IMAGE)
    subnets: Mapping[str, str] = field(
        default_factory=lambda: {
            f"{_NETWORKS}/herder-{location}/subnets/workers": location
            for location in ("westeurope", "northeurope")
        }
    )
    """Ids, and their locations."""
    quotas: Mapping[str, int] = field(
        default_factory=lambda: {
            "cores": 1_000,
            "lowPriorityCores": 1_000,
            "virtualMachines": 25_000,
            "standardDSv5Family": 1_000,
            "standardBSFamily": 100,
            "standardNCASv3_T4Family": 100,
        }
    )
    """Of each location."""
    retail: tuple[dict[str, Any], ...] = ()


def small_subscription(**changed: Any) -> Inventory:
    """With prices of D2s and D8s v5 in both locations, and of T4 in West Europe, spot at a fifth; and with what must not be taken for them."""
    changed.setdefault("retail", tuple(_prices()))
    return Inventory(**changed)


def _prices() -> list[dict[str, Any]]:
    found = []
    for location in ("westeurope", "northeurope"):
        for size, price in (("Standard_D2s_v5", 0.115), ("Standard_D8s_v5", 0.46)):
            found += [
                retail(location, size, price),
                retail(location, size, price / 5, name="D v5 Spot"),
                retail(location, size, price / 4, name="D v5 Low Priority"),
                retail(location, size, price * 2, product="Virtual Machines Dsv5 Series Windows"),
                retail(location, size, price / 2, kind="DevTestConsumption"),
            ]
    return [*found, retail("westeurope", "Standard_NC4as_T4_v3", 0.558)]


def retail(
    location: str, size: str, price: float, *, name: str = "D v5", product: str = "Virtual Machines Dsv5 Series",
    kind: str = "Consumption", unit: str = "1 Hour",
) -> dict[str, Any]:  # fmt: skip
    return {
        "currencyCode": "USD",
        "tierMinimumUnits": 0.0,
        "retailPrice": price,
        "unitPrice": price,
        "armRegionName": location,
        "location": location,
        "effectiveStartDate": "2026-08-01T00:00:00Z",
        "meterId": "000a794b-bdb0-58be-a0cd-0c3a0f222923",
        "meterName": name,
        "productId": "DZH318Z0BQPS",
        "skuId": "DZH318Z0BQPS/00TG",
        "productName": product,
        "skuName": name,
        "serviceName": "Virtual Machines",
        "serviceId": "DZH313Z7MMC8",
        "serviceFamily": "Compute",
        "unitOfMeasure": unit,
        "type": kind,
        "isPrimaryMeterRegion": True,
        "armSkuName": size,
    }
