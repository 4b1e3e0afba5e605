"""Driver calls in the simulated world: the places and deadlines of the real port (`control/kernel/driver_calls.py`), and a drawn delay
instead of a thread. After it the provider acts once, twice, not at all, or after the caller has given up.
"""

import asyncio
import contextvars
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, TypeVar

from herder.control.kernel.driver_calls import PLACES, DriverCall, DriverCalls, DriverPlaces, for_a_future
from herder.model.fleet.driver import DriverError, OutcomeUnknown, OutOfCapacity, Unavailable
from herder.simulate.chaos.faults.dice import Dice
from herder.simulate.chaos.faults.kinds import CALL_FAULTS, Fault
from herder.simulate.chaos.hosts.clocks import VirtualClock
from herder.simulate.chaos.ports.effects import Effects

_T = TypeVar("_T")

LATE_S = 12.0
#: A late call is carried out this long after its deadline.
ACTS_AFTER_S = (1.0, 60.0)
#: Upper limit of deadlines, so that a world of minutes sees the end of a hanging call.
DEADLINE_MAX_S = 30.0
#: Part of the refused creations that are refused for lack of capacity.
CAPACITY_PART = 0.5
#: A lost request keeps its place this long after its deadline.
HANGS_ON_S = 20.0


@dataclass(slots=True, kw_only=True)
class Order:
    """The fault of the next `times` calls of a verb (`*`: any) of one driver. `error`: what a refused call raises."""

    fault: Fault
    driver: str = "cloud"
    verb: str = "*"
    error: Exception | None = None
    times: int = 1


class VirtualCalls(DriverCalls):
    """`ports.calls.Calls`, of one run of a server."""

    def __init__(
        self,
        clock: VirtualClock,
        dice: Dice,
        trace: Callable[..., None],
        acted: Callable[[], None],
        effects: Effects | None = None,
    ) -> None:
        super().__init__(clock, places=PLACES)
        self._dice, self._trace, self._acted = dice, trace, acted
        self._effects = effects
        self.stuck: dict[str, Fault] = {}
        """By driver: the fault of each of its calls, until the entry is removed."""
        self.refusal: DriverError | None = None
        """What a refused call raises; None: Unavailable."""
        self.made: list[tuple[str, str, str]] = []
        """(driver, verb, worker) of every call."""
        self.keep_made = True
        self._orders: list[Order] = []
        self.told: Callable[[str, str, str], None] = lambda _driver, _verb, _worker: None
        """Of each call that leaves for a provider: driver, verb, worker."""
        self.acts: Callable[[float], None] = lambda _left_s: None
        """Called before a provider acts: when the call left, on the loop's clock."""
        self.went_well: Callable[[str, str, str], None] = lambda _driver, _verb, _worker: None
        """Of each call that a provider has answered without an error, as `told`."""
        self.troubled_s: dict[tuple[str, str], float] = {}
        """By driver and verb: when a call last met a fault."""

    def continues(self, before: "VirtualCalls") -> None:
        """Take over the faults and orders of the previous server: they belong to the provider."""
        self.stuck, self.refusal, self.made, self._orders = (
            before.stuck,
            before.refusal,
            before.made,
            before._orders,
        )
        self.told, self.acts, self.went_well = before.told, before.acts, before.went_well
        self.troubled_s = before.troubled_s

    async def run(
        self, driver: str, verb: str, work: Callable[[], _T], *, deadline_s: float, worker: str = ""
    ) -> _T:
        return await super().run(
            driver, verb, work, deadline_s=min(deadline_s, DEADLINE_MAX_S), worker=worker
        )

    def order(self, order: Order) -> None:
        self._orders.append(replace(order))

    # --- inside

    def start_call(self, driver: str, mine: DriverPlaces, number: int, call: DriverCall) -> None:
        if self.keep_made:
            self.made.append((driver, call.verb, call.worker))
        if self._effects is not None and not self._effects.at(f"{driver} {call.verb}"):
            return
        self.told(driver, call.verb, call.worker)
        ordered = self._ordered(driver, call.verb)
        fault = self.stuck.get(driver) or (
            ordered.fault
            if ordered is not None
            else self._dice.fault("call", call.verb, self._dice.odds.calls, CALL_FAULTS)
        )
        if fault is not Fault.NONE:
            self.troubled_s[driver, call.verb] = asyncio.get_running_loop().time()
        self._trace("asks", driver, call.verb, call.worker, fault.value)
        said = ordered.error if ordered else None
        one = _OnItsWay(self, driver, mine, number, call, fault, said, asyncio.get_running_loop().time())
        draw = self._dice.of("call times")
        one.later(LATE_S if fault is Fault.LATE else draw.uniform(0.01, 0.5), one.arrives)

    def refuses(self, driver: str, verb: str) -> DriverError:
        """Of creations half are refused for want of capacity: some providers look at that before they look at the name."""
        if verb == "create" and self._dice.of("refusals").random() < CAPACITY_PART:
            return OutOfCapacity(f"Driver {driver} has no capacity now.")
        return Unavailable(f"Driver {driver} does not answer.")

    def _ordered(self, driver: str, verb: str) -> Order | None:
        found = next(
            (each for each in self._orders if each.driver == driver and each.verb in (verb, "*")), None
        )
        if found is not None:
            found.times -= 1
            if not found.times:
                self._orders.remove(found)
        return found


@dataclass(slots=True)
class _OnItsWay:
    """One request at the provider. It continues when the server that sent it dies."""

    calls: VirtualCalls
    driver: str
    mine: DriverPlaces
    number: int
    call: DriverCall
    fault: Fault
    said: Exception | None
    left_s: float

    def later(self, seconds: float, step: Callable[[], None]) -> None:
        asyncio.get_running_loop().call_later(seconds, step, context=contextvars.Context())

    def arrives(self) -> None:
        fault, draw = self.fault, self.calls._dice.of("call times")
        if fault is Fault.REFUSED:
            said = self.said or self.calls.refusal
            self._returns(None, said or self.calls.refuses(self.driver, self.call.verb))
        elif fault is Fault.REQUEST_LOST:
            lost = OutcomeUnknown(f"Driver {self.driver} did not answer {self.call.verb}.")
            self.later(DEADLINE_MAX_S + HANGS_ON_S, lambda: self._returns(None, lost))
        elif fault is Fault.ACTS_LATE:
            self.later(DEADLINE_MAX_S + draw.uniform(*ACTS_AFTER_S), self._acts_late)
        else:
            answer, error = self._act()
            if fault is Fault.ANSWER_LOST and error is None:
                error = OutcomeUnknown(f"The answer of driver {self.driver} to {self.call.verb} was lost.")
            self.later(draw.uniform(0.0, 0.1), lambda: self._returns(answer, error))

    def _act(self) -> tuple[Any, BaseException | None]:
        answer, error = None, None
        self.calls.acts(self.left_s)
        try:
            answer = self.call.work()
            if self.fault is Fault.DOUBLED:
                answer = self.call.work()
        except Exception as raised:  # noqa: BLE001 - goes to the caller, as from a thread
            error = raised
        self.calls._acted()
        return answer, error

    def _acts_late(self) -> None:
        self._returns(*self._act())

    def _returns(self, answer: Any, error: BaseException | None) -> None:
        effects = self.calls._effects
        if effects is not None and not effects.at(f"answer to {self.driver} {self.call.verb}"):
            return
        if error is None:
            self.calls.went_well(self.driver, self.call.verb, self.call.worker)
        told = None if error is None else for_a_future(error)
        self.calls.call_returned(self.mine, self.number, answer, told)
