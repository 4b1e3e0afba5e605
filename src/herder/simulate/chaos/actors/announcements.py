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
    """`end_s`: the earliest end that anybody was told, on the loop's clock, and `latest_s`: the latest. `agent`: whether its agent can hear
    of it, and `driver`: who asks the driver."""

    end_s: float
    latest_s: float
    agent: bool
    driver: bool
    heard: bool = False
    """The agent that runs there has heard of it."""


class Announcements:
    def __init__(self, now_s: Callable[[], float]) -> None:
        self._now_s = now_s
        self.by_worker: dict[str, Announced] = {}
        self._ears: dict[str, asyncio.Event] = {}

    def announce(self, worker: str, left_s: float, *, agent: bool, driver: bool = False) -> None:
        end_s = self._now_s() + left_s
        now = Announced(end_s=end_s, latest_s=end_s, agent=agent, driver=driver)
        before = self.by_worker.get(worker)
        if before is not None:
            now.end_s, now.latest_s = min(end_s, before.end_s), max(end_s, before.latest_s)
            now.agent, now.driver = agent or before.agent, driver or before.driver
            now.heard = before.heard
        self.by_worker[worker] = now
        if agent and worker in self._ears:
            self._ears[worker].set()

    def ear(self, worker: str) -> Callable[[AgentSettings, Told], Awaitable[None]]:
        """Of the agent that starts there now."""
        event = self._ears[worker] = asyncio.Event()
        known = self.by_worker.get(worker)
        if known is not None:
            known.heard = False
            if known.agent:
                event.set()

        async def listen(_settings: AgentSettings, told: Told) -> None:
            while True:
                await event.wait()
                event.clear()
                told(self.by_worker[worker].end_s - self._now_s(), "the provider")
                self.by_worker[worker].heard = True

        return listen

    def forget(self, worker: str) -> None:
        self.by_worker.pop(worker, None)
        self._ears.pop(worker, None)
