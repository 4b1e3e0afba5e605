"""The subscription on a time that is given: its VMs, their parts and operations, and what happens to them by themselves."""

import base64
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from herder.testing.azure.errors import Failed
from herder.testing.azure.settings import TOKEN, AzureTimes, Inventory, Size
from herder.testing.fakes.faults import Faults
from herder.testing.fakes.timeline import Timeline

Json = dict[str, Any]
VMS, CARDS, ADDRESSES, DISKS = "virtualMachines", "networkInterfaces", "publicIPAddresses", "disks"


@dataclass(slots=True, kw_only=True)
class Vm:
    name: str
    body: Json
    size: Size
    created_ms: int
    provisioning: str = "Creating"
    power: str = ""
    code: str = ""
    """Of what its creation has failed with."""
    message: str = ""
    console: str = ""
    evicted_at_ms: int | None = None

    @property
    def location(self) -> str:
        return str(self.body["location"])

    @property
    def zone(self) -> str:
        """`westeurope-1`"""
        return "-".join((self.location, *self.body.get("zones", ())))

    @property
    def tags(self) -> dict[str, str]:
        found: dict[str, str] = self.body.setdefault("tags", {})
        return found

    @property
    def spot(self) -> bool:
        return bool(self.body["properties"].get("priority") == "Spot")

    @property
    def custom_data(self) -> str:
        return base64.b64decode(self.body["properties"]["osProfile"]["customData"]).decode()


@dataclass(slots=True, kw_only=True)
class Part:
    """A network card, an address or a disk."""

    kind: str
    name: str
    body: Json
    number: int
    provisioning: str = "Succeeded"
    user: str = ""
    """The VM; of an address the network card; empty: none."""
    stays: bool = False
    """Whether it stays when its user is deleted."""


@dataclass(slots=True, kw_only=True)
class Operation:
    id: str
    location: str
    begun_ms: int
    action: str = ""
    """The permission that it needs, as the activity log names it."""
    target: str = ""
    """The id of what it changes."""
    ended_ms: int = 0
    status: str = "InProgress"
    code: str = ""
    message: str = ""


