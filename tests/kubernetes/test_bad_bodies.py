"""Bodies of any shape: each is answered with a status, and the cluster goes on whatever was stored."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.kubernetes.clusters import Json, Virtual
from tests.kubernetes.conftest import KUBECONFIG
from tests.kubernetes.objects import budget, job, pod

pytestmark = pytest.mark.skipif(bool(KUBECONFIG), reason="nonsense for our own server")
TERM = {"topologyKey": "kubernetes.io/hostname", "labelSelector": {"matchLabels": {"a": "b"}}}
FULL_SPEC: dict[str, Any] = {
    "affinity": {"podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [TERM]}},
    "tolerations": [{"key": "k", "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 5}],
    "topologySpreadConstraints": [
        {"maxSkew": 1, "topologyKey": "zone", "whenUnsatisfiable": "DoNotSchedule", "labelSelector": {}}
    ],
    "volumes": [{"name": "v", "persistentVolumeClaim": {"claimName": "c"}}],
    "initContainers": [{"name": "i", "image": "x", "restartPolicy": "Always"}],
}
POLICY = {
    "rules": [{"action": "Ignore", "onPodConditions": [{"type": "DisruptionTarget", "status": "True"}]}]
}
NODE = {
    "metadata": {"name": "n"},
    "spec": {"taints": [{"key": "a", "effect": "NoExecute"}]},
    "status": {"capacity": {"cpu": "1"}, "conditions": [{"type": "Ready", "status": "True"}]},
}
DAEMON = {
    "metadata": {"name": "d"},
    "spec": {
        "selector": {"matchLabels": {"a": "b"}},
        "template": {
            "metadata": {"labels": {"a": "b"}},
            "spec": {"containers": [{"name": "c", "image": "x"}]},
        },
    },
}
QUOTA = {"metadata": {"name": "q"}, "spec": {"hard": {"pods": "5", "requests.cpu": "4"}}}
OBJECTS: dict[str, Json] = {
    "/api/v1/namespaces/default/pods": pod("p", labels={"a": "b"}, **FULL_SPEC),
    "/apis/batch/v1/namespaces/default/jobs": job(
        "j",
        podFailurePolicy=POLICY,
        pod_spec=FULL_SPEC,
        completions=2,
        activeDeadlineSeconds=9,
        ttlSecondsAfterFinished=9,
    ),
    "/apis/policy/v1/namespaces/default/poddisruptionbudgets": budget("b", {"a": "b"}, minAvailable="50%"),
    "/api/v1/nodes": NODE,
    "/apis/apps/v1/namespaces/default/daemonsets": DAEMON,
    "/api/v1/namespaces/default/resourcequotas": QUOTA,
}
NONSENSE = st.sampled_from(
    [
        None,
        "",
        "text",
        0,
        -1,
        5,
        True,
        [],
        [1],
        ["x"],
        [None],
        [{}],
        {},
        {"x": 1},
        {"a": {"b": []}},
        "9999999999999",
    ]
)


def places(value: Any, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    below = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [path, *(place for key, each in below for place in places(each, (*path, key)))]


def changed(body: Json, place: tuple[Any, ...], value: Any) -> Any:
    if not place:
        return value
    found = copy.deepcopy(body)
    at: Any = found
    for key in place[:-1]:
        at = at[key]
    at[place[-1]] = value
    return found


@settings(max_examples=150)
@given(data=st.data(), path=st.sampled_from(sorted(OBJECTS)), value=NONSENSE)
def test_one_field_of_another_kind(data: st.DataObject, path: str, value: Any) -> None:
    body = OBJECTS[path]
    place = data.draw(st.sampled_from(places(body)))
    cluster = Virtual()
    cluster.send("POST", "/api/v1/nodes", {"metadata": {"name": "n0"}})
    cluster.send("POST", "/api/v1/namespaces/default/pods", pod("p0", labels={"a": "b"}))
    status = cluster.send("POST", path, changed(body, place, value)).status
    assert status in (201, 400, 403, 404, 409, 422)
    cluster.sleep(30)
    assert cluster.send("POST", path, body).status in (201, 403, 409, 422)
    cluster.sleep(30)
    cluster.send(
        "PATCH", f"{path}/{body['metadata']['name']}", {str(place[0]): value} if place else {"spec": value}
    )
    cluster.send("PATCH", f"{path}/{body['metadata']['name']}/status", {"status": value})
    cluster.sleep(100)
    assert cluster.send("GET", "/api/v1/nodes/n0").status == 200
    cluster.cluster.close()
