"""The life of a VM at Google: what a request for one must have, and how it comes and goes."""

import re

from herder.testing.gcp.errors import ApiError, Failed, invalid, not_found
from herder.testing.gcp.settings import MachineType
from herder.testing.gcp.state import Disk, Json, Operation, State, Vm, needs

_NAME = re.compile(r"[a-z]([-a-z0-9]{0,61}[a-z0-9])?")
_LABEL = re.compile(r"[a-z0-9_-]{0,63}")
_METADATA_BYTES_MAX = 256 * 1024
_RUN_S = (30, 120 * 86_400)


def insert(state: State, zone: str, body: Json) -> Operation:
    vm = _checked(state, zone, body)
    target = f"{state.path}/zones/{zone}/instances/{vm.name}"
    if (zone, vm.name) in state.vms:
        raise ApiError(409, "alreadyExists", f"The resource '{target}' already exists")
    if (zone, vm.name) in state.disks:
        disk = f"{state.path}/zones/{zone}/disks/{vm.name}"
        raise ApiError(409, "alreadyExists", f"The resource '{disk}' already exists")
    problem = _impossible(state, vm)
    state.vms[zone, vm.name] = vm
    _add_disk(state, vm)

    def staged() -> None:
        if problem is not None:
            raise problem
        if vm.status == "PROVISIONING":
            vm.status = "STAGING"

    def running() -> None:
        staged()
        if vm.status == "STAGING":
            vm.status = "RUNNING"
            _limit(state, vm)
            state.tell("running", vm)

    takes_ms = state.times.provision_ms
    if problem is None:
        state.timeline.at(state.now_ms + takes_ms, staged)
        takes_ms += state.times.stage_ms
    return state.begin(zone, "insert", target, vm.id, takes_ms, running, undo=lambda: state.remove(vm))


def delete(state: State, vm: Vm) -> Operation:
    if vm.body.get("deletionProtection"):
        raise invalid(
            "resource.name", vm.name, "Resource cannot be deleted if it's protected against deletion."
        )
    vm.status = "STOPPING"
    target = f"{state.path}/zones/{vm.zone}/instances/{vm.name}"
    return state.begin(vm.zone, "delete", target, vm.id, state.times.delete_ms, lambda: state.remove(vm))


def reset(state: State, vm: Vm) -> Operation:
    if vm.status != "RUNNING":
        raise ApiError(
            400,
            "resourceNotReady",
            f"The resource '{state.path}/zones/{vm.zone}/instances/{vm.name}' is not ready",
        )
    target = f"{state.path}/zones/{vm.zone}/instances/{vm.name}"
    return state.begin(vm.zone, "reset", target, vm.id, 1_000, lambda: state.tell("reset", vm))


def delete_disk(state: State, disk: Disk) -> Operation:
    target = f"{state.path}/zones/{disk.zone}/disks/{disk.name}"
    if disk.user:
        raise ApiError(
            400,
            "resourceInUseByAnotherResource",
            f"The disk resource '{target}' is already being used by '{state.path}/zones/{disk.zone}/instances/{disk.user}'",
        )
    place = (disk.zone, disk.name)
    return state.begin(
        disk.zone, "delete", target, disk.id, state.times.delete_ms, lambda: _drop(state, place)
    )


def _drop(state: State, place: tuple[str, str]) -> None:
    state.disks.pop(place, None)


def _limit(state: State, vm: Vm) -> None:
    seconds = vm.body.get("scheduling", {}).get("maxRunDuration", {}).get("seconds")
    if seconds is not None:
        state.timeline.at(state.now_ms + int(seconds) * 1000, lambda: state.remove(vm))


def _impossible(state: State, vm: Vm) -> Failed | None:
    region = vm.zone.rpartition("-")[0]
    used, limits = state.used(region), state.quotas[region]
    for metric, amount in needs(vm).items():
        limit = limits.get(metric)
        if limit is not None and used.get(metric, 0.0) + amount > limit:
            return Failed("QUOTA_EXCEEDED", f"Quota '{metric}' exceeded.  Limit: {limit} in region {region}.")
    if (vm.zone, vm.spot) in state.sold_out:
        where = f"{state.path}/zones/{vm.zone}"
        return Failed(
            "ZONE_RESOURCE_POOL_EXHAUSTED",
            f"The zone '{where}' does not have enough resources available to fulfill the request.  Try a different zone, or try again later.",
        )
    return None


