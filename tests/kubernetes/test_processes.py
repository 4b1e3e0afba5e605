"""The command of a container as a process on this machine: variables, secrets, exit codes, signals, grace, and no process left."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from herder.testing.kubernetes import ClusterSettings
from tests.kubernetes.clusters import Json, Virtual
from tests.kubernetes.conftest import KUBECONFIG
from tests.kubernetes.objects import pod, pods_path

pytestmark = pytest.mark.skipif(bool(KUBECONFIG), reason="processes of our own kubelets")


@pytest.fixture
def cluster() -> Iterator[Virtual]:
    found = Virtual(ClusterSettings(run_commands=True))
    found.send("POST", "/api/v1/nodes", {"metadata": {"name": "n1"}})
    found.sleep(3)
    yield found
    found.cluster.close()


def start(cluster: Virtual, name: str, script: str, *, env: list[Json] | None = None, **spec: Any) -> None:
    body = pod(name, **spec)
    body["spec"]["containers"][0] |= {"command": [sys.executable, "-c", script], "env": env or []}
    assert cluster.send("POST", pods_path("default"), body).status == 201


def when(cluster: Virtual, done: Callable[[], Any], seconds: float = 15.0) -> Any:
    """A process ends in real time, of which the cluster's is told here."""
    end_s = time.monotonic() + seconds
    while time.monotonic() < end_s:
        cluster.sleep(0.02)
        if found := done():
            return found
        time.sleep(0.02)
    raise AssertionError("it did not come")


def phase(cluster: Virtual, name: str) -> str:
    return str(cluster.send("GET", pods_path("default", name)).body["status"]["phase"])


def ended(cluster: Virtual, name: str) -> Json:
    when(cluster, lambda: phase(cluster, name) in ("Succeeded", "Failed"))
    found: Json = cluster.send("GET", pods_path("default", name)).body["status"]["containerStatuses"][0][
        "state"
    ]["terminated"]
    return found


def log(cluster: Virtual, name: str) -> str:
    return str(cluster.send("GET", pods_path("default", name, "log")).body)


def test_what_it_prints_is_its_log(cluster: Virtual) -> None:
    start(cluster, "a", "print('hello')")
    assert ended(cluster, "a")["exitCode"] == 0
    assert (phase(cluster, "a"), log(cluster, "a")) == ("Succeeded", "hello\n")


@pytest.mark.parametrize(
    ("script", "code"), [("raise SystemExit(7)", 7), ("import os; os.kill(os.getpid(), 9)", 137)]
)
def test_its_exit_code_is_that_of_the_container(cluster: Virtual, script: str, code: int) -> None:
    start(cluster, "a", script)
    assert ended(cluster, "a")["exitCode"] == code
    assert phase(cluster, "a") == "Failed"


def test_variables_come_from_values_secrets_and_the_pod(cluster: Virtual) -> None:
    cluster.send(
        "POST",
        "/api/v1/namespaces/default/secrets",
        {"metadata": {"name": "s"}, "stringData": {"token": "xyz"}},
    )
    env = [
        {"name": "A", "value": "one"},
        {"name": "B", "value": "$(A)-two"},
        {"name": "T", "valueFrom": {"secretKeyRef": {"name": "s", "key": "token"}}},
        {"name": "N", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
    ]
    start(cluster, "a", "import os; print(*(os.environ[key] for key in 'ABTN'))", env=env)
    ended(cluster, "a")
    assert log(cluster, "a") == "one one-two xyz a\n"


def test_a_secret_that_is_missing_is_waited_for(cluster: Virtual) -> None:
    start(cluster, "a", "pass", env=[{"name": "T", "valueFrom": {"secretKeyRef": {"name": "s", "key": "k"}}}])
    cluster.sleep(1)
    waiting = cluster.send("GET", pods_path("default", "a")).body["status"]["containerStatuses"][0]["state"][
        "waiting"
    ]
    assert (waiting["reason"], waiting["message"]) == ("CreateContainerConfigError", 'secret "s" not found')
    cluster.send(
        "POST", "/api/v1/namespaces/default/secrets", {"metadata": {"name": "s"}, "stringData": {"k": "v"}}
    )
    cluster.sleep(11)
    assert ended(cluster, "a")["exitCode"] == 0


def test_a_command_that_does_not_exist_fails(cluster: Virtual) -> None:
    body = pod("a")
    body["spec"]["containers"][0]["command"] = ["/no/such/program"]
    cluster.send("POST", pods_path("default"), body)
    assert ended(cluster, "a")["reason"] == "StartError"


def test_deletion_sends_a_signal_and_waits(cluster: Virtual) -> None:
    script = "import signal, sys, time; signal.signal(signal.SIGTERM, lambda *_: sys.exit(5)); print('up', flush=True); time.sleep(60)"
    start(cluster, "a", script)
    when(cluster, lambda: log(cluster, "a") == "up\n")
    version = cluster.cluster.store.version
    cluster.send("DELETE", pods_path("default", "a"))
    when(cluster, lambda: cluster.send("GET", pods_path("default", "a")).status == 404)
    events = cluster.watch(pods_path("default"), resourceVersion=str(version), timeoutSeconds="1")
    assert events[-1].type == "DELETED"
    assert events[-1].object["status"]["containerStatuses"][0]["state"]["terminated"]["exitCode"] == 5


def test_a_machine_that_dies_takes_its_processes(cluster: Virtual) -> None:
    start(cluster, "a", "import os, time; print(os.getpid(), flush=True); time.sleep(60)")
    pid = int(when(cluster, lambda: log(cluster, "a").strip()))
    cluster.cluster.kubelets.kill("n1")
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
    assert phase(cluster, "a") == "Running"


def test_no_process_outlives_the_cluster(cluster: Virtual) -> None:
    start(cluster, "a", "import os, time; print(os.getpid(), flush=True); time.sleep(60)")
    pid = int(when(cluster, lambda: log(cluster, "a").strip()))
    cluster.cluster.close()
    with pytest.raises(ProcessLookupError):
        os.kill(pid, 0)
