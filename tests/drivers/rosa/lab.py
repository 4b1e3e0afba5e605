"""Drivers of a played OCM and a played cluster, whose nodes follow each other, on one time that tests set."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import httpx

from herder.drivers.rosa import RosaDriver, RosaSettings
from herder.drivers.rosa.cluster import ClusterSide
from herder.model.fleet.driver import DriverContext, Machine, Phase, StartData
from herder.model.fleet.worker import WorkerSpec
from herder.model.ids import PoolName, WorkerName
from herder.model.values.money import PicoUsd
from herder.model.values.resources import Resources
from herder.remote.kubernetes.credentials import Access, GivenToken
from herder.remote.kubernetes.sync_connection import SyncConnection
from herder.remote.ocm.api import Ocm
from herder.remote.ocm.sso import RedHatLogin
from herder.testing.fakes import InProcessTransport
from herder.testing.kubernetes import Cluster, Rule
from herder.testing.kubernetes.api.answers import Answer, Request
from herder.testing.ocm import CLIENT, HCP, SECRET, PlayedOcm, Pool
from herder.testing.ocm.nodes import NodesOfPools

NAMESPACE = "herder"
OPTIONS = (("instance_type", "m5.xlarge"),)


class Clock:
    def __init__(self) -> None:
        self.ms = 1_795_000_000_000

    def now_ms(self) -> int:
        return self.ms

    monotonic_ms = now_ms


class _ToCluster(httpx.BaseTransport):
    def __init__(self, cluster: Cluster, clock: Clock) -> None:
        self._cluster, self._clock = cluster, clock

    def handle_request(self, request: httpx.Request) -> httpx.Response:
        asked = Request(
            method=request.method,
            path=request.url.path,
            query=dict(request.url.params),
            headers={name.lower(): value for name, value in request.headers.items()},
            body=request.read(),
        )
        found = self._cluster.request(asked, self._clock.ms)
        assert isinstance(found, Answer)
        if found.cut:
            raise httpx.ReadError("the connection broke", request=request)
        return httpx.Response(found.status, headers=found.headers, content=found.body, request=request)


class Lab:
    def __init__(self, rosa_cluster: str = HCP) -> None:
        self.clock, self.rosa_cluster = Clock(), rosa_cluster
        self.ocm = PlayedOcm(now_ms=self.clock.ms)
        self.cluster = Cluster(now_ms=self.clock.ms)
        NodesOfPools(self.ocm, self.cluster, self.clock.now_ms)
        self.drivers: list[RosaDriver] = []
        self.ask("POST", "/api/v1/namespaces", {"metadata": {"name": NAMESPACE}})

    def driver(self, *, installation: str = "lab", down: str = "") -> RosaDriver:
        """`down`: `ocm` or `cluster`, which does not answer."""
        to_ocm: httpx.BaseTransport = InProcessTransport(self.ocm, self.clock.now_ms)
        to_cluster: httpx.BaseTransport = _ToCluster(self.cluster, self.clock)
        nowhere = httpx.MockTransport(refuse_all)
        to_ocm, to_cluster = (
            nowhere if down == name else each for name, each in (("ocm", to_ocm), ("cluster", to_cluster))
        )
        login = RedHatLogin(
            self.clock, client_id=CLIENT, client_secret=SECRET, transport=to_ocm, pause=lambda _s: None
        )
        token = next(iter(self.cluster.settings.tokens))
        access = Access(url="https://cluster.example", tokens=GivenToken(token))
        side = ClusterSide(SyncConnection("east", access, self.clock, transport=to_cluster), NAMESPACE)
        made = RosaDriver(
            RosaSettings(rosa_cluster=self.rosa_cluster, cluster="east", client_id=CLIENT),
            DriverContext(name="rosa", installation=installation, clock=self.clock),
            Ocm(login, self.clock, calls_per_s=1_000, transport=to_ocm, pause=lambda _s: None),
            side,
            login,
        )
        self.drivers.append(made)
        return made

    def ask(self, method: str, path: str, body: dict[str, Any] | None = None) -> dict[str, Any]:
        status, found = self.cluster.ask(method, path, self.clock.ms, body)
        assert status < 300, found
        return found

    def jump(self, seconds: float) -> None:
        until = self.clock.ms + int(seconds * 1000)
        while self.clock.ms < until:
            self.clock.ms = min(until, self.clock.ms + 10_000)
            self.ocm.step(self.clock.ms)
            self.cluster.step(self.clock.ms)

    def pool(self) -> Pool:
        """The only one that ROSA did not make itself."""
        (found,) = [
            each for each in self.ocm.state.pools_of(self.rosa_cluster) if not each.name.startswith("worker")
        ]
        return found

    def nodes(self) -> dict[str, str]:
        """By node, its worker."""
        rows = self.ask("GET", "/api/v1/nodes")["items"]
        return {
            row["metadata"]["name"]: row["metadata"]["labels"].get("herder.dev/worker", "") for row in rows
        }

    def cordoned(self) -> set[str]:
        rows = self.ask("GET", "/api/v1/nodes")["items"]
        return {row["metadata"]["name"] for row in rows if row.get("spec", {}).get("unschedulable")}

    def rule(self, **how: Any) -> None:
        self.cluster.faults.add(Rule(**how))

    def running(self, driver: RosaDriver, *names: str, **changed: Any) -> list[Machine]:
        for name in names:
            driver.create(spec(name, **changed), start())
        self.jump(300)
        found = [driver.get(WorkerName(name)) for name in names]
        assert {machine.phase for machine in found} == {Phase.RUNNING}
        return found

    def close(self) -> None:
        for driver in self.drivers:
            driver.close()


def refuse_all(request: httpx.Request) -> httpx.Response:
    raise httpx.ConnectError("connection refused")


def spec(name: str = "burst-1-0", **changed: Any) -> WorkerSpec:
    plain = WorkerSpec(
        name=WorkerName(name),
        pool=PoolName("burst"),
        template="medium",
        driver="rosa",
        allocatable=Resources(4000, 16_384),
        slots=10,
        price_pico_per_hour=PicoUsd(0),
        driver_options=OPTIONS,
    )
    return replace(plain, **changed)


def start() -> StartData:
    return StartData(
        server_url="http://10.0.0.5:8080", activation_token="hush-hush", self_delete_after_s=600.0
    )
