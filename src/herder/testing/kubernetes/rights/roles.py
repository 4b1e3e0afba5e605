"""What a user may do, by roles and their bindings (RBAC), and the sentence of a refusal."""

from collections.abc import Iterator
from dataclasses import dataclass

from herder.testing.kubernetes.api import answers
from herder.testing.kubernetes.api.answers import ApiError
from herder.testing.kubernetes.objects import Json
from herder.testing.kubernetes.objects.resources import (
    CLUSTER_ROLE_BINDINGS,
    CLUSTER_ROLES,
    ROLE_BINDINGS,
    ROLES,
    Resource,
)
from herder.testing.kubernetes.objects.store import Store
from herder.testing.kubernetes.rights.users import AUTHENTICATED, User

#: What anybody with a valid token may create.
REVIEWS = ("selfsubjectaccessreviews", "selfsubjectrulesreviews")
REVIEW_GROUP = "authorization.k8s.io"


@dataclass(frozen=True, slots=True, kw_only=True)
class Ask:
    verb: str
    resource: str
    """Plural, with its subresource: pods/eviction."""
    group: str = ""
    namespace: str = ""
    name: str = ""


def _has(rule: Json, field: str, value: str) -> bool:
    values = rule.get(field) or ()
    return "*" in values or value in values


def _resource_in(rule: Json, asked: str) -> bool:
    values = rule.get("resources") or ()
    if "*" in values or asked in values:
        return True
    _, slash, subresource = asked.partition("/")
    return bool(slash) and f"*/{subresource}" in values


def rule_allows(rule: Json, ask: Ask) -> bool:
    names = rule.get("resourceNames")
    if names and ask.name not in names:
        return False
    return (
        _has(rule, "verbs", ask.verb)
        and _has(rule, "apiGroups", ask.group)
        and _resource_in(rule, ask.resource)
    )


def _is_subject(subject: Json, user: User, namespace: str) -> bool:
    kind, name = subject.get("kind"), subject.get("name", "")
    if kind == "User":
        return bool(name == user.name)
    if kind == "Group":
        return name in user.groups
    where = subject.get("namespace", namespace)
    return kind == "ServiceAccount" and user.name == f"system:serviceaccount:{where}:{name}"


def _rules_of(store: Store, ref: Json, namespace: str) -> list[Json]:
    cluster = ref.get("kind") == "ClusterRole"
    if cluster and ref.get("name") == "cluster-admin":
        return [{"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]}]
    resource = CLUSTER_ROLES if cluster else ROLES
    held = store.get(resource, ("" if cluster else namespace, ref.get("name", "")))
    return (held.decode().get("rules") or []) if held is not None else []


def rules_for(store: Store, user: User, namespace: str) -> Iterator[Json]:
    """All rules that hold for this user in this namespace, or at cluster scope when there is none."""
    bindings = [(CLUSTER_ROLE_BINDINGS, "")] + ([(ROLE_BINDINGS, namespace)] if namespace else [])
    for resource, where in bindings:
        for stored in store.all(resource, where):
            binding = stored.decode()
            if any(_is_subject(each, user, where) for each in binding.get("subjects") or ()):
                yield from _rules_of(store, binding.get("roleRef") or {}, where)


def allowed(store: Store, user: User, ask: Ask) -> bool:
    if user.all_powerful:
        return True
    if ask.group == REVIEW_GROUP and ask.resource in REVIEWS and ask.verb == "create":
        return AUTHENTICATED in user.groups
    return any(rule_allows(rule, ask) for rule in rules_for(store, user, ask.namespace))


def refusal(resource: Resource, user: User, ask: Ask) -> ApiError:
    where = f'in the namespace "{ask.namespace}"' if ask.namespace else "at the cluster scope"
    why = f'User "{user.name}" cannot {ask.verb} resource "{ask.resource}" in API group "{ask.group}" {where}'
    return answers.forbidden(resource, ask.name, why)
