"""The calls of Google's APIs that the driver makes, one method each. Called from any thread; raises `DriverError`s only."""

from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import quote

from herder.drivers.gcp.instances import Disk, Instance, disk_of, instance_of
from herder.model.fleet.driver import OutcomeUnknown, Unavailable
from herder.remote.clouds.client import CloudClient
from herder.remote.clouds.pages import Page, all_pages

Json = dict[str, Any]
PREEMPTED = "compute.instances.preempted"
_PAGE_ROWS = 500
#: Of a zone in an aggregated list that merely has nothing.
_NOTHING_THERE = frozenset({"NO_RESULTS_ON_PAGE", ""})


class Api:
    def __init__(
        self, project: str, compute: CloudClient, billing: CloudClient, projects: CloudClient
    ) -> None:
        self.project = project
        self._compute, self._billing, self._projects = compute, billing, projects
        self._path = f"/projects/{quote(project, safe=':')}"

    # --- VMs

    def insert(self, zone: str, body: Json, secrets: Sequence[str]) -> Json:
        path, what = f"{self._path}/zones/{zone}/instances", f"creating VM {body['name']} in {zone}"
        return self._begun(self._compute.call("POST", path, what, body=body, secrets=secrets).data, what)

    def instance(self, zone: str, name: str) -> Instance:
        what = f"reading VM {name} in {zone}"
        found = instance_of(self._get(f"/zones/{zone}/instances/{quote(name)}", what))
        if found.name != name:
            raise _not_google(what)
        return found

    def delete(self, zone: str, name: str) -> Json:
        path, what = f"{self._path}/zones/{zone}/instances/{quote(name)}", f"deleting VM {name} in {zone}"
        return self._begun(self._compute.call("DELETE", path, what).data, what)

    def reset(self, zone: str, name: str) -> Json:
        path, what = f"{self._path}/zones/{zone}/instances/{quote(name)}/reset", f"resetting VM {name}"
        return self._begun(self._compute.call("POST", path, what).data, what)

    def instances(self, label: str, value: str) -> tuple[list[Instance], bool]:
        """In all zones; and whether these are all."""
        rows, complete = self._aggregated("instances", label, value)
        return [instance_of(row) for row in rows], complete

    def console(self, zone: str, name: str) -> str:
        path = f"/zones/{zone}/instances/{quote(name)}/serialPort"
        return str(self._get(path, f"reading the serial port of VM {name}", port=1).get("contents", ""))

    # --- disks

    def disks(self, label: str, value: str) -> list[Disk]:
        rows, _ = self._aggregated("disks", label, value)
        return [disk_of(row) for row in rows]

    def disk(self, zone: str, name: str) -> Disk:
        return disk_of(self._get(f"/zones/{zone}/disks/{quote(name)}", f"reading disk {name} in {zone}"))

    def delete_disk(self, zone: str, name: str) -> Json:
        path, what = f"{self._path}/zones/{zone}/disks/{quote(name)}", f"deleting disk {name} in {zone}"
        return self._begun(self._compute.call("DELETE", path, what).data, what)

    # --- operations

    def operation(self, zone: str, name: str) -> Json:
        what = f"reading operation {name} in {zone}"
        found = self._get(f"/zones/{zone}/operations/{quote(name)}", what)
        if found.get("name") != name or not found.get("status"):
            raise _not_google(what)
        return found

    def preemptions(self, zone: str, target: str = "") -> list[Json]:
        """Those that Google has not forgotten; of the VM with the number `target`."""
        wanted = f'operationType = "{PREEMPTED}"'
        if target:
            wanted = f"({wanted}) (targetId = {target})"
        return self._list(f"/zones/{zone}/operations", f"listing the preemptions in {zone}", filter=wanted)

    def operations_of(self, zone: str, name: str) -> list[Json]:
        """Of the VM with this name, those that Google has not forgotten."""
        link = f"https://www.googleapis.com/compute/v1{self._path}/zones/{zone}/instances/{name}"
        return self._list(
            f"/zones/{zone}/operations",
            f"listing the operations of VM {name}",
            filter=f'targetLink = "{link}"',
        )

    # --- what there is

    def zone(self, zone: str) -> Json:
        return self._get(f"/zones/{zone}", f"reading zone {zone}")

    def region(self, region: str) -> Json:
        return self._get(f"/regions/{region}", f"reading the quotas of region {region}")

    def machine_types(self, zone: str) -> list[Json]:
        return self._list(f"/zones/{zone}/machineTypes", f"listing the types of machines in {zone}")

    def image(self, image: str) -> Json:
        """`projects/P/global/images/N` or `…/family/N`, or the same without the project."""
        path = image if image.startswith("projects/") else f"projects/{self.project}/{image}"
        what = f"reading image {image}"
        return self._object(self._compute.call("GET", f"/{quote(path)}", what).data, what)

    def skus(self, service: str) -> list[Json]:
        what = "reading the prices"

        def page(token: str) -> Page:
            query: dict[str, str | int] = {"pageSize": 5_000, "currencyCode": "USD"}
            if token:
                query["pageToken"] = token
            path = f"/services/{service}/skus"
            return self._object(self._billing.call("GET", path, what, query=query).data, what)

        return [row for found in all_pages(page, _next, what) for row in self._rows(found, "skus", what)]

    def allowed(self, permissions: Sequence[str]) -> list[str]:
        """Those of `permissions` that the account has in the project."""
        path, what = f"{self._path}:testIamPermissions", "reading the permissions of the account"
        body = {"permissions": list(permissions)}
        found = self._object(self._projects.call("POST", path, what, body=body, repeatable=True).data, what)
        allowed = found.get("permissions", [])
        if not isinstance(allowed, list):
            raise _not_google(what)
        return [str(each) for each in allowed]

    def close(self) -> None:
        for client in (self._compute, self._billing, self._projects):
            client.close()

    # --- one call

    def _get(self, path: str, what: str, **query: str | int) -> Json:
        return self._object(self._compute.call("GET", f"{self._path}{path}", what, query=query).data, what)

    def _list(self, path: str, what: str, **query: str | int) -> list[Json]:
        return [row for page in self._pages(path, what, query) for row in self._rows(page, "items", what)]

    def _aggregated(self, kind: str, label: str, value: str) -> tuple[list[Json], bool]:
        what = f"listing the {kind}"
        query = {"filter": f'labels.{label} = "{value}"'}
        rows, complete = list[Json](), True
        for page in self._pages(f"/aggregated/{kind}", what, query):
            complete = complete and not page.get("unreachables") and _warning(page) in _NOTHING_THERE
            for scope in self._object(page.get("items", {}), what).values():
                rows += self._rows(self._object(scope, what), kind, what)
                warned = _warning(scope)
                complete = complete and (kind in scope or bool(warned)) and warned in _NOTHING_THERE
        return rows, complete

    def _pages(self, path: str, what: str, query: Mapping[str, str | int]) -> list[Page]:
        def page(token: str) -> Page:
            more: dict[str, str | int] = {**query, "maxResults": _PAGE_ROWS}
            if token:
                more["pageToken"] = token
            found = self._get(path, what, **more)
            if "error" in found or not {"items", "kind"} & found.keys():  # an empty page says what it is
                raise _not_google(what)
            return found

        return all_pages(page, _next, what)

    def _begun(self, found: Any, what: str) -> Json:
        """The operation that a change has begun."""
        if isinstance(found, dict) and found.get("name") and found.get("status"):
            return found
        raise OutcomeUnknown(
            f"The answer to {what} is not an operation of Google Cloud. It may have happened."
        )

    def _object(self, found: Any, what: str) -> Json:
        if isinstance(found, dict):
            return found
        raise _not_google(what)

    def _rows(self, found: Mapping[str, Any], name: str, what: str) -> list[Json]:
        """Where there are none, Google omits the list."""
        rows = found.get(name, [])
        if not isinstance(rows, list):
            raise _not_google(what)
        return [self._object(row, what) for row in rows]


def _next(page: Page) -> str:
    return str(page.get("nextPageToken") or "")


def _not_google(what: str) -> Unavailable:
    return Unavailable(
        f"The answer to {what} is not one of Google Cloud. Check the addresses in the settings."
    )


def _warning(scope: Mapping[str, Any]) -> str:
    warning = scope.get("warning")
    return str(warning.get("code", "")) if isinstance(warning, dict) else ""
