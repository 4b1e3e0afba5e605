"""Nodes and pods that no API server should give: absurd amounts, operators, times and names. Each is a fact or a sentence, and no error; and
nothing is done to a pod that a list names by mistake."""

import json
import random
from collections.abc import Iterator
from typing import Any

import httpx
import msgspec
import pytest

from herder.memberships.kubernetes.drain import pods_on
from herder.memberships.kubernetes.objects import Node, Pod
from herder.memberships.kubernetes.picture import Picture
from herder.memberships.kubernetes.uses import MetricsApi
from herder.ports.cluster import ClusterUnavailable
from herder.remote.kubernetes.connection import Connection
from herder.remote.kubernetes.credentials import Access, GivenToken
from tests.memberships.kubernetes.objects_made import (
    STARTED,
    UNSCHEDULABLE,
    container,
    node_json,
    pod_json,
    rules,
)
from tests.memberships.kubernetes.test_nodes import seen

AMOUNTS = (
    "",
    "-5",
    "NaN",
    "1e30",
    "1e999",
    "9" * 60,
    "1Ei",
    "-1Gi",
    "\x1b[31m",
    "0",
    "1",
    "Infinity",
    ".",
    "é",
)
RESOURCES = ("cpu", "memory", "pods", "nvidia.com/gpu", "amd.com/gpu", "foo/bar", "hugepages-2Mi")
WORDS = (
    "", "\x1b]0;x\x07", "a\nb", "..", "x" * 3000, "\u202e", "In", "Exists", "Gt", "NoSchedule", "9" * 5000, "Equal",
    "kubernetes.io/hostname", "topology.kubernetes.io/zone", "DoNotSchedule", "0001-01-01T00:00:00", STARTED,
)  # fmt: skip
Json = dict[str, Any]


class Odd:
    def __init__(self, seed: int) -> None:
        self.chance = random.Random(seed)

    def word(self) -> str:
        return self.chance.choice(WORDS)

    def amounts(self) -> Json:
        return {
            self.chance.choice(RESOURCES): self.chance.choice(AMOUNTS)
            for _ in range(self.chance.randrange(4))
        }

    def required(self) -> Json:
        operator = self.chance.choice(["In", "NotIn", "Gt", "Lt", "Exists", "Foo", ""])
        return {"key": self.word(), "operator": operator, "values": [self.word()]}

    def selector(self) -> Json:
        return {"matchLabels": {self.word(): self.word()}, "matchExpressions": [self.required()]}

    def spec(self) -> Json:
        toleration = {name: self.word() for name in ("key", "operator", "value", "effect")}
        apart = {
            "topologyKey": self.word(),
            "labelSelector": self.selector(),
            "matchLabelKeys": [self.word()],
        }
        nodes = {"nodeSelectorTerms": [{"matchExpressions": [self.required()]}]}
        spread = {
            "topologyKey": self.word(), "whenUnsatisfiable": self.word(), "labelSelector": self.selector(),
            "maxSkew": self.chance.choice([-1, 0, 10**12]), "minDomains": self.chance.choice([None, 0, -1, 10**9]),
        }  # fmt: skip
        required = "requiredDuringSchedulingIgnoredDuringExecution"
        some = {
            "tolerations": [toleration],
            "affinity": {"nodeAffinity": {required: nodes}, "podAntiAffinity": {required: [apart]}},
            "topologySpreadConstraints": [spread],
            "priority": 10**15,
            "overhead": self.amounts(),
            "initContainers": [container(self.amounts(), restartPolicy="Always")],
            "nodeSelector": {self.word(): self.word()},
        }
        return {key: value for key, value in some.items() if self.chance.random() < 0.3}

    def pod(self, number: int) -> Pod:
        node = self.chance.choice(["", "w1", "w2", "nowhere", "\x1b"])
        conditions = [{**UNSCHEDULABLE, "lastTransitionTime": self.word()}]
        made = pod_json(
            f"p{number}", requests=self.amounts(), node=node, conditions=conditions, **self.spec()
        )
        return msgspec.json.decode(msgspec.json.encode(made), type=Pod)

    def node(self) -> Node:
        taint = {"key": self.word(), "value": self.word(), "effect": self.word()}
        condition = {
            "type": "Ready",
            "status": self.word(),
            "message": self.word(),
            "lastTransitionTime": self.word(),
        }
        made = node_json(
            self.chance.choice(["w1", "w2"]), allocatable=self.amounts(), labels={self.word(): self.word()},
            conditions=[condition], ready=None, spec={"taints": [taint]},
        )  # fmt: skip
        return msgspec.json.decode(msgspec.json.encode(made), type=Node)


