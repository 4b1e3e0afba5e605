"""Workspace Manager in one object, on a time that is given: a request is answered with what is true at its time.

Nothing here has a thread, a socket or a clock. Faults are `state.faults`; what a test changes behind the back of a driver are the parts of `state`.
"""

import json
from collections.abc import Callable, Mapping
from typing import Any

from herder.testing.fakes.answering import answered
from herder.testing.fakes.faults import Rule
from herder.testing.fakes.messages import Answer, Request
from herder.testing.fakes.timeline import Timeline
from herder.testing.terra import vms
from herder.testing.terra.description import API
from herder.testing.terra.refusals import ApiError
from herder.testing.terra.settings import USER, Inventory, TerraTimes
from herder.testing.terra.state import Job, Json, State, Vm, moment

Names = Mapping[str, str]
_TOKEN = "/metadata/identity/oauth2/token"
_ACTIONS = {
    "READER": {"read"},
    "WRITER": {"read", "create_controlled_user_private", "delete"},
}
_ACTIONS |= dict.fromkeys(("OWNER", "PROJECT_OWNER"), _ACTIONS["WRITER"])
_ACTIONS["APPLICATION"] = {"read", "create_controlled_application_private"}


class Terra:
    """One workspace. `asked`: the methods that were called, in order."""

    def __init__(
        self, inventory: Inventory | None = None, times: TerraTimes | None = None, now_ms: int = 0
    ) -> None:
        self.state = State(inventory or Inventory(), times or TerraTimes(), Timeline(now_ms))
        self.faults = self.state.faults
        self.asked: list[str] = []
        self.rows_max = 1_000
        """Of a list, however many are asked for."""

    def step(self, now_ms: int) -> int | None:
        """What was due by then has happened. Answers when something happens next; None: nothing does."""
        return self.state.timeline.step(now_ms)

    def request(self, request: Request, now_ms: int) -> Answer:
        self.step(now_ms)
        rule = self.faults.for_request(request.method, request.path)
        return answered(rule, lambda: self._answer(request), _refused)

    def _answer(self, request: Request) -> Answer:
        if request.path == _TOKEN:
            token = {"access_token": min(self.state.tokens), "expires_in": "3600", "token_type": "Bearer"}
            return Answer(status=200, body=token)
        try:
            self._check_caller(request)
            found = API.method_of(request.method, request.path)
            if found is None:
                raise ApiError(404, f"No endpoint {request.method} {request.path}.")
            method, names = found
            query = request.parameters()
            body = json.loads(request.body) if request.body else None
            for misfit in (*method.unknown_parameters(query), *method.request_misfits(body)):
                raise ApiError(400, f"Request could not be parsed or was invalid: {misfit}")
            self.asked.append(method.name)
            answer = _METHODS[method.name](self, names, query, body)
        except ApiError as error:
            answer = error.answer()
            wrong = API.error_misfits(answer.body)
        else:
            wrong = method.answer_misfits(answer.status, answer.body)
        assert not wrong, f"the fake's answer to {request.method} {request.path}: {wrong[0]}"
        return answer

    # --- who calls, and what he may

    def _check_caller(self, request: Request) -> None:
        kind, _, token = request.headers.get("authorization", "").partition(" ")
        if kind != "Bearer" or token not in self.state.tokens:
            raise ApiError(401, "Invalid or expired token")

    def _check_workspace(self, names: Names, action: str = "read") -> None:
        if names["workspaceId"] != self.state.inventory.workspace:
            raise ApiError(404, f"Workspace {names['workspaceId']} not found.")
        self._check_action(action, f"workspace {names['workspaceId']}")

    def _check_action(self, action: str, where: str) -> None:
        if action not in _ACTIONS.get(self.state.role, ()) or action in self.state.missing:
            raise ApiError(403, f"User {USER} is not authorized to perform action {action} on {where}")

    # --- methods

    def _describe(self, names: Names, _query: Names, _body: Any) -> Answer:
        self._check_workspace(names)
        at = moment(0)
        context = {
            "tenantId": "t",
            "subscriptionId": "s",
            "resourceGroupId": "mrg",
            "operationState": {"state": "READY"},
        }
        body = {
            "id": names["workspaceId"],
            "userFacingId": "herder-tests",
            "highestRole": self.state.role,
            "azureContext": context,
            "createdBy": USER,
            "createdDate": at,
            "lastUpdatedBy": USER,
            "lastUpdatedDate": at,
        }
        return Answer(status=200, body=body)

    def _create(self, names: Names, _query: Names, body: Any) -> Answer:
        self._check_workspace(names, "create_controlled_user_private")
        return Answer(status=200, body=self._created(vms.create(self.state, body)))

    def _creation(self, names: Names, _query: Names, _body: Any) -> Answer:
        self._check_workspace(names)
        job = self._found_job(names)
        return Answer(status=202 if job.status == "RUNNING" else 200, body=self._created(job))

    def _created(self, job: Job) -> Json:
        found = _of_job(job)
        vm = self.state.vms.get(job.resource)
        if job.status == "SUCCEEDED" and vm is not None:
            found["azureVm"] = self._vm(vm)
        return found

    def _get(self, names: Names, _query: Names, _body: Any) -> Answer:
        vm = self._found(names)
        self._check_workspace(names)
        return Answer(status=200, body=self._vm(vm))

    def _delete(self, names: Names, _query: Names, body: Any) -> Answer:
        vm = self._found(names)
        self._check_action("delete", f"controlled-user-private-workspace-resource {vm.id}")
        job = vms.delete(self.state, vm, body["jobControl"]["id"])
        return Answer(status=202 if job.status == "RUNNING" else 200, body=_of_job(job))

    def _deletion(self, names: Names, _query: Names, _body: Any) -> Answer:
        self._check_workspace(names)
        job = self._found_job(names)
        return Answer(status=202 if job.status == "RUNNING" else 200, body=_of_job(job))

    def _list(self, names: Names, query: Names, _body: Any) -> Answer:
        self._check_workspace(names)
        rows = sorted(self.state.vms.values(), key=lambda vm: vm.name)
        start, limit = int(query.get("offset", 0)), int(query.get("limit", 10))
        if query.get("resource", "AZURE_VM") != "AZURE_VM" or query.get("stewardship") == "REFERENCED":
            rows = []
        page = rows[start : start + min(limit, self.rows_max)]
        found = [
            {"metadata": self._metadata(vm), "resourceAttributes": {"azureVm": self._attributes(vm)}}
            for vm in page
        ]
        return Answer(status=200, body={"resources": found})

    def _jobs(self, names: Names, query: Names, _body: Any) -> Answer:
        self._check_workspace(names)
        rows = [job for job in self.state.jobs.values() if query.get("name", job.name) == job.name]
        start, limit = int(query.get("pageToken", 0)), min(int(query.get("limit", 10)), self.rows_max)
        found: Json = {
            "totalResults": len(rows),
            "results": [self._job(job) for job in rows[start : start + limit]],
        }
        if start + limit < len(rows):
            found["pageToken"] = str(start + limit)
        return Answer(status=200, body=found)

    # --- what is there

    def _found_job(self, names: Names) -> Job:
        job = self.state.jobs.get(names["jobId"])
        if job is None:
            raise ApiError(404, "Job not found")
        return job

    def _found(self, names: Names) -> Vm:
        vm = self.state.vms.get(names["resourceId"])
        if vm is None or names["workspaceId"] != self.state.inventory.workspace:
            raise ApiError(404, "Resource not found.")
        return vm

    def _vm(self, vm: Vm) -> Json:
        return {"metadata": self._metadata(vm), "attributes": self._attributes(vm)}

    def _metadata(self, vm: Vm) -> Json:
        at = moment(vm.created_ms)
        found = {
            "workspaceId": self.state.inventory.workspace,
            "resourceId": vm.id,
            "name": vm.name,
            "description": vm.body["common"].get("description", ""),
            "resourceType": "AZURE_VM",
            "stewardshipType": "CONTROLLED",
            "cloudPlatform": "AZURE",
            "properties": vm.marks,
            "createdBy": USER,
            "createdDate": at,
            "lastUpdatedBy": USER,
            "lastUpdatedDate": at,
            "state": vm.state,
        }
        if vm.error is not None:
            found["errorReport"] = vm.error
        return found | ({"jobId": vm.job} if vm.job else {})

    def _attributes(self, vm: Vm) -> Json:
        asked = vm.body["azureVm"]
        return {
            "vmName": asked["name"],
            "region": self.state.inventory.region,
            "vmSize": asked["vmSize"],
            "priority": asked.get("priority", "REGULAR"),
        }

    def _job(self, job: Job) -> Json:
        vm = self.state.vms.get(job.resource)
        found = {**_of_job(job), "operationType": job.kind, "resourceType": "AZURE_VM"}
        return found | ({"metadata": self._metadata(vm)} if vm is not None else {})


