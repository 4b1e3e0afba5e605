"""The pods of a Job: which count as active, succeeded or failed, what the failure policy says of one, and how a new one is written."""

from dataclasses import dataclass, field

from herder.testing.kubernetes.objects import Json
from herder.testing.kubernetes.objects.stored import Stored
from herder.testing.kubernetes.objects.times import parsed_ms

TRACKING = "batch.kubernetes.io/job-tracking"
INDEX = "batch.kubernetes.io/job-completion-index"


@dataclass(slots=True, kw_only=True)
class JobPods:
    active: list[tuple[Stored, Json]] = field(default_factory=list)
    terminating: int = 0
    ready: int = 0
    succeeded: list[tuple[Stored, Json]] = field(default_factory=list)
    """They ended well and are not counted yet."""
    failed: list[tuple[Stored, Json]] = field(default_factory=list)
    indexes: set[int] = field(default_factory=set)
    """Of active pods, and of such as end and whose place is not free yet."""


def replaces_failed_only(job: Json) -> bool:
    return bool(job["spec"].get("podReplacementPolicy") == "Failed")


def index_of(pod: Json) -> int:
    return int((pod["metadata"].get("annotations") or {}).get(INDEX, -1))


def classify(job: Json, pods: list[Stored]) -> JobPods:
    found = JobPods()
    for stored in pods:
        obj = stored.decode()
        phase = obj["status"].get("phase")
        tracked = TRACKING in (obj["metadata"].get("finalizers") or ())
        ended = phase in ("Succeeded", "Failed")
        if not ended and not stored.deleting:
            found.active.append((stored, obj))
            found.ready += bool(stored.fields[".ready"])
            found.indexes.add(index_of(obj))
            continue
        if not ended:
            found.terminating += 1
            if replaces_failed_only(job):
                found.indexes.add(index_of(obj))
        if not tracked:
            continue
        if phase == "Succeeded":
            found.succeeded.append((stored, obj))
        elif phase == "Failed" or not replaces_failed_only(job):
            found.failed.append((stored, obj))
    return found


# --- failure policy


def _exit_codes(pod: Json) -> list[tuple[str, int]]:
    return [
        (each["name"], each["state"]["terminated"].get("exitCode", 0))
        for each in pod["status"].get("containerStatuses") or ()
        if (each.get("state") or {}).get("terminated")
    ]


def _matches(rule: Json, pod: Json) -> str:
    """Why the rule holds for this pod; empty: it does not."""
    name = f"{pod['metadata']['namespace']}/{pod['metadata']['name']}"
    if codes := rule.get("onExitCodes"):
        for container, code in _exit_codes(pod):
            if codes.get("containerName") not in (None, container) or not code:
                continue
            if (code in codes["values"]) is (codes["operator"] == "In"):
                return f"Container {container} for pod {name} failed with exit code {code}"
    for wanted in rule.get("onPodConditions") or ():
        for each in pod["status"].get("conditions") or ():
            if each["type"] == wanted["type"] and each["status"] == wanted.get("status", "True"):
                return f"Pod {name} has condition {each['type']}"
    return ""


def policy_for(job: Json, pod: Json) -> tuple[str, str]:
    """The action for a pod that failed, and the message of a Job that fails by it."""
    rules = (job["spec"].get("podFailurePolicy") or {}).get("rules") or ()
    for index, rule in enumerate(rules):
        if why := _matches(rule, pod):
            return rule["action"], f"{why} matching {rule['action']} rule at index {index}"
    return "Count", ""


# --- new pods


def new_pod(job: Json, index: int | None) -> Json:
    template = job["spec"]["template"]
    metadata, name = template.get("metadata") or {}, job["metadata"]["name"]
    annotations = dict(metadata.get("annotations") or {})
    labels = dict(metadata.get("labels") or {})
    spec = dict(template["spec"])
    prefix = f"{name}-"
    if index is not None:
        annotations[INDEX] = labels[INDEX] = str(index)
        prefix = f"{name}-{index}-"
        spec["hostname"] = f"{name}-{index}"
        more = [{"name": "JOB_COMPLETION_INDEX", "value": str(index)}]
        spec["containers"] = [
            {**each, "env": [*(each.get("env") or []), *more]} for each in spec["containers"]
        ]
    owner = {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "name": name,
        "uid": job["metadata"]["uid"],
        "controller": True,
        "blockOwnerDeletion": True,
    }
    found: Json = {
        "generateName": prefix,
        "labels": labels,
        "ownerReferences": [owner],
        "finalizers": [TRACKING],
    }
    if annotations:
        found["annotations"] = annotations
    return {"metadata": found, "spec": spec}


def ended_ms(pod: Json) -> int:
    """When its last container ended, or when it was to be deleted."""
    times = [
        parsed_ms(state["finishedAt"])
        for each in pod["status"].get("containerStatuses") or ()
        if (state := (each.get("state") or {}).get("terminated")) and state.get("finishedAt")
    ]
    if not times and "deletionTimestamp" in pod["metadata"]:
        times = [parsed_ms(pod["metadata"]["deletionTimestamp"])]
    return max(times, default=0)


def index_text(indexes: set[int]) -> str:
    """0-3,5 as Kubernetes writes completed indexes."""
    parts: list[list[int]] = []
    for each in sorted(indexes):
        if parts and each == parts[-1][1] + 1:
            parts[-1][1] = each
        else:
            parts.append([each, each])
    return ",".join(f"{first}" if first == last else f"{first}-{last}" for first, last in parts)


def indexes_of(text: str) -> set[int]:
    found: set[int] = set()
    for part in filter(None, text.split(",")):
        first, _, last = part.partition("-")
        found |= set(range(int(first), int(last or first) + 1))
    return found
