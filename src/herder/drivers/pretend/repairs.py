"""The pretend driver with the capabilities of a provider that can restart machines: used where the setting `repairs` is on.

A machine that restarts runs nothing until it has booted again; then its agent starts with the start data that the machine was created with,
and `world.newly_booted()` gives it out once more. Each call may meet a fault, as every other call may.
"""

from herder.drivers.pretend.driver import PretendDriver
from herder.model.fleet.driver import Machine
from herder.model.ids import WorkerName

#: How long a service takes to restart, as a part of a boot.
SERVICE_PART = 0.1


class RepairingPretendDriver(PretendDriver):
    def reboot(self, worker: WorkerName) -> Machine:
        return self._call("reboot", worker, lambda: self._restart(worker, 1.0, "reboot"))

    def restart_service(self, worker: WorkerName) -> Machine:
        return self._call(
            "restart_service", worker, lambda: self._restart(worker, SERVICE_PART, "service restart")
        )

    def _restart(self, worker: WorkerName, part: float, said: str) -> Machine:
        machine = self._find(worker)
        if machine.gone_at_ms is None:
            machine.running, machine.told = True, False
            machine.restarts += 1
            machine.booted_at_ms = self.world.now_ms() + round(self._boot_ms(worker) * part)
            machine.printed.append(f"{worker}: {said}")
        return self._view(machine)
