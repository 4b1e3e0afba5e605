"""Which resources the API has: group, version, names, scope, subresources. Read by routes, discovery and the store."""

from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Resource:
    plural: str
    kind: str
    group: str = ""
    version: str = "v1"
    namespaced: bool = True
    status: bool = False
    """It has the subresource `status`."""
    generation: bool = False
    """metadata.generation counts changes of its specification."""
    subresources: tuple[str, ...] = ()
    short_names: tuple[str, ...] = ()
    verbs: tuple[str, ...] = (
        "create", "delete", "deletecollection", "get", "list", "patch", "update", "watch",
    )  # fmt: skip
    strategic: bool = True
    """It takes strategic merge patches; custom resources do not."""

    @property
    def api_version(self) -> str:
        return f"{self.group}/{self.version}" if self.group else self.version

    @property
    def full_name(self) -> str:
        """As messages name it: jobs.batch."""
        return f"{self.plural}.{self.group}" if self.group else self.plural

    @property
    def full_kind(self) -> str:
        return f"{self.kind}.{self.group}" if self.group else self.kind

    @property
    def head(self) -> bytes:
        """What the JSON of one object begins with."""
        return f'{{"kind":"{self.kind}","apiVersion":"{self.api_version}",'.encode()


NODES = Resource(
    plural="nodes", kind="Node", namespaced=False, status=True, short_names=("no",)
)  # fmt: skip
PODS = Resource(
    plural="pods", kind="Pod", status=True, generation=True, short_names=("po",),
    subresources=("binding", "eviction", "log"),
)  # fmt: skip
NAMESPACES = Resource(
    plural="namespaces", kind="Namespace", namespaced=False, status=True, short_names=("ns",),
    subresources=("finalize",),
)  # fmt: skip
SECRETS = Resource(plural="secrets", kind="Secret")
CONFIG_MAPS = Resource(plural="configmaps", kind="ConfigMap", short_names=("cm",))
EVENTS = Resource(plural="events", kind="Event", short_names=("ev",))
SERVICE_ACCOUNTS = Resource(
    plural="serviceaccounts", kind="ServiceAccount", short_names=("sa",), subresources=("token",)
)
RESOURCE_QUOTAS = Resource(plural="resourcequotas", kind="ResourceQuota", status=True, short_names=("quota",))
CLAIMS = Resource(
    plural="persistentvolumeclaims", kind="PersistentVolumeClaim", status=True, short_names=("pvc",)
)
DAEMON_SETS = Resource(
    group="apps", plural="daemonsets", kind="DaemonSet", status=True, generation=True, short_names=("ds",)
)
JOBS = Resource(group="batch", plural="jobs", kind="Job", status=True, generation=True)
BUDGETS = Resource(
    group="policy", plural="poddisruptionbudgets", kind="PodDisruptionBudget", status=True,
    generation=True, short_names=("pdb",),
)  # fmt: skip
LEASES = Resource(group="coordination.k8s.io", plural="leases", kind="Lease")
PRIORITY_CLASSES = Resource(
    group="scheduling.k8s.io", plural="priorityclasses", kind="PriorityClass", namespaced=False,
    generation=True, short_names=("pc",),
)  # fmt: skip
NETWORK_POLICIES = Resource(
    group="networking.k8s.io", plural="networkpolicies", kind="NetworkPolicy", generation=True,
    short_names=("netpol",),
)  # fmt: skip
STORAGE_CLASSES = Resource(
    group="storage.k8s.io",
    plural="storageclasses",
    kind="StorageClass",
    namespaced=False,
    short_names=("sc",),
)
RBAC = "rbac.authorization.k8s.io"
ROLES = Resource(group=RBAC, plural="roles", kind="Role")
CLUSTER_ROLES = Resource(group=RBAC, plural="clusterroles", kind="ClusterRole", namespaced=False)
ROLE_BINDINGS = Resource(group=RBAC, plural="rolebindings", kind="RoleBinding")
CLUSTER_ROLE_BINDINGS = Resource(
    group=RBAC, plural="clusterrolebindings", kind="ClusterRoleBinding", namespaced=False
)
DEFINITIONS = Resource(
    group="apiextensions.k8s.io", plural="customresourcedefinitions", kind="CustomResourceDefinition",
    namespaced=False, status=True, generation=True, short_names=("crd",),
)  # fmt: skip
ACCESS_REVIEWS = Resource(
    group="authorization.k8s.io", plural="selfsubjectaccessreviews", kind="SelfSubjectAccessReview",
    namespaced=False, verbs=("create",),
)  # fmt: skip
RULES_REVIEWS = Resource(
    group="authorization.k8s.io", plural="selfsubjectrulesreviews", kind="SelfSubjectRulesReview",
    namespaced=False, verbs=("create",),
)  # fmt: skip
NODE_METRICS = Resource(
    group="metrics.k8s.io", version="v1beta1", plural="nodes", kind="NodeMetrics", namespaced=False,
    verbs=("get", "list"),
)  # fmt: skip
POD_METRICS = Resource(
    group="metrics.k8s.io", version="v1beta1", plural="pods", kind="PodMetrics", verbs=("get", "list")
)

BUILT_IN = (
    NODES, PODS, NAMESPACES, SECRETS, CONFIG_MAPS, EVENTS, SERVICE_ACCOUNTS, RESOURCE_QUOTAS, CLAIMS,
    DAEMON_SETS, JOBS, BUDGETS, LEASES, PRIORITY_CLASSES, NETWORK_POLICIES, STORAGE_CLASSES, ROLES,
    CLUSTER_ROLES, ROLE_BINDINGS, CLUSTER_ROLE_BINDINGS, DEFINITIONS, ACCESS_REVIEWS, RULES_REVIEWS, NODE_METRICS,
    POD_METRICS,
)  # fmt: skip
