"""What Google's answers say of the state: VMs, disks, operations, zones, regions, types of machines, prices."""

import re
from collections.abc import Iterator
from typing import Any

from herder.testing.gcp.errors import invalid
from herder.testing.gcp.settings import MachineType
from herder.testing.gcp.state import LINK, Disk, Json, Operation, State, Vm, moment

_TERM = re.compile(r"\s*\(?\s*([\w.-]+)\s*=\s*(?:\"([^\"]*)\"|([\w.-]+))\s*\)?\s*(?:AND\s*)?")


def vm(state: State, found: Vm) -> Json:
    zone = f"{LINK}/{state.path}/zones/{found.zone}"
    number = int(found.id) % 250
    card = {**found.body["networkInterfaces"][0], "name": "nic0", "networkIP": f"10.164.0.{number}"}
    if card.get("accessConfigs"):
        card["accessConfigs"] = [{**card["accessConfigs"][0], "natIP": f"34.90.0.{number}"}]
    disk = {
        "boot": True,
        "autoDelete": found.body["disks"][0].get("autoDelete", False),
        "deviceName": "persistent-disk-0",
        "source": f"{zone}/disks/{found.name}",
    }
    body = {name: value for name, value in found.body.items() if name not in ("disks", "networkInterfaces")}
    return {
        **body,
        "kind": "compute#instance",
        "id": found.id,
        "status": found.status,
        "zone": zone,
        "selfLink": f"{zone}/instances/{found.name}",
        "creationTimestamp": moment(found.created_ms),
        "machineType": f"{LINK}/{state.path}/{found.body['machineType']}",
        "networkInterfaces": [card],
        "disks": [disk],
    }


def disk(state: State, found: Disk) -> Json:
    zone = f"{LINK}/{state.path}/zones/{found.zone}"
    answer: Json = {
        "kind": "compute#disk",
        "id": found.id,
        "name": found.name,
        "zone": zone,
        "sizeGb": str(found.size_gib),
        "type": f"{LINK}/{state.path}/{found.kind}",
        "labels": found.labels,
        "description": found.description,
        "status": "READY",
        "selfLink": f"{zone}/disks/{found.name}",
    }
    if found.user:
        answer["users"] = [f"{zone}/instances/{found.user}"]
    return answer


def operation(state: State, found: Operation) -> Json:
    zone = f"{LINK}/{state.path}/zones/{found.zone}"
    answer: Json = {
        "kind": "compute#operation",
        "id": found.id,
        "name": found.name,
        "operationType": found.kind,
        "status": "DONE" if found.done else "RUNNING",
        "progress": 100 if found.done else 0,
        "targetLink": f"{LINK}/{found.target}",
        "targetId": found.target_id,
        "user": "system" if found.kind.startswith("compute.") else "herder@tests.iam.gserviceaccount.com",
        "insertTime": moment(found.begun_ms),
        "zone": zone,
        "selfLink": f"{zone}/operations/{found.name}",
    }
    if found.code:
        answer["error"] = {"errors": [{"code": found.code, "message": found.message}]}
        answer["httpErrorStatusCode"] = 403 if found.code == "QUOTA_EXCEEDED" else 503
        answer["httpErrorMessage"] = "FORBIDDEN" if found.code == "QUOTA_EXCEEDED" else "SERVICE UNAVAILABLE"
    return answer


def zone(state: State, name: str) -> Json:
    region_link = f"{LINK}/{state.path}/regions/{name.rpartition('-')[0]}"
    return {
        "kind": "compute#zone",
        "id": "2231",
        "name": name,
        "status": "UP",
        "region": region_link,
        "selfLink": f"{LINK}/{state.path}/zones/{name}",
    }


def region(state: State, name: str) -> Json:
    used = state.used(name)
    return {
        "kind": "compute#region",
        "id": "1100",
        "name": name,
        "status": "UP",
        "quotas": [
            {"metric": metric, "limit": limit, "usage": used.get(metric, 0.0)}
            for metric, limit in state.quotas[name].items()
        ],
        "selfLink": f"{LINK}/{state.path}/regions/{name}",
    }


def machine_type(state: State, found: MachineType, at: str) -> Json:
    answer: Json = {
        "kind": "compute#machineType",
        "id": "801002",
        "name": found.name,
        "guestCpus": found.cpus,
        "memoryMb": found.memory_mib,
        "isSharedCpu": found.shared,
        "zone": at,
        "selfLink": f"{LINK}/{state.path}/zones/{at}/machineTypes/{found.name}",
    }
    if found.gpus:
        answer["accelerators"] = [
            {"guestAcceleratorType": kind, "guestAcceleratorCount": count} for kind, count in found.gpus
        ]
    return answer


def image(state: State, name: str) -> Json:
    return {
        "kind": "compute#image",
        "id": "77",
        "name": name,
        "status": "READY",
        "diskSizeGb": "10",
        "selfLink": f"{LINK}/{state.path}/global/images/{name}",
    }


# --- lists


def filtered(rows: list[Json], text: str) -> list[Json]:
    """`labels.a = "b"`, `(operationType = "x") (targetId = 1)`: what a filter must know; anything else is refused."""
    terms = list(_terms(text))
    return [row for row in rows if all(str(_value(row, name)) == value for name, value in terms)]


def _terms(text: str) -> Iterator[tuple[str, str]]:
    place = 0
    while place < len(text):
        found = _TERM.match(text, place)
        if found is None or found.end() == place:
            raise invalid("filter", text, "Invalid list filter expression.")
        yield found[1], found[2] if found[2] is not None else found[3]
        place = found.end()


def _value(row: Json, name: str) -> Any:
    value: Any = row
    for part in name.split("."):
        value = value.get(part) if isinstance(value, dict) else None
    return value
