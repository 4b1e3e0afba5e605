"""The project on a time that is given: its VMs, disks and operations, and what happens to them by themselves."""

from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from herder.testing.fakes.faults import Faults
from herder.testing.fakes.timeline import Timeline
from herder.testing.gcp.errors import Failed, not_found
from herder.testing.gcp.settings import TOKEN, GcpTimes, Inventory, MachineType

Json = dict[str, Any]
LINK = "https://www.googleapis.com/compute/v1"
PREEMPTED = "compute.instances.preempted"


@dataclass(slots=True, kw_only=True)
class Vm:
    id: str
    zone: str
    body: Json
    machine_type: MachineType
    created_ms: int
    status: str = "PROVISIONING"
    console: str = ""

    @property
    def name(self) -> str:
        return str(self.body["name"])

    @property
    def spot(self) -> bool:
        return bool(self.body.get("scheduling", {}).get("provisioningModel") == "SPOT")

    @property
    def metadata(self) -> dict[str, str]:
        return {row["key"]: row["value"] for row in self.body.get("metadata", {}).get("items", ())}


@dataclass(slots=True, kw_only=True)
class Disk:
    id: str
    zone: str
    name: str
    size_gib: int
    kind: str
    labels: dict[str, str]
    description: str
    user: str = ""
    """The VM; empty: none."""
    auto_delete: bool = True


@dataclass(slots=True, kw_only=True)
class Operation:
    id: str
    zone: str
    kind: str
    target: str
    target_id: str
    begun_ms: int
    done: bool = False
    code: str = ""
    message: str = ""

    @property
    def name(self) -> str:
        return f"operation-{self.id}"


@dataclass(slots=True)
class State:
    inventory: Inventory
    times: GcpTimes
    timeline: Timeline
    faults: Faults = field(default_factory=Faults)
    tokens: set[str] = field(default_factory=lambda: {TOKEN})
    missing: set[str] = field(default_factory=set)
    """Permissions that the account does not have."""
    disabled: set[str] = field(default_factory=set)
    """APIs that are not enabled: `compute.googleapis.com`."""
    sold_out: set[tuple[str, bool]] = field(default_factory=set)
    """Zones, and whether it is spot that is sold out there."""
    unreachable: set[str] = field(default_factory=set)
    """Zones that lists do not have."""
    listing_lag_ms: int = 0
    """Lists show a VM only so long after its creation."""
    zones: tuple[str, ...] = ()
    quotas: dict[str, dict[str, float]] = field(default_factory=dict)
    """By region."""
    vms: dict[tuple[str, str], Vm] = field(default_factory=dict)
    disks: dict[tuple[str, str], Disk] = field(default_factory=dict)
    operations: dict[tuple[str, str], Operation] = field(default_factory=dict)
    hooks: list[Callable[[str, Vm], None]] = field(default_factory=list)
    """Called with `running`, `preempted`, `reset` or `gone`, and the VM."""
    _number: int = 4_000_000_000_000_000_000

    def __post_init__(self) -> None:
        self.zones = self.inventory.zones
        self.quotas = {zone.rpartition("-")[0]: dict(self.inventory.quotas) for zone in self.zones}

    @property
    def now_ms(self) -> int:
        return self.timeline.now_ms

    @property
    def path(self) -> str:
        return f"projects/{self.inventory.project}"

    def next_id(self) -> str:
        self._number += 1
        return str(self._number)

    def vm(self, zone: str, name: str) -> Vm:
        found = self.vms.get((zone, name))
        if found is None:
            raise not_found(f"{self.path}/zones/{zone}/instances/{name}")
        return found

    def disk(self, zone: str, name: str) -> Disk:
        found = self.disks.get((zone, name))
        if found is None:
            raise not_found(f"{self.path}/zones/{zone}/disks/{name}")
        return found

    def tell(self, what: str, vm: Vm) -> None:
        for hook in self.hooks:
            hook(what, vm)

    # --- operations

    def begin(
        self,
        zone: str,
        kind: str,
        target: str,
        target_id: str,
        takes_ms: int,
        work: Callable[[], None],
        undo: Callable[[], None] | None = None,
    ) -> Operation:
        """`work` is done when the operation ends; it may raise Failed. `undo`, when it has failed."""
        operation = Operation(
            id=self.next_id(), zone=zone, kind=kind, target=target, target_id=target_id, begun_ms=self.now_ms
        )
        self.operations[zone, operation.name] = operation
        rule = self.faults.for_operation(kind)
        if rule is not None and rule.never_ends:
            return operation
        if rule is not None:
            takes_ms += rule.delay_ms

        def end() -> None:
            try:
                if rule is not None and rule.code:
                    raise Failed(rule.code, rule.text)
                work()
            except Failed as error:
                operation.code, operation.message = error.code, str(error)
                if undo is not None:
                    undo()
            operation.done = True

        self.timeline.at(self.now_ms + takes_ms, end)
        return operation

    def used(self, region: str) -> dict[str, float]:
        found = dict.fromkeys(self.quotas[region], 0.0)
        for (zone, _), vm in self.vms.items():
            if zone.rpartition("-")[0] == region:
                for metric, amount in needs(vm).items():
                    found[metric] = found.get(metric, 0.0) + amount
        return found

    # --- what happens without a request

    def preempt(self, zone: str, name: str) -> None:
        """Google takes it back: the VM hears of it now, and ends in 30 s."""
        vm = self.vm(zone, name)
        vm.status = "STOPPING"
        target = f"{self.path}/zones/{zone}/instances/{name}"
        self.begin(zone, PREEMPTED, target, vm.id, self.times.stop_ms, lambda: self.remove(vm))
        self.tell("preempted", vm)

    def remove(self, vm: Vm) -> None:
        """At once, with the disks that go with it."""
        key = (vm.zone, vm.name)
        if self.vms.get(key) is not vm:
            return
        del self.vms[key]
        for place, disk in list(self.disks.items()):
            if place[0] == vm.zone and disk.user == vm.name:
                disk.user = ""
                if disk.auto_delete:
                    del self.disks[place]
        self.tell("gone", vm)


def needs(vm: Vm) -> dict[str, float]:
    disk = vm.body["disks"][0]["initializeParams"]
    return {
        "PREEMPTIBLE_CPUS" if vm.spot else "CPUS": float(vm.machine_type.cpus),
        "SSD_TOTAL_GB": float(disk.get("diskSizeGb", "10")),
        "INSTANCES": 1.0,
    }


def moment(at_ms: int) -> str:
    return datetime.fromtimestamp(at_ms / 1000, UTC).isoformat(timespec="milliseconds")
