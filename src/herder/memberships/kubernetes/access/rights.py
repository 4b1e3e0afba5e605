"""The rights that Herder needs in a cluster, as data. The role in `manifests` is made of them, and `cluster.check` asks for each.

A right that is not here must not be used, and one that is here is used: a test compares them with the calls that are made.
"""

from herder.remote.kubernetes.calls import ACCESS_REVIEWS, NODE_METRICS, NODES, PODS, Call, Resource, Right


def _rights(resource: Resource, *verbs: str, subresource: str = "") -> tuple[Right, ...]:
    return tuple(Call(verb=verb, resource=resource, subresource=subresource).right for verb in verbs)


NEEDED = (
    *_rights(NODES, "get", "list", "watch", "patch", "delete"),
    *_rights(PODS, "list", "watch", "delete"),
    *_rights(PODS, "create", subresource="eviction"),
)
#: Without it the CPU and memory that nodes use are not known; all else works.
WISHED = _rights(NODE_METRICS, "list")
#: Every user has it by the role system:basic-user, which Kubernetes makes itself.
OF_EVERYBODY = _rights(ACCESS_REVIEWS, "create")


def role_rules() -> tuple[tuple[str, str, tuple[str, ...]], ...]:
    """API group, resource and verbs: one rule for each resource."""
    found: dict[tuple[str, str], list[str]] = {}
    for right in (*NEEDED, *WISHED):
        found.setdefault((right.group, right.resource), []).append(right.verb)
    return tuple((group, resource, tuple(verbs)) for (group, resource), verbs in found.items())
