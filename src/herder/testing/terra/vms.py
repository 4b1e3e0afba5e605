"""The life of a controlled VM: what a request for one must have, beside what the description says, and how it comes and goes."""

import base64
import binascii
import re
from collections.abc import Callable

from herder.testing.terra.refusals import ApiError
from herder.testing.terra.state import Failed, Job, Json, State, Vm, azure_failure

_NAME = re.compile(r"[a-zA-Z0-9][-_a-zA-Z0-9]{0,1023}")
_VM_NAME = re.compile(r"[a-zA-Z0-9][a-zA-Z0-9-_.]{0,78}[a-zA-Z0-9_]")
_UUID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
CUSTOM_DATA_MAX = 87_380


def create(state: State, body: Json) -> Job:
    common, vm = body["common"], body["azureVm"]
    _check(common, vm)
    job = _new_job(state, "CREATE", body["jobControl"]["id"], common["resourceId"], common["name"])
    size = next((each for each in state.inventory.sizes if each.name == vm["vmSize"]), None)
    made = Vm(body=body, size=size, created_ms=state.now_ms, job=job.id)
    if any(each.id == made.id or each.name == made.name for each in state.vms.values()):
        text = f"A resource already exists in the workspace that has the same name ({made.name}) or the same id ({made.id})"
        return state.begin(job, 0, _fails(Failed(409, text)), lambda _error: None)
    state.vms[made.id] = made
    problem = _refused_by_azure(state, made)

    def running() -> None:
        if problem is not None:
            raise problem
        if state.vms.get(made.id) is not made:
            raise Failed(404, "Resource not found.")
        made.state, made.job, made.power = "READY", "", "running"
        state.tell("running", made)

    def failed(error: Json) -> None:
        if state.vms.get(made.id) is not made:
            return
        made.state, made.job, made.error = "BROKEN", "", error
        if not state.keeps_broken:
            state.remove(made)

    return state.begin(job, state.times.create_ms, running, failed)


def delete(state: State, vm: Vm, ident: str) -> Job:
    if vm.state not in ("READY", "BROKEN"):
        raise ApiError(409, "Another operation is running on the resource; try again later")
    job = _new_job(state, "DELETE", ident, vm.id, vm.name)
    before, vm.state, vm.job = vm.state, "DELETING", ident

    def failed(error: Json) -> None:
        vm.state, vm.job, vm.error = before, "", error

    return state.begin(job, state.times.delete_ms, lambda: state.remove(vm), failed)


def _new_job(state: State, kind: str, ident: str, resource: str, name: str) -> Job:
    if ident in state.jobs:
        raise ApiError(409, f"Received duplicate jobId {ident}")
    return Job(id=ident, kind=kind, resource=resource, name=name, begun_ms=state.now_ms)


def _fails(error: Failed) -> Callable[[], None]:
    def work() -> None:
        raise error

    return work


# --- what Azure refuses


def _refused_by_azure(state: State, vm: Vm) -> Failed | None:
    region, asked = state.inventory.region, vm.body["azureVm"]
    if vm.size is None:
        return azure_failure(
            400, "InvalidParameter", f"The value {asked['vmSize']} provided for the VM size is not valid."
        )
    image = ":".join(asked["vmImage"].get(name, "") for name in ("publisher", "offer", "sku", "version"))
    if image not in state.inventory.images:
        return azure_failure(404, "PlatformImageNotFound", f"The platform image '{image}' is not available.")
    limits, used = state.quotas[region], _used(state, vm)
    for name, amount in _needs(vm).items():
        if used[name] + amount > limits[name]:
            text = (
                f"Operation could not be completed as it results in exceeding approved {name} Cores quota. Additional details - Deployment Model: Resource Manager, "
                f"Location: {region}, Current Limit: {limits[name]}, Current Usage: {used[name]}, Additional Required: {amount}."
            )
            return azure_failure(409, "OperationNotAllowed", text)
    if (region, vm.spot) in state.sold_out:
        text = f"The requested size for resource '{vm.name}' is currently not available in location '{region}' zones '' for subscription 's'."
        return azure_failure(409, "SkuNotAvailable", text)
    return None


def _needs(vm: Vm) -> dict[str, int]:
    assert vm.size is not None
    return dict.fromkeys(("lowPriorityCores",) if vm.spot else ("cores", vm.size.family), vm.size.cpus)


def _used(state: State, new: Vm) -> dict[str, int]:
    found = dict.fromkeys(state.inventory.quotas, 0)
    for vm in state.vms.values():
        if vm is not new and vm.size is not None and vm.state != "BROKEN":
            for name, amount in _needs(vm).items():
                found[name] += amount
    return found


# --- what a request must have


def _check(common: Json, vm: Json) -> None:
    if not _NAME.fullmatch(common["name"]):
        raise ApiError(400, "Invalid resource name specified.")
    if not _UUID.fullmatch(common.get("resourceId", "")):
        raise _unparsed("HttpMessageNotReadableException")
    if common["managedBy"] != "USER" or common["accessScope"] != "PRIVATE_ACCESS":
        raise ApiError(400, "This fake has private resources of users alone.")
    if not _VM_NAME.fullmatch(vm["name"]):
        raise ApiError(400, "Invalid Azure IP or Subnet name specified.")
    if any(not _NAME.fullmatch(each["key"]) for each in common.get("properties", ())):
        raise ApiError(400, "Invalid property key provided")
    if vm.get("userAssignedIdentities"):
        raise ApiError(
            400, "User-assigned identities may only be specified for application-managed resources"
        )
    _check_image(vm)
    _check_data(vm.get("customData", ""))


def _check_image(vm: Json) -> None:
    image = vm["vmImage"]
    if image.get("uri"):
        raise ApiError(400, "This fake has images of the marketplace alone.")
    if not all(image.get(name) for name in ("publisher", "offer", "sku", "version")):
        raise ApiError(
            400, "Missing required fields for vmImage. Publisher, offer, sku, version should be defined."
        )
    if "vmUser" not in vm:
        raise ApiError(400, "Missing required field 'vmUser' for ApiAzureVmCreationParameters.")


def _check_data(data: str) -> None:
    try:
        base64.b64decode(data, validate=True)
    except (binascii.Error, ValueError):
        raise _unparsed("HttpMessageNotReadableException") from None
    if len(data) > CUSTOM_DATA_MAX:
        raise ApiError(400, f"Custom data has at most {CUSTOM_DATA_MAX} characters.")


def _unparsed(kind: str) -> ApiError:
    text = f"Request could not be parsed or was invalid: {kind}. Ensure that all types are correct and that enums have valid values."
    return ApiError(400, text)
