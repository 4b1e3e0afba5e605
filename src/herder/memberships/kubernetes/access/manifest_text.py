"""What a cluster needs so that Herder may work in it, as YAML: namespace, service account, role, binding, and the PriorityClasses; and for
pods of the driver kubernetes-jobs a service account without rights and a NetworkPolicy.

For `herder cluster manifests`. Pure; the role has exactly the rights of `rights`.
"""

from herder.memberships.kubernetes.access.rights import role_rules
from herder.model.fleet.cluster import ClusterSettings

NAME = "herder"
WORKERS = "herder-workers"
#: Name, value, whether pods of it may displace others, and what it is for.
PRIORITY_CLASSES = (
    ("permanent-workload", 1000, "PreemptLowerPriority", "Work that belongs on permanent workers."),
    ("burst-workload", 500, "PreemptLowerPriority", "Work for burst workers."),
    ("spot-workload", 100, "Never", "Work that may be interrupted."),
)


def manifests(settings: ClusterSettings) -> str:
    """Ready for `kubectl apply -f -`."""
    return "---\n".join(
        (
            _head(settings),
            _object("v1", "Namespace", NAME),
            _object("v1", "ServiceAccount", NAME, namespace=NAME),
            _object("rbac.authorization.k8s.io/v1", "ClusterRole", NAME) + _rules(),
            _object("rbac.authorization.k8s.io/v1", "ClusterRoleBinding", NAME) + _BINDING,
            *(_priority_class(*each) for each in PRIORITY_CLASSES),
            _object("v1", "ServiceAccount", WORKERS, namespace=NAME)
            + "automountServiceAccountToken: false\n",
            _object("networking.k8s.io/v1", "NetworkPolicy", WORKERS, namespace=NAME) + _CALLED_BY_NONE,
        )
    )


def _head(settings: ClusterSettings) -> str:
    return (
        f"# What Herder needs in cluster {settings.name}. Apply it with: kubectl apply -f -\n"
        f"# A token for a server outside of the cluster: kubectl create token {NAME} --namespace {NAME} --duration 8760h\n"
    )


def _object(version: str, kind: str, name: str, namespace: str = "") -> str:
    scope = f"  namespace: {namespace}\n" if namespace else ""
    return (
        f"apiVersion: {version}\nkind: {kind}\nmetadata:\n  name: {name}\n{scope}"
        "  labels:\n    app.kubernetes.io/managed-by: herder\n"
    )


def _rules() -> str:
    return "rules:\n" + "".join(
        f'- apiGroups: ["{group}"]\n  resources: ["{resource}"]\n  verbs: [{", ".join(verbs)}]\n'
        for group, resource, verbs in role_rules()
    )


_BINDING = f"""roleRef:
  apiGroup: rbac.authorization.k8s.io
  kind: ClusterRole
  name: {NAME}
subjects:
- kind: ServiceAccount
  name: {NAME}
  namespace: {NAME}
"""


#: Workers call the server, and nothing calls them.
_CALLED_BY_NONE = """spec:
  podSelector:
    matchLabels:
      app.kubernetes.io/name: herder-worker
  policyTypes: [Ingress]
"""


def _priority_class(name: str, value: int, preemption: str, description: str) -> str:
    return (
        _object("scheduling.k8s.io/v1", "PriorityClass", name)
        + f'value: {value}\npreemptionPolicy: {preemption}\nglobalDefault: false\ndescription: "{description}"\n'
    )
