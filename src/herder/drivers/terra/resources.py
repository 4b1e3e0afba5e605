"""What Workspace Manager says of VMs and jobs, and the ids that follow from a worker. Pure."""

from uuid import UUID, uuid5

import msgspec

from herder.model.fleet.driver import Machine, Phase, Unavailable
from herder.model.ids import WorkerName
from herder.remote.clouds.facts import Facts

#: Before the key of each property of a fact.
MARK = "herder-"
#: Operations of Herder, before the id of the job.
CREATE, DELETE = "create ", "delete "
#: Of our ids in general; it means nothing.
_SPACE = UUID("1c3b5c0e-6e4a-5d8f-9b53-52b1d9a4f6c7")
_PHASES = {
    "CREATING": Phase.CREATING,
    "READY": Phase.RUNNING,
    "UPDATING": Phase.RUNNING,
    "DELETING": Phase.STOPPING,
    "BROKEN": Phase.FAILED,
}


class Property(msgspec.Struct, frozen=True):
    key: str = ""
    value: str = ""


class ErrorReport(msgspec.Struct, frozen=True):
    message: str = ""
    statusCode: int = 0  # noqa: N815 - the API's own names
    causes: tuple[str, ...] = ()


class JobReport(msgspec.Struct, frozen=True):
    id: str = ""
    status: str = ""
    submitted: str = ""


class Job(msgspec.Struct, frozen=True, kw_only=True):
    """`CREATE` or `DELETE` where a list has it."""

    jobReport: JobReport = JobReport()  # noqa: N815
    errorReport: ErrorReport | None = None  # noqa: N815
    operationType: str = ""  # noqa: N815

    @property
    def running(self) -> bool:
        return self.jobReport.status == "RUNNING"

    @property
    def failed(self) -> bool:
        return self.jobReport.status == "FAILED"


class Metadata(msgspec.Struct, frozen=True, kw_only=True):
    resourceId: str = ""  # noqa: N815
    name: str = ""
    state: str = ""
    properties: tuple[Property, ...] = ()
    errorReport: ErrorReport | None = None  # noqa: N815
    jobId: str = ""  # noqa: N815
    createdBy: str = ""  # noqa: N815


class Vm(msgspec.Struct, frozen=True, kw_only=True):
    metadata: Metadata = Metadata()

    @property
    def id(self) -> str:
        return self.metadata.resourceId


# --- what follows from a worker


def resource_id(workspace: str, installation: str, worker: str) -> str:
    """Of its VM; Terra has one place for the ids of all workspaces."""
    return str(uuid5(_SPACE, f"{workspace}/{installation}/{worker}"))


def creation_id(resource: str, turn: int) -> str:
    """Of the job that creates it, for the `turn`th time: the same call, repeated, is the same job."""
    return str(uuid5(UUID(resource), f"create/{turn}"))


def deletion_id(resource: str, at_ms: int) -> str:
    return str(uuid5(UUID(resource), f"delete/{at_ms}"))


def vm_name(resource: str) -> str:
    """At Azure. The host has the same name, by which it knows its interruptions, where it has at most 15 letters."""
    return f"hd-{UUID(resource).hex[-12:]}"


# --- whose it is


def marks_of(facts: Facts) -> list[dict[str, str]]:
    found = msgspec.to_builtins(facts) | {"spot": str(facts.spot).lower()}
    return [{"key": f"{MARK}{name}", "value": value} for name, value in found.items() if value != ""]


def facts_in(vm: Vm, workspace: str, installation: str) -> Facts | None:
    """None: these are not facts of ours, or people have changed them."""
    rows = vm.metadata.properties
    ours = {each.key.removeprefix(MARK): each.value for each in rows if each.key.startswith(MARK)}
    try:
        found = msgspec.convert({**ours, "spot": ours.get("spot") == "true"}, Facts)
    except msgspec.ValidationError:
        return None
    ident = resource_id(workspace, installation, found.worker)
    return found if found.installation == installation and ident == vm.id else None


# --- how far it is


def phase_of(vm: Vm) -> Phase:
    found = _PHASES.get(vm.metadata.state)
    if found is None:
        raise Unavailable(
            f"VM {vm.metadata.name} has the state {vm.metadata.state[:40]!r}, which Herder does not know."
        )
    return found


def machine_of(worker: WorkerName, vm: Vm, facts: Facts | None) -> Machine:
    phase, failure = phase_of(vm), vm.metadata.errorReport
    verb = {Phase.CREATING: CREATE, Phase.STOPPING: DELETE}.get(phase)
    words = (vm.metadata.state, failure.message if failure is not None else "")
    return Machine(
        worker=worker,
        handle=vm.metadata.name,
        phase=phase,
        operation=f"{verb}{vm.metadata.jobId}" if verb is not None else "",
        detail=", ".join(filter(None, words)),
        tags=facts.tags if facts is not None else None,
    )
