"""Azure in one object, on a time that is given: a request is answered with what is true at its time.

Nothing here has a thread, a socket or a clock. Faults are `state.faults`; what a test changes behind the back of a driver are the parts of `state`.
"""

import json
import re
from collections.abc import Callable, Mapping
from typing import Any

from herder.testing.azure import parts, permissions, reads, vms
from herder.testing.azure import state as kinds
from herder.testing.azure.description import Operation, operation_of
from herder.testing.azure.errors import ApiError
from herder.testing.azure.pages import Pages
from herder.testing.azure.settings import AzureTimes, Inventory, small_subscription
from herder.testing.azure.state import Json, State
from herder.testing.fakes.answering import answered
from herder.testing.fakes.faults import Rule
from herder.testing.fakes.messages import Answer, Request
from herder.testing.fakes.timeline import Timeline

_OPERATION = re.compile(
    r"/subscriptions/([^/]+)/providers/Microsoft\.Compute/locations/[^/]+/operations/([^/]+)"
)
_PERMISSIONS = re.compile(
    r"/subscriptions/([^/]+)/resourceGroups/([^/]+)/providers/Microsoft\.Authorization/permissions"
)
_LOG = re.compile(r"/subscriptions/([^/]+)/providers/Microsoft\.Insights/eventtypes/management/values")
_TOKEN = re.compile(r"/[^/]+/oauth2/v2\.0/token|/metadata/identity/oauth2/token")
_WHO = "The client 'herder' with object id '0c5d'"
_BLOB = "/bootdiagnostics-herder/"
_SIGNATURE = "sig=signature-of-the-boot-log"


