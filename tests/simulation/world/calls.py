"""Calls of drivers in the simulated world: run inline after a drawn while, and hung, lost, doubled or late on demand."""

import asyncio
import contextvars
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import TypeVar

from herder.control.kernel.driver_calls import PLACES
from herder.model.fleet.driver import DriverError, OutcomeUnknown, Unavailable
from herder.ports.calls import CallsReport
from tests.simulation.world.plan import CALL_FAULTS, Dice, Fault

_T = TypeVar("_T")

LATE_S = 12.0
#: After a caller gave up, what was hanging is done.
ACTS_AFTER_S = 3.0
#: So that a world of minutes sees the end of a hanging call.
DEADLINE_MAX_S = 30.0


@dataclass(slots=True, kw_only=True)
class Order:
    """What the next `times` calls of a verb (`*`: any) of one driver meet. `error`: what a refused one says."""

    fault: Fault
    driver: str = "cloud"
    verb: str = "*"
    error: Exception | None = None
    times: int = 1


class VirtualCalls:
    """`ports.calls.Calls`."""

    def __init__(self, dice: Dice, trace: Callable[..., None], acted: Callable[[], None]) -> None:
        self._dice, self._trace, self._acted = dice, trace, acted
        self.stuck: dict[str, Fault] = {}
        """By driver: what becomes of each of its calls until somebody takes it out."""
        self.refusal: DriverError | None = None
        """What a refused call says; None: that the provider does not answer."""
        self.made: list[tuple[str, str, str]] = []
        """(driver, verb, worker) of every call."""
        self._orders: list[Order] = []

    async def run(
        self, driver: str, verb: str, work: Callable[[], _T], *, deadline_s: float, worker: str = ""
    ) -> _T:
        self.made.append((driver, verb, worker))
        deadline_s = min(deadline_s, DEADLINE_MAX_S)
        ordered = self._ordered(driver, verb)
        fault = self.stuck.get(driver) or (
            ordered.fault
            if ordered is not None
            else self._dice.fault(verb, self._dice.odds.calls, CALL_FAULTS)
        )
        self._trace("call", driver, verb, fault.value)
        await asyncio.sleep(LATE_S if fault is Fault.LATE else self._dice.draw.uniform(0.01, 0.5))
        if fault is Fault.REFUSED:
            said = ordered.error if ordered is not None else self.refusal
            raise said or Unavailable(f"{driver} does not answer")
        if fault in (Fault.REQUEST_LOST, Fault.ACTS_LATE):
            if fault is Fault.ACTS_LATE:
                # The provider has the request: it acts even when our server is dead by then.
                asyncio.get_running_loop().call_later(
                    deadline_s + ACTS_AFTER_S, self._act_late, work, context=contextvars.Context()
                )
            await asyncio.sleep(deadline_s)
            raise OutcomeUnknown(f"driver {driver}: {verb} gave no answer within {deadline_s:g} s")
        try:
            answer = work()
            if fault is Fault.DOUBLED:
                answer = work()
        finally:
            self._acted()
        await asyncio.sleep(self._dice.draw.uniform(0.0, 0.1))
        if fault is Fault.ANSWER_LOST:
            raise OutcomeUnknown(f"driver {driver}: the answer to {verb} was lost")
        return answer

    def order(self, order: Order) -> None:
        self._orders.append(replace(order))

    def _ordered(self, driver: str, verb: str) -> Order | None:
        found = next(
            (each for each in self._orders if each.driver == driver and each.verb in (verb, "*")), None
        )
        if found is not None:
            found.times -= 1
            if not found.times:
                self._orders.remove(found)
        return found

    def report(self, driver: str) -> CallsReport:
        return CallsReport(places=PLACES)

    def close(self) -> None:
        return

    def _act_late(self, work: Callable[[], object]) -> None:
        with suppress(DriverError):
            work()
        self._acted()