@pytest.mark.parametrize("seed", range(3))
def test_whatever_a_pod_says_it_is_a_fact_and_leaves_nothing_behind(seed: int) -> None:
    odd, picture = Odd(seed), Picture("here", rules())
    for number in range(600):
        if number % 10 == 0:
            node = odd.node()
            picture.nodes.put(node.metadata.key, node)
        pod = odd.pod(number % 50)
        picture.pods.put(pod.metadata.key, pod)
        if number % 20 == 0:
            picture.all_nodes()
            assert all(group.count > 0 for group in picture.pods.pending())
            picture.counted()
    for number in range(50):
        picture.pods.drop(f"default/p{number}")
    assert picture.pods.pending() == picture.pods.not_considered() == ()
    assert not any(any(node.requested) or node.workload_pods for node in picture.all_nodes())


class Lying(httpx.AsyncBaseTransport):
    """Answers whatever is asked with one text."""

    def __init__(self, answer: Json | bytes) -> None:
        self.answer = answer if isinstance(answer, bytes) else json.dumps(answer).encode()
        self.asked = 0

    async def handle_async_request(self, request: httpx.Request) -> httpx.Response:
        self.asked += 1
        return httpx.Response(200, content=self.answer)


def connection(transport: Lying) -> Connection:
    return Connection("prod", Access(url="http://api", tokens=GivenToken("t")), transport=transport)


def _lists() -> Iterator[tuple[Any, str]]:
    ours, other = pod_json("web", node="w1"), pod_json("web", node="w2")
    nameless = {**ours, "metadata": {"uid": "u"}}
    dots = {**ours, "metadata": {"uid": "u", "name": "..", "namespace": "default"}}
    for items, words in (([ours, other], "pod default/web of another node"), ([nameless], "pod of another node"),
                         ([dots], "another node")):  # fmt: skip
        yield {"metadata": {"resourceVersion": "1"}, "items": items}, words
    yield {"kind": "Status", "metadata": {}, "status": "Failure"}, "resourceVersion"
    yield {"metadata": {"resourceVersion": ""}, "items": []}, "a list without a version"
    yield {"metadata": {"resourceVersion": "1", "continue": "x"}, "items": []}, "more than 10 pages of pods"
    yield b'{"metadata": {"resourceVersion": "1"}, "x": ' + b"[" * 200_000, "recursion"


@pytest.mark.parametrize(("answer", "words"), list(_lists()))
async def test_a_drain_believes_no_list_that_is_none(answer: Json | bytes, words: str) -> None:
    """An empty one would mean that the machine may be removed, and a pod of another node would be evicted."""
    made = connection(Lying(answer))
    with pytest.raises(ClusterUnavailable, match="something that is not Kubernetes") as caught:
        await pods_on(made, seen(name="w1"))
    assert words in str(caught.value)
    await made.close()


@pytest.mark.parametrize(
    "usage",
    [
        {},
        {"cpu": "1"},
        {"cpu": "-5", "memory": "1Gi"},
        {"cpu": "NaN", "memory": "1"},
        {"cpu": "1", "memory": "1e30"},
    ],
)
async def test_a_use_that_is_none_is_unknown_and_not_zero(usage: Json) -> None:
    item = {"metadata": {"name": "w1"}, "timestamp": STARTED, "usage": usage}
    good = {"metadata": {"name": "w2"}, "timestamp": STARTED, "usage": {"cpu": "250m", "memory": "1Gi"}}
    made = connection(Lying({"items": [item, good]}))
    assert set(await MetricsApi(made).uses({}, 0)) == {"w2"}
    await made.close()
