"""Every row of the page is run: the command of Herder, and the script or the command of kubectl beside it; on a real server with an
API server of Kubernetes in another process. Machines are pretended, and the test registers their nodes."""

import io
import json
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from contextlib import redirect_stdout
from pathlib import Path

import httpx
import pytest

from herder.app import whole_app
from herder.cli.shell.main import run
from herder.settings.sections.pool.pools import POOL_KEYS
from herder.settings.sections.pool.template_fields import TEMPLATE_KEYS
from tests.acceptance.conftest import Installation
from tests.acceptance.test_nodes import Kubernetes
from tests.docs.kubectl import kubectl
from tests.docs.page import DOCS

pytestmark = [pytest.mark.acceptance, pytest.mark.slow, pytest.mark.timeout(240)]
SCRIPTS = DOCS.parent / "scripts"
PAGE = (DOCS / "how-to" / "coming-from-cortex.md").read_text()
#: The manifests have a test of their own.
_TABLES = re.sub(r"\n## Manifests\n.*?\n## ", "\n## ", PAGE, flags=re.DOTALL)
ROWS = [
    [cell.strip() for cell in line.strip("|").split(" | ")]
    for line in re.sub(r"\| \|$", "|  |", _TABLES, flags=re.MULTILINE).splitlines()
    if line.startswith("| ") and not line.startswith(("| Cortex |", "| ROSA |", "| document |"))
]
#: Rows that wait for parts that do not exist yet: one that has come must leave this list.
FILE = """
drivers:
  cloud: {{kind: pretend}}
clusters:
  prod: {{kubeconfig: {kubeconfig}}}
pools:
  permanent: {{preset: permanent, min_workers: 1, max_workers: 2, driver: cloud, membership: kubernetes, cluster: prod}}
  burst: {{preset: burst, driver: cloud, membership: kubernetes, cluster: prod}}
  spot: {{preset: spot, driver: cloud, membership: kubernetes, cluster: prod}}
  gpu: {{preset: gpu, driver: cloud, membership: kubernetes, cluster: prod}}
  additional:
    driver: cloud
    membership: kubernetes
    cluster: prod
    templates: [medium]
    min_workers: 1
    labels: {{node.kubernetes.io/machinepool: additional}}
  ml: {{driver: cloud, membership: kubernetes, cluster: prod, templates: [medium], min_workers: 1, labels: {{node-type: gpu}}}}
"""
STANDS_FOR = {"<gpu-worker-name>": "gpu-7-1", "<training-pod-name>": "training", "<worker-name>": "spare-1"}
JOBS = """
pools:
  jobs: {driver: cloud, templates: [small]}
"""


def _code(cell: str) -> list[str]:
    return re.findall(r"`([^`]+)`", cell)


COMMANDS = [(row[0], _code(row[1])[0]) for row in ROWS if row[1].startswith("`herder ")]
KUBECTL = [_code(row[0])[0] for row in ROWS if re.match("`(kubectl|oc get nodes)", row[0])]
#: No pod waits, and none is on the node.
NOTHING_THERE = ("=status.phase=Pending", "<worker-name>")
SETTINGS = [row for row in ROWS if re.match(r"(Cortex|ROSA|Hail|Mimir) ", row[0])]


