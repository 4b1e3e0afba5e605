"""Calls to drivers (`ports.calls.Calls`): threads of its own for each driver, and a deadline for each call.

Made by the server, used through `control/drivers/calling.py`. A thread cannot be stopped: a call past its deadline is *abandoned*. It goes on
holding its place until it comes back, and its late answer is dropped (a machine that it made all the same is found by the next `get` or
`list`). When abandoned calls hold every place, the driver is unavailable, and recovers when they return. The threads are daemons: a call
that never returns keeps no process from ending. It never uses the event loop's own executor, nor another driver's threads.
"""

import asyncio
import threading
from collections import deque
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field
from queue import SimpleQueue
from typing import Any, TypeVar

from herder.control.kernel.clock import SystemClock
from herder.model.fleet.driver import OutcomeUnknown, Unavailable
from herder.ports.calls import CallsReport, CallUnderWay
from herder.ports.clock import Clock

_T = TypeVar("_T")

#: Calls at a time of one driver (`CoreSettings.driver_calls`): providers throttle a client that sends many more.
PLACES = 8


@dataclass(slots=True, kw_only=True, eq=False)
class DriverCall:
    verb: str
    worker: str
    work: Callable[[], Any]
    future: "asyncio.Future[Any]"
    since_ms: int
    began_ms: int
    """Monotonic."""
    abandoned: bool = False


@dataclass(slots=True, kw_only=True)
class DriverPlaces:
    """The threads of one driver, and who waits for one."""

    under_way: dict[int, DriverCall] = field(default_factory=dict)
    waiting: "deque[asyncio.Future[None]]" = field(default_factory=deque)
    work: "SimpleQueue[tuple[int, DriverCall] | None]" = field(default_factory=SimpleQueue)
    granted: int = 0
    """Places that were given to calls that have not begun yet."""
    threads: int = 0
    abandoned_total: int = 0

    @property
    def abandoned(self) -> int:
        return sum(call.abandoned for call in self.under_way.values())


