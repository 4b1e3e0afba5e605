"""The calls that the driver makes, by their meaning. Errors are those of drivers. Called by `driver` and `making`, from any thread."""

import re
from typing import Any
from urllib.parse import quote

from herder.model.fleet.driver import DriverError, InvalidRequest, OutcomeUnknown, Unavailable
from herder.model.fleet.driver_capabilities import Network
from herder.remote.proxmox.calls import ProxmoxCalls
from herder.remote.proxmox.errors import succeeded
from herder.remote.proxmox.machines.answers import (
    addresses_of,
    bridges_of,
    config_of,
    power_of,
    privileges_of,
    task_of,
)
from herder.remote.proxmox.machines.objects import NODE, Cluster, cluster_of

Json = dict[str, Any]
_UPID = re.compile(rf"UPID:({NODE}):[^/\s]{{1,500}}")


class Api:
    def __init__(self, client: ProxmoxCalls) -> None:
        self.client = client

    def cluster(self) -> Cluster:
        """Everything that is there, in one call. It lags a little."""
        return cluster_of(self.client.get("/cluster/resources", "listing the cluster"))

    def quorate(self) -> bool:
        rows = self._rows(self.client.get("/cluster/status", "reading the status of the cluster"))
        return all(row.get("quorate", 1) for row in rows if row.get("type") == "cluster")

    def permissions(self) -> dict[str, dict[str, int]]:
        return privileges_of(self.client.get("/access/permissions", "reading the privileges of the token"))

    def bridges(self, node: str) -> list[Network]:
        path, what = f"/nodes/{node}/network", f"listing the bridges of node {node}"
        return bridges_of(self.client.get(path, what, type="any_bridge"), node)

    def config(self, node: str, vmid: int) -> Json:
        path, what = f"/nodes/{node}/qemu/{vmid}/config", f"reading the configuration of VM {vmid}"
        return config_of(self.client.get(path, what), vmid)

    def running(self, node: str, vmid: int) -> bool:
        path, what = f"/nodes/{node}/qemu/{vmid}/status/current", f"reading the status of VM {vmid}"
        return power_of(self.client.get(path, what), vmid)

    def clone(self, node: str, template: int, form: dict[str, str | int]) -> str:
        what = f"cloning template {template} of node {node} as VM {form['newid']}"
        return self._begun(self.client.post(f"/nodes/{node}/qemu/{template}/clone", what, form), what)

    def configure(self, node: str, vmid: int, form: dict[str, str | int]) -> None:
        self.client.put(f"/nodes/{node}/qemu/{vmid}/config", f"configuring VM {vmid}", form)

    def configure_later(self, node: str, vmid: int, form: dict[str, str | int]) -> str:
        """As a task; empty: it is done, as far as the answer says. The configuration itself shows it."""
        found = self.client.post(f"/nodes/{node}/qemu/{vmid}/config", f"configuring VM {vmid}", form)
        return found if isinstance(found, str) and _UPID.fullmatch(found) else ""

    def grow(self, node: str, vmid: int, disk: str, size: int) -> None:
        form: dict[str, str | int] = {"disk": disk, "size": f"{size // 2**20}M"}
        self.client.put(f"/nodes/{node}/qemu/{vmid}/resize", f"growing disk {disk} of VM {vmid}", form)

    def power(self, node: str, vmid: int, verb: str) -> str:
        """start, stop, reset."""
        path, what = f"/nodes/{node}/qemu/{vmid}/status/{verb}", f"the call {verb} for VM {vmid}"
        return self._begun(self.client.post(path, what), what)

    def destroy(self, node: str, vmid: int) -> str:
        query, what = {"purge": 1, "destroy-unreferenced-disks": 1}, f"removing VM {vmid}"
        return self._begun(self.client.delete(f"/nodes/{node}/qemu/{vmid}", what, **query), what)

    def addresses(self, node: str, vmid: int) -> tuple[str, ...]:
        """By its guest agent; none: it does not answer, or knows none yet."""
        path = f"/nodes/{node}/qemu/{vmid}/agent/network-get-interfaces"
        try:
            return addresses_of(self.client.get(path, f"asking the guest agent of VM {vmid}"))
        except (InvalidRequest, Unavailable):
            return ()  # it is not there yet, and is asked again

    # --- tasks: their node is in their id

    def task(self, upid: str) -> tuple[bool, str]:
        """Whether it runs, and the exit status of one that has ended."""
        return task_of(self.client.get(f"{_task(upid)}/status", "reading the status of a task"), upid)

    def stop_task(self, upid: str) -> None:
        self.client.delete(_task(upid), "stopping a task")

    def task_log(self, upid: str) -> str:
        rows = self._rows(self.client.get(f"{_task(upid)}/log", "reading the log of a task", limit=500))
        return "\n".join(str(row.get("t", "")) for row in rows)

    def tasks_of(self, node: str, vmid: int) -> list[Json]:
        """The newest first."""
        path, what = f"/nodes/{node}/tasks", f"listing the tasks of VM {vmid}"
        return self._rows(self.client.get(path, what, vmid=vmid, source="all", limit=10))

    # --- images

    def upload(self, node: str, storage: str, name: str, content: bytes) -> str:
        """The task that stores it, which may still run."""
        path = f"/nodes/{node}/storage/{storage}/upload"
        upid = self.client.upload(
            path, f"uploading {name} to storage {storage} of node {node}", name, content
        )
        running, end = self.task(str(upid)) if str(upid).startswith("UPID:") else (False, "OK")
        if not running and not succeeded(end):
            raise Unavailable(f"Proxmox failed at storing {name} in storage {storage}: {end}.")
        return str(upid) if running else ""

    def images(self, node: str, storage: str) -> list[str]:
        path, what = f"/nodes/{node}/storage/{storage}/content", f"listing the images of storage {storage}"
        rows = self._rows(self.client.get(path, what, content="iso"))
        return [str(row.get("volid", "")) for row in rows]

    def remove_image(self, node: str, storage: str, volume: str) -> None:
        path = f"/nodes/{node}/storage/{storage}/content/{quote(volume, safe='')}"
        try:
            self.client.delete(path, f"removing image {volume}")
        except DriverError as error:
            if "does not exist" not in str(error) and "no such" not in str(error).lower():
                raise

    def _begun(self, found: Any, what: str) -> str:
        if isinstance(found, str) and _UPID.fullmatch(found):
            return found
        raise OutcomeUnknown(f"Proxmox answers {what} without the id of a task. Check its version.")

    def _rows(self, found: Any) -> list[Json]:
        if isinstance(found, list) and all(isinstance(row, dict) for row in found):
            return found
        raise Unavailable("Proxmox answers with something else than a list. Check its version.")


def _task(upid: str) -> str:
    found = _UPID.fullmatch(upid)
    if found is None:
        raise InvalidRequest(f"{upid[:80]!r} is not the id of a task of Proxmox.")
    return f"/nodes/{found[1]}/tasks/{quote(upid, safe='')}"
