"""What providers have announced of their machines, and the ears of the agents on them. Part of `Machines`.

An agent hears as the real one does, through `AgentPorts.notices`: as a task of its own host, so that one that is stopped hears late.
"""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from herder.agent.environment.settings import AgentSettings
from herder.agent.machine.notice_sources import Told


@dataclass(slots=True, kw_only=True)
class Announced:
    """`end_s`: the earliest end that anybody was told, on the loop's clock. `agent`: whether its agent can hear of it."""

    end_s: float
    agent: bool


class Announcements:
    def __init__(self, now_s: Callable[[], float]) -> None:
        self._now_s = now_s
        self.by_worker: dict[str, Announced] = {}
        self._ears: dict[str, asyncio.Event] = {}

    def announce(self, worker: str, left_s: float, *, agent: bool) -> None:
        end_s, before = self._now_s() + left_s, self.by_worker.get(worker)
        if before is not None:
            end_s, agent = min(end_s, before.end_s), agent or before.agent
        self.by_worker[worker] = Announced(end_s=end_s, agent=agent)
        if agent and worker in self._ears:
            self._ears[worker].set()

    def ear(self, worker: str) -> Callable[[AgentSettings, Told], Awaitable[None]]:
        """Of the agent that starts there now."""
        event = self._ears[worker] = asyncio.Event()
        known = self.by_worker.get(worker)
        if known is not None and known.agent:
            event.set()

        async def listen(_settings: AgentSettings, told: Told) -> None:
            while True:
                await event.wait()
                event.clear()
                told(self.by_worker[worker].end_s - self._now_s(), "the provider")

        return listen

    def forget(self, worker: str) -> None:
        self.by_worker.pop(worker, None)
        self._ears.pop(worker, None)
