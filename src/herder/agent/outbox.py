"""What the server has not receipted yet: ends, starts and output of attempts. Filled by `attempts`, emptied by `exchange`.

Nothing leaves it before the answer to the exchange that carried it has come, so a lost answer loses nothing. The end of
an attempt never travels before the last of its output. It does not know how things are sent.
"""

import asyncio
from collections import deque
from dataclasses import dataclass

from herder.agent.settings import AgentSettings
from herder.wire.exchange import Finished, LogChunk

Key = tuple[int, int]
"""(job, attempt)."""


@dataclass(slots=True)
class Shipment:
    """What one exchange carries. `logs` are the oldest ones of the outbox, in order."""

    finished: list[Finished]
    started: list[tuple[int, int, int]]
    logs: list[LogChunk]


class Outbox:
    __slots__ = ("_ended_before", "_ended_now", "_logs", "_settings", "_started", "finished", "waiting")

    def __init__(self, settings: AgentSettings) -> None:
        self._settings = settings
        self.finished: dict[Key, Finished] = {}
        self._started: dict[Key, int] = {}
        self._logs: deque[LogChunk] = deque()
        self._ended_now: set[Key] = set()
        self._ended_before: set[Key] = set()
        self.waiting = asyncio.Event()
        """Set while there is something to send (or when somebody wants an exchange anyway)."""

    @property
    def empty(self) -> bool:
        return not (self.finished or self._logs or self._started)

    def add_finished(self, finished: Finished) -> None:
        key = (finished.job, finished.attempt)
        self.finished[key] = finished
        self._started.pop(key, None)
        self.waiting.set()

    def add_started(self, key: Key, at_ms: int) -> None:
        self._started[key] = at_ms
        self.waiting.set()

    def add_logs(self, chunks: list[LogChunk]) -> None:
        if chunks:
            self._logs.extend(chunks)
            self.waiting.set()

    def has_logs_of(self, key: Key) -> bool:
        return any((chunk.job, chunk.attempt) == key for chunk in self._logs)

    def knows_end_of(self, key: Key) -> bool:
        """Whether this attempt has ended here: reported or about to be. Remembers at least `remember_ended` of them."""
        return key in self.finished or key in self._ended_now or key in self._ended_before

    def pack(self) -> Shipment:
        """As much as one exchange may carry, oldest first."""
        started = [(job, attempt, at_ms) for (job, attempt), at_ms in self._started.items()]
        budget = self._settings.bytes_per_exchange
        logs: list[LogChunk] = []
        for chunk in self._logs:
            budget -= len(chunk.text)
            if budget < 0 and logs:
                break
            logs.append(chunk)
        return Shipment(self._pack_finished(len(logs), budget), started, logs)

    def _pack_finished(self, logs_packed: int, budget: int) -> list[Finished]:
        late = {(chunk.job, chunk.attempt) for chunk in list(self._logs)[logs_packed:]}
        finished: list[Finished] = []
        for key, end in self.finished.items():
            if key in late:
                continue
            budget -= 100 + len(memoryview(end.result))
            if (budget < 0 or len(finished) >= self._settings.finished_per_exchange) and finished:
                break
            finished.append(end)
        return finished

    def receipt(self, shipment: Shipment) -> None:
        """The server has this shipment for good: forget it."""
        for end in shipment.finished:
            key = (end.job, end.attempt)
            del self.finished[key]
            self._ended_now.add(key)
        for job, attempt, _ in shipment.started:
            self._started.pop((job, attempt), None)
        for _ in shipment.logs:
            self._logs.popleft()
        if len(self._ended_now) > self._settings.remember_ended:
            self._ended_before, self._ended_now = self._ended_now, set()
        if self.empty:
            self.waiting.clear()
