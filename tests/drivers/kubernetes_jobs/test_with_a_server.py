"""A server whose pool makes Kubernetes Jobs: agents run as the containers of their pods, results come back, nothing is left, and a server
that is killed in the middle loses nothing."""

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from herder.client import connect
from herder.testing.kubernetes import ClusterSettings
from herder.wire.api.work import BatchCreate, JobSubmission
from tests.drivers.kubernetes_jobs.lab import NAMESPACE, Lab

pytestmark = [pytest.mark.acceptance, pytest.mark.slow, pytest.mark.timeout(120)]

HERDER = str(Path(sys.executable).with_name("herder"))
CONFIG = """
drivers:
  jobs:
    kind: kubernetes-jobs
    settings:
      image: registry.example/herder:1
      kubeconfig: {kubeconfig}
      namespace: {namespace}
pools:
  burst:
    driver: jobs
    one_job_per_worker: true
    templates:
      - {{name: small, cpu: 500m, memory: 256Mi, disk: 1Gi, price_per_hour: "0.01"}}
    max_workers: 3
    scale_up_cooldown: 0s
"""


class Server:
    """`herder server` as a process, which comes back at the same port."""

    def __init__(self, folder: Path, lab: Lab) -> None:
        self.lab, self.data, self.log = lab, folder / "data", (folder / "server.log").open("ab")
        kubeconfig = folder / "kubeconfig"
        kubeconfig.write_text(lab.server.kubeconfig())
        self.config = folder / "herder.yaml"
        self.config.write_text(CONFIG.format(kubeconfig=kubeconfig, namespace=NAMESPACE))
        self.env = {name: value for name, value in os.environ.items() if not name.startswith("HERDER_")}
        self.env |= {"HERDER_DATA_DIR": str(self.data), "XDG_CONFIG_HOME": str(folder / "config")}
        self.port = "0"
        self.process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        (self.data / "server.json").unlink(missing_ok=True)
        words = [HERDER, "server", "--data-dir", str(self.data), "-c", str(self.config), "--port", self.port]
        self.process = subprocess.Popen(words, env=self.env, stdout=self.log, stderr=self.log)
        self.lab.until((self.data / "server.json").exists, looks=3000)
        self.port = json.loads((self.data / "server.json").read_text())["url"].rpartition(":")[2]

    def end(self, number: signal.Signals) -> None:
        if self.process is not None:
            self.process.send_signal(number)
            self.process.wait(40)
            self.process = None

    def close(self) -> None:
        self.end(signal.SIGKILL)
        self.log.close()

    def said(self) -> str:
        return Path(self.log.name).read_text(errors="replace")[-4000:]


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    lab = Lab(ClusterSettings(run_commands=True, job_batch_ms=50))
    made = Server(tmp_path, lab)
    try:
        made.start()
        yield made
    finally:
        made.close()
        lab.close()


def test_jobs_run_in_pods_and_a_killed_server_loses_nothing(server: Server, tmp_path: Path) -> None:
    lab, go = server.lab, tmp_path / "go"
    script = f"for i in $(seq 2400); do [ -e {go} ] && break; sleep 0.05; done; echo output $HERDER_JOB_ID; echo $HERDER_JOB_ID > $HERDER_RESULT"
    jobs = [JobSubmission(command=["sh", "-c", script], cpu="500m", memory="64Mi") for _ in range(3)]
    with connect(env=server.env) as client:
        batch = client.batches.create(BatchCreate(name="pods", jobs=jobs, commit=True)).id
        lab.until(
            lambda: [job.state for job in client.jobs.list(batch=batch)].count("running") == 3, looks=3000
        )
    assert len(lab.items("batch/v1/jobs")) == len(lab.items("v1/secrets")) == 3
    server.end(signal.SIGKILL)
    go.touch()  # they end while nobody listens
    server.start()
    with connect(env=server.env) as client:
        lab.until(lambda: all(job.ended_at for job in client.jobs.list(batch=batch)), looks=3000)
        ended = list(client.jobs.list(batch=batch))
        assert [(job.state, job.attempts) for job in ended] == [("succeeded", 1)] * 3, server.said()
        results = [client.jobs.get(job.id).result for job in ended]
        assert results == [job.id for job in ended]
        lab.until(lambda: lab.all_names() == [], looks=3000)
        lab.until(lambda: not list(client.workers.list()), looks=3000)
        assert client.invariants() == []


def read_in_status(server: Server, wanted: str) -> str:
    """What `herder status` prints, as soon as it says `wanted`."""
    said = ""

    def look() -> bool:
        nonlocal said
        done = subprocess.run(
            [HERDER, "status"], env=server.env, capture_output=True, text=True, timeout=50, check=False
        )
        said = " ".join(done.stdout.split())
        return wanted in said

    try:
        server.lab.until(look, looks=60)
    except AssertionError:
        raise AssertionError(f"{said}\n{server.said()}") from None
    return said


def test_a_quota_of_the_namespace_is_read_in_the_status(server: Server) -> None:
    hard = {"requests.memory": "100Mi"}
    quota = {
        "apiVersion": "v1",
        "kind": "ResourceQuota",
        "metadata": {"name": "team", "namespace": NAMESPACE},
        "spec": {"hard": hard},
        "status": {"hard": hard, "used": {}},
    }
    server.lab.do(lambda cluster, now_ms: cluster.load([quota], now_ms))
    with connect(env=server.env) as client:
        client.jobs.submit(JobSubmission(command=["true"], cpu="500m", memory="64Mi"))
    said = read_in_status(server, "Quota team of namespace")
    assert "does not allow one more worker: requests.memory is 0 of 100Mi" in said


def test_an_image_that_cannot_be_pulled_is_read_in_the_status(server: Server) -> None:
    server.end(signal.SIGTERM)
    server.config.write_text(
        server.config.read_text().replace("registry.example/herder:1", "missing/herder:9")
    )
    server.start()
    with connect(env=server.env) as client:
        client.jobs.submit(JobSubmission(command=["true"], cpu="500m", memory="64Mi"))
        server.lab.until(lambda: len(server.lab.items("batch/v1/jobs")) == 1, looks=3000)
    time.sleep(45)  # as long as the driver lets a registry try
    assert "missing/herder:9" in read_in_status(server, "cannot be pulled")
