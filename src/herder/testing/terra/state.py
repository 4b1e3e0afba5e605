"""The workspace on a time that is given: its VMs, jobs, and what happens to them by themselves."""

import base64
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

from herder.testing.fakes.faults import Faults
from herder.testing.fakes.timeline import Timeline
from herder.testing.terra.settings import TOKEN, Inventory, Size, TerraTimes

Json = dict[str, Any]


class Failed(Exception):
    """A job that ends with an error."""

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status

    def report(self) -> Json:
        return error_report(self.status, str(self))


def error_report(status: int, message: str) -> Json:
    return {"message": message, "statusCode": status, "causes": []}


def azure_failure(status: int, code: str, message: str) -> Failed:
    """As Workspace Manager passes on what Azure has refused."""
    error = f'{{"error":{{"code":"{code}","message":"{message}"}}}}'
    text = (
        f'com.azure.core.management.exception.ManagementException: Status code {status}, "{error}": {message}'
    )
    return Failed(status, text)


@dataclass(slots=True, kw_only=True)
class Job:
    id: str
    kind: str
    """CREATE or DELETE."""
    resource: str
    name: str
    """Of its VM."""
    begun_ms: int
    ended_ms: int = 0
    status: str = "RUNNING"
    error: Json | None = None


@dataclass(slots=True, kw_only=True)
class Vm:
    body: Json
    size: Size | None
    """None: Azure has no such size."""
    created_ms: int
    state: str = "CREATING"
    job: str = ""
    power: str = ""
    """At Azure: running, stopped or deallocated; empty: it is not there. Workspace Manager does not know it."""
    error: Json | None = None
    console: str = ""
    evicted: bool = False

    @property
    def id(self) -> str:
        return str(self.body["common"]["resourceId"])

    @property
    def name(self) -> str:
        return str(self.body["common"]["name"])

    @property
    def marks(self) -> list[Json]:
        found: list[Json] = self.body["common"].setdefault("properties", [])
        return found

    @property
    def spot(self) -> bool:
        return bool(self.body["azureVm"].get("priority") == "SPOT")

    @property
    def custom_data(self) -> str:
        return base64.b64decode(self.body["azureVm"]["customData"]).decode()


@dataclass(slots=True)
class State:
    inventory: Inventory
    times: TerraTimes
    timeline: Timeline
    faults: Faults = field(default_factory=Faults)
    tokens: set[str] = field(default_factory=lambda: {TOKEN})
    role: str = "WRITER"
    """Of the caller in the workspace."""
    missing: set[str] = field(default_factory=set)
    """Actions that the caller may not perform: `create_controlled_user_private`."""
    keeps_broken: bool = False
    """Whether a VM that could not be made stays, in the state BROKEN; an installation is set up in one way or the other."""
    sold_out: set[tuple[str, bool]] = field(default_factory=set)
    """Regions, and whether it is spot that is sold out there."""
    quotas: dict[str, dict[str, int]] = field(default_factory=dict)
    """By region."""
    vms: dict[str, Vm] = field(default_factory=dict)
    """By the id of the resource."""
    jobs: dict[str, Job] = field(default_factory=dict)
    hooks: list[Callable[[str, Vm], None]] = field(default_factory=list)
    """Called with `running`, `preempted`, `off` or `gone`, and the VM."""

    def __post_init__(self) -> None:
        self.quotas = {self.inventory.region: dict(self.inventory.quotas)}

    @property
    def now_ms(self) -> int:
        return self.timeline.now_ms

    def tell(self, what: str, vm: Vm) -> None:
        for hook in self.hooks:
            hook(what, vm)

    def begin(self, job: Job, takes_ms: int, work: Callable[[], None], failed: Callable[[Json], None]) -> Job:
        """`work` is done when the job ends; it may raise Failed, which `failed` is told."""
        self.jobs[job.id] = job
        rule = self.faults.for_operation(job.kind.lower())
        if rule is not None and rule.never_ends:
            return job

        def end() -> None:
            job.status, job.ended_ms = "SUCCEEDED", self.now_ms
            try:
                if rule is not None and rule.text:
                    status = rule.status or 500
                    raise (
                        azure_failure(status, rule.code, rule.text)
                        if rule.code
                        else Failed(status, rule.text)
                    )
                work()
            except Failed as error:
                job.status, job.error = "FAILED", error.report()
                failed(job.error)

        if takes_ms:
            self.timeline.at(self.now_ms + takes_ms + (rule.delay_ms if rule is not None else 0), end)
        else:
            end()
        return job

    # --- what happens without a request

    def evict(self, ident: str) -> None:
        """Azure takes it back: the VM hears of it now, and is off then. Nobody tells Workspace Manager."""
        vm = self.vms[ident]
        if vm.evicted or vm.power != "running":
            return
        vm.evicted = True
        self.timeline.at(self.now_ms + self.times.notice_ms, lambda: self._off(vm))
        self.tell("preempted", vm)

    def _off(self, vm: Vm) -> None:
        if self.vms.get(vm.id) is vm and vm.power == "running":
            vm.power = "deallocated"
            self.tell("off", vm)

    def vanish(self, vm: Vm) -> None:
        """Deleted at Azure, behind the back of Workspace Manager."""
        vm.power = ""
        self.tell("gone", vm)

    def remove(self, vm: Vm) -> None:
        """At once, in Terra and at Azure."""
        if self.vms.get(vm.id) is vm:
            del self.vms[vm.id]
            self.tell("gone", vm)


def moment(at_ms: int) -> str:
    return datetime.fromtimestamp(at_ms / 1000, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
