"""The calls of Workspace Manager that the driver makes, one method each. Called from any thread; raises `DriverError`s only."""

from collections.abc import Sequence
from typing import Any

from herder.drivers.terra.errors import PROVIDER
from herder.drivers.terra.resources import Job, Vm
from herder.model.fleet.driver import OutcomeUnknown, Unavailable
from herder.remote.clouds.client import CloudClient
from herder.remote.clouds.pages import PAGES_MAX, Page, all_pages
from herder.remote.clouds.records import read_as

Json = dict[str, Any]
ROWS = 100
_LISTING = "listing the VMs"
_STATES = frozenset({"RUNNING", "SUCCEEDED", "FAILED"})
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
        what = f"creating VM {name}"
        found = self._client.call("POST", self._vms, what, body=body, secrets=secrets).data
        try:
            return _job(found, what)
        except Unavailable as error:
            raise OutcomeUnknown(str(error)) from error

    def creation(self, job: str) -> Job:
        what = f"reading job {job}"
        return _job(self._get(f"{self._vms}/create-result/{job}", what), what)

    def deletion(self, job: str) -> Job:
        what = f"reading job {job}"
        return _job(self._get(f"{self._vms}/delete-result/{job}", what), what)

    def vm(self, resource: str, name: str) -> Vm:
        what = f"reading VM {name}"
        found = _vm(self._get(f"{self._vms}/{resource}", what), what)
        if found.id != resource:
            raise _not_terra(what)
        return found

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
            found = self._get(f"{self._place}/resources", _LISTING, **query, offset=offset)
            page = [_vm(row, _LISTING) for row in _rows(found, "resources", _LISTING)]
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
        return [row for found in pages for row in _rows(found, "results", what)]

    def close(self) -> None:
        self._client.close()

    # --- one call

    def _get(self, path: str, what: str, **query: str | int) -> Json:
        return _object(self._client.call("GET", path, what, query=query).data, what)


def _object(found: Any, what: str) -> Json:
    if isinstance(found, dict):
        return found
    raise _not_terra(what)


def _rows(found: Json, name: str, what: str) -> list[Json]:
    """Of a page, which has them also where it has none: what is missing is not empty."""
    rows = found.get(name)
    if not isinstance(rows, list):
        raise _not_terra(what)
    return [_object(row, what) for row in rows]


def _job(found: Any, what: str) -> Job:
    job = read_as(Job, found, PROVIDER)
    if job.jobReport.status not in _STATES:
        raise _not_terra(what)
    return job


def _vm(found: Json, what: str) -> Vm:
    vm = read_as(Vm, found, PROVIDER)
    if not vm.id:
        raise _not_terra(what)
    return vm


def _not_terra(what: str) -> Unavailable:
    return Unavailable(f"The answer to {what} is not one of {PROVIDER}. Check the setting url.")
