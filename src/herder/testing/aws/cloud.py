"""AWS in one object, on a time that is given: a request is answered with what is true at its time.

Nothing here has a thread, a socket or a clock. Faults are `faults`; what a test changes behind the back of a driver are the other parts of `Region`.
"""

import json
import re
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qsl

from herder.testing.aws import services
from herder.testing.aws.answers import ApiError, ServiceError, answered
from herder.testing.aws.description import VERSION, answer_misfits, json_misfit, request_misfit
from herder.testing.aws.reads import READS, reservation, state, there
from herder.testing.aws.state import ACCESS_KEY, IMAGE, SECRET, Form, Instance, Region
from herder.testing.fakes import answering
from herder.testing.fakes.faults import Rule
from herder.testing.fakes.messages import Answer, Request

__all__ = ["ACCESS_KEY", "IMAGE", "SECRET", "Aws", "Instance"]

_KEY = re.compile(r"AWS4-HMAC-SHA256 Credential=([^/]+)/[0-9]{8}/([a-z0-9-]+)/([a-z0-9]+)/aws4_request, ")
_USER = "arn:aws:iam::123456789012:user/herder"


class Aws(Region):
    def __init__(self, region: str = "eu-west-1", now_ms: int = 0) -> None:
        super().__init__(region, now_ms)
        prices = {"m7i.large": "0.1070000000", "m7i.2xlarge": "0.4280000000"}
        self.products = [
            *(services.product(region, kind, price) for kind, price in prices.items()),
            services.product(region, "m7i.large", "0.1990000000", operatingSystem="Windows"),
            services.product(region, "m7i.large", "0.1070000000", capacitystatus="UnusedCapacityReservation"),
            services.product("us-east-1", "m7i.large", "0.1008000000"),
        ]

    def request(self, request: Request, now_ms: int) -> Answer:
        self.step(now_ms)
        target = request.headers.get("x-amz-target", "")
        if target:
            action = target.rpartition(".")[2]
            rule = self.faults.for_request(request.method, action)
            return answering.answered(rule, lambda: self._served(request, target), _refused)
        form = dict(parse_qsl(request.query, keep_blank_values=True)) | request.form()
        rule = self.faults.for_request(request.method, str(form.get("Action", "")))
        return answering.answered(rule, lambda: self._answer(request, form), _refusal)

    def _answer(self, request: Request, form: Form) -> Answer:
        action = form.pop("Action", "")
        try:
            self._check_caller(request, action, form.pop("Version", ""))
            if problem := request_misfit(action, form):
                raise ApiError("UnknownParameter", f"The parameter is not recognized: {problem}")
            body = _CHANGES[action](self, form) if action in _CHANGES else READS[action](self, form)
        except ApiError as error:
            if action == "RunInstances" and error.code != "DryRunOperation":
                code = f"{'Server' if error.status >= 500 else 'Client'}.{error.code}"
                self.note(action, "herder", token=form.get("ClientToken", ""), error=(code, error.message))
            return error.answer()
        if action in _CHANGES:
            self._log(action, form, body)
        wrong = list(answer_misfits(action, body))
        assert not wrong, f"the fake's answer to {action}: {wrong[0]}"
        return answered(action, body)

    def _log(self, action: str, form: Form, body: dict[str, Any]) -> None:
        if action == "RunInstances":
            (made,) = body["instancesSet"]
            self.note(action, "herder", (made["instanceId"],), form.get("ClientToken", ""))
        else:
            self.note(action, "herder", tuple(each for name, each in form.items() if "Id" in name))

    def _served(self, request: Request, target: str) -> Answer:
        """By a service beside EC2."""
        start, _, action = target.rpartition(".")
        if start not in services.SERVICES or action not in services.ANSWERS:
            return ServiceError("UnknownOperationException", f"{target} is not known.", 404).answer()
        described, signed, prefix = services.SERVICES[start]
        try:
            region = "us-east-1" if signed == "pricing" else self.region
            if not self._is_signed(request, region, signed):
                text = "The security token included in the request is invalid."
                raise ServiceError("UnrecognizedClientException", text)
            if request.headers.get("content-type") != "application/x-amz-json-1.1":
                raise ServiceError("SerializationException", "The content type is not one of JSON 1.1.")
            permission = f"{prefix}:{action}"
            self.asked.append(permission)
            if permission in self.missing:
                text = f"User: {_USER} is not authorized to perform: {permission} because no identity-based policy allows the {permission} action"
                raise ServiceError("AccessDeniedException", text)
            asked = json.loads(request.body)
            if problem := json_misfit(described, action, asked, asked=True):
                raise ServiceError("ValidationException", problem)
            body = services.ANSWERS[action](self, asked)
        except ServiceError as error:
            return error.answer()
        wrong = json_misfit(described, action, body, asked=False)
        assert not wrong, f"the fake's answer to {action}: {wrong}"
        return Answer(status=200, body=body, content_type="application/x-amz-json-1.1")

    def _is_signed(self, request: Request, region: str, service: str) -> bool:
        signed = _KEY.match(request.headers.get("authorization", ""))
        return signed is not None and signed[1] in self.keys and signed.groups()[1:] == (region, service)

    def _check_caller(self, request: Request, action: str, version: str) -> None:
        if not self._is_signed(request, self.region, "ec2"):
            raise ApiError("AuthFailure", "AWS was not able to validate the provided access credentials", 401)
        if version != VERSION or (action not in _CHANGES and action not in READS):
            raise ApiError("InvalidAction", f"The action {action} is not valid for this web service.")
        needed = [f"ec2:{action}", *(["ec2:CreateTags"] if action == "RunInstances" else [])]
        self.asked.append(action)
        for permission in needed:
            if permission in self.missing:
                text = f"You are not authorized to perform this operation. User: {_USER} is not authorized to perform: {permission} on resource: arn:aws:ec2:{self.region}:123456789012:instance/* because no identity-based policy allows the {permission} action."
                raise ApiError("UnauthorizedOperation", text, 403)

    # --- changes

    def _run(self, form: Form) -> dict[str, Any]:
        if form.get("DryRun") == "true":
            text = "Request would have succeeded, but DryRun flag is set."
            raise ApiError("DryRunOperation", text, 412)
        zone = form.get("Placement.AvailabilityZone", self.zones[0])
        before = self.tokens.get((form.get("ClientToken", ""), zone))
        if before is not None:
            return self._again(before, form)
        kind, spot = form["InstanceType"], form.get("InstanceMarketOptions.MarketType") == "spot"
        self._check_wishes(form, zone)
        if (zone, spot) in self.sold_out:
            text = f"We currently do not have sufficient {kind} capacity in the Availability Zone you requested ({zone})."
            raise ApiError("InsufficientInstanceCapacity", text, 500)
        self._check_quota(kind, spot=spot)
        return reservation(self.made(form, zone, self.faults.for_operation("RunInstances")))

    def _again(self, before: Instance, form: Form) -> dict[str, Any]:
        """A client token that was used before."""
        if not before.counts:
            text = "The request to launch an instance uses the same client token as a previous request for which the instance has been terminated."
            raise ApiError("IdempotentInstanceTerminated", text)
        if before.form != form:
            text = "Arguments on this idempotent request are inconsistent with arguments used in previous request(s)."
            raise ApiError("IdempotentParameterMismatch", text)
        return reservation(before)

    def _check_wishes(self, form: Form, zone: str) -> None:
        if form["ImageId"] not in self.images:
            raise ApiError("InvalidAMIID.NotFound", f"The image id '[{form['ImageId']}]' does not exist")
        if form["InstanceType"] not in self.types:
            text = f"The following supplied instance types do not exist: [{form['InstanceType']}]"
            raise ApiError("InvalidParameterValue", text)
        if zone not in self.zones:
            raise ApiError("InvalidParameterValue", f"Invalid availability zone: [{zone}]")

    def _check_quota(self, kind: str, *, spot: bool) -> None:
        used = sum(each.cpus for each in self.instances.values() if each.counts and each.spot is spot)
        if spot and used + self.types[kind] > self.spot_cpus_limit:
            raise ApiError("MaxSpotInstanceCountExceeded", "Max spot instance count exceeded")
        if not spot and used + self.types[kind] > self.cpus_limit:
            text = f"You have requested more vCPU capacity than your current vCPU limit of {self.cpus_limit} allows for the instance bucket that the specified instance type belongs to."
            raise ApiError("VcpuLimitExceeded", text)

    def _terminate(self, form: Form) -> dict[str, Any]:
        idents = [value for name, value in form.items() if name.startswith("InstanceId.")]
        rows = []
        for found in [there(self, ident) for ident in idents]:
            before = found.state
            text = "Client.UserInitiatedShutdown"
            self.end(found, text, f"{text}: User initiated shutdown")
            rows.append(
                {"instanceId": found.id, "currentState": state(found.state), "previousState": state(before)}
            )
        return {"instancesSet": rows}

    def _reboot(self, form: Form) -> dict[str, Any]:
        found = there(self, form["InstanceId.1"])
        if found.state != "running":
            raise ApiError(
                "IncorrectInstanceState",
                f"The instance '{found.id}' is not in a state from which it can be rebooted.",
            )
        return {}

    def _delete_volume(self, form: Form) -> dict[str, Any]:
        found = self.volumes.get(form["VolumeId"])
        if found is None:
            raise ApiError("InvalidVolume.NotFound", f"The volume '{form['VolumeId']}' does not exist.")
        if found.user:
            raise ApiError("VolumeInUse", f"Volume {found.id} is currently attached to {found.user}")
        del self.volumes[found.id]
        return {}


def _refusal(rule: Rule) -> Answer:
    return ApiError(
        rule.code or "InternalError", rule.text or "A fault that a test asked for.", rule.status
    ).answer()


def _refused(rule: Rule) -> Answer:
    text = rule.text or "A fault that a test asked for."
    return ServiceError(rule.code or "InternalErrorException", text, rule.status).answer()


_CHANGES: dict[str, Callable[[Aws, Form], dict[str, Any]]] = {
    "RunInstances": Aws._run,
    "TerminateInstances": Aws._terminate,
    "RebootInstances": Aws._reboot,
    "DeleteVolume": Aws._delete_volume,
}
