"""The specification of a pod, bare or in a template: defaults, checks, requests and class of quality."""

from collections.abc import Iterator
from typing import Any

from herder.testing.kubernetes.api.answers import Cause
from herder.testing.kubernetes.objects import Json
from herder.testing.kubernetes.objects.quantities import milli, written

RESTART_POLICIES = ("Always", "OnFailure", "Never")


def containers(spec: Json) -> Iterator[Json]:
    for name in ("initContainers", "containers"):
        yield from spec.get(name) or ()


def read_spec(spec: Json) -> None:
    """Numbers become texts, as the API answers them. Raises ValueError when a quantity is none."""
    for container in containers(spec):
        resources = container.get("resources") or {}
        for part in ("limits", "requests"):
            _read_quantities(resources.get(part) or {})
    _read_quantities(spec.get("overhead") or {})


def _read_quantities(amounts: Json) -> None:
    for name, value in amounts.items():
        read = milli(value)
        if not isinstance(value, str):
            amounts[name] = written(read)


def default_spec(spec: Json) -> None:
    spec.setdefault("restartPolicy", "Always")
    spec.setdefault("terminationGracePeriodSeconds", 30)
    spec.setdefault("dnsPolicy", "ClusterFirst")
    spec.setdefault("securityContext", {})
    spec.setdefault("schedulerName", "default-scheduler")
    for container in containers(spec):
        resources = container.setdefault("resources", {}) or {}
        container["resources"] = resources
        if resources.get("limits"):
            resources["requests"] = {**resources["limits"], **(resources.get("requests") or {})}
        container.setdefault("terminationMessagePath", "/dev/termination-log")
        container.setdefault("terminationMessagePolicy", "File")
        image = str(container.get("image", "")).rpartition("/")[2]
        tag = image.partition("@")[0].partition(":")[2]
        newest = tag in ("", "latest") and "@" not in image
        container.setdefault("imagePullPolicy", "Always" if newest else "IfNotPresent")


def spec_causes(spec: Json, path: str = "spec") -> list[Cause]:
    causes: list[Cause] = []
    if not spec.get("containers"):
        causes.append(Cause.required(f"{path}.containers"))
    for part in ("initContainers", "containers"):
        seen: set[str] = set()
        for index, container in enumerate(spec.get(part) or ()):
            causes += _container_causes(container, f"{path}.{part}[{index}]", seen)
    if spec.get("restartPolicy", "Always") not in RESTART_POLICIES:
        causes.append(Cause.unsupported(f"{path}.restartPolicy", spec["restartPolicy"], RESTART_POLICIES))
    for index, toleration in enumerate(spec.get("tolerations") or ()):
        causes += _toleration_causes(toleration, f"{path}.tolerations[{index}]")
    return causes


def _container_causes(container: Json, path: str, seen: set[str]) -> list[Cause]:
    causes = []
    name = container.get("name", "")
    if not name:
        causes.append(Cause.required(f"{path}.name"))
    elif name in seen:
        causes.append(
            Cause(field=f"{path}.name", message=f'Duplicate value: "{name}"', reason="FieldValueDuplicate")
        )
    seen.add(name)
    if not container.get("image"):
        causes.append(Cause.required(f"{path}.image"))
    resources = container.get("resources") or {}
    limits = resources.get("limits") or {}
    for resource, value in (resources.get("requests") or {}).items():
        if resource in limits and milli(value) > milli(limits[resource]):
            text = f"must be less than or equal to {resource} limit of {limits[resource]}"
            causes.append(Cause.invalid(f"{path}.resources.requests", str(value), text))
    return causes


def _toleration_causes(toleration: Json, path: str) -> list[Cause]:
    operator = toleration.get("operator", "Equal")
    if operator == "Exists" and toleration.get("value"):
        text = "value must be empty when `operator` is 'Exists'"
        return [Cause.invalid(f"{path}.operator", toleration["value"], text)]
    if not toleration.get("key") and operator != "Exists":
        text = 'operator must be Exists when `key` is empty, which means "match all values and all keys"'
        return [Cause.invalid(f"{path}.operator", operator, text)]
    return []


def quality_class(spec: Json) -> str:
    all_limited, any_named = True, False
    for container in containers(spec):
        resources = container.get("resources") or {}
        requests, limits = resources.get("requests") or {}, resources.get("limits") or {}
        for name in ("cpu", "memory"):
            any_named = any_named or name in requests or name in limits
            if name not in limits or milli(requests.get(name, limits.get(name))) != milli(limits[name]):
                all_limited = False
    if not any_named:
        return "BestEffort"
    return "Guaranteed" if all_limited else "Burstable"


def _added(total: dict[str, int], more: dict[str, Any]) -> None:
    for name, value in more.items():
        total[name] = total.get(name, 0) + milli(value)


def requests_milli(spec: Json, part: str = "requests") -> dict[str, int]:
    """What it takes of a node, in thousandths: the sum of its containers and of init containers that stay (sidecars), or more while it
    starts, when an init container takes more than that; and its overhead."""
    total: dict[str, int] = {}
    for container in spec.get("containers") or ():
        _added(total, (container.get("resources") or {}).get(part) or {})
    sidecars: dict[str, int] = {}
    starting: dict[str, int] = {}
    for container in spec.get("initContainers") or ():
        wanted = (container.get("resources") or {}).get(part) or {}
        if container.get("restartPolicy") == "Always":
            _added(sidecars, wanted)
            now = dict(sidecars)
        else:
            now = dict(sidecars)
            _added(now, wanted)
        for name, value in now.items():
            starting[name] = max(starting.get(name, 0), value)
    for name, value in sidecars.items():
        total[name] = total.get(name, 0) + value
    for name, value in starting.items():
        total[name] = max(total.get(name, 0), value)
    _added(total, spec.get("overhead") or {})
    return total
