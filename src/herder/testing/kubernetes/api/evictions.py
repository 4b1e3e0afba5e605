"""The subresources of pods: binding, eviction and log. The answers are those that a real server gave, word for word."""

from herder.testing.kubernetes.api import answers
from herder.testing.kubernetes.api.answers import ApiError
from herder.testing.kubernetes.api.deletion import ENDED, DeleteOptions, delete
from herder.testing.kubernetes.api.verbs import Verbs
from herder.testing.kubernetes.objects import Json
from herder.testing.kubernetes.objects.resources import BUDGETS, PODS
from herder.testing.kubernetes.objects.selectors import selector_of
from herder.testing.kubernetes.objects.store import Store
from herder.testing.kubernetes.objects.stored import Key, Stored
from herder.testing.kubernetes.objects.times import condition, condition_of, rfc3339, with_condition

TWO_BUDGETS = (
    "This pod has more than one PodDisruptionBudget, which the eviction subresource does not support."
)
#: The controller of budgets expects a pod that was evicted to go within so long.
EXPECTED_TO_GO_MS = 120_000


_NO_COUNTS = {"currentHealthy": 0, "desiredHealthy": 0, "disruptionsAllowed": 0}


def budgets_of(store: Store, pod: Stored) -> list[Stored]:
    found = []
    for stored in store.all(BUDGETS, pod.key[0]):
        selector = selector_of((stored.decode().get("spec") or {}).get("selector"))
        if selector is not None and selector.allows(pod.labels):
            found.append(stored)
    return found


def disruption_target(obj: Json, now_ms: int, reason: str, message: str, *, observed: bool = False) -> None:
    """Say in the status of a pod why it is going to end."""
    status = obj.setdefault("status", {})
    new = condition("DisruptionTarget", "True", now_ms, reason=reason, message=message, probe=True)
    if observed and "generation" in obj["metadata"]:
        new["observedGeneration"] = obj["metadata"]["generation"]
    status["conditions"] = with_condition(status.get("conditions"), new)


def evict(verbs: Verbs, key: Key, body: Json, now_ms: int) -> Json:
    """The Status of an eviction that was allowed. Raises ApiError."""
    pod = verbs.must_get(PODS, key)
    if (body.get("metadata") or {}).get("name", key[1]) != key[1]:
        raise answers.bad_request("name in URL does not match name in Eviction object")
    options = DeleteOptions.read(body.get("deleteOptions") or {}, {})
    obj = pod.decode()
    if not _free(obj, pod):
        _use_budget(verbs, pod, obj, now_ms)
    if not options.dry_run:
        if not pod.deleting:
            disruption_target(obj, now_ms, "EvictionByEvictionAPI", "Eviction API: evicting")
            verbs.store.put(PODS, obj)
        delete(verbs, PODS, key, now_ms, options)
    return {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "code": 201}


def _free(obj: Json, pod: Stored) -> bool:
    """Nothing of it runs, so no budget is asked."""
    phase = pod.fields["status.phase"]
    return phase in ENDED or phase == "Pending" or not pod.fields["spec.nodeName"] or pod.deleting


def _use_budget(verbs: Verbs, pod: Stored, obj: Json, now_ms: int) -> None:
    budgets = budgets_of(verbs.store, pod)
    if len(budgets) > 1:
        raise ApiError(500, "", TWO_BUDGETS)
    for stored in budgets:
        budget = stored.decode()
        status = _NO_COUNTS | (budget.get("status") or {})
        budget["status"] = status
        ready = (condition_of(obj, "Ready") or {}).get("status") == "True"
        healthy_enough = status["currentHealthy"] >= status["desiredHealthy"] and status["desiredHealthy"] > 0
        always = (budget.get("spec") or {}).get("unhealthyPodEvictionPolicy") == "AlwaysAllow"
        if not ready and (always or healthy_enough):
            return
        if status.get("observedGeneration", 0) < budget["metadata"].get("generation", 0):
            raise _blocked(stored, "The disruption budget {name} is still being processed by the server.", 10)
        if status["disruptionsAllowed"] <= 0:
            text = (
                f"The disruption budget {{name}} needs {status['desiredHealthy']} healthy pods and has "
                f"{status['currentHealthy']} currently"
            )
            raise _blocked(stored, text)
        status["disruptionsAllowed"] -= 1
        status["disruptedPods"] = (status.get("disruptedPods") or {}) | {pod.key[1]: rfc3339(now_ms)}
        if not status["disruptionsAllowed"]:
            status["conditions"] = with_condition(
                status.get("conditions"), budget_condition(budget, allowed=False, now_ms=now_ms)
            )
        verbs.store.put(BUDGETS, budget)


def budget_condition(budget: Json, *, allowed: bool, now_ms: int) -> Json:
    return {
        "type": "DisruptionAllowed",
        "status": "True" if allowed else "False",
        "observedGeneration": budget["metadata"].get("generation", 0),
        "lastTransitionTime": rfc3339(now_ms),
        "reason": "SufficientPods" if allowed else "InsufficientPods",
        "message": "",
    }


def _blocked(budget: Stored, text: str, retry_after_s: int | None = None) -> ApiError:
    return ApiError(
        429,
        "TooManyRequests",
        "Cannot evict pod as it would violate the pod's disruption budget.",
        {"causes": [{"reason": "DisruptionBudget", "message": text.format(name=budget.key[1])}]},
        retry_after_s=retry_after_s,
    )


def bind(verbs: Verbs, key: Key, body: Json, now_ms: int) -> Json:
    """POST of a Binding: the pod goes to the node that it names."""
    pod = verbs.must_get(PODS, key)
    target = body.get("target") or {}
    if target.get("kind", "Node") != "Node" or not target.get("name"):
        cause = answers.Cause.required("target.name")
        raise answers.invalid(PODS, key[1], [cause])
    obj = pod.decode()
    if obj["spec"].get("nodeName"):
        message = (
            f'Operation cannot be fulfilled on pods/binding "{key[1]}": pod {key[1]} is already assigned to '
            f'node "{obj["spec"]["nodeName"]}"'
        )
        raise ApiError(409, "Conflict", message, {"name": key[1], "kind": "pods/binding"})
    if obj["spec"].get("schedulingGates"):
        why = f"pod {key[1]} has non-empty .spec.schedulingGates"
        raise ApiError(409, "Conflict", f'Operation cannot be fulfilled on pods/binding "{key[1]}": {why}')
    if "deletionTimestamp" in obj["metadata"]:
        why = f"pod {key[1]} is being deleted, cannot be assigned to a host"
        raise ApiError(409, "Conflict", f'Operation cannot be fulfilled on pods/binding "{key[1]}": {why}')
    bound(obj, target["name"], now_ms)
    verbs.store.put(PODS, obj)
    return {"kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "code": 201}


def bound(obj: Json, node: str, now_ms: int) -> None:
    obj["spec"]["nodeName"] = node
    status = obj.setdefault("status", {})
    status.pop("nominatedNodeName", None)
    status["conditions"] = with_condition(
        status.get("conditions"), condition("PodScheduled", "True", now_ms, probe=True)
    )