# --- what a request must have, beside what the description says


def _checked(state: State, zone: str, body: Json) -> Vm:
    if not _NAME.fullmatch(str(body.get("name", ""))):
        raise invalid(
            "resource.name",
            body.get("name"),
            "Must be a match of regex '(?:[a-z](?:[-a-z0-9]{0,61}[a-z0-9])?)'",
        )
    for key, value in body.get("labels", {}).items():
        if not _LABEL.fullmatch(key) or not _LABEL.fullmatch(value):
            raise invalid("resource.labels", value, "Label keys and values must match '[a-z0-9_-]{0,63}'.")
    _check_disk(state, zone, body)
    _check_metadata(body)
    _check_scheduling(body.get("scheduling", {}))
    if not body.get("networkInterfaces"):
        raise ApiError(400, "required", "Required field 'resource.networkInterfaces' not specified")
    kind = _machine_type(state, zone, str(body.get("machineType", "")))
    return Vm(id=state.next_id(), zone=zone, body=body, machine_type=kind, created_ms=state.now_ms)


def _machine_type(state: State, zone: str, wanted: str) -> MachineType:
    place, _, name = wanted.rpartition("/machineTypes/")
    found = next((each for each in state.inventory.machine_types if each.name == name), None)
    if place.removeprefix(f"{state.path}/") != f"zones/{zone}" or found is None:
        raise invalid("resource.machineType", wanted, "The referenced resource does not exist.")
    return found


def _check_disk(state: State, zone: str, body: Json) -> None:
    disks = body.get("disks") or [{}]
    initial = disks[0].get("initializeParams", {})
    image = str(initial.get("sourceImage", ""))
    whole = image if image.startswith("projects/") else f"{state.path}/{image}"
    if whole not in state.inventory.images:
        raise not_found(whole)
    if not str(initial.get("diskType", "")).startswith(f"zones/{zone}/diskTypes/"):
        raise invalid("resource.disks[0].initializeParams.diskType", initial.get("diskType"), "Invalid zone.")


def _check_metadata(body: Json) -> None:
    for row in body.get("metadata", {}).get("items", ()):
        if len(row["value"].encode()) > _METADATA_BYTES_MAX:
            raise invalid("resource.metadata.items.value", "…", "Metadata value is too large.")


def _check_scheduling(found: Json) -> None:
    spot = found.get("provisioningModel") == "SPOT"
    if spot and found.get("automaticRestart", True):
        raise invalid("resource.scheduling.automaticRestart", True, "Spot VMs cannot restart automatically.")
    if spot and found.get("onHostMaintenance") != "TERMINATE":
        raise invalid(
            "resource.scheduling.onHostMaintenance",
            found.get("onHostMaintenance"),
            "Spot VMs must be TERMINATE.",
        )
    limit = found.get("maxRunDuration")
    if limit is not None:
        if not _RUN_S[0] <= int(limit.get("seconds", "0")) <= _RUN_S[1]:
            raise invalid(
                "resource.scheduling.maxRunDuration", limit, "Must be between 30 seconds and 120 days."
            )
        if "instanceTerminationAction" not in found:
            raise invalid(
                "resource.scheduling.instanceTerminationAction", None, "Is needed with maxRunDuration."
            )


def _add_disk(state: State, vm: Vm) -> None:
    attached = vm.body["disks"][0]
    initial = attached["initializeParams"]
    state.disks[vm.zone, vm.name] = Disk(
        id=state.next_id(),
        zone=vm.zone,
        name=vm.name,
        size_gib=int(initial.get("diskSizeGb", "10")),
        kind=str(initial["diskType"]),
        labels=dict(initial.get("labels", {})),
        description=str(initial.get("description", "")),
        user=vm.name,
        auto_delete=bool(attached.get("autoDelete", False)),
    )
