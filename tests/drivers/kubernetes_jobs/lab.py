"""One API server in a thread of this process, what is in it, and drivers that use it."""

import threading
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from herder.drivers.kubernetes_jobs import KubernetesJobsDriver, KubernetesJobsSettings
from herder.drivers.kubernetes_jobs.names import job_name
from herder.model.fleet.driver import DriverContext, Machine, StartData
from herder.model.fleet.worker import WorkerSpec
from herder.model.ids import PoolName, WorkerName
from herder.model.values.money import PicoUsd
from herder.model.values.resources import Resources
from herder.remote.kubernetes.credentials import Access, GivenToken
from herder.remote.kubernetes.sync_connection import SyncConnection
from herder.testing.kubernetes import Cluster, ClusterSettings, Rule
from herder.testing.kubernetes.server import Serving

NAMESPACE = "herder"
INSTALLATION = "lab"
SETTINGS = KubernetesJobsSettings(image="registry.example/herder:1", namespace=NAMESPACE)
Json = dict[str, Any]


class SystemClock:
    def now_ms(self) -> int:
        import time

        return time.time_ns() // 1_000_000

    monotonic_ms = now_ms


class Lab:
    def __init__(self, settings: ClusterSettings | None = None, scale: float = 1.0) -> None:
        self.server = Serving(settings or ClusterSettings(job_pod_runs_ms=3_600_000), scale)
        self.server.start()
        self._runs = True
        self._open: list[SyncConnection] = []
        self.post("/api/v1/namespaces", {"metadata": {"name": NAMESPACE}})
        self.node("node-1")

    def close(self) -> None:
        for connection in self._open:
            connection.close()
        self.stop()

    def stop(self) -> None:
        """The cluster does not answer any more."""
        if self._runs:
            self.server.stop()
            self._runs = False

    # --- drivers

    def driver(
        self,
        settings: KubernetesJobsSettings = SETTINGS,
        *,
        installation: str = INSTALLATION,
        url: str = "",
        token: str = "",
        **changed: Any,
    ) -> KubernetesJobsDriver:
        access = Access(url=url or self.server.url, tokens=GivenToken(token or self.server.token))
        connection = SyncConnection("lab", access, SystemClock())
        self._open.append(connection)
        context = DriverContext(name="jobs", installation=installation, clock=SystemClock())
        return KubernetesJobsDriver(replace(settings, **changed), context, connection)

    # --- what is in it

    def ask(self, method: str, path: str, body: Json | None = None, **query: str) -> tuple[int, Json]:
        return self.server.call(lambda cluster, now_ms: cluster.ask(method, path, now_ms, body, **query))

    def post(self, path: str, body: Json) -> Json:
        status, found = self.ask("POST", path, body)
        assert status == 201, found
        return found

    def node(self, name: str, **capacity: str) -> None:
        self.server.call(
            lambda cluster, now_ms: cluster.kubelets.boot(
                name,
                now_ms,
                capacity={
                    "cpu": "8",
                    "memory": "32Gi",
                    "pods": "110",
                    "ephemeral-storage": "1Ti",
                    **capacity,
                },
                ready_after_ms=0,
            )
        )

    def items(self, what: str) -> list[Json]:
        """`batch/v1/jobs`, `v1/secrets`, `v1/pods` of the namespace."""
        group, _, plural = what.rpartition("/")
        prefix = f"/apis/{group}" if "/" in group else f"/api/{group}"
        status, found = self.ask("GET", f"{prefix}/namespaces/{NAMESPACE}/{plural}")
        assert status == 200, found
        return list(found["items"])

    def all_names(self) -> list[str]:
        kinds = ("batch/v1/jobs", "v1/secrets", "v1/pods")
        return [f"{kind}/{each['metadata']['name']}" for kind in kinds for each in self.items(kind)]

    def of_worker(self, worker: str, installation: str = INSTALLATION) -> list[str]:
        name = job_name(installation, worker)
        return [each for each in self.all_names() if each.rpartition("/")[2].startswith(name)]

    def pod(self, worker: str) -> Json:
        name = job_name(INSTALLATION, worker)
        (found,) = [each for each in self.items("v1/pods") if each["metadata"]["name"].startswith(name)]
        return found

    def rule(self, **how: Any) -> None:
        self.server.call(lambda cluster, _: cluster.faults.add(Rule(**how)))

    def do(self, work: Callable[[Cluster, int], Any]) -> Any:
        return self.server.call(work)

    # --- time

    def jump(self, by_ms: int) -> None:
        """The time of the cluster goes on by so much at once."""

        def set_clock(_cluster: Cluster, _now_ms: int) -> None:
            assert self.server._edge is not None
            self.server._edge.running.clock._start_ms += by_ms

        self.server.call(set_clock)

    def until(self, done: Callable[[], Any], looks: int = 600) -> Any:
        pause = threading.Event()
        for _ in range(looks):
            if found := done():
                return found
            pause.wait(0.01)
        raise AssertionError("nothing came in time")

    def until_phase(self, driver: KubernetesJobsDriver, worker: str, phase: str) -> Machine:
        def look() -> Machine | None:
            machine = driver.get(WorkerName(worker))
            return machine if machine.phase == phase else None

        found: Machine = self.until(look)
        return found


def spec(name: str = "pool-1-0", **changed: Any) -> WorkerSpec:
    plain = WorkerSpec(
        name=WorkerName(name),
        pool=PoolName("pool"),
        template="small",
        driver="jobs",
        allocatable=Resources(1000, 512),
        slots=1,
        price_pico_per_hour=PicoUsd(0),
    )
    return replace(plain, **changed)


def start() -> StartData:
    return StartData(server_url="http://127.0.0.1:9", activation_token="hush-hush", self_delete_after_s=60.0)
