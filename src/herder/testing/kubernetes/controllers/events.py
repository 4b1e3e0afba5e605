"""Events (core/v1) that controllers and kubelets write about an object."""

from herder.testing.kubernetes.api.verbs import Verbs
from herder.testing.kubernetes.objects import Json
from herder.testing.kubernetes.objects.resources import EVENTS
from herder.testing.kubernetes.objects.stored import Stored
from herder.testing.kubernetes.objects.times import rfc3339

#: Events that are kept. Older ones go, as they do in a real cluster after an hour.
EVENTS_MOST = 5_000


def record(
    verbs: Verbs, about: Stored, reason: str, message: str, source: str, now_ms: int, *, warning: bool = True
) -> None:
    namespace, name = about.key
    where = namespace or "default"
    obj: Json = {
        "metadata": {
            "name": f"{name}.{verbs.ids.suffix(16)}",
            "namespace": where,
            "uid": verbs.ids.uid(),
            "creationTimestamp": rfc3339(now_ms),
        },
        "involvedObject": {
            "kind": about.resource.kind,
            "namespace": namespace,
            "name": name,
            "uid": about.uid,
            "apiVersion": about.resource.api_version,
            "resourceVersion": str(about.version),
        },
        "reason": reason,
        "message": message,
        "source": {"component": source},
        "firstTimestamp": rfc3339(now_ms),
        "lastTimestamp": rfc3339(now_ms),
        "count": 1,
        "type": "Warning" if warning else "Normal",
        "reportingComponent": source,
        "reportingInstance": "",
    }
    shelf = verbs.store.shelf(EVENTS)
    if len(shelf.objects) >= EVENTS_MOST:
        verbs.store.remove(EVENTS, next(iter(shelf.objects)))
    verbs.store.put(EVENTS, obj)
