"""The machines behind nodes: what each has, whether it is alive, and what it reports about itself."""

from dataclasses import dataclass, field

from herder.testing.kubernetes.objects import Json
from herder.testing.kubernetes.objects.times import rfc3339, with_condition

#: The full status is reported so often, even when nothing has changed.
REPORT_EVERY_MS = 300_000
GPU = "nvidia.com/gpu"
_GOOD = {
    "MemoryPressure": ("KubeletHasSufficientMemory", "kubelet has sufficient memory available"),
    "DiskPressure": ("KubeletHasNoDiskPressure", "kubelet has no disk pressure"),
    "PIDPressure": ("KubeletHasSufficientPID", "kubelet has sufficient PID available"),
}
INFO = {
    "machineID": "",
    "systemUUID": "",
    "bootID": "",
    "kernelVersion": "6.12.0",
    "osImage": "Talos (v1.12.0)",
    "containerRuntimeVersion": "containerd://2.1.0",
    "kubeletVersion": "v1.36.2",
    "kubeProxyVersion": "",
    "operatingSystem": "linux",
    "architecture": "amd64",
}


@dataclass(slots=True, kw_only=True)
class Machine:
    name: str
    capacity: dict[str, str]
    ready_at_ms: int
    alive: bool = True
    connected: bool = True
    """False: it works, and neither its reports nor its orders get through."""
    ready: bool = True
    """False: the kubelet reports, and says that it is not ready."""
    gpus: int = 0
    gpus_at_ms: int | None = None
    """When the device plugin registers; None: it never does."""
    pressures: set[str] = field(default_factory=set)
    addresses: tuple[str, ...] = ()
    """InternalIPs of its node; none: it reports none."""
    use: tuple[int, int] | None = None
    """CPU in thousandths and memory in bytes for the metrics API; None: the sum of its pods."""
    reported_ms: int = -REPORT_EVERY_MS
    changed: bool = True
    """Something is to be reported now."""

    @property
    def reports(self) -> bool:
        return self.alive and self.connected

    def allocatable(self, now_ms: int) -> dict[str, str]:
        found = dict(self.capacity)
        if self.gpus_at_ms is not None and now_ms >= self.gpus_at_ms and self.gpus:
            found[GPU] = str(self.gpus)
        return found

    def report(self, node: Json, now_ms: int) -> Json:
        """The status of its node."""
        status: Json = dict(node.get("status") or {})
        status["capacity"] = status["allocatable"] = self.allocatable(now_ms)
        status["nodeInfo"] = {
            **INFO,
            **{key: value for key, value in status.get("nodeInfo", {}).items() if value},
        }
        if self.addresses:
            ips = [{"type": "InternalIP", "address": each} for each in self.addresses]
            status["addresses"] = [*ips, {"type": "Hostname", "address": self.name}]
        self._say(status, "Ready", "True" if self.ready else "False", now_ms, self._readiness())
        for kind, (reason, message) in _GOOD.items():
            pressed = kind in self.pressures
            why = (f"KubeletHas{kind}", f"kubelet has {kind}") if pressed else (reason, message)
            self._say(status, kind, "True" if pressed else "False", now_ms, why)
        return status

    def _readiness(self) -> tuple[str, str]:
        if self.ready:
            return "KubeletReady", "kubelet is posting ready status"
        return "KubeletNotReady", "container runtime is down"

    @staticmethod
    def _say(status: Json, kind: str, value: str, now_ms: int, why: tuple[str, str]) -> None:
        new = {
            "type": kind,
            "status": value,
            "lastHeartbeatTime": rfc3339(now_ms),
            "lastTransitionTime": rfc3339(now_ms),
            "reason": why[0],
            "message": why[1],
        }
        status["conditions"] = with_condition(status.get("conditions"), new)
