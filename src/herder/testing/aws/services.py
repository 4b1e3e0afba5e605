"""The services beside EC2: the price list, quotas, and the log of the account. JSON over one address; called by `cloud`."""

import json
from collections.abc import Callable, Mapping
from typing import Any

from herder.testing.aws.answers import ServiceError
from herder.testing.aws.state import PAGE_TOKEN_MS, Event, Region

Json = dict[str, Any]
#: By the start of the target in a request: the service as botocore names it, as requests are signed, and as permissions name it.
SERVICES = {
    "AWSPriceListService": ("pricing", "pricing", "pricing"),
    "com.amazonaws.cloudtrail.v20131101.CloudTrail_20131101": ("cloudtrail", "cloudtrail", "cloudtrail"),
    "ServiceQuotasV20190624": ("service-quotas", "servicequotas", "servicequotas"),
}
STANDARD = "Running On-Demand Standard (A, C, D, H, I, M, R, T, Z) instances"
STANDARD_SPOT = "All Standard (A, C, D, H, I, M, R, T, Z) Spot Instance Requests"


def products(region: Region, asked: Json) -> Json:
    if asked["ServiceCode"] != "AmazonEC2":
        raise ServiceError("NotFoundException", f"The service code {asked['ServiceCode']} is not valid.")
    wanted = {each["Field"]: each["Value"] for each in asked.get("Filters", ())}
    rows = [
        json.dumps(each)
        for each in region.products
        if all(each["product"]["attributes"].get(name) == value for name, value in wanted.items())
    ]
    return {"FormatVersion": "aws_v1", **_page(region, asked, "PriceList", rows, "InvalidNextTokenException")}


def quotas(region: Region, asked: Json) -> Json:
    rows = [
        _quota(region, "L-1216C47A", STANDARD, region.cpus_limit, "vCPU"),
        _quota(region, "L-34B43A08", STANDARD_SPOT, region.spot_cpus_limit, "vCPU"),
        _quota(region, "L-DB2E81BA", "Running On-Demand G and VT instances", 0, "vCPU"),
        _quota(region, "L-0263D0A3", "EC2-VPC Elastic IPs", 5, "None"),
    ]
    if asked["ServiceCode"] != "ec2":
        raise ServiceError("NoSuchResourceException", f"The service {asked['ServiceCode']} does not exist.")
    return _page(region, asked, "Quotas", rows, "InvalidPaginationTokenException")


def events(region: Region, asked: Json) -> Json:
    """The newest first."""
    (wanted,) = asked["LookupAttributes"]
    key, value = wanted["AttributeKey"], wanted["AttributeValue"]
    if key not in ("EventName", "ResourceName"):
        raise ServiceError("InvalidLookupAttributesException", f"{key} is not played.")
    rows = [
        _event(each)
        for each in reversed(region.events)
        if each.at_ms + region.trail_lag_ms <= region.now_ms
        and (each.name == value if key == "EventName" else value in each.idents)
    ]
    return _page(region, asked, "Events", rows, "InvalidNextTokenException")


ANSWERS: Mapping[str, Callable[[Region, Json], Json]] = {
    "GetProducts": products,
    "ListServiceQuotas": quotas,
    "LookupEvents": events,
}


def product(region: str, kind: str, price: str, *, unit: str = "Hrs", **attributes: str) -> Json:
    """A row of the price list, with the parts of a real one that matter."""
    sku = f"SKU-{kind}-{'-'.join(attributes.values())}".upper()
    term = f"{sku}.JRTCKXETXF"
    dimension = {
        "unit": unit,
        "endRange": "Inf",
        "beginRange": "0",
        "description": f"${price} per On Demand Linux {kind} Instance Hour",
        "appliesTo": [],
        "rateCode": f"{term}.6YS6EN2CT7",
        "pricePerUnit": {"USD": price},
    }
    usual = {
        "servicecode": "AmazonEC2",
        "regionCode": region,
        "locationType": "AWS Region",
        "instanceType": kind,
        "operatingSystem": "Linux",
        "preInstalledSw": "NA",
        "tenancy": "Shared",
        "capacitystatus": "Used",
        "marketoption": "OnDemand",
        "operation": "RunInstances",
    }
    return {
        "product": {"productFamily": "Compute Instance", "attributes": usual | attributes, "sku": sku},
        "serviceCode": "AmazonEC2",
        "terms": {
            "OnDemand": {term: {"sku": sku, "priceDimensions": {f"{term}.6YS6EN2CT7": dimension}}},
            "Reserved": {f"{sku}.38NPMPTW36": {"sku": sku, "priceDimensions": {}}},
        },
        "version": "20261101000000",
        "publicationDate": "2026-11-01T00:00:00Z",
    }


def _event(event: Event) -> Json:
    body: Json = {"eventName": event.name, "eventSource": "ec2.amazonaws.com"}
    if event.name == "RunInstances":
        body["requestParameters"] = {"clientToken": event.token}
        items = [{"instanceId": each} for each in event.idents]
        body["responseElements"] = {"instancesSet": {"items": items}} if items else None
    if event.error[0]:
        body |= {"errorCode": event.error[0], "errorMessage": event.error[1]}
    return {
        "EventId": f"00000000-0000-4000-8000-{event.number:012x}",
        "EventName": event.name,
        "EventSource": "ec2.amazonaws.com",
        "EventTime": event.at_ms / 1000,
        "ReadOnly": "false",
        "Resources": [{"ResourceType": "AWS::EC2::Instance", "ResourceName": each} for each in event.idents],
        "Username": event.by,
        "CloudTrailEvent": json.dumps(body),
    }


def _quota(region: Region, code: str, name: str, value: int, unit: str) -> Json:
    return {
        "ServiceCode": "ec2",
        "ServiceName": "Amazon Elastic Compute Cloud (Amazon EC2)",
        "QuotaArn": f"arn:aws:servicequotas:{region.region}:123456789012:ec2/{code}",
        "QuotaCode": code,
        "QuotaName": name,
        "Value": float(value),
        "Unit": unit,
        "Adjustable": True,
        "GlobalQuota": False,
    }


def _page(region: Region, asked: Json, name: str, rows: list[Any], expired: str) -> Json:
    token = asked.get("NextToken", "")
    start, _, at_ms = token.removeprefix("s-").partition("-")
    if token and not (
        start.isdecimal() and at_ms.isdecimal() and region.now_ms - int(at_ms) <= PAGE_TOKEN_MS
    ):
        raise ServiceError(expired, "The token is not valid")
    first = int(start or 0)
    end = first + min(region.page_rows, asked.get("MaxResults", 100))
    answer: Json = {name: rows[first:end]}
    if end < len(rows):
        answer["NextToken"] = f"s-{end}-{region.now_ms}"
    return answer
