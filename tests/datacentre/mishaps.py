"""What goes wrong in the datacentre of the simulated world by itself, or by people: drawn by the seed, each for a while. `heal` ends it all."""

import asyncio
from collections.abc import Callable

from herder.testing.datacentre import Sickness
from herder.testing.kubernetes import Rule as KubernetesRule
from herder.testing.proxmox import Rule as ProxmoxRule
from herder.testing.proxmox import Vm
from herder.testing.talos.faults import Fault, Kind
from tests.datacentre.world import DatacentreWorld

TICK_S = 20.0


class Mishaps:
    """`per_hour`: how often each kind happens."""

    def __init__(self, world: DatacentreWorld, per_hour: float) -> None:
        self._world, self._odds = world, per_hour / 3600 * TICK_S
        self._draw = world.dice.of("datacentre mishaps")
        self._kinds: dict[str, Callable[[], None]] = {
            "vm removed by hand": self._remove_vm,
            "vm stopped by hand": self._stop_vm,
            "vm migrated by hand": self._migrate_vm,
            "node sick": self._sicken,
            "node deleted by hand": self._delete_node,
            "node cordoned by hand": self._cordon,
            "talos silent": self._silence_talos,
            "api of kubernetes away": self._api_away,
            "api of kubernetes slow": self._api_slow,
            "watch silent": self._stall_watches,
            "host offline": self._host_offline,
            "quorum lost": self._lose_quorum,
            "proxmox errors": self._proxmox_errors,
            "listing lags": self._lag,
        }

    async def run(self) -> None:
        while True:
            await asyncio.sleep(TICK_S)
            for kind, cause in self._kinds.items():
                if self._world.dice.happens(kind, self._odds):
                    self._world.trace("mishap", kind)
                    cause()
                    self._world.look()

    def heal(self) -> None:
        centre = self._world.centre
        centre.proxmox.faults.clear()
        centre.kubernetes.faults.clear()
        centre.talos.faults.clear()
        for host in centre.proxmox.state.nodes.values():
            host.online = True
        for node in self._world.nodes():
            self._uncordon(node)
        self._world.look()

    # --- inside

    def _lasts(self, least_s: float, most_s: float, ends: Callable[[], None]) -> None:
        def end() -> None:
            ends()
            self._world.look()

        self._world.loop.call_later(self._draw.uniform(least_s, most_s), end)

    def _vm(self) -> Vm | None:
        found = sorted((vm for vm in self._world.vms() if not vm.lock), key=lambda vm: vm.vmid)
        return self._draw.choice(found) if found else None

    def _node(self) -> str | None:
        found = self._world.nodes()
        return self._draw.choice(found) if found else None

    def _remove_vm(self) -> None:
        if (vm := self._vm()) is not None:
            self._world.centre.proxmox.remove_by_hand(vm.vmid)

    def _stop_vm(self) -> None:
        vm = self._vm()
        if vm is not None and vm.running:
            vm.running = False
            self._world.centre.proxmox.state.tell("stopped", vm)

    def _migrate_vm(self) -> None:
        if (vm := self._vm()) is not None:
            hosts = sorted(self._world.centre.proxmox.state.nodes)
            self._world.centre.proxmox.move_by_hand(
                vm.vmid, self._draw.choice([each for each in hosts if each != vm.node])
            )

    def _sicken(self) -> None:
        node = self._node()
        machines = self._world.centre.talos.by_name.values()
        runs = any(each.hostname == node and each.kubelet_runs for each in machines)
        if node is not None and runs:
            self._world.centre.sicken(node, self._draw.choice(list(Sickness)))

    def _delete_node(self) -> None:
        if (node := self._node()) is not None:
            self._world.ask("DELETE", f"/api/v1/nodes/{node}")

    def _cordon(self) -> None:
        node = self._node()
        if (
            node is not None
            and self._world.ask("PATCH", f"/api/v1/nodes/{node}", {"spec": {"unschedulable": True}})[0] == 200
        ):
            self._lasts(60, 3_000, lambda: self._uncordon(node))

    def _uncordon(self, node: str) -> None:
        self._world.ask("PATCH", f"/api/v1/nodes/{node}", {"spec": {"unschedulable": None}})

    def _silence_talos(self) -> None:
        faults = self._world.centre.talos.faults
        kind = self._draw.choice([Kind.HANG, Kind.LOSE_REQUEST, Kind.LOSE_ANSWER, Kind.REFUSE])
        fault = Fault(kind=kind, times=-1)
        faults.append(fault)
        self._lasts(30, 1_200, lambda: faults.remove(fault) if fault in faults else None)

    def _api_away(self) -> None:
        away_ms = int(self._draw.uniform(1_000, 400_000))
        self._world.centre.kubernetes.restart(self._world.times.now_ms(), away_ms=away_ms)

    def _api_slow(self) -> None:
        rules = self._world.centre.kubernetes.faults.rules
        rule = KubernetesRule(delay_ms=int(self._draw.uniform(500, 40_000)), times=-1)
        rules.append(rule)
        self._lasts(30, 600, lambda: rules.remove(rule) if rule in rules else None)

    def _stall_watches(self) -> None:
        self._world.centre.kubernetes.stall_watches()

    def _host_offline(self) -> None:
        host = self._draw.choice(
            sorted(self._world.centre.proxmox.state.nodes.values(), key=lambda each: each.name)
        )
        host.online = False

        def back() -> None:
            host.online = True

        self._lasts(30, 900, back)

    def _lose_quorum(self) -> None:
        faults = self._world.centre.proxmox.faults
        faults.quorum_lost = True

        def back() -> None:
            faults.quorum_lost = False

        self._lasts(10, 400, back)

    def _proxmox_errors(self) -> None:
        faults = self._world.centre.proxmox.faults
        status, method = self._draw.choice([500, 503, 595]), self._draw.choice(["", "GET", "POST", "DELETE"])
        rule = faults.add(ProxmoxRule(status=status, method=method, times=-1, text="got no worker upid"))
        self._lasts(10, 400, lambda: faults.rules.remove(rule) if rule in faults.rules else None)

    def _lag(self) -> None:
        faults = self._world.centre.proxmox.faults
        faults.listing_lag_ms = int(self._draw.uniform(5_000, 60_000))

        def back() -> None:
            faults.listing_lag_ms = 0

        self._lasts(60, 600, back)