def _of_job(job: Job) -> Json:
    report = {
        "id": job.id,
        "status": job.status,
        "statusCode": {"RUNNING": 202, "SUCCEEDED": 200}.get(job.status) or (job.error or {})["statusCode"],
        "submitted": moment(job.begun_ms),
        "resultURL": f"https://workspace.example/{job.id}",
    }
    if job.status != "RUNNING":
        report["completed"] = moment(job.ended_ms)
    return {"jobReport": report} | ({"errorReport": job.error} if job.error is not None else {})


def _refused(rule: Rule) -> Answer:
    return ApiError(rule.status, rule.text or "Service unavailable").answer()


_Do = Callable[[Terra, Names, Names, Any], Answer]
_VMS = "/v1/{workspaceId}/resources/controlled/azure/vm"
_METHODS: dict[str, _Do] = {
    "get /v1/{workspaceId}": Terra._describe,
    "get /v1/{workspaceId}/resources": Terra._list,
    f"post {_VMS}": Terra._create,
    f"get {_VMS}/create-result/{{jobId}}": Terra._creation,
    f"get {_VMS}/delete-result/{{jobId}}": Terra._deletion,
    f"get {_VMS}/{{resourceId}}": Terra._get,
    f"post {_VMS}/{{resourceId}}": Terra._delete,
    "get /alpha1/{workspaceId}/jobs": Terra._jobs,
}
