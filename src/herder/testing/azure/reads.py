"""What Azure's answers say of the state: VMs, their parts, operations, usages, sizes."""

import json
from typing import Any

from herder.testing.azure.settings import Size
from herder.testing.azure.state import ADDRESSES, CARDS, DISKS, VMS, Json, Operation, Part, State, Vm, moment

#: What Azure takes and never shows.
_HIDDEN = ("customData", "adminPassword")


def vm(state: State, found: Vm, *, view: bool = False) -> Json:
    properties = {**found.body["properties"], "provisioningState": found.provisioning}
    profile = properties.get("osProfile", {})
    properties["osProfile"] = {name: value for name, value in profile.items() if name not in _HIDDEN}
    properties["timeCreated"] = moment(found.created_ms)
    if view:
        properties["instanceView"] = {"statuses": _statuses(found)}
    ident = {"id": state.id_of(VMS, found.name), "name": found.name, "type": f"Microsoft.Compute/{VMS}"}
    return {**found.body, **ident, "properties": properties}


def vm_status(state: State, found: Vm) -> Json:
    """Of a list with `statusOnly`: its states, and little else."""
    properties = {"instanceView": {"statuses": _statuses(found)}}
    return {
        "id": state.id_of(VMS, found.name),
        "name": found.name,
        "location": found.location,
        "properties": properties,
    }


def _statuses(found: Vm) -> list[Json]:
    state = found.provisioning.lower()
    if found.code:
        words = {"level": "Error", "displayStatus": "Provisioning failed", "message": found.message}
        rows = [{"code": f"ProvisioningState/{state}/{found.code}", **words}]
    else:
        rows = [
            {
                "code": f"ProvisioningState/{state}",
                "level": "Info",
                "displayStatus": f"Provisioning {state}",
            }
        ]
    if found.power:
        rows.append(
            {"code": f"PowerState/{found.power}", "level": "Info", "displayStatus": f"VM {found.power}"}
        )
    return rows


def part(state: State, found: Part) -> Json:
    ident = state.id_of(found.kind, found.name)
    kind = ident.split("/providers/")[1].rpartition("/")[0]
    properties = {**found.body["properties"], "provisioningState": found.provisioning}
    answer: Json = {**found.body, "id": ident, "name": found.name, "type": kind}
    if found.kind == CARDS:
        properties["ipConfigurations"] = [
            {
                **each,
                "id": f"{ident}/ipConfigurations/{each['name']}",
                "properties": {**each["properties"], "privateIPAddress": f"10.0.0.{found.number % 250 + 4}"},
            }
            for each in properties["ipConfigurations"]
        ]
        if found.user:
            properties["virtualMachine"] = {"id": state.id_of(VMS, found.user)}
    elif found.kind == ADDRESSES:
        properties["ipAddress"] = f"20.50.0.{found.number % 250 + 1}"
        if found.user:
            properties["ipConfiguration"] = {"id": f"{state.id_of(CARDS, found.user)}/ipConfigurations/first"}
    elif found.kind == DISKS and found.user:
        answer["managedBy"] = state.id_of(VMS, found.user)
    return answer | {"properties": properties}


def operation(found: Operation) -> Json:
    answer: Json = {"name": found.id, "status": found.status, "startTime": moment(found.begun_ms)}
    if found.code:
        answer["error"] = {"code": found.code, "message": found.message}
    return answer


def usages(state: State, location: str) -> list[Json]:
    used = state.used(location)
    return [
        {
            "unit": "Count",
            "currentValue": used.get(name, 0),
            "limit": limit,
            "name": {"value": name, "localizedValue": name},
        }
        for name, limit in state.quotas[location].items()
    ]


def size(state: State, found: Size, location: str) -> Json:
    values: dict[str, Any] = {
        "vCPUs": found.cpus,
        "MemoryGB": found.memory_gib,
        "LowPriorityCapable": found.spot,
    }
    if found.gpus:
        values["GPUs"] = found.gpus
    restrictions = []
    if (found.name, location) in state.restricted:
        restrictions.append(
            {
                "type": "Location",
                "values": [location],
                "restrictionInfo": {"locations": [location]},
                "reasonCode": "NotAvailableForSubscription",
            }
        )
    return {
        "resourceType": "virtualMachines",
        "name": found.name,
        "tier": "Standard",
        "family": found.family,
        "locations": [location],
        "locationInfo": [{"location": location, "zones": list(state.inventory.zones)}],
        "capabilities": [{"name": name, "value": str(value)} for name, value in values.items()],
        "restrictions": restrictions,
    }


def events(state: State, wanted: str) -> list[Json]:
    """Of the activity log, the newest first. `wanted`: a filter with `resourceUri eq '…'`."""
    target = wanted.rpartition("resourceUri eq ")[2].strip("'").lower()
    found = []
    for each in state.operations.values():
        if each.target.lower() == target:
            found.append(_event(each, "Started", each.begun_ms))
            if each.status != "InProgress":
                found.append(_event(each, each.status, each.ended_ms))
    return found[::-1]


def _event(found: Operation, status: str, at_ms: int) -> Json:
    failure = {"error": {"code": found.code, "message": found.message}}
    return {
        "caller": "herder@example.com",
        "operationId": found.id,
        "operationName": {"value": found.action, "localizedValue": found.action},
        "status": {"value": status, "localizedValue": status},
        "eventTimestamp": moment(at_ms),
        "resourceId": found.target,
        "properties": {"statusMessage": json.dumps(failure)} if status == "Failed" else {},
    }


def scheduled_events(state: State) -> Json:
    """As the metadata server of each VM of a set tells them."""
    events = [
        {
            "EventId": f"evict-{each.name}",
            "EventType": "Preempt",
            "ResourceType": "VirtualMachine",
            "Resources": [each.name],
            "EventStatus": "Scheduled",
            "NotBefore": moment(each.evicted_at_ms),
        }
        for each in state.vms.values()
        if each.evicted_at_ms is not None
    ]
    return {"DocumentIncarnation": len(events), "Events": events}
