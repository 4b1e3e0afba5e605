"""The life of a VM at Azure: what a request for one must have, beside what the description says, and how it comes and goes."""

import base64
import binascii
import re
from collections.abc import Mapping

from herder.testing.azure.errors import ApiError, Failed, invalid, not_found
from herder.testing.azure.parts import check_tags, linked
from herder.testing.azure.settings import Size
from herder.testing.azure.state import CARDS, DISKS, VMS, Json, Operation, Part, State, Vm, needs

_NAME = re.compile(r"[A-Za-z0-9]([A-Za-z0-9._-]{0,62}[A-Za-z0-9_])?")
CUSTOM_DATA_MAX = 87_380


def create(state: State, name: str, body: Json, headers: Mapping[str, str]) -> tuple[Vm, Operation]:
    if name.lower() in state.vms:
        if headers.get("if-none-match") == "*":
            raise ApiError(
                412,
                "PreconditionFailed",
                f"The precondition given in the header is not met: VM {name} exists.",
            )
        raise ApiError(
            409, "PropertyChangeNotAllowed", "Changing property 'osProfile.customData' is not allowed."
        )
    vm = Vm(name=name, body=body, size=_size(state, body), created_ms=state.now_ms)
    card = _checked(state, vm)
    _check_disk(state, vm)
    _check_quota(state, vm)
    state.vms[name.lower()] = vm
    card.user = name
    card.stays = (
        body["properties"]["networkProfile"]["networkInterfaces"][0]["properties"].get("deleteOption")
        != "Delete"
    )
    _add_disk(state, vm)
    problem = _stock_out(state, vm)

    def running() -> None:
        if vm.provisioning != "Creating":
            raise Failed("OperationPreempted", "The operation was preempted by a more recent one.")
        if problem is not None:
            raise problem
        vm.provisioning, vm.power = "Succeeded", "running"
        state.tell("running", vm)

    def failed(error: Failed) -> None:
        if vm.provisioning == "Creating":
            vm.provisioning, vm.code, vm.message = "Failed", error.code, str(error)

    return vm, state.begin("create", vm.location, state.times.create_ms, running, failed)


def delete(state: State, vm: Vm) -> Operation:
    before, vm.provisioning = vm.provisioning, "Deleting"

    def failed(_error: Failed) -> None:
        vm.provisioning = before

    return state.begin("delete", vm.location, state.times.delete_ms, lambda: state.remove(vm), failed)


def restart(state: State, vm: Vm) -> Operation:
    if vm.power != "running":
        raise ApiError(
            409,
            "OperationNotAllowed",
            f"Operation 'restart' is not allowed on VM '{vm.name}' since it is not running.",
        )
    return state.begin("restart", vm.location, 1_000, lambda: state.tell("reset", vm))


def _check_quota(state: State, vm: Vm) -> None:
    used, limits = state.used(vm.location), state.quotas[vm.location]
    for name, amount in needs(vm).items():
        limit = limits.get(name)
        if limit is not None and used.get(name, 0) + amount > limit:
            raise ApiError(
                409,
                "OperationNotAllowed",
                f"Operation could not be completed as it results in exceeding approved {name} Cores quota. Additional details - Deployment Model: Resource Manager, "
                f"Location: {vm.location}, Current Limit: {limit}, Current Usage: {used.get(name, 0)}, Additional Required: {amount}.",
            )


def _stock_out(state: State, vm: Vm) -> Failed | None:
    if (vm.zone, vm.spot) not in state.sold_out and (vm.location, vm.spot) not in state.sold_out:
        return None
    code = "ZonalAllocationFailed" if vm.body.get("zones") else "AllocationFailed"
    return Failed(
        code,
        "Allocation failed. We do not have sufficient capacity for the requested VM size in this region. Read more about improving likelihood of allocation success at http://aka.ms/allocation-guidance",
    )


# --- what a request must have


def _checked(state: State, vm: Vm) -> Part:
    """The network card."""
    if not _NAME.fullmatch(vm.name):
        raise invalid(
            "vmName", vm.name, "A name has at most 64 letters, digits, points, hyphens and underscores."
        )
    check_tags(vm.body)
    if unknown := set(vm.body.get("zones", ())) - set(state.inventory.zones):
        raise ApiError(400, "InvalidAvailabilityZone", f"The zone(s) {', '.join(unknown)} are not supported.")
    properties = vm.body["properties"]
    _check_system(properties.get("osProfile", {}))
    _check_market(vm, properties)
    _check_image(state, properties.get("storageProfile", {}).get("imageReference", {}))
    cards = properties.get("networkProfile", {}).get("networkInterfaces", [])
    if len(cards) != 1:
        raise invalid("networkProfile.networkInterfaces", len(cards), "One is expected.")
    card = linked(state, CARDS, cards[0]["id"])
    if card.body["location"] != vm.location:
        raise ApiError(400, "InvalidResourceReference", f"Network card {card.name} is not in {vm.location}.")
    if card.provisioning != "Succeeded":
        raise ApiError(
            409,
            "ReferencedResourceNotProvisioned",
            f"Cannot proceed with operation because resource {card.name} is not in Succeeded state.",
        )
    if card.user not in ("", vm.name):
        raise ApiError(
            400, "NicInUse", f"Network Interface {card.name} is used by existing resource {card.user}."
        )
    return card


