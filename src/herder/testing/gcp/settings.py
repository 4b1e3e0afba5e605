"""How long things take, and a small project to begin with."""

from dataclasses import dataclass, field
from typing import Any

PROJECT = "herder-tests"
TOKEN = "ya29.a-token-for-tests"
IMAGE = f"projects/{PROJECT}/global/images/herder-1"
FAMILY = f"projects/{PROJECT}/global/images/family/herder"


@dataclass(frozen=True, slots=True, kw_only=True)
class GcpTimes:
    provision_ms: int = 3_000
    """From the request until the VM is staged, or turns out not to be possible."""
    stage_ms: int = 7_000
    delete_ms: int = 5_000
    stop_ms: int = 30_000
    """From the signal of a preemption to the end of the VM."""
    page_token_ms: int = 600_000
    """So long a page token is accepted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class MachineType:
    name: str
    cpus: int
    memory_mib: int
    gpus: tuple[tuple[str, int], ...] = ()
    shared: bool = False

    @property
    def family(self) -> str:
        return self.name.partition("-")[0].upper()


@dataclass(frozen=True, slots=True, kw_only=True)
class Inventory:
    project: str = PROJECT
    zones: tuple[str, ...] = ("europe-west4-a", "europe-west4-b", "us-central1-a")
    machine_types: tuple[MachineType, ...] = (
        MachineType(name="n2-standard-2", cpus=2, memory_mib=8_192),
        MachineType(name="n2-standard-8", cpus=8, memory_mib=32_768),
        MachineType(name="e2-micro", cpus=2, memory_mib=1_024, shared=True),
        MachineType(name="g2-standard-4", cpus=4, memory_mib=16_384, gpus=(("nvidia-l4", 1),)),
    )
    images: tuple[str, ...] = (IMAGE, FAMILY)
    quotas: dict[str, float] = field(
        default_factory=lambda: {
            "CPUS": 1_000.0,
            "PREEMPTIBLE_CPUS": 1_000.0,
            "SSD_TOTAL_GB": 100_000.0,
            "INSTANCES": 1_000.0,
        }
    )
    """Of each region."""
    skus: tuple[dict[str, Any], ...] = ()


def small_project(**changed: Any) -> Inventory:
    """With prices of N2 in the Netherlands and Iowa, and of G2 in the Netherlands, spot at a third."""
    changed.setdefault("skus", tuple(_prices()))
    return Inventory(**changed)


def _prices() -> list[dict[str, Any]]:
    found = []
    for region, place in (("europe-west4", "Netherlands"), ("us-central1", "Americas")):
        for spot in (False, True):
            for text, nanos, unit in (
                ("N2 Instance Core", 34_000_000, "h"),
                ("N2 Instance Ram", 4_600_000, "GiBy.h"),
                ("G2 Instance Core", 28_000_000, "h"),
                ("G2 Instance Ram", 3_300_000, "GiBy.h"),
                ("Nvidia L4 GPU", 620_000_000, "h"),
            ):
                if not text.startswith("N2") and region != "europe-west4":
                    continue
                name = f"Spot Preemptible {text}" if spot else text
                found.append(
                    sku(f"{name} running in {place}", region, nanos // (3 if spot else 1), unit, spot=spot)
                )
    return found


def sku(text: str, region: str, nanos: int, unit: str = "h", *, spot: bool = False) -> dict[str, Any]:
    number = f"{abs(hash((text, region))) % 16**12:012X}"
    ident = "-".join(number[start : start + 4] for start in (0, 4, 8))
    return {
        "name": f"services/6F81-5844-456A/skus/{ident}",
        "skuId": ident,
        "description": text,
        "category": {
            "serviceDisplayName": "Compute Engine",
            "resourceFamily": "Compute",
            "resourceGroup": "CPU",
            "usageType": "Preemptible" if spot else "OnDemand",
        },
        "serviceRegions": [region],
        "pricingInfo": [
            {
                "summary": "",
                "effectiveTime": "2026-11-26T00:00:00Z",
                "currencyConversionRate": 1,
                "pricingExpression": {
                    "usageUnit": unit,
                    "displayQuantity": 1,
                    "tieredRates": [
                        {
                            "startUsageAmount": 0,
                            "unitPrice": {"currencyCode": "USD", "units": "0", "nanos": nanos},
                        }
                    ],
                },
            }
        ],
        "serviceProviderName": "Google",
    }
