"""A queue of records outside of Herder, as Redis has it, and the ways to it: `ports.intake.IntakeQueue` of each run of a server.

The queue outlives the servers, its steps are whole, and its leases are by its own clock. A call may be lost, answered to nobody, or carried
out long after its caller has given up; and for a while nobody may answer at all. A server can die before and after each call.
"""

import asyncio
import contextvars
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeVar

from herder.ports.intake import RECORD_MOST_BYTES, IntakeDown, Told
from herder.simulate.chaos.faults.dice import Dice
from herder.simulate.chaos.faults.kinds import INTAKE_FAULTS, Fault
from herder.simulate.chaos.hosts.loop import VirtualLoop
from herder.simulate.chaos.ports.effects import Effects

_T = TypeVar("_T")

#: As the client of Redis: after that no answer is waited for.
TIMEOUT_S = 5.0
#: A call that is carried out late is so long on its way.
ACTS_AFTER_S = (6.0, 240.0)


@dataclass(slots=True, kw_only=True)
class PlayedQueue:
    """Of one server of Redis. What producers and the rules look at."""

    loop: VirtualLoop
    dice: Dice
    trace: Callable[..., None]
    queue: dict[str, float] = field(default_factory=dict)
    """Records that nobody has claimed, with their scores: the lowest comes first."""
    data: dict[str, bytes] = field(default_factory=dict)
    status: dict[str, str] = field(default_factory=dict)
    leases: dict[str, float] = field(default_factory=dict)
    """By record: when its lease ends."""
    followed: dict[str, int] = field(default_factory=dict)
    dead: dict[str, str] = field(default_factory=dict)
    """Why each was refused."""
    away: bool = False

    def push(self, record: str, data: bytes | None, score: float) -> None:
        """What a producer does. `data` None: it forgets to write any."""
        if data is not None:
            self.data[record] = data
        self.queue[record] = score

    def line(self, effects: Effects) -> "QueueLine":
        """For one server that opens it."""
        return QueueLine(self, effects)

    # --- steps, each as a whole

    def claim(self, lease_s: float, most: int) -> list[str]:
        now_s = self.loop.now_s
        over = sorted((ends, each) for each, ends in self.leases.items() if ends <= now_s)
        found = [each for _, each in over[:most]]
        urgent = sorted((score, each) for each, score in self.queue.items())
        for _, each in urgent[: most - len(found)]:
            del self.queue[each]
            found.append(each)
        self.leases |= dict.fromkeys(found, now_s + lease_s)
        return found

    def acknowledge(self, record: str, job: int, told: Told) -> None:
        if self.leases.pop(record, None) is not None:
            self.followed[record] = job
            self._write(told)

    def refuse(self, record: str, reason: str) -> None:
        if self.leases.pop(record, None) is not None:
            self.dead[record], self.status[record] = reason, "failed"

    def tell(self, told: Sequence[Told]) -> None:
        for each in told:
            if each.record in self.followed:
                self._write(each)
                if each.final:
                    del self.followed[each.record]

    def _write(self, told: Told) -> None:
        self.status[told.record] = told.status
        if told.data is not None and told.record in self.data:
            self.data[told.record] = told.data


class QueueLine:
    def __init__(self, queue: PlayedQueue, effects: Effects) -> None:
        self._queue, self._effects = queue, effects

    async def claim(self, lease_s: float, most: int) -> list[str]:
        return await self._ask("claim", lambda: self._queue.claim(lease_s, most))

    async def read(self, records: Sequence[str]) -> list[bytes | None]:
        if not records:
            return []

        def cut() -> list[bytes | None]:
            found = [self._queue.data.get(each) for each in records]
            return [None if each is None else each[: RECORD_MOST_BYTES + 1] for each in found]

        return await self._ask("read", cut)

    async def acknowledge(self, record: str, job: int, told: Told) -> None:
        await self._ask("acknowledge", lambda: self._queue.acknowledge(record, job, told), record, job)

    async def refuse(self, record: str, reason: str) -> None:
        await self._ask("refuse", lambda: self._queue.refuse(record, reason), record)

    async def followed(self) -> Mapping[str, int]:
        return await self._ask("followed", lambda: dict(self._queue.followed))

    async def tell(self, told: Sequence[Told]) -> None:
        records = [f"{each.record} {each.status}" for each in told]
        await self._ask("tell", lambda: self._queue.tell(told), *records)

    async def waiting(self) -> int:
        return await self._ask("waiting", lambda: len(self._queue.queue))

    async def close(self) -> None:
        """Nothing is open."""

    async def _ask(self, what: str, act: Callable[[], _T], *about: object) -> _T:
        """Raises IntakeDown."""
        queue, name = self._queue, f"intake {what}"
        if not self._effects.at(name):
            await _for_ever()
        fault = queue.dice.fault("intake", name, queue.dice.odds.intake, INTAKE_FAULTS)
        if about:
            queue.trace("asks the queue", what, *about, fault.value)
        await asyncio.sleep(queue.dice.of("way to the queue").uniform(0.0005, 0.005))
        if fault is Fault.REFUSED or queue.away:
            raise IntakeDown("Connection refused.")
        if fault is Fault.ACTS_LATE:
            after_s = queue.dice.of("late at the queue").uniform(*ACTS_AFTER_S)
            queue.loop.call_later(after_s, act, context=contextvars.Context())
        if fault in (Fault.REQUEST_LOST, Fault.ACTS_LATE):
            await asyncio.sleep(TIMEOUT_S)
            raise IntakeDown("Timeout reading from the socket.")
        answer = act()
        if fault is Fault.ANSWER_LOST:
            await asyncio.sleep(TIMEOUT_S)
            raise IntakeDown("Timeout reading from the socket.")
        if not self._effects.at(f"{name} done"):
            await _for_ever()
        return answer


async def _for_ever() -> Any:
    """The server has died."""
    await asyncio.get_running_loop().create_future()
