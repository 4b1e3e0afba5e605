"""Which labels a node may set on itself. Pure.

The admission plugin NodeRestriction refuses the others, and Talos then sets none of them; Herder sets those through the Kubernetes API.
"""

from collections.abc import Mapping

_PREFIXES = ("kubelet.kubernetes.io/", "node.kubernetes.io/")
_ALLOWED = frozenset(
    {
        "beta.kubernetes.io/arch",
        "beta.kubernetes.io/instance-type",
        "beta.kubernetes.io/os",
        "failure-domain.beta.kubernetes.io/region",
        "failure-domain.beta.kubernetes.io/zone",
        "kubernetes.io/arch",
        "kubernetes.io/hostname",
        "kubernetes.io/os",
        "topology.kubernetes.io/region",
        "topology.kubernetes.io/zone",
    }
)


def may_set(key: str) -> bool:
    domain = key.partition("/")[0] if "/" in key else ""
    restricted = domain in ("kubernetes.io", "k8s.io") or domain.endswith((".kubernetes.io", ".k8s.io"))
    return not restricted or key in _ALLOWED or key.startswith(_PREFIXES)


def own_labels(labels: Mapping[str, str]) -> dict[str, str]:
    return {key: value for key, value in labels.items() if may_set(key)}