class Azure:
    """One subscription with one resource group. `asked`: the operations that were called, in order; `permissions`: those that they needed."""

    def __init__(
        self, inventory: Inventory | None = None, times: AzureTimes | None = None, now_ms: int = 0
    ) -> None:
        self.state = State(inventory or small_subscription(), times or AzureTimes(), Timeline(now_ms))
        self.faults = self.state.faults
        self.asked: list[str] = []
        self.permissions: set[str] = set()
        self.pages = Pages(self.state)

    def step(self, now_ms: int) -> int | None:
        """What was due by then has happened. Answers when something happens next; None: nothing does."""
        return self.state.timeline.step(now_ms)

    def request(self, request: Request, now_ms: int) -> Answer:
        self.step(now_ms)
        rule = self.faults.for_request(request.method, request.path)
        return answered(rule, lambda: self._answer(request), _refusal)

    def _answer(self, request: Request) -> Answer:
        try:
            return self._public(request) or self._managed(request)
        except ApiError as error:
            return error.answer()

    def _public(self, request: Request) -> Answer | None:
        """What needs no token of Resource Manager."""
        path = request.path
        if _TOKEN.fullmatch(path):
            token = min(self.state.tokens, default="")
            return Answer(
                status=200, body={"access_token": token, "expires_in": "3600", "token_type": "Bearer"}
            )
        if path == "/metadata/scheduledevents":
            return Answer(status=200, body=reads.scheduled_events(self.state))
        if path == "/api/retail/prices":
            return Answer(status=200, body=self.pages.prices(path, request.parameters()))
        if path.startswith(_BLOB):
            if "authorization" in request.headers or request.query != _SIGNATURE:
                raise ApiError(403, "AuthenticationFailed", "Server failed to authenticate the request.")
            vm = vms.find_vm(self.state, path.removeprefix(_BLOB))
            return Answer(status=200, body=vm.console.encode(), content_type="text/plain")
        return None

    def _managed(self, request: Request) -> Answer:
        kind, _, token = request.headers.get("authorization", "").partition(" ")
        if kind != "Bearer" or token not in self.state.tokens:
            raise ApiError(401, "InvalidAuthenticationToken", "The access token is invalid.")
        if found := _OPERATION.fullmatch(request.path):
            return self._operation(found[1], found[2])
        if found := _PERMISSIONS.fullmatch(request.path):
            self._check_place({"subscriptionId": found[1], "resourceGroupName": found[2]})
            self._check_action(permissions.PERMISSIONS, request.path)
            return Answer(status=200, body=permissions.granted(self.state))
        if found := _LOG.fullmatch(request.path):
            self._check_place({"subscriptionId": found[1]})
            self._check_action(permissions.LOG, request.path)
            rows = reads.events(self.state, request.parameters().get("$filter", ""))
            return Answer(status=200, body=self.pages.listed(rows, request.path, request.parameters()))
        known = operation_of(request.method, request.path)
        if known is None:
            text = f"No HTTP resource was found that matches the request {request.method} {request.path}."
            raise ApiError(404, "InvalidResourceType", text)
        operation, names = known
        self.asked.append(operation.name)
        body = json.loads(request.body) if request.body else None
        self._check(operation, names, request, body)
        answer = _OPERATIONS[operation.name](self, names, request, body)
        wrong = operation.answer_misfits(answer.status, answer.body)
        assert not wrong, f"the fake's answer to {operation.name}: {wrong[0]}"
        return answer

    # --- checks

    def _check(self, operation: Operation, names: Mapping[str, str], request: Request, body: Any) -> None:
        query = request.parameters()
        self._check_place(names)
        for namespace in self.state.unregistered:
            if f"/providers/{namespace}/" in request.path:
                text = f"The subscription is not registered to use namespace '{namespace}'. See https://aka.ms/rps-not-found for how to register subscriptions."
                raise ApiError(409, "MissingSubscriptionRegistration", text)
        self._check_permission(operation, request.path, body)
        if query.get("api-version") != operation.version:
            text = f"The api-version '{query.get('api-version')}' is invalid; {operation.version} is played."
            raise ApiError(400, "InvalidApiVersionParameter", text)
        for misfit in (*operation.parameter_misfits(query), *operation.request_misfits(body)):
            raise ApiError(400, "InvalidRequestContent", f"The request content was invalid: {misfit}")

    def _check_place(self, names: Mapping[str, str]) -> None:
        inventory = self.state.inventory
        subscription = names.get("subscriptionId", inventory.subscription)
        if subscription.lower() != inventory.subscription:
            raise ApiError(
                404, "SubscriptionNotFound", f"The subscription '{subscription}' could not be found."
            )
        group = names.get("resourceGroupName", inventory.group)
        if group.lower() != inventory.group:
            raise ApiError(404, "ResourceGroupNotFound", f"Resource group '{group}' could not be found.")

    def _check_action(self, action: str, path: str) -> None:
        self.permissions.add(action)
        if action in self.state.missing:
            text = f"{_WHO} does not have authorization to perform action '{action}' over scope '{path}' or the scope is invalid."
            raise ApiError(403, "AuthorizationFailed", text)

    def _check_permission(self, operation: Operation, path: str, body: Any) -> None:
        action = permissions.needed(operation.name)
        self._check_action(action, path)
        for other, ident in permissions.linked(operation.name, body):
            self.permissions.add(other)
            if other in self.state.missing:
                text = f"{_WHO} has permission to perform action '{action}' on scope '{path}'; however, it does not have permission to perform action(s) '{other}' on the linked scope(s) '{ident}' (respectively) or the linked scope(s) are invalid."
                raise ApiError(403, "LinkedAuthorizationFailed", text)

    def _operation(self, subscription: str, ident: str) -> Answer:
        self._check_place({"subscriptionId": subscription})
        self.permissions.add(permissions.OPERATIONS)
        found = self.state.operations.get(ident)
        if found is None:
            raise ApiError(404, "NotFound", f"The entity was not found: operation {ident}.")
        return Answer(status=200, body=reads.operation(found))

    def _begun(
        self, status: int, body: Any, operation: kinds.Operation, action: str = "", vm: kinds.Vm | None = None
    ) -> Answer:
        if vm is not None:
            operation.action = f"Microsoft.Compute/{kinds.VMS}/{action}"
            operation.target = self.state.id_of(kinds.VMS, vm.name)
        where = f"{self.state.path}/providers/Microsoft.Compute/locations/{operation.location}/operations/{operation.id}"
        address = f"https://management.azure.com{where}?p=7a1f&api-version=2024-07-01"
        return Answer(
            status=status, body=body, headers={"Azure-AsyncOperation": address, "Retry-After": "10"}
        )

    # --- operations

    def _create(self, names: Mapping[str, str], request: Request, body: Any) -> Answer:
        vm, begun = vms.create(self.state, names["vmName"], body, request.headers)
        return self._begun(201, reads.vm(self.state, vm), begun, "write", vm)

    def _vm(self, names: Mapping[str, str], request: Request, _body: Any) -> Answer:
        vm = vms.find_vm(self.state, names["vmName"])
        view = request.parameters().get("$expand") == "instanceView"
        return Answer(status=200, body=reads.vm(self.state, vm, view=view))

    def _delete(self, names: Mapping[str, str], _request: Request, _body: Any) -> Answer:
        vm = self.state.vms.get(names["vmName"].lower())
        if vm is None:
            return Answer(status=204)
        return self._begun(202, None, vms.delete(self.state, vm), "delete", vm)

    def _restart(self, names: Mapping[str, str], _request: Request, _body: Any) -> Answer:
        vm = vms.find_vm(self.state, names["vmName"])
        return self._begun(202, None, vms.restart(self.state, vm), "restart/action", vm)

    def _evict(self, names: Mapping[str, str], _request: Request, _body: Any) -> Answer:
        vm = vms.find_vm(self.state, names["vmName"])
        if not vm.spot:
            raise ApiError(409, "OperationNotAllowed", f"VM {vm.name} is no Azure Spot Virtual Machine.")
        self.state.evict(vm.name)
        return Answer(status=204)

    def _console(self, names: Mapping[str, str], _request: Request, _body: Any) -> Answer:
        vm = vms.find_vm(self.state, names["vmName"])
        if not vm.body["properties"].get("diagnosticsProfile", {}).get("bootDiagnostics", {}).get("enabled"):
            raise ApiError(409, "OperationNotAllowed", "Boot diagnostics is not enabled.")
        place = f"https://herder.blob.core.windows.net{_BLOB}{vm.name}?{_SIGNATURE}"
        return Answer(status=200, body={"serialConsoleLogBlobUri": place})

    def _vms(self, _names: Mapping[str, str], request: Request, _body: Any) -> Answer:
        return self._listed([reads.vm(self.state, each) for each in self._listable()], request)

    def _states(self, _names: Mapping[str, str], request: Request, _body: Any) -> Answer:
        read = reads.vm_status if request.parameters().get("statusOnly") == "true" else reads.vm
        return self._listed([read(self.state, each) for each in self._listable()], request)

    def _listable(self) -> list[kinds.Vm]:
        old_ms = self.state.now_ms - self.state.listing_lag_ms
        return [vm for vm in self.state.vms.values() if vm.created_ms <= old_ms]

    def _put_part(self, names: Mapping[str, str], _request: Request, body: Any) -> Answer:
        kind, name = _part_in(names)
        part, new = parts.put(self.state, kind, name, body)
        return Answer(status=201 if new else 200, body=reads.part(self.state, part))

    def _part(self, names: Mapping[str, str], _request: Request, _body: Any) -> Answer:
        return Answer(status=200, body=reads.part(self.state, parts.find_part(self.state, *_part_in(names))))

    def _delete_part(self, names: Mapping[str, str], _request: Request, _body: Any) -> Answer:
        kind, name = _part_in(names)
        part = self.state.parts.get((kind, name.lower()))
        if part is None:
            return Answer(status=204)
        return self._begun(202, None, parts.delete(self.state, part))

    def _parts(self, kind: str, request: Request) -> Answer:
        rows = [reads.part(self.state, each) for each in self.state.parts.values() if each.kind == kind]
        return self._listed(rows, request)

    def _usages(self, names: Mapping[str, str], request: Request, _body: Any) -> Answer:
        if names["location"] not in self.state.quotas:
            raise ApiError(
                400,
                "NoRegisteredProviderFound",
                f"No registered resource provider found for location '{names['location']}'.",
            )
        return self._listed(reads.usages(self.state, names["location"]), request)

    def _sizes(self, _names: Mapping[str, str], request: Request, _body: Any) -> Answer:
        location = request.parameters().get("$filter", "").removeprefix("location eq ").strip("'")
        there = location in self.state.inventory.locations
        rows = [reads.size(self.state, each, location) for each in self.state.inventory.sizes if there]
        return self._listed(rows, request)

    def _group(self, _names: Mapping[str, str], _request: Request, _body: Any) -> Answer:
        name = self.state.inventory.group
        place = f"{self.state.path}/resourceGroups/{name}"
        return Answer(
            status=200, body={"id": place, "name": name, "location": self.state.inventory.locations[0]}
        )

    def _listed(self, rows: list[Json], request: Request) -> Answer:
        return Answer(status=200, body=self.pages.listed(rows, request.path, request.parameters()))


