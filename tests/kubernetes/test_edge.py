"""The server with an address: over HTTP in a thread and as a process, with the faults that a test asks for."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path
from queue import Queue

import httpx
import pytest

from herder.testing.kubernetes import ClusterSettings, Rule
from herder.testing.kubernetes.server import Serving, serving
from tests.kubernetes.conftest import KUBECONFIG
from tests.kubernetes.objects import config, configs_path, job, jobs_path, pod, pods_path

pytestmark = pytest.mark.skipif(bool(KUBECONFIG), reason="the edge of our own server")
CONFIGS = configs_path("default")


@pytest.fixture(scope="module")
def shared() -> Iterator[Serving]:
    with serving(ClusterSettings(ready_after_ms=0, heartbeat_ms=1000)) as found:
        yield found


@pytest.fixture
def server(shared: Serving) -> Iterator[Serving]:
    yield shared
    shared.call(lambda cluster, _now_ms: cluster.faults.clear())


@pytest.fixture
def client(server: Serving) -> Iterator[httpx.Client]:
    with httpx.Client(
        base_url=server.url, headers={"Authorization": f"Bearer {server.token}"}, timeout=20
    ) as found:
        yield found


class Watching(threading.Thread):
    """Reads a watch into a queue; None is put when it ends."""

    def __init__(self, server: Serving, path: str, **query: str) -> None:
        super().__init__(daemon=True)
        self.events: Queue[dict[str, object] | None] = Queue()
        self._client = httpx.Client(
            base_url=server.url, headers={"Authorization": f"Bearer {server.token}"}, timeout=20
        )
        self._path, self._query = path, {"watch": "true", **query}
        self.error: Exception | None = None
        self.begun = threading.Event()
        self.start()
        assert self.begun.wait(10)

    def run(self) -> None:
        try:
            with self._client.stream("GET", self._path, params=self._query) as reply:
                self.begun.set()
                for line in reply.iter_lines():
                    self.events.put(json.loads(line))
        except httpx.HTTPError as error:
            self.error = error
        finally:
            self.begun.set()
            self.events.put(None)
            self._client.close()

    def next(self) -> dict[str, object] | None:
        return self.events.get(timeout=10)


def test_version_and_discovery(client: httpx.Client) -> None:
    assert client.get("/version").json()["gitVersion"] == "v1.36.2"
    groups = {each["name"] for each in client.get("/apis").json()["groups"]}
    assert {"apps", "batch", "policy", "coordination.k8s.io", "metrics.k8s.io"} <= groups
    names = {each["name"] for each in client.get("/api/v1").json()["resources"]}
    assert {"nodes", "nodes/status", "pods", "pods/eviction", "pods/log", "pods/binding"} <= names


def test_openapi_has_what_kubectl_looks_for_before_it_sends_a_manifest(client: httpx.Client) -> None:
    paths = client.get("/openapi/v3").json()["paths"]
    assert {"api/v1", "apis/apps/v1", "apis/batch/v1", "apis/rbac.authorization.k8s.io/v1"} <= paths.keys()
    found = client.get(paths["apis/batch/v1"]["serverRelativeURL"]).json()["paths"]
    patches = {
        each["patch"]["x-kubernetes-group-version-kind"]["kind"]: each["patch"] for each in found.values()
    }
    assert [each["name"] for each in patches["Job"]["parameters"]] == ["fieldValidation"]
    assert client.get("/openapi/v3/apis/none/v1").status_code == 404


def test_a_connection_carries_many_requests(client: httpx.Client) -> None:
    for number in range(50):
        assert client.post(CONFIGS, json=config(f"many-{number}")).status_code == 201
    assert len(client.get(CONFIGS).json()["items"]) >= 50


def test_a_watch_comes_as_it_happens(server: Serving, client: httpx.Client) -> None:
    version = client.get(CONFIGS).json()["metadata"]["resourceVersion"]
    watching = Watching(server, CONFIGS, resourceVersion=version, timeoutSeconds="30", labelSelector="live")
    client.post(CONFIGS, json=config("live", {"live": "1"}))
    event = watching.next()
    assert event is not None
    assert event["type"] == "ADDED"
    server.restart()
    assert watching.next() is None
    assert watching.error is not None


def test_a_watch_ends_by_its_time_out(server: Serving) -> None:
    watching = Watching(
        server, CONFIGS, resourceVersion="0", timeoutSeconds="1", labelSelector="none-of-them"
    )
    assert watching.next() is None
    assert watching.error is None


def test_after_a_restart_versions_go_on(server: Serving, client: httpx.Client) -> None:
    before = int(client.post(CONFIGS, json=config("before-restart")).json()["metadata"]["resourceVersion"])
    server.restart()
    made = httpx.post(f"{server.url}{CONFIGS}", json=config("after-restart"), headers=client.headers)
    assert int(made.json()["metadata"]["resourceVersion"]) > before


def test_a_server_that_is_away_refuses_connections(server: Serving) -> None:
    server.restart(away_ms=60_000)
    headers = {"Authorization": f"Bearer {server.token}"}
    with pytest.raises(httpx.TransportError):
        httpx.get(f"{server.url}/version", headers=headers)
    server.call(lambda cluster, _now_ms: cluster.faults.clear())
    assert httpx.get(f"{server.url}/version", headers=headers).status_code == 200


def test_too_many_requests(server: Serving, client: httpx.Client) -> None:
    server.call(
        lambda cluster, _now_ms: cluster.faults.add(Rule(path="configmaps", status=429, retry_after_s=3))
    )
    refused = client.get(CONFIGS)
    assert (refused.status_code, refused.headers["Retry-After"]) == (429, "3")
    assert client.get(CONFIGS).status_code == 200


def test_a_lost_answer_has_had_its_effect(server: Serving, client: httpx.Client) -> None:
    server.call(
        lambda cluster, _now_ms: cluster.faults.add(Rule(method="POST", path="configmaps", lose_answer=True))
    )
    with pytest.raises(httpx.TransportError):
        client.post(CONFIGS, json=config("lost"))
    assert client.post(CONFIGS, json=config("lost")).status_code == 409


def test_a_slow_answer(server: Serving, client: httpx.Client) -> None:
    server.call(lambda cluster, _now_ms: cluster.faults.add(Rule(path="configmaps", delay_ms=5_000)))
    with pytest.raises(httpx.ReadTimeout):
        client.get(CONFIGS, timeout=0.2)


def test_a_clock_that_is_ahead(server: Serving, client: httpx.Client) -> None:
    first = client.post(CONFIGS, json=config("now")).json()["metadata"]["creationTimestamp"]
    server.call(lambda cluster, _now_ms: setattr(cluster.faults, "skew_ms", 7_200_000))
    later = client.post(CONFIGS, json=config("later")).json()["metadata"]["creationTimestamp"]
    assert later > first


def test_what_is_no_http_is_cut_off(server: Serving) -> None:
    import socket

    host, port = server.url.removeprefix("http://").split(":")
    with socket.create_connection((host, int(port)), timeout=10) as raw:
        raw.sendall(b"this is not HTTP\r\n\r\n")
        assert raw.recv(100) == b""


def test_nodes_and_pods_run_in_real_time(server: Serving, client: httpx.Client) -> None:
    version = client.get(pods_path("default")).json()["metadata"]["resourceVersion"]
    watching = Watching(server, pods_path("default"), resourceVersion=version, timeoutSeconds="30")
    client.post("/api/v1/nodes", json={"metadata": {"name": "real"}})
    client.post(pods_path("default"), json=pod("real", annotations={"run-s": "0.2"}))
    phases = []
    while "Succeeded" not in phases:
        event = watching.next()
        assert event is not None
        phases.append(event["object"]["status"]["phase"])  # type: ignore[index]
    assert list(dict.fromkeys(phases)) == ["Pending", "Running", "Succeeded"]
    server.restart()
    while watching.next() is not None:
        pass


# --- as a process


@pytest.fixture
def process(tmp_path: Path) -> Iterator[tuple[str, Path]]:
    words = [
        sys.executable,
        "-m",
        "herder.testing.kubernetes",
        "--port",
        "0",
        "--kubeconfig",
        str(tmp_path / "config"),
        "--run-commands",
    ]
    with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as running:
        assert running.stdout is not None
        yield running.stdout.readline().strip(), tmp_path / "config"
        running.terminate()
        assert running.wait(10) == 0


def test_a_port_in_use_is_named_with_a_remedy() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
        words = [sys.executable, "-m", "herder.testing.kubernetes", "--port", str(port)]
        ended = subprocess.run(words, capture_output=True, text=True, timeout=30, check=False)
    assert ended.returncode == 1
    assert ended.stderr == (
        f"error: Cannot listen on 127.0.0.1:{port}: Address already in use.\n"
        "Choose another port with --port (0 takes any free port).\n"
    )


def test_a_process_prints_its_address_and_runs_jobs_as_processes(process: tuple[str, Path]) -> None:
    url, path = process
    kubeconfig = json.loads(path.read_text())
    assert kubeconfig["clusters"][0]["cluster"]["server"] == url
    assert path.stat().st_mode & 0o777 == 0o600
    headers = {"Authorization": f"Bearer {kubeconfig['users'][0]['user']['token']}"}
    with httpx.Client(base_url=url, headers=headers, timeout=20) as client:
        assert client.post("/testing", json={"do": "boot", "node": "n1"}).json() == {"done": "booted"}
        body = job("hello")
        body["spec"]["template"]["spec"]["containers"][0] |= {
            "command": [sys.executable, "-c", "import os; print('I am', os.environ['WHO'])"],
            "env": [{"name": "WHO", "value": "a process"}],
        }
        version = client.get(jobs_path("default")).json()["metadata"]["resourceVersion"]
        assert client.post(jobs_path("default"), json=body).status_code == 201
        with client.stream(
            "GET",
            jobs_path("default"),
            params={"watch": "true", "resourceVersion": version, "timeoutSeconds": "15"},
        ) as reply:
            for line in reply.iter_lines():
                if any(
                    each["type"] == "Complete"
                    for each in json.loads(line)["object"]["status"].get("conditions", ())
                ):
                    break
            else:
                raise AssertionError("the Job did not complete")
        (done,) = client.get(pods_path("default"), params={"labelSelector": "job-name=hello"}).json()["items"]
        assert client.get(pods_path("default", done["metadata"]["name"], "log")).text == "I am a process\n"
        assert client.get("/api/v1/nodes/n1").json()["status"]["capacity"]["ephemeral-storage"] == "100Gi"


def test_faults_can_be_asked_for_from_outside(process: tuple[str, Path]) -> None:
    url, path = process
    token = json.loads(path.read_text())["users"][0]["user"]["token"]
    with httpx.Client(base_url=url, headers={"Authorization": f"Bearer {token}"}, timeout=20) as client:
        old = client.post(CONFIGS, json=config("a")).json()["metadata"]["resourceVersion"]
        client.post(CONFIGS, json=config("b"))
        client.post("/testing", json={"do": "compact"})
        text = client.get(CONFIGS, params={"watch": "true", "resourceVersion": old}).text
        assert json.loads(text)["object"]["code"] == 410
        client.post("/testing", json={"do": "rule", "status": 503, "path": "configmaps", "times": 2})
        assert [client.get(CONFIGS).status_code for _ in range(3)] == [503, 503, 200]
        assert client.post("/testing", json={"do": "dance"}).status_code == 400
    assert httpx.post(f"{url}/testing", json={"do": "compact"}).status_code == 403


def test_it_ends_with_its_parent(tmp_path: Path) -> None:
    script = (
        "import subprocess, sys; p = subprocess.Popen([sys.executable, '-m', 'herder.testing.kubernetes'], stdout=subprocess.PIPE, text=True);"
        "print(p.stdout.readline(), end=''); print(p.pid)"
    )
    url, _pid = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=30
    ).stdout.split()
    for _ in range(100):
        try:
            httpx.get(f"{url}/version", timeout=1)
        except httpx.TransportError:
            return
        threading.Event().wait(0.1)
    raise AssertionError("it still answers")
