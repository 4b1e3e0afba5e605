"""What a played OCM has at its beginning: three ready clusters, and how long things take there."""

from dataclasses import dataclass
from typing import Any

CLIENT, SECRET, OFFLINE_TOKEN = "service-account-7", "played-client-secret", "played-offline-token"
#: Ids of the clusters.
CLASSIC, MULTI_AZ, HCP = "2a1b3c", "2a1b4d", "2a1b5e"
ZONES = ["eu-central-1a", "eu-central-1b", "eu-central-1c"]
SUBNETS = ["subnet-0a", "subnet-0b", "subnet-0c"]
VERSION = "4.16.8"


@dataclass(frozen=True, slots=True, kw_only=True)
class OcmTimes:
    node_starts_ms: int = 240_000
    node_drains_ms: int = 60_000
    token_s: int = 900


def clusters() -> dict[str, dict[str, Any]]:
    return {
        CLASSIC: cluster_body(CLASSIC, "plain", zones=ZONES[:1]),
        MULTI_AZ: cluster_body(MULTI_AZ, "three-zones", zones=ZONES, multi_az=True),
        HCP: cluster_body(HCP, "hosted", zones=ZONES, hosted=True, subnets=SUBNETS),
    }


def cluster_body(
    cluster: str,
    name: str,
    *,
    zones: list[str],
    hosted: bool = False,
    multi_az: bool = False,
    subnets: list[str] | None = None,
    version: str = VERSION,
) -> dict[str, Any]:
    return {
        "kind": "Cluster",
        "id": cluster,
        "href": f"/api/clusters_mgmt/v1/clusters/{cluster}",
        "name": name,
        "state": "ready",
        "multi_az": multi_az or hosted,
        "nodes": {"availability_zones": zones},
        "hypershift": {"enabled": hosted},
        "aws": {"subnet_ids": subnets or []},
        "version": {"kind": "VersionLink", "id": f"openshift-v{version}", "raw_id": version},
        "product": {"kind": "ProductLink", "id": "rosa"},
        "region": {"kind": "CloudRegionLink", "id": zones[0][:-1]},
    }


def default_pools(body: dict[str, Any]) -> list[dict[str, Any]]:
    """Those that ROSA makes with a cluster."""
    if body["hypershift"]["enabled"]:
        return [
            {
                "id": f"workers-{number}",
                "replicas": 1,
                "subnet": subnet,
                "aws_node_pool": {"instance_type": "m5.xlarge"},
            }
            for number, subnet in enumerate(body["aws"]["subnet_ids"])
        ]
    pool = {"id": "worker", "replicas": 2, "instance_type": "m5.xlarge"}
    if body["multi_az"]:
        pool |= {"replicas": 3, "availability_zones": body["nodes"]["availability_zones"]}
    return [pool]
