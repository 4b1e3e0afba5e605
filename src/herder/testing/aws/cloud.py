"""EC2 in one object, on a time that is given: a request is answered with what is true at its time.

Nothing here has a thread, a socket or a clock. Faults are `faults`; what a test changes behind the back of a driver are the other parts of `Region`.
"""

import re
from collections.abc import Callable
from typing import Any
from urllib.parse import parse_qsl

from herder.testing.aws.answers import ApiError, answered
from herder.testing.aws.description import VERSION, answer_misfits, request_misfit
from herder.testing.aws.reads import READS, reservation, state, there
from herder.testing.aws.state import ACCESS_KEY, IMAGE, SECRET, Form, Instance, Region
from herder.testing.fakes import answering
from herder.testing.fakes.faults import Rule
from herder.testing.fakes.messages import Answer, Request

__all__ = ["ACCESS_KEY", "IMAGE", "SECRET", "Aws", "Instance"]

_KEY = re.compile(r"AWS4-HMAC-SHA256 Credential=([^/]+)/[0-9]{8}/([a-z0-9-]+)/ec2/aws4_request, ")
_USER = "arn:aws:iam::123456789012:user/herder"


class Aws(Region):
    def request(self, request: Request, now_ms: int) -> Answer:
        self.step(now_ms)
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
            return error.answer()
        wrong = list(answer_misfits(action, body))
        assert not wrong, f"the fake's answer to {action}: {wrong[0]}"
        return answered(action, body)

    def _check_caller(self, request: Request, action: str, version: str) -> None:
        signed = _KEY.match(request.headers.get("authorization", ""))
        if signed is None or signed[1] not in self.keys or signed[2] != self.region:
            raise ApiError("AuthFailure", "AWS was not able to validate the provided access credentials", 401)
        if version != VERSION or (action not in _CHANGES and action not in READS):
            raise ApiError("InvalidAction", f"The action {action} is not valid for this web service.")
        self.asked.append(action)
        needed = [f"ec2:{action}", *(["ec2:CreateTags"] if action == "RunInstances" else [])]
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


_CHANGES: dict[str, Callable[[Aws, Form], dict[str, Any]]] = {
    "RunInstances": Aws._run,
    "TerminateInstances": Aws._terminate,
    "RebootInstances": Aws._reboot,
    "DeleteVolume": Aws._delete_volume,
}
