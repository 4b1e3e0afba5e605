"""Pods, nodes and node metrics as they come from the API: only the fields that are used. Data only.

Read by the informers and by a drain. Each field that is not named here is skipped while the JSON is read; a hundred thousand pods are kept
as facts (`pod_facts`), not as these.
"""

import msgspec

from herder.remote.kubernetes.objects import ListMetadata, Metadata


class Object(msgspec.Struct, rename="camel", gc=False):
    """Fields are named as in the API, in our writing. Not seen by the garbage collector: there are no cycles, and there are a million of them."""


class Requirements(Object):
    requests: dict[str, str] | None = None
    limits: dict[str, str] | None = None


class Port(Object):
    host_port: int = 0
    protocol: str = ""


class Container(Object):
    resources: Requirements | None = None
    restart_policy: str = ""
    ports: list[Port] | None = None


class Requirement(Object):
    key: str
    operator: str
    values: list[str] | None = None


class SelectorTerm(Object):
    match_expressions: list[Requirement] | None = None
    match_fields: list[Requirement] | None = None


class RequiredNodes(Object):
    node_selector_terms: list[SelectorTerm] | None = None


class PreferredNodes(Object):
    weight: int = 1
    preference: SelectorTerm = msgspec.field(default_factory=SelectorTerm)


class NodeAffinity(Object):
    required: RequiredNodes | None = msgspec.field(
        default=None, name="requiredDuringSchedulingIgnoredDuringExecution"
    )
    preferred: list[PreferredNodes] | None = msgspec.field(
        default=None, name="preferredDuringSchedulingIgnoredDuringExecution"
    )


class LabelSelector(Object):
    match_labels: dict[str, str] | None = None
    match_expressions: list[Requirement] | None = None


class PodTerm(Object):
    topology_key: str = ""
    label_selector: LabelSelector | None = None
    namespaces: list[str] | None = None
    namespace_selector: LabelSelector | None = None
    match_label_keys: list[str] | None = None
    mismatch_label_keys: list[str] | None = None


class PodAffinity(Object):
    """Preferred terms are wishes only, and not read."""

    required: list[PodTerm] | None = msgspec.field(
        default=None, name="requiredDuringSchedulingIgnoredDuringExecution"
    )


class Affinity(Object):
    node_affinity: NodeAffinity | None = None
    pod_affinity: PodAffinity | None = None
    pod_anti_affinity: PodAffinity | None = None


class PodToleration(Object):
    key: str = ""
    operator: str = "Equal"
    value: str = ""
    effect: str = ""


class Gate(Object):
    name: str = ""


class Spread(Object):
    topology_key: str = ""
    when_unsatisfiable: str = ""
    max_skew: int = 1
    label_selector: LabelSelector | None = None
    match_label_keys: list[str] | None = None
    min_domains: int | None = None
    node_affinity_policy: str = ""
    node_taints_policy: str = ""


class Claim(Object):
    """That it is there is all that counts."""


class Volume(Object):
    persistent_volume_claim: Claim | None = None
    ephemeral: Claim | None = None


class PodSpec(Object):
    node_name: str = ""
    containers: list[Container] | None = None
    init_containers: list[Container] | None = None
    overhead: dict[str, str] | None = None
    resources: Requirements | None = None
    node_selector: dict[str, str] | None = None
    affinity: Affinity | None = None
    tolerations: list[PodToleration] | None = None
    priority: int = 0
    scheduler_name: str = ""
    scheduling_gates: list[Gate] | None = None
    topology_spread_constraints: list[Spread] | None = None
    volumes: list[Volume] | None = None
    resource_claims: list[Claim] | None = None


class Condition(Object):
    type: str = ""
    status: str = ""
    reason: str = ""
    message: str = ""
    last_transition_time: str | None = None


class PodStatus(Object):
    phase: str = ""
    conditions: list[Condition] | None = None
    nominated_node_name: str = ""


class Pod(Object):
    metadata: Metadata
    spec: PodSpec = msgspec.field(default_factory=PodSpec)
    status: PodStatus = msgspec.field(default_factory=PodStatus)

    @property
    def ended(self) -> bool:
        return self.status.phase in ("Succeeded", "Failed")


class NodeTaint(Object):
    key: str = ""
    value: str = ""
    effect: str = ""


class NodeSpec(Object):
    unschedulable: bool = False
    taints: list[NodeTaint] | None = None


class NodeInfo(Object):
    kubelet_version: str = ""


class NodeAddress(Object):
    type: str = ""
    address: str = ""


class NodeStatus(Object):
    addresses: list[NodeAddress] | None = None
    allocatable: dict[str, str] | None = None
    conditions: list[Condition] | None = None
    node_info: NodeInfo = msgspec.field(default_factory=NodeInfo)


class Node(Object):
    metadata: Metadata
    spec: NodeSpec = msgspec.field(default_factory=NodeSpec)
    status: NodeStatus = msgspec.field(default_factory=NodeStatus)


class Usage(Object):
    cpu: str = ""
    memory: str = ""


class NodeMetrics(Object):
    metadata: Metadata
    timestamp: str = ""
    usage: Usage = msgspec.field(default_factory=Usage)


class NodeMetricsList(Object):
    items: list[NodeMetrics]


class PodPage(Object):
    metadata: ListMetadata
    items: list[Pod] | None = None
