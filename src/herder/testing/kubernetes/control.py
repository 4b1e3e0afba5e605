"""What a test asks of a cluster in another process: faults, machines that stop, many objects at once. `POST /testing`, as the administrator.

The body is an object with `do` and what belongs to it. It is no part of Kubernetes.
"""

from collections.abc import Callable
from dataclasses import fields

from herder.testing.kubernetes.api.answers import Answer, ApiError, Request, bad_request
from herder.testing.kubernetes.api.bodies import body_of
from herder.testing.kubernetes.cluster import Cluster
from herder.testing.kubernetes.faults import Rule
from herder.testing.kubernetes.objects import Json

PATH = "/testing"
RULE_FIELDS = frozenset(each.name for each in fields(Rule))


def _rule(cluster: Cluster, body: Json, _now_ms: int) -> object:
    cluster.faults.add(Rule(**{key: value for key, value in body.items() if key in RULE_FIELDS}))
    return len(cluster.faults.rules)


def _clear(cluster: Cluster, _body: Json, _now_ms: int) -> object:
    cluster.faults.clear()
    return "cleared"


def _restart(cluster: Cluster, body: Json, now_ms: int) -> object:
    cluster.restart(now_ms, int(body.get("away_ms", 0)))
    return "restarted"


def _stall(cluster: Cluster, body: Json, _now_ms: int) -> object:
    cluster.faults.stall_new_watches = bool(body.get("new"))
    return cluster.stall_watches()


def _compact(cluster: Cluster, _body: Json, _now_ms: int) -> object:
    cluster.compact()
    return cluster.store.version


def _skew(cluster: Cluster, body: Json, _now_ms: int) -> object:
    cluster.faults.skew_ms = int(body["by_ms"])
    return cluster.faults.skew_ms


def _load(cluster: Cluster, body: Json, now_ms: int) -> object:
    return cluster.load(body["objects"], now_ms)


def _revoke(cluster: Cluster, body: Json, _now_ms: int) -> object:
    cluster.tokens.revoke(body["token"])
    return "revoked"


def _boot(cluster: Cluster, body: Json, now_ms: int) -> object:
    cluster.kubelets.boot(
        body["node"],
        now_ms,
        labels=body.get("labels"),
        taints=body.get("taints"),
        capacity=body.get("capacity"),
        gpus=int(body.get("gpus", 0)),
        gpus_after_ms=body.get("gpus_after_ms", 0),
    )
    return "booted"


def _kill(cluster: Cluster, body: Json, _now_ms: int) -> object:
    cluster.kubelets.kill(body["node"])
    return "killed"


def _revive(cluster: Cluster, body: Json, now_ms: int) -> object:
    cluster.kubelets.revive(body["node"], now_ms)
    return "revived"


def _cut_off(cluster: Cluster, body: Json, _now_ms: int) -> object:
    cluster.kubelets.cut_off(body["node"])
    return "cut off"


def _connect(cluster: Cluster, body: Json, _now_ms: int) -> object:
    cluster.kubelets.connect(body["node"])
    return "connected"


def _pressure(cluster: Cluster, body: Json, _now_ms: int) -> object:
    cluster.kubelets.set_pressure(body["node"], body["kind"], pressed=bool(body.get("pressed", True)))
    return "set"


def _evict(cluster: Cluster, body: Json, now_ms: int) -> object:
    cluster.kubelets.evict_pod((body["namespace"], body["pod"]), now_ms)
    return "evicted"


ACTIONS: dict[str, Callable[[Cluster, Json, int], object]] = {
    "rule": _rule,
    "clear": _clear,
    "restart": _restart,
    "stall": _stall,
    "compact": _compact,
    "skew": _skew,
    "load": _load,
    "revoke": _revoke,
    "boot": _boot,
    "kill": _kill,
    "revive": _revive,
    "cut_off": _cut_off,
    "connect": _connect,
    "pressure": _pressure,
    "evict": _evict,
}


def control(cluster: Cluster, request: Request, now_ms: int) -> Answer:
    try:
        if not cluster.tokens.user_of(request.headers, now_ms).all_powerful:
            raise ApiError(403, "Forbidden", "only an administrator may ask for faults")
        body = body_of(request)
        action = ACTIONS.get(body.get("do", "")) if isinstance(body, dict) else None
        if action is None:
            raise bad_request(f"`do` must be one of {', '.join(sorted(ACTIONS))}")
        return Answer.of(200, {"done": action(cluster, body, now_ms)})
    except ApiError as error:
        return error.answer()
    except (KeyError, TypeError, ValueError) as error:
        return bad_request(f"{type(error).__name__}: {error}").answer()
