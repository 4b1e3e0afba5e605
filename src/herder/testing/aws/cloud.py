"""EC2 in one object, on a time that is given: a request is answered with what is true at its time.

Nothing here has a thread, a socket or a clock. Faults are `faults`; what a test changes behind the back of a driver are the other parts.
"""

import re
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from urllib.parse import parse_qsl

from herder.testing.aws.answers import ApiError, answered
from herder.testing.aws.description import VERSION, answer_misfits, request_misfit
from herder.testing.fakes import answering
from herder.testing.fakes.faults import Faults, Rule
from herder.testing.fakes.messages import Answer, Request
from herder.testing.fakes.timeline import Timeline

Form = dict[str, str]
ACCESS_KEY, SECRET = "AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY"
IMAGE = "ami-0123456789abcdef0"
START_MS, STOP_MS, NOTICE_MS, FORGOTTEN_MS = 8_000, 5_000, 120_000, 3_600_000
_KEY = re.compile(r"AWS4-HMAC-SHA256 Credential=([^/]+)/[0-9]{8}/([a-z0-9-]+)/ec2/aws4_request, ")
_USER = "arn:aws:iam::123456789012:user/herder"
_CODES = {"pending": 0, "running": 16, "shutting-down": 32, "terminated": 48, "stopping": 64, "stopped": 80}


@dataclass(slots=True, kw_only=True)
class Instance:
    id: str
    form: Form
    began_ms: int
    zone: str
    cpus: int
    state: str = "pending"
    reason: tuple[str, str] = ("", "")
    console: str = ""
    tags: dict[str, str] = field(default_factory=dict)

    @property
    def spot(self) -> bool:
        return self.form.get("InstanceMarketOptions.MarketType") == "spot"

    @property
    def counts(self) -> bool:
        return self.state not in ("terminated", "shutting-down")


