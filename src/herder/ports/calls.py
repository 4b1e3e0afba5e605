"""Blocking calls as a port: a driver's verb runs elsewhere, and its caller waits no longer than its deadline."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol, TypeVar

_T = TypeVar("_T")


@dataclass(frozen=True, slots=True, kw_only=True)
class CallUnderWay:
    """A call that has not returned. `abandoned`: its deadline has passed, and no caller waits for it any more."""

    verb: str
    worker: str
    since_ms: int
    seconds: float
    abandoned: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class CallsReport:
    """What a driver is doing: calls that occupy a place, oldest first, and how many wait for one."""

    places: int
    under_way: Sequence[CallUnderWay] = ()
    waiting: int = 0
    abandoned_total: int = 0
    """Calls that were ever given up, since the server started."""

    @property
    def abandoned(self) -> int:
        return sum(each.abandoned for each in self.under_way)


class Calls(Protocol):
    async def run(
        self, driver: str, verb: str, work: Callable[[], _T], *, deadline_s: float, worker: str = ""
    ) -> _T:
        """Run `work` for this driver and answer what it answers. `verb` and `worker` are for people who ask what a driver is doing.

        Raises what `work` raises; `model.fleet.driver.OutcomeUnknown` when the deadline has passed (the call may still act, and its
        answer is dropped); `model.fleet.driver.Unavailable` at once when calls that were given up still hold every place of the driver.
        """

    def report(self, driver: str) -> CallsReport:
        """Never waits."""

    def close(self) -> None:
        """No call follows. Those under way are not waited for."""