def _part_in(names: Mapping[str, str]) -> tuple[str, str]:
    for name, kind in (
        ("networkInterfaceName", kinds.CARDS),
        ("publicIpAddressName", kinds.ADDRESSES),
        ("diskName", kinds.DISKS),
    ):
        if name in names:
            return kind, names[name]
    raise AssertionError(f"no part is named by {sorted(names)}")


def _refusal(rule: Rule) -> Answer:
    text = rule.text or "A fault that a test asked for."
    return ApiError(rule.status, rule.code or "InternalServerError", text).answer()


_Do = Callable[[Azure, Mapping[str, str], Request, Any], Answer]
_OPERATIONS: dict[str, _Do] = {
    "VirtualMachines_CreateOrUpdate": Azure._create,
    "VirtualMachines_Get": Azure._vm,
    "VirtualMachines_Delete": Azure._delete,
    "VirtualMachines_List": Azure._vms,
    "VirtualMachines_ListAll": Azure._states,
    "VirtualMachines_Restart": Azure._restart,
    "VirtualMachines_SimulateEviction": Azure._evict,
    "VirtualMachines_RetrieveBootDiagnosticsData": Azure._console,
    "NetworkInterfaces_CreateOrUpdate": Azure._put_part,
    "NetworkInterfaces_Get": Azure._part,
    "NetworkInterfaces_Delete": Azure._delete_part,
    "NetworkInterfaces_List": lambda azure, _names, request, _body: azure._parts(kinds.CARDS, request),
    "PublicIPAddresses_CreateOrUpdate": Azure._put_part,
    "PublicIPAddresses_Get": Azure._part,
    "PublicIPAddresses_Delete": Azure._delete_part,
    "PublicIPAddresses_List": lambda azure, _names, request, _body: azure._parts(kinds.ADDRESSES, request),
    "Disks_Get": Azure._part,
    "Disks_Delete": Azure._delete_part,
    "Disks_ListByResourceGroup": lambda azure, _names, request, _body: azure._parts(kinds.DISKS, request),
    "ResourceSkus_List": Azure._sizes,
    "Usage_List": Azure._usages,
    "ResourceGroups_Get": Azure._group,
}
