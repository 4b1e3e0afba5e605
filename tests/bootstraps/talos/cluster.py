"""A control plane, workers and a bootstrap for Talos, without sockets and on a time that a test moves."""

from dataclasses import dataclass, field
from pathlib import Path

from herder.bootstraps.talos import TalosSettings, make
from herder.bootstraps.talos.bootstrap import TalosBootstrap
from herder.model.fleet.pool import Taint
from herder.model.ids import PoolName, WorkerName
from herder.ports.bootstrap import BootstrapContext, Joining, Target
from herder.testing.talos import Hooks, Machine, Machines
from herder.testing.talos.authority import Authority
from herder.testing.talos.in_process import MachinesWire

START_MS = 1_800_000_000_000
CONTROL_PLANE = "10.0.0.10"
WORKER = "10.0.0.21"
TARGET = Target(worker=WorkerName("burst-7-1"), addresses=(WORKER,))
JOINING = Joining(
    worker=WorkerName("burst-7-1"),
    pool=PoolName("burst"),
    template="small",
    installation="prod",
    labels={
        "node-pool": "burst",
        "herder.dev/worker": "burst-7-1",
        "topology.kubernetes.io/zone": "a",
        "node-role.kubernetes.io/worker": "",
    },
    taints=(Taint(key="burst", value="true"),),
)


class TestClock:
    __test__ = False
    ms = START_MS

    def now_ms(self) -> int:
        return self.ms

    def monotonic_ms(self) -> int:
        return self.ms


@dataclass
class Cluster:
    folder: Path
    clock: TestClock = field(default_factory=TestClock)
    happened: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        names = ("kubelet_up", "kubelet_down", "powered_off", "rebooting")
        hooks = Hooks(**{each: self._noting(each) for each in names})
        self.machines = Machines(hooks=hooks)
        self.authority = Authority(self.clock.ms)
        self.machines.add_control_plane("cp-1", CONTROL_PLANE)
        self.worker = self.machines.add("burst-7-1", WORKER)

    def _noting(self, what: str):
        def note(machine: Machine) -> None:
            self.happened.append(f"{what} {machine.name}")

        return note

    def after(self, s: float) -> None:
        self.clock.ms += int(s * 1000)
        self.machines.step(self.clock.ms)

    def bootstrap(
        self, config: str | None = None, base: str | None = None, **settings: object
    ) -> TalosBootstrap:
        talosconfig, worker = self.folder / "talosconfig", self.folder / "worker.yaml"
        talosconfig.write_text(config or self.authority.talosconfig((CONTROL_PLANE,)))
        worker.write_text(base or self.authority.worker_base("https://10.0.0.10:6443"))
        return make(
            TalosSettings(base_config=str(worker), talosconfig=str(talosconfig), **settings),
            BootstrapContext(name="prod-nodes", installation="prod", clock=self.clock),
            wire=MachinesWire(self.machines, self.clock.now_ms),
            environment={},
        )

    def boot_with_data(self, bootstrap: TalosBootstrap, joining: Joining = JOINING) -> None:
        data = bootstrap.boot_data(joining)
        assert data is not None
        self.worker.power_on(self.clock.ms, data.user_data)
        self.after(60)
