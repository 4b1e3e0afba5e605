"""Whether the quotas of the namespace allow one more worker: asked before anything is made. Pure but for the quantities' reader.

The check is a courtesy: two creations at once may both pass it, and the API server has the last word (`phases`). Free capacity of nodes is
`capacity`'s.
"""

from collections.abc import Mapping, Sequence

from herder.drivers.kubernetes_jobs.objects import Quota
from herder.memberships.kubernetes.quantities import NANO, QuantityError, nano
from herder.model.fleet.driver import QuotaExceeded
from herder.model.fleet.driver_capabilities import Quota as Limit

#: What one worker is besides its resources.
_OBJECTS = {
    "pods": "1",
    "count/pods": "1",
    "count/jobs.batch": "1",
    "secrets": "1",
    "count/secrets": "1",
}


def wanted_by(resources: Mapping[str, Mapping[str, str]]) -> dict[str, str]:
    """By the names that quotas use."""
    found = dict(_OBJECTS)
    for name, amount in resources["requests"].items():
        found[f"requests.{name}"] = amount
        if "/" not in name:
            found[name] = amount
    return found | {f"limits.{name}": amount for name, amount in resources["limits"].items()}


def check(namespace: str, quotas: Sequence[Quota], wanted: Mapping[str, str]) -> None:
    """Raises QuotaExceeded. Quotas for some pods only (scopes) are left to the API server."""
    for quota in quotas:
        if not quota.for_all:
            continue
        for name, hard in quota.status.hard.items():
            if name in wanted and _beyond(hard, quota.status.used.get(name, "0"), wanted[name]):
                used = quota.status.used.get(name, "0")
                raise QuotaExceeded(
                    f"Quota {quota.metadata.name} of namespace {namespace} does not allow one more worker: {name} is {used} of {hard}, "
                    f"and {wanted[name]} more is needed."
                )


def _beyond(hard: str, used: str, more: str) -> bool:
    try:
        return nano(used) + nano(more) > nano(hard)
    except QuantityError:
        return False  # the API server reads it, and refuses if need be


def limits(quotas: Sequence[Quota]) -> list[Limit]:
    """In whole cores, bytes and pieces, rounded down; what cannot be read is left out."""
    found = []
    for quota in quotas:
        for name, hard in quota.status.hard.items():
            try:
                limit, used = nano(hard) // NANO, nano(quota.status.used.get(name, "0")) // NANO
            except QuantityError:
                continue
            found.append(Limit(name=f"{quota.metadata.name}/{name}", zone="", limit=limit, used=used))
    return found
