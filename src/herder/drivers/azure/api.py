"""The calls of Azure's APIs that the driver makes, one method each. Called from any thread; raises `DriverError`s only."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeVar
from urllib.parse import quote, urlsplit

import msgspec

from herder.drivers.azure.resources import Part, View, Vm, read
from herder.model.fleet.driver import Unavailable
from herder.remote.clouds.client import CloudClient
from herder.remote.clouds.pages import Page, all_pages

Json = dict[str, Any]
_T = TypeVar("_T", Vm, Part)
#: By resource provider and collection: the version of the API that is spoken.
COMPUTE, DISKS, SKUS = "2024-07-01", "2024-03-02", "2021-07-01"
NETWORK, RESOURCES, PERMISSIONS, LOG = "2024-01-01", "2024-07-01", "2022-04-01", "2015-04-01"
_CREATE_ONLY = {"If-None-Match": "*"}
_OPERATION = "azure-asyncoperation"


@dataclass(frozen=True, slots=True)
class Kind:
    """Of parts of a VM."""

    path: str
    version: str
    words: str


CARDS = Kind("Microsoft.Network/networkInterfaces", NETWORK, "network card")
ADDRESSES = Kind("Microsoft.Network/publicIPAddresses", NETWORK, "address")
OS_DISKS = Kind("Microsoft.Compute/disks", DISKS, "disk")
#: In the order in which they can be deleted: an address that a card has cannot.
KINDS = (CARDS, ADDRESSES, OS_DISKS)
_VMS = "Microsoft.Compute/virtualMachines"


class Api:
    def __init__(
        self, subscription: str, group: str, arm: CloudClient, prices: CloudClient, blobs: CloudClient
    ) -> None:
        self._arm, self._prices, self._blobs = arm, prices, blobs
        self._subscription = f"/subscriptions/{subscription}"
        self._group = f"{self._subscription}/resourceGroups/{quote(group)}"
        self.group = group

    # --- VMs

    def put_vm(self, name: str, body: Json, secrets: Sequence[str]) -> str:
        """Answers the address of the operation, without its host. Raises AlreadyExists rather than change a VM."""
        reply = self._arm.call(
            "PUT", self._path(_VMS, name), f"creating VM {name}", query={"api-version": COMPUTE}, body=body,
            headers=_CREATE_ONLY, secrets=secrets,
        )  # fmt: skip
        return _local(reply.headers.get(_OPERATION, ""))

    def vm(self, name: str) -> Vm:
        path, what = self._path(_VMS, name), f"reading VM {name}"
        return _named(read(self._get(path, what, COMPUTE, **{"$expand": "instanceView"}), Vm), name, what)

    def delete_vm(self, name: str) -> None:
        """Without waiting for the system in it; the parts that go with it go too."""
        query = {"api-version": COMPUTE, "forceDeletion": "true"}
        self._arm.call("DELETE", self._path(_VMS, name), f"deleting VM {name}", query=query)

    def restart(self, name: str) -> None:
        path = f"{self._path(_VMS, name)}/restart"
        self._arm.call("POST", path, f"restarting VM {name}", query={"api-version": COMPUTE})

    def vms(self) -> list[Vm]:
        """Of the resource group; with their power states, which Azure has in another list."""
        what = "listing the VMs"
        rows = [read(row, Vm) for row in self._list(f"{self._group}/providers/{_VMS}", what, COMPUTE)]
        if not rows:
            return rows
        path = f"{self._subscription}/providers/{_VMS}"
        states = self._list(path, "listing the states of VMs", COMPUTE, statusOnly="true")
        views = {each.id.lower(): each.properties.instanceView for each in (read(row, Vm) for row in states)}
        return [_with_view(vm, views.get(vm.id.lower(), View())) for vm in rows]

    def console(self, name: str) -> str:
        path, what = (
            f"{self._path(_VMS, name)}/retrieveBootDiagnosticsData",
            f"reading the console of VM {name}",
        )
        found = self._arm.call("POST", path, what, query={"api-version": COMPUTE}, repeatable=True).data
        address = str(_object(found, what).get("serialConsoleLogBlobUri") or "")
        # The address carries its own signature: nobody may see it, and no credentials go there.
        return str(self._blobs.call("GET", address, what, secrets=(address,)).data or "") if address else ""

    def operation(self, path: str) -> Json:
        return _object(self._arm.call("GET", path, "reading an operation").data, "reading an operation")

    def events(self, name: str, since: str) -> list[Json]:
        """Of the activity log, about the VM with this name, `since` a time in ISO 8601."""
        path = f"{self._subscription}/providers/Microsoft.Insights/eventtypes/management/values"
        wanted = f"eventTimestamp ge '{since}' and resourceUri eq '{self._path(_VMS, name)}'"
        return self._list(path, f"reading the log of VM {name}", LOG, **{"$filter": wanted})

    # --- parts

    def put_part(self, kind: Kind, name: str, body: Json) -> Part:
        """To be repeated as often as one likes."""
        what = f"creating {kind.words} {name}"
        query = {"api-version": kind.version}
        path = self._path(kind.path, name)
        reply = self._arm.call("PUT", path, what, query=query, body=body, repeatable=True)
        return _named(read(reply.data, Part), name, what)

    def part(self, kind: Kind, name: str) -> Part:
        path, what = self._path(kind.path, name), f"reading {kind.words} {name}"
        return _named(read(self._get(path, what, kind.version), Part), name, what)

    def delete_part(self, kind: Kind, name: str) -> None:
        path, what = self._path(kind.path, name), f"deleting {kind.words} {name}"
        self._arm.call("DELETE", path, what, query={"api-version": kind.version})

    def parts(self, kind: Kind) -> list[Part]:
        path = f"{self._group}/providers/{kind.path}"
        return [read(row, Part) for row in self._list(path, f"listing the {kind.words}s", kind.version)]

    # --- what there is

    def resource_group(self) -> Json:
        return self._get(self._group, f"reading resource group {self.group}", RESOURCES)

    def usages(self, location: str) -> list[Json]:
        path = f"{self._subscription}/providers/Microsoft.Compute/locations/{location}/usages"
        return self._list(path, f"reading the quotas of {location}", COMPUTE)

    def sizes(self, location: str) -> list[Json]:
        """The sizes of VMs that the subscription may see there, as Azure describes them."""
        path = f"{self._subscription}/providers/Microsoft.Compute/skus"
        wanted = {"$filter": f"location eq '{location}'"}
        rows = self._list(path, f"reading the sizes of VMs in {location}", SKUS, **wanted)
        return [row for row in rows if row.get("resourceType") == "virtualMachines"]

    def retail_prices(self, location: str) -> list[Json]:
        what = f"reading the prices in {location}"
        terms = (
            "serviceName eq 'Virtual Machines'",
            f"armRegionName eq '{location}'",
            "priceType eq 'Consumption'",
        )
        first = {"$filter": " and ".join(terms), "currencyCode": "'USD'"}

        def page(address: str) -> Page:
            path, query = (address, None) if address else ("/api/retail/prices", first)
            return _object(self._prices.call("GET", path, what, query=query).data, what)

        pages = all_pages(page, lambda found: _next(found, "NextPageLink", what), what)
        return [row for found in pages for row in _rows(found, "Items", what)]

    def permissions(self) -> list[Json]:
        """What the account may do in the resource group, as patterns."""
        path = f"{self._group}/providers/Microsoft.Authorization/permissions"
        return self._list(path, "reading the permissions of the account", PERMISSIONS)

    def close(self) -> None:
        for client in (self._arm, self._prices, self._blobs):
            client.close()

    # --- one call

    def _path(self, kind: str, name: str) -> str:
        return f"{self._group}/providers/{kind}/{quote(name)}"

    def _get(self, path: str, what: str, version: str, **query: str) -> Json:
        return _object(self._arm.call("GET", path, what, query={"api-version": version, **query}).data, what)

    def _list(self, path: str, what: str, version: str, **query: str) -> list[Json]:
        def page(address: str) -> Page:
            if address:
                return _object(self._arm.call("GET", address, what).data, what)
            return self._get(path, what, version, **query)

        pages = all_pages(page, lambda found: _next(found, "nextLink", what), what)
        return [row for found in pages for row in _rows(found, "value", what)]


def _local(address: str) -> str:
    """Without its host: what an answer names is asked of the address in the settings, so that credentials go nowhere else. Empty: it has no path."""
    try:
        parts = urlsplit(address)
    except ValueError:
        return ""
    return f"{parts.path}?{parts.query}" if parts.path else ""


def _next(found: Mapping[str, Any], name: str, what: str) -> str:
    """The address of the next page; empty: this is the last one."""
    link = found.get(name) or ""
    if not link:
        return ""
    local = _local(link) if isinstance(link, str) else ""
    if not local:
        raise _not_azure(what)
    return local


def _object(found: Any, what: str) -> Json:
    if isinstance(found, dict):
        return found
    raise _not_azure(what)


def _rows(found: Mapping[str, Any], name: str, what: str) -> list[Json]:
    """Of a page, which has them also where it has none: what is missing is not empty."""
    rows = found.get(name)
    if not isinstance(rows, list):
        raise _not_azure(what)
    return [_object(row, what) for row in rows]


def _named(found: _T, name: str, what: str) -> _T:
    """An answer about something else proves nothing."""
    if found.name.lower() != name.lower():
        raise _not_azure(what)
    return found


def _not_azure(what: str) -> Unavailable:
    return Unavailable(f"The answer to {what} is not one of Azure. Check the addresses in the settings.")


def _with_view(vm: Vm, view: View) -> Vm:
    return msgspec.structs.replace(vm, properties=msgspec.structs.replace(vm.properties, instanceView=view))
