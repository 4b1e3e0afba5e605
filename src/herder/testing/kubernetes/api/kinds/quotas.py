"""Quotas of namespaces: what they hold already, and whether one more object is allowed."""

from collections.abc import Mapping

from herder.testing.kubernetes.api import answers
from herder.testing.kubernetes.api.context import Context
from herder.testing.kubernetes.api.kinds.pod_spec import containers, requests_milli
from herder.testing.kubernetes.objects import Json
from herder.testing.kubernetes.objects.quantities import milli, written
from herder.testing.kubernetes.objects.resources import PODS, RESOURCE_QUOTAS
from herder.testing.kubernetes.objects.store import Store

ENDED = ("Succeeded", "Failed")
#: What a container must say when a quota limits it.
MUST_SAY = ("cpu", "memory", "requests.cpu", "requests.memory", "limits.cpu", "limits.memory")


def pod_usage(spec: Json) -> dict[str, int]:
    """What a pod counts for, by the names that quotas use, in thousandths."""
    found = {"pods": 1000, "count/pods": 1000}
    for name, value in requests_milli(spec).items():
        found[f"requests.{name}"] = value
        if name in ("cpu", "memory", "ephemeral-storage"):
            found[name] = value
    for name, value in requests_milli(spec, "limits").items():
        found[f"limits.{name}"] = value
    return found


def used_in(store: Store, namespace: str) -> dict[str, int]:
    total: dict[str, int] = {}
    for stored in store.all(PODS, namespace):
        if stored.fields["status.phase"] in ENDED:
            continue
        for name, value in pod_usage(stored.decode()["spec"]).items():
            total[name] = total.get(name, 0) + value
    return total


def _terms(values: Mapping[str, int], names: list[str]) -> str:
    return ",".join(f"{name}={written(values.get(name, 0))}" for name in names)


def _unsaid(hard: Json, spec: Json) -> str:
    missing = []
    for name in sorted(set(hard) & set(MUST_SAY)):
        part, _, resource = name.rpartition(".")
        for container in containers(spec):
            said = (container.get("resources") or {}).get(part or "requests") or {}
            if resource not in said:
                missing.append(f"{name} for: {container['name']}")
    return "; ".join(missing)


def admit_pod(obj: Json, context: Context) -> None:
    namespace, name = obj["metadata"]["namespace"], obj["metadata"]["name"]
    used: dict[str, int] | None = None
    for stored in context.store.all(RESOURCE_QUOTAS, namespace):
        quota = stored.decode()
        hard = {key: milli(value) for key, value in ((quota.get("spec") or {}).get("hard") or {}).items()}
        unsaid = _unsaid(hard, obj["spec"])
        if unsaid:
            raise answers.forbidden(PODS, name, f"failed quota: {stored.key[1]}: must specify {unsaid}")
        wanted = pod_usage(obj["spec"])
        used = used_in(context.store, namespace) if used is None else used
        over = sorted(
            key for key, most in hard.items() if wanted.get(key) and used.get(key, 0) + wanted[key] > most
        )
        if over:
            why = (
                f"exceeded quota: {stored.key[1]}, requested: {_terms(wanted, over)}, "
                f"used: {_terms(used, over)}, limited: {_terms(hard, over)}"
            )
            raise answers.forbidden(PODS, name, why)
