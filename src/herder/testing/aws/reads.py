"""What the region answers to who only reads, in pages. Called by `cloud`."""

import re
from collections.abc import Callable, Mapping
from typing import Any

from herder.testing.aws.answers import ApiError
from herder.testing.aws.state import PAGE_TOKEN_MS, Form, Instance, Region, Volume, moment

Json = dict[str, Any]
_CODES = {"pending": 0, "running": 16, "shutting-down": 32, "terminated": 48, "stopping": 64, "stopped": 80}
ACCOUNT = "123456789012"


def instances(region: Region, form: Form) -> Json:
    if "InstanceId.1" in form:
        return {"reservationSet": [reservation(there(region, form["InstanceId.1"]))]}
    rows = [
        reservation(each)
        for each in region.instances.values()
        if region.shown(each) and _meets(form, each.tags, _fields(each))
    ]
    return _page(region, form, "reservationSet", rows)


def _fields(instance: Instance) -> Json:
    return {
        "client-token": instance.form.get("ClientToken", ""),
        "instance-state-name": instance.state,
    }


def volumes(region: Region, form: Form) -> Json:
    rows = [
        _volume(each)
        for each in region.volumes.values()
        if _meets(form, each.tags, {"status": "in-use" if each.user else "available"})
    ]
    return _page(region, form, "volumeSet", rows)


def spot_requests(region: Region, form: Form) -> Json:
    rows = []
    for each in region.instances.values():
        marked = each.interrupted_ms is not None
        code = "marked-for-termination" if marked else "fulfilled"
        code = code if each.counts else "instance-terminated-no-capacity"
        if each.spot and _meets(form, each.tags, {"status-code": code}):
            updated_ms = each.began_ms if each.interrupted_ms is None else each.interrupted_ms
            rows.append(
                {
                    "spotInstanceRequestId": f"sir-{each.id[-8:]}",
                    "instanceId": each.id,
                    "state": "active" if each.counts else "closed",
                    "status": {"code": code, "updateTime": moment(updated_ms), "message": code},
                }
            )
    return _page(region, form, "spotInstanceRequestSet", rows)


def zones(region: Region, _form: Form) -> Json:
    rows = [
        {"zoneName": zone, "zoneState": "available", "regionName": region.region} for zone in region.zones
    ]
    return {"availabilityZoneInfo": rows}


def images(region: Region, form: Form) -> Json:
    if form["ImageId.1"] not in region.images:
        raise ApiError("InvalidAMIID.NotFound", f"The image id '[{form['ImageId.1']}]' does not exist")
    row = {"imageId": form["ImageId.1"], "imageState": "available", "rootDeviceName": region.root_device}
    return {"imagesSet": [row]}


def types(region: Region, form: Form) -> Json:
    rows = [
        {
            "instanceType": kind,
            "vCpuInfo": {"defaultVCpus": cpus},
            "memoryInfo": {"sizeInMiB": cpus * 4_096},
            "supportedUsageClasses": ["on-demand", "spot"],
        }
        for kind, cpus in region.types.items()
    ]
    return _page(region, form, "instanceTypeSet", rows)


def offerings(region: Region, form: Form) -> Json:
    rows = [
        {"instanceType": kind, "locationType": form["LocationType"], "location": zone}
        for kind in region.types
        for zone in region.zones
    ]
    return _page(region, form, "instanceTypeOfferingSet", rows)


def spot_prices(region: Region, form: Form) -> Json:
    rows = [
        {
            "instanceType": kind, "availabilityZone": zone, "spotPrice": price,
            "productDescription": form["ProductDescription.1"], "timestamp": form["StartTime"],
        }
        for (kind, zone), price in region.spot_prices.items()
    ]  # fmt: skip
    return _page(region, form, "spotPriceHistorySet", rows)


def console(region: Region, form: Form) -> Json:
    found = there(region, form["InstanceId"])
    return {"instanceId": found.id, "timestamp": moment(region.now_ms), "output": found.console}