class Place(Installation):
    """Workers of each pool, as the scripts create them, whose nodes have joined."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder, None)
        self.kubernetes = Kubernetes(folder)
        self.env["PATH"] = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
        self.config.write_text(FILE.format(kubeconfig=self.kubernetes.kubeconfig))
        (folder / "pools.yaml").write_text(JOBS)
        self.start()
        for name, options in (
            ("provision-burst-workers.sh", ["--template", "medium", "--count", "8", "--ttl", "4h"]),
            ("provision-spot-workers.sh", ["--count=2", "--template", "medium"]),
            ("provision-gpu-worker.sh", ["--template", "gpu-nvidia", "--count", "1"]),
        ):
            self.script(name, *options)
        self.booted: set[str] = set()
        self.until(self._all_ready, 60, "14 workers to be ready")
        self.kubernetes.boot("spare-1")
        self.pod("training", "default", next(each for each in self.names("ready") if each.startswith("gpu")))
        self.pod("ttl-cleanup-daemon", "kube-system", next(iter(self.names("ready"))))
        self.until(self._logs, 30, "logs of the pods")

    def pod(self, name: str, namespace: str, node: str) -> None:
        spec = {"nodeName": node, "containers": [{"name": "main", "image": "x"}]}
        log = {"testing.herder.dev/log": f"{name} has begun", "testing.herder.dev/run-s": "1"}
        body = {"metadata": {"name": name, "annotations": log}, "spec": {**spec, "restartPolicy": "Never"}}
        self.kubernetes.http.post(f"/api/v1/namespaces/{namespace}/pods", json=body).raise_for_status()

    def _logs(self) -> bool:
        """They have ended, so that `kubectl logs -f` does too."""
        found = self.kubernetes.http.get("/api/v1/pods?fieldSelector=status.phase=Succeeded")
        return len(found.raise_for_status().json()["items"]) == 2

    def kubectl(self, command: str) -> str:
        for name, worker in STANDS_FOR.items():
            command = command.replace(name, worker)
        return kubectl(_words(self, command)[1:], self.kubernetes.kubeconfig, self.kubernetes.http)

    def _all_ready(self) -> bool:
        for name in set(self.names("joining")) - self.booted:
            have = {"cpu": "8", "memory": "32Gi", "ephemeral-storage": "500Gi", "pods": "110"}
            self.kubernetes.boot(name, have | ({"nvidia.com/gpu": "1"} if name.startswith("gpu") else {}))
            self.booted.add(name)
        return len(self.names("ready")) == 14

    def script(self, name: str, *options: str) -> str:
        done = subprocess.run(
            ["sh", str(SCRIPTS / name), *options], env=self.env, capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, (name, done.stdout, done.stderr)
        return done.stdout

    def names(self, state: str) -> list[str]:
        return self.command("worker", "list", "--state", state, "-o", "name").split()

    def command(self, *words: str) -> str:
        with pytest.MonkeyPatch.context() as patch, redirect_stdout(io.StringIO()) as out:
            for name in [name for name in os.environ if name.startswith("HERDER_")]:
                patch.delenv(name)
            for name in ("HERDER_DATA_DIR", "XDG_CONFIG_HOME"):
                patch.setenv(name, self.env[name])
            patch.chdir(self.folder)
            code = run(whole_app(), list(words))
        assert code == 0, (words, out.getvalue())
        return out.getvalue()

    def http(self) -> httpx.Client:
        server = json.loads((self.data / "server.json").read_text())
        token = Path(server["token_file"]).read_text().strip()
        return httpx.Client(base_url=server["url"], headers={"Authorization": f"Bearer {token}"})

    def close(self) -> None:
        self.kubernetes.close()
        super().close()


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Place]:
    made = Place(tmp_path_factory.mktemp("cortex"))
    yield made
    made.close()


def _words(place: Place, text: str) -> list[str]:
    """With the worker that the name stands for: one that is ready."""
    words = shlex.split(text)
    for index, word in enumerate(words):
        if match := re.fullmatch(r"(burst|spot|gpu)-7-1", word):
            words[index] = next(each for each in place.names("ready") if each.startswith(match[1]))
    return words


def _added(words: list[str]) -> list[str]:
    """There are enough workers, and no terminal to ask."""
    if words[:3] == ["herder", "pool", "scale"]:
        return ["--dry-run"]
    return ["--yes"] if words[:2] == ["herder", "apply"] else []


@pytest.mark.parametrize(("there", "here"), COMMANDS, ids=[there for there, _ in COMMANDS])
def test_a_row_works(place: Place, there: str, here: str) -> None:
    (told, *_) = _code(there) or [there]
    if told.startswith("./scripts/"):
        script, *options = _words(place, told)
        changes = "check-" not in script
        place.script(Path(script).name, *options, *(["--dry-run"] if changes else []))
    words = _words(place, here)
    assert place.command(*words[1:], *_added(words))


@pytest.mark.parametrize("told", KUBECTL)
def test_the_command_of_kubectl_works(place: Place, told: str) -> None:
    answer = place.kubectl(told.replace("oc ", "kubectl ", 1))
    if not told.endswith(NOTHING_THERE):
        assert len(answer.splitlines()) > 1 or '"metadata"' in answer or "has begun" in answer


def test_the_route_of_the_document_adds_workers(place: Place) -> None:
    body = {"workers": 5, "template": "medium", "ttl_s": 4 * 3600}
    with place.http() as http:
        answer = http.post("/api/v1/pools/burst/scale?dry_run=true", json=body).raise_for_status().json()
    assert len(answer["workers"]) == 5


def test_metrics_have_the_names_of_the_page(place: Place) -> None:
    with place.http() as http:
        text = http.get("/metrics").raise_for_status().text
    named = {name for row in ROWS for name in _code(row[1]) if re.fullmatch("herder_[a-z_]+", name)}
    assert len(named) >= 6
    assert {name for name in named if f"# HELP {name}" not in text} == set()


def test_dry_runs_have_the_safety_checklist(place: Place) -> None:
    adding = place.command("pool", "scale", "burst", "1", "--template", "large", "--ttl", "2h", "--dry-run")
    for row in ("capacity", "network", "limits", "budget", "time to live"):
        assert re.search(rf"^{row} +(yes|no|not known) ", adding, re.MULTILINE), (row, adding)
    assert "1 worker would cost $0.48/h, $0.96 in 2h. No budget limits pool" in " ".join(adding.split())
    worker = next(each for each in place.names("ready") if each.startswith("burst"))
    pod = {"nodeName": worker, "containers": [{"name": "main", "image": "web"}]}
    place.kubernetes.run_pod("web", pod)
    place.until(lambda: "1 pod runs on" in _removal(place, worker), 30, "the pod to be seen")
    removal = _removal(place, worker)
    assert "disruption budgets not known Known when pods are evicted" in removal
    assert "order yes The machine is removed when the node is empty, and the Node object after it." in removal
    forced = _removal(place, worker, "--force")
    assert "disruption budgets no Pods that their PodDisruptionBudgets protect are deleted" in forced


def _removal(place: Place, worker: str, *more: str) -> str:
    return " ".join(place.command("worker", "remove", worker, "--dry-run", *more).split())


def test_each_setting_of_the_page_exists() -> None:
    assert len(SETTINGS) > 15
    for row in SETTINGS:
        assert set(_code(row[1])) <= {*POOL_KEYS, *TEMPLATE_KEYS}, row


def test_each_row_has_an_answer() -> None:
    for row in ROWS:
        assert re.match(r"`herder |`herder_|none: \w|`\w+`", row[1]), row


def test_each_script_has_a_row_and_is_a_few_lines() -> None:
    told = {Path(shlex.split(code)[0]).name for row in ROWS for code in _code(row[0]) if "scripts/" in code}
    scripts = sorted(SCRIPTS.glob("*.sh"))
    assert {each.name for each in scripts} == told
    for script in scripts:
        assert os.access(script, os.X_OK)
        assert len(script.read_text().splitlines()) < 20
