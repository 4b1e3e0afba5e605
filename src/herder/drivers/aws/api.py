"""The calls of EC2's query API that the driver makes, one method each. Called from any thread; raises `DriverError`s only."""

import base64
import binascii
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any
from urllib.parse import quote, urlencode

from herder.drivers.aws.errors import WouldPass
from herder.drivers.aws.instances import flat, phase_of
from herder.drivers.aws.xml import Json
from herder.model.fleet.driver import OutcomeUnknown, Unavailable
from herder.remote.clouds.client import CloudClient
from herder.remote.clouds.pages import Page, all_pages

VERSION = "2016-11-15"
_PAGE_ROWS = 1_000


class Api:
    def __init__(self, client: CloudClient) -> None:
        self._client = client

    def run(self, asked: Mapping[str, Any], what: str, secrets: Sequence[str]) -> Json:
        """The instance."""
        found = self._change("RunInstances", asked, what, secrets)
        try:
            made = _instances_in(found, what)
            if not made:
                raise Unavailable(f"The answer of AWS to {what} names no instance.")
            phase_of(made[0])
        except Unavailable as error:
            raise _unknown(error) from error
        return made[0]

    def may_run(self, image: str, instance_type: str) -> None:
        """Makes nothing. Raises what creating such an instance, with tags, would be refused with."""
        asked = {
            "DryRun": "true", "ImageId": image, "InstanceType": instance_type, "MinCount": 1, "MaxCount": 1,
            "TagSpecification": [{"ResourceType": "instance", "Tag": [{"Key": "herder-check", "Value": "1"}]}],
        }  # fmt: skip
        with suppress(WouldPass):
            self._change("RunInstances", asked, "trying to create an instance")

    def terminate(self, idents: Sequence[str]) -> None:
        what = f"terminating instance {', '.join(idents)}"
        self._change("TerminateInstances", {"InstanceId": list(idents)}, what)

    def reboot(self, ident: str) -> None:
        self._change("RebootInstances", {"InstanceId": [ident]}, f"rebooting instance {ident}")

    def instance(self, ident: str) -> Json | None:
        """Raises NotFound, also of one that is too new."""
        what = f"reading instance {ident}"
        found = self._instances({"InstanceId": [ident]}, what)
        if any(each.get("instanceId") != ident for each in found):
            raise Unavailable(f"The answer of AWS to {what} is about another one. It proves nothing.")
        return found[0] if found else None

    def instances(self, token: str, what: str) -> list[Json]:
        """Those whose client token begins with `token`; among them those that have ended within the last hour."""
        filters = [{"Name": "client-token", "Value": [f"{token}*"]}]
        found = self._instances({"Filter": filters, "MaxResults": _PAGE_ROWS}, what)
        # They will be terminated: whoever answers without a look at the filter must not decide which.
        return [each for each in found if str(each.get("clientToken", "")).startswith(token)]

    def running(self) -> list[Json]:
        """All instances of the account in the region that start or run, whoever has made them."""
        filters = [{"Name": "instance-state-name", "Value": ["pending", "running"]}]
        asked = {"Filter": filters, "MaxResults": _PAGE_ROWS}
        return self._instances(asked, "counting the instances of the region")

    def interrupted(self) -> list[Json]:
        """The requests for spot instances of the account that AWS is about to end."""
        filters = [{"Name": "status-code", "Value": ["marked-for-termination"]}]
        asked = {"Filter": filters, "MaxResults": _PAGE_ROWS}
        what = "looking for spot instances that end"
        return self._listed("DescribeSpotInstanceRequests", asked, "spotInstanceRequestSet", what)

    def free_volumes(self, tags: Mapping[str, str]) -> list[Json]:
        """Those with all of `tags` that no instance has."""
        filters = [{"Name": f"tag:{name}", "Value": [value]} for name, value in tags.items()]
        filters.append({"Name": "status", "Value": ["available"]})
        asked = {"Filter": filters, "MaxResults": _PAGE_ROWS}
        found = self._listed("DescribeVolumes", asked, "volumeSet", "looking for volumes without an instance")
        return [each for each in found if each.get("status") == "available"]

    def delete_volume(self, ident: str) -> None:
        self._change("DeleteVolume", {"VolumeId": ident}, f"deleting volume {ident}")

    def console(self, ident: str) -> str:
        found = self._read("GetConsoleOutput", {"InstanceId": ident}, f"reading the console of {ident}")
        try:
            return base64.b64decode(str(found.get("output", ""))).decode(errors="replace")
        except binascii.Error:
            raise Unavailable(
                f"The console of instance {ident} is in a form that Herder does not know."
            ) from None

    def zones(self) -> list[Json]:
        what = "listing the zones"
        return _rows(self._read("DescribeAvailabilityZones", {}, what), "availabilityZoneInfo", what)

    def image(self, ident: str) -> list[Json]:
        what = f"reading image {ident}"
        return _rows(self._read("DescribeImages", {"ImageId": [ident]}, what), "imagesSet", what)

    # --- what there is

    def instance_types(self) -> list[Json]:
        asked = {"MaxResults": 100}
        return self._listed(
            "DescribeInstanceTypes", asked, "instanceTypeSet", "listing the types of instances"
        )

    def offerings(self) -> list[Json]:
        """A row for each type and zone that has it."""
        asked = {"LocationType": "availability-zone", "MaxResults": _PAGE_ROWS}
        what = "listing the types of each zone"
        return self._listed("DescribeInstanceTypeOfferings", asked, "instanceTypeOfferingSet", what)

    def spot_prices(self, since: str) -> list[Json]:
        """Those of Linux that hold at `since` or came after it."""
        asked = {"StartTime": since, "ProductDescription": ["Linux/UNIX"], "MaxResults": _PAGE_ROWS}
        return self._listed(
            "DescribeSpotPriceHistory", asked, "spotPriceHistorySet", "reading the spot prices"
        )

    def close(self) -> None:
        self._client.close()

    # --- one call

    def _instances(self, asked: Mapping[str, Any], what: str) -> list[Json]:
        return [
            instance
            for reservation in self._listed("DescribeInstances", asked, "reservationSet", what)
            for instance in _instances_in(reservation, what)
        ]

    def _listed(self, action: str, asked: Mapping[str, Any], name: str, what: str) -> list[Json]:
        def page(token: str) -> Page:
            more = {"NextToken": token} if token else {}
            return self._read(action, {**asked, **more}, what)

        pages = all_pages(page, lambda found: str(found.get("nextToken") or ""), what)
        return [row for found in pages for row in _rows(found, name, what)]

    def _read(self, action: str, asked: Mapping[str, Any], what: str) -> Json:
        query = urlencode({"Action": action, "Version": VERSION, **flat(asked)}, quote_via=quote, safe="-_.~")
        return _answer(self._client.call("GET", f"/?{query}", what).data, action, what)

    def _change(self, action: str, asked: Mapping[str, Any], what: str, secrets: Sequence[str] = ()) -> Json:
        form = {"Action": action, "Version": VERSION, **flat(asked)}
        found = self._client.call("POST", "/", what, form=form, secrets=secrets).data
        try:
            return _answer(found, action, what)
        except Unavailable as error:
            raise _unknown(error) from error


def _unknown(error: Unavailable) -> OutcomeUnknown:
    return OutcomeUnknown(f"{error} It may have happened all the same.")


def _answer(found: Any, action: str, what: str) -> Json:
    """What is in the element of the action."""
    inside = found.get(f"{action}Response") if isinstance(found, dict) else None
    if isinstance(inside, dict):
        return inside
    raise _not_aws(what)


def _rows(found: Json, name: str, what: str) -> list[Json]:
    """Of a list that AWS writes also where it is empty: what is missing is not empty."""
    value = found.get(name)
    if value == "":
        return []
    if not isinstance(value, list) or not all(isinstance(each, dict) for each in value):
        raise _not_aws(what)
    return value


def _instances_in(reservation: Json, what: str) -> list[Json]:
    found = _rows(reservation, "instancesSet", what)
    if not all(each.get("instanceId") for each in found):
        raise _not_aws(what)
    return found


def _not_aws(what: str) -> Unavailable:
    return Unavailable(f"The answer to {what} is not one of AWS. Check the address in the settings.")
