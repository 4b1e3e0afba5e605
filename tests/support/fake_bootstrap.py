"""A bootstrap in memory: answers what a test tells it to, and remembers what it was asked."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from herder.model.fleet.bootstrap import BootData
from herder.model.fleet.driver import DriverError
from herder.model.fleet.driver_capabilities import Check
from herder.model.fleet.repair import Rung
from herder.model.ids import WorkerName
from herder.ports.bootstrap import Joining, Stage, SystemSeen, Target


@dataclass(slots=True, kw_only=True)
class FakeBootstrap:
    name: str = "fake"
    fingerprint: str = "1"
    rungs: frozenset[Rung] = frozenset({Rung.RESTART_SERVICE, Rung.REBOOT})
    data: BootData | None = field(default_factory=lambda: BootData(user_data="#secret-machine-config"))
    error: Exception | None = None
    """Raised by every verb but `close`."""
    asked: list[tuple[str, object]] = field(default_factory=list)

    def boot_data(self, joining: Joining) -> BootData | None:
        self._note("boot_data", joining)
        return self.data

    async def configure(self, joining: Joining, target: Target) -> bool:
        self._note("configure", target.worker)
        return True

    async def look(self, target: Target) -> SystemSeen:
        self._note("look", target.worker)
        return SystemSeen(stage=Stage.RUNNING, ready=True)

    async def repair(self, target: Target, rung: Rung) -> None:
        self._note(rung.value, target.worker)

    async def shut_down(self, target: Target) -> None:
        self._note("shut_down", target.worker)

    async def logs(self, target: Target, service: str, lines: int) -> str:
        self._note("logs", target.worker)
        return f"{service} of {target.worker}"

    async def check(self) -> Sequence[Check]:
        self._note("check", "")
        return ()

    async def close(self) -> None:
        self.asked.append(("close", ""))

    def calls(self, verb: str) -> list[object]:
        return [what for asked, what in self.asked if asked == verb]

    def _note(self, verb: str, what: object) -> None:
        self.asked.append((verb, what))
        if self.error is not None:
            raise self.error


def refused_with(error: DriverError) -> FakeBootstrap:
    return FakeBootstrap(error=error)


def names(found: list[object]) -> list[WorkerName]:
    return [each.worker if isinstance(each, Joining) else WorkerName(str(each)) for each in found]
