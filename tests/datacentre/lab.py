"""The driver for Proxmox and the bootstrap for Talos at one datacentre, without sockets and on a time that a test moves."""

from pathlib import Path
from typing import Any

from herder.bootstraps.talos import TalosSettings, make
from herder.bootstraps.talos.bootstrap import TalosBootstrap
from herder.drivers.proxmox import ProxmoxDriver, ProxmoxSettings
from herder.model.fleet.driver import DriverContext, NotFound, Phase, StartData
from herder.model.fleet.pool import Taint
from herder.model.fleet.worker import WorkerSpec
from herder.model.ids import PoolName, WorkerName
from herder.model.values.money import PicoUsd
from herder.model.values.resources import Resources
from herder.ports.bootstrap import BootstrapContext, Joining, Target
from herder.remote.proxmox import ProxmoxClient
from herder.testing.datacentre import Datacentre
from herder.testing.fakes.transport import InProcessTransport
from herder.testing.proxmox import TOKEN_ID, TOKEN_SECRET
from herder.testing.talos.in_process import MachinesWire

START_MS = 1_800_000_000_000
POOL = PoolName("burst")
LOOKS_MOST = 60


class Lab:
    """It is the clock of all of them, too."""

    def __init__(self, folder: Path, delivery: str = "iso") -> None:
        self.ms = START_MS
        self.centre = Datacentre(now_ms=START_MS)
        transport = InProcessTransport(self.centre.proxmox, lambda: self.ms)
        self.client = ProxmoxClient("http://pve", TOKEN_ID, TOKEN_SECRET, self, transport=transport)
        settings = ProxmoxSettings(url="http://pve", token_id=TOKEN_ID, worker_overhead_mib=512)
        context = DriverContext(name="pve", installation="lab", clock=self)
        self.driver = ProxmoxDriver(settings, context, self.client)
        self.bootstrap = self._bootstrap(folder, delivery)

    def _bootstrap(self, folder: Path, delivery: str) -> TalosBootstrap:
        authority, address = self.centre.authority, self.centre.control_plane_address
        talosconfig, base = folder / "talosconfig", folder / "worker.yaml"
        talosconfig.write_text(authority.talosconfig((address,)))
        base.write_text(authority.worker_base(f"https://{address}:6443"))
        return make(
            TalosSettings(base_config=str(base), talosconfig=str(talosconfig), delivery=delivery),
            BootstrapContext(name="talos", installation="lab", clock=self),
            wire=MachinesWire(self.centre.talos, self.now_ms),
            environment={},
        )

    def now_ms(self) -> int:
        return self.ms

    def monotonic_ms(self) -> int:
        return self.ms

    def after(self, s: float) -> None:
        """Everything that is due until then happens at its time."""
        end_ms = self.ms + int(s * 1000)
        while self.ms < end_ms:
            next_ms = self.centre.step(self.ms)
            self.ms = min(end_ms, max(self.ms + 1, next_ms or end_ms))
        self.centre.step(self.ms)

    # --- workers

    def joining(self, name: str) -> Joining:
        labels = {"node-pool": "burst", "herder.dev/worker": name}
        taints = (Taint(key="workload-type", value="burst"),)
        return Joining(
            worker=WorkerName(name),
            pool=POOL,
            template="medium",
            installation="lab",
            labels=labels,
            taints=taints,
        )

    def target(self, name: str) -> Target:
        return Target(worker=WorkerName(name), addresses=self.centre.machine_of(name).addresses)

    def create(self, name: str) -> None:
        """Until its machine runs."""
        boot = self.bootstrap.boot_data(self.joining(name))
        start = StartData(
            server_url="http://127.0.0.1:9", activation_token="t", self_delete_after_s=60, boot=boot
        )
        spec = WorkerSpec(
            name=WorkerName(name), pool=POOL, template="medium", driver="pve", allocatable=Resources(1900, 3584),
            slots=10, price_pico_per_hour=PicoUsd(0), driver_options=(("template", "talos-worker"),),
        )  # fmt: skip
        machine = self.driver.create(spec, start)
        for _ in range(LOOKS_MOST):
            if machine.phase is Phase.RUNNING:
                return
            self.after(1)
            machine = self.driver.get(machine.worker, machine.operation)
        raise AssertionError(f"it is {machine}")

    def delete(self, name: str) -> None:
        try:
            for _ in range(LOOKS_MOST):
                self.driver.delete(WorkerName(name))
                self.after(2)
        except NotFound:
            return
        raise AssertionError("it is not removed")

    # --- nodes

    def node(self, name: str) -> dict[str, Any] | None:
        status, found = self.centre.kubernetes.ask("GET", f"/api/v1/nodes/{name}", self.ms)
        return found if status == 200 else None

    def condition(self, name: str, kind: str = "Ready") -> str:
        node = self.node(name)
        assert node is not None
        return next(str(each["status"]) for each in node["status"]["conditions"] if each["type"] == kind)

    def close(self) -> None:
        self.driver.close()
        self.centre.kubernetes.close()
