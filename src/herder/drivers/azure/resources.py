"""What Azure says of VMs and of their parts: network cards, addresses and disks. Pure."""

from collections.abc import Mapping
from typing import Any, TypeVar

import msgspec

from herder.model.fleet.driver import Machine, MachineEnd, Phase, Unavailable
from herder.model.ids import WorkerName
from herder.remote.azure.errors import PROVIDER
from herder.remote.clouds.facts import Facts, machine_name
from herder.remote.clouds.records import read_as

#: Before the name of each tag of a fact.
TAG = "herder-"
_POWER: dict[str, Phase] = {
    "starting": Phase.CREATING,
    "running": Phase.RUNNING,
    "stopping": Phase.STOPPING,
    "deallocating": Phase.STOPPING,
    "stopped": Phase.STOPPED,
    "deallocated": Phase.STOPPED,
}
_PROVISIONING: dict[str, Phase] = {
    "creating": Phase.CREATING,
    "deleting": Phase.STOPPING,
    "failed": Phase.FAILED,
    "canceled": Phase.FAILED,
    # Without a power state nothing else is known of it.
    "succeeded": Phase.RUNNING,
    "updating": Phase.RUNNING,
    "migrating": Phase.RUNNING,
}
_T = TypeVar("_T")


class Status(msgspec.Struct, frozen=True):
    code: str = ""
    message: str = ""


class View(msgspec.Struct, frozen=True):
    statuses: tuple[Status, ...] = ()


class Link(msgspec.Struct, frozen=True):
    id: str = ""


class VmProperties(msgspec.Struct, frozen=True, kw_only=True):
    provisioningState: str = ""  # noqa: N815 - the API's own names
    priority: str = ""
    instanceView: View = View()  # noqa: N815


class Vm(msgspec.Struct, frozen=True, kw_only=True):
    id: str
    name: str
    location: str = ""
    tags: dict[str, str] = {}
    properties: VmProperties = VmProperties()

    @property
    def power(self) -> str:
        """`running`, `deallocated`; empty: not known, as before it is made."""
        return next(
            (
                status.code.partition("/")[2].lower()
                for status in self.properties.instanceView.statuses
                if status.code.startswith("PowerState/")
            ),
            "",
        )

    @property
    def failure(self) -> Mapping[str, str]:
        """Code and words of what its creation has failed with, in the form of an error of the API."""
        for status in self.properties.instanceView.statuses:
            if status.code.lower().startswith("provisioningstate/failed"):
                return {"code": status.code.rpartition("/")[2], "message": status.message}
        return {}


class IpProperties(msgspec.Struct, frozen=True, kw_only=True):
    privateIPAddress: str = ""  # noqa: N815
    ipAddress: str = ""  # noqa: N815


class IpConfiguration(msgspec.Struct, frozen=True, kw_only=True):
    properties: IpProperties = IpProperties()


class PartProperties(msgspec.Struct, frozen=True, kw_only=True):
    provisioningState: str = ""  # noqa: N815
    virtualMachine: Link | None = None  # noqa: N815
    ipConfiguration: Link | None = None  # noqa: N815
    ipConfigurations: tuple[IpConfiguration, ...] = ()  # noqa: N815
    ipAddress: str = ""  # noqa: N815


class Part(msgspec.Struct, frozen=True, kw_only=True):
    """A network card, an address or a disk."""

    id: str
    name: str
    location: str = ""
    tags: dict[str, str] = {}
    managedBy: str = ""  # noqa: N815
    properties: PartProperties = PartProperties()

    @property
    def user(self) -> str:
        """The id of the VM, or of the configuration of a card, that has it; empty: none."""
        link = self.properties.virtualMachine or self.properties.ipConfiguration or Link()
        return self.managedBy or link.id

    @property
    def ready(self) -> bool:
        return self.properties.provisioningState.lower() == "succeeded"


def read(found: Any, kind: type[_T]) -> _T:
    return read_as(kind, found, PROVIDER)


# --- whose it is


def tags_of(facts: Facts) -> dict[str, str]:
    """One tag for each fact: the value of a tag has room for 256 letters."""
    found = msgspec.to_builtins(facts) | {"spot": str(facts.spot).lower()}
    return {f"{TAG}{name}": value for name, value in found.items() if value != ""}


def facts_of_tags(tags: Mapping[str, str], installation: str) -> Facts | None:
    """None: these are not facts of ours, or people have removed some. Azure compares names of tags without case."""
    ours = {
        name.lower().removeprefix(TAG): value for name, value in tags.items() if name.lower().startswith(TAG)
    }
    try:
        found = msgspec.convert({**ours, "spot": ours.get("spot") == "true"}, Facts)
    except msgspec.ValidationError:
        return None
    return found if found.installation == installation else None


def facts_of_vm(vm: Vm, installation: str) -> Facts | None:
    """Not those of a VM that was copied, which carries the facts of its model."""
    found = facts_of_tags(vm.tags, installation)
    same = found is not None and machine_name(installation, found.worker) == vm.name.lower()
    return found if same else None


# --- how far it is


def phase_of(vm: Vm) -> Phase:
    state, power = vm.properties.provisioningState.lower(), vm.power
    known = _PROVISIONING.get(state)
    if known is Phase.FAILED and _POWER.get(power) is Phase.RUNNING:
        return Phase.RUNNING  # a later change of it has failed
    if known in (Phase.CREATING, Phase.STOPPING, Phase.FAILED):
        return known
    found = _POWER.get(power) if power else known
    if found is None:
        words = power or vm.properties.provisioningState
        raise Unavailable(f"VM {vm.name} has the state {words[:40]!r}, which Herder does not know.")
    return found


def machine_of(
    worker: WorkerName, vm: Vm, facts: Facts | None, operation: str = "", addresses: tuple[str, ...] = ()
) -> Machine:
    phase = phase_of(vm)
    words = (vm.properties.provisioningState, vm.power, vm.failure.get("message", ""))
    evicted = vm.power == "deallocated" and vm.properties.priority == "Spot" and phase is Phase.STOPPED
    return Machine(
        worker=worker,
        handle=handle_of(vm.location, vm.name),
        phase=phase,
        operation=operation if phase in (Phase.CREATING, Phase.STOPPING) else "",
        detail=", ".join(filter(None, words)),
        tags=facts.tags if facts is not None else None,
        addresses=addresses,
        # Herder deletes VMs, and people stop them; what deallocates a spot VM is Azure.
        end=MachineEnd.PREEMPTED if evicted else None,
    )


def handle_of(location: str, name: str) -> str:
    return f"{location}/{name}"