READS: Mapping[str, Callable[[Region, Form], Json]] = {
    "DescribeInstances": instances,
    "DescribeVolumes": volumes,
    "DescribeSpotInstanceRequests": spot_requests,
    "DescribeAvailabilityZones": zones,
    "DescribeImages": images,
    "DescribeInstanceTypes": types,
    "DescribeInstanceTypeOfferings": offerings,
    "DescribeSpotPriceHistory": spot_prices,
    "GetConsoleOutput": console,
}


def there(region: Region, ident: str) -> Instance:
    if not ident.startswith("i-"):
        raise ApiError("InvalidInstanceID.Malformed", f'Invalid id: "{ident}"')
    found = region.instances.get(ident)
    if found is None or not region.shown(found):
        raise ApiError("InvalidInstanceID.NotFound", f"The instance ID '{ident}' does not exist")
    return found


def state(name: str) -> Json:
    return {"code": _CODES[name], "name": name}


def reservation(instance: Instance) -> Json:
    row: Json = {
        "instanceId": instance.id,
        "imageId": instance.form["ImageId"],
        "instanceState": state(instance.state),
        "instanceType": instance.form["InstanceType"],
        "launchTime": moment(instance.began_ms),
        "placement": {"availabilityZone": instance.zone},
        "privateIpAddress": f"10.0.0.{int(instance.id[2:], 16) % 250 + 4}",
        "clientToken": instance.form.get("ClientToken", ""),
        "cpuOptions": {"coreCount": instance.cpus // 2, "threadsPerCore": 2},
        "tagSet": tag_set(instance.tags),
    }
    if instance.reason[0]:
        at = (
            f" ({moment(instance.ended_ms)[:19].replace('T', ' ')} GMT)"
            if instance.ended_ms is not None
            else ""
        )
        row["reason"] = f"{instance.reason[1]}{at}"
        row["stateReason"] = {"code": instance.reason[0], "message": instance.reason[1]}
    if instance.spot:
        row["instanceLifecycle"] = "spot"
    return {"reservationId": f"r-{instance.id[2:]}", "ownerId": ACCOUNT, "instancesSet": [row]}


def _volume(volume: Volume) -> Json:
    attached = (
        [{"instanceId": volume.user, "volumeId": volume.id, "status": "attached"}] if volume.user else []
    )
    return {
        "volumeId": volume.id,
        "status": "in-use" if volume.user else "available",
        "createTime": moment(volume.began_ms),
        "attachmentSet": attached,
        "tagSet": tag_set(volume.tags),
    }


def tag_set(tags: Mapping[str, str]) -> list[Json]:
    return [{"key": name, "value": value} for name, value in tags.items()]


def _meets(form: Form, tags: Mapping[str, str], fields: Mapping[str, str]) -> bool:
    """All filters, each with one of its values; `*` and `?` are wildcards."""
    for key in form:
        if key.startswith("Filter.") and key.endswith(".Name"):
            start = f"{key.removesuffix('Name')}Value."
            value = _value(form[key], tags, fields)
            patterns = [_pattern(form[name]) for name in form if name.startswith(start)]
            if not any(re.fullmatch(each, value) for each in patterns):
                return False
    return True


def _value(filtered: str, tags: Mapping[str, str], fields: Mapping[str, str]) -> str:
    if filtered.startswith("tag:"):
        return tags.get(filtered.removeprefix("tag:"), "")
    if filtered not in fields:
        raise ApiError("InvalidParameterValue", f"The filter '{filtered}' is invalid")
    return fields[filtered]


def _pattern(text: str) -> str:
    return re.escape(text).replace(r"\*", ".*").replace(r"\?", ".")


def _page(region: Region, form: Form, name: str, rows: list[Json]) -> Json:
    """A token is a place in the list, and expires."""
    token = form.get("NextToken", "")
    start, _, at_ms = token.removeprefix("p-").partition("-")
    if token and not (
        start.isdecimal() and at_ms.isdecimal() and region.now_ms - int(at_ms) <= PAGE_TOKEN_MS
    ):
        raise ApiError("InvalidNextToken", "The token is not valid")
    first = int(start or 0)
    end = first + min(region.page_rows, int(form.get("MaxResults", "1000")))
    answer: Json = {name: rows[first:end]}
    if end < len(rows):
        answer["nextToken"] = f"p-{end}-{region.now_ms}"
    return answer
