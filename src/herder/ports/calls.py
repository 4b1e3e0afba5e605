"""Blocking calls as a port: a provider's verb is run somewhere else, and waited for no longer than its deadline."""

from collections.abc import Callable
from typing import Protocol, TypeVar

_T = TypeVar("_T")


class Calls(Protocol):
    async def run(self, driver: str, verb: str, work: Callable[[], _T], *, deadline_s: float) -> _T:
        """Run `work` for this driver and answer what it answers. `verb` is for people who ask what a driver is doing.

        Raises what `work` raises; `model.driver.OutcomeUnknown` when the deadline has passed (the call may still act, and its
        answer is dropped); `model.driver.Unavailable` at once when calls that were given up still hold every place of the driver.
        """