def _size(state: State, body: Json) -> Size:
    location, name = body["location"], body.get("properties", {}).get("hardwareProfile", {}).get("vmSize", "")
    if location not in state.inventory.locations:
        raise ApiError(
            400,
            "LocationNotAvailableForResourceType",
            f"The provided location '{location}' is not available for resource type 'Microsoft.Compute/virtualMachines'.",
        )
    found = next((each for each in state.inventory.sizes if each.name == name), None)
    if found is None:
        raise ApiError(400, "InvalidParameter", f"The value {name} provided for the VM size is not valid.")
    if (name, location) in state.restricted:
        raise ApiError(
            409,
            "SkuNotAvailable",
            f"The requested size for resource '{name}' is currently not available in location '{location}' zones '' for subscription '{state.inventory.subscription}'. Please try another size or deploy to a different location or zones.",
        )
    return found


def _check_system(profile: Json) -> None:
    for name in ("computerName", "adminUsername"):
        if not profile.get(name) or len(profile[name]) > 64:
            raise invalid(f"osProfile.{name}", profile.get(name), "It is required.")
    linux = profile.get("linuxConfiguration", {})
    if linux.get("disablePasswordAuthentication") and not linux.get("ssh", {}).get("publicKeys"):
        raise invalid(
            "linuxConfiguration.ssh.publicKeys",
            None,
            "Authentication using either SSH or by user name and password must be enabled.",
        )
    data = profile.get("customData", "")
    try:
        base64.b64decode(data, validate=True)
    except (binascii.Error, ValueError):
        raise invalid("customData", "…", "Custom data in OSProfile must be in Base64 encoding.") from None
    if len(data) > CUSTOM_DATA_MAX:
        raise invalid("customData", "…", f"Custom data has at most {CUSTOM_DATA_MAX} characters.")


def _check_market(vm: Vm, properties: Json) -> None:
    price = properties.get("billingProfile", {}).get("maxPrice", -1)
    if not vm.spot:
        if properties.get("evictionPolicy") or properties.get("billingProfile"):
            raise invalid(
                "evictionPolicy",
                properties.get("evictionPolicy"),
                "Eviction policy can be set only on Azure Spot Virtual Machines.",
            )
        return
    if not vm.size.spot:
        raise ApiError(400, "OperationNotAllowed", f"Azure Spot is not supported for size {vm.size.name}.")
    if price != -1 and price <= 0:
        raise invalid("billingProfile.maxPrice", price, "It is -1, or more than 0.")
    if price != -1 and price < vm.size.spot_price:
        text = f"Unable to perform operation 'Create VM' since the provided max price '{price} USD' is lower than the current spot price '{vm.size.spot_price} USD' for Azure Spot VM size '{vm.size.name}'."
        raise ApiError(409, "OperationNotAllowed", text)


def _check_image(state: State, reference: Json) -> None:
    urn = ":".join(str(reference.get(name, "")) for name in ("publisher", "offer", "sku", "version"))
    if reference.get("id", urn) in state.inventory.images:
        return
    if "id" in reference:
        raise ApiError(404, "GalleryImageNotFound", f"The gallery image {reference['id']} is not available.")
    raise ApiError(404, "PlatformImageNotFound", f"The platform image '{urn}' is not available.")


def _disk_name(vm: Vm) -> str:
    return str(vm.body["properties"]["storageProfile"]["osDisk"].get("name") or f"{vm.name}_OsDisk")


def _check_disk(state: State, vm: Vm) -> None:
    if (DISKS, _disk_name(vm).lower()) in state.parts:
        text = f"Disk {_disk_name(vm)} already exists in resource group {state.inventory.group.upper()}. Only CreateOption.Attach is supported."
        raise ApiError(409, "ConflictingUserInput", text)


def _add_disk(state: State, vm: Vm) -> None:
    asked = vm.body["properties"]["storageProfile"]["osDisk"]
    name = _disk_name(vm)
    body = {
        "location": vm.location,
        "tags": dict(vm.tags),
        "sku": {"name": asked.get("managedDisk", {}).get("storageAccountType", "Standard_LRS")},
        "properties": {
            "diskSizeGB": asked.get("diskSizeGB", 30),
            "creationData": {"createOption": "FromImage"},
        },
    }
    state.parts[DISKS, name.lower()] = Part(
        kind=DISKS,
        name=name,
        body=body,
        number=state.next_number(),
        user=vm.name,
        stays=asked.get("deleteOption") != "Delete",
    )


def find_vm(state: State, name: str) -> Vm:
    found = state.vms.get(name.lower())
    if found is None:
        raise not_found(f"Microsoft.Compute/{VMS}", name, state.inventory.group)
    return found