class DriverCalls:
    def __init__(self, clock: Clock | None = None, *, places: int = PLACES) -> None:
        self._clock = SystemClock() if clock is None else clock
        self._places = places
        self._drivers: dict[str, DriverPlaces] = {}
        self._number = 0

    async def run(
        self, driver: str, verb: str, work: Callable[[], _T], *, deadline_s: float, worker: str = ""
    ) -> _T:
        mine = self._drivers.setdefault(driver, DriverPlaces())
        await self._place(driver, mine)
        loop = asyncio.get_running_loop()
        number = self._number = self._number + 1
        call = DriverCall(
            verb=verb,
            worker=worker,
            work=work,
            future=loop.create_future(),
            since_ms=self._clock.now_ms(),
            began_ms=self._clock.monotonic_ms(),
        )
        mine.under_way[number] = call
        self.start_call(driver, mine, number, call)
        timer = loop.call_later(deadline_s, self._abandon, driver, mine, number, deadline_s)
        try:
            answer: _T = await call.future
            return answer
        except asyncio.CancelledError:
            self._give_up(mine, number)
            raise
        finally:
            timer.cancel()

    def report(self, driver: str) -> CallsReport:
        mine = self._drivers.get(driver)
        if mine is None:
            return CallsReport(places=self._places)
        now = self._clock.monotonic_ms()
        return CallsReport(
            places=self._places,
            under_way=tuple(
                CallUnderWay(
                    verb=call.verb,
                    worker=call.worker,
                    since_ms=call.since_ms,
                    seconds=(now - call.began_ms) / 1000,
                    abandoned=call.abandoned,
                )
                for call in mine.under_way.values()
            ),
            waiting=sum(not each.done() for each in mine.waiting),
            abandoned_total=mine.abandoned_total,
        )

    def close(self) -> None:
        """Let the threads go that are not in a call; the others follow, or end with the process."""
        for mine in self._drivers.values():
            for _ in range(mine.threads):
                mine.work.put(None)

    # --- inside

    async def _place(self, driver: str, mine: DriverPlaces) -> None:
        """Wait for a place, in order of coming. Raises Unavailable when only calls that were given up could free one."""
        if mine.abandoned >= self._places:
            raise self._unavailable(driver, mine)
        if len(mine.under_way) + mine.granted < self._places:
            return
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        mine.waiting.append(turn)
        try:
            await turn
        except asyncio.CancelledError:
            if turn.done() and not turn.cancelled() and turn.exception() is None:
                mine.granted -= 1  # the place came together with the cancellation: the next one has it
                self._next(mine)
            raise
        mine.granted -= 1

    def _unavailable(self, driver: str, mine: DriverPlaces) -> Unavailable:
        oldest = next(iter(mine.under_way.values()))
        seconds = (self._clock.monotonic_ms() - oldest.began_ms) / 1000
        about = f" of worker {oldest.worker}" if oldest.worker else ""
        return Unavailable(
            f"Driver {driver} does not answer: all {self._places} calls have passed their deadlines, the oldest "
            f"({oldest.verb}{about}) began {seconds:.0f} s ago. The driver is used again when they return."
        )

    def start_call(self, driver: str, mine: DriverPlaces, number: int, call: DriverCall) -> None:
        """Begin the call elsewhere; `_returned` is called on the loop when it comes back. The simulated world has no threads."""
        if mine.threads < min(self._places, len(mine.under_way)):
            mine.threads += 1
            name = f"driver-{driver}-{mine.threads}"
            threading.Thread(target=self._work, args=(mine,), name=name, daemon=True).start()
        mine.work.put((number, call))

    def _work(self, mine: DriverPlaces) -> None:
        """A thread of the driver's: one call after the other, until `close`."""
        while (todo := mine.work.get()) is not None:
            number, call = todo
            answer, error = None, None
            try:
                answer = call.work()
            except BaseException as raised:  # noqa: BLE001 - handed to whoever asked; a driver may not end the server, nor this thread
                error = for_a_future(raised)
            with suppress(RuntimeError):  # the event loop is closed: nobody waits any more
                call.future.get_loop().call_soon_threadsafe(self.call_returned, mine, number, answer, error)
            del todo, call, answer, error

    def call_returned(
        self, mine: DriverPlaces, number: int, answer: Any, error: BaseException | None
    ) -> None:
        call = mine.under_way.pop(number)
        if not call.future.done():
            if error is not None:
                call.future.set_exception(error)
            else:
                call.future.set_result(answer)
        self._next(mine)

    def _next(self, mine: DriverPlaces) -> None:
        while mine.waiting and len(mine.under_way) + mine.granted < self._places:
            turn = mine.waiting.popleft()
            if not turn.done():
                mine.granted += 1
                turn.set_result(None)

    def _abandon(self, driver: str, mine: DriverPlaces, number: int, deadline_s: float) -> None:
        call = mine.under_way.get(number)
        if call is None or call.future.done():
            return
        self._give_up(mine, number)
        about = f" of worker {call.worker}" if call.worker else ""
        call.future.set_exception(
            OutcomeUnknown(f"Driver {driver} did not answer {call.verb}{about} within {deadline_s:g} s.")
        )
        if mine.abandoned >= self._places:
            while mine.waiting:
                turn = mine.waiting.popleft()
                if not turn.done():
                    turn.set_exception(self._unavailable(driver, mine))

    def _give_up(self, mine: DriverPlaces, number: int) -> None:
        call = mine.under_way.get(number)
        if call is not None and not call.abandoned:
            call.abandoned = True
            mine.abandoned_total += 1


def for_a_future(raised: BaseException) -> Exception:
    """What a driver raised, as whoever asked can be told: no end of a process, and nothing that a future refuses."""
    whole = isinstance(raised, Exception) and not isinstance(raised, StopIteration)
    return raised if whole else RuntimeError(f"{type(raised).__name__}: {raised}")  # type: ignore[return-value]
