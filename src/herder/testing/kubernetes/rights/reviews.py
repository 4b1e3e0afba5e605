"""Questions about oneself: SelfSubjectAccessReview and SelfSubjectRulesReview."""

from herder.testing.kubernetes.api import answers
from herder.testing.kubernetes.objects import Json
from herder.testing.kubernetes.objects.resources import ACCESS_REVIEWS
from herder.testing.kubernetes.objects.store import Store
from herder.testing.kubernetes.rights.roles import Ask, allowed, rules_for
from herder.testing.kubernetes.rights.users import User


def _ask_of(attributes: Json) -> Ask:
    asked, subresource = attributes.get("resource", ""), attributes.get("subresource", "")
    return Ask(
        verb=attributes.get("verb", ""),
        resource=f"{asked}/{subresource}" if subresource else asked,
        group=attributes.get("group", ""),
        namespace=attributes.get("namespace", ""),
        name=attributes.get("name", ""),
    )


def access_review(store: Store, user: User, body: Json) -> Json:
    spec = body.get("spec") or {}
    attributes = spec.get("resourceAttributes")
    if attributes is None and spec.get("nonResourceAttributes") is None:
        text = "exactly one of nonResourceAttributes or resourceAttributes must be specified"
        cause = answers.Cause.invalid("spec.resourceAttributes", None, text)
        raise answers.invalid(ACCESS_REVIEWS, "", [cause])
    may = user.all_powerful if attributes is None else allowed(store, user, _ask_of(attributes))
    shown = {
        part: {key: value for key, value in given.items() if value != ""}
        for part, given in spec.items()
        if isinstance(given, dict)
    }
    return {
        "kind": "SelfSubjectAccessReview",
        "apiVersion": "authorization.k8s.io/v1",
        "metadata": {},
        "spec": shown,
        "status": {"allowed": may},
    }


def rules_review(store: Store, user: User, body: Json) -> Json:
    namespace = (body.get("spec") or {}).get("namespace", "")
    rules = list(rules_for(store, user, namespace))
    if user.all_powerful:
        rules = [{"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]}]
    return {
        "kind": "SelfSubjectRulesReview",
        "apiVersion": "authorization.k8s.io/v1",
        "metadata": {},
        "spec": {},
        "status": {"resourceRules": rules, "nonResourceRules": [], "incomplete": False},
    }
