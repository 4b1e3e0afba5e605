"""The cluster that a test asks: ours, in virtual time and without a socket, or a real one that `HERDER_TEST_KUBECONFIG` names.

Both answer the same calls. Time passes in `sleep`, `until` and `watch` only.
"""

from __future__ import annotations

import base64
import json
import ssl
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

import httpx

from herder.testing.kubernetes import Cluster, ClusterSettings, Request
from herder.testing.kubernetes.api.watches import Watch

Json = dict[str, Any]
START_MS = 1_763_777_700_000
MERGE = "application/merge-patch+json"


@dataclass(frozen=True, slots=True)
class Reply:
    status: int
    body: Any
    headers: dict[str, str] = field(default_factory=dict)

    @property
    def version(self) -> int:
        return int(self.body["metadata"]["resourceVersion"])


@dataclass(frozen=True, slots=True)
class Event:
    after_s: float
    type: str
    object: Json


Action = tuple[float, Callable[[], object]]
"""So many seconds after a watch began, do this."""


class Asked(Protocol):
    """What a test may do with a cluster."""

    real: bool

    def send(
        self, method: str, path: str, body: Any = None, media: str = "", token: str | None = None,
        headers: dict[str, str] | None = None, **query: str,
    ) -> Reply: ...  # fmt: skip

    def watch(self, path: str, actions: Sequence[Action] = (), **query: str) -> list[Event]:
        """Until it ends."""

    def sleep(self, seconds: float) -> None: ...


def _content(body: Any) -> bytes:
    return b"" if body is None else body if isinstance(body, bytes) else json.dumps(body).encode()


def _media(method: str, media: str) -> str:
    return media or (MERGE if method == "PATCH" else "application/json")


def _decoded(body: bytes, media: str) -> Any:
    return json.loads(body) if media.startswith("application/json") and body else body.decode()


class Virtual:
    real = False

    def __init__(self, settings: ClusterSettings | None = None) -> None:
        self.now_ms = START_MS
        self.cluster = Cluster(settings, self.now_ms)
        self.token = next(iter(self.cluster.settings.tokens))
        self._next_ms = self.cluster.step(self.now_ms)

    def open(self, method: str, path: str, body: Any = None, media: str = "", token: str | None = None,
             headers: dict[str, str] | None = None, **query: str) -> Any:  # fmt: skip
        """The bare answer, or the watch."""
        given = {"content-type": _media(method, media), "user-agent": "tests", **(headers or {})}
        given.setdefault("authorization", f"Bearer {self.token if token is None else token}")
        request = Request(
            method=method, path=path, query=query, body=_content(body),
            headers={name.lower(): value for name, value in given.items()},
        )  # fmt: skip
        found = self.cluster.request(request, self.now_ms)
        self._next_ms = self.cluster.step(self.now_ms)
        return found

    def send(self, method: str, path: str, body: Any = None, media: str = "", token: str | None = None,
             headers: dict[str, str] | None = None, **query: str) -> Reply:  # fmt: skip
        answer = self.open(method, path, body, media, token, headers, **query)
        assert not isinstance(answer, Watch)
        return Reply(answer.status, _decoded(answer.body, answer.headers["Content-Type"]), answer.headers)

    def sleep(self, seconds: float) -> None:
        self.run_until(self.now_ms + int(seconds * 1000))

    def run_until(self, until_ms: int) -> None:
        while self._next_ms is not None and self._next_ms <= until_ms:
            self.now_ms = max(self.now_ms, self._next_ms)
            self._next_ms = self.cluster.step(self.now_ms)
            if self._next_ms is not None and self._next_ms <= self.now_ms:
                self._next_ms = self.now_ms + 1
        self.now_ms = max(self.now_ms, until_ms)

    def watch(self, path: str, actions: Sequence[Action] = (), **query: str) -> list[Event]:
        began_ms = self.now_ms
        watch = self.open("GET", path, watch="true", **query)
        assert isinstance(watch, Watch), watch
        found: list[Event] = []
        waiting = sorted(actions, key=lambda action: action[0])
        while True:
            for line in watch.take():
                event = json.loads(line)
                found.append(Event((self.now_ms - began_ms) / 1000, event["type"], event["object"]))
            if watch.over:
                return found
            if waiting and (self.now_ms - began_ms) / 1000 >= waiting[0][0]:
                waiting.pop(0)[1]()
                continue
            self.run_until(self.now_ms + 10)


class Remote:
    """A real server, over HTTP and in real time."""

    real = True

    def __init__(self, kubeconfig: Path) -> None:
        from ruamel.yaml import YAML

        config = YAML(typ="safe").load(kubeconfig.read_text())
        context = _named(config["contexts"], config["current-context"])["context"]
        cluster = _named(config["clusters"], context["cluster"])["cluster"]
        user = _named(config["users"], context["user"])["user"]
        self.token = user.get("token", "")
        self._client = httpx.Client(base_url=cluster["server"], verify=_tls(cluster, user), timeout=60.0)

    def close(self) -> None:
        self._client.close()

    def send(self, method: str, path: str, body: Any = None, media: str = "", token: str | None = None,
             headers: dict[str, str] | None = None, **query: str) -> Reply:  # fmt: skip
        given = {"content-type": _media(method, media), **(headers or {})}
        if token is not None or self.token:
            given.setdefault("authorization", f"Bearer {self.token if token is None else token}")
        reply = self._client.request(method, path, content=_content(body), headers=given, params=query)
        return Reply(
            reply.status_code, _decoded(reply.content, reply.headers["content-type"]), dict(reply.headers)
        )

    def sleep(self, seconds: float) -> None:
        time.sleep(seconds)

    def watch(self, path: str, actions: Sequence[Action] = (), **query: str) -> list[Event]:
        import threading

        began_s = time.monotonic()
        timers = [threading.Timer(after_s, work) for after_s, work in actions]
        for timer in timers:
            timer.start()
        found = []
        headers = {"authorization": f"Bearer {self.token}"} if self.token else {}
        with self._client.stream("GET", path, params={"watch": "true", **query}, headers=headers) as reply:
            for line in reply.iter_lines():
                event = json.loads(line)
                found.append(Event(time.monotonic() - began_s, event["type"], event["object"]))
        for timer in timers:
            timer.join()
        return found


def _tls(cluster: Json, user: Json) -> ssl.SSLContext:
    """With the authority and the certificate of a kubeconfig, which are files or base64 in the file."""
    authority = _text(cluster, "certificate-authority")
    context = ssl.create_default_context(cadata=authority or None)
    if cluster.get("insecure-skip-tls-verify"):
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    if certificate := _text(user, "client-certificate"):
        with tempfile.NamedTemporaryFile("w", suffix=".pem") as both:
            both.write(f"{certificate}\n{_text(user, 'client-key')}\n")
            both.flush()
            context.load_cert_chain(both.name)
    return context


def _text(entry: Json, name: str) -> str:
    if name in entry:
        return Path(entry[name]).read_text()
    return base64.b64decode(entry.get(f"{name}-data", "")).decode()


def _named(entries: list[Json], name: str) -> Json:
    return next(each for each in entries if each["name"] == name)


def until(cluster: Asked, done: Callable[[], Any], seconds: float = 30.0) -> Any:
    """What `done` answers as soon as that is true."""
    step_s = 0.1
    for _ in range(int(seconds / step_s)):
        if found := done():
            return found
        cluster.sleep(step_s)
    raise AssertionError(f"nothing came within {seconds} s")
