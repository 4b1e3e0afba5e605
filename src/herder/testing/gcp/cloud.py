"""Google Cloud in one object, on a time that is given: a request is answered with what is true at its time.

Nothing here has a thread, a socket or a clock. Faults are `state.faults`; what a test changes behind the back of a driver are the parts of `state`.
"""

import json
from collections.abc import Callable, Mapping
from typing import Any

from herder.testing.fakes.answering import answered
from herder.testing.fakes.faults import Rule
from herder.testing.fakes.messages import Answer, Request
from herder.testing.fakes.timeline import Timeline
from herder.testing.gcp import instances, reads
from herder.testing.gcp.description import Method, method_of
from herder.testing.gcp.errors import ApiError, not_found
from herder.testing.gcp.pages import Pages
from herder.testing.gcp.permissions import granted, needed, permissions_path, token_answer
from herder.testing.gcp.settings import GcpTimes, Inventory, small_project
from herder.testing.gcp.state import Json, State


class Gcp:
    """One project. `asked`: the methods that were called, in order."""

    def __init__(
        self, inventory: Inventory | None = None, times: GcpTimes | None = None, now_ms: int = 0
    ) -> None:
        self.state = State(inventory or small_project(), times or GcpTimes(), Timeline(now_ms))
        self.faults = self.state.faults
        self.asked: list[str] = []
        self._pages = Pages(self.state)

    def step(self, now_ms: int) -> int | None:
        """What was due by then has happened. Answers when something happens next; None: nothing does."""
        return self.state.timeline.step(now_ms)

    def request(self, request: Request, now_ms: int) -> Answer:
        self.step(now_ms)
        rule = self.faults.for_request(request.method, request.path)
        return answered(rule, lambda: self._answer(request), _refusal)

    def _answer(self, request: Request) -> Answer:
        if request.path == "/token":
            return Answer(status=200, body=token_answer(self.state))
        try:
            self._check_caller(request)
            if permissions_path(self.state, request.path):
                return Answer(status=200, body=granted(self.state, json.loads(request.body)))
            found = method_of(request.method, request.path)
            if found is None:
                raise ApiError(404, "notFound", f"Not a method of the API: {request.method} {request.path}")
            method, names = found
            body = self._do(method, names, request)
        except ApiError as error:
            return error.answer()
        wrong = method.answer_misfits(body)
        assert not wrong, f"the fake's answer to {method.name}: {wrong[0]}"
        return Answer(status=200, body=body)

    def _check_caller(self, request: Request) -> None:
        kind, _, token = request.headers.get("authorization", "").partition(" ")
        if kind != "Bearer" or token not in self.state.tokens:
            text = "Request had invalid authentication credentials. Expected OAuth 2 access token, login cookie or other valid authentication credential."
            raise ApiError(401, "authError", text)

    def _do(self, method: Method, names: Mapping[str, str], request: Request) -> Json:
        state, query = self.state, request.parameters()
        self.asked.append(method.name)
        api = f"{method.name.partition('.')[0]}.googleapis.com"
        if api in state.disabled:
            text = f"Compute Engine API has not been used in project {state.inventory.project} before or it is disabled. Enable it by visiting https://console.developers.google.com/apis/api/{api}/overview then retry."
            raise ApiError(403, "accessNotConfigured", text)
        for misfit in method.unknown_parameters(query):
            raise ApiError(
                400,
                "badRequest",
                f'Invalid JSON payload received. Unknown name "{misfit.unknown}": Cannot bind query parameter. {misfit}',
            )
        body = json.loads(request.body) if request.body else None
        for misfit in method.request_misfits(body):
            text = f"Invalid JSON payload received. Unknown name \"{misfit.unknown}\" at 'resource.{misfit.at}': Cannot find field. {misfit}"
            raise ApiError(400, "badRequest", text)
        if names.get("project", state.inventory.project) != state.inventory.project:
            raise ApiError(404, "notFound", f"Failed to find project {names['project']}")
        if "zone" in names and names["zone"] not in state.zones:
            raise not_found(f"{state.path}/zones/{names['zone']}")
        for permission in needed(method.name, body):
            if permission in state.missing:
                path = request.path.removeprefix("/compute/v1/")
                raise ApiError(403, "forbidden", f"Required '{permission}' permission for '{path}'")
        return _METHODS[method.name](self, names, query, body)

    # --- methods

    def _insert(self, names: Mapping[str, str], _query: Mapping[str, str], body: Any) -> Json:
        return reads.operation(self.state, instances.insert(self.state, names["zone"], body))

    def _instance(self, names: Mapping[str, str], _query: Mapping[str, str], _body: Any) -> Json:
        return reads.vm(self.state, self.state.vm(names["zone"], names["instance"]))

    def _delete(self, names: Mapping[str, str], _query: Mapping[str, str], _body: Any) -> Json:
        vm = self.state.vm(names["zone"], names["instance"])
        return reads.operation(self.state, instances.delete(self.state, vm))

    def _reset(self, names: Mapping[str, str], _query: Mapping[str, str], _body: Any) -> Json:
        vm = self.state.vm(names["zone"], names["instance"])
        return reads.operation(self.state, instances.reset(self.state, vm))

    def _console(self, names: Mapping[str, str], query: Mapping[str, str], _body: Any) -> Json:
        text = self.state.vm(names["zone"], names["instance"]).console
        start = int(query.get("start", "0"))
        found = text[start:]
        return {
            "kind": "compute#serialPortOutput", "contents": found, "start": str(start),
            "next": str(start + len(found)),
        }  # fmt: skip

    def _instances(self, _names: Mapping[str, str], query: Mapping[str, str], _body: Any) -> Json:
        old_ms = self.state.now_ms - self.state.listing_lag_ms
        rows = [
            (vm.zone, reads.vm(self.state, vm)) for vm in self.state.vms.values() if vm.created_ms <= old_ms
        ]
        return self._pages.aggregated("instances", "compute#instanceAggregatedList", rows, query)

    def _disks(self, _names: Mapping[str, str], query: Mapping[str, str], _body: Any) -> Json:
        rows = [(disk.zone, reads.disk(self.state, disk)) for disk in self.state.disks.values()]
        return self._pages.aggregated("disks", "compute#diskAggregatedList", rows, query)

    def _disk(self, names: Mapping[str, str], _query: Mapping[str, str], _body: Any) -> Json:
        return reads.disk(self.state, self.state.disk(names["zone"], names["disk"]))

    def _delete_disk(self, names: Mapping[str, str], _query: Mapping[str, str], _body: Any) -> Json:
        disk = self.state.disk(names["zone"], names["disk"])
        return reads.operation(self.state, instances.delete_disk(self.state, disk))

    def _operation(self, names: Mapping[str, str], _query: Mapping[str, str], _body: Any) -> Json:
        found = self.state.operations.get((names["zone"], names["operation"]))
        if found is None:
            raise not_found(f"{self.state.path}/zones/{names['zone']}/operations/{names['operation']}")
        return reads.operation(self.state, found)

    def _operations(self, names: Mapping[str, str], query: Mapping[str, str], _body: Any) -> Json:
        rows = [
            reads.operation(self.state, each)
            for (zone, _), each in self.state.operations.items()
            if zone == names["zone"]
        ]
        return self._pages.flat("compute#operationList", rows, query)

    def _zone(self, names: Mapping[str, str], _query: Mapping[str, str], _body: Any) -> Json:
        return reads.zone(self.state, names["zone"])

    def _region(self, names: Mapping[str, str], _query: Mapping[str, str], _body: Any) -> Json:
        if names["region"] not in self.state.quotas:
            raise not_found(f"{self.state.path}/regions/{names['region']}")
        return reads.region(self.state, names["region"])

    def _machine_types(self, names: Mapping[str, str], query: Mapping[str, str], _body: Any) -> Json:
        kinds = self.state.inventory.machine_types
        rows = [reads.machine_type(self.state, each, names["zone"]) for each in kinds]
        return self._pages.flat("compute#machineTypeList", rows, query)

    def _image(self, names: Mapping[str, str], _query: Mapping[str, str], _body: Any) -> Json:
        family = f"family/{names['family']}" if "family" in names else names["image"]
        path = f"{self.state.path}/global/images/{family}"
        if path not in self.state.inventory.images:
            raise not_found(path)
        return reads.image(self.state, path.rpartition("/")[2])

    def _skus(self, _names: Mapping[str, str], query: Mapping[str, str], _body: Any) -> Json:
        return self._pages.skus(list(self.state.inventory.skus), query)


def _refusal(rule: Rule) -> Answer:
    text = rule.text or "A fault that a test asked for."
    return ApiError(rule.status, rule.code or "backendError", text).answer()


_METHODS: dict[str, Callable[[Gcp, Mapping[str, str], Mapping[str, str], Any], Json]] = {
    "compute.instances.insert": Gcp._insert,
    "compute.instances.get": Gcp._instance,
    "compute.instances.delete": Gcp._delete,
    "compute.instances.reset": Gcp._reset,
    "compute.instances.getSerialPortOutput": Gcp._console,
    "compute.instances.aggregatedList": Gcp._instances,
    "compute.disks.aggregatedList": Gcp._disks,
    "compute.disks.get": Gcp._disk,
    "compute.disks.delete": Gcp._delete_disk,
    "compute.zoneOperations.get": Gcp._operation,
    "compute.zoneOperations.list": Gcp._operations,
    "compute.zones.get": Gcp._zone,
    "compute.regions.get": Gcp._region,
    "compute.machineTypes.list": Gcp._machine_types,
    "compute.images.get": Gcp._image,
    "compute.images.getFromFamily": Gcp._image,
    "cloudbilling.services.skus.list": Gcp._skus,
}