@dataclass(slots=True)
class State:
    inventory: Inventory
    times: AzureTimes
    timeline: Timeline
    faults: Faults = field(default_factory=Faults)
    tokens: set[str] = field(default_factory=lambda: {TOKEN})
    missing: set[str] = field(default_factory=set)
    """Permissions that the account does not have."""
    unregistered: set[str] = field(default_factory=set)
    """Namespaces that the subscription is not registered for: `Microsoft.Compute`."""
    sold_out: set[tuple[str, bool]] = field(default_factory=set)
    """Zones, or locations, and whether it is spot that is sold out there."""
    restricted: set[tuple[str, str]] = field(default_factory=set)
    """Sizes and locations where the subscription may not have them."""
    listing_lag_ms: int = 0
    """Lists show a VM only so long after its creation."""
    quotas: dict[str, dict[str, int]] = field(default_factory=dict)
    """By location."""
    vms: dict[str, Vm] = field(default_factory=dict)
    """By name in small letters, as parts are."""
    parts: dict[tuple[str, str], Part] = field(default_factory=dict)
    operations: dict[str, Operation] = field(default_factory=dict)
    hooks: list[Callable[[str, Vm], None]] = field(default_factory=list)
    """Called with `running`, `preempted`, `reset`, `off` or `gone`, and the VM."""
    _number: int = 0

    def __post_init__(self) -> None:
        self.quotas = {location: dict(self.inventory.quotas) for location in self.inventory.locations}

    @property
    def now_ms(self) -> int:
        return self.timeline.now_ms

    @property
    def path(self) -> str:
        return f"/subscriptions/{self.inventory.subscription}"

    def id_of(self, kind: str, name: str) -> str:
        namespace = "Microsoft.Network" if kind in (CARDS, ADDRESSES) else "Microsoft.Compute"
        return f"{self.path}/resourceGroups/{self.inventory.group}/providers/{namespace}/{kind}/{name}"

    def next_number(self) -> int:
        self._number += 1
        return self._number

    def tell(self, what: str, vm: Vm) -> None:
        for hook in self.hooks:
            hook(what, vm)

    # --- operations

    def begin(
        self,
        kind: str,
        location: str,
        takes_ms: int,
        work: Callable[[], None],
        failed: Callable[[Failed], None] | None = None,
    ) -> Operation:
        """`work` is done when the operation ends; it may raise Failed, which `failed` is told."""
        ident = str(UUID(int=self.next_number(), version=4))
        operation = Operation(id=ident, location=location, begun_ms=self.now_ms)
        self.operations[ident] = operation
        rule = self.faults.for_operation(kind)
        if rule is not None and rule.never_ends:
            return operation
        takes_ms += rule.delay_ms if rule is not None else 0

        def end() -> None:
            operation.status, operation.ended_ms = "Succeeded", self.now_ms
            try:
                if rule is not None and rule.code:
                    raise Failed(rule.code, rule.text)
                work()
            except Failed as error:
                operation.status, operation.code, operation.message = "Failed", error.code, str(error)
                if failed is not None:
                    failed(error)

        if takes_ms:
            self.timeline.at(self.now_ms + takes_ms, end)
        else:
            end()
        return operation

    def used(self, location: str) -> dict[str, int]:
        found = dict.fromkeys(self.quotas[location], 0)
        for vm in self.vms.values():
            if vm.location == location and vm.provisioning != "Failed":
                for name, amount in needs(vm).items():
                    found[name] = found.get(name, 0) + amount
        return found

    # --- what happens without a request

    def evict(self, name: str) -> None:
        """Azure takes it back: the VM hears of it now."""
        vm = self.vms[name.lower()]
        if vm.evicted_at_ms is not None:
            return
        vm.evicted_at_ms = self.now_ms + self.times.notice_ms
        self.timeline.at(vm.evicted_at_ms, lambda: self._evict(vm))
        self.tell("preempted", vm)

    def _evict(self, vm: Vm) -> None:
        if self.vms.get(vm.name.lower()) is not vm or vm.provisioning == "Deleting":
            return
        if vm.body["properties"].get("evictionPolicy") == "Deallocate":
            vm.power, vm.evicted_at_ms = "deallocated", None
            self.tell("off", vm)
        else:
            vm.provisioning = "Deleting"
            self.timeline.at(self.now_ms + self.times.evict_ms, lambda: self.remove(vm))

    def remove(self, vm: Vm) -> None:
        """At once, with the parts that go with it."""
        if self.vms.get(vm.name.lower()) is not vm:
            return
        del self.vms[vm.name.lower()]
        for kind in (CARDS, DISKS):
            self._release(kind, vm.name)
        self.tell("gone", vm)

    def _release(self, kind: str, user: str) -> None:
        for place, part in list(self.parts.items()):
            if part.kind != kind or part.user != user:
                continue
            part.user = ""
            if not part.stays:
                self.drop(place)

    def drop(self, place: tuple[str, str], *, alone: bool = False) -> None:
        """`alone`: not with its VM. The address of a card goes with the VM, not with the card."""
        part = self.parts.pop(place, None)
        if part is None or part.kind != CARDS:
            return
        for address in [
            each for each in self.parts.values() if each.kind == ADDRESSES and each.user == part.name
        ]:
            address.user = ""
            if not (alone or address.stays):
                self.drop((ADDRESSES, address.name.lower()))


def needs(vm: Vm) -> dict[str, int]:
    cores = ("lowPriorityCores",) if vm.spot else ("cores", vm.size.family)
    return {**dict.fromkeys(cores, vm.size.cpus), "virtualMachines": 1}


def moment(at_ms: int) -> str:
    return datetime.fromtimestamp(at_ms / 1000, UTC).isoformat(timespec="milliseconds")
