"""The rights that the driver needs in its namespace, as data, and the manifest of a role that has exactly these. Pure.

A right that is not here must not be used, and one that is here is used: a test compares them with the calls that are made.
"""

import re

from herder.drivers.kubernetes_jobs.api import EVENTS, JOBS, QUOTAS, SECRETS
from herder.remote.kubernetes.calls import PODS, Call, Resource, Right

#: What Kubernetes allows.
_NAMESPACE = re.compile(r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?")


def _rights(resource: Resource, *verbs: str, subresource: str = "") -> tuple[Right, ...]:
    return tuple(Call(verb=verb, resource=resource, subresource=subresource).right for verb in verbs)


NEEDED = (
    *_rights(JOBS, "create", "get", "list", "patch", "delete"),
    # A Secret is applied, which is a patch that may create. None is ever read.
    *_rights(SECRETS, "create", "patch", "delete"),
    *_rights(PODS, "list"),
    *_rights(PODS, "get", subresource="log"),
    *_rights(EVENTS, "list"),
    *_rights(QUOTAS, "list"),
)


def manifests(namespace: str, name: str = "herder-jobs") -> str:
    """Namespace, service account, role and binding, ready for `kubectl apply -f -`. Raises ValueError for a name that is none of a namespace."""
    if not _NAMESPACE.fullmatch(namespace):
        raise ValueError(
            f"{namespace[:100]!r} is not a name of a namespace; write small letters, digits and dashes"
        )
    return "---\n".join(
        (
            _object("v1", "Namespace", namespace),
            _object("v1", "ServiceAccount", name, namespace),
            _object("rbac.authorization.k8s.io/v1", "Role", name, namespace) + _rules(),
            _object("rbac.authorization.k8s.io/v1", "RoleBinding", name, namespace)
            + "roleRef:\n  apiGroup: rbac.authorization.k8s.io\n  kind: Role\n"
            + f"  name: {name}\nsubjects:\n- kind: ServiceAccount\n  name: {name}\n  namespace: {namespace}\n",
        )
    )


def _object(version: str, kind: str, name: str, namespace: str = "") -> str:
    scope = f"  namespace: {namespace}\n" if namespace else ""
    return f"apiVersion: {version}\nkind: {kind}\nmetadata:\n  name: {name}\n{scope}"


def _rules() -> str:
    verbs: dict[tuple[str, str], list[str]] = {}
    for right in NEEDED:
        verbs.setdefault((right.group, right.resource), []).append(right.verb)
    return "rules:\n" + "".join(
        f'- apiGroups: ["{group}"]\n  resources: ["{resource}"]\n  verbs: [{", ".join(found)}]\n'
        for (group, resource), found in verbs.items()
    )


def documented() -> str:
    """docs/how-to/kubernetes-jobs.md"""
    return f"```yaml\n{manifests('herder')}```\n"
