"""Names, tags and VMIDs of what the driver makes. Pure.

A VM of ours is known by a tag that has its own VMID and its worker, so that a copy that a person makes of it is not ours. Before it is
configured it has no tag of its own: then its name, which has a hash of installation and worker, stands for it.
"""

import hashlib
import re
from collections.abc import Iterator, Sequence

from herder.model.fleet.creation import Step
from herder.model.fleet.driver import InvalidRequest, Machine, MachineTags, Phase
from herder.model.ids import PoolName, WorkerName
from herder.remote.proxmox.machines.objects import Guest

_WORKER = re.compile(r"[a-z0-9](?:[a-z0-9-]{0,50}[a-z0-9])?")
_HASH = 10
_NOT_IN_TAGS = re.compile(r"[^a-z0-9_\-+.]")
NEW = "new"
"""The tag of one that was configured and has not run yet."""


def digest(*parts: str) -> str:
    return hashlib.sha256("/".join(parts).encode()).hexdigest()


def check_worker(worker: str) -> None:
    if not _WORKER.fullmatch(worker):
        raise InvalidRequest(
            f"{worker[:60]!r} is not a possible name of a VM. Use small letters, digits and hyphens, at most 52."
        )


def vm_name(installation: str, worker: str) -> str:
    return f"{worker}-{digest(installation, worker)[:_HASH]}"


def iso_name(installation: str, worker: str) -> str:
    return f"herder-{vm_name(installation, worker)}.iso"


def worker_of_image(name: str, installation: str) -> WorkerName | None:
    """Whose boot data an image has; None: it is not one of ours."""
    worker = name.removeprefix("herder-").removesuffix(".iso").rpartition("-")[0]
    return WorkerName(worker) if worker and name == iso_name(installation, worker) else None


def candidates(installation: str, worker: str, first: int, last: int) -> Iterator[int]:
    """All VMIDs of the range, from one that follows from the worker."""
    size = last - first + 1
    begin = int(digest(installation, worker)[:12], 16) % size
    return (first + (begin + step) % size for step in range(size))


def tags_for(
    prefix: str, installation: str, worker: str, vmid: int, tags: MachineTags, more: Sequence[str] = ()
) -> list[str]:
    own = [
        prefix,
        f"{prefix}-i.{_in_tag(installation)}",
        f"{prefix}-w.{vmid}.{worker}",
        f"{prefix}-p.{_in_tag(tags.pool)}",
        f"{prefix}-t.{_in_tag(tags.template)}",
    ]
    return own + ([f"{prefix}-spot"] if tags.spot else []) + list(more)


def worker_of(guest: Guest, prefix: str, installation: str, first: int, last: int) -> WorkerName | None:
    """Whose VM this is; None: not one of ours."""
    if guest.vmid < 100 or guest.template or guest.type != "qemu":
        return None
    if f"{prefix}-i.{_in_tag(installation)}" in guest.tag_list:
        start = f"{prefix}-w.{guest.vmid}."
        return next(
            (WorkerName(each[len(start) :]) for each in guest.tag_list if each.startswith(start)), None
        )
    worker = guest.name.rpartition("-")[0]
    ours = bool(worker) and guest.name == vm_name(installation, worker) and first <= guest.vmid <= last
    return WorkerName(worker) if ours else None


def machine_tags(guest: Guest, prefix: str) -> MachineTags | None:
    pool, template = (_after(guest, f"{prefix}-{kind}.") for kind in "pt")
    if not pool:
        return None
    spot = f"{prefix}-spot" in guest.tag_list
    return MachineTags(pool=PoolName(pool), template=template, zone=guest.node, spot=spot)


def listed(worker: WorkerName, guest: Guest, prefix: str) -> Machine:
    """What a row of the listing says of a VM of ours."""
    tags = machine_tags(guest, prefix)
    fresh = tags is None or f"{prefix}-{NEW}" in guest.tag_list
    phase = Phase.RUNNING if guest.status == "running" else Phase.STOPPED
    step = Step.CREATE if fresh else None
    phase = Phase.CREATING if fresh else phase
    return Machine(worker=worker, handle=str(guest.vmid), phase=phase, tags=tags, step=step)


def _after(guest: Guest, start: str) -> str:
    return next((each[len(start) :] for each in guest.tag_list if each.startswith(start)), "")


def _in_tag(text: str) -> str:
    """As it is where Proxmox allows it in a tag; else a hash of it."""
    return text if text and not _NOT_IN_TAGS.search(text) else digest(text)[:16]
