"""The recording: its steps, what happened between them, and how an answer of ours is compared with the one of then."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from herder.testing.kubernetes import ClusterSettings
from tests.kubernetes.clusters import Event, Json, Virtual

RECORDING = Path(__file__).parent / "recording" / "exchanges-1.36.jsonl"
#: Seconds after the first step, where a step comes later than the one before.
AT_S = {
    2: 0.1, 4: 5, 8: 6, 11: 8, 13: 9, 16: 15, 20: 15.5, 21: 16, 22: 18, 23: 18.5, 24: 18.7, 25: 19, 28: 20, 29: 20.5, 30: 21,
    31: 22, 36: 36, 53: 38, 57: 38.5, 58: 39, 59: 40, 60: 54, 63: 62, 64: 64, 65: 66, 66: 67, 69: 70, 70: 78, 71: 78.5, 72: 81,
    73: 101.9, 74: 107, 75: 107.5, 76: 108, 77: 113, 78: 116, 79: 118,
}  # fmt: skip
UID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")
TIME = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z")
SUFFIX = re.compile(r"(worker-job-3)-[a-z0-9]{5}$")
ANY_NAME = "00000000-0000-0000-0000-000000000000"


def steps() -> list[Json]:
    return [json.loads(line) for line in RECORDING.read_text().splitlines()]


def bare(value: Any) -> Any:
    """Without what differs from run to run: uids, times, versions, generated names and what the played kubelet says of itself."""
    if isinstance(value, dict):
        return {
            key: _bare_field(key, each)
            for key, each in value.items()
            if key not in ("managedFields", "nodeInfo")
        }
    if isinstance(value, list):
        return [bare(each) for each in value]
    if isinstance(value, str):
        value = SUFFIX.sub(r"\1-<suffix>", TIME.sub("<time>", UID.sub("<uid>", value)))
        return re.sub(r"current: \d+", "current: <version>", value)
    return value


def _bare_field(key: str, value: Any) -> Any:
    if key in ("resourceVersion", "continue"):
        return f"<{key}>"
    if key == "cells":
        return [re.sub(r"^\d+s$", "<age>", each) for each in value]
    if key == "conditions" and value and "lastHeartbeatTime" in value[0]:
        return [bare(_played(each)) for each in value]
    return bare(value)


def _played(condition: Json) -> Json:
    """The reasons of a kubelet that is well are its own."""
    if condition["status"] == "Unknown":
        return condition
    return {key: each for key, each in condition.items() if key not in ("reason", "message")}


def web(number: int) -> Json:
    return _pod(f"web{number}", "100m", {"app": "web"}, nodeSelector={"node-pool": "permanent"})


def _pod(name: str, cpu: str, labels: Json | None = None, **spec: Any) -> Json:
    container = {"name": "c", "image": "x", "resources": {"requests": {"cpu": cpu, "memory": "64Mi"}}}
    return {
        "apiVersion": "v1", "kind": "Pod", "metadata": {"name": name, "labels": labels or {}},
        "spec": {"restartPolicy": "Never", "containers": [container], **spec},
    }  # fmt: skip


@dataclass(slots=True)
class Replay:
    cluster: Virtual = field(default_factory=lambda: Virtual(ClusterSettings(node_grace_ms=20_000)))
    names: dict[str, str] = field(default_factory=dict)
    """Uids, versions, tokens and names of then → ours."""
    began_ms: int = 0

    def __post_init__(self) -> None:
        self.began_ms = self.cluster.now_ms

    # --- between the steps

    def before(self, step: int) -> None:
        if step in AT_S:
            self.cluster.run_until(self.began_ms + int(AT_S[step] * 1000))
        if step == 16:
            self.cluster.run_until(self.began_ms + 11_000)
            for number in range(4):
                self._post("/api/v1/namespaces/default/pods", web(number))
            self.cluster.run_until(self.began_ms + 15_000)

    def _post(self, path: str, body: Json) -> None:
        assert self.cluster.send("POST", path, body).status == 201

    def _label(self, name: str, labels: Json) -> None:
        self.cluster.send(
            "PATCH", f"/api/v1/namespaces/default/pods/{name}", {"metadata": {"labels": labels}}
        )

    def _resume(self) -> None:
        self.cluster.send(
            "PATCH", "/apis/batch/v1/namespaces/default/jobs/worker-job-1", {"spec": {"suspend": False}}
        )

    def during(self, step: int) -> list[tuple[float, Any]]:
        if step == 33:
            return [
                (0.5, lambda: self._label("web3", {"x": "1"})),
                (0.51, lambda: self._label("web3", {"app": "other"})),
            ]
        if step == 59:
            return [(0.5, self._resume)]
        if step == 69:
            spec = {"nodeSelector": {"node-pool": "permanent"}, "priorityClassName": "permanent-workload"}
            return [(0.5, lambda: self._post("/api/v1/namespaces/default/pods", _pod("high", "7", **spec)))]
        return []

    # --- a step

    def request(self, step: Json) -> Json:
        """What was sent, with our uids, versions and names."""
        asked = step["request"]
        text = json.dumps(
            {"path": asked["path"], "query": asked.get("query") or {}, "body": asked.get("body")}
        )
        found: Json = json.loads(UID.sub(lambda match: self.names.get(match[0], match[0]), text))
        for then, now in self.names.items():
            found["path"] = (
                found["path"].replace(then, now) if then.startswith("worker-job-3-") else found["path"]
            )
        query = found["query"]
        for key in ("resourceVersion", "continue"):
            if key in query and step["step"] not in (35, 36):
                query[key] = self.names.get(f"{key} {query[key]}") or str(self.cluster.cluster.store.version)
        body = found["body"]
        if isinstance(body, dict) and step["step"] in (54, 55):
            body["metadata"]["resourceVersion"] = self.names["resourceVersion 369"]
            body["spec"]["holderIdentity"] = {54: "b", 55: "c"}[step["step"]]
        return found

    def learn(self, then: Any, now: Any) -> None:
        if isinstance(then, dict) and isinstance(now, dict):
            for key in then.keys() & now.keys():
                if key in ("resourceVersion", "continue"):
                    self.names[f"{key} {then[key]}"] = now[key]
                elif key in ("uid", "name") and isinstance(now[key], str):
                    if key == "uid" or then[key].startswith("worker-job-3-"):
                        self.names[then[key]] = now[key]
                else:
                    self.learn(then[key], now[key])
        elif isinstance(then, list) and isinstance(now, list):
            for one, other in zip(then, now, strict=False):
                self.learn(one, other)

    def send(self, step: Json) -> tuple[int, Json | str, dict[str, str]]:
        asked, sent = step["request"], self.request(step)
        reply = self.cluster.send(
            asked["method"], sent["path"], sent["body"], asked.get("content_type") or "",
            token="wrong" if step["step"] == 44 else None, headers=asked.get("headers") or {}, **sent["query"],
        )  # fmt: skip
        self.learn(step["response"].get("body"), reply.body)
        return reply.status, reply.body, reply.headers

    def watch(self, step: Json) -> list[Event]:
        query = {key: value for key, value in self.request(step)["query"].items() if key != "watch"}
        return self.cluster.watch(step["request"]["path"], self.during(step["step"]), **query)
