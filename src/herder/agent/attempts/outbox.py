"""What the server has not acknowledged yet: starts, output and ends of attempts. Filled by `attempts`, sent by `exchange`.

Nothing leaves it before the answer to the exchange that carried it has come, so a lost answer loses nothing. The end of
an attempt never travels before the last of its output. An item that the server will not take is found by halves, told in a
plain form instead, and at last dropped: it holds up neither the others nor the heart-beat. It does not know how things are sent.
"""

import asyncio
import logging
from collections import deque
from dataclasses import dataclass

from herder.agent.environment.settings import AgentSettings
from herder.model.values.phrases import clause
from herder.model.work.job import Cause
from herder.observability.logs import of_attempt
from herder.wire.worker.exchange import NO_RESULT, Finished, LogChunk

Key = tuple[int, int]
"""(job, attempt)."""

_LOG = logging.getLogger(__name__)
#: Characters of a message about an attempt: an error's text may hold a whole input.
MESSAGE_MAX = 2000
_REASON_MAX = 200


@dataclass(slots=True)
class Shipment:
    """What one exchange carries. `logs` are the oldest ones of the outbox, in order."""

    finished: list[Finished]
    started: list[tuple[int, int, int]]
    logs: list[LogChunk]

    @property
    def items(self) -> int:
        return len(self.finished) + len(self.started) + len(self.logs)


class Outbox:
    __slots__ = (
        "_ended_before",
        "_ended_now",
        "_items_most",
        "_logs",
        "_plain",
        "_settings",
        "_started",
        "finished",
        "waiting",
    )

    def __init__(self, settings: AgentSettings) -> None:
        self._settings = settings
        self.finished: dict[Key, Finished] = {}
        self._started: dict[Key, int] = {}
        self._logs: deque[LogChunk] = deque()
        self._ended_now: set[Key] = set()
        self._ended_before: set[Key] = set()
        self._items_most: int | None = None
        self._plain: set[object] = set()
        """Items that were told in their plain form: (job, attempt) of ends, (job, attempt, offset) of output."""
        self.waiting = asyncio.Event()
        """Set while there is something to send (or when somebody wants an exchange anyway)."""

    @property
    def empty(self) -> bool:
        return not (self.finished or self._logs or self._started)

    def add_finished(self, finished: Finished) -> None:
        key = (finished.job, finished.attempt)
        if len(finished.message) > MESSAGE_MAX:
            finished.message = finished.message[:MESSAGE_MAX] + "…"
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
        """As much as one exchange may carry, oldest first; while a bad item is looked for, only a few."""
        if self._items_most is not None:
            return self._pack_few(self._items_most)
        started = [(job, attempt, at_ms) for (job, attempt), at_ms in self._started.items()]
        budget = self._settings.bytes_per_exchange
        logs: list[LogChunk] = []
        for chunk in self._logs:
            budget -= len(chunk.text)
            if budget < 0 and logs:
                break
            logs.append(chunk)
        return Shipment(self._pack_finished(len(logs), budget), started, logs)

    def _pack_few(self, items_most: int) -> Shipment:
        started = [(job, attempt, at_ms) for (job, attempt), at_ms in self._started.items()][:items_most]
        logs = list(self._logs)[: items_most - len(started)]
        left = items_most - len(started) - len(logs)
        finished = self._pack_finished(len(logs), self._settings.bytes_per_exchange)[:left] if left else []
        return Shipment(finished, started, logs)

    def _pack_finished(self, logs_packed: int, budget: int) -> list[Finished]:
        late = {(chunk.job, chunk.attempt) for chunk in list(self._logs)[logs_packed:]}
        finished: list[Finished] = []
        for key, end in self.finished.items():
            if key in late:
                continue
            budget -= 100
            if end.result != NO_RESULT:
                budget -= len(memoryview(end.result))
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
            self._plain.discard(key)
        for job, attempt, _ in shipment.started:
            self._started.pop((job, attempt), None)
        for _ in shipment.logs:
            self._logs.popleft()
        if len(self._ended_now) > self._settings.remember_ended:
            self._ended_before, self._ended_now = self._ended_now, set()
        if self._items_most is not None and shipment.items:
            most = self._items_most * 2
            self._items_most = most if most < self._settings.finished_per_exchange else None
        if self.empty:
            self._plain.clear()
            self.waiting.clear()

    # --- what the server will not take

    def rejected(self, shipment: Shipment, reason: str) -> None:
        """The server refuses this shipment for what is in it: the next is half as large, until the item is found."""
        if shipment.items > 1:
            self._items_most = shipment.items // 2
            return
        for end in shipment.finished:
            self._tell_plainly(end, reason)
        for chunk in shipment.logs:
            self._tell_output_plainly(chunk, reason)
        for job, attempt, _ in shipment.started:
            _LOG.error(
                "The start of job %s, attempt %s cannot be reported: %s",
                job,
                attempt,
                reason,
                extra=of_attempt(job, attempt),
            )
            self._started.pop((job, attempt), None)

    def refused_end(self, end: Finished, reason: str) -> None:
        """The server took the others of a shipment, which is receipted, but not this one."""
        self._tell_plainly(end, reason)
        if not self.empty:
            self.waiting.set()

    def _tell_plainly(self, end: Finished, reason: str) -> None:
        """First without what may be at fault in it; refused once more, it is dropped, and its attempt counts as lost."""
        key = (end.job, end.attempt)
        _LOG.error(
            "The server refused the end of job %s, attempt %s: %s", *key, reason, extra=of_attempt(*key)
        )
        if key in self._plain:
            self.finished.pop(key, None)
            self._ended_now.add(key)
            self._plain.discard(key)
            return
        self._plain.add(key)
        self._ended_now.discard(key)
        self.finished[key] = plain_end(end, reason)

    def _tell_output_plainly(self, chunk: LogChunk, reason: str) -> None:
        """In as many bytes, so that what follows joins without a gap."""
        key = (chunk.job, chunk.attempt)
        _LOG.error(
            "The server refused output of job %s, attempt %s: %s", *key, reason, extra=of_attempt(*key)
        )
        mark = (*key, chunk.offset)
        self._logs.popleft()
        if mark in self._plain:
            self._plain.discard(mark)
            return
        self._plain.add(mark)
        size = len(chunk.text.encode("utf-8", "replace"))
        text = f"\n[herder: {size} bytes of output could not be delivered]\n"
        self._logs.appendleft(
            LogChunk(
                job=chunk.job, attempt=chunk.attempt, offset=chunk.offset, text=text[:size].ljust(size, ".")
            )
        )


def plain_end(end: Finished, reason: str) -> Finished:
    """The same end without its result, its use and the text of anybody else."""
    causes = {cause.value for cause in Cause}
    why = reason[:_REASON_MAX].encode("ascii", "replace").decode()
    known = end.state in ("succeeded", "failed", "cancelled")
    return Finished(
        job=end.job,
        attempt=end.attempt,
        state=end.state if known else "failed",
        started_at_ms=max(0, end.started_at_ms),
        ended_at_ms=max(0, end.ended_at_ms),
        exit_code=end.exit_code if end.exit_code is not None and abs(end.exit_code) < 2**31 else None,
        cause=end.cause if end.cause in causes else Cause.INFRASTRUCTURE.value,
        message=f"The server refused the report of this attempt, so its result and message are missing: {clause(why)}.",
    )
