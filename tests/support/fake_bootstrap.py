"""A bootstrap in memory: answers what a test tells it to, and remembers what it was asked."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from herder.model.fleet.bootstrap import BootData
from herder.model.fleet.driver import DriverError
from herder.model.fleet.driver_capabilities import Check
from herder.model.fleet.repair import Rung
from herder.model.ids import WorkerName
from herder.ports.bootstrap import Joining, Stage, SystemSeen, Target

WELL = SystemSeen(stage=Stage.RUNNING, ready=True, version="v1.13.9")


@dataclass(slots=True, kw_only=True)
class FakeBootstrap:
    name: str = "fake"
    fingerprint: str = "1"
    version: str = ""
    rungs: frozenset[Rung] = frozenset({Rung.RESTART_SERVICE, Rung.REBOOT})
    data: BootData | None = field(default_factory=lambda: BootData(user_data="#secret-machine-config"))
    error: Exception | None = None
    """Raised by every verb but `close`."""
    errors: dict[str, Exception] = field(default_factory=dict)
    """By verb: raised by it, until the entry is removed. `repair` is every rung."""
    hangs: set[str] = field(default_factory=set)
    """Verbs that never answer."""
    reachable: set[str] = field(default_factory=set)
    """Addresses at which machines in maintenance mode wait. Empty: `configure` says yes at once."""
    configured: list[str] = field(default_factory=list)
    """Addresses of machines that were given a configuration."""
    systems: dict[str, SystemSeen] = field(default_factory=dict)
    """By worker; others run well."""
    checked: tuple[Check, ...] = (Check(name="Credentials", passed=True),)
    asked: list[tuple[str, object]] = field(default_factory=list)
    targets: list[Target] = field(default_factory=list)
    reached: Callable[[str], None] = lambda _verb: None
    """Called when a question has had its effect, before the answer: a test may kill the server here."""

    def boot_data(self, joining: Joining) -> BootData | None:
        self._note("boot_data", joining)
        return self.data

    async def configure(self, joining: Joining, target: Target) -> bool:
        await self._arrives("configure", target)
        if self.data is not None:
            return True
        for address in target.addresses:
            if address in self.configured:
                return True
            if address in self.reachable:
                self.configured.append(address)
                self.reached("configure")
                return False
        return False

    async def look(self, target: Target) -> SystemSeen:
        await self._arrives("look", target)
        return self.systems.get(target.worker, WELL)

    async def repair(self, target: Target, rung: Rung) -> None:
        await self._arrives(rung.value, target)
        self.reached("repair")

    async def shut_down(self, target: Target) -> None:
        await self._arrives("shut_down", target)
        self.reached("shut_down")

    async def logs(self, target: Target, service: str, lines: int) -> str:
        await self._arrives("logs", target)
        return f"{service} of {target.worker}"

    async def check(self) -> Sequence[Check]:
        self._note("check", "")
        return self.checked

    async def close(self) -> None:
        self.asked.append(("close", ""))

    def calls(self, verb: str) -> list[object]:
        return [what for asked, what in self.asked if asked == verb]

    async def _arrives(self, verb: str, target: Target) -> None:
        self.targets.append(target)
        self._note(verb, target.worker)
        if verb in self.hangs:
            await asyncio.Event().wait()

    def _note(self, verb: str, what: object) -> None:
        self.asked.append((verb, what))
        error = self.errors.get(verb, self.error)
        if error is not None:
            raise error


def refused_with(error: DriverError) -> FakeBootstrap:
    return FakeBootstrap(error=error)


def names(found: list[object]) -> list[WorkerName]:
    return [each.worker if isinstance(each, Joining) else WorkerName(str(each)) for each in found]
