"""The calls of Workspace Manager that the driver makes, one method each. Called from any thread; raises `DriverError`s only."""

from collections.abc import Sequence
from typing import Any

from herder.drivers.terra.errors import PROVIDER
from herder.drivers.terra.resources import Job, Vm
from herder.model.fleet.driver import Unavailable
from herder.remote.clouds.client import CloudClient
from herder.remote.clouds.pages import PAGES_MAX, Page, all_pages
from herder.remote.clouds.records import read_as

Json = dict[str, Any]
ROWS = 100
#: Readings of a list that changes meanwhile.
_READINGS = 3


class Api:
    def __init__(self, workspace: str, client: CloudClient) -> None:
        self._client, self.workspace = client, workspace
        self._place = f"/api/workspaces/v1/{workspace}"
        self._vms = f"{self._place}/resources/controlled/azure/vm"

    def describe(self) -> Json:
        return self._get(self._place, f"reading workspace {self.workspace}")

    # --- VMs

    def create_vm(self, name: str, body: Json, secrets: Sequence[str]) -> Job:
        """Raises AlreadyExists where the job is known: then this may have been done before."""
        found = self._client.call("POST", self._vms, f"creating VM {name}", body=body, secrets=secrets).data
        return read_as(Job, found, PROVIDER)

    def creation(self, job: str) -> Job:
        found = self._get(f"{self._vms}/create-result/{job}", f"reading job {job}")
        return read_as(Job, found, PROVIDER)

    def vm(self, resource: str, name: str) -> Vm:
        return read_as(Vm, self._get(f"{self._vms}/{resource}", f"reading VM {name}"), PROVIDER)

    def delete_vm(self, resource: str, job: str, name: str) -> None:
        """Raises AlreadyExists while another job has the VM."""
        body = {"jobControl": {"id": job}}
        self._client.call("POST", f"{self._vms}/{resource}", f"deleting VM {name}", body=body)

    def vms(self) -> tuple[list[Vm], bool]:
        """Of the workspace, whoever made them, and whether these are all of them."""
        rows: dict[str, Vm] = {}
        for _ in range(_READINGS):
            rows, still = self._read_vms()
            if still:
                return list(rows.values()), True
        return list(rows.values()), False

    def _read_vms(self) -> tuple[dict[str, Vm], bool]:
        """A page begins at a number of rows, so that a row is passed over when one before it goes meanwhile. Each page therefore begins with the last row
        of the one before it; another row there means that the list has changed. A page that is short proves nothing."""
        rows: dict[str, Vm] = {}
        offset, last = 0, ""
        query: dict[str, str | int] = {"resource": "AZURE_VM", "stewardship": "CONTROLLED", "limit": ROWS}
        for _ in range(PAGES_MAX):
            found = self._get(f"{self._place}/resources", "listing the VMs", **query, offset=offset)
            page = [read_as(Vm, row, PROVIDER) for row in _rows(found, "resources")]
            if last and (not page or page[0].id != last):
                return rows, False
            rows |= {vm.id: vm for vm in page}
            if len(page) <= (1 if last else 0):
                return rows, True
            last, offset = page[-1].id, offset + len(page) - 1
        raise Unavailable(f"The workspace has more than {PAGES_MAX * ROWS:,} VMs. Herder reads no more.")

    def jobs(self, name: str) -> list[Json]:
        """About the VM with this name, also when it is gone."""
        path, what = f"/api/workspaces/alpha1/{self.workspace}/jobs", f"listing the jobs of VM {name}"

        def page(token: str) -> Page:
            more = {"pageToken": token} if token else {}
            return self._get(path, what, name=name, jobState="ALL", limit=ROWS, **more)

        pages = all_pages(page, lambda found: str(found.get("pageToken") or ""), what)
        return [row for found in pages for row in _rows(found, "results")]

    def close(self) -> None:
        self._client.close()

    # --- one call

    def _get(self, path: str, what: str, **query: str | int) -> Json:
        found = self._client.call("GET", path, what, query=query).data
        if isinstance(found, dict):
            return found
        raise Unavailable(f"The answer to {what} is not one of {PROVIDER}. Check the setting url.")


def _rows(found: Json, name: str) -> list[Json]:
    rows = found.get(name)
    return [row for row in rows if isinstance(row, dict)] if isinstance(rows, list) else []
