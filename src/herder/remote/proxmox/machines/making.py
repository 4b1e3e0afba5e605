"""One step of a VM on its way to running, or to its end. Called by `driver`, also twice at once for the same VM.

Each call looks at the VM and begins at most one thing. What the VM itself says (lock, tags, power) decides what is next, so that a
restart in between changes nothing. Nothing is done to a VM before its configuration says that it is ours.
"""

from dataclasses import dataclass

from herder.model.fleet.creation import Step
from herder.model.fleet.driver import AlreadyExists, DriverError, InvalidRequest, NotFound, Phase, Unavailable
from herder.remote.proxmox.machines.api import Api, Json
from herder.remote.proxmox.machines.names import NEW, iso_name
from herder.remote.proxmox.machines.objects import boot_disk
from herder.remote.proxmox.machines.options import Intent
from herder.remote.proxmox.machines.settings import ProxmoxSettings

_MAKING_LOCKS = ("clone", "create")


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    phase: Phase
    step: Step | None = None
    upid: str = ""
    detail: str = ""
    addresses: tuple[str, ...] = ()
    configured: bool = False


def tags_in(config: Json) -> list[str]:
    return [each for each in str(config.get("tags", "")).lower().replace(",", ";").split(";") if each]


def being_made(config: Json) -> bool:
    return config.get("lock") in _MAKING_LOCKS


def advance(
    api: Api, settings: ProxmoxSettings, node: str, vmid: int, config: Json, intent: Intent | None
) -> Seen:
    lock, tags = str(config.get("lock", "")), tags_in(config)
    new = f"{settings.tag}-{NEW}"
    configured = any(each.startswith(f"{settings.tag}-w.{vmid}.") for each in tags)
    if lock in _MAKING_LOCKS or (lock and (not configured or new in tags)):
        step = Step.CREATE if not configured else Step.START
        return Seen(
            phase=Phase.CREATING, step=step, detail=f"VM {vmid} is locked ({lock}).", configured=configured
        )
    if not configured:
        if intent is None:
            raise Unavailable(f"VM {vmid} has lost its notes before it was configured. Herder removes it.")
        form = {**intent.set, "tags": f"{intent.set['tags']};{new}"}
        if config.get("digest"):
            form["digest"] = str(config["digest"])
        upid = _although_busy(api, node, vmid, form)
        step = Step.CONFIGURE if upid or intent.disk else Step.START  # without a task it is done
        return Seen(phase=Phase.CREATING, step=step, upid=upid)
    if new not in tags:
        on = api.running(node, vmid)
        addresses = api.addresses(node, vmid) if on and settings.wait_for_agent else ()
        return Seen(phase=Phase.RUNNING if on else Phase.STOPPED, addresses=addresses, configured=True)
    return _begin(api, settings, node, vmid, config, intent, [each for each in tags if each != new])


def _begin(
    api: Api,
    settings: ProxmoxSettings,
    node: str,
    vmid: int,
    config: Json,
    intent: Intent | None,
    tags: list[str],
) -> Seen:
    """It is configured and has not run yet."""
    if intent is not None and intent.disk and boot_disk(config)[2] < intent.disk_bytes:
        api.grow(node, vmid, intent.disk, intent.disk_bytes)
        return Seen(phase=Phase.CREATING, step=Step.CONFIGURE, configured=True)
    if not api.running(node, vmid):
        return Seen(phase=Phase.CREATING, step=Step.START, upid=_start(api, node, vmid), configured=True)
    addresses = api.addresses(node, vmid) if settings.wait_for_agent else ()
    if settings.wait_for_agent and not addresses:
        detail = f"The guest agent of VM {vmid} does not answer yet."
        return Seen(phase=Phase.CREATING, step=Step.BOOT, detail=detail, configured=True)
    api.configure(node, vmid, {"tags": ";".join(tags)})
    return Seen(phase=Phase.RUNNING, addresses=addresses, configured=True)


def _although_busy(api: Api, node: str, vmid: int, form: dict[str, str | int]) -> str:
    try:
        return api.configure_later(node, vmid, form)
    except (NotFound, AlreadyExists) as error:
        # An image that is still being stored, a mapping that is missing: the VM itself is there.
        raise Unavailable(str(error)) from error
    except DriverError as error:
        if "digest" in str(error) or "modified" in str(error):  # somebody else has just configured it
            return ""
        raise


def _start(api: Api, node: str, vmid: int) -> str:
    try:
        return api.power(node, vmid, "start")
    except DriverError as error:
        if "already running" in str(error):
            return ""
        raise


def remove(
    api: Api, settings: ProxmoxSettings, node: str, vmid: int, config: Json, iso: tuple[str, str]
) -> str:
    """The next thing on the way to its end: the id of its task. `iso`: node and volume. Its image goes before it, since it says where it is."""
    if config.get("template"):
        raise InvalidRequest(
            f"VM {vmid} has become a template. Herder never removes a template; remove it by hand."
        )
    if being_made(config):
        raise Unavailable(f"VM {vmid} is still being cloned and is removed afterwards.")
    if str(config.get("protection", "0")) == "1":
        raise InvalidRequest(
            f"VM {vmid} of node {node} cannot be removed: its protection is on. Turn off its option Protection in Proxmox."
        )
    if api.running(node, vmid):
        return api.power(node, vmid, "stop")
    remove_image(api, iso)
    return api.destroy(node, vmid)


def remove_image(api: Api, iso: tuple[str, str]) -> None:
    node, volume = iso
    if volume:
        api.remove_image(node, volume.partition(":")[0], volume)


def volume_of(settings: ProxmoxSettings, installation: str, worker: str) -> str:
    """Empty: none is made."""
    return settings.iso_storage and f"{settings.iso_storage}:iso/{iso_name(installation, worker)}"
