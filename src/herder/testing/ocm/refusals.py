"""What OCM's back end refuses of a machine pool that its description allows, from the JSON alone: written apart from the product's own rules, so
that each can be held against the other."""

import math
import re
from typing import Any

from herder.testing.fakes.messages import Answer

Json = dict[str, Any]
_API = "/api/clusters_mgmt/v1"


class ApiError(Exception):
    def __init__(self, status: int, reason: str, code: int = 0, details: Any = None) -> None:
        super().__init__(reason)
        self.status, self.reason, self.code, self.details = status, reason, code or status, details

    def answer(self) -> Answer:
        body: Json = {
            "kind": "Error",
            "id": str(self.code),
            "href": f"{_API}/errors/{self.code}",
            "code": f"CLUSTERS-MGMT-{self.code}",
            "reason": self.reason,
            "operation_id": "0d1f2e3c-4b5a",
        }
        return Answer(status=self.status, body=body)


def refuse(why: str) -> None:
    raise ApiError(400, why)


def check_new(body: Json, cluster: Json) -> None:
    hosted = cluster["hypershift"]["enabled"]
    name = body.get("id", "")
    if not re.fullmatch("[a-z]([-a-z0-9]*[a-z0-9])?", name):
        refuse(f"Machine pool name '{name}' is not valid")
    if re.fullmatch(r"workers?(-\d+)?" if hosted else "worker", name):
        refuse(f"Machine pool name '{name}' is reserved")
    check(body, cluster)


def check(body: Json, cluster: Json) -> None:
    hosted = cluster["hypershift"]["enabled"]
    aws = body.get("aws_node_pool" if hosted else "aws", {})
    if not (aws if hosted else body).get("instance_type"):
        refuse("Attribute 'instance_type' is missing")
    _counts(body, cluster, hosted)
    _disk(
        (aws.get("root_volume", {}) if hosted else body.get("root_volume", {}).get("aws", {})),
        cluster,
        hosted,
    )
    if (spot := aws.get("spot_market_options")) is not None:
        _spot(spot, aws)
    _places(body, cluster, hosted)
    for key, value in body.get("labels", {}).items():
        _pair("label", key, value)
    for taint in body.get("taints", ()):
        _pair("taint", taint.get("key", ""), taint.get("value", ""))
        if taint.get("effect") not in ("NoSchedule", "PreferNoSchedule", "NoExecute"):
            refuse(f"Taint effect '{taint.get('effect')}' is not valid")
    tags = aws.get("tags", {})
    bad = [
        key
        for key, value in tags.items()
        if not 0 < len(key) < 129 or len(value) > 256 or key.lower().startswith("aws:")
    ]
    if len(tags) > 25 or bad:
        refuse(f"Tags are not valid: {bad or len(tags)}")
    if hosted:
        _of_hosted(body)


def _counts(body: Json, cluster: Json, hosted: bool) -> None:
    auto, replicas = body.get("autoscaling"), body.get("replicas")
    if (auto is None) == (replicas is None):
        refuse("Exactly one of 'replicas' and 'autoscaling' must be set")
    plural = "" if hosted else "s"
    counts: list[Any] = (
        [replicas] if auto is None else [auto.get(f"min_replica{plural}"), auto.get(f"max_replica{plural}")]
    )
    if None in counts or min(counts) < 0 or counts != sorted(counts):
        refuse(f"Replicas {counts} are not valid")
    if auto is not None and counts[1] == 0:
        refuse("'max_replicas' must be greater than zero")
    single = (
        hosted
        or not cluster["multi_az"]
        or 1 in (len(body.get("availability_zones", ())), len(body.get("subnets", ())))
    )
    if not single and any(count % 3 for count in counts):
        refuse("Multi AZ clusters require that the number of replicas be a multiple of 3")
    limit = 500 if hosted else 249 if _version(cluster) >= (4, 14, 14) else 180
    if counts[-1] > limit:
        refuse(f"Number of replicas {counts[-1]} exceeds the maximum of {limit}")


def _disk(volume: Json, cluster: Json, hosted: bool) -> None:
    least = 75 if hosted else 128
    most = 1024 if not hosted and _version(cluster) < (4, 14) else 16384
    if "size" in volume and not least <= volume["size"] <= most:
        refuse(f"Disk size {volume['size']} GiB is not between {least} and {most}")


def _spot(spot: Json, aws: Json) -> None:
    if "max_price" in spot:
        try:
            price = float(spot["max_price"])
        except ValueError:
            price = 0.0
        if not math.isfinite(price) or price < 1e-6:
            refuse(f"Spot max price '{spot['max_price']}' is not valid")
    if aws.get("capacity_reservation", {}).get("id"):
        refuse("Spot instances cannot be used with a capacity reservation")


def _places(body: Json, cluster: Json, hosted: bool) -> None:
    zones = (
        [body["availability_zone"]] if body.get("availability_zone") else body.get("availability_zones", [])
    )
    subnets = [body["subnet"]] if body.get("subnet") else body.get("subnets", [])
    if zones and subnets:
        refuse("Availability zones and subnets cannot be used together")
    if subnets and not cluster["aws"]["subnet_ids"]:
        refuse("Subnets can only be set for BYO-VPC clusters")
    if not hosted and zones and not cluster["multi_az"]:
        refuse("Availability zones can only be set for multi AZ clusters")
    if not hosted and not set(zones) <= set(cluster["nodes"]["availability_zones"]):
        refuse(f"Availability zone {zones} is not one of the cluster's")


def _pair(what: str, key: str, value: str) -> None:
    name = r"([A-Za-z0-9][-A-Za-z0-9_.]{0,61})?[A-Za-z0-9]"
    domain = r"(?=[^/]{1,253}/)[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*/"
    if not re.fullmatch(f"({domain})?{name}", key) or not re.fullmatch(f"({name})?", value):
        refuse(f"The {what} '{key}={value}' is not valid")


def _of_hosted(body: Json) -> None:
    grace = body.get("node_drain_grace_period", {}).get("value", 0)
    if not 0 <= grace <= 7 * 24 * 60:
        refuse(f"Node drain grace period {grace} is not valid")
    for name in ("max_surge", "max_unavailable"):
        value = body.get("management_upgrade", {}).get(name, "0")
        number = value.removesuffix("%")
        if not re.fullmatch("0|[1-9][0-9]*|0[0-9]+", number) or (
            number != value and (int(number) > 100 or str(int(number)) != number)
        ):
            refuse(f"'{name}' {value} is not valid")


def check_fixed(body: Json, change: Json, hosted: bool) -> None:
    """`change`: the body of a PATCH."""
    free = {"replicas", "autoscaling", "labels", "taints"}
    if hosted:
        free |= {
            "auto_repair",
            "node_drain_grace_period",
            "management_upgrade",
            "aws_node_pool",
            "tuning_configs",
            "kubelet_configs",
        }
        of_aws = set(change.get("aws_node_pool", {})) - {"spot_market_options"}
        if of_aws:
            refuse(f"Attribute 'aws_node_pool.{min(of_aws)}' is immutable")
        if "aws_node_pool" in change and "spot_market_options" not in body["aws_node_pool"]:
            refuse("Attribute 'aws_node_pool.spot_market_options' cannot be added")
    fixed = set(change) - free
    if fixed:
        refuse(f"Attribute '{min(fixed)}' is immutable")


def _version(cluster: Json) -> tuple[int, ...]:
    return tuple(int(part) for part in cluster["version"]["raw_id"].split("."))