class Aws:
    """One region of one account. `asked`: the actions that were called, in order."""

    def __init__(self, region: str = "eu-west-1", now_ms: int = 0) -> None:
        self.region, self.zones = region, [f"{region}{letter}" for letter in "abc"]
        self.timeline, self.faults = Timeline(now_ms), Faults()
        self.types = {"m7i.large": 2, "m7i.2xlarge": 8}
        """Cores, by type of instance."""
        self.spot_prices = {("m7i.large", f"{region}a"): "0.041300", ("m7i.large", f"{region}b"): "0.039900"}
        """US dollars for an hour, by type and zone."""
        self.images, self.keys = {IMAGE}, {ACCESS_KEY}
        self.missing: set[str] = set()
        """Permissions that the account does not have: `ec2:RunInstances`."""
        self.sold_out: set[tuple[str, bool]] = set()
        """Zones, and whether it is spot that is sold out there."""
        self.cpus_limit, self.spot_cpus_limit = 1_000, 1_000
        self.listing_lag_ms = 0
        """Lists by tag, and reads by id, show an instance only so long after its creation."""
        self.page_rows = 1_000
        self.instances: dict[str, Instance] = {}
        self.asked: list[str] = []
        self._number = 0

    def step(self, now_ms: int) -> int | None:
        """What was due by then has happened. Answers when something happens next; None: nothing does."""
        return self.timeline.step(now_ms)

    def request(self, request: Request, now_ms: int) -> Answer:
        self.step(now_ms)
        form = dict(parse_qsl(request.query, keep_blank_values=True)) | request.form()
        rule = self.faults.for_request(request.method, str(form.get("Action", "")))
        return answering.answered(rule, lambda: self._answer(request, form), _refusal)

    def interrupt(self, ident: str) -> None:
        """AWS takes a spot instance back: its end comes in two minutes."""
        self.timeline.at(
            self.timeline.now_ms + NOTICE_MS,
            lambda: self._stop(
                self.instances[ident], "Server.SpotInstanceTermination", "Spot instance termination"
            ),
        )

    def _answer(self, request: Request, form: Form) -> Answer:
        action = form.pop("Action", "")
        try:
            self._check_caller(request, action, form.pop("Version", ""))
            if problem := request_misfit(action, form):
                raise ApiError("UnknownParameter", f"The parameter is not recognized: {problem}")
            body = _ACTIONS[action](self, form)
        except ApiError as error:
            return error.answer()
        wrong = list(answer_misfits(action, body))
        assert not wrong, f"the fake's answer to {action}: {wrong[0]}"
        return answered(action, body)

    def _check_caller(self, request: Request, action: str, version: str) -> None:
        signed = _KEY.match(request.headers.get("authorization", ""))
        if signed is None or signed[1] not in self.keys or signed[2] != self.region:
            raise ApiError("AuthFailure", "AWS was not able to validate the provided access credentials", 401)
        if version != VERSION or action not in _ACTIONS:
            raise ApiError("InvalidAction", f"The action {action} is not valid for this web service.")
        self.asked.append(action)
        needed = [f"ec2:{action}", *(["ec2:CreateTags"] if action == "RunInstances" else [])]
        for permission in needed:
            if permission in self.missing:
                text = f"You are not authorized to perform this operation. User: {_USER} is not authorized to perform: {permission} on resource: arn:aws:ec2:{self.region}:123456789012:instance/* because no identity-based policy allows the {permission} action."
                raise ApiError("UnauthorizedOperation", text, 403)

    # --- actions

    def _run(self, form: Form) -> dict[str, Any]:
        if form.get("DryRun") == "true":
            text = "Request would have succeeded, but DryRun flag is set."
            raise ApiError("DryRunOperation", text, 412)
        token = form.get("ClientToken", "")
        for each in self.instances.values():
            if token and each.form.get("ClientToken") == token:
                if each.form != form:
                    text = "Arguments on this idempotent request are inconsistent with arguments used in previous request(s)."
                    raise ApiError("IdempotentParameterMismatch", text)
                return self._reservation(each)
        zone = form.get("Placement.AvailabilityZone", self.zones[0])
        kind, spot = form["InstanceType"], form.get("InstanceMarketOptions.MarketType") == "spot"
        self._check_wishes(form, zone)
        if (zone, spot) in self.sold_out:
            text = f"We currently do not have sufficient {kind} capacity in the Availability Zone you requested ({zone})."
            raise ApiError("InsufficientInstanceCapacity", text, 500)
        self._check_quota(kind, spot=spot)
        self._number += 1
        made = Instance(
            id=f"i-{self._number:017x}",
            form=form,
            began_ms=self.timeline.now_ms,
            zone=zone,
            cpus=self.types[kind],
        )
        made.tags = _tags(form)
        self.instances[made.id] = made
        rule = self.faults.for_operation("RunInstances")
        if rule is None or not rule.never_ends:
            self.timeline.at(self.timeline.now_ms + START_MS, lambda: self._start(made, rule))
        return self._reservation(made)

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
        found = self._there(form["InstanceId.1"])
        before = found.state
        if found.counts:
            self._stop(
                found, "Client.UserInitiatedShutdown", "Client.UserInitiatedShutdown: User initiated shutdown"
            )
        row = {"instanceId": found.id, "currentState": _state(found.state), "previousState": _state(before)}
        return {"instancesSet": [row]}

    def _reboot(self, form: Form) -> dict[str, Any]:
        found = self._there(form["InstanceId.1"])
        if found.state != "running":
            raise ApiError(
                "IncorrectInstanceState",
                f"The instance '{found.id}' is not in a state from which it can be rebooted.",
            )
        return {}

    def _console(self, form: Form) -> dict[str, Any]:
        found = self._there(form["InstanceId"])
        return {"instanceId": found.id, "timestamp": _moment(self.timeline.now_ms), "output": found.console}

    def _describe(self, form: Form) -> dict[str, Any]:
        if "InstanceId.1" in form:
            return {"reservationSet": [self._reservation(self._there(form["InstanceId.1"]))]}
        wanted = {
            value.removeprefix("tag:"): form[f"{name.removesuffix('.Name')}.Value.1"]
            for name, value in form.items()
            if name.startswith("Filter.") and name.endswith(".Name")
        }
        shown = [each for each in self.instances.values() if self._shown(each)]
        rows = [each for each in shown if all(each.tags.get(name) == text for name, text in wanted.items())]
        token = form.get("NextToken", "0")
        if not token.isdecimal():
            raise ApiError("InvalidNextToken", "The token is not valid")
        first, many = int(token), min(self.page_rows, int(form["MaxResults"]))
        answer: dict[str, Any] = {
            "reservationSet": [self._reservation(each) for each in rows[first : first + many]]
        }
        if first + many < len(rows):
            answer["nextToken"] = str(first + many)
        return answer

    def _zones(self, _form: Form) -> dict[str, Any]:
        rows = [
            {"zoneName": zone, "zoneState": "available", "regionName": self.region} for zone in self.zones
        ]
        return {"availabilityZoneInfo": rows}

    def _images(self, form: Form) -> dict[str, Any]:
        if form["ImageId.1"] not in self.images:
            raise ApiError("InvalidAMIID.NotFound", f"The image id '[{form['ImageId.1']}]' does not exist")
        return {"imagesSet": [{"imageId": form["ImageId.1"], "imageState": "available"}]}

    def _types(self, _form: Form) -> dict[str, Any]:
        rows = [
            {
                "instanceType": kind,
                "vCpuInfo": {"defaultVCpus": cpus},
                "memoryInfo": {"sizeInMiB": cpus * 4_096},
                "supportedUsageClasses": ["on-demand", "spot"],
            }
            for kind, cpus in self.types.items()
        ]
        return {"instanceTypeSet": rows}

    def _offerings(self, form: Form) -> dict[str, Any]:
        rows = [
            {"instanceType": kind, "locationType": form["LocationType"], "location": zone}
            for kind in self.types
            for zone in self.zones
        ]
        return {"instanceTypeOfferingSet": rows}

    def _spot_prices(self, form: Form) -> dict[str, Any]:
        rows = [
            {
                "instanceType": kind, "availabilityZone": zone, "spotPrice": price,
                "productDescription": form["ProductDescription.1"], "timestamp": form["StartTime"],
            }
            for (kind, zone), price in self.spot_prices.items()
        ]  # fmt: skip
        return {"spotPriceHistorySet": rows}

    # --- inside

    def _shown(self, instance: Instance) -> bool:
        return instance.began_ms + self.listing_lag_ms <= self.timeline.now_ms

    def _there(self, ident: str) -> Instance:
        found = self.instances.get(ident)
        if found is None or not self._shown(found):
            raise ApiError("InvalidInstanceID.NotFound", f"The instance ID '{ident}' does not exist")
        return found

    def _start(self, made: Instance, rule: Rule | None) -> None:
        if made.state != "pending":
            return
        if rule is not None and rule.code:
            made.state, made.reason = "terminated", (rule.code, rule.text)
        else:
            made.state = "running"

    def _stop(self, instance: Instance, code: str, text: str) -> None:
        if not instance.counts:
            return
        instance.state, instance.reason = "shutting-down", (code, text)

        def end() -> None:
            instance.state = "terminated"
            self.timeline.at(self.timeline.now_ms + FORGOTTEN_MS, lambda: self._forget(instance))

        self.timeline.at(self.timeline.now_ms + STOP_MS, end)

    def _forget(self, instance: Instance) -> None:
        self.instances.pop(instance.id, None)

    def _reservation(self, instance: Instance) -> dict[str, Any]:
        row: dict[str, Any] = {
            "instanceId": instance.id,
            "imageId": instance.form["ImageId"],
            "instanceState": _state(instance.state),
            "instanceType": instance.form["InstanceType"],
            "launchTime": _moment(instance.began_ms),
            "placement": {"availabilityZone": instance.zone},
            "privateIpAddress": f"10.0.0.{int(instance.id[2:], 16) % 250 + 4}",
            "tagSet": [{"key": name, "value": value} for name, value in instance.tags.items()],
        }
        if instance.reason[0]:
            row["stateReason"] = {"code": instance.reason[0], "message": instance.reason[1]}
        if instance.spot:
            row["instanceLifecycle"] = "spot"
        return {"reservationId": f"r-{instance.id[2:]}", "ownerId": "123456789012", "instancesSet": [row]}


def _tags(form: Form) -> dict[str, str]:
    return {
        value: form[f"{name.removesuffix('.Key')}.Value"]
        for name, value in form.items()
        if name.startswith("TagSpecification.1.") and name.endswith(".Key")
    }


def _state(name: str) -> dict[str, Any]:
    return {"code": _CODES[name], "name": name}


def _moment(at_ms: int) -> str:
    return datetime.fromtimestamp(at_ms / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _refusal(rule: Rule) -> Answer:
    return ApiError(
        rule.code or "InternalError", rule.text or "A fault that a test asked for.", rule.status
    ).answer()


_ACTIONS: dict[str, Callable[[Aws, Form], dict[str, Any]]] = {
    "RunInstances": Aws._run,
    "TerminateInstances": Aws._terminate,
    "RebootInstances": Aws._reboot,
    "GetConsoleOutput": Aws._console,
    "DescribeInstances": Aws._describe,
    "DescribeAvailabilityZones": Aws._zones,
    "DescribeImages": Aws._images,
    "DescribeInstanceTypes": Aws._types,
    "DescribeInstanceTypeOfferings": Aws._offerings,
    "DescribeSpotPriceHistory": Aws._spot_prices,
}
