"""The status of a pod as a kubelet writes it: conditions, and the state of each container."""

from typing import Any

from herder.testing.kubernetes.objects import Json
from herder.testing.kubernetes.objects.times import condition, rfc3339, with_condition

WAITING: dict[str, Any] = {"waiting": {"reason": "ContainerCreating"}}


def container_status(
    container: Json, state: Json, *, ready: bool, restarts: int = 0, last: Json | None = None
) -> Json:
    return {
        "name": container["name"],
        "state": state,
        "lastState": last or {},
        "ready": ready,
        "restartCount": restarts,
        "image": container.get("image", ""),
        "imageID": "",
    }


def running(pod: Json, now_ms: int, restarts: int = 0, last: Json | None = None) -> Json:
    """Every container runs and is ready."""
    status: Json = dict(pod["status"])
    status["phase"] = "Running"
    held = {each["type"]: each for each in status.get("conditions") or ()}
    fresh = [
        condition(kind, "True", now_ms, probe=True) for kind in ("Initialized", "Ready", "ContainersReady")
    ]
    scheduled = held.pop("PodScheduled", None) or condition("PodScheduled", "True", now_ms, probe=True)
    others = [each for kind, each in held.items() if kind not in ("Initialized", "Ready", "ContainersReady")]
    status["conditions"] = [*fresh, scheduled, *others]
    status.setdefault("startTime", rfc3339(now_ms))
    state = {"running": {"startedAt": rfc3339(now_ms)}}
    status["containerStatuses"] = [
        container_status(each, state, ready=True, restarts=restarts, last=last)
        for each in pod["spec"]["containers"]
    ]
    status.update(_initialised(pod, now_ms))
    return status


def _initialised(pod: Json, now_ms: int) -> Json:
    found = []
    for each in pod["spec"].get("initContainers") or ():
        if each.get("restartPolicy") == "Always":
            state: Json = {"running": {"startedAt": rfc3339(now_ms)}}
        else:
            state = {"terminated": terminated(0, "Completed", now_ms, now_ms)}
        found.append(container_status(each, state, ready=True))
    return {"initContainerStatuses": found} if found else {}


def waiting(
    pod: Json, reason: str, message: str, now_ms: int, restarts: int = 0, last: Json | None = None
) -> Json:
    """No container runs, and this is why."""
    status: Json = dict(pod["status"])
    why = {"reason": reason} | ({"message": message} if message else {})
    status.setdefault("startTime", rfc3339(now_ms))
    status["containerStatuses"] = [
        container_status(each, {"waiting": why}, ready=False, restarts=restarts, last=last)
        for each in pod["spec"]["containers"]
    ]
    for kind in ("Ready", "ContainersReady"):
        new = condition(kind, "False", now_ms, reason="ContainersNotReady", probe=True)
        status["conditions"] = with_condition(status.get("conditions"), new)
    return status


def terminated(exit_code: int, reason: str, started_ms: int, now_ms: int) -> Json:
    return {
        "exitCode": exit_code,
        "reason": reason,
        "startedAt": rfc3339(started_ms),
        "finishedAt": rfc3339(now_ms),
    }


def ended(pod: Json, state: Json, now_ms: int, restarts: int = 0) -> Json:
    """All containers have ended as the state says, for good."""
    good = state["exitCode"] == 0
    status: Json = dict(pod["status"])
    status["phase"] = "Succeeded" if good else "Failed"
    why = "PodCompleted" if good else "PodFailed"
    for kind in ("Ready", "ContainersReady"):
        new = condition(kind, "False", now_ms, reason=why, probe=True)
        status["conditions"] = with_condition(status.get("conditions"), new)
    status["containerStatuses"] = [
        container_status(each, {"terminated": state}, ready=False, restarts=restarts)
        for each in pod["spec"]["containers"]
    ]
    return status
