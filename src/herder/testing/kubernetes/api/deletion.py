"""Deleting: grace periods of pods, finalizers, preconditions, propagation, and collections."""

from dataclasses import dataclass, field

from herder.testing.kubernetes.api import answers
from herder.testing.kubernetes.api.verbs import Verbs
from herder.testing.kubernetes.objects import Json
from herder.testing.kubernetes.objects.resources import JOBS, NAMESPACES, PODS, Resource
from herder.testing.kubernetes.objects.stored import Key, Stored
from herder.testing.kubernetes.objects.times import rfc3339

DEFAULT_GRACE_S = 30
FOREGROUND, ORPHAN = "foregroundDeletion", "orphan"
ENDED = ("Succeeded", "Failed")


@dataclass(frozen=True, slots=True, kw_only=True)
class DeleteOptions:
    grace_s: int | None = None
    propagation: str = ""
    preconditions: Json = field(default_factory=dict)
    dry_run: bool = False

    @classmethod
    def read(cls, body: Json, query: dict[str, str]) -> "DeleteOptions":
        """Raises ApiError."""
        grace = body.get("gracePeriodSeconds", query.get("gracePeriodSeconds"))
        propagation = body.get("propagationPolicy") or query.get("propagationPolicy") or ""
        if body.get("orphanDependents") is not None:
            propagation = "Orphan" if body["orphanDependents"] else "Background"
        if propagation not in ("", "Orphan", "Background", "Foreground"):
            raise answers.bad_request(f'invalid propagationPolicy "{propagation}"')
        try:
            grace_s = None if grace is None else int(grace)
        except (TypeError, ValueError):
            raise answers.bad_request(f"invalid gracePeriodSeconds {grace!r}") from None
        return cls(
            grace_s=grace_s,
            propagation=propagation,
            preconditions=body.get("preconditions") or {},
            dry_run=bool(body.get("dryRun") or query.get("dryRun")),
        )


NO_OPTIONS = DeleteOptions()
AT_ONCE = DeleteOptions(grace_s=0)


def grace_of(resource: Resource, obj: Json, options: DeleteOptions) -> int:
    """In seconds. 0 for what has no container that runs."""
    if resource is not PODS:
        return 0
    spec, status = obj["spec"], obj.get("status") or {}
    if not spec.get("nodeName") or status.get("phase") in ENDED:
        return 0
    given = spec.get("terminationGracePeriodSeconds", DEFAULT_GRACE_S)
    return max(0, int(given if options.grace_s is None else options.grace_s))


def _check(resource: Resource, held: Stored, options: DeleteOptions) -> None:
    wanted = options.preconditions
    if wanted.get("uid") not in (None, held.uid):
        raise answers.precondition_failed(resource, held.key[1], "UID", wanted["uid"], held.uid)
    if wanted.get("resourceVersion") not in (None, str(held.version)):
        raise answers.precondition_failed(
            resource, held.key[1], "ResourceVersion", wanted["resourceVersion"], str(held.version)
        )


def _propagation(resource: Resource, options: DeleteOptions) -> str:
    """A Job that is deleted without saying how leaves its pods, as batch/v1 always did."""
    return options.propagation or ("Orphan" if resource is JOBS else "Background")


def delete(
    verbs: Verbs, resource: Resource, key: Key, now_ms: int, options: DeleteOptions = NO_OPTIONS
) -> Json:
    """The answer: the object as it is now, or a Status when it is gone."""
    held = verbs.must_get(resource, key)
    _check(resource, held, options)
    obj = held.decode()
    _mark(verbs, resource, obj, now_ms, options)
    if options.dry_run:
        return {"kind": resource.kind, "apiVersion": resource.api_version, **obj}
    metadata = obj["metadata"]
    waits = metadata.get("finalizers") or metadata.get("deletionGracePeriodSeconds")
    if waits or resource is NAMESPACES:
        return verbs.store.put(resource, obj).whole() if obj != held.decode() else held.whole()
    if resource is PODS:
        last = verbs.store.put(resource, obj)
        verbs.store.remove(resource, key)
        return last.whole()
    verbs.store.remove(resource, key)
    return answers.deleted_status(resource, key[1], held.uid)


def _mark(verbs: Verbs, resource: Resource, obj: Json, now_ms: int, options: DeleteOptions) -> None:
    metadata = obj["metadata"]
    grace_s = grace_of(resource, obj, options)
    before = metadata.get("deletionGracePeriodSeconds")
    if "deletionTimestamp" in metadata and before is not None and grace_s >= before:
        return
    if "deletionTimestamp" not in metadata and metadata.get("generation"):
        metadata["generation"] += 1
    metadata["deletionTimestamp"] = rfc3339(now_ms + grace_s * 1000)
    metadata["deletionGracePeriodSeconds"] = grace_s
    wanted = _propagation(resource, options)
    finalizers = [each for each in metadata.get("finalizers") or [] if each not in (FOREGROUND, ORPHAN)]
    if verbs.store.owned_by(metadata["uid"]):
        finalizers += {"Foreground": [FOREGROUND], "Orphan": [ORPHAN]}.get(wanted, [])
    if finalizers:
        metadata["finalizers"] = finalizers
    if resource is NAMESPACES:
        metadata.pop("deletionGracePeriodSeconds")
        obj["status"] = {**(obj.get("status") or {}), "phase": "Terminating"}
