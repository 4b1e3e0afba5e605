"""What the driver reads of Jobs, pods, events and quotas, as small typed structs. Data only: fields that are not named are skipped."""

import msgspec

from herder.memberships.kubernetes import objects as kubernetes


class Metadata(msgspec.Struct, rename="camel"):
    name: str = ""
    uid: str = ""
    creation_timestamp: str = ""
    deletion_timestamp: str | None = None
    labels: dict[str, str] = {}
    annotations: dict[str, str] = {}


class Condition(msgspec.Struct, rename="camel"):
    type: str = ""
    status: str = ""
    reason: str = ""
    message: str = ""
    last_transition_time: str | None = None


class JobSpec(msgspec.Struct):
    suspend: bool = False


class JobStatus(msgspec.Struct, rename="camel"):
    active: int = 0
    failed: int = 0
    start_time: str | None = None
    conditions: list[Condition] = []


class Job(msgspec.Struct):
    metadata: Metadata
    spec: JobSpec = msgspec.field(default_factory=JobSpec)
    status: JobStatus = msgspec.field(default_factory=JobStatus)


class Waiting(msgspec.Struct):
    reason: str = ""
    message: str = ""


class Terminated(msgspec.Struct, rename="camel"):
    exit_code: int = 0
    reason: str = ""
    message: str = ""


class ContainerState(msgspec.Struct):
    waiting: Waiting | None = None
    terminated: Terminated | None = None


class ContainerStatus(msgspec.Struct):
    state: ContainerState = msgspec.field(default_factory=ContainerState)


class Container(msgspec.Struct):
    image: str = ""


class PodSpec(msgspec.Struct, rename="camel"):
    node_name: str = ""
    containers: list[Container] = []


class PodStatus(msgspec.Struct, rename="camel"):
    phase: str = "Pending"
    reason: str = ""
    message: str = ""
    start_time: str | None = None
    conditions: list[Condition] = []
    container_statuses: list[ContainerStatus] = []


class Pod(msgspec.Struct):
    metadata: Metadata
    spec: PodSpec = msgspec.field(default_factory=PodSpec)
    status: PodStatus = msgspec.field(default_factory=PodStatus)

    def condition(self, kind: str) -> Condition | None:
        return next((each for each in self.status.conditions if each.type == kind), None)


class Event(msgspec.Struct):
    reason: str = ""
    message: str = ""


class QuotaSpec(msgspec.Struct, rename="camel"):
    scopes: list[str] = []
    scope_selector: msgspec.Raw | None = None


class QuotaStatus(msgspec.Struct):
    hard: dict[str, str] = {}
    used: dict[str, str] = {}


class Quota(msgspec.Struct):
    metadata: Metadata
    spec: QuotaSpec = msgspec.field(default_factory=QuotaSpec)
    status: QuotaStatus = msgspec.field(default_factory=QuotaStatus)

    @property
    def for_all(self) -> bool:
        return not self.spec.scopes and self.spec.scope_selector is None


class ListMetadata(msgspec.Struct):
    """Every list has a version: what has none is no list, and not an empty one either."""

    version: str = msgspec.field(name="resourceVersion")
    continue_: str = msgspec.field(default="", name="continue")


class JobList(msgspec.Struct):
    metadata: ListMetadata
    items: list[Job] = []


class PodList(msgspec.Struct):
    metadata: ListMetadata
    items: list[Pod] = []


class EventList(msgspec.Struct):
    metadata: ListMetadata
    items: list[Event] = []


class NodeList(msgspec.Struct):
    """Of the cluster, as `capacity` looks at them."""

    metadata: ListMetadata
    items: list[kubernetes.Node] = []


class AllPods(msgspec.Struct):
    metadata: ListMetadata
    items: list[kubernetes.Pod] = []


class QuotaList(msgspec.Struct):
    metadata: ListMetadata
    items: list[Quota] = []
